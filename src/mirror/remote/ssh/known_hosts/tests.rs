use std::process::Command;

use proptest::prelude::*;

use super::*;

/// A public key of a type, told apart by `seed`. Its insides are nobody's business here.
fn key(kind: &str, seed: u8) -> Vec<u8> {
    let mut key = u32::try_from(kind.len()).unwrap().to_be_bytes().to_vec();
    key.extend_from_slice(kind.as_bytes());
    key.extend_from_slice(&[0, 0, 0, 32]);
    key.extend_from_slice(&[seed; 32]);
    key
}

fn line(hosts: &str, key: &[u8]) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(key);
    format!("{hosts} {} {encoded}\n", key_type(key).unwrap())
}

fn file(path: &str, text: impl Into<String>) -> HostsFile {
    HostsFile {
        path: path.into(),
        text: text.into(),
    }
}

fn at(path: &str, line: usize) -> Place {
    Place::File {
        path: path.into(),
        line,
    }
}

fn known(key: &[u8], place: Place) -> KnownKey {
    KnownKey {
        key_type: key_type(key).unwrap().to_owned(),
        fingerprint: fingerprint(key),
        place,
    }
}

const ED: &str = "ssh-ed25519";
const EC: &str = "ecdsa-sha2-nistp256";

#[test]
fn a_host_is_known_by_any_of_its_keys_in_any_file() {
    let (first, second) = (key(ED, 1), key(EC, 2));
    let files = [
        file("one", format!("# mine\n\n{}", line("example.com", &first))),
        file("two", line("other,example.com", &second)),
    ];
    let host = HostName::new("Example.COM", 22);
    assert_eq!(judge(&files, &host, &first), Verdict::Known { place: at("one", 3) });
    assert_eq!(judge(&files, &host, &second), Verdict::Known { place: at("two", 1) });
    let stranger = HostName::new("example.net", 22);
    assert_eq!(judge(&files, &stranger, &first), Verdict::Unknown);
    assert_eq!(judge(&[], &host, &first), Verdict::Unknown);
}

#[test]
fn another_key_of_the_same_type_is_a_changed_one() {
    let (old, older, new) = (key(ED, 1), key(ED, 2), key(ED, 3));
    let text = line("example.com", &old) + &line("example.com", &key(EC, 4)) + &line("*.com", &older);
    let verdict = judge(&[file("one", text)], &HostName::new("example.com", 22), &new);
    assert_eq!(
        verdict,
        Verdict::Changed {
            expected: vec![known(&old, at("one", 1)), known(&older, at("one", 3))]
        }
    );
}

#[test]
fn a_host_with_keys_of_other_types_is_not_a_new_one() {
    let old = key(EC, 1);
    let verdict = judge(
        &[file("one", line("example.com", &old))],
        &HostName::new("example.com", 22),
        &key(ED, 1),
    );
    assert_eq!(
        verdict,
        Verdict::OtherTypes {
            known: vec![known(&old, at("one", 1))]
        }
    );
}

#[test]
fn a_revoked_key_is_refused_whatever_else_is_said() {
    let (bad, good) = (key(ED, 1), key(ED, 2));
    let text = line("example.com", &bad) + &line("example.com", &good);
    let files = [file("one", text), file("two", line("@revoked *", &bad))];
    let host = HostName::new("example.com", 22);
    assert_eq!(judge(&files, &host, &bad), Verdict::Revoked { place: at("two", 1) });
    assert_eq!(judge(&files, &host, &good), Verdict::Known { place: at("one", 2) });
    let only = [file("one", line("@revoked example.com", &bad))];
    assert_eq!(
        judge(&only, &host, &bad),
        Verdict::Revoked { place: at("one", 1) },
        "also of a host that is not known"
    );
    assert_eq!(judge(&only, &host, &good), Verdict::Unknown);
}

#[test]
fn a_host_known_by_who_signs_its_keys_is_left_to_ssh() {
    let (authority, plain) = (key(ED, 1), key(ED, 2));
    let text = line("@cert-authority *.example.com", &authority) + &line("git.example.com", &plain);
    let files = [file("one", text)];
    let host = HostName::new("git.example.com", 22);
    let left = Verdict::CertificateAuthority { place: at("one", 1) };
    assert_eq!(
        judge(&files, &host, &authority),
        left,
        "an authority's key is no host's"
    );
    assert_eq!(judge(&files, &host, &key(EC, 3)), left);
    assert_eq!(judge(&files, &host, &plain), Verdict::Known { place: at("one", 2) });
}

