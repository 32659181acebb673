//! Two machines whose runs are killed at any instant, over a network that comes and goes.

use std::time::Duration;

use crate::machines::{Machine, TwoMachines, files_below, git};
use crate::servers::{Daemon, Direction, Fault, FaultProxy, Running};
use crate::transcripts::{conversation, lines, message, session};

/// How many runs are killed, or would be if they did not end before.
const ROUNDS: usize = 60;

/// Numbers that are the same in each run of the test.
struct Chance(u64);

impl Chance {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

fn transcript(machine: &Machine, number: usize) -> String {
    format!("{}/{}.jsonl", machine.project("code/app"), session(number))
}

/// Adds a line to a file, which may not be there yet.
fn go_on(machine: &Machine, path: &str, line: &str) {
    if machine.has(path) {
        machine.append(path, line);
    } else {
        machine.write(path, line);
    }
}

/// What a network does at a time.
fn weather(chance: &mut Chance) -> Fault {
    let direction = if chance.below(2) == 0 {
        Direction::ToServer
    } else {
        Direction::ToClient
    };
    let bytes = chance.below(4_000) as u64;
    match chance.below(5) {
        0 => Fault::Refuse,
        1 => Fault::CutAfter { direction, bytes },
        2 => Fault::ResetAfter { direction, bytes },
        _ => Fault::None,
    }
}

#[test]
fn p02_p05_no_line_is_lost_however_runs_are_killed_and_the_network_breaks() {
    let mut two = TwoMachines::apart();
    let server = Daemon::serving(two.folder.path());
    let proxy = FaultProxy::start(server.port());
    let url = format!("git://127.0.0.1:{}/remote.git", proxy.port());
    for machine in [&mut two.ana, &mut two.bob] {
        machine.set("CSYNC_BACKOFF", "1");
        machine.set("CSYNC_MAX_RETRIES", "2");
    }
    two.ana
        .csync(&["init", &url, "--device", "ana's laptop", "--no-passphrase"])
        .ok();
    let identity = two.ana.identity();
    two.bob
        .csync(&[
            "init",
            &url,
            "--device",
            "bob's desk",
            "--identity",
            identity.to_str().unwrap(),
        ])
        .ok();

    let seed = std::env::var("SEED").map_or(7, |seed| seed.parse().unwrap());
    let mut chance = Chance(seed);
    let mut written: Vec<String> = Vec::new();
    let mut killed = 0;
    for round in 0..ROUNDS {
        let who = chance.below(2);
        let machine = [&two.ana, &two.bob][who];
        // A session of its own, which goes on, one that is new, and a log that both write to.
        let own = message(&session(who), &format!("m{round}"), "", round, "on and on");
        go_on(machine, &transcript(machine, who), &own);
        let new = conversation(
            &session(100 + round),
            &format!("n{round}-"),
            "",
            0,
            1 + chance.below(200),
        );
        machine.write(&transcript(machine, 100 + round), &new);
        let log = format!("{{\"display\":\"{} {round}\",\"timestamp\":{round}}}\n", machine.name);
        go_on(machine, "history.jsonl", &log);
        written.extend([own, log]);
        written.extend(
            lines(new.as_bytes())
                .iter()
                .map(|line| String::from_utf8(line.to_vec()).unwrap()),
        );

        proxy.set(weather(&mut chance));
        let mut command = machine.command(&["sync", "--offline-ok"]);
        command.env("CSYNC_TRANSPORT", ["libgit2", "git"][chance.below(2)]);
        let mut run = Running::start(command);
        // Some are not killed at all; then the agent may sweep what they saw.
        let instant = Duration::from_millis(chance.below(120) as u64);
        let start = std::time::Instant::now();
        while run.runs() && (chance.0.is_multiple_of(3) || start.elapsed() < instant) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if run.runs() {
            run.0.kill().unwrap();
        }
        match run.code() {
            None => killed += 1,
            Some(0) => machine.remove(&transcript(machine, 100 + round)),
            Some(_) => {}
        }
    }
    assert!(killed > ROUNDS / 6, "only {killed} runs were killed");
    proxy.set(Fault::None);
    two.sync_all();
    let mut everything = Vec::new();
    for machine in [&two.ana, &two.bob] {
        for (path, content) in machine.files() {
            assert!(
                !path.contains(".conflict.") && !path.contains(".csync-"),
                "{path} on {}",
                machine.name
            );
            everything.extend(lines(&content).into_iter().map(<[u8]>::to_vec));
        }
        assert_eq!(machine.sync().json()["commits"], 0);
        assert_eq!(
            git(
                &machine.mirror(),
                &["for-each-ref", "refs/csync/outgoing", "refs/csync/arriving"]
            ),
            ""
        );
        git(&machine.mirror(), &["fsck", "--strict"]);
    }
    for line in &written {
        assert!(everything.iter().any(|other| other == line.as_bytes()), "lost: {line}");
    }
    for (path, content) in two.ana.files() {
        if let Some(other) = two.bob.files().get(&path) {
            assert_eq!(
                String::from_utf8_lossy(other),
                String::from_utf8_lossy(&content),
                "{path}"
            );
        }
    }
    let staging: Vec<_> = files_below(&two.ana.mirror())
        .into_keys()
        .filter(|path| path.contains("staging"))
        .collect();
    assert!(staging.is_empty(), "{staging:?}");
}
