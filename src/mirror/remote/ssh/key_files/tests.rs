use std::process::Command;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A home folder with an empty `.ssh`.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    home
}

/// Lets ssh-keygen make a key in `.ssh`.
fn make(home: &TempDir, name: &str, arguments: &[&str]) -> PathBuf {
    let path = home.path().join(".ssh").join(name);
    let output = Command::new("ssh-keygen")
        .args(["-q"])
        .args(arguments)
        .arg("-f")
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    path
}

/// The fingerprint that ssh-keygen prints.
fn printed(path: &Path) -> Option<String> {
    let output = Command::new("ssh-keygen")
        .args(["-l", "-f"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').nth(1).map(str::to_owned)
}

fn only(home: &TempDir) -> KeyFile {
    let mut found = find(None, home.path());
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn keys_of_all_kinds_are_told_without_their_passphrase() {
    for (name, kind, arguments) in [
        ("id_rsa", KeyKind::Rsa, &["-t", "rsa", "-b", "2048"][..]),
        ("id_rsa", KeyKind::Rsa, &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
        ("id_rsa", KeyKind::Rsa, &["-t", "rsa", "-b", "2048", "-m", "PKCS8"]),
        ("id_ecdsa", KeyKind::Ecdsa, &["-t", "ecdsa", "-b", "384"]),
        ("id_ecdsa", KeyKind::Ecdsa, &["-t", "ecdsa", "-m", "PEM"]),
        ("id_ed25519", KeyKind::Ed25519, &["-t", "ed25519"]),
    ] {
        for passphrase in ["", "a passphrase"] {
            let home = home();
            let path = make(&home, name, &[arguments, &["-N", passphrase]].concat());
            let expected = KeyFile {
                kind: kind.clone(),
                encrypted: !passphrase.is_empty(),
                fingerprint: printed(&path),
                problem: None,
                path,
            };
            assert_eq!(only(&home), expected, "{arguments:?}");
        }
    }
}

#[test]
fn the_public_half_is_told_by_a_key_of_openssh_itself() {
    let home = home();
    let path = make(&home, "id_ed25519", &["-t", "ed25519", "-N", "secret"]);
    let fingerprint = printed(&path);
    std::fs::remove_file(home.path().join(".ssh/id_ed25519.pub")).unwrap();
    assert_eq!(only(&home).fingerprint, fingerprint);

    let pem = make(&home, "id_rsa", &["-t", "rsa", "-m", "PKCS8", "-N", "secret"]);
    std::fs::remove_file(home.path().join(".ssh/id_rsa.pub")).unwrap();
    let found = find(Some(&[pem]), home.path()).remove(0);
    assert_eq!((found.fingerprint, found.kind), (None, KeyKind::Other));
    assert!(found.encrypted);
}

#[test]
fn what_libssh2_cannot_undo_is_left_to_ssh() {
    let home = home();
    make(
        &home,
        "id_ed25519",
        &["-t", "ed25519", "-N", "secret", "-Z", "aes256-gcm@openssh.com"],
    );
    assert_eq!(
        only(&home).problem,
        Some(Problem::Cipher("aes256-gcm@openssh.com".into()))
    );
    make(
        &home,
        "id_ed25519_2",
        &["-t", "ed25519", "-N", "secret", "-Z", "aes128-cbc"],
    );
    let found = find(Some(&[home.path().join(".ssh/id_ed25519_2")]), home.path());
    assert_eq!(found[0].problem, None);
}

/// A private key of OpenSSH's format, as far as it can be read without its passphrase.
fn frame(kind: &str) -> String {
    let string = |bytes: &[u8]| {
        let mut framed = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        framed.extend_from_slice(bytes);
        framed
    };
    let public = string(kind.as_bytes());
    let body = [
        MAGIC.to_vec(),
        string(b"none"),
        string(b"none"),
        string(b""),
        vec![0, 0, 0, 1],
        string(&public),
        string(b"private"),
    ]
    .concat();
    let body = STANDARD.encode(body);
    format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n")
}

#[cfg(unix)]
fn write(path: &Path, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn keys_that_cannot_be_signed_in_with_say_why() {
    let home = home();
    let path = home.path().join(".ssh/id_ecdsa_sk");
    for (text, mode, problem) in [
        (frame("sk-ssh-ed25519@openssh.com"), 0o600, Problem::SecurityKey),
        (frame("sk-ecdsa-sha2-nistp256@openssh.com"), 0o600, Problem::SecurityKey),
        (frame("ssh-dss"), 0o600, Problem::Dsa),
        ("-----BEGIN DSA PRIVATE KEY-----\nAA\n".into(), 0o600, Problem::Dsa),
        (frame("ssh-rsa"), 0o640, Problem::TooOpen { mode: 0o100_640 }),
        ("hello".into(), 0o600, Problem::NotAKey),
        (String::new(), 0o600, Problem::NotAKey),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n".into(),
            0o600,
            Problem::NotAKey,
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n".into(), 0o600, Problem::NotAKey),
    ] {
        write(&path, &text, mode);
        let found = only(&home);
        assert_eq!(found.problem, Some(problem), "{text}");
        assert_eq!(matches!(found.problem, Some(Problem::TooOpen { .. })), mode == 0o640);
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_opened() {
    let home = home();
    let path = home.path().join(".ssh/id_rsa");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    assert!(matches!(only(&home).problem, Some(Problem::Unreadable(_))));
}

#[test]
fn a_public_half_alone_points_to_the_agent() {
    let home = home();
    let path = make(&home, "id_ed25519", &["-t", "ed25519", "-N", ""]);
    let fingerprint = printed(&path);
    std::fs::remove_file(&path).unwrap();
    let alone = only(&home);
    assert_eq!(alone.problem, Some(Problem::PublicOnly));
    assert_eq!(alone.fingerprint, fingerprint);

    let configured = home.path().join(".ssh/id_ed25519.pub");
    let named = find(Some(&[configured]), home.path()).remove(0);
    assert_eq!(
        (named.problem, named.fingerprint),
        (Some(Problem::PublicOnly), fingerprint)
    );
}

#[test]
fn configured_files_are_tried_instead_of_the_usual_ones() {
    let home = home();
    make(&home, "id_ed25519", &["-t", "ed25519", "-N", ""]);
    let second = make(&home, "work", &["-t", "ed25519", "-N", ""]);
    let missing = home.path().join(".ssh/missing");
    make(&home, "id_ecdsa", &["-t", "ecdsa", "-N", ""]);
    let paths = |found: Vec<KeyFile>| found.into_iter().map(|file| file.path).collect::<Vec<_>>();
    assert_eq!(paths(find(Some(&[missing, second.clone()]), home.path())), [second]);
    assert_eq!(
        paths(find(None, home.path())),
        ["id_ecdsa", "id_ed25519"].map(|name| home.path().join(".ssh").join(name)),
        "in the order of ssh"
    );
    assert!(find(Some(&[]), home.path()).is_empty());
}

#[test]
fn the_usual_names_are_tried_in_the_order_of_ssh() {
    let output = Command::new("ssh")
        .args(["-F", "none", "-T", "-G", "host"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("identityfile ~/.ssh/"))
        .collect();
    assert!(theirs.contains(&"id_ed25519"), "{text}");
    let ours = DEFAULT_NAMES.iter().filter(|name| theirs.contains(name));
    let common = theirs.iter().filter(|name| DEFAULT_NAMES.contains(name));
    assert!(ours.eq(common), "{theirs:?}");
}

proptest! {
    #[test]
    fn no_file_makes_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..128), framed in any::<bool>()) {
        let text = if framed {
            let body = STANDARD.encode([MAGIC, &bytes].concat());
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n")
        } else {
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let _ = understand(&text);
        let _ = public_line(&text);
    }
}