#[test]
fn a_port_of_its_own_is_part_of_the_name() {
    let (own, bare) = (key(ED, 1), key(ED, 2));
    let text = line("[example.com]:2222", &own) + &line("example.com", &bare);
    let files = [file("one", text)];
    let host = HostName::new("example.com", 2222);
    assert_eq!(host.as_str(), "[example.com]:2222");
    assert_eq!(judge(&files, &host, &own), Verdict::Known { place: at("one", 1) });
    let expected = vec![known(&own, at("one", 1))];
    assert_eq!(judge(&files, &host, &bare), Verdict::Changed { expected });
}

#[test]
fn a_host_at_an_unknown_port_is_good_with_the_key_that_it_has_without_one() {
    let (good, bad, new) = (key(ED, 1), key(ED, 2), key(ED, 3));
    let files = [file("one", line("example.com", &good) + &line("@revoked *.com", &bad))];
    let host = HostName::new("example.com", 2222);
    assert_eq!(judge(&files, &host, &good), Verdict::Known { place: at("one", 1) });
    assert_eq!(judge(&files, &host, &bad), Verdict::Revoked { place: at("one", 2) });
    assert_eq!(judge(&files, &host, &new), Verdict::Unknown, "it is another server");
}

#[test]
fn an_alias_stands_for_itself() {
    let own = key(ED, 1);
    let files = [file("one", line("Work", &own))];
    assert_eq!(
        judge(&files, &HostName::alias("WORK"), &own),
        Verdict::Known { place: at("one", 1) }
    );
}

fn github(kind: &str) -> Vec<u8> {
    let mut keys = host_keys::of("github.com");
    keys.retain(|key| key_type(key) == Some(kind));
    keys.remove(0)
}

#[test]
fn a_well_known_host_needs_no_file() {
    let built_in = Verdict::Known { place: Place::BuiltIn };
    for (host, port) in [("github.com", 22), ("GitHub.com", 22), ("ssh.github.com", 443)] {
        assert_eq!(
            judge(&[], &HostName::new(host, port), &github(ED)),
            built_in,
            "{host}:{port}"
        );
    }
    let Verdict::Changed { expected } = judge(&[], &HostName::new("github.com", 22), &key(ED, 1)) else {
        panic!("another key is no new host")
    };
    assert_eq!(expected, [known(&github(ED), Place::BuiltIn)]);
}

#[test]
fn a_persons_own_line_comes_before_a_built_in_key() {
    let own = key(ED, 1);
    let files = [file("one", line("github.com", &own))];
    let host = HostName::new("github.com", 22);
    assert_eq!(judge(&files, &host, &own), Verdict::Known { place: at("one", 1) });
    let expected = vec![known(&own, at("one", 1))];
    assert_eq!(judge(&files, &host, &github(ED)), Verdict::Changed { expected });
    assert_eq!(
        judge(&files, &host, &github(EC)),
        Verdict::Known { place: Place::BuiltIn },
        "they said nothing of this type"
    );
}

#[test]
fn a_person_can_revoke_a_built_in_key() {
    let files = [file("one", line("@revoked github.com", &github(ED)))];
    let host = HostName::new("github.com", 22);
    assert_eq!(
        judge(&files, &host, &github(ED)),
        Verdict::Revoked { place: at("one", 1) }
    );
    let Verdict::OtherTypes { known } = judge(&files, &host, &key(ED, 1)) else {
        panic!("the revoked key is not expected any more")
    };
    assert_eq!(known.len(), 2);
}

#[test]
fn the_key_that_github_lost_is_refused_and_an_old_line_with_it_does_no_harm() {
    use base64::Engine as _;
    const LOST: &str = "AAAAB3NzaC1yc2EAAAABIwAAAQEAq2A7hRGmdnm9tUDbO9IDSwBK6TbQa+PXYPCPy6rbTrTtw7PHkccKrpp0yVhp5HdEIcKr6pLlVDBfOLX9QUsyCOV0wzfjIJNlGEYsdlLJizHhbn2mUjvSAHQqZETYP81eFzLQNnPHt4EVVUh7VfDESU84KezmD5QlWpXLmvU31/yMf+Se8xhHTvKSCZIFImWwoG6mbUoWf9nzpIoaSjB+weqqUUmpaaasXVal72J+UX2B+2RPW3RcT0eOzQgqlJL3RKrTJvdsjE3JEAvGq3lGHSZXy28G3skua2SmVi/w4yCE6gbODqnTWlg7+wC604ydGXA8VJiS5ap43JXiUFFAaQ==";
    let lost = base64::engine::general_purpose::STANDARD.decode(LOST).unwrap();
    let files = [file("one", line("github.com,192.30.252.*", &lost))];
    let host = HostName::new("github.com", 22);
    assert_eq!(judge(&files, &host, &lost), Verdict::Revoked { place: Place::BuiltIn });
    assert_eq!(
        judge(&files, &host, &github("ssh-rsa")),
        Verdict::Known { place: Place::BuiltIn }
    );
}

