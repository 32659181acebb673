//! Three machines, one vault, any interleaving: everything that was written ends on every machine, once, in the order
//! in which it was written there.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{Sides, integrity_gate, jsonl};
use crate::core::kind::FileKind;

/// What happens next, and on which machine.
#[derive(Debug, Clone)]
enum Step {
    /// The agent writes a message, and sometimes lines without a `uuid` around it.
    Write {
        machine: usize,
        before: usize,
        after: usize,
        second: u32,
    },
    /// The agent notes its state and says nothing.
    Note { machine: usize, mode: usize },
    /// Fetch, merge, write, push.
    Sync { machine: usize },
    /// As `Sync`, but another machine pushes first: the merge is written here and pushed by a later run.
    LoseRace { machine: usize, to: usize },
    /// The index is lost: the machine no longer knows what it agreed on.
    ForgetBase { machine: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let machine = 0..3_usize;
    prop_oneof![
        4 => (machine.clone(), 0..3_usize, 0..3_usize, 0..5_u32)
            .prop_map(|(machine, before, after, second)| Step::Write { machine, before, after, second }),
        1 => (machine.clone(), 0..3_usize).prop_map(|(machine, mode)| Step::Note { machine, mode }),
        4 => machine.clone().prop_map(|machine| Step::Sync { machine }),
        2 => (machine.clone(), machine.clone()).prop_map(|(machine, to)| Step::LoseRace { machine, to }),
        1 => machine.prop_map(|machine| Step::ForgetBase { machine }),
    ]
}

const FIRST: &str = "{\"type\":\"mode\",\"first\":true}\n";

#[derive(Debug, Clone)]
struct Machine {
    file: Vec<u8>,
    base: Option<Vec<u8>>,
    written: Vec<String>,
}

struct World {
    machines: Vec<Machine>,
    tip: Vec<u8>,
    kind: FileKind,
}

impl World {
    fn new(kind: FileKind) -> Self {
        let machine = Machine {
            file: FIRST.into(),
            base: Some(FIRST.into()),
            written: Vec::new(),
        };
        Self {
            machines: vec![machine; 3],
            tip: FIRST.into(),
            kind,
        }
    }

    fn note(&mut self, machine: usize, mode: usize) {
        let line = format!("{{\"type\":\"mode\",\"mode\":{mode}}}\n");
        self.machines[machine].file.extend_from_slice(line.as_bytes());
        self.machines[machine].written.push(line);
    }

    fn write(&mut self, machine: usize, second: u32) {
        let count = self.machines[machine].written.len();
        let line = format!(
            "{{\"type\":\"user\",\"uuid\":\"{machine}-{count}\",\"timestamp\":\"2026-01-01T00:00:0{second}Z\"}}\n"
        );
        self.machines[machine].file.extend_from_slice(line.as_bytes());
        self.machines[machine].written.push(line);
    }

    /// Merges the tip into the machine's file, and says whether there is something to push.
    fn pull(&mut self, machine: usize) -> bool {
        let Machine { file, base, .. } = &self.machines[machine];
        let sides = Sides {
            base: base.as_deref(),
            ours: file,
            theirs: &self.tip,
        };
        let merged = jsonl(sides, self.kind, false).unwrap();
        assert!(!merged.rewritten);
        integrity_gate(file, &merged.content, false).unwrap();
        integrity_gate(&self.tip, &merged.content, false).unwrap();
        if let Some(branch) = &merged.branch {
            let side = [&merged.content[..branch.shared], &branch.lines].concat();
            assert!(&side == file || side == self.tip);
        }
        self.machines[machine].file = merged.content;
        self.machines[machine].base = Some(self.tip.clone());
        self.machines[machine].file != self.tip
    }

    fn push(&mut self, machine: usize) {
        self.tip = self.machines[machine].file.clone();
        self.machines[machine].base = Some(self.tip.clone());
    }

    fn sync(&mut self, machine: usize) {
        if self.pull(machine) {
            self.push(machine);
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Write {
                machine,
                before,
                after,
                second,
            } => {
                (0..before).for_each(|mode| self.note(machine, mode));
                self.write(machine, second);
                (0..after).for_each(|mode| self.note(machine, mode));
            }
            Step::Note { machine, mode } => self.note(machine, mode),
            Step::Sync { machine } => self.sync(machine),
            Step::LoseRace { machine, to } => {
                self.pull(machine);
                self.sync(to);
            }
            Step::ForgetBase { machine } => self.machines[machine].base = None,
        }
    }

