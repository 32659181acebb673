//! `csync doctor`: each thing is broken on purpose; the doctor finds it, and what it names mends it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::machines::{Machine, TwoMachines, files_below};
use crate::roads::{Road, Server};
use crate::servers::{Agent, Fault, Ssh};

/// What the doctor finds on a machine.
struct Visit {
    code: i32,
    findings: Vec<Value>,
}

impl Visit {
    fn to(machine: &Machine) -> Self {
        let run = machine.csync(&["doctor", "--json"]);
        assert!(run.stderr.is_empty(), "{}", run.stderr);
        let json = run.json();
        assert_eq!(json["version"], 1);
        Self {
            code: run.code,
            findings: json["findings"].as_array().unwrap().clone(),
        }
    }

    /// The finding of a check, the worst where there are several; `ok` where there is none.
    #[track_caller]
    fn level(&self, check: &str) -> &str {
        let order = ["error", "warning", "ok"];
        let found: Vec<&str> = self
            .of(check)
            .map(|finding| finding["level"].as_str().unwrap())
            .collect();
        order.into_iter().find(|level| found.contains(level)).unwrap_or("ok")
    }

    /// The command that mends what a check found.
    #[track_caller]
    fn mend(&self, check: &str) -> String {
        let bad = self.of(check).find(|finding| finding["level"] != "ok");
        let bad = bad.unwrap_or_else(|| panic!("{check} finds nothing bad: {:#?}", self.findings));
        bad["mend"].as_str().expect("what is bad can be mended").to_owned()
    }

    fn of<'a>(&'a self, check: &'a str) -> impl Iterator<Item = &'a Value> {
        self.findings.iter().filter(move |finding| finding["check"] == check)
    }

    /// The checks that found something bad.
    fn bad(&self) -> Vec<&str> {
        let bad = self.findings.iter().filter(|finding| finding["level"] != "ok");
        bad.map(|finding| finding["check"].as_str().unwrap()).collect()
    }
}

/// Runs a command in a shell as the person of a machine would.
fn shell(machine: &Machine, line: &str) -> (i32, String) {
    let csync = Path::new(env!("CARGO_BIN_EXE_csync"));
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).env_clear().current_dir(&machine.home);
    let mut path = csync.parent().unwrap().as_os_str().to_owned();
    for (name, value) in machine.command(&[]).get_envs() {
        let value = value.unwrap_or_default();
        if name == "PATH" {
            path.push(":");
            path.push(value);
        } else {
            command.env(name, value);
        }
    }
    let output = command.env("PATH", path).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

/// Sees that `check` finds something as bad as `level`, runs what mends it, and sees that it finds nothing any more.
#[track_caller]
fn mends(machine: &Machine, check: &str, level: &str) {
    let ill = Visit::to(machine);
    assert_eq!(ill.level(check), level, "{check}: {:#?}", ill.findings);
    assert_eq!(
        ill.code,
        i32::from(ill.findings.iter().any(|finding| finding["level"] == "error"))
    );
    let mend = ill.mend(check);
    let (code, said) = shell(machine, &mend);
    assert_eq!(code, 0, "`{mend}`: {said}");
    let well = Visit::to(machine);
    assert_eq!(well.level(check), "ok", "after `{mend}`: {:#?}", well.findings);
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A machine that has synced and is well. Its home has a space in its name.
fn patient() -> (TwoMachines, Machine) {
    let two = TwoMachines::joined();
    let machine = two.third("carol the third");
    machine.write("CLAUDE.md", "Be brief.\n");
    machine.write("settings.json", "{\n  \"model\": \"opus\"\n}\n");
    machine.sync();
    (two, machine)
}

/// A program that a person edits with: it writes `content`.
fn editor(machine: &mut Machine, content: &str) {
    let text = machine.home.join("better");
    std::fs::write(&text, content).unwrap();
    let program = machine.home.join("editor");
    std::fs::write(&program, format!("#!/bin/sh\ncat '{}' > \"$1\"\n", text.display())).unwrap();
    chmod(&program, 0o755);
    machine.set("EDITOR", &program);
}

fn config(machine: &Machine) -> PathBuf {
    machine.home.join(".config/csync/config.toml")
}

#[test]
fn a_machine_that_is_well_is_left_as_it_is() {
    let (_two, carol) = patient();
    let before = files_below(&carol.home);

    let visit = Visit::to(&carol);

    assert_eq!((visit.code, visit.bad()), (0, vec![]), "{:#?}", visit.findings);
    assert_eq!(files_below(&carol.home), before);
    let told = carol.csync(&["doctor"]).ok().stdout;
    assert!(told.ends_with("\nEverything is in order.\n"), "{told}");
    assert_eq!(carol.csync(&["doctor", "-q"]).ok().stdout, "");
}

#[test]
fn without_a_vault_there_is_little_to_find_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let dave = Machine::new("dave", folder.path().join("dave"));
    let visit = Visit::to(&dave);
    assert_eq!((visit.code, visit.bad()), (0, vec!["sync.joined"]));
    assert_eq!(visit.mend("sync.joined"), "csync init");
    assert!(files_below(&dave.home).is_empty());
    assert!(!dave.home.join(".local").exists() && !dave.home.join(".config").exists());
}