#[test]
fn files_are_read_in_order_and_a_missing_one_is_no_fault() {
    let home = tempfile::tempdir().unwrap();
    let paths = user_files(home.path());
    assert_eq!(paths[0], home.path().join(".ssh/known_hosts"));
    assert!(load(&paths).0.is_empty());
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    std::fs::write(&paths[1], b"caf\xe9 stays out\n").unwrap();
    std::fs::create_dir(&paths[0]).unwrap();
    let (read, failed) = load(&paths);
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].path, paths[1]);
    assert_eq!(failed.len(), 1, "a folder is there and cannot be read");
    let (read, failed) = load(&[PathBuf::from("/dev/null")]);
    assert_eq!((read.len(), failed.len()), (0, 0), "the way to say that there is none");
    assert_eq!(files(home.path())[..2], paths);
}

/// Makes a real key and gives its public line, without the comment.
fn real_key(folder: &Path, kind: &str) -> String {
    let path = folder.join(kind);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-N", "", "-t", kind, "-f"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let public = std::fs::read_to_string(folder.join(format!("{kind}.pub"))).unwrap();
    public.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn blob(public: &str) -> Vec<u8> {
    use base64::Engine as _;
    let encoded = public.split(' ').nth(1).unwrap();
    base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()
}

#[test]
fn names_hashed_by_ssh_keygen_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let public = real_key(folder.path(), "ed25519");
    let path = folder.path().join("known_hosts");
    std::fs::write(
        &path,
        format!("plain.example.com,second {public}\n[ported.example.com]:2222 {public}\n"),
    )
    .unwrap();
    let hashed = Command::new("ssh-keygen")
        .args(["-H", "-f"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(hashed.status.success(), "{hashed:?}");
    let (files, _) = load(std::slice::from_ref(&path));
    assert!(!files[0].text.contains("example"), "{}", files[0].text);
    for (host, port, good) in [
        ("plain.example.com", 22, true),
        ("second", 22, true),
        ("PLAIN.example.com", 22, true),
        ("ported.example.com", 2222, true),
        ("ported.example.com", 22, false),
        ("example.com", 22, false),
    ] {
        let verdict = judge(&files, &HostName::new(host, port), &blob(&public));
        assert_eq!(
            matches!(verdict, Verdict::Known { .. }),
            good,
            "{host}:{port} {verdict:?}"
        );
    }
}

#[test]
fn fingerprints_are_those_of_ssh_keygen() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let public = real_key(folder.path(), kind);
        let printed = Command::new("ssh-keygen")
            .args(["-l", "-f"])
            .arg(folder.path().join(kind))
            .output()
            .unwrap();
        let printed = String::from_utf8(printed.stdout).unwrap();
        assert_eq!(
            printed.split(' ').nth(1),
            Some(fingerprint(&blob(&public)).as_str()),
            "{kind}"
        );
        assert_eq!(key_type(&blob(&public)), public.split(' ').next());
    }
}

