//! Two devices that sync at the same time, one over HTTPS and one over SSH, to one repository.

use std::collections::BTreeMap;

use super::{Road, Server};
use crate::machines::{Machine, git};
use crate::transcripts::{conversation, session};

/// All that is synced from a machine: the files by their paths, those of projects by what comes after the folder.
fn synced(machine: &Machine) -> BTreeMap<String, Vec<u8>> {
    let project = machine.project("code/app");
    let in_place = |path: String| match path.strip_prefix(&project) {
        Some(rest) => format!("projects/app{rest}"),
        None => path,
    };
    machine
        .files()
        .into_iter()
        .map(|(path, content)| (in_place(path), content))
        .collect()
}

#[test]
fn p08_two_devices_over_two_roads_converge_in_fifty_rounds() {
    let (https, ssh) = (Road::https("libgit2"), Road::ssh("libgit2"));
    let Server::Ssh(server) = &ssh.server else {
        unreachable!()
    };
    // What one server has as its repository is the other's.
    std::fs::remove_dir_all(&https.repository).unwrap();
    std::os::unix::fs::symlink(server.bare("sessions.git"), &https.repository).unwrap();
    let ana = https.joined("ana");
    let bob = ssh.machine("bob");
    let identity = ana.identity();
    let identity = identity.to_str().unwrap();
    bob.csync(&["init", &ssh.url(), "--device", "bob", "--identity", identity])
        .ok();

    let mut races = 0;
    for round in 0..50 {
        for (number, machine) in [&ana, &bob].into_iter().enumerate() {
            let name = machine.name.as_str();
            // Both write to one file, and each to a session of its own; now and then to a setting and a new file.
            machine.append("history.jsonl", format!("{{\"display\":\"{name} {round}\"}}\n"));
            let own = session(1 + number);
            let parent = if round == 0 {
                String::new()
            } else {
                format!("{name}{}-1", round - 1)
            };
            let place = format!("{}/{own}.jsonl", machine.project("code/app"));
            if round == 0 {
                machine.write(&place, "");
            }
            machine.append(
                &place,
                conversation(&own, &format!("{name}{round}-"), &parent, 10 * round, 1),
            );
            if round % 10 == 3 {
                machine.write(&format!("agents/{name}{round}.md"), format!("# {name} {round}\n"));
            }
        }
        let runs = std::thread::scope(|scope| {
            let other = scope.spawn(|| bob.csync(&["sync", "--json"]));
            [ana.csync(&["sync", "--json"]), other.join().unwrap()]
        });
        for run in runs {
            races += run.ok().json()["races"].as_u64().unwrap();
        }
    }
    for machine in [&ana, &bob, &ana] {
        machine.sync();
    }

    assert_ne!(races, 0, "nobody was ever beaten: this test shows nothing");
    let files = synced(&ana);
    assert_eq!(files, synced(&bob));
    assert!(
        files.keys().all(|path| !path.contains(".conflict.")),
        "a round needed a person"
    );
    let history = String::from_utf8(files["history.jsonl"].clone()).unwrap();
    assert_eq!(history.lines().count(), 2 * 50, "{history}");
    for name in ["ana", "bob"] {
        let said: Vec<&str> = history.lines().filter(|line| line.contains(name)).collect();
        let meant: Vec<String> = (0..50)
            .map(|round| format!("{{\"display\":\"{name} {round}\"}}"))
            .collect();
        assert_eq!(said, meant, "each line once, in its order");
    }
    for number in [1, 2] {
        let session = &files[&format!("projects/app/{}.jsonl", session(number))];
        assert_eq!(session.split_inclusive(|byte| *byte == b'\n').count(), 50);
    }
    git(&ssh.repository, &["fsck", "--strict"]);
}