#[test]
fn p19_what_others_may_read_is_found_and_closed() {
    let (_two, carol) = patient();
    chmod(&carol.identity(), 0o644);
    mends(&carol, "key.permissions", "error");
    chmod(carol.identity().parent().unwrap(), 0o755);
    mends(&carol, "csync.config_folder", "error");
    chmod(carol.index().parent().unwrap(), 0o755);
    mends(&carol, "csync.state_folder", "error");
    carol.sync();
}

#[test]
fn a_configuration_that_cannot_be_read_is_a_finding() {
    let (_two, mut carol) = patient();
    let good = std::fs::read_to_string(config(&carol)).unwrap();
    for broken in [
        good.clone() + "unknown = 1\n",
        good.clone() + "[torn\n",
        "\u{1b}[2J = 3\n".to_owned(),
    ] {
        std::fs::write(config(&carol), broken).unwrap();
        editor(&mut carol, &good);
        mends(&carol, "csync.config", "error");
    }

    carol.set("CSYNC_TRANSPORT", "pigeon");
    let visit = Visit::to(&carol);
    assert_eq!(visit.level("csync.config"), "error");
    let mend = visit.mend("csync.config");
    let (code, said) = shell(&carol, &format!("{mend} && csync doctor"));
    assert_eq!(code, 0, "`{mend}`: {said}");
}

#[test]
fn a_key_that_does_not_fit_is_found_and_replaced_with_the_passphrase() {
    let two = TwoMachines::apart();
    let carol = two.folder.path().join("carol");
    let carol = Machine::new("carol", carol).with("CSYNC_PASSPHRASE", "correct horse battery");
    carol.csync(&["init", two.remote(), "--device", "carol"]).ok();
    carol.sync();
    let good = std::fs::read(carol.identity()).unwrap();

    let other = Machine::new("other", two.folder.path().join("other"));
    other.csync(&["init", "--local", "--device", "other"]).ok();
    std::fs::copy(other.identity(), carol.identity()).unwrap();
    mends(&carol, "key.opens", "error");

    std::fs::write(carol.identity(), "AGE-SECRET-KEY-1TORN\n").unwrap();
    mends(&carol, "key.identity", "error");

    std::fs::remove_file(carol.identity()).unwrap();
    mends(&carol, "key.identity", "error");
    assert_ne!(std::fs::read(carol.identity()).unwrap(), good);
    carol.sync();
}

#[test]
fn a_damaged_mirror_is_found_and_fetched_anew() {
    let (_two, carol) = patient();
    let objects = carol.mirror().join("objects");
    let is_object = |name: &str| !name.starts_with("info/") && !name.ends_with(".idx");
    let biggest = files_below(&objects)
        .into_iter()
        .filter(|(name, _)| is_object(name))
        .max_by_key(|(_, content)| content.len());
    std::fs::remove_file(objects.join(biggest.unwrap().0)).unwrap();
    mends(&carol, "mirror.complete", "error");
    mends(&carol, "csync.leftovers", "warning");

    std::fs::write(carol.mirror().join("refs/heads/main"), "not a commit\n").unwrap();
    mends(&carol, "mirror.pointers", "error");

    std::fs::remove_file(carol.mirror().join("HEAD")).unwrap();
    mends(&carol, "mirror.opens", "error");

    std::fs::remove_dir_all(carol.mirror()).unwrap();
    mends(&carol, "mirror.opens", "error");
    assert_eq!(carol.text("CLAUDE.md"), "Be brief.\n");
}

