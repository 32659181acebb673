//! `csync demo`: two machines, a vault between them, a merge and a conflict, in a folder of its own.
//!
//! Every command that is shown is really run, by the program that is running, with nothing of this machine's environment. What is
//! promised on the way is checked; the first promise that does not hold ends the demonstration with an error.

mod sample;
mod stage;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::sample::{DARK_THEME, GIVEAWAYS, MENU, SLOW_BUILD, Turn};
use self::stage::{Machine, Stage, broken, cannot, program, run as run_command};
use crate::cli::args::DemoArgs;
use crate::cli::shell::Shell;
use crate::cli::sizes;
use crate::engine::{HostBlob, HostView, create_remote, host_view};
use crate::error::{Error, Kind, Result};

/// How an age file begins.
const AGE: &[u8] = b"age-encryption.org/v1\n";

/// The passphrase of the demonstration's vault.
const PASSPHRASE: &str = "ample copper otter violin\n";

/// Runs the command.
pub fn run(shell: &Shell, arguments: DemoArgs) -> Result<Option<Kind>> {
    match arguments.keep {
        Some(folder) => {
            let folder = new_folder(&shell.environment.resolve(&folder))?;
            play(shell, &folder)?;
            shell.tell(&format!("\nEverything is left in {}.\n", folder.display()));
        }
        None => {
            let folder = tempfile::Builder::new()
                .prefix("csync-demo-")
                .tempdir()
                .map_err(|source| {
                    Error::new(Kind::General, "cannot make a temporary folder")
                        .hint("give another one with --keep FOLDER, or set TMPDIR")
                        .caused_by(source)
                })?;
            play(shell, folder.path())?;
            let path = folder.path().to_owned();
            folder.close().map_err(cannot("remove", &path))?;
            shell.tell("\nThe folder is removed again; `csync demo --keep FOLDER` leaves one to look around in.\n");
        }
    }
    Ok(None)
}

/// Makes the folder to keep. One that holds something is not touched.
fn new_folder(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(cannot("make", folder))?;
    let taken = std::fs::read_dir(folder)
        .map_err(cannot("read", folder))?
        .next()
        .is_some();
    if taken {
        return Err(Error::new(Kind::Usage, format!("{} is not empty", folder.display()))
            .hint("give the demonstration a new folder"));
    }
    Ok(folder.to_owned())
}

fn play(shell: &Shell, folder: &Path) -> Result<()> {
    let stage = Stage::new(shell, folder)?;
    let host = stage.folder.join("host");
    std::fs::create_dir_all(host.join("tmp")).map_err(cannot("make", &host))?;
    let remote = host.join("vault.git");
    create_remote(&remote)?;
    let vault = remote.to_string_lossy().into_owned();
    let laptop = stage.machine("laptop", "home/ana")?;
    let desktop = stage.machine("desktop", "Users/ana")?;

    stage.say(&format!(
        "This is csync at work for Ana, who has two computers. Both play in {}: each is a home folder of its own, and \
         a bare Git repository is the host between them. Every command below is really run.",
        stage.folder.display()
    ))?;
    first_machine(&stage, &laptop, &vault)?;
    second_machine(&stage, &laptop, &desktop, &vault)?;
    parallel_work(&stage, &laptop, &desktop)?;
    conflict(&stage, &laptop, &desktop)?;
    same_state(&stage, &laptop, &desktop)?;
    what_the_host_sees(&stage, &host, &vault)
}

fn first_machine(stage: &Stage<'_>, laptop: &Machine<'_>, vault: &str) -> Result<()> {
    stage.scene("A vault that only Ana can read")?;
    for (path, content) in sample::files(&laptop.home_text()) {
        laptop.write(&path, &content)?;
    }
    stage.say("On the laptop, Claude Code has kept three sessions, their history, some settings and instructions:")?;
    let mut listed = String::new();
    for (path, content) in laptop.files()? {
        let _ = writeln!(listed, "  {:>7}  {path}", sizes::size(content.len() as u64));
    }
    stage.print(&format!("{listed}\n"))?;
    stage.say(
        "(`~` is short for what Claude Code makes of the home folder's path.) `init` makes the vault, in a repository \
         that is still empty. The passphrase is read from a file here; on a terminal, csync asks for it.",
    )?;
    write_passphrase(laptop)?;
    let init = [
        "init",
        vault,
        "--device",
        "laptop",
        "--passphrase-file",
        "passphrase.txt",
    ];
    laptop.csync(&init, None)?;
    stage.say("`push` encrypts and sends what is here:")?;
    laptop.csync(&["push"], None)?;
    Ok(())
}

