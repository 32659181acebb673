//! Work on two machines at once.

use std::collections::BTreeSet;

use crate::machines::{Machine, TwoMachines};
use crate::transcripts::{
    assert_holds, assert_no_message_twice, conversation, last_prompt, lines, message, session, title,
};

/// The transcript of a session in the project that all machines have under their homes.
fn transcript(machine: &Machine, id: &str) -> String {
    format!("{}/{id}.jsonl", machine.project("code/app"))
}

/// The ids of all sessions in that project.
fn sessions(machine: &Machine) -> BTreeSet<String> {
    std::fs::read_dir(machine.path(&machine.project("code/app")))
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".jsonl").map(str::to_owned)
        })
        .collect()
}

/// Every machine syncs, in turn, until nobody has anything to say; bounded.
#[track_caller]
fn settle(machines: &[&Machine]) {
    for _ in 0..5 {
        let mut quiet = true;
        for machine in machines {
            let said = machine.sync().json();
            quiet &= said["items"].as_array().unwrap().is_empty();
        }
        if quiet {
            return;
        }
    }
    panic!("the machines do not come to rest");
}

/// Two machines that share one session of three messages.
fn two_with_a_session() -> (TwoMachines, String, String) {
    let two = TwoMachines::joined();
    let id = session(1);
    let shared = conversation(&id, "s", "", 0, 3) + &title(&id, "mend the roof") + &last_prompt(&id, "s3");
    two.ana.write(&transcript(&two.ana, &id), &shared);
    two.sync_all();
    (two, id, shared)
}

#[test]
fn p04_one_machine_goes_on_where_the_other_stopped() {
    let (two, id, shared) = two_with_a_session();
    let more = conversation(&id, "b", "s3", 10, 2) + &last_prompt(&id, "b2");
    two.bob.append(&transcript(&two.bob, &id), &more);
    settle(&[&two.bob, &two.ana]);
    assert_eq!(two.ana.text(&transcript(&two.ana, &id)), shared + &more);
    assert_eq!(sessions(&two.ana).len(), 1);
}

#[test]
fn p04_notes_of_the_agent_on_both_machines_merge_without_a_branch() {
    let (two, id, shared) = two_with_a_session();
    // Only bob talks; ana's agent wrote down a mode.
    let talk = conversation(&id, "b", "s3", 10, 4) + &last_prompt(&id, "b4");
    let mode = format!("{{\"type\":\"mode\",\"mode\":\"plan\",\"sessionId\":\"{id}\"}}\n");
    two.ana.append(&transcript(&two.ana, &id), &mode);
    two.bob.append(&transcript(&two.bob, &id), &talk);
    settle(&[&two.ana, &two.bob]);

    let here = two.ana.text(&transcript(&two.ana, &id));
    assert_eq!(here, two.bob.text(&transcript(&two.bob, &id)));
    assert_eq!(here, shared + &mode + &talk);
    assert_eq!(sessions(&two.ana).len(), 1);
}

#[test]
fn p04_parallel_appends_on_three_machines_come_to_the_same_bytes() {
    // Subagents and histories have no branches: their lines simply all belong there.
    let (two, id, _) = two_with_a_session();
    let cleo = two.third("cleo");
    let side = |machine: &Machine| format!("{}/{id}/subagents/agent-1.jsonl", machine.project("code/app"));
    let line = |uuid: &str, second: usize| {
        message(&id, uuid, "", second, uuid).replace("\"isSidechain\":false", "\"isSidechain\":true")
    };
    two.ana.write(&side(&two.ana), line("root", 0));
    two.ana
        .write("history.jsonl", "{\"display\":\"first\",\"timestamp\":1}\n");
    settle(&[&two.ana, &two.bob, &cleo]);

    let mut own = Vec::new();
    for (number, machine) in [&two.ana, &two.bob, &cleo].into_iter().enumerate() {
        let mut mine = String::new();
        for step in 0..5 {
            // Lines without an id repeat legitimately, and keep their count.
            if step > 0 {
                mine += "{\"type\":\"progress\"}\n";
            }
            mine += &line(&format!("{}{step}", machine.name), 10 * step + number);
        }
        machine.append(&side(machine), &mine);
        machine.append(
            "history.jsonl",
            format!("{{\"display\":\"{}\",\"timestamp\":{}}}\n", machine.name, 10 + number),
        );
        own.push(mine);
    }
    settle(&[&cleo, &two.ana, &two.bob]);

    let merged = two.ana.read(&side(&two.ana));
    for (machine, mine) in [&two.ana, &two.bob, &cleo].into_iter().zip(&own) {
        assert_eq!(machine.read(&side(machine)), merged, "{}", machine.name);
        assert_holds(&merged, mine.as_bytes());
        assert!(machine.beside(&side(machine)).is_empty());
        assert_eq!(machine.text("history.jsonl"), two.ana.text("history.jsonl"));
    }
    assert_no_message_twice(&merged);
    assert_eq!(lines(&merged).len(), 1 + 3 * 9);
    let history = two.ana.text("history.jsonl");
    let said: BTreeSet<&str> = history.lines().collect();
    assert_eq!((history.lines().count(), said.len()), (4, 4), "{history}");
}

