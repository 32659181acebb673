//! Bad input: what a person, a disk, a later version or a hostile member may put before csync. One clear error, nothing lost,
//! everything else goes on.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::formats::by_hand::ByHand;
use crate::hostile_host::host::Host;
use crate::hostile_host::transcript;
use crate::machines::{Machine, TwoMachines, files_below};

const SESSION: &str = "0b8e0d2c-1111-4222-8333-444455556666";

#[test]
fn a_bad_configuration_is_told_with_its_place() {
    let two = TwoMachines::joined();
    let config = two.ana.home.join(".config/csync/config.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    for (bad, told) in [
        ("max_retries = = 3\n", "line 1"),
        ("max_retrys = 3\n", "did you mean `max_retries`?"),
        ("max_retries = \"many\"\n", "`max_retries` must be"),
    ] {
        std::fs::write(&config, format!("{bad}{good}")).unwrap();
        let run = two.ana.csync(&["sync"]).fails(2);
        assert!(
            run.stderr.contains(told) && run.stderr.contains("config.toml"),
            "{bad}: {}",
            run.stderr
        );
    }
    std::fs::write(&config, b"\xff\xfe\0").unwrap();
    let run = two.ana.csync(&["sync"]).fails(2);
    assert!(run.stderr.contains("hint: "), "{}", run.stderr);
    std::fs::write(&config, good).unwrap();
    two.ana.sync();
}

/// Does something bad to the index at a path.
type Harm = fn(&Path);

#[test]
fn an_index_that_is_lost_is_made_anew_and_the_base_is_found_again() {
    let harms: [(&str, Harm); 4] = [
        ("garbage", |index| std::fs::write(index, "this is no database").unwrap()),
        ("another schema", |index| {
            let mut bytes = std::fs::read(index).unwrap();
            bytes[60..64].copy_from_slice(&77_u32.to_be_bytes());
            std::fs::write(index, bytes).unwrap();
        }),
        ("deleted", |index| std::fs::remove_file(index).unwrap()),
        ("cut off", |index| {
            let bytes = std::fs::read(index).unwrap();
            std::fs::write(index, &bytes[..bytes.len() / 2]).unwrap();
        }),
    ];
    for (told, harm) in harms {
        let two = TwoMachines::joined();
        let session = format!("{}/{SESSION}.jsonl", two.ana.project("code/app"));
        two.ana.write("CLAUDE.md", "Be kind.\n");
        two.ana.write("keybindings.json", "{\"a\": 1}\n");
        two.ana.write(&session, transcript(40, "hello"));
        two.sync_all();
        // A conflict that nobody resolved, and a session that the agent swept here.
        two.bob.write("keybindings.json", "{\"a\": 2}\n");
        two.bob.sync();
        two.ana.write("keybindings.json", "{\"a\": 3}\n");
        two.ana.csync(&["sync"]).fails(13);
        two.ana.remove(&session);
        two.ana.csync(&["sync"]);
        let files = two.ana.files();
        let tip = two.tip();
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{beside}", two.ana.index().display()));
        }
        harm(&two.ana.index());
        let run = two.ana.csync(&["sync", "--json"]);
        assert!(matches!(run.code, 0 | 13), "{told}: {}{}", run.stdout, run.stderr);
        assert_eq!(run.json()["commits"], 0, "{told}: {}", run.stdout);
        assert_eq!(two.tip(), tip, "{told}");
        assert!(two.ana.files() == files, "{told}: {:?}", two.ana.files().keys());
        assert_eq!(two.ana.beside("keybindings.json").len(), 1, "{told}");
        two.ana.csync(&["conflicts", "--list"]).fails(13);
        two.ana.csync(&["conflicts", "--keep", "local"]).ok();
        two.ana.sync();
        two.bob.sync();
        assert_eq!(two.bob.text("keybindings.json"), "{\"a\": 3}\n", "{told}");
        assert!(!two.ana.has(&session), "{told}: a swept session came back");
        assert!(
            two.bob.has(&format!("{}/{SESSION}.jsonl", two.bob.project("code/app"))),
            "{told}"
        );
    }
}

#[test]
fn a_corrupt_line_in_a_transcript_is_kept_as_it_is() {
    let two = TwoMachines::joined();
    let name = |machine: &Machine| format!("{}/{SESSION}.jsonl", machine.project("code/app"));
    let (ana, bob) = (name(&two.ana), name(&two.bob));
    let content = [
        transcript(20, "before").as_bytes(),
        b"{\"type\":\"us\xff\0 torn in the mid\n\n[]\n",
        transcript(5, "after").as_bytes(),
    ]
    .concat();
    two.ana.write(&ana, &content);
    two.sync_all();
    assert!(two.bob.read(&bob) == content);
    two.bob.append(&bob, "{\"type\":\"user\",\"uuid\":\"b\"}\n");
    two.bob.sync();
    two.ana.sync();
    assert!(two.ana.read(&ana).starts_with(&content));
    assert_eq!(two.ana.read(&ana), two.bob.read(&bob));
}

