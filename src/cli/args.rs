//! The command line: every command, flag and help text. Completions, man pages and docs/cli.md are made from this one definition.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};

mod reaching;

pub use reaching::{DoctorArgs, Reaching, RemoteCommand};

/// Keeps the sessions of AI coding agents the same on all your machines, end-to-end encrypted, through a private Git repository.
#[derive(Debug, Parser)]
#[command(name = "csync", version, disable_help_subcommand = true, max_term_width = 100)]
#[command(
    after_help = "Begin with `csync init --local` to try it here, or `csync init <URL>` with an empty private repository."
)]
pub struct Cli {
    /// What applies to every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Above the options that every command has.
const EVERYWHERE: &str = "Options of every command";

/// What applies to every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Show errors only
    #[arg(short, long, global = true, help_heading = EVERYWHERE, display_order = 100)]
    pub quiet: bool,
    /// Show more: causes of errors (-v), what is done (-vv), details (-vvv)
    #[arg(short, long, global = true, help_heading = EVERYWHERE, action = ArgAction::Count, display_order = 101)]
    pub verbose: u8,
    /// Use colours: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        value_name = "WHEN",
        value_enum,
        hide_possible_values = true,
        display_order = 102
    )]
    pub color: Option<ColorWhen>,
    /// Never ask: fail where an answer would be needed
    #[arg(long, global = true, help_heading = EVERYWHERE, display_order = 103)]
    pub no_input: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new vault, or join this machine to one
    Init(InitArgs),
    /// Receive, merge and send: the command for every day
    Sync(SyncArgs),
    /// Send what changed here
    Push(SyncArgs),
    /// Receive what changed on other devices
    Pull(SyncArgs),
    /// Show what changed here and in the vault, what is in conflict and what waits
    Status(StatusArgs),
    /// List conflicts and resolve them
    Conflicts(ConflictsArgs),
    /// Show how files here differ from the vault
    Diff(DiffArgs),
    /// Show, test and change where the vault is kept
    #[command(subcommand)]
    Remote(RemoteCommand),
    /// Look for what is wrong, and say what mends it; changes nothing
    #[command(after_help = "Ends with exit code 1 where something is an error; warnings alone end with 0.")]
    Doctor(DoctorArgs),
    /// Show and change the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Show two machines, a vault, a merge and a conflict, in a temporary folder
    Demo(DemoArgs),
    /// Write the man pages into a folder
    #[command(hide = true)]
    Man {
        /// The folder
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
    /// Print the reference of all commands in Markdown
    #[command(hide = true)]
    Reference,
    /// Answer the git command that csync runs, as its credential helper
    #[command(hide = true)]
    GitCredential {
        /// The socket of the run that started git
        socket: PathBuf,
        /// get, store or erase
        operation: String,
    },
    /// Explain a command, or a topic: exit-codes
    Help {
        /// The command or topic
        topic: Vec<String>,
    },
}

/// What `init` takes.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The Git repository that becomes, or already is, the vault: a path, file://, git://, https:// or ssh URL, or github:NAME,
    /// github:OWNER/NAME or gitlab:GROUP/NAME, which `gh` or `glab` looks up, and makes private where it does not exist
    #[arg(value_hint = ValueHint::Url, conflicts_with = "local")]
    pub url: Option<String>,
    /// Keep the vault in a repository in csync's own data folder
    #[arg(long)]
    pub local: bool,
    /// Take a repository that others can read: the host shows them its sizes and times, not its contents
    #[arg(long)]
    pub allow_public: bool,
    /// This device's name in the vault [default: the host's name]
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Bring an age identity of your own instead of making one. CSYNC_IDENTITY may hold its text in place of any file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
    /// Read the passphrase from the first line of FILE; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub passphrase_file: Option<PathBuf>,
    /// Make the vault without a passphrase: other devices then need the identity of a member
    #[arg(long, conflicts_with = "passphrase_file")]
    pub no_passphrase: bool,
    /// Where an agent keeps its data, as AGENT=FOLDER [default: claude=$CLAUDE_CONFIG_DIR or ~/.claude]
    #[arg(long, value_name = "AGENT=FOLDER", value_parser = source)]
    pub source: Vec<(String, PathBuf)>,
    /// How to reach the remote.
    #[command(flatten)]
    pub reaching: Reaching,
    /// Print the outcome as JSON
    #[arg(long)]
    pub json: bool,
}

