//! The format: what is refused, what stock tools read, and a vault that was made once and must be readable for ever.

pub mod by_hand;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use self::by_hand::{ByHand, hexadecimal, keyed, padded};
use crate::hostile_host::host::Host;
use crate::hostile_host::{beliefs, transcript};
use crate::machines::{Machine, TwoMachines, files_below, git};

const SESSION: &str = "0b8e0d2c-1111-4222-8333-444455556666";

#[test]
fn p15_a_vault_of_a_later_format_is_refused_and_never_written_to() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "Be kind.\n");
    two.sync_all();
    let host = Host::of(&two.remote);
    let member = ByHand::open(&host, &two.ana.identity());
    let vault = hexadecimal(&member.vault);
    let honest = host.tip();
    for (json, needed) in [
        (format!("{{\"format\":2,\"vault\":\"{vault}\"}}\n"), "vault format 2"),
        (
            format!("{{\"format\":99,\"sealed\":true,\"vault\":\"{vault}\"}}\n"),
            "vault format 99",
        ),
        (
            format!("{{\"format\":1,\"vault\":\"{vault}\",\"needs\":[\"shared-keys\"]}}\n"),
            "shared-keys",
        ),
    ] {
        host.reset(&honest);
        let tip = member.commit(&host, &[("vault.json".to_owned(), Some(json.into_bytes()))]);
        two.bob.write("CLAUDE.md", "Be kind. Always.\n");
        let before = beliefs(&two.bob);
        for command in [&["sync"][..], &["push"], &["pull"], &["status", "--fetch"]] {
            let run = two.bob.csync(command).fails(1);
            assert!(
                run.stderr.contains(needed) && run.stderr.contains("update csync"),
                "{}",
                run.stderr
            );
            assert!(beliefs(&two.bob) == before, "{command:?}");
        }
        let identity = two.ana.identity();
        let fresh = Machine::new("fresh", two.folder.path().join("fresh"));
        let run = fresh.csync(&[
            "init",
            two.remote(),
            "--device",
            "x",
            "--identity",
            identity.to_str().unwrap(),
        ]);
        assert!(run.fails(1).stderr.contains(needed));
        assert!(files_below(&fresh.home).is_empty());
        assert_eq!(host.tip(), tip, "the vault was written to");
    }
}

#[test]
fn p15_a_file_that_needs_a_later_csync_is_left_alone_and_the_others_are_synced() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "Be kind.\n");
    two.sync_all();
    let host = Host::of(&two.remote);
    let member = ByHand::open(&host, &two.ana.identity());
    let (path, content) = ("claude/CLAUDE.md", b"In a later way.\n");
    let mut fields = member.fields(path, content);
    fields["needs"] = serde_json::json!(["bright\u{1b}[31m-ideas"]);
    let frame = zstd::bulk::compress(content, 3).unwrap();
    let later = (member.head_path(path), Some(member.head(path, &fields, &frame)));
    member.commit(
        &host,
        &[later.clone(), member.put("claude/skills/new/SKILL.md", b"Of today.\n")],
    );
    two.bob.write("CLAUDE.md", "Changed here.\n");
    let run = two.bob.csync(&["sync"]).fails(3);
    assert!(
        run.stderr.contains("31m-ideas") && run.stderr.contains("update csync"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains('\u{1b}'), "{}", run.stderr);
    assert_eq!(two.bob.text("CLAUDE.md"), "Changed here.\n");
    assert_eq!(two.bob.text("skills/new/SKILL.md"), "Of today.\n");
    assert_eq!(Some(host.blob(&later.0)), later.1, "the head was overwritten");
}

/// Runs a program, which must end well, with `input`; what it prints.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = pipe.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

/// Runs the script of `examples/`; whether it succeeded.
fn restore(repository: &Path, key: &Path, out: &Path) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/restore-without-csync.sh");
    let output = Command::new("sh")
        .arg(script)
        .args([repository, key, out])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if !output.status.success() {
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    output.status.success()
}