fn second_machine(stage: &Stage<'_>, laptop: &Machine<'_>, desktop: &Machine<'_>, vault: &str) -> Result<()> {
    stage.scene("A second machine joins")?;
    stage.say(
        "The desktop needs two things: where the vault is, and the passphrase. It gets a key of its own; the \
         passphrase is not needed again.",
    )?;
    write_passphrase(desktop)?;
    let init = [
        "init",
        vault,
        "--device",
        "desktop",
        "--passphrase-file",
        "passphrase.txt",
    ];
    desktop.csync(&init, None)?;
    desktop.csync(&["pull"], None)?;
    let sent = laptop.files()?;
    let came = desktop.files()?;
    for (path, content) in &sent {
        if path != SETTINGS && came.get(path) != Some(content) {
            return Err(broken(format!("{path} did not come to the desktop byte for byte")));
        }
    }
    if came.len() != sent.len() {
        return Err(broken("the desktop has other files than the laptop"));
    }
    stage.fulfilled("every session is on the desktop byte for byte, under the folder names of its own home")?;
    let settings = came.get(SETTINGS).map(Vec::as_slice).unwrap_or_default();
    if object(settings)?.contains_key("hooks") {
        return Err(broken("a hook came from another machine"));
    }
    stage.fulfilled("the hook in the laptop's settings.json runs a command: it stayed on the laptop")
}

/// The file in which both machines change one setting.
const SETTINGS: &str = "settings.json";

fn parallel_work(stage: &Stage<'_>, laptop: &Machine<'_>, desktop: &Machine<'_>) -> Result<()> {
    stage.scene("Both work at once")?;
    stage.say(
        "Now both computers are used without a sync in between. Each goes on with a session of its own, both edit \
         CLAUDE.md, and both go on with the session “Menu covers logo” from the same message.",
    )?;
    let dark = Turn {
        prompt: "make the dark theme a little lighter",
        answer: "The background is #1c1c20 now.",
        minute: 10,
        number: 1,
    };
    laptop.go_on(DARK_THEME, "code/app", &dark)?;
    let build = Turn {
        prompt: "cache the dependencies between builds",
        answer: "A cached build takes 40 seconds.",
        minute: 12,
        number: 2,
    };
    desktop.go_on(SLOW_BUILD, "code/site", &build)?;
    let tablet = Turn {
        prompt: "and on tablets?",
        answer: "Tablets keep the wide menu.",
        minute: 20,
        number: 3,
    };
    laptop.go_on(MENU, "code/app", &tablet)?;
    let landscape = Turn {
        prompt: "does it also happen in landscape?",
        answer: "No: the logo has room there.",
        minute: 25,
        number: 4,
    };
    desktop.go_on(MENU, "code/app", &landscape)?;
    let instructions = String::from_utf8_lossy(&laptop.read(INSTRUCTIONS)?).into_owned();
    laptop.write(
        INSTRUCTIONS,
        instructions
            .replacen("# How we work", "# How we work here", 1)
            .as_bytes(),
    )?;
    desktop.append(INSTRUCTIONS, b"Write Rust with care.\n")?;

    laptop.csync(&["sync"], None)?;
    stage.say("The desktop finds that the laptop was first. It merges, and sends the result:")?;
    desktop.csync(&["sync"], None)?;
    laptop.csync(&["sync"], None)?;

    let menu = laptop.read(MENU)?;
    for turn in [&tablet, &landscape] {
        expect(&menu, turn.prompt, MENU)?;
    }
    let (laptops, desktops) = (laptop.files()?, desktop.files()?);
    if desktops.len() <= sample::files("").len() {
        return Err(broken("the other branch of the conversation is no session of its own"));
    }
    let merged = laptop.read(INSTRUCTIONS)?;
    expect(&merged, "# How we work here", INSTRUCTIONS)?;
    expect(&merged, "Write Rust with care.", INSTRUCTIONS)?;
    same(&laptops, &desktops)?;
    stage.fulfilled("CLAUDE.md has the laptop's heading and the desktop's last line")?;
    stage.fulfilled("each session has what either machine added to it")?;
    stage.fulfilled("of the conversation that went two ways no line is lost, and both ways can be resumed")
}

/// The file that both machines edit without meeting.
const INSTRUCTIONS: &str = "CLAUDE.md";