#[test]
fn invalid_settings_are_one_error_and_the_others_are_synced() {
    let two = TwoMachines::joined();
    two.ana.write("settings.json", "{\"model\": \"opus\"}\n");
    two.sync_all();
    two.ana.write("settings.json", "{\"model\": \"opus\",,, \"CANARY\n");
    two.ana.write("CLAUDE.md", "Be kind.\n");
    let run = two.ana.csync(&["sync"]).fails(3);
    assert_eq!(run.stderr.matches("error: ").count(), 1, "{}", run.stderr);
    assert!(
        run.stderr.contains("settings.json is not valid JSON") && !run.stderr.contains("CANARY"),
        "{}",
        run.stderr
    );
    // What the other machine changes meanwhile does not overwrite what is being mended here.
    two.bob.write("settings.json", "{\"model\": \"haiku\"}\n");
    two.bob.sync();
    assert_eq!(two.bob.text("CLAUDE.md"), "Be kind.\n");
    two.ana.csync(&["sync"]).fails(3);
    assert!(two.ana.text("settings.json").contains("CANARY"));
}

#[test]
fn p21_names_that_not_every_machine_can_have_are_reported_and_the_others_synced() {
    let two = TwoMachines::joined();
    two.ana.write("skills/good/SKILL.md", "good\n");
    two.ana.write("skills/good/skill.md", "differs in case\n");
    two.ana.write("skills/good/NUL.md", "reserved\n");
    two.ana.write("skills/good/dot.", "ends in a dot\n");
    two.ana.write("skills/good/a:b.md", "a colon\n");
    two.ana.write("skills/good/back\\slash.md", "a back slash\n");
    two.ana.write("skills/good/new\nline.md", "a line end\n");
    let not_text = two
        .ana
        .path("skills/good")
        .join(std::ffi::OsStr::from_bytes(b"\xff\xfe.md"));
    std::fs::write(&not_text, "no UTF-8\n").unwrap();
    let run = two.ana.csync(&["sync", "--json"]).fails(3);
    let troubles = run.json()["troubles"].as_array().unwrap().len();
    assert_eq!(troubles, 7, "{}", run.stdout);
    assert!(
        !run.stderr.contains("new\nline"),
        "a name cannot break the lines of an error: {}",
        run.stderr
    );
    two.bob.sync();
    assert_eq!(
        two.bob.files().into_keys().collect::<Vec<_>>(),
        ["skills/good/SKILL.md"]
    );
    assert!(
        not_text.exists() && two.ana.has("skills/good/NUL.md"),
        "nothing is removed here"
    );
}

#[test]
fn p21_a_member_cannot_write_outside_the_agents_folder() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "Be kind.\n");
    two.sync_all();
    let host = Host::of(&two.remote);
    let member = ByHand::open(&host, &two.ana.identity());
    // Links on the way, set by the person or by something else on this machine.
    let outside = two.folder.path().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::create_dir_all(two.bob.path("skills")).unwrap();
    symlink(&outside, two.bob.path("skills/away")).unwrap();
    symlink(outside.join("file"), two.bob.path("skills/file.md")).unwrap();
    symlink("/nowhere/at/all", two.bob.path("skills/nowhere")).unwrap();
    let before = files_below(two.folder.path());
    for path in [
        "../escaped",
        "claude/../escaped",
        "claude/skills/../../../escaped",
        "/escaped",
        "claude//escaped",
        "claude/skills/./x.md",
        "C:/escaped",
        "claude/skills/a\\..\\..\\x",
        "claude/skills/x/NUL",
        "claude/skills/x/y. ",
        "claude/skills/x/\u{1}.md",
        "claude/.credentials.json",
        "claude/skills/x/.CREDENTIALS.json",
        "claude/.claude.json",
        "claude/plugins/evil.js",
        "claude/skills/x/.git/hooks/post-checkout",
        "claude/settings.local.json",
        "claude/skills/x/y.md.conflict.20261120-101500",
        "claude/skills/x/.csync-0123456789ab.tmp",
        "claude/skills/away/x.md",
        "claude/skills/file.md",
        "claude/skills/nowhere/x.md",
        "claude/CLAUDE.md/x.md",
        "claude/shell-snapshots/x.sh",
        "other/agent.md",
        "claude",
    ] {
        let honest = host.tip();
        member.commit(&host, &[member.put(path, b"CANARY\n")]);
        let run = two.bob.csync(&["sync"]);
        assert!(matches!(run.code, 0 | 3), "{path}: {}{}", run.stdout, run.stderr);
        let wrote = files_below(two.folder.path())
            .into_iter()
            .filter(|(name, content)| before.get(name) != Some(content))
            .find(|(_, content)| content.windows(6).any(|part| part == b"CANARY"));
        assert!(wrote.is_none(), "{path}: {wrote:?}");
        assert!(
            !Path::new("/escaped").exists() && !outside.join("file").exists() && !outside.join("x.md").exists(),
            "{path}"
        );
        assert_eq!(two.bob.text("CLAUDE.md"), "Be kind.\n", "{path}");
        // The next one begins from what the member takes back.
        let tree = member.head_path(path);
        member.commit(&host, &[(tree, None)]);
        assert_ne!(host.tip(), honest);
    }
    // A name that differs only in case from one that is here.
    two.bob.write("skills/x/SKILL.md", "here\n");
    two.bob.csync(&["sync"]);
    member.commit(&host, &[member.put("claude/skills/x/skill.md", b"CANARY\n")]);
    two.bob.csync(&["sync"]).fails(3);
    assert_eq!(two.bob.text("skills/x/SKILL.md"), "here\n");
    assert!(!two.bob.has("skills/x/skill.md"));
}

