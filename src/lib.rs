//! csync keeps the sessions of AI coding agents the same on all of a person's machines, end-to-end encrypted, through a
//! private Git repository.
//!
//! The program is a thin layer over this library: whatever `csync` can do, [`cli::main`] does with the functions below.
//! [`init`] makes a vault or joins one, [`sync`] receives, merges and sends, [`status`] and [`diff`] look, [`Conflicts`]
//! resolves. Each is given a [`Context`] (places, settings, clock, progress, a flag that stops it) and returns what
//! happened as a value; none of them prints, asks or reads the environment.
//!
//! - The **vault** is a tree of age files in a Git repository ([`Vault`], [`VaultKey`]; docs/format.md specifies it).
//! - The **mirror** is its copy on this machine ([`Mirror`]), and a [`Remote`] is where it is exchanged.
//! - A **source** ([`Source`]) says where an agent keeps its data and what of it is synced.
//! - [`plan`] and [`merge`] decide, and are pure: the same three versions always lead to the same outcome.
//!
//! docs/architecture.md shows how these fit together.
//!
//! # Example
//!
//! One machine, and a vault in its own data folder:
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//! use std::time::Duration;
//!
//! use csync::{Action, Config, Context, Direction, Environment, InitOptions, Passphrase, Paths, Request, Silent};
//! use csync::{LARGEST_PUSH, Nobody, Selection, SyncOptions, SystemClock, init, sync};
//!
//! /// The vault gets no passphrase; nobody is asked.
//! struct NoPassphrase;
//! impl Passphrase for NoPassphrase {
//!     fn choose(&mut self) -> csync::Result<Option<secrecy::SecretString>> {
//!         Ok(None)
//!     }
//!     fn enter(&mut self) -> csync::Result<secrecy::SecretString> {
//!         Err(csync::Error::new(csync::Kind::Key, "there is nobody to ask"))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let home = tempfile::tempdir()?;
//! std::fs::create_dir(home.path().join(".claude"))?;
//! std::fs::write(home.path().join(".claude/CLAUDE.md"), "Write plain English.\n")?;
//!
//! let environment = Environment::new(home.path(), [("TZ", "UTC")]);
//! let paths = Paths::from_environment(&environment);
//! let stop = AtomicBool::new(false);
//! let context = || -> csync::Result<Context<'_>> {
//!     Ok(Context {
//!         config: Config::load(&environment, &paths, &[])?,
//!         paths: paths.clone(),
//!         environment: environment.clone(),
//!         clock: &SystemClock,
//!         progress: &Silent,
//!         questions: &Nobody,
//!         stop: &stop,
//!         lock_wait: Duration::from_secs(1),
//!     })
//! };
//!
//! let options = InitOptions {
//!     url: None,
//!     allow_public: false,
//!     local: true,
//!     device: "laptop".to_owned().try_into()?,
//!     identity: None,
//!     claude: None,
//! };
//! let made = init(&context()?, &options, &mut NoPassphrase)?;
//! assert!(made.new);
//!
//! let options = SyncOptions {
//!     direction: Direction::Both,
//!     selection: Selection::new(&Request::default())?,
//!     dry_run: false,
//!     allow_deletions: false,
//!     largest_push: LARGEST_PUSH,
//! };
//! let report = sync(&context()?, &options)?;
//! assert_eq!(report.count(Action::Added), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! One process at a time works on a vault; a second one waits for the [`Lock`]. The library makes use of threads inside a
//! call and keeps none. [`Context::check_stop`] lets a call end between two files; what is done stays done.

pub mod cli;
mod config;
mod core;
mod engine;
mod error;
mod local;
mod mirror;
mod sources;
mod state;
mod vault;

// What a use case is given, and what it gives back.
pub use config::{
    BadValue, ClaudeConfig, ColorChoice, Config, ConfigError, Entry as ConfigEntry, Environment, Fallback, FlagValue,
    Origin as ValueOrigin, Paths, Place, SECRET_VARIABLES, SETTINGS, Setting, Shape, Value,
};
pub use core::progress::{Phase, Progress, Silent};
pub use core::questions::{Nobody, Questions};
pub use core::transport::{Timeouts, Transport};
pub use engine::{
    Absence, Action, Clock, ConflictItem, Conflicts, Context, Difference, Direction, DoctorOptions, Examination,
    Finding, Holds, InitOptions, Initialised, Item, Keep, LARGEST_PUSH, Level, MoveOptions, Moved, OpenVault,
    Passphrase, RemoteFacts, Report, Request, Selection, Status, SyncOptions, SystemClock, Title, Trouble, Waiting,
    diff, doctor, examine_remote, init, joined, remote_facts, set_url, status, sync, sync_with,
};
pub use error::{Error, Kind, Result};

// Names, ids and pure decisions.
pub use core::device::{BadDeviceName, DeviceName};
pub use core::id::{BadId, BlobId, CommitId, ContentHash, FileId, Generation, KeyId, Seal, SegmentId, TreeId, VaultId};
pub use core::kind::{FileKind, Retention};
pub use core::merge;
pub use core::origin::{Origin, Project};
pub use core::path::{BadPath, LogicalPath};
pub use core::plan;
pub use core::stat::{Stat, Timestamp};

// The rooms that others can build on: another remote, another source, a tool that reads a vault.
pub use local::{
    Expected, Faults, Found, LocalError, NoFaults, OpenFile, Operation, Problem, ReadOnly, Root, Rules, Scan, Settled,
    UserIgnores, Written, scan,
};
pub use mirror::{
    Carrier, CommitInfo, Entry, Mirror, MirrorError, Network, Outage, Pointer, Push, Put, Refusal, Rejection, Remote,
    Road, Tested, TreeChange, TreeEdit, Writer, connect, create_bare,
};
pub use sources::{ClaudeSettings, Source, claude};
pub use state::{Agreed, Holder, Index, Lock, Row, StateError};
pub use vault::{
    ContentHasher, DeviceIdentity, Dictionary, DictionaryId, Head, Member, MemberKind, Note, OpenHead, Sealed, Segment,
    SegmentRef, Thing, Vault, VaultError, VaultKey, WorkFactor, WrapKind, generation_of, layout, limits, new_key_id,
    parse_vault_json, segments, unwrap_with_identity, unwrap_with_passphrase, vault_json, wrap_for_device,
    wrap_for_passphrase, wrap_for_passphrase_with, wrap_kind,
};