#[test]
fn what_killed_runs_left_is_found_and_removed() {
    let (_two, carol) = patient();
    std::fs::create_dir(carol.home.join(".local/state/csync/dry-run-x")).unwrap();
    std::fs::write(carol.mirror().join("refs/heads/main.lock"), "").unwrap();
    mends(&carol, "csync.leftovers", "warning");

    // What stands there while somebody is at work is theirs.
    let state = carol.home.join(".local/state/csync");
    std::fs::create_dir(state.join("dry-run-y")).unwrap();
    let lock = csync::Lock::acquire(&state, std::time::Duration::ZERO, "sync").unwrap();
    let visit = Visit::to(&carol);
    assert_eq!(visit.level("csync.leftovers"), "ok");
    let told = visit.of("csync.lock").next().unwrap()["message"].as_str().unwrap();
    assert!(told.starts_with("`csync sync` is at work, process "), "{told}");
    drop(lock);
}

#[test]
fn a_remote_that_is_away_or_emptied_is_found() {
    let (two, carol) = patient();
    let away = two.folder.path().join("away.git");
    std::fs::rename(&two.remote, &away).unwrap();
    let visit = Visit::to(&carol);
    assert_eq!((visit.code, visit.bad()), (1, vec!["remote.reached"]));
    std::fs::rename(&away, &two.remote).unwrap();

    std::fs::remove_file(two.remote.join("refs/heads/main")).unwrap();
    mends(&carol, "remote.vault", "error");
    carol.sync();
}

#[test]
fn what_the_agent_is_told_to_delete_is_found_and_put_off() {
    let (_two, mut carol) = patient();
    for (days, level) in [(0, "error"), (1, "warning")] {
        carol.write(
            "settings.json",
            format!("{{\n  \"model\": \"opus\",\n  \"cleanupPeriodDays\": {days}\n}}\n"),
        );
        mends(&carol, "agent.cleanup", level);
        assert!(carol.text("settings.json").contains("\"model\": \"opus\""));
    }
    carol.write("settings.json", "{ torn");
    editor(&mut carol, "{}\n");
    mends(&carol, "agent.settings", "error");
}

#[test]
fn a_long_time_without_a_sync_is_worth_a_word() {
    let (_two, carol) = patient();
    let mut index = csync::Index::open(&carol.index()).unwrap();
    index.set_meta("last-sync", "2026-01-01T00:00:00Z").unwrap();
    drop(index);
    let visit = Visit::to(&carol);
    assert_eq!(visit.level("agent.cleanup"), "warning", "30 days have passed");
    mends(&carol, "sync.last", "warning");
}

#[test]
fn conflicts_that_wait_are_found() {
    let two = TwoMachines::joined();
    two.ana.write("CLAUDE.md", "Be brief.\n");
    two.sync_all();
    two.ana.write("CLAUDE.md", "Be brief and kind.\n");
    two.ana.sync();
    two.bob.write("CLAUDE.md", "Be brief and quick.\n");
    two.bob.csync(&["sync"]).fails(13);

    let visit = Visit::to(&two.bob);
    assert_eq!(visit.bad(), ["sync.conflicts"]);
    let (code, said) = shell(&two.bob, &visit.mend("sync.conflicts"));
    assert_eq!(code, 13, "{said}");
    two.bob.csync(&["conflicts", "--keep", "remote"]).ok();
    assert_eq!(Visit::to(&two.bob).level("sync.conflicts"), "ok");
}

#[test]
fn https_is_looked_at_without_the_network_and_without_showing_secrets() {
    let (_two, carol) = patient();
    carol
        .csync(&["config", "set", "remote", "https://t0ken@127.0.0.1:1/v.git"])
        .ok();
    let mut carol = carol.with("GIT_CONFIG_NOSYSTEM", "1");
    let ask = |carol: &Machine| {
        let run = carol.csync(&["doctor", "--no-network", "--json"]);
        assert!(
            !run.stdout.contains("t0ken") && !run.stdout.contains("s3cret"),
            "{}",
            run.stdout
        );
        Visit {
            code: run.code,
            findings: run.json()["findings"].as_array().unwrap().clone(),
        }
    };
    let visit = ask(&carol);
    assert_eq!(visit.bad(), ["https.sign_in"]);
    let (code, said) = shell(&carol, &visit.mend("https.sign_in"));
    assert_eq!(code, 0, "{said}");
    assert_eq!(ask(&carol).level("https.sign_in"), "ok");

    carol.set("CSYNC_GIT_TOKEN", "s3cret");
    carol.set("HTTPS_PROXY", "http://ana:s3cret@127.0.0.1:2");
    carol.set("SSL_CERT_FILE", "/nowhere/ca.pem");
    let visit = ask(&carol);
    assert_eq!((visit.code, visit.bad()), (1, vec!["https.authorities"]));
    assert_eq!(visit.mend("https.authorities"), "unset SSL_CERT_FILE");
    let proxy = visit.of("https.proxy").next().unwrap()["message"].to_string();
    assert!(proxy.contains("http://127.0.0.1:2, which HTTPS_PROXY names"), "{proxy}");
}

