//! The demonstration: it shows the real program, checks what it says, and stays in its folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machines::{Machine, files_below};

/// A person who looks at csync for the first time, and has settings and variables that must not matter.
fn newcomer(folder: &Path) -> Machine {
    let mut person = Machine::new("newcomer", folder.join("home"));
    let elsewhere = folder.join("elsewhere");
    std::fs::create_dir_all(folder.join("tmp")).unwrap();
    std::fs::create_dir_all(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("settings.json"), "{}").unwrap();
    for name in [
        "CLAUDE_CONFIG_DIR",
        "CSYNC_CLAUDE_PATH",
        "XDG_STATE_HOME",
        "XDG_DATA_HOME",
    ] {
        person.set(name, &elsewhere);
    }
    person.set("TMPDIR", folder.join("tmp"));
    person.set("CSYNC_PASSPHRASE", "a passphrase of the person");
    person.set("CSYNC_DEVICE", "a device of the person");
    person.write("CLAUDE.md", "my own");
    person
}

/// Everything below `folder`, folders as well.
fn everything_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn the_demonstration_shows_all_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let person = newcomer(folder.path());
    let before = (everything_below(folder.path()), files_below(folder.path()));

    let shown = person.csync(&["demo"]).ok().stdout;

    assert_eq!((everything_below(folder.path()), files_below(folder.path())), before);
    for words in [
        "ana@laptop$ csync init ",
        "ana@laptop$ csync push",
        "ana@desktop$ csync init ",
        "ana@desktop$ csync pull",
        "ana@desktop$ csync sync",
        "“Menu covers logo (from laptop)”",
        "ana@desktop$ csync conflicts --list",
        "-  \"model\": \"opus\"",
        "+  \"model\": \"haiku\"",
        "ana@desktop$ csync conflicts --keep local",
        "(exit code 13: ",
        "11 files with ",
        "host$ git --git-dir vault.git ls-tree ",
        "|age-encryption.o|",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    assert_eq!(shown.matches('✓').count(), 9, "{shown}");
    assert!(!shown.contains('\u{1b}'), "colours without a terminal:\n{shown}");
    assert!(!shown.contains("of the person"), "{shown}");
}

#[test]
fn a_kept_demonstration_writes_only_in_its_folder_and_takes_only_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let person = newcomer(&root);
    let stage = root.join("stage");
    let trace = root.join("trace");
    let before = files_below(&person.home);

    // No Git command on the PATH: the host's view is then csync's own.
    let demo = person.command(&["demo", "--keep", stage.to_str().unwrap(), "--quiet"]);
    let output = Command::new(on_the_path("strace"))
        .args(["-f", "-y", "-q", "--seccomp-bpf", "-o"])
        .arg(&trace)
        .args(["-e", TRACED])
        .arg(demo.get_program())
        .args(demo.get_args())
        .env_clear()
        .envs(demo.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("PATH", root.join("nothing"))
        .current_dir(&person.home)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty(), "--quiet shows errors only");

    let written = written_paths(&std::fs::read_to_string(&trace).unwrap());
    assert!(
        written.len() > 100,
        "the trace shows what is written: {}",
        written.len()
    );
    let outside: Vec<_> = written
        .iter()
        .filter(|path| !path.starts_with(&stage) && !path.starts_with("/dev") && !path.starts_with("/proc"))
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
    assert_eq!(files_below(&person.home), before);
    assert!(stage.join("host/vault.git/HEAD").exists());
    assert!(stage.join("desktop/Users/ana/.claude/settings.json").exists());

    let kept = files_below(&stage);
    let again = person.csync(&["demo", "--keep", stage.to_str().unwrap()]).fails(2);
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
    assert_eq!(files_below(&stage), kept);
}

/// Every call that can create, change or remove a file by its name.
const TRACED: &str = "trace=open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,\
                      symlink,symlinkat,chmod,fchmodat,truncate,utimensat";

/// Where the program `name` is.
fn on_the_path(name: &str) -> PathBuf {
    std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join(name))
        .find(|file| file.exists())
        .unwrap_or_else(|| panic!("{name} is missing: scripts/test says how to install it"))
}

/// The paths that the traced calls create, change or remove. Calls that only read, and that failed, are left out.
fn written_paths(trace: &str) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for line in trace.lines() {
        let reads = line.contains("open")
            && !line.contains("O_WRONLY")
            && !line.contains("O_RDWR")
            && !line.contains("O_CREAT");
        if reads || line.contains(" = -1 ") || line.contains("resumed>") || !line.contains('(') {
            continue;
        }
        // `call(3</a/folder>, "name", …)`: a name is relative to the folder before it, where there is one.
        let call = line.split_once('(').unwrap().1;
        // A link's first name is where it leads to, which is not touched.
        let mut rest = match call.split_once("\", ") {
            Some((_, place)) if line.contains("symlink") => place,
            _ => call,
        };
        while let Some((before, after)) = rest.split_once('"') {
            let Some((name, behind)) = after.split_once('"') else {
                break;
            };
            let folder = before.rsplit_once('<').and_then(|(_, folder)| folder.split('>').next());
            paths.push(Path::new(folder.unwrap_or("/")).join(name));
            rest = behind;
        }
    }
    paths
}
