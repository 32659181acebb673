//! Secrets: they stand in no output, no argument and no child's environment, and their files are their owner's alone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::formats::by_hand::{ByHand, class, hexadecimal};
use crate::hostile_host::host::Host;
use crate::hostile_host::transcript;
use crate::machines::{Machine, TwoMachines};

const PASSPHRASE: &str = "canary turtles sing at noon";
const TOKEN: &str = "canary-token-0123456789";

/// Every secret of a machine's vault, by name.
fn secrets(host: &Host, machine: &Machine) -> Vec<(&'static str, String)> {
    let member = ByHand::open(host, &machine.identity());
    let identity = std::fs::read_to_string(machine.identity()).unwrap();
    vec![
        ("the passphrase", PASSPHRASE.to_owned()),
        ("the token", TOKEN.to_owned()),
        ("the identity", identity.lines().last().unwrap().to_owned()),
        (
            "the vault's identity",
            member.key_file.lines().last().unwrap().to_owned(),
        ),
        ("the name key", hexadecimal(&member.name_key)),
        ("the seal key", hexadecimal(&member.seal_key)),
        ("the vault's recipient", member.recipient()),
    ]
}

#[track_caller]
fn holds_none(told: &str, text: &str, secrets: &[(&'static str, String)]) {
    for (name, secret) in secrets {
        assert!(!text.contains(secret.as_str()), "{told} shows {name}:\n{text}");
    }
}

/// A machine that joined a vault with a passphrase, and has the secrets in its environment all the time.
fn with_secrets() -> (TwoMachines, Host) {
    let mut two = TwoMachines::apart();
    two.ana.set("CSYNC_PASSPHRASE", PASSPHRASE);
    two.ana.set("CSYNC_GIT_TOKEN", TOKEN);
    let run = two.ana.csync(&["-vvv", "init", two.remote(), "--device", "ana"]).ok();
    let host = Host::of(&two.remote);
    holds_none(
        "init",
        &format!("{}{}", run.stdout, run.stderr),
        &secrets(&host, &two.ana),
    );
    (two, host)
}

#[test]
fn p18_no_command_shows_a_secret() {
    let (two, host) = with_secrets();
    let secrets = secrets(&host, &two.ana);
    let ana = &two.ana;
    let shows_none = |command: &[&str]| {
        let mut arguments = vec!["-vvv"];
        arguments.extend_from_slice(command);
        let run = ana.csync(&arguments);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        holds_none(&command.join(" "), &format!("{}{}", run.stdout, run.stderr), &secrets);
        run.code
    };
    ana.write("CLAUDE.md", "Be kind.\n");
    for command in [
        &["sync"][..],
        &["push"],
        &["pull"],
        &["sync", "--json"],
        &["status", "--fetch"],
        &["status", "--json"],
        &["conflicts"],
        &["diff"],
        &["config", "show", "--origin"],
        &["config", "show", "--json"],
        &["config", "path"],
        &["help"],
    ] {
        assert_eq!(shows_none(command), 0, "{command:?}");
    }
    // Failures: already joined; a forged commit; an identity that opens nothing, that is garbage, and that is missing.
    assert_eq!(shows_none(&["init", two.remote(), "--device", "again"]), 2);
    let honest = host.tip();
    host.meddle(&[("members.age", None)]);
    assert_eq!(shows_none(&["sync"]), 15);
    host.reset(&honest);
    let identity = std::fs::read_to_string(ana.identity()).unwrap();
    let secret = identity.lines().last().unwrap();
    let broken = format!("{}QQQ", &secret[..secret.len() - 3]);
    for (text, code) in [
        (broken.as_str(), 12),
        ("", 12),
        (&format!("{secret}\n{secret}\n"), 12),
        (&secret[..40], 12),
    ] {
        std::fs::write(ana.identity(), text).unwrap();
        let run = ana.csync(&["-vvv", "sync"]);
        assert_eq!(run.code, code, "{}", run.stderr);
        let told = format!("{}{}", run.stdout, run.stderr);
        holds_none("a bad identity", &told, &secrets);
        assert!(
            !told.contains(&secret[20..38]),
            "a part of the identity is shown: {told}"
        );
    }
    std::fs::write(ana.identity(), &identity).unwrap();
    assert_eq!(shows_none(&["sync"]), 0);
    // A secret at a wrong place in the configuration is not quoted either.
    let config = ana.home.join(".config/csync/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("max_retries = \"{PASSPHRASE}\"\n{text}")).unwrap();
    let run = ana.csync(&["-vvv", "status"]).fails(2);
    holds_none("a bad configuration", &run.stderr, &secrets);
}

#[test]
fn p18_children_get_no_secret() {
    let (mut two, host) = with_secrets();
    let secrets = secrets(&host, &two.ana);
    two.ana.write("keybindings.json", "{\"a\": 1}\n");
    two.ana.sync();
    two.join_with_identity(&two.bob, "bob");
    two.bob.sync();
    two.bob.write("keybindings.json", "{\"a\": 2}\n");
    two.bob.sync();
    two.ana.write("keybindings.json", "{\"a\": 3}\n");
    two.ana.csync(&["sync"]).fails(13);
    // A pager and an editor that tell what they were started with, on a terminal.
    let seen = two.folder.path().join("seen");
    let spy = two.folder.path().join("spy.sh");
    std::fs::write(
        &spy,
        format!(
            "#!/bin/sh\necho \"ran $0 $@\" >> '{0}'\nenv >> '{0}'\ncat > /dev/null < /dev/null\n",
            seen.display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&spy, std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["PAGER", "EDITOR", "VISUAL"] {
        two.ana.set(name, &spy);
    }
    two.ana.set("TERM", "xterm");
    let log = two.folder.path().join("strace");
    for (command, keys) in [("diff", ""), ("conflicts", "deq")] {
        let log = log.with_extension(command);
        let line = format!(
            "strace -f -v -e trace=execve -s 65536 -o '{}' '{}' -vvv {command}",
            log.display(),
            env!("CARGO_BIN_EXE_csync")
        );
        let mut child = two.ana.command(&[]);
        let mut script = Command::new("script");
        script
            .args(["-qec", &line, "/dev/null"])
            .env_clear()
            .current_dir(&two.ana.home);
        for (name, value) in child.get_envs() {
            script.env(name, value.unwrap_or_default());
        }
        child = script;
        let mut child = child
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let typed = keys.to_owned();
        let typist = std::thread::spawn(move || {
            use std::io::Write;
            for key in typed.chars() {
                std::thread::sleep(std::time::Duration::from_millis(500));
                let _ = input.write_all(key.to_string().as_bytes());
            }
            std::thread::sleep(std::time::Duration::from_millis(300));
        });
        let output = child.wait_with_output().unwrap();
        typist.join().unwrap();
        holds_none(command, &String::from_utf8_lossy(&output.stdout), &secrets);
        let traced = std::fs::read_to_string(&log).unwrap();
        let mut executed = traced.lines().filter(|line| line.contains("execve("));
        // The first is csync itself, whom the tests gave its environment.
        executed.next().unwrap();
        let children: Vec<&str> = executed.collect();
        assert!(
            !children.is_empty(),
            "{command} started nobody: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        for line in children {
            holds_none(command, line, &secrets);
        }
    }
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.matches("ran ").count() >= 3, "a pager twice and an editor: {seen}");
    assert!(seen.contains("HOME="));
    holds_none("a child's environment", &seen, &secrets);
    assert!(!seen.contains("CSYNC_PASSPHRASE") && !seen.contains("CSYNC_GIT_TOKEN"));
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn p19_what_csync_keeps_is_closed_to_others() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "Be kind.\n");
    two.sync_all();
    for machine in [&two.ana, &two.bob] {
        let config = machine.home.join(".config/csync");
        let state = machine.home.join(".local/state/csync");
        assert_eq!((mode(&config), mode(&state)), (0o700, 0o700));
        for file in [
            machine.identity(),
            config.join("config.toml"),
            machine.index(),
            state.join("lock"),
        ] {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        // What came from another machine is as private as it was there, or more.
        assert_eq!(mode(&machine.path("CLAUDE.md")) & 0o022, 0);
    }
}

#[test]
fn p19_an_identity_that_is_open_to_others_is_refused_with_what_mends_it() {
    let two = TwoMachines::joined();
    let folder = two.ana.home.join(".config/csync");
    for (path, loose, right) in [
        (two.ana.identity(), 0o640, 0o600),
        (two.ana.identity(), 0o604, 0o600),
        (folder, 0o755, 0o700),
    ] {
        chmod(&path, loose);
        let run = two.ana.csync(&["sync"]).fails(12);
        let command = run
            .stderr
            .split_once("run `")
            .unwrap()
            .1
            .split_once('`')
            .unwrap()
            .0
            .to_owned();
        assert_eq!(command, format!("chmod {right:o} {}", path.display()));
        assert_eq!(mode(&path), loose, "it is not changed behind a person's back");
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
        two.ana.sync();
    }
}

#[test]
fn p19_an_index_that_is_open_to_others_is_closed() {
    let two = TwoMachines::joined();
    two.ana.sync();
    chmod(&two.ana.index(), 0o644);
    chmod(&two.ana.home.join(".local/state/csync"), 0o755);
    two.ana.sync();
    assert_eq!(mode(&two.ana.index()), 0o600);
    assert_eq!(mode(&two.ana.home.join(".local/state/csync")), 0o700);
}

/// How many bytes of plaintext a host can tell to be in an age file.
fn payload(blob: &[u8]) -> usize {
    let mark = blob.windows(5).position(|window| window == b"\n--- ").unwrap();
    let header = mark + 1 + blob[mark + 1..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let body = blob.len() - header - 16;
    body - 16 * body.div_ceil((64 << 10) + 16)
}

#[test]
fn p17_sizes_are_those_of_classes() {
    let two = TwoMachines::joined();
    for number in 0..12_usize {
        let content = transcript(number * number + 1, "some text that is not always the same");
        two.ana.write(&format!("skills/n{number}/SKILL.md"), content);
    }
    let session = format!(
        "{}/0b8e0d2c-1111-4222-8333-444455556666.jsonl",
        two.ana.project("code/app")
    );
    two.ana.write(&session, transcript(3000, "a long one"));
    two.ana.sync();
    two.ana.append(&session, transcript(37, "and more"));
    two.ana.sync();
    let host = Host::of(&two.remote);
    let mut seen = 0;
    for (path, _) in host.tree() {
        if path == "vault.json" || path.starts_with("keys/") {
            continue;
        }
        let length = payload(&host.blob(&path));
        assert_eq!(class(length), length, "{path} has {length} bytes");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn p17_equal_contents_cannot_be_linked() {
    let two = TwoMachines::joined();
    let content = transcript(3000, "the very same");
    let (one, other) = ("skills/one/data.csv", "skills/other/data.csv");
    two.ana.write(one, &content);
    two.ana.write(other, &content);
    two.ana.sync();
    let host = Host::of(&two.remote);
    let member = ByHand::open(&host, &two.ana.identity());
    let of = |path: &str| {
        let folder = member.head_path(&format!("claude/{path}")).replace(".age", "/");
        let segments = host
            .segments()
            .into_iter()
            .filter(|segment| segment.starts_with(&folder));
        segments.collect::<Vec<_>>()
    };
    let (ones, others) = (of(one), of(other));
    assert!(!ones.is_empty() && ones.len() == others.len());
    for segment in &ones {
        let name = segment.rsplit('/').next().unwrap();
        for twin in &others {
            assert!(!twin.ends_with(name), "the same name in both files");
            assert_ne!(host.blob(segment), host.blob(twin));
        }
    }
    // Nor a file with its own past: sealed again, it has other bytes.
    let head = member.head_path(&format!("claude/{one}"));
    let before = host.blob(&head);
    two.ana.write(one, "short\n");
    two.ana.sync();
    two.ana.write(one, &content);
    two.ana.sync();
    assert_ne!(host.blob(&head), before);
}