/// The lines of `file` that ssh-keygen finds for `name`.
fn found_by_ssh_keygen(file: &Path, name: &str) -> Vec<usize> {
    let output = Command::new("ssh-keygen")
        .args(["-F", name, "-f"])
        .arg(file)
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| {
            line.strip_prefix("# Host ")?
                .rsplit_once("found: line ")?
                .1
                .split(' ')
                .next()?
                .parse()
                .ok()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn lines_are_matched_as_ssh_keygen_matches_them(
        lists in proptest::collection::vec("!?[a-c*?]{1,4}(,!?[a-cA*?]{1,4}){0,2}", 1..24),
        name in "[a-c]{1,5}",
        port in prop_oneof![Just(None), Just(Some(2222))],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        let text: String = lists.iter().map(|list| line(list, &host_keys::of("github.com")[0])).collect();
        std::fs::write(&path, &text).unwrap();
        let name = port.map_or(name.clone(), |port| format!("[{name}]:{port}"));
        let ours: Vec<usize> = lines_about(&[file("one", text)], &name)
            .into_iter()
            .map(|(_, place)| match place {
                Place::File { line, .. } => line,
                Place::BuiltIn => unreachable!(),
            })
            .collect();
        prop_assert_eq!(ours, found_by_ssh_keygen(&path, &name));
    }
}

/// Whether ssh accepts the key of a real sshd, which it starts itself, going by `known_hosts` alone.
fn accepted_by_ssh(folder: &Path, known_hosts: &Path, host: &str, port: u16) -> bool {
    let key = folder.join("rsa");
    let server = format!("/usr/sbin/sshd -i -f /dev/null -o HostKey={}", key.display());
    let output = Command::new("ssh")
        .args(["-F", "none", "-T", "-p", &port.to_string(), "-o", "BatchMode=yes"])
        .args(["-o", "GlobalKnownHostsFile=none", "-o", "StrictHostKeyChecking=yes"])
        .args(["-o", "UpdateHostKeys=no", "-o", "PreferredAuthentications=publickey"])
        .args(["-o", "IdentityFile=none", "-o", "IdentityAgent=none"])
        .args(["-o", &format!("UserKnownHostsFile={}", known_hosts.display())])
        .args(["-o", &format!("ProxyCommand={server}")])
        .args([&format!("nobody@{host}"), "true"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let (accepted, refused) = (
        said.contains("Permission denied"),
        said.contains("Host key verification failed"),
    );
    assert!(accepted != refused, "{said}");
    accepted
}

#[test]
fn ssh_itself_judges_the_same() {
    // What sshd wants when it runs as root; anyone else neither needs nor can make it.
    let _ = std::fs::create_dir("/run/sshd");
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (real_key(folder.path(), "rsa"), real_key(folder.path(), "ed25519"));
    let misnamed = own.replace("ssh-rsa", "ssh-ed25519");
    let by_signature = own.replace("ssh-rsa", "rsa-sha2-512");
    for text in [
        String::new(),
        format!("git.example.com {own}"),
        format!("[git.example.com]:2222 {own}"),
        format!("GIT.example.com {own}"),
        format!("git.example.com {other}"),
        format!("git.example.com {other}\ngit.example.com {own}"),
        format!("git.example.com {own}\n@revoked * {own}"),
        format!("@revoked git.example.com {own}\n[git.example.com]:2222 {own}"),
        format!("[git.example.com]:2222 {other}\ngit.example.com {own}"),
        format!("@cert-authority * {own}"),
        format!("@cert-authority * {other}\n* {own}"),
        format!("*.com,!git.example.com {own}"),
        format!("!www.example.com {own}"),
        format!("*,![git.example.com]:2222 {own}"),
        format!("[git.*]:22?2 {own}"),
        format!("@revoked @cert-authority * {own}\n* {own}"),
        format!("# git.example.com {own}"),
        format!(" \t git.example.com \t {own} with a comment"),
        format!("git.example.com {misnamed}"),
        format!("git.example.com {by_signature}"),
    ] {
        let path = folder.path().join("known_hosts");
        std::fs::write(&path, format!("{text}\n")).unwrap();
        let files = load(std::slice::from_ref(&path)).0;
        for port in [22, 2222] {
            let verdict = judge(&files, &HostName::new("git.example.com", port), &blob(&own));
            assert_eq!(
                matches!(verdict, Verdict::Known { .. }),
                accepted_by_ssh(folder.path(), &path, "git.example.com", port),
                "{text} {port} {verdict:?}"
            );
        }
    }
}

#[test]
fn an_accepted_host_is_known_to_csync_and_to_ssh() {
    let home = tempfile::tempdir().unwrap();
    let public = real_key(home.path(), "ed25519");
    let path = home.path().join(".ssh/known_hosts");
    for (hashed, host, port) in [(false, "git.example.com", 22), (true, "hidden.example.com", 2222)] {
        let host = HostName::new(host, port);
        remember(&path, &host, &blob(&public), hashed).unwrap();
        let (files, _) = load(std::slice::from_ref(&path));
        let verdict = judge(&files, &host, &blob(&public));
        assert!(matches!(verdict, Verdict::Known { .. }), "{host:?} {verdict:?}");
        assert_eq!(found_by_ssh_keygen(&path, host.as_str()).len(), 1, "{host:?}");
        assert_eq!(files[0].text.contains(host.as_str()), !hashed);
    }
}

#[cfg(unix)]
#[test]
fn the_folder_and_the_file_are_made_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".ssh/known_hosts");
    remember(&path, &HostName::new("host", 22), &key(ED, 1), false).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_there_keeps_what_it_has() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("dotfiles");
    let link = folder.path().join("known_hosts");
    std::fs::write(&real, "# no end of line").unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let own = key(ED, 1);
    remember(&link, &HostName::new("first", 22), &own, false).unwrap();
    remember(&link, &HostName::new("second", 22), &own, false).unwrap();
    let expected = format!("# no end of line\n{}{}", line("first", &own), line("second", &own));
    assert_eq!(std::fs::read_to_string(&real).unwrap(), expected);
    assert!(link.is_symlink());
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_name_that_is_more_than_a_name_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    for host in ["", "*", "a,b", "a b", "!a", "|1|a", "a\nb", "#a", "@revoked"] {
        let error = remember(&path, &HostName::new(host, 22), &key(ED, 1), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{host:?}");
    }
    assert!(remember(&path, &HostName::new("host", 22), b"no key", false).is_err());
    assert!(!path.exists());
}
