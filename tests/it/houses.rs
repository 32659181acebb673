//! The houses' rules: who may import whom, where a foreign library may be used, how files are named and how long they are.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Which rooms a room may import, beside itself and `error`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("config", &["core"]),
    ("vault", &["core"]),
    ("mirror", &["core"]),
    ("local", &["core"]),
    ("state", &["core"]),
    ("sources", &["core"]),
    (
        "engine",
        &["vault", "mirror", "local", "state", "sources", "config", "core"],
    ),
    ("cli", &["engine", "config", "core"]),
    ("error", &[]),
];

/// Libraries that only some rooms may touch.
const AT_HOME: &[(&str, &[&str])] = &[
    ("git2", &["mirror"]),
    ("libgit2_sys", &["mirror"]),
    ("age", &["vault"]),
    ("zstd", &["vault"]),
    ("rusqlite", &["state"]),
    ("rustix", &["local", "mirror", "cli"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("console", &["cli"]),
    ("indicatif", &["cli"]),
    ("dialoguer", &["cli"]),
    ("color_eyre", &["cli"]),
    ("signal_hook", &["cli"]),
    ("tracing_subscriber", &["cli"]),
];

/// Files that may be longer than [`LONGEST`], each with its reason.
const LONG_FILES: &[(&str, &str)] = &[(
    "local/replace/tests.rs",
    "a table of everything that can happen during one replacement",
)];

/// How many lines a file has at most.
const LONGEST: usize = 500;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "helper", "helpers", "common", "manager", "misc", "shared",
];

/// One source file: its path below `src/`, and its text without comments and without what is compiled for tests only.
struct SourceFile {
    path: String,
    code: String,
}

impl SourceFile {
    /// The room that it is in: the first part of its path.
    fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// How many modules stand above what is written in it: 1 in a room's `mod.rs`.
    fn depth(&self) -> usize {
        let parts = self.path.split('/').count();
        if self.path.ends_with("/mod.rs") {
            parts - 1
        } else {
            parts
        }
    }
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn all_paths() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut folders = vec![src()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths
}

fn below_src(path: &Path) -> String {
    path.strip_prefix(src()).unwrap().to_str().unwrap().to_owned()
}

/// All files that are part of the program. Those of tests are found by their declarations and left out.
fn program() -> Vec<SourceFile> {
    let mut files = Vec::new();
    let mut tests = BTreeSet::new();
    for path in all_paths() {
        let (code, modules) = without_tests(&std::fs::read_to_string(&path).unwrap());
        let folder = path.parent().unwrap();
        let own = match path.file_stem().unwrap().to_str().unwrap() {
            "mod" | "lib" | "main" => folder.to_owned(),
            stem => folder.join(stem),
        };
        for module in modules {
            match module {
                TestModule::Named(name) => {
                    tests.insert(own.join(format!("{name}.rs")));
                    tests.insert(own.join(name));
                }
                TestModule::At(file) => {
                    tests.insert(folder.join(file));
                }
            }
        }
        files.push((path, code));
    }
    files
        .into_iter()
        .filter(|(path, _)| !tests.iter().any(|test| path.starts_with(test)))
        // What a test file declares is a test as well.
        .filter(|(path, _)| {
            !path
                .ancestors()
                .any(|above| tests.contains(&above.with_extension("rs")))
        })
        .map(|(path, code)| SourceFile {
            path: below_src(&path),
            code,
        })
        .collect()
}

enum TestModule {
    Named(String),
    At(String),
}

/// `text` without comments and without items under `#[cfg(test)]`, and the modules among those that are files of their own.
/// Goes by the layout that rustfmt gives: an item ends with a brace that stands as far in as the item begins.
fn without_tests(text: &str) -> (String, Vec<TestModule>) {
    let mut code = String::new();
    let mut modules = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let bare = line.trim_start();
        if bare.starts_with("//") {
            continue;
        }
        if !(bare.starts_with("#[cfg(test)]") || bare.starts_with("#[cfg(all(test,")) {
            let _ = writeln!(code, "{}", line.split(" // ").next().unwrap());
            continue;
        }
        let indent = &line[..line.len() - bare.len()];
        let mut file = None;
        for item in lines.by_ref() {
            let bare = item.trim();
            if let Some(path) = bare.strip_prefix("#[path = \"") {
                file = path.split('"').next().map(str::to_owned);
            }
            if bare.starts_with("#[") || bare.starts_with("//") {
                continue;
            }
            let words: Vec<&str> = bare.split([' ', ';']).collect();
            if bare.ends_with(';') {
                if let Some(at) = words.iter().position(|word| *word == "mod") {
                    modules.push(match file.take() {
                        Some(file) => TestModule::At(file),
                        None => TestModule::Named(words[at + 1].to_owned()),
                    });
                }
                break;
            }
            if item == format!("{indent}}}") || bare.ends_with('}') && item.starts_with(indent) && bare.contains('{') {
                break;
            }
        }
    }
    (code, modules)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn word_at(text: &str) -> &str {
    text.split(|character| !is_word(character)).next().unwrap()
}

/// The names that stand at the crate's root in the paths of `file`.
fn root_names(file: &SourceFile) -> Vec<String> {
    let mut names = Vec::new();
    for root in ["crate::", "super::"] {
        for (at, _) in file.code.match_indices(root) {
            let before = &file.code[..at];
            if before.ends_with(is_word) || before.ends_with("::") {
                continue;
            }
            let mut rest = &file.code[at..];
            if root == "super::" {
                let mut supers = 0;
                while let Some(more) = rest.strip_prefix("super::") {
                    rest = more;
                    supers += 1;
                }
                if supers < file.depth() {
                    continue;
                }
            } else {
                rest = &rest[root.len()..];
            }
            match rest.strip_prefix('{') {
                // A group: the names at its own level.
                Some(group) => {
                    let mut depth = 0;
                    let mut fresh = true;
                    for (at, character) in group.char_indices() {
                        match character {
                            '{' => depth += 1,
                            '}' if depth == 0 => break,
                            '}' => depth -= 1,
                            ',' if depth == 0 => fresh = true,
                            _ if fresh && is_word(character) => {
                                names.push(word_at(&group[at..]).to_owned());
                                fresh = false;
                            }
                            _ => {}
                        }
                    }
                }
                None => names.push(word_at(rest).to_owned()),
            }
        }
    }
    names
}

/// The room that a name at the crate's root belongs to.
fn room_of(name: &str) -> &str {
    match name {
        "Error" | "Kind" | "Result" => "error",
        "BadPath" | "LogicalPath" => "core",
        other => other,
    }
}

#[test]
fn rooms_import_only_those_below_them() {
    let mut wrong = String::new();
    let mut edges = BTreeSet::new();
    for file in program() {
        let room = file.room().to_owned();
        if room == "lib" || room == "main" {
            continue;
        }
        let (_, allowed) = MAY_IMPORT
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{} is in a room that no rule speaks of", file.path));
        for name in root_names(&file) {
            let target = room_of(&name);
            edges.insert((room.clone(), target.to_owned()));
            if target != room && target != "error" && !allowed.contains(&target) {
                let _ = writeln!(wrong, "{} imports {name}: {room} may not know {target}", file.path);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // The rule is about something: these edges are there.
    for (from, to) in [
        ("cli", "engine"),
        ("engine", "vault"),
        ("engine", "mirror"),
        ("vault", "core"),
    ] {
        assert!(edges.contains(&(from.to_owned(), to.to_owned())), "{from} → {to}");
    }
}

#[test]
fn main_knows_only_the_command_line() {
    let main = std::fs::read_to_string(src().join("main.rs")).unwrap();
    assert!(main.lines().count() <= 40);
    for (at, _) in main.match_indices("csync::") {
        assert_eq!(word_at(&main[at + "csync::".len()..]), "cli");
    }
}

#[test]
fn foreign_libraries_stay_in_their_rooms() {
    let mut wrong = String::new();
    let mut used = BTreeSet::new();
    for file in program() {
        for (library, homes) in AT_HOME {
            let uses = file.code.match_indices(library).any(|(at, _)| {
                let before = &file.code[..at];
                let after = &file.code[at + library.len()..];
                !before.ends_with(is_word)
                    && !before.ends_with("::")
                    && (after.starts_with("::") && !after.starts_with("::<")
                        || before.ends_with("use ") && after.starts_with(';'))
            });
            if !uses {
                continue;
            }
            used.insert(*library);
            if !homes.contains(&file.room()) {
                let _ = writeln!(
                    wrong,
                    "{} uses {library}, which belongs to {}",
                    file.path,
                    homes.join(", ")
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    for library in [
        "git2",
        "age",
        "rusqlite",
        "clap",
        "console",
        "indicatif",
        "dialoguer",
        "color_eyre",
    ] {
        assert!(used.contains(library), "{library} is used nowhere: the search is blind");
    }
}

#[test]
fn nothing_below_the_command_line_prints_or_asks_the_environment() {
    let mut wrong = String::new();
    for file in program() {
        if matches!(file.room(), "cli" | "main") {
            continue;
        }
        for forbidden in [
            "println!",
            "eprintln!",
            "print!(",
            "io::stdout",
            "io::stderr",
            "io::stdin",
        ] {
            if file.code.contains(forbidden) {
                let _ = writeln!(wrong, "{} has {forbidden}", file.path);
            }
        }
        // The environment comes in as a value, made in one place.
        let made_here = file.path == "config/environment.rs";
        if !made_here && (file.code.contains("env::var") || file.code.contains("env::home_dir")) {
            let _ = writeln!(wrong, "{} reads the environment", file.path);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_core_is_pure() {
    let mut wrong = String::new();
    for file in program().into_iter().filter(|file| file.room() == "core") {
        for forbidden in [
            "std::fs",
            "std::net",
            "std::process",
            "std::env",
            "std::thread",
            "SystemTime",
            "Instant::now",
            "Utc::now",
            "Local::now",
            "File::open",
            "rand::",
            "getrandom",
        ] {
            if file.code.contains(forbidden) {
                let _ = writeln!(wrong, "{} has {forbidden}", file.path);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = String::new();
    for path in all_paths() {
        let name = below_src(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let is_test = name.ends_with("tests.rs") || name.contains("/tests/");
        let says = first.starts_with("//! ") || name == "main.rs" && first.starts_with("//!");
        if !says && !is_test {
            let _ = writeln!(wrong, "{name} does not begin with what it is (`//! …`)");
        }
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let folders = name.split('/').rev().skip(1);
        for part in folders.chain([stem]) {
            if part.split('_').any(|word| EMPTY_NAMES.contains(&word)) {
                let _ = writeln!(wrong, "{name}: `{part}` says nothing about what is inside");
            }
        }
        let lines = text.lines().count();
        if lines > LONGEST && !LONG_FILES.iter().any(|(file, _)| *file == name) {
            let _ = writeln!(
                wrong,
                "{name} has {lines} lines; {LONGEST} are the most without a reason here"
            );
        }
    }
    assert!(LONG_FILES.len() <= 5 && LONG_FILES.iter().all(|(_, why)| !why.is_empty()));
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_search_sees_through_the_layout() {
    let text = "use crate::core::{id, plan};\n#[cfg(test)]\n#[path = \"x_tests.rs\"]\nmod tests;\n\
                #[cfg(test)]\nmod inside {\n    use crate::mirror::Mirror;\n}\nuse crate::{vault::Vault, local};\n\
                // crate::cli\nfn f() {\n    super::super::state::x();\n}\n";
    let (code, modules) = without_tests(text);
    assert!(matches!(&modules[..], [TestModule::At(file)] if file == "x_tests.rs"));
    let file = SourceFile {
        path: "engine/x.rs".to_owned(),
        code,
    };
    assert_eq!(root_names(&file), ["core", "vault", "local", "state"]);
}
