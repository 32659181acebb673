//! The documents keep their word: every test that they name exists, and every link leads somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The project's documents, from its root.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/format.md",
];

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(document: &str) -> String {
    std::fs::read_to_string(project().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

/// Every file below `folder` whose name ends in `.rs`.
fn sources_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The names of all test functions.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["src", "tests"] {
        for file in sources_below(&project().join(folder)) {
            let text = std::fs::read_to_string(file).unwrap();
            // What follows the attribute up to the name may be other attributes; in a macro of proptest, too.
            for part in text.split("#[test]").skip(1) {
                if let Some(name) = part.split("fn ").nth(1).and_then(|rest| rest.split('(').next()) {
                    names.insert(name.trim().to_owned());
                }
            }
            // Stories that a macro makes tests of, as far as they stand in its list.
            if text.contains("#[test] fn $story()") {
                let functions = text.split("\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
                let listed = |name: &&str| text.split_whitespace().any(|word| word.trim_end_matches(',') == *name);
                names.extend(functions.filter(listed).map(str::to_owned));
            }
        }
    }
    names
}

/// What stands between backquotes in a line, outside code blocks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with("    "))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_test_that_a_document_names_exists() {
    let tests = tests();
    let is_name = |text: &str| {
        let word = text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        word && text.matches('_').count() >= 3
    };
    let mut missing = Vec::new();
    let mut named = 0;
    for document in DOCUMENTS {
        for name in quoted(&read(document)).filter(|text| is_name(text)) {
            named += 1;
            if !tests.contains(name) {
                missing.push(format!("{document}: {name}"));
            }
        }
    }
    assert!(named > 30, "the tests are found in the documents: {named}");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_link_leads_to_a_file() {
    let mut broken = Vec::new();
    for document in DOCUMENTS {
        let text = read(document);
        let folder = project().join(document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            let target = match file {
                "" => folder.clone(),
                file => folder.parent().unwrap().join(file),
            };
            let there = target.is_file() && (heading.is_empty() || has_heading(&target, heading));
            if !there {
                broken.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

fn has_heading(document: &Path, anchor: &str) -> bool {
    std::fs::read_to_string(document)
        .unwrap()
        .lines()
        .filter(|line| line.starts_with('#'))
        .any(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-") == anchor)
}

#[test]
fn the_documents_name_every_domain_of_the_format() {
    let domains = |text: &str| -> BTreeSet<String> {
        text.split("csync/1 ")
            .skip(1)
            .map(|rest| {
                let name: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == ' ')
                    .collect();
                name.split("  ").next().unwrap().trim().to_owned()
            })
            .collect()
    };
    let mut specified: BTreeSet<String> = read("docs/format.md")
        .lines()
        .filter(|line| line.starts_with("| `csync/1 "))
        .flat_map(domains)
        .collect();
    assert_eq!(specified.len(), 9);
    for name in domains(&read("SECURITY.md")) {
        specified.remove(&name);
    }
    assert!(specified.is_empty(), "not in SECURITY.md: {specified:?}");
}

#[test]
fn every_command_that_the_readme_prints_is_one() {
    let help = crate::machines::Machine::new("reader", tempfile::tempdir().unwrap().path().join("home"))
        .csync(&["help"])
        .ok()
        .stdout;
    let known: BTreeSet<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    let text = read("README.md");
    let mut commands = 0;
    for rest in text.split("csync ").skip(1) {
        let before = text[..rest.as_ptr() as usize - text.as_ptr() as usize].trim_end_matches("csync ");
        // Only what is set as code: `csync …`, or a line of a block.
        if !(before.ends_with('`') || before.ends_with("    ") || before.ends_with(", ")) {
            continue;
        }
        let word = rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap();
        if word.is_empty() {
            continue;
        }
        commands += 1;
        assert!(known.contains(word) || word == "man", "`csync {word}` is no command");
    }
    assert!(commands > 15, "{commands}");
}