#[test]
fn p22_bombs_of_a_member_are_refused_quickly() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "Be kind.\n");
    two.sync_all();
    let host = Host::of(&two.remote);
    let member = ByHand::open(&host, &two.ana.identity());
    let path = "claude/CLAUDE.md";
    let content = vec![0_u8; 200 << 20];
    let bomb = zstd::bulk::compress(&content, 19).unwrap();
    assert!(bomb.len() < 64 << 10);
    let small = zstd::bulk::compress(b"x", 3).unwrap();
    let with = |change: &dyn Fn(&mut serde_json::Value), rest: &[u8]| {
        let mut fields = member.fields(path, b"x");
        change(&mut fields);
        member.head(path, &fields, rest)
    };
    let segment = member.segment_id(path, b"x");
    let place = member.head_path(path).replace(".age", &format!("/{segment}.age"));
    let id = member.file_id(path);
    let deep = format!(
        "{{\"path\":\"{path}\",\"origin\":{}{}}}",
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    let wide = format!("{{\"path\":\"{path}\",\"x\":\"{}\"}}", "y".repeat(9 << 20));
    let bare = format!("{{\"path\":\"{path}\"}}");
    let cases: Vec<(&str, Vec<u8>, Option<Vec<u8>>)> = vec![
        ("a frame of 200 MB that says so", with(&|_| {}, &bomb), None),
        (
            "a size that cannot be inline",
            with(&|fields| fields["size"] = json!(1_u64 << 30), &bomb),
            None,
        ),
        (
            "the greatest size",
            with(&|fields| fields["size"] = json!(u64::MAX), &small),
            None,
        ),
        (
            "a negative size",
            with(&|fields| fields["size"] = json!(-1), &small),
            None,
        ),
        (
            "segments of a GB each",
            with(&|fields| fields["segments"] = json!([[segment, 1_u64 << 30]]), b""),
            None,
        ),
        (
            "segments that overflow",
            with(
                &|fields| fields["segments"] = json!([[segment, u64::MAX], [segment, 2]]),
                b"",
            ),
            None,
        ),
        (
            "too many segments",
            with(
                &|fields| fields["segments"] = vec![json!([segment, 1]); 70_000].into(),
                b"",
            ),
            None,
        ),
        (
            "a bomb as a segment",
            with(&|fields| fields["segments"] = json!([[segment, 1]]), b""),
            Some(member.encrypt(&bomb)),
        ),
        (
            "deep JSON",
            member.encrypt(&member.line("csync/1 head", &id, &deep)),
            None,
        ),
        ("a line without end", member.encrypt(&vec![b'{'; 9 << 20]), None),
        (
            "a line of 9 MB",
            member.encrypt(&member.line("csync/1 head", &id, &wide)),
            None,
        ),
        (
            "a head of almost nothing",
            member.encrypt(&member.line("csync/1 head", &id, &bare)),
            None,
        ),
        ("nothing", member.encrypt(b""), None),
        ("no age file", b"not age\n".to_vec(), None),
        ("a blob of 20 MB", vec![7; 20 << 20], None),
    ];
    for (told, head, segment) in cases {
        let mut edits = vec![(member.head_path(path), Some(head))];
        if let Some(segment) = segment {
            edits.push((place.clone(), Some(segment)));
        }
        member.commit(&host, &edits);
        let begin = Instant::now();
        let output = two.bob.command(&["sync", "--json"]).output().unwrap();
        let run = String::from_utf8_lossy(&output.stdout).into_owned();
        let problem = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{told}: {run}{problem}");
        assert!(!problem.contains("panicked"), "{told}: {problem}");
        assert!(
            run.contains("\"path\": \"claude/CLAUDE.md\"") && run.contains("\"exit_code\": 15"),
            "{told}: {run}"
        );
        assert!(begin.elapsed().as_secs() < 8, "{told} took {:?}", begin.elapsed());
        assert_eq!(two.bob.text("CLAUDE.md"), "Be kind.\n", "{told}");
    }
}