    /// Everyone syncs until nothing is left to send, then all that was ever written is looked for. Without a base, lines
    /// without a `uuid` that cross are kept on both sides.
    fn settle(&mut self, knows_its_base: bool) {
        for machine in [0, 1, 2, 0, 1] {
            self.sync(machine);
        }
        for machine in &self.machines {
            assert_eq!(machine.file, self.tip);
        }
        let text = String::from_utf8(self.tip.clone()).unwrap();
        assert!(text.starts_with(FIRST));
        for machine in &self.machines {
            let mut rest = text.split_inclusive('\n');
            for line in &machine.written {
                assert!(rest.any(|other| other == line), "{line} is lost or moved in\n{text}");
            }
        }
        for line in text.split_inclusive('\n') {
            let found = text.split_inclusive('\n').filter(|other| *other == line).count();
            let written: usize = self
                .machines
                .iter()
                .map(|machine| machine.written.iter().filter(|other| *other == line).count())
                .sum();
            let once = knows_its_base || line.contains("uuid");
            assert!(
                !once || found <= written.max(1),
                "{line} was written {written} times and is there {found} times in\n{text}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn p04_all_machines_come_to_the_same_file(
        steps in proptest::collection::vec(step(), 1..40),
        is_transcript in any::<bool>(),
    ) {
        let mut world = World::new(if is_transcript { FileKind::Transcript } else { FileKind::Log });
        steps.iter().for_each(|step| world.run(step));
        let knows_its_base = !steps.iter().any(|step| matches!(step, Step::ForgetBase { .. }));
        world.settle(knows_its_base);
    }

    #[test]
    fn p03_a_merge_of_lines_is_pure_and_the_same_from_both_sides(
        base in lines(), x in lines(), y in lines(), has_base in any::<bool>(), is_transcript in any::<bool>(),
    ) {
        let kind = if is_transcript { FileKind::Transcript } else { FileKind::Log };
        let base = has_base.then_some(base.as_slice());
        let merge = |base, ours, theirs| jsonl(Sides { base, ours, theirs }, kind, false);
        prop_assert_eq!(merge(base, &x, &x).unwrap().content, x.clone());
        prop_assert_eq!(merge(Some(&x), &x, &y).unwrap().content, y.clone());
        prop_assert_eq!(merge(Some(&x), &y, &x).unwrap().content, y.clone());
        let (forth, back) = (merge(base, &x, &y), merge(base, &y, &x));
        prop_assert_eq!(&forth, &merge(base, &x, &y));
        match (forth, back) {
            (Ok(forth), Ok(back)) => {
                prop_assert_eq!(forth.content, back.content);
                prop_assert_eq!(forth.rewritten, back.rewritten);
                let sides = (forth.branch.map(|it| (it.loser, it.leaf)), back.branch.map(|it| (it.loser.other(), it.leaf)));
                prop_assert_eq!(sides.0, sides.1);
            }
            (forth, back) => prop_assert_eq!(forth.is_err(), back.is_err()),
        }
    }

    #[test]
    fn any_bytes_merge_or_conflict_but_never_panic(
        base in any::<Option<Vec<u8>>>(), x in any::<Vec<u8>>(), y in any::<Vec<u8>>(),
    ) {
        let end = |mut bytes: Vec<u8>| { bytes.push(b'\n'); bytes };
        let (x, y) = (end(x), end(y));
        for kind in [FileKind::Transcript, FileKind::Log] {
            for trimmed in [false, true] {
                let _ = jsonl(Sides { base: base.as_deref(), ours: &x, theirs: &y }, kind, trimmed);
            }
        }
    }
}

/// A file of a few lines out of few: so that sides share, repeat and cross lines.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        (0..5_u32).prop_map(|id| format!("{{\"type\":\"user\",\"uuid\":\"u{id}\",\"timestamp\":{id}}}\n")),
        (0..2_u32).prop_map(|mode| format!("{{\"type\":\"mode\",\"mode\":{mode}}}\n")),
        (0..2_u32).prop_map(|leaf| format!("{{\"type\":\"last-prompt\",\"leafUuid\":\"u{leaf}\"}}\n")),
        Just("\u{0}\n".to_owned()),
    ];
    proptest::collection::vec(line, 0..8).prop_map(|lines| (FIRST.to_owned() + &lines.concat()).into_bytes())
}