fn conflict(stage: &Stage<'_>, laptop: &Machine<'_>, desktop: &Machine<'_>) -> Result<()> {
    stage.scene("A conflict")?;
    stage.say("Some changes cannot both be right. On each computer, Ana chooses another model:")?;
    for (machine, model) in [(laptop, "opus"), (desktop, "haiku")] {
        let settings = String::from_utf8_lossy(&machine.read(SETTINGS)?).into_owned();
        let chosen = settings.replacen("\"model\": \"sonnet\"", &format!("\"model\": \"{model}\""), 1);
        machine.write(SETTINGS, chosen.as_bytes())?;
        stage.print(&format!("  {:<8} \"model\": \"{model}\"\n", machine.name))?;
    }
    stage.print("\n")?;
    laptop.csync(&["sync"], None)?;
    desktop.csync(&["sync"], Some(Kind::Conflicts))?;
    stage.say(
        "The desktop's file is as it was; the laptop's version stands beside it. Nothing else waits for this. What \
         is in conflict, and how the two differ:",
    )?;
    desktop.csync(&["conflicts", "--list"], Some(Kind::Conflicts))?;
    desktop.csync(&["diff", "--no-pager"], None)?;
    stage.say(
        "On a terminal, `csync conflicts` asks for each. Here the desktop's version is kept, and told to the laptop:",
    )?;
    desktop.csync(&["conflicts", "--keep", "local"], None)?;
    desktop.csync(&["sync"], None)?;
    laptop.csync(&["sync"], None)?;
    let settings = laptop.read(SETTINGS)?;
    let settings = object(&settings)?;
    if settings.get("model").and_then(Value::as_str) != Some("haiku") || !settings.contains_key("hooks") {
        return Err(broken(
            "the laptop's settings are not the resolved ones with its own hook",
        ));
    }
    stage.fulfilled("the laptop has the setting that was kept, and still its own hook")
}

fn same_state(stage: &Stage<'_>, laptop: &Machine<'_>, desktop: &Machine<'_>) -> Result<()> {
    stage.scene("The same on both machines")?;
    desktop.csync(&["status"], None)?;
    let (laptops, desktops) = (laptop.files()?, desktop.files()?);
    same(&laptops, &desktops)?;
    let bytes: usize = desktops.values().map(Vec::len).sum();
    stage.fulfilled(&format!(
        "{} with {} are the same on both machines",
        sizes::count(desktops.len() as u64, "file", "files"),
        sizes::size(bytes as u64)
    ))
}

fn what_the_host_sees(stage: &Stage<'_>, host: &Path, vault: &str) -> Result<()> {
    stage.scene("What the host sees")?;
    stage.say("The host has the whole repository and no key:")?;
    let view = host_view(vault, &host.join("tmp/look.git"))?;
    match program(stage.shell, "git") {
        Some(git) => {
            for arguments in [
                &["log", "--oneline", "main"][..],
                &["ls-tree", "-r", "-l", "--abbrev=7", "main"],
            ] {
                let mut command = stage.command(&git, host);
                command
                    .args(["--no-pager", "--git-dir", "vault.git"])
                    .args(arguments)
                    .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
                let (output, code) = run_command(command)?;
                let shown = format!("git --git-dir vault.git {}", arguments.join(" "));
                stage.show("host", &shown, &output)?;
                if code != Some(0) {
                    return Err(broken(format!("`{shown}` failed")));
                }
            }
        }
        None => {
            let mut listed = String::new();
            for commit in view.commits.iter().rev() {
                let subject = commit.message.lines().next().unwrap_or_default();
                let _ = writeln!(listed, "  {} {subject}", &commit.id[..7]);
            }
            listed.push('\n');
            for blob in &view.blobs {
                let _ = writeln!(listed, "  {:>8}  {}", blob.content.len(), blob.path);
            }
            stage.print(&format!("{listed}\n"))?;
        }
    }
    check_blindness(&view)?;
    if let Some(blob) = view.blobs.iter().find(|blob| blob.path.starts_with("files/")) {
        stage.say(&format!("And this is how one of the files begins ({}):", blob.path))?;
        stage.print(&format!(
            "{}\n",
            hexadecimal(&blob.content[..blob.content.len().min(96)])
        ))?;
    }
    stage.fulfilled(&format!(
        "of {}, all but vault.json are encrypted, and no path says what is in them",
        sizes::count(view.blobs.len() as u64, "file", "files")
    ))?;
    stage.fulfilled("no word of any session, and no name of a file, project or machine can be found")?;
    stage.print("\n")?;
    stage.say(
        "What it does learn: when and how much is pushed, how many files there are, which of them change together, and \
         their sizes to within a padded class. It can also refuse to serve the vault, or keep showing an old state of it \
         to a machine that has never seen a newer one.",
    )
}

