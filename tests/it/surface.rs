//! What a person and a script see: helps, summaries, lists, differences, errors, JSON, colours, exit codes.

use std::path::Path;

use insta::assert_snapshot;

use crate::machines::{Machine, Run, TwoMachines};

const PARSER: &str = "5b0e2a6c-41f3-4f0e-9d1a-8f6f2a7c1b3d";
const RELEASE: &str = "0c8f6e0e-5a51-4a0e-b0a5-4b7f3b0d6a11";

/// Paths, times and the sizes of ciphertext, which are other ones each time, made the same.
fn plain(two: &TwoMachines, text: &str) -> String {
    let root = two.folder.path();
    let real = root.canonicalize().unwrap();
    let text = text
        .replace(real.to_str().unwrap(), "[root]")
        .replace(root.to_str().unwrap(), "[root]");
    let mut plain = String::new();
    for line in text.lines() {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut line = Vec::new();
        for word in words {
            let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
            line.push(match shape.trim_end_matches([',', ')']) {
                "9999-99-99" => word.replace(&word[..10], "[date]"),
                "99:99:99" => word.replace(&word[..8], "[time]"),
                _ if shape.contains(".conflict.99999999-999999") => {
                    let at = shape.find(".conflict.").unwrap() + ".conflict.".len();
                    word.replace(&word[at..at + 15], "[when]")
                }
                _ => word,
            });
        }
        let mut line = line.join(" ").replace("just now", "[ago]");
        if let Some(at) = line.find(" ago") {
            // `2 seconds ago`: the number and the unit in front.
            let mut from = at;
            for _ in 0..2 {
                from = line[..from].rfind([' ', '(']).unwrap();
            }
            line.replace_range(from + 1..at + 4, "[ago]");
        }
        if let Some(at) = line.find(" went to the remote.") {
            let from = line[..at].rfind(". ").unwrap() + 2;
            line.replace_range(from..at, "[size]");
        }
        plain.push_str(&line);
        plain.push('\n');
    }
    plain
}

/// What a run printed and told, and its exit code.
fn screen(two: &TwoMachines, run: &Run) -> String {
    let mut text = plain(two, &run.stdout);
    if !run.stderr.is_empty() {
        text.push_str("--- stderr ---\n");
        text.push_str(&plain(two, &run.stderr));
    }
    if run.code != 0 {
        text.push_str(&format!("[exit {}]\n", run.code));
    }
    text
}

fn line(session: &str, number: u32, who: &str, text: &str) -> String {
    let value = serde_json::json!({
        "type": who, "uuid": format!("{session}-{number}"),
        "parentUuid": (number > 0).then(|| format!("{session}-{}", number - 1)),
        "sessionId": session, "timestamp": format!("2026-11-20T14:{number:02}:00.000Z"),
        "message": {"role": who, "content": text},
    });
    format!("{value}\n")
}

fn session(machine: &Machine, id: &str) -> String {
    format!("{}/{id}.jsonl", machine.project("code/app"))
}

/// Ana has two sessions, an agent, instructions and settings; nothing is sent yet.
fn beginning() -> TwoMachines {
    let two = TwoMachines::joined();
    let ana = &two.ana;
    ana.write(
        &session(ana, PARSER),
        line(PARSER, 0, "user", "Why does the parser hang?")
            + &line(PARSER, 1, "assistant", "It reads the same byte again."),
    );
    ana.write(
        &session(ana, PARSER).replace(".jsonl", "/tool-results/toolu_1.txt"),
        "a long listing\n",
    );
    ana.write(&session(ana, RELEASE), line(RELEASE, 0, "user", "Prepare the release"));
    ana.write("agents/review.md", "Look twice.\n");
    ana.write("CLAUDE.md", "Be brief.\nUse tabs.\nAsk first.\n");
    ana.write("settings.json", "{\n  \"model\": \"opus\"\n}\n");
    two
}

/// Both have all; then both went on, in part with the same things.
fn middle() -> TwoMachines {
    let two = beginning();
    two.sync_all();
    let (ana, bob) = (&two.ana, &two.bob);
    ana.append(&session(ana, PARSER), line(PARSER, 2, "user", "Mend it, please."));
    ana.write("CLAUDE.md", "Be brief.\nUse spaces.\nAsk first.\n");
    ana.write("agents/test.md", "Test all.\n");
    ana.write(
        "settings.json",
        "{\n  \"model\": \"opus\",\n  \"outputStyle\": \"terse\"\n}\n",
    );
    ana.remove("agents/review.md");
    ana.sync();
    bob.append(
        &session(bob, RELEASE),
        line(RELEASE, 1, "assistant", "Done, see the notes."),
    );
    bob.write("CLAUDE.md", "Be brief.\nUse four spaces.\nAsk first.\n");
    bob.write("settings.json", "{\n  \"model\": \"sonnet\"\n}\n");
    bob.write("rules/style.md", "No jokes.\n");
    two
}