/// What limits a command to some paths.
#[derive(Debug, Args, Default)]
pub struct Limits {
    /// Limit to these files, folders or patterns (gitignore syntax, such as `projects/*/memory/`)
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<String>,
    /// Limit to a session, by the beginning of its id
    #[arg(long, value_name = "ID")]
    pub session: Vec<String>,
    /// Limit to a project, by its name or the end of its path
    #[arg(long, value_name = "NAME")]
    pub project: Vec<String>,
}

/// What `sync`, `push` and `pull` take.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// Which paths.
    #[command(flatten)]
    pub limits: Limits,
    /// Say what would happen, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Go on where many files would be deleted or sessions become shorter
    #[arg(long)]
    pub allow_deletions: bool,
    /// End with exit code 0, not 16, where the remote cannot be reached: what changed is sealed and goes with the next sync
    #[arg(long)]
    pub offline_ok: bool,
    /// How to reach the remote.
    #[command(flatten)]
    pub reaching: Reaching,
    /// Print the outcome as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `status` takes.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Ask the remote first; without it, status works offline
    #[arg(long)]
    pub fetch: bool,
    /// End with exit code 1 where there is something to do
    #[arg(long)]
    pub exit_code: bool,
    /// How to reach the remote.
    #[command(flatten)]
    pub reaching: Reaching,
    /// Print the status as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `conflicts` takes.
#[derive(Debug, Args)]
pub struct ConflictsArgs {
    /// Limit to these files, folders or patterns
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<String>,
    /// Resolve all of them without asking, by keeping one side
    #[arg(long, value_name = "SIDE", value_enum)]
    pub keep: Option<KeepSide>,
    /// Only list them, also on a terminal
    #[arg(long, conflicts_with = "keep")]
    pub list: bool,
    /// Print them as JSON
    #[arg(long)]
    pub json: bool,
    /// Never use a pager
    #[arg(long)]
    pub no_pager: bool,
}

/// Which side to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeepSide {
    /// The file here; it goes into the vault with the next sync
    Local,
    /// The vault's version; it replaces the file here
    Remote,
    /// Both, where the kind of file allows it
    Both,
}

/// What `diff` takes.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Which paths.
    #[command(flatten)]
    pub limits: Limits,
    /// Show raw lines, also of transcripts
    #[arg(long)]
    pub raw: bool,
    /// End with exit code 1 where there is a difference
    #[arg(long)]
    pub exit_code: bool,
    /// Print which files differ as JSON, without their lines
    #[arg(long)]
    pub json: bool,
    /// Never use a pager
    #[arg(long)]
    pub no_pager: bool,
}

/// What `config` can do.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every key and its value
    Show {
        /// Say where each value came from
        #[arg(long)]
        origin: bool,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the value of a key
    Get {
        /// The key
        key: String,
    },
    /// Set a key in the configuration file
    Set {
        /// The key
        key: String,
        /// The value; a list is written as `["a", "b"]`
        value: String,
    },
    /// Print where csync keeps its files
    Path {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What `demo` takes.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Work in this new folder and leave it behind, to look around in
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub keep: Option<PathBuf>,
}

fn source(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((agent, folder)) if !folder.is_empty() => match agent {
            "claude" => Ok((agent.to_owned(), PathBuf::from(folder))),
            other => Err(format!("`{other}` is no agent that csync knows; it knows: claude")),
        },
        _ => Err("expected AGENT=FOLDER, such as claude=/home/ana/.claude".to_owned()),
    }
}