/// Checks that nothing in the repository says anything.
fn check_blindness(view: &HostView) -> Result<()> {
    let opaque = |blob: &HostBlob| {
        let name = blob.path.strip_suffix(".age");
        name.is_some_and(|name| {
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'/');
            let rest = ["files/", "keys/", "dicts/"]
                .iter()
                .find_map(|folder| name.strip_prefix(folder));
            rest.is_some_and(digits) || matches!(name, "note" | "members")
        }) && blob.content.starts_with(AGE)
    };
    for blob in view.blobs.iter().filter(|blob| blob.path != "vault.json") {
        if !opaque(blob) {
            return Err(broken(format!("the host can read {}", blob.path)));
        }
    }
    let seen = view
        .blobs
        .iter()
        .flat_map(|blob| [blob.path.as_bytes(), &blob.content])
        .chain(view.commits.iter().map(|commit| commit.message.as_bytes()));
    for bytes in seen {
        if let Some(word) = GIVEAWAYS.iter().find(|word| contains(bytes, word)) {
            return Err(broken(format!("the host finds the words “{word}”")));
        }
    }
    Ok(())
}

/// Both machines must have the same files, but for the settings that belong to one machine.
fn same(left: &BTreeMap<String, Vec<u8>>, right: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let shared = |files: &BTreeMap<String, Vec<u8>>| {
        let mut files = files.clone();
        let mut settings = object(&files.remove(SETTINGS).unwrap_or_default())?;
        settings.remove("hooks");
        Ok::<_, Error>((files, settings))
    };
    let ((left, left_settings), (right, right_settings)) = (shared(left)?, shared(right)?);
    let other = left
        .keys()
        .chain(right.keys())
        .find(|path| left.get(*path) != right.get(*path));
    match other {
        Some(path) => Err(broken(format!("{path} is not the same on both machines"))),
        None if left_settings != right_settings => Err(broken("the settings are not the same on both machines")),
        None => Ok(()),
    }
}

fn object(settings: &[u8]) -> Result<serde_json::Map<String, Value>> {
    serde_json::from_slice(settings).map_err(|why| broken("settings.json is not an object").caused_by(why))
}

fn expect(content: &[u8], words: &str, path: &str) -> Result<()> {
    if contains(content, words) {
        return Ok(());
    }
    Err(broken(format!("“{words}” is not in {path}")))
}

fn contains(content: &[u8], words: &str) -> bool {
    content.windows(words.len()).any(|window| window == words.as_bytes())
}

/// Puts the passphrase where nobody else can read it.
fn write_passphrase(machine: &Machine<'_>) -> Result<()> {
    let file = machine.home.join("passphrase.txt");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(&file)
        .and_then(|mut opened| std::io::Write::write_all(&mut opened, PASSPHRASE.as_bytes()))
        .map_err(cannot("write", &file))
}

/// Bytes as `hexdump -C` shows them.
fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (number, line) in bytes.chunks(16).enumerate() {
        let digits: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
        let letters: String = line
            .iter()
            .map(|byte| {
                if byte.is_ascii_graphic() || *byte == b' ' {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        let _ = writeln!(text, "  {:08x}  {digits:<48} |{letters}|", number * 16);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(path: &str, content: &[u8]) -> HostView {
        let blobs = vec![HostBlob {
            path: path.to_owned(),
            content: content.to_owned(),
        }];
        HostView {
            commits: Vec::new(),
            blobs,
        }
    }

    #[test]
    fn whatever_a_host_could_read_ends_the_demonstration() {
        let sealed = [AGE, b"\x00\x01"].concat();
        let head = "files/a/b/c/abc0.age";
        assert!(check_blindness(&blob(head, &sealed)).is_ok());
        assert!(check_blindness(&blob("vault.json", b"{}")).is_ok());
        for (path, content) in [
            (head, b"{}".to_vec()),
            (head, [&sealed[..], b"dark theme"].concat()),
            ("files/a/b/c/notes.age", sealed.clone()),
            ("README.md", sealed.clone()),
        ] {
            assert!(check_blindness(&blob(path, &content)).is_err(), "{path}");
        }
    }

    #[test]
    fn files_that_differ_end_the_demonstration() {
        let files = |settings: &str, text: &str| {
            BTreeMap::from([
                (SETTINGS.to_owned(), settings.as_bytes().to_vec()),
                (INSTRUCTIONS.to_owned(), text.as_bytes().to_vec()),
            ])
        };
        let ours = files(r#"{"model":"a","hooks":{}}"#, "x");
        assert!(same(&ours, &files(r#"{ "model": "a" }"#, "x")).is_ok());
        assert!(same(&ours, &files(r#"{"model":"b"}"#, "x")).is_err());
        assert!(same(&ours, &files(r#"{"model":"a"}"#, "y")).is_err());
        assert!(
            same(
                &ours,
                &BTreeMap::from([(SETTINGS.to_owned(), b"{\"model\":\"a\"}".to_vec())])
            )
            .is_err()
        );
    }
}