#[test]
fn p33_age_and_zstd_open_what_csync_sealed() {
    let two = TwoMachines::joined();
    let content = transcript(300, "hello");
    two.ana
        .write(&format!("{}/{SESSION}.jsonl", two.ana.project("code/app")), &content);
    two.ana.write("CLAUDE.md", "Be kind.\n");
    two.ana.sync();
    let host = Host::of(&two.remote);
    let wrap = host
        .tree()
        .into_iter()
        .find(|(path, _)| path.starts_with("keys/"))
        .unwrap()
        .0;
    let key = two.folder.path().join("key.txt");
    let identity = two.ana.identity();
    std::fs::write(
        &key,
        run("age", &["-d", "-i", identity.to_str().unwrap()], &host.blob(&wrap)),
    )
    .unwrap();
    let open = |path: &str| run("age", &["-d", "-i", key.to_str().unwrap()], &host.blob(path));
    let segments: Vec<Vec<u8>> = host
        .segments()
        .iter()
        .map(|path| run("zstd", &["-dcq"], &open(path)))
        .collect();
    assert_eq!(segments.iter().map(Vec::len).sum::<usize>(), content.len());
    assert!(
        segments
            .iter()
            .all(|segment| content.as_bytes().windows(segment.len()).any(|part| part == segment))
    );
    let paths: Vec<String> = host
        .heads()
        .iter()
        .map(|path| {
            let head = open(path);
            let line = &head[..=head.iter().position(|byte| *byte == b'\n').unwrap()];
            String::from_utf8(run("jq", &["-r", ".path"], line))
                .unwrap()
                .trim()
                .to_owned()
        })
        .collect();
    assert!(paths.contains(&"claude/CLAUDE.md".to_owned()), "{paths:?}");
    for record in ["members.age", "note.age"] {
        run(
            "jq",
            &["-e", ".seal"],
            open(record).split_inclusive(|byte| *byte == b'\n').next().unwrap(),
        );
    }
}

#[test]
fn p33_the_script_brings_every_file_back() {
    let two = TwoMachines::joined();
    let session = format!("{}/{SESSION}.jsonl", two.ana.project("code/app"));
    two.ana.write("CLAUDE.md", "Be kind.\r\n");
    two.ana.write("skills/empty/SKILL.md", "");
    two.ana
        .write("skills/-odd name's/SKILL \"x\" $(true).md", b"\0\xff no newline");
    two.ana.write(&session, transcript(300, "hello"));
    two.ana.sync();
    two.ana.append(&session, transcript(20, "more"));
    two.ana.sync();
    // A file whose frames use a dictionary, which csync reads and does not write yet.
    let host = Host::of(&two.remote);
    let member = ByHand::open(&host, &two.ana.identity());
    let (path, content) = (
        "claude/skills/d/SKILL.md",
        b"{\"tools\":[\"Read\",\"Write\",\"Bash\"]}\n",
    );
    member.commit(&host, &with_dictionary(&member, path, content));
    two.ana.sync();
    assert_eq!(two.ana.read("skills/d/SKILL.md"), content);
    let key_file = two.folder.path().join("vault-key.txt");
    std::fs::write(&key_file, &member.key_file).unwrap();
    for (key, name) in [(two.ana.identity(), "by identity"), (key_file, "by key file")] {
        let out = two.folder.path().join(name);
        assert!(restore(&two.remote, &key, &out));
        let mut expected = BTreeMap::new();
        for (name, content) in two.ana.files() {
            expected.insert(
                format!(
                    "claude/{}",
                    name.replace(&two.ana.project("code/app"), "projects/~-code-app")
                ),
                content,
            );
        }
        assert!(files_below(&out) == expected, "{name}: {:?}", files_below(&out).keys());
    }
}

/// The edits that put a file of one segment, compressed with a new dictionary.
fn with_dictionary(member: &ByHand, path: &str, content: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let samples: Vec<String> = (0..2000)
        .map(|n| format!("{{\"n\":{n},\"tools\":[\"Read\",\"Write\",\"Bash\"]}}\n"))
        .collect();
    let mut dictionary = zstd::dict::from_samples(&samples, 4096).unwrap();
    let hash = keyed(&member.name_key, "csync/1 dictionary id", &[&dictionary[8..]]);
    let id = (u32::from_le_bytes(hash[..4].try_into().unwrap()) & 0x7FFF_FFFF) | 0x8000;
    dictionary[4..8].copy_from_slice(&id.to_le_bytes());
    let fields = format!("{{\"dictionary\":\"{id:08x}\",\"size\":{}}}", dictionary.len());
    let mut record = member.line("csync/1 dictionary", &id.to_le_bytes(), &fields);
    record.extend(zstd::bulk::compress(&dictionary, 3).unwrap());
    let segment = member.segment_id(path, content);
    let mut head = member.fields(path, content);
    head["segments"] = serde_json::json!([[segment, content.len()]]);
    head["dictionary"] = serde_json::json!(format!("{id:08x}"));
    let frame = zstd::bulk::Compressor::with_dictionary(3, &dictionary)
        .unwrap()
        .compress(content)
        .unwrap();
    let place = member.head_path(path);
    vec![
        (format!("dicts/{id:08x}.age"), Some(member.encrypt(&padded(record)))),
        (
            format!("{}/{segment}.age", place.strip_suffix(".age").unwrap()),
            Some(member.encrypt(&padded(frame))),
        ),
        (place, Some(member.head(path, &head, b""))),
    ]
}