#[test]
fn p22_a_wrap_that_asks_for_too_much_work_is_refused_before_any_is_done() {
    let two = TwoMachines::joined();
    let host = Host::of(&two.remote);
    let mut recipient = age::scrypt::Recipient::new("seven green turtles".to_owned().into());
    recipient.set_work_factor(2);
    let wrap = age::encrypt(&recipient, b"a key").unwrap();
    let end = wrap.windows(3).position(|part| part == b" 2\n").unwrap();
    let wrap = [&wrap[..end], b" 30\n", &wrap[end + 3..]].concat();
    host.meddle(&[("keys/00000000000000000000000000000000.age", Some(wrap))]);
    let carl = Machine::new("carl", two.folder.path().join("carl")).with("CSYNC_PASSPHRASE", "seven green turtles");
    let begin = Instant::now();
    let run = carl.csync(&["init", two.remote(), "--device", "carl"]).fails(1);
    assert!(run.stderr.contains("work factor 30"), "{}", run.stderr);
    assert!(begin.elapsed().as_secs() < 5);
    assert!(files_below(&carl.home).is_empty());
}

#[test]
fn p11_a_wrap_of_another_device_that_is_damaged_locks_nobody_out() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "Be kind.\n");
    two.sync_all();
    let host = Host::of(&two.remote);
    let member = ByHand::open(&host, &two.ana.identity());
    let wrap = (
        "keys/00000000000000000000000000000000.age".to_owned(),
        Some(b"garbage".to_vec()),
    );
    member.commit(&host, &[wrap, member.put("claude/CLAUDE.md", b"Be kind. Always.\n")]);
    two.bob.sync();
    two.bob.sync();
    assert_eq!(two.bob.text("CLAUDE.md"), "Be kind. Always.\n");
    let carl = two.third("carl");
    carl.sync();
    assert_eq!(carl.text("CLAUDE.md"), "Be kind. Always.\n");
}

#[test]
fn p11_a_damaged_note_or_list_of_members_harms_no_file() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "Be kind.\n");
    two.sync_all();
    let host = Host::of(&two.remote);
    let member = ByHand::open(&host, &two.ana.identity());
    member.commit(
        &host,
        &[
            ("note.age".to_owned(), Some(b"garbage".to_vec())),
            member.put("claude/CLAUDE.md", b"Newer.\n"),
        ],
    );
    two.bob.sync();
    assert_eq!(two.bob.text("CLAUDE.md"), "Newer.\n");
    member.commit(&host, &[("members.age".to_owned(), Some(b"garbage".to_vec()))]);
    let run = two.bob.csync(&["sync"]).fails(15);
    assert!(
        run.stderr.contains("list of members") && run.stderr.contains("hint: "),
        "{}",
        run.stderr
    );
    assert_eq!(two.bob.text("CLAUDE.md"), "Newer.\n");
}

#[test]
fn files_that_come_and_go_during_a_run_do_not_stop_the_others() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let two = TwoMachines::joined();
    for number in 0..30 {
        two.ana
            .write(&format!("skills/n{number}/SKILL.md"), format!("{number}\n"));
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                let name = format!("skills/n{}/fleeting.md", number % 30);
                two.ana.write(&name, format!("{number}\n"));
                let _ = std::fs::remove_file(two.ana.path(&name));
            }
        });
        for _ in 0..4 {
            let run = two.ana.csync(&["sync"]);
            assert!(matches!(run.code, 0 | 3), "{}{}", run.stdout, run.stderr);
            assert!(!run.stderr.contains("panicked"));
        }
        done.store(true, Ordering::Relaxed);
    });
    two.ana.sync();
    two.bob.sync();
    assert_eq!(two.bob.files(), two.ana.files());
}
