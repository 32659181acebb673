//! csync keeps the sessions of AI coding agents the same on all of a person's machines, end-to-end encrypted, through a
//! private Git repository.

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
    ClaudeConfig, ColorChoice, Config, ConfigError, Entry as ConfigEntry, Environment, Fallback, FlagValue,
    Origin as ValueOrigin, Paths, Place, SECRET_VARIABLES, SETTINGS, Setting, Shape, Value,
};
pub use core::progress::{Phase, Progress, Silent};
pub use engine::{
    Action, Clock, ConflictItem, Conflicts, Context, Difference, Direction, InitOptions, Initialised, Item, Keep,
    OpenVault, Passphrase, Report, Request, Selection, Status, SyncOptions, SystemClock, Trouble, diff, init, joined,
    status, sync, sync_with,
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
    CommitInfo, Entry, Mirror, MirrorError, Pointer, Push, Put, Remote, TreeChange, TreeEdit, Writer, connect,
    create_bare,
};
pub use sources::{ClaudeSettings, Source, claude};
pub use state::{Agreed, Holder, Index, Lock, Row, StateError};
pub use vault::{
    ContentHasher, DeviceIdentity, Dictionary, DictionaryId, Head, Member, MemberKind, Note, OpenHead, Sealed, Segment,
    SegmentRef, Thing, Vault, VaultError, VaultKey, WorkFactor, WrapKind, generation_of, layout, limits, new_key_id,
    parse_vault_json, segments, unwrap_with_identity, unwrap_with_passphrase, vault_json, wrap_for_device,
    wrap_for_passphrase, wrap_for_passphrase_with, wrap_kind,
};