#[test]
fn p21_the_script_writes_nothing_outside_its_folder() {
    let two = TwoMachines::joined();
    let host = Host::of(&two.remote);
    let member = ByHand::open(&host, &two.ana.identity());
    let honest = host.tip();
    let hostile = [
        "../escaped",
        "/escaped",
        "claude/../../escaped",
        "claude/./x",
        "claude//x",
        "claude/a\\..\\b",
        "claude/a\nb",
    ];
    for (number, path) in hostile.into_iter().enumerate() {
        host.reset(&honest);
        member.commit(&host, &[member.put(path, b"x")]);
        let out = two.folder.path().join(format!("out-{number}"));
        assert!(!restore(&two.remote, &two.ana.identity(), &out), "{path}");
        assert!(files_below(&out).is_empty(), "{path}");
        assert!(
            !two.folder.path().join("escaped").exists() && !Path::new("/escaped").exists(),
            "{path}"
        );
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format-1")
}

/// The fixture's vault as a bare repository, and a machine that may join it.
fn made_once(name: &str) -> (tempfile::TempDir, PathBuf, Machine) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = fixture().join("vault.bundle");
    git(
        folder.path(),
        &["clone", "--quiet", "--bare", bundle.to_str().unwrap(), "vault.git"],
    );
    let machine = Machine::new(name, folder.path().join(name));
    let remote = folder.path().join("vault.git");
    (folder, remote, machine)
}

/// A private copy: a checkout of the project gives files the modes that it likes.
fn private_copy(of: &Path, folder: &Path) -> String {
    let keys = folder.join("keys");
    std::fs::create_dir_all(&keys).unwrap();
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o700)).unwrap();
    let copy = keys.join(of.file_name().unwrap());
    std::fs::write(&copy, std::fs::read(of).unwrap()).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).unwrap();
    copy.to_str().unwrap().to_owned()
}

/// The machine has exactly what the fixture says.
#[track_caller]
fn gives_back_exactly(machine: &Machine) {
    let expected: BTreeMap<String, Vec<u8>> = files_below(&fixture().join("files/claude"))
        .into_iter()
        .map(|(name, content)| {
            (
                name.replace("projects/~-code-app", &machine.project("code/app")),
                content,
            )
        })
        .collect();
    assert_eq!(expected.len(), 7);
    let found = machine.files();
    assert!(found == expected, "{:?}", found.keys());
}

#[test]
fn p15_a_vault_of_format_1_is_joined_by_identity_for_ever() {
    let (folder, remote, machine) = made_once("carl");
    let identity = private_copy(&fixture().join("identity.txt"), folder.path());
    machine
        .csync(&[
            "init",
            remote.to_str().unwrap(),
            "--device",
            "carl",
            "--identity",
            &identity,
        ])
        .ok();
    machine.sync();
    gives_back_exactly(&machine);
    // And it goes on: what is written now is read by the next machine, beside what is old.
    let tip = Host::of(&remote).tip();
    let session = format!("{}/{SESSION}.jsonl", machine.project("code/app"));
    machine.append(&session, transcript(3, "today"));
    machine.sync();
    assert_ne!(Host::of(&remote).tip(), tip);
    let other = Machine::new("dora", folder.path().join("dora"));
    other
        .csync(&[
            "init",
            remote.to_str().unwrap(),
            "--device",
            "dora",
            "--identity",
            &identity,
        ])
        .ok();
    other.sync();
    assert_eq!(
        other.read(&format!("{}/{SESSION}.jsonl", other.project("code/app"))),
        machine.read(&session)
    );
}

#[test]
fn p15_a_vault_of_format_1_is_joined_by_passphrase_for_ever() {
    let (_folder, remote, machine) = made_once("carl");
    let passphrase = fixture().join("passphrase.txt");
    let passphrase = passphrase.to_str().unwrap();
    let run = machine
        .csync(&[
            "init",
            remote.to_str().unwrap(),
            "--device",
            "carl",
            "--passphrase-file",
            passphrase,
        ])
        .ok();
    assert!(run.stdout.contains("the first laptop"), "{}", run.stdout);
    machine.sync();
    gives_back_exactly(&machine);
}

#[test]
fn p33_the_script_restores_a_vault_of_format_1() {
    let (folder, remote, _) = made_once("carl");
    let out = folder.path().join("out");
    assert!(restore(&remote, &fixture().join("identity.txt"), &out));
    assert!(
        files_below(&out) == files_below(&fixture().join("files")),
        "{:?}",
        files_below(&out).keys()
    );
}