#[test]
fn p04_two_conversations_from_one_line_both_live_on() {
    let (two, id, shared) = two_with_a_session();
    let early = conversation(&id, "a", "s3", 10, 3) + &last_prompt(&id, "a3");
    let late = conversation(&id, "b", "s3", 100, 2) + &last_prompt(&id, "b2");
    two.ana.append(&transcript(&two.ana, &id), &early);
    two.bob.append(&transcript(&two.bob, &id), &late);
    settle(&[&two.ana, &two.bob]);
    let cleo = two.third("cleo");
    settle(&[&cleo, &two.ana, &two.bob]);

    // The session holds every line, the later conversation last, so that the agent goes on from there.
    let all = two.ana.text(&transcript(&two.ana, &id));
    assert_eq!(all, format!("{shared}{early}{late}"));
    // The earlier one is a session of its own, with the same id everywhere.
    let ids = sessions(&two.ana);
    assert_eq!(ids.len(), 2, "{ids:?}");
    let branch = ids.iter().find(|other| **other != id).unwrap();
    let own = two.ana.text(&transcript(&two.ana, branch));
    assert_holds(
        own.as_bytes(),
        format!("{shared}{early}").replace(&id, branch).as_bytes(),
    );
    assert!(!own.contains(&id), "every line is of the new session");
    let last: serde_json::Value = serde_json::from_str(own.lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "custom-title");
    assert_eq!(last["customTitle"], "mend the roof (from ana's laptop)");
    assert_eq!(
        lines(own.as_bytes()).len(),
        lines((shared + &early).as_bytes()).len() + 1
    );
    for machine in [&two.bob, &cleo] {
        assert_eq!(sessions(machine), ids, "{}", machine.name);
        assert_eq!(machine.text(&transcript(machine, &id)), all);
        assert_eq!(machine.text(&transcript(machine, branch)), own);
    }
}

#[test]
fn p04_a_branch_is_made_once_and_further_work_goes_on_in_both() {
    let (two, id, _) = two_with_a_session();
    let early = conversation(&id, "a", "s3", 10, 1) + &last_prompt(&id, "a1");
    let late = conversation(&id, "b", "s3", 100, 1) + &last_prompt(&id, "b1");
    two.ana.append(&transcript(&two.ana, &id), &early);
    two.bob.append(&transcript(&two.bob, &id), &late);
    settle(&[&two.bob, &two.ana]);
    let ids = sessions(&two.ana);
    let branch = ids.iter().find(|other| **other != id).unwrap();

    let commits = two.commits();
    settle(&[&two.ana, &two.bob]);
    assert_eq!(two.commits(), commits, "at rest nothing is made");
    let on = conversation(&id, "c", "b1", 200, 2) + &last_prompt(&id, "c2");
    let other = conversation(branch, "d", "a1", 210, 2) + &last_prompt(branch, "d2");
    two.ana.append(&transcript(&two.ana, &id), &on);
    two.bob.append(&transcript(&two.bob, branch), &other);
    settle(&[&two.ana, &two.bob]);

    assert_eq!(sessions(&two.ana), ids);
    assert_eq!(sessions(&two.bob), ids);
    for (session, ending) in [(&id, &on), (branch, &other)] {
        let here = two.ana.text(&transcript(&two.ana, session));
        assert_eq!(here, two.bob.text(&transcript(&two.bob, session)));
        assert!(here.ends_with(ending.as_str()));
        assert_no_message_twice(here.as_bytes());
    }
}

