//! What is said of remotes on the command line: how to reach one, `csync remote`, and `csync doctor`.

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::Command;

/// What carries the exchange with the remote, for one run.
#[derive(Debug, Clone, Copy, Args, Default)]
pub struct Reaching {
    /// What talks to the remote: auto, libgit2 or git (the git command) [default: the setting `transport`]
    #[arg(long, value_name = "WHAT", value_enum, hide_possible_values = true)]
    pub transport: Option<TransportChoice>,
}

/// What can talk to a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TransportChoice {
    /// libgit2, and the git command where libgit2 cannot
    Auto,
    /// libgit2 alone
    Libgit2,
    /// The git command alone
    Git,
}

impl TransportChoice {
    /// How the setting `transport` writes it.
    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Libgit2 => "libgit2",
            Self::Git => "git",
        }
    }
}

/// What `remote` can do.
#[derive(Debug, Subcommand)]
pub enum RemoteCommand {
    /// Show the remote, and how it is reached; asks no network
    Show {
        /// How to reach it.
        #[command(flatten)]
        reaching: Reaching,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Connect, read, and find out whether writing is allowed, without writing
    #[command(
        after_help = "Takes two connections: one to read, one to ask whether writing is allowed. Where the remote has more than this machine has seen, a third one fetches that, to verify it; nothing of it is kept."
    )]
    Test {
        /// Another address to test instead, also before there is a vault on this machine
        #[arg(value_hint = ValueHint::Url)]
        url: Option<String>,
        /// How to reach it.
        #[command(flatten)]
        reaching: Reaching,
        /// Print what was found as JSON
        #[arg(long)]
        json: bool,
    },
    /// Move to another address, which must hold this vault or be empty
    SetUrl {
        /// The new address, as `csync init` takes it; github:NAME and gitlab:NAME are made, private
        #[arg(value_hint = ValueHint::Url)]
        url: String,
        /// Send the whole history there where the new repository is empty or lags behind
        #[arg(long)]
        push: bool,
        /// Only write the address down, without looking what is there
        #[arg(long, conflicts_with = "push")]
        no_test: bool,
        /// Take a repository that others can read: the host shows them its sizes and times, not its contents
        #[arg(long)]
        allow_public: bool,
        /// How to reach it.
        #[command(flatten)]
        reaching: Reaching,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What `doctor` takes.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Ask no server
    #[arg(long)]
    pub no_network: bool,
    /// How to reach the remote.
    #[command(flatten)]
    pub reaching: Reaching,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

impl Command {
    /// The value that `--transport` gives to the setting `transport`, where the command has the flag and it was given.
    #[must_use]
    pub fn transport(&self) -> Option<&'static str> {
        let reaching = match self {
            Self::Init(arguments) => arguments.reaching,
            Self::Sync(arguments) | Self::Push(arguments) | Self::Pull(arguments) => arguments.reaching,
            Self::Status(arguments) => arguments.reaching,
            Self::Doctor(arguments) => arguments.reaching,
            Self::Remote(
                RemoteCommand::Show { reaching, .. }
                | RemoteCommand::Test { reaching, .. }
                | RemoteCommand::SetUrl { reaching, .. },
            ) => *reaching,
            _ => return None,
        };
        reaching.transport.map(TransportChoice::name)
    }
}