#[test]
fn ssh_is_looked_at_key_host_and_agent() {
    let two = TwoMachines::joined();
    let mut carol = two.third("carol");
    carol.sync();
    let server = Ssh::start();
    server.install_for(&mut carol);
    let folder = carol.home.join(".ssh");
    carol.csync(&["config", "set", "remote", &server.url("v.git")]).ok();
    let ask = |carol: &Machine| {
        let run = carol.csync(&["doctor", "--no-network", "--json"]);
        Visit {
            code: run.code,
            findings: run.json()["findings"].as_array().unwrap().clone(),
        }
    };
    let well = ask(&carol);
    assert_eq!((well.code, well.bad()), (0, vec![]), "{:#?}", well.findings);

    // A key that others may read, which ssh refuses.
    chmod(&folder.join("id_ed25519"), 0o644);
    let visit = ask(&carol);
    assert_eq!(visit.level("ssh.key"), "warning");
    let (code, said) = shell(&carol, &visit.mend("ssh.key"));
    assert_eq!(code, 0, "{said}");
    assert_eq!(ask(&carol).level("ssh.key"), "ok");

    // A host that nobody knows yet.
    std::fs::write(folder.join("known_hosts"), "").unwrap();
    let visit = ask(&carol);
    let command = format!("ssh -T -p {} {}@127.0.0.1", server.port(), server.user());
    assert_eq!((visit.level("ssh.host"), visit.mend("ssh.host")), ("warning", command));
    std::fs::write(folder.join("known_hosts"), server.known_hosts_line()).unwrap();

    // An agent whose socket outlived it.
    let mut agent = Agent::start();
    carol.set("SSH_AUTH_SOCK", agent.socket());
    assert_eq!(ask(&carol).level("ssh.agent"), "ok");
    agent.die();
    let visit = ask(&carol);
    assert_eq!(visit.level("ssh.agent"), "warning");
    assert!(visit.mend("ssh.agent").starts_with("eval \"$(ssh-agent -s)\""));

    // An alias that only the git command can follow.
    std::fs::write(folder.join("config"), "Host work\n  HostName 127.0.0.1\n").unwrap();
    carol.csync(&["config", "set", "remote", "git@work:v.git"]).ok();
    carol.set("CSYNC_TRANSPORT", "libgit2");
    assert_eq!(ask(&carol).level("ssh.config"), "error");
    carol.set("CSYNC_TRANSPORT", "auto");
    assert_eq!(ask(&carol).level("ssh.config"), "ok");
}

#[test]
fn a_remote_on_a_network_is_found_well_or_told_why_not() {
    for road in [Road::https("auto"), Road::ssh("auto"), Road::ssh("git")] {
        let ana = road.joined("ana");
        ana.write("CLAUDE.md", "Be brief.\n");
        ana.sync();
        let well = Visit::to(&ana);
        assert_eq!((well.code, well.bad()), (0, vec![]), "{:#?}", well.findings);

        road.breaks(Fault::Refuse);
        let visit = Visit::to(&ana);
        assert_eq!((visit.code, visit.bad()), (1, vec!["remote.reached"]));
        ana.write("CLAUDE.md", "Be brief, also when alone.\n");
        ana.csync(&["sync"]).fails(16);
        assert_eq!(Visit::to(&ana).bad(), ["remote.reached", "sync.outgoing"]);
        road.mends();
        mends(&ana, "sync.outgoing", "warning");

        match &road.server {
            Server::Ssh(server) => {
                std::fs::copy(server.read_only_key(), ana.home.join(".ssh/id_ed25519")).unwrap();
                assert_eq!(Visit::to(&ana).bad(), ["remote.writable"]);
                std::fs::write(ana.home.join(".ssh/known_hosts"), "").unwrap();
                assert_eq!(Visit::to(&ana).bad(), ["remote.reached", "ssh.host"]);
            }
            _ => {
                let ana = Machine::new("ana", ana.home.clone());
                assert_eq!(Visit::to(&ana).bad(), ["remote.reached", "https.sign_in"]);
            }
        }
    }
}