#[test]
fn p04_three_conversations_from_one_line_all_live_on() {
    let (two, id, shared) = two_with_a_session();
    let cleo = two.third("cleo");
    settle(&[&cleo]);
    let mut all = Vec::new();
    for (number, machine) in [&two.ana, &two.bob, &cleo].into_iter().enumerate() {
        let prefix = &machine.name;
        let mine = conversation(&id, prefix, "s3", 100 * number + 10, 3) + &last_prompt(&id, &format!("{prefix}3"));
        machine.append(&transcript(machine, &id), &mine);
        all.push(mine);
    }
    settle(&[&two.ana, &two.bob, &cleo]);

    let merged = two.ana.text(&transcript(&two.ana, &id));
    for part in &all {
        assert_holds(merged.as_bytes(), part.as_bytes());
    }
    assert!(merged.ends_with(&all[2]), "the latest goes last");
    assert_no_message_twice(merged.as_bytes());
    let ids = sessions(&two.ana);
    for machine in [&two.bob, &cleo] {
        assert_eq!(sessions(machine), ids);
        for session in &ids {
            assert_eq!(
                machine.text(&transcript(machine, session)),
                two.ana.text(&transcript(&two.ana, session))
            );
        }
    }
    // Each loser can be found on its own.
    for part in &all[..2] {
        let found = ids.iter().filter(|other| **other != id).any(|branch| {
            let own = two.ana.text(&transcript(&two.ana, branch));
            let wanted = format!("{shared}{part}").replace(&id, branch);
            wanted.lines().all(|line| own.contains(line))
        });
        assert!(found, "no session of its own for {part}");
    }
}