#[test]
fn the_program_alone_says_what_it_is_for() {
    let two = TwoMachines::apart();
    assert_snapshot!(screen(&two, &two.ana.csync(&[])), @r"
    --- stderr ---
    Keeps the sessions of AI coding agents the same on all your machines, end-to-end encrypted, through
    a private Git repository

    Usage: csync [OPTIONS] <COMMAND>

    Commands:
      init         Make a new vault, or join this machine to one
      sync         Receive, merge and send: the command for every day
      push         Send what changed here
      pull         Receive what changed on other devices
      status       Show what changed here and in the vault, what is in conflict and what waits
      conflicts    List conflicts and resolve them
      diff         Show how files here differ from the vault
      remote       Show, test and change where the vault is kept
      doctor       Look for what is wrong, and say what mends it; changes nothing
      config       Show and change the configuration
      completions  Print a completion script for a shell
      demo         Show two machines, a vault, a merge and a conflict, in a temporary folder
      help         Explain a command, or a topic: exit-codes

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Options of every command:
      -q, --quiet         Show errors only
      -v, --verbose...    Show more: causes of errors (-v), what is done (-vv), details (-vvv)
          --color <WHEN>  Use colours: auto (on a terminal, unless NO_COLOR is set), always or never
          --no-input      Never ask: fail where an answer would be needed

    Begin with `csync init --local` to try it here, or `csync init <URL>` with an empty private
    repository.
    [exit 2]
    ");
    let long = two.ana.csync(&["--help"]).ok().stdout;
    assert_eq!(two.ana.csync(&["help"]).ok().stdout.trim_end(), long.trim_end());
    assert_eq!(
        two.ana.csync(&["--version"]).ok().stdout,
        format!("csync {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_short_help_fits_on_a_screen() {
    let two = TwoMachines::apart();
    assert_snapshot!(screen(&two, &two.ana.csync(&["sync", "-h"])), @r"
    Receive, merge and send: the command for every day

    Usage: csync sync [OPTIONS] [PATH]...

    Arguments:
      [PATH]...  Limit to these files, folders or patterns (gitignore syntax, such as
                 `projects/*/memory/`)

    Options:
          --session <ID>      Limit to a session, by the beginning of its id
          --project <NAME>    Limit to a project, by its name or the end of its path
      -n, --dry-run           Say what would happen, and change nothing
          --allow-deletions   Go on where many files would be deleted or sessions become shorter
          --offline-ok        End with exit code 0, not 16, where the remote cannot be reached: what
                              changed is sealed and goes with the next sync
          --transport <WHAT>  What talks to the remote: auto, libgit2 or git (the git command) [default:
                              the setting `transport`]
          --json              Print the outcome as JSON
      -h, --help              Print help

    Options of every command:
      -q, --quiet         Show errors only
      -v, --verbose...    Show more: causes of errors (-v), what is done (-vv), details (-vvv)
          --color <WHEN>  Use colours: auto (on a terminal, unless NO_COLOR is set), always or never
          --no-input      Never ask: fail where an answer would be needed
    ");
    assert_snapshot!(screen(&two, &two.ana.csync(&["conflicts", "-h"])), @r"
    List conflicts and resolve them

    Usage: csync conflicts [OPTIONS] [PATH]...

    Arguments:
      [PATH]...  Limit to these files, folders or patterns

    Options:
          --keep <SIDE>  Resolve all of them without asking, by keeping one side [possible values:
                         local, remote, both]
          --list         Only list them, also on a terminal
          --json         Print them as JSON
          --no-pager     Never use a pager
      -h, --help         Print help (see more with '--help')

    Options of every command:
      -q, --quiet         Show errors only
      -v, --verbose...    Show more: causes of errors (-v), what is done (-vv), details (-vvv)
          --color <WHEN>  Use colours: auto (on a terminal, unless NO_COLOR is set), always or never
          --no-input      Never ask: fail where an answer would be needed
    ");
    for command in commands(&two.ana) {
        let help = two.ana.csync(&[&command, "-h"]).ok().stdout;
        assert!(help.lines().count() <= 40, "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn p31_the_table_of_exit_codes_is_complete() {
    let two = TwoMachines::apart();
    assert_snapshot!(screen(&two, &two.ana.csync(&["help", "exit-codes"])), @r"
    Exit codes of csync. They do not change between versions.

        0  done
        1  error
        2  wrong usage: a flag, an argument or the configuration
        3  done in part: some files could not be handled, each was reported
       10  not initialised: run `csync init` first
       11  locked: another csync is at work on this vault
       12  key missing or wrong
       13  conflicts are waiting: see `csync conflicts`
       14  the remote went back in time
       15  damaged or forged data
       16  network or authentication
      130  interrupted

    `status --exit-code` and `diff --exit-code` end with 1 where there is a difference.
    `doctor` ends with 1 where something is an error.
    ");
}

/// The names of all commands, as the help lists them.
fn commands(machine: &Machine) -> Vec<String> {
    let help = machine.csync(&["-h"]).ok().stdout;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    list.lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_reference_is_that_of_the_program() {
    let two = TwoMachines::apart();
    let printed = two.ana.csync(&["reference"]).ok().stdout;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let kept = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        kept == printed,
        "docs/cli.md is not what the program says. Make it anew:\n\n    cargo run --quiet -- reference > docs/cli.md\n"
    );
    // Every command is in it, with the help that it prints.
    let commands = commands(&two.ana);
    assert!(commands.len() >= 11, "{commands:?}");
    for command in &commands {
        let help = two.ana.csync(&["help", command]).ok().stdout;
        assert!(help.contains("Usage: csync"), "{help}");
        assert!(kept.contains(&format!("\n## csync {command}\n")), "{command}");
    }
    for inner in ["show", "get", "set", "path"] {
        assert!(kept.contains(&format!("\n## csync config {inner}\n")));
        assert!(
            two.ana
                .csync(&["help", "config", inner])
                .ok()
                .stdout
                .contains(&format!("csync config {inner}"))
        );
    }
}

#[test]
fn a_small_story_of_two_machines_in_summaries() {
    let two = beginning();
    assert_snapshot!(screen(&two, &two.ana.csync(&["sync", "--dry-run"])), @r"
      to add       “Prepare the release”  ~-code-app · 230 B
      to add       “Why does the parser hang?”  ~-code-app · 2 files · 537 B
      to add       CLAUDE.md  31 B
      to add       agents/review.md  12 B
      to add       settings.json  22 B
    Would be: 6 sent. Nothing was changed.
    ");
    assert_snapshot!(screen(&two, &two.ana.csync(&["push"])), @r"
      added        “Prepare the release”  ~-code-app · 230 B
      added        “Why does the parser hang?”  ~-code-app · 2 files · 537 B
      added        CLAUDE.md  31 B
      added        agents/review.md  12 B
      added        settings.json  22 B
    Done: 6 sent. [size] went to the remote.
    ");
    assert_snapshot!(screen(&two, &two.ana.csync(&["sync"])), @"Everything is in sync.");
    assert_snapshot!(screen(&two, &two.bob.csync(&["pull"])), @r"
      new here     “Prepare the release”  ~-code-app · 230 B · from ana's laptop
      new here     “Why does the parser hang?”  ~-code-app · 2 files · 537 B · from ana's laptop
      new here     CLAUDE.md  31 B · from ana's laptop
      new here     agents/review.md  12 B · from ana's laptop
      new here     settings.json  22 B · from ana's laptop
    Done: 6 received.
    ");
    two.bob
        .append(&session(&two.bob, RELEASE), line(RELEASE, 1, "assistant", "Done."));
    assert_snapshot!(screen(&two, &two.bob.csync(&["push"])), @r"
      sent         “Prepare the release”  ~-code-app · 492 B
    Done: 1 sent. [size] went to the remote.
    ");
    assert_snapshot!(screen(&two, &two.ana.csync(&["pull", "-q"])), @"");
}

#[test]
fn a_story_with_merges_and_a_conflict_in_summaries() {
    let two = middle();
    assert_snapshot!(screen(&two, &two.bob.csync(&["push", "--dry-run"])), @r"
      to add       rules/style.md  10 B
      to send      “Prepare the release”  ~-code-app · 507 B
      waits        CLAUDE.md  38 B · from ana's laptop
                   it also changed on another device: run `csync sync`
      waits        settings.json  24 B · from ana's laptop
                   it also changed on another device: run `csync sync`
    Would be: 2 sent, 2 waiting. Nothing was changed.
    ");
    assert_snapshot!(screen(&two, &two.bob.csync(&["sync"])), @r"
      added        rules/style.md  10 B
      sent         “Prepare the release”  ~-code-app · 507 B
      new here     agents/test.md  10 B · from ana's laptop
      received     “Why does the parser hang?”  ~-code-app · 785 B · from ana's laptop
      merged       settings.json  50 B · from ana's laptop
      conflict     CLAUDE.md  38 B · from ana's laptop
                   both sides changed the same lines
      deleted here agents/review.md  12 B
    Done: 2 sent, 3 received, 1 merged, 1 in conflict. [size] went to the remote.
    Run `csync conflicts` to resolve what is in conflict.
    [exit 13]
    ");
    assert_snapshot!(screen(&two, &two.bob.csync(&["conflicts"])), @r"
    1 conflict:

      CLAUDE.md
        here        38 B, [date] [time] ([ago])  ~/.claude/CLAUDE.md
        vault       33 B, [date] [time] ([ago])  from ana's laptop
               beside it as CLAUDE.md.conflict.[when]

    Run `csync conflicts` on a terminal to go through them, or `csync conflicts --keep local|remote`.
    [exit 13]
    ");
    assert_snapshot!(screen(&two, &two.bob.csync(&["conflicts", "--keep", "remote"])), @r"
    --- stderr ---
    Resolved 1 conflict. Run `csync sync` to tell the other devices.
    ");
    assert_snapshot!(screen(&two, &two.bob.csync(&["conflicts"])), @r"
    --- stderr ---
    There are no conflicts.
    ");
}

#[test]
fn status_shows_all_its_sections() {
    let two = middle();
    // An agent has the first session open here, so what came for it waits.
    let pid = std::process::id();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let start = stat
        .rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .nth(19)
        .unwrap_or("0")
        .to_owned();
    two.bob.write(
        &format!("sessions/{pid}.json"),
        serde_json::json!({"pid": pid, "sessionId": PARSER, "procStart": start}).to_string(),
    );
    assert_snapshot!(screen(&two, &two.bob.csync(&["status"])), @r"
    Remote     [root]/remote.git
    Device     bob's desk
    Last sync  [ago]
    Files      7 files

    Changed here, to be sent:
      to add       rules/style.md  10 B
      to send      “Prepare the release”  ~-code-app · 507 B
      to send      CLAUDE.md  38 B
      to send      settings.json  24 B

    Run `csync sync`.
    ");
    assert_snapshot!(screen(&two, &two.bob.csync(&["status", "--fetch"])), @r"
    Remote     [root]/remote.git
    Device     bob's desk
    Last sync  [ago]
    Files      7 files

    Changed here, to be sent:
      to add       rules/style.md  10 B
      to send      “Prepare the release”  ~-code-app · 507 B

    Changed in the vault, to be received:
      to create    agents/test.md  10 B · from ana's laptop
      to merge     settings.json  24 B · from ana's laptop
      delete here  agents/review.md  12 B

    In conflict (`csync conflicts` resolves them):
      conflict     CLAUDE.md  38 B · from ana's laptop

    Waiting:
      waits        “Why does the parser hang?”  ~-code-app · 522 B · from ana's laptop
                   an agent has this session open; it is brought up to date once the agent is done

    Run `csync conflicts`, then `csync sync`.
    ");
    two.bob.csync(&["sync"]).fails(13);
    assert_snapshot!(screen(&two, &two.bob.csync(&["status"])), @r"
    Remote     [root]/remote.git
    Device     bob's desk
    Last sync  [ago]
    Files      7 files

    In conflict (`csync conflicts` resolves them):
      conflict     CLAUDE.md  38 B · from ana's laptop

    Waiting:
      waits        “Why does the parser hang?”  ~-code-app · 522 B · from ana's laptop
                   an agent has this session open; it is brought up to date once the agent is done

    Run `csync conflicts`, then `csync sync`.
    ");
    assert_snapshot!(screen(&two, &two.ana.csync(&["status"])), @r"
    Remote     [root]/remote.git
    Device     ana's laptop
    Last sync  [ago]
    Files      6 files

    Everything is in sync, as far as this machine has seen (--fetch asks the remote).
    ");
}

#[test]
fn differences_of_texts_and_conversations() {
    let two = middle();
    two.bob.csync(&["status", "--fetch", "-q"]).ok();
    assert_snapshot!(screen(&two, &two.bob.csync(&["diff", "CLAUDE.md", "--no-pager"])), @r"
    claude/CLAUDE.md
    --- vault, from ana's laptop  33 B  [date] [time] ([ago])
    +++ here  38 B  [date] [time] ([ago])
    @@ -1,3 +1,3 @@
     Be brief.
    -Use spaces.
    +Use four spaces.
     Ask first.
    ");
    assert_snapshot!(screen(&two, &two.bob.csync(&["diff", "--session", "5b0e2a6c"])), @r"
    “Why does the parser hang?”  claude/projects/~-code-app/5b0e2a6c-41f3-4f0e-9d1a-8f6f2a7c1b3d.jsonl
    --- vault, from ana's laptop  785 B  [date] [time] ([ago])
    +++ here  522 B  [date] [time] ([ago])
    @@ vault, from ana's laptop line 1, here line 1 @@
     user  [date] [time]
       Why does the parser hang?
     assistant  [date] [time]
       It reads the same byte again.
    -user  [date] [time]
    -  Mend it, please.
    ");
    assert_snapshot!(screen(&two, &two.bob.csync(&["diff", "--session", "0c8f"])), @r"
    “Prepare the release”  claude/projects/~-code-app/0c8f6e0e-5a51-4a0e-b0a5-4b7f3b0d6a11.jsonl
    --- vault, from ana's laptop  230 B  [date] [time] ([ago])
    +++ here  507 B  [date] [time] ([ago])
    @@ vault, from ana's laptop line 1, here line 1 @@
     user  [date] [time]
       Prepare the release
    +assistant  [date] [time]
    +  Done, see the notes.
    ");
    two.bob.csync(&["diff", "--exit-code"]).fails(1);
    assert_snapshot!(screen(&two, &two.ana.csync(&["diff", "--exit-code"])), @r"
    --- stderr ---
    No differences, as far as this machine has seen.
    ");
}

#[test]
fn the_configuration_says_where_each_value_came_from() {
    let two = TwoMachines::joined();
    let mut ana = Machine::new("ana", two.ana.home.clone());
    ana.csync(&["config", "set", "claude.exclude", r#"["rules/", "*.bak"]"#])
        .ok();
    ana.set("CSYNC_MAX_RETRIES", "9");
    let shown = ana.csync(&["config", "show", "--origin"]).ok().stdout;
    let vault = ana.csync(&["config", "get", "vault"]).ok().stdout;
    assert_snapshot!(plain(&two, &shown.replace(vault.trim_end(), "[vault]")), @r"
    remote             [root]/remote.git  (file [root]/home/ana/.config/csync/config.toml)
    device             ana's laptop  (file [root]/home/ana/.config/csync/config.toml)
    vault              [vault]  (file [root]/home/ana/.config/csync/config.toml)
    claude.path        [root]/home/ana/.claude  (default)
    claude.include     (not set)  (default)
    claude.exclude     rules/ *.bak  (file [root]/home/ana/.config/csync/config.toml)
    claude.send_keys   (not set)  (default)
    claude.projects    (not set)  (default)
    max_delete         20  (default)
    max_retries        9  (environment CSYNC_MAX_RETRIES)
    backoff            500  (default)
    connect_timeout    15  (default)
    idle_timeout       60  (default)
    transport          auto  (default)
    pager              (not set)  (default)
    color              auto  (default)
    ");
    assert_snapshot!(screen(&two, &ana.csync(&["config", "path"])), @r"
    configuration  [root]/home/ana/.config/csync/config.toml
    identity       [root]/home/ana/.config/csync/identity.txt
    mirror         [root]/home/ana/.local/share/csync/mirror.git
    index          [root]/home/ana/.local/state/csync/index.sqlite
    ");
    assert_snapshot!(screen(&two, &ana.csync(&["config", "get", "claude.exclude"])), @"rules/ *.bak");
    assert_snapshot!(screen(&two, &ana.csync(&["config", "set", "max_delete", "50"])), @r"
    --- stderr ---
    Set max_delete in [root]/home/ana/.config/csync/config.toml.
    ");
    assert_eq!(ana.csync(&["config", "get", "max_delete"]).ok().stdout, "50\n");
}

#[test]
fn p31_errors_say_what_and_what_to_do() {
    let two = TwoMachines::apart();
    let ana = &two.ana;
    assert_snapshot!(screen(&two, &ana.csync(&["sync"])), @r"
    --- stderr ---
    error: there is no vault on this machine yet
    hint: run `csync init <URL>`, or `csync init --local` to try it without a server
    [exit 10]
    ");
    assert_snapshot!(screen(&two, &ana.csync(&["config", "get", "remotes"])), @r"
    --- stderr ---
    error: unknown key `remotes`
    hint: did you mean `remote`?
    [exit 2]
    ");
    assert_snapshot!(screen(&two, &ana.csync(&["config", "set", "max_delete", "many"])), @r"
    --- stderr ---
    error: `max_delete` must be a whole number from 0 to 100, not `many`
    hint: max_delete: stop before more than this share of the files, in percent, would be deleted or cut
    [exit 2]
    ");
    assert_snapshot!(screen(&two, &ana.csync(&["config", "get", "pager"])), @r"
    --- stderr ---
    error: pager is not set
    hint: set it with `csync config set pager VALUE`
    [exit 1]
    ");
    assert_snapshot!(screen(&two, &ana.csync(&["init", two.remote(), "--device", "x"])), @r"
    --- stderr ---
    error: there is no terminal to ask on: Passphrase of the vault (other machines join with it)
    hint: use --passphrase-file FILE, CSYNC_PASSPHRASE or --no-passphrase
    [exit 2]
    ");
    assert_snapshot!(screen(&two, &ana.csync(&["init", "--no-passphrase"])), @r"
    --- stderr ---
    error: where is the vault?
    hint: give the URL of an empty private Git repository, or --local to try csync without a server
    [exit 2]
    ");
    assert_snapshot!(screen(&two, &ana.csync(&["init", "./nowhere", "--no-passphrase", "--device", "x"])), @r"
    --- stderr ---
    error: there is no Git repository at [root]/home/ana/nowhere
    hint: check the path; `git init --bare [root]/home/ana/nowhere` makes a repository there
    [exit 16]
    ");
    assert_snapshot!(screen(&two, &ana.csync(&["help", "nothing"])), @r"
    --- stderr ---
    error: there is no command or topic `nothing`
    hint: `csync help` lists the commands; the topics are: exit-codes
    [exit 2]
    ");
    assert_snapshot!(screen(&two, &ana.csync(&["snyc"])), @r"
    --- stderr ---
    error: unrecognized subcommand 'snyc'

      tip: a similar subcommand exists: 'sync'

    Usage: csync [OPTIONS] <COMMAND>

    For more information, try '--help'.
    [exit 2]
    ");
    assert_snapshot!(screen(&two, &ana.csync(&["sync", "--keep"])), @r"
    --- stderr ---
    error: unexpected argument '--keep' found

      tip: to pass '--keep' as a value, use '-- --keep'

    Usage: csync sync [OPTIONS] [PATH]...

    For more information, try '--help'.
    [exit 2]
    ");
    let files: Vec<String> = crate::machines::files_below(&ana.home).into_keys().collect();
    assert!(files.is_empty(), "an error leaves nothing behind: {files:?}");
}

#[test]
fn completions_name_every_command() {
    let two = TwoMachines::apart();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = two.ana.csync(&["completions", shell]).ok().stdout;
        for command in commands(&two.ana) {
            assert!(script.contains(&command), "{shell}: {command}");
        }
        assert!(script.contains("dry-run") && !script.contains("reference-"), "{shell}");
    }
    two.ana.csync(&["completions", "tcsh"]).fails(2);
}

#[test]
fn man_pages_are_written_for_every_command() {
    let two = TwoMachines::apart();
    let folder = two.folder.path().join("man");
    two.ana.csync(&["man", folder.to_str().unwrap()]).ok();
    let pages = crate::machines::files_below(&folder);
    for command in commands(&two.ana) {
        assert!(
            pages.contains_key(&format!("csync-{command}.1")),
            "{command} in {:?}",
            pages.keys()
        );
    }
    let page = String::from_utf8(pages["csync-sync.1"].clone()).unwrap();
    assert!(page.contains(".TH") && page.contains("dry\\-run"), "{page}");
}

#[test]
fn p31_all_json_has_a_version_and_known_keys() {
    let two = middle();
    two.bob.csync(&["status", "--fetch", "-q"]).ok();
    let keys = |run: Run| {
        let json = run.json();
        assert_eq!(json["version"], 1, "{json}");
        json.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    let bob = &two.bob;
    assert_snapshot!(keys(bob.csync(&["status", "--json"])), @"version remote device vault last_sync fetched files evicted outgoing incoming conflicts held waiting troubles clean");
    assert_snapshot!(
        keys(bob.csync(&["remote", "show", "--json"])),
        @"version remote road host origin transport transport_origin switched vault device tip last_sync max_retries backoff_milliseconds connect_timeout_seconds idle_timeout_seconds"
    );
    assert_snapshot!(
        keys(bob.csync(&["remote", "test", "--json"])),
        @"version remote road carrier tip writable not_writable holds detail milliseconds fetch_milliseconds not_compared"
    );
    assert_snapshot!(
        keys(bob.csync(&["remote", "set-url", two.remote(), "--json"])),
        @"version remote before sent tested"
    );
    assert_snapshot!(keys(bob.csync(&["doctor", "--json"])), @"version findings");
    assert_snapshot!(keys(bob.csync(&["push", "--json"])), @"version command dry_run items troubles commits bytes_sent files_read races new_members offline why pending");
    assert_snapshot!(keys(bob.csync(&["pull", "--json"])), @"version command dry_run items troubles commits bytes_sent files_read races new_members offline why pending");
    assert_snapshot!(keys(bob.csync(&["sync", "--json"])), @"version command dry_run items troubles commits bytes_sent files_read races new_members offline why pending");
    assert_snapshot!(keys(bob.csync(&["conflicts", "--json"])), @"version conflicts troubles");
    assert_snapshot!(keys(bob.csync(&["conflicts", "--keep", "both", "--json"])), @"version resolved left");
    assert_snapshot!(keys(bob.csync(&["config", "show", "--json"])), @"version settings");
    assert_snapshot!(keys(bob.csync(&["config", "path", "--json"])), @"version configuration identity mirror index");
    let fresh = Machine::new("fresh", two.folder.path().join("people/fresh"));
    let identity = two.ana.identity();
    let joined = fresh.csync(&[
        "init",
        two.remote(),
        "--device",
        "fresh",
        "--identity",
        identity.to_str().unwrap(),
        "--json",
    ]);
    assert_snapshot!(keys(joined), @"version vault remote new members identity passphrase");
    // One item, with all that can be said of it.
    let item = fresh.csync(&["sync", "--json"]).ok().json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["path"].as_str().unwrap().ends_with(&format!("{PARSER}.jsonl")))
        .unwrap()
        .clone();
    assert_snapshot!(serde_json::to_string_pretty(&item).unwrap(), @r#"
    {
      "path": "claude/projects/~-code-app/5b0e2a6c-41f3-4f0e-9d1a-8f6f2a7c1b3d.jsonl",
      "action": "created",
      "size": 785,
      "session": "5b0e2a6c-41f3-4f0e-9d1a-8f6f2a7c1b3d",
      "title": "Why does the parser hang?",
      "project": "~-code-app",
      "device": "ana's laptop"
    }
    "#);
}

#[test]
fn colours_are_where_they_are_asked_for() {
    let mut two = middle();
    let coloured = |run: Run| (run.stdout + &run.stderr).contains("\u{1b}[");
    assert!(!coloured(two.bob.csync(&["sync", "-n"])), "not a terminal");
    assert!(coloured(two.bob.csync(&["sync", "-n", "--color", "always"])));
    assert!(coloured(two.bob.csync(&["diff", "--color=always"])));
    assert!(!coloured(two.bob.csync(&["sync", "-n", "--color", "never"])));
    two.bob.set("NO_COLOR", "1");
    assert!(!coloured(two.bob.csync(&["sync", "-n"])));
    assert!(
        coloured(two.bob.csync(&["sync", "-n", "--color", "always"])),
        "the flag wins"
    );
    two.bob.csync(&["sync", "--color", "sometimes"]).fails(2);
}

#[test]
fn quiet_says_nothing_but_errors() {
    let two = middle();
    for arguments in [
        &["sync", "-q"][..],
        &["status", "-q"],
        &["push", "-q", "--dry-run"],
        &["pull", "--quiet"],
    ] {
        let run = two.bob.csync(arguments);
        assert!(
            run.stdout.is_empty() && run.stderr.is_empty(),
            "{arguments:?}: {}{}",
            run.stdout,
            run.stderr
        );
    }
    two.bob.write("settings.json", "{ torn");
    let run = two.bob.csync(&["sync", "-q"]).fails(3);
    assert!(
        run.stdout.is_empty() && run.stderr.starts_with("error: "),
        "{}",
        run.stderr
    );
}

#[cfg(unix)]
#[test]
fn on_a_terminal_progress_comes_and_goes_and_the_summary_stays() {
    let two = beginning();
    let person = crate::conflicts::Person::runs(&two.ana, &["sync"], &[]);
    let screen = person.waits_for("[exit 0]", 1);
    assert!(
        screen.contains("“Why does the parser hang?”") && screen.contains("Done: "),
        "{screen}"
    );
    for phase in ["scanning", "sealing", "sending", "receiving"] {
        assert!(!screen.contains(phase), "{screen}");
    }
    assert!(person.sees_in_colour().contains("\u{1b}["));
}

#[test]
fn the_remote_is_shown_and_tested_in_a_few_lines() {
    let two = middle();
    // Ids and times are other ones each time.
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9a-f]{32}", "[vault]");
    settings.add_filter("[0-9a-f]{12}", "[tip]");
    settings.add_filter("in [0-9]+ ms", "in [time]");
    let _bound = settings.bind_to_scope();
    assert_snapshot!(screen(&two, &two.ana.csync(&["remote", "show"])), @r"
    Remote     [root]/remote.git (file [root]/home/ana/.config/csync/config.toml)
    Road       a folder of this machine
    Transport  auto (default)
    Vault      [vault]
    Device     ana's laptop
    Tip        [tip]
    Last sync  [ago]
    Retries    5, the first after 500 ms
    Timeouts   15 s to connect, 60 s of silence
    ");
    assert_snapshot!(screen(&two, &two.bob.csync(&["remote", "test"])), @r"
    Remote     [root]/remote.git
    Reached    in [time], as a folder of this machine
    Writing    allowed, as far as can be told without writing
    Holds      this vault, at [tip], with 1 commit that this machine has not seen, fetched in [time] and verified
    ");
    assert_snapshot!(screen(&two, &two.ana.csync(&["remote", "test", "/nowhere/v.git"])), @r"
    --- stderr ---
    error: there is no Git repository at /nowhere/v.git
    hint: check the path; `git init --bare /nowhere/v.git` makes a repository there
    [exit 16]
    ");
    assert_snapshot!(screen(&two, &two.ana.csync(&["remote", "set-url", "-h"])), @r"
    Move to another address, which must hold this vault or be empty

    Usage: csync remote set-url [OPTIONS] <URL>

    Arguments:
      <URL>  The new address, as `csync init` takes it; github:NAME and gitlab:NAME are made, private

    Options:
          --push              Send the whole history there where the new repository is empty or lags
                              behind
          --no-test           Only write the address down, without looking what is there
          --allow-public      Take a repository that others can read: the host shows them its sizes and
                              times, not its contents
          --transport <WHAT>  What talks to the remote: auto, libgit2 or git (the git command) [default:
                              the setting `transport`]
          --json              Print the outcome as JSON
      -h, --help              Print help

    Options of every command:
      -q, --quiet         Show errors only
      -v, --verbose...    Show more: causes of errors (-v), what is done (-vv), details (-vvv)
          --color <WHEN>  Use colours: auto (on a terminal, unless NO_COLOR is set), always or never
          --no-input      Never ask: fail where an answer would be needed
    ");
    csync::create_bare(&two.folder.path().join("new.git")).unwrap();
    let new = two.folder.path().join("new.git");
    let new = new.to_str().unwrap();
    assert_snapshot!(screen(&two, &two.ana.csync(&["remote", "set-url", new])), @r"
    --- stderr ---
    error: [root]/new.git lacks 3 commits of this vault
    hint: run the command again with --push: it sends them there first; nothing was changed
    [exit 2]
    ");
    assert_snapshot!(screen(&two, &two.ana.csync(&["remote", "set-url", new, "--push"])), @r"
    Sent 3 commits. The vault is now at [root]/new.git.
    It was at [root]/remote.git; `csync remote set-url` brings that back.
    Run the same command on every other device: a device that keeps the old address is no longer in step.
    ");
}

#[test]
fn the_doctor_tells_what_is_wrong_and_what_mends_it() {
    let two = TwoMachines::apart();
    let doctor = |arguments: &[&str]| {
        let run = two.ana.csync(&[&["doctor"], arguments].concat());
        // The disk and the clock are this machine's.
        let is_fixed = |line: &&str| !line.contains(" are free where ") && !line.contains("the clock says");
        let lines: Vec<&str> = run.stdout.lines().filter(is_fixed).collect();
        let stdout = lines.join("\n").replace(env!("CARGO_PKG_VERSION"), "[version]");
        screen(&two, &Run { stdout, ..run })
    };
    assert_snapshot!(screen(&two, &two.ana.csync(&["doctor", "-h"])), @r"
    Look for what is wrong, and say what mends it; changes nothing

    Usage: csync doctor [OPTIONS]

    Options:
          --no-network        Ask no server
          --transport <WHAT>  What talks to the remote: auto, libgit2 or git (the git command) [default:
                              the setting `transport`]
          --json              Print the findings as JSON
      -h, --help              Print help

    Options of every command:
      -q, --quiet         Show errors only
      -v, --verbose...    Show more: causes of errors (-v), what is done (-vv), details (-vvv)
          --color <WHEN>  Use colours: auto (on a terminal, unless NO_COLOR is set), always or never
          --no-input      Never ask: fail where an answer would be needed

    Ends with exit code 1 where something is an error; warnings alone end with 0.
    ");
    assert_snapshot!(doctor(&[]), @r"
    csync
      ok       csync [version]
      ok       there is no ~/.config/csync/config.toml yet: the defaults hold
      ok       no other run is at work
      ok       nothing was left behind by earlier runs

    Key
      ok       no variable of csync's is set

    Claude Code
      ok       Claude Code keeps its data in ~/.claude
      ok       Claude Code deletes sessions here after 30 days (its default); the vault keeps what was synced
      ok       no hook of Claude Code runs csync: `csync sync` is run by hand, or by a timer
      ok       no session is running

    Sync
      warning  there is no vault on this machine yet
               mend: csync init

    1 warning.
    ");
    two.ana.write("settings.json", "{\"cleanupPeriodDays\": 0}\n");
    assert_snapshot!(doctor(&["-q"]), @r#"
    Claude Code
      error    cleanupPeriodDays is 0: Claude Code deletes transcripts at once, and there is nothing to sync
               mend: kept=$(jq '.cleanupPeriodDays = 365' [root]/home/ana/.claude/settings.json) && printf '%s\n' "$kept" > [root]/home/ana/.claude/settings.json
    [exit 1]
    "#);
}