#[test]
fn p03_who_merges_does_not_change_what_comes_out() {
    let outcome = |ana_first: bool| {
        let (two, id, _) = two_with_a_session();
        two.ana.append(
            &transcript(&two.ana, &id),
            conversation(&id, "a", "s3", 50, 2) + &last_prompt(&id, "a2"),
        );
        two.bob.append(
            &transcript(&two.bob, &id),
            conversation(&id, "b", "s3", 50, 2) + &last_prompt(&id, "b2"),
        );
        if ana_first {
            settle(&[&two.ana, &two.bob]);
        } else {
            settle(&[&two.bob, &two.ana]);
        }
        sessions(&two.ana)
            .into_iter()
            .map(|session| {
                assert_eq!(
                    two.ana.text(&transcript(&two.ana, &session)),
                    two.bob.text(&transcript(&two.bob, &session))
                );
                (two.ana.text(&transcript(&two.ana, &session)), session)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(outcome(true), outcome(false));
}

#[test]
fn p03_a_pull_that_merged_and_could_not_push_merges_no_second_time() {
    let (two, id, _) = two_with_a_session();
    let early = conversation(&id, "a", "s3", 10, 2) + &last_prompt(&id, "a2");
    let late = conversation(&id, "b", "s3", 100, 2) + &last_prompt(&id, "b2");
    two.ana.append(&transcript(&two.ana, &id), &early);
    two.bob.append(&transcript(&two.bob, &id), &late);
    two.ana.sync();
    // Bob merges, and another push comes between his merge and his push, twice over.
    two.bob.csync(&["pull", "--json"]).ok();
    let merged = two.bob.text(&transcript(&two.bob, &id));
    let ids = sessions(&two.bob);
    for round in 0..2 {
        two.ana.write(&format!("agents/{round}.md"), "between\n");
        two.ana.csync(&["push", "--json"]).ok();
        two.bob.csync(&["pull", "--json"]).ok();
        assert_eq!(two.bob.text(&transcript(&two.bob, &id)), merged);
        assert_eq!(sessions(&two.bob), ids);
    }
    settle(&[&two.bob, &two.ana]);
    assert_eq!(two.ana.text(&transcript(&two.ana, &id)), merged);
    assert_eq!(sessions(&two.ana), ids);
}

#[test]
fn p04_both_machines_pulled_before_either_pushed() {
    let (two, id, _) = two_with_a_session();
    let cleo = two.third("cleo");
    settle(&[&cleo]);
    let one = conversation(&id, "c", "s3", 5, 2) + &last_prompt(&id, "c2");
    cleo.append(&transcript(&cleo, &id), &one);
    cleo.sync();
    // Ana and bob each merge cleo's work with their own, and only then push.
    for (machine, second) in [(&two.ana, 50), (&two.bob, 90)] {
        let prefix = &machine.name;
        machine.append(
            &transcript(machine, &id),
            conversation(&id, prefix, "s3", second, 2) + &last_prompt(&id, &format!("{prefix}2")),
        );
        machine.csync(&["pull", "--json"]).ok();
    }
    settle(&[&two.bob, &two.ana, &cleo]);
    let merged = two.ana.read(&transcript(&two.ana, &id));
    assert_no_message_twice(&merged);
    assert_eq!(lines(&merged).len(), 5 + 3 * 3);
    let ids = sessions(&two.ana);
    for machine in [&two.bob, &cleo] {
        assert_eq!(sessions(machine), ids);
        assert_eq!(machine.read(&transcript(machine, &id)), merged);
    }
}

#[test]
fn texts_merge_line_by_line() {
    let two = TwoMachines::joined();
    let memory = |machine: &Machine| format!("{}/memory/MEMORY.md", machine.project("code/app"));
    let text = "# one\n\na\nb\nc\n\n# two\n\nd\ne\nf\n";
    two.ana.write("CLAUDE.md", text);
    two.ana.write(&memory(&two.ana), text.replace('\n', "\r\n"));
    two.sync_all();
    two.ana.write("CLAUDE.md", text.replace("a\n", "a, says ana\n"));
    two.bob.write("CLAUDE.md", format!("{text}bob's end\n"));
    two.ana
        .write(&memory(&two.ana), text.replace("f\n", "f!\n").replace('\n', "\r\n"));
    two.bob
        .write(&memory(&two.bob), text.replace("# one", "# One").replace('\n', "\r\n"));
    settle(&[&two.ana, &two.bob]);

    let merged = text.replace("a\n", "a, says ana\n") + "bob's end\n";
    let remembered = text
        .replace("f\n", "f!\n")
        .replace("# one", "# One")
        .replace('\n', "\r\n");
    for machine in [&two.ana, &two.bob] {
        assert_eq!(machine.text("CLAUDE.md"), merged);
        assert_eq!(machine.text(&memory(machine)), remembered);
    }
}

#[test]
fn a_machine_that_joins_with_data_of_its_own_loses_nothing() {
    let two = TwoMachines::joined();
    let (same, longer_here, longer_there, apart, mine, yours) =
        (session(1), session(2), session(3), session(4), session(5), session(6));
    let shared = |id: &str| conversation(id, "s", "", 0, 3) + &last_prompt(id, "s3");
    let more = |id: &str, prefix: &str, second| {
        shared(id) + &conversation(id, prefix, "s3", second, 2) + &last_prompt(id, &format!("{prefix}2"))
    };
    let write = |machine: &Machine, id: &str, content: String| machine.write(&transcript(machine, id), content);
    write(&two.ana, &same, shared(&same));
    write(&two.bob, &same, shared(&same));
    write(&two.ana, &longer_here, more(&longer_here, "a", 10));
    write(&two.bob, &longer_here, shared(&longer_here));
    write(&two.ana, &longer_there, shared(&longer_there));
    write(&two.bob, &longer_there, more(&longer_there, "b", 10));
    write(&two.ana, &apart, more(&apart, "a", 10));
    write(&two.bob, &apart, more(&apart, "b", 90));
    write(&two.ana, &mine, shared(&mine));
    write(&two.bob, &yours, shared(&yours));
    two.ana
        .write("settings.json", "{\"theme\":\"dark\",\"model\":\"opus\"}");
    two.bob
        .write("settings.json", "{\n  \"theme\": \"dark\",\n  \"verbose\": true\n}");
    two.ana.write("skills/x/tool.bin", b"\0ana");
    two.bob.write("skills/x/tool.bin", b"\0bob");
    two.ana.write("history.jsonl", "{\"display\":\"a\",\"timestamp\":1}\n");
    two.bob.write("history.jsonl", "{\"display\":\"b\",\"timestamp\":2}\n");

    two.ana.sync();
    let run = two.bob.csync(&["sync", "--json"]).fails(13);
    let conflicts: Vec<String> = run
        .actions()
        .into_iter()
        .filter(|(action, _)| action == "conflict")
        .map(|(_, path)| path)
        .collect();
    assert_eq!(conflicts, ["claude/skills/x/tool.bin"]);
    two.ana.sync();

    assert_eq!(two.bob.read("skills/x/tool.bin"), b"\0bob", "nothing is overwritten");
    assert_eq!(two.ana.read("skills/x/tool.bin"), b"\0ana");
    let beside = two.bob.beside("skills/x/tool.bin");
    assert_eq!(beside.len(), 1);
    assert_eq!(std::fs::read(&beside[0]).unwrap(), b"\0ana");
    let expected = [
        (&same, shared(&same)),
        (&longer_here, more(&longer_here, "a", 10)),
        (&longer_there, more(&longer_there, "b", 10)),
        (
            &apart,
            more(&apart, "a", 10) + &conversation(&apart, "b", "s3", 90, 2) + &last_prompt(&apart, "b2"),
        ),
        (&mine, shared(&mine)),
        (&yours, shared(&yours)),
    ];
    for machine in [&two.ana, &two.bob] {
        for (id, content) in &expected {
            assert_eq!(
                machine.text(&transcript(machine, id)),
                *content,
                "{id} on {}",
                machine.name
            );
        }
        assert_eq!(sessions(machine).len(), 7, "one branch was made");
        let settings: serde_json::Value = serde_json::from_str(&machine.text("settings.json")).unwrap();
        assert_eq!(
            settings,
            serde_json::json!({"theme": "dark", "model": "opus", "verbose": true})
        );
        let history = machine.text("history.jsonl");
        assert_eq!(history.lines().count(), 2, "{history}");
        assert!(history.contains("\"a\"") && history.contains("\"b\""));
    }
    assert!(
        two.bob.text("settings.json").contains("\n  \"verbose\": true"),
        "bob's format stays"
    );
}

#[test]
fn p04_a_large_session_merges_by_its_tails() {
    let two = TwoMachines::joined();
    let id = session(1);
    let filler = "All work and no play makes a long session. ".repeat(220);
    let mut shared = String::new();
    for number in 1..=2200_usize {
        let parent = if number == 1 {
            String::new()
        } else {
            format!("s{}", number - 1)
        };
        shared += &message(
            &id,
            &format!("s{number}"),
            &parent,
            number,
            &format!("{number} {filler}"),
        );
    }
    assert!(shared.len() >= 20 << 20);
    two.ana.write(&transcript(&two.ana, &id), &shared);
    two.sync_all();
    let early = conversation(&id, "a", "s2200", 3000, 3) + &last_prompt(&id, "a3");
    let late = conversation(&id, "b", "s2200", 4000, 3) + &last_prompt(&id, "b3");
    two.ana.append(&transcript(&two.ana, &id), &early);
    two.bob.append(&transcript(&two.bob, &id), &late);
    two.ana.sync();
    let sent = two.bob.sync().json()["bytes_sent"].as_u64().unwrap();
    two.ana.sync();

    let expected = format!("{shared}{early}{late}");
    for machine in [&two.ana, &two.bob] {
        assert!(
            machine.text(&transcript(machine, &id)) == expected,
            "on {}",
            machine.name
        );
        let ids = sessions(machine);
        let branch = ids.iter().find(|other| **other != id).expect("a branch");
        let own = machine.text(&transcript(machine, branch));
        assert!(own.starts_with(&format!("{shared}{early}").replace(&id, branch)));
    }
    assert!(sent < 4 << 20, "{sent} bytes went out");
}
