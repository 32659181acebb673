//! Opening what this machine has: lock, mirror, key, index, sources.

use secrecy::SecretString;

use super::context::Context;
use crate::config::Config;
use crate::core::device::DeviceName;
use crate::core::id::{CommitId, KeyId, TreeId, VaultId};
use crate::error::{Error, Kind, Result};
use crate::local::{self, Root, UserIgnores};
use crate::mirror::{Entry, Mirror, Pointer, Remote};
use crate::sources::{self, Source};
use crate::state::{Index, Lock};
use crate::vault::{self, DeviceIdentity, Vault, VaultKey, layout, limits};

/// A source on this machine: which agent, where, and what the person refined.
pub struct OpenSource {
    /// The agent's rules.
    pub source: Box<dyn Source>,
    /// Its folder.
    pub root: Root,
    /// The person's refinements.
    pub ignores: UserIgnores,
}

/// Everything that a use case needs, held open, under the vault's lock.
pub struct OpenVault {
    /// The mirror.
    pub mirror: Mirror,
    /// The key, and what can be done with it.
    pub vault: Vault,
    /// The cache.
    pub index: Index,
    /// The agents' folders.
    pub sources: Vec<OpenSource>,
    /// This device.
    pub device: DeviceName,
    /// Where the remote is.
    pub remote_url: String,
    _lock: Lock,
}

/// What `init` recorded in the configuration.
pub struct Joined {
    /// The remote's URL.
    pub remote: String,
    /// The vault that this machine joined.
    pub vault: VaultId,
    /// This device's name.
    pub device: DeviceName,
}

/// What the configuration says of the vault that this machine joined.
///
/// # Errors
/// [`Kind::NotInitialised`] where there is none.
pub fn joined(config: &Config) -> Result<Joined> {
    let not_initialised = || {
        Error::new(Kind::NotInitialised, "there is no vault on this machine yet")
            .hint("run `csync init <URL>`, or `csync init --local` to try it without a server")
    };
    Ok(Joined {
        remote: config.remote.clone().ok_or_else(not_initialised)?,
        vault: config.vault.ok_or_else(not_initialised)?,
        device: config.device.clone().ok_or_else(not_initialised)?,
    })
}

impl OpenVault {
    /// Opens this machine's vault for the command named `purpose`.
    ///
    /// # Errors
    /// [`Kind::NotInitialised`], [`Kind::Locked`], [`Kind::Key`], or damage.
    pub fn open(context: &Context<'_>, purpose: &str) -> Result<Self> {
        let mut open = Self::open_as_it_is(context, purpose)?;
        open.mend_outgoing()?;
        Ok(open)
    }

    /// As [`Self::open`], for a dry run: what a killed run left half done stays so, until it is looked at aside.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn open_as_it_is(context: &Context<'_>, purpose: &str) -> Result<Self> {
        let joined = joined(&context.config)?;
        let lock = Lock::acquire(&context.paths.state_dir, context.lock_wait, purpose)?;
        remove_scratch(&context.paths.state_dir);
        let mirror = open_mirror(&context.paths.mirror())?;
        let identity = device_identity(context)?;
        let Some(tip) = mirror.get(Pointer::Tip)? else {
            return Err(
                Error::new(Kind::NotInitialised, "the mirror on this machine holds no vault yet")
                    .hint("run `csync init` again with the same URL"),
            );
        };
        let tree = mirror.commit(tip)?.tree;
        let found = vault_id(&mirror, tree)?;
        if found != joined.vault {
            return Err(Error::new(
                Kind::Key,
                format!(
                    "the mirror holds vault {found}, but this machine joined vault {}",
                    joined.vault
                ),
            )
            .hint("the mirror was replaced: move it away and run `csync init` again"));
        }
        let key = unwrap_with_identity(&mirror, tree, &identity)?
            .ok_or_else(|| {
                Error::new(Kind::Key, "this device's identity opens no wrap of the vault key")
                    .hint("the device may have been removed from the vault: run `csync init` again and join with the passphrase")
            })?
            .1;
        if key.vault_id() != found {
            return Err(Error::new(
                Kind::Key,
                "the key that this device's identity opens belongs to another vault",
            ));
        }
        let sources = open_sources(context)?;
        let vault = with_dictionaries(&mirror, tree, &Vault::new(key))?;
        tracing::debug!("opened vault {found}, whose mirror is {}", mirror.folder().display());
        Ok(Self {
            mirror,
            vault,
            index: Index::open(&context.paths.index_file())?,
            sources,
            device: joined.device,
            remote_url: joined.remote,
            _lock: lock,
        })
    }

    /// Connects to the remote.
    ///
    /// # Errors
    /// A URL that cannot be used.
    pub fn connect<'a>(&self, context: &Context<'a>) -> Result<Box<dyn Remote + 'a>> {
        super::connect::connect(context, &self.remote_url)
    }

    /// The newest state of the vault that this machine knows: what waits to be sent, else what the remote last had.
    ///
    /// # Errors
    /// A damaged mirror.
    pub fn tip(&self) -> Result<(CommitId, TreeId)> {
        let seen = self.seen()?;
        let tip = match self.mirror.get(Pointer::Outgoing)? {
            Some(outgoing) if outgoing != seen && self.mirror.is_ancestor(seen, outgoing)? => outgoing,
            _ => seen,
        };
        Ok((tip, self.mirror.commit(tip)?.tree))
    }

    /// The remote's tip as this machine last saw and verified it.
    ///
    /// # Errors
    /// A damaged mirror.
    pub fn seen(&self) -> Result<CommitId> {
        self.mirror
            .get(Pointer::Tip)?
            .ok_or_else(|| Error::new(Kind::Damaged, "the mirror has lost its tip").hint("run `csync init` again"))
    }

    /// The tree of the base: what this machine last agreed on with the vault. `None` before the first sync.
    ///
    /// # Errors
    /// A damaged mirror.
    pub fn base_tree(&self) -> Result<Option<TreeId>> {
        match self.mirror.get(Pointer::Base)? {
            Some(base) => Ok(Some(self.mirror.commit(base)?.tree)),
            None => Ok(None),
        }
    }
}

/// Opens the mirror, which `init` made.
fn open_mirror(folder: &std::path::Path) -> Result<Mirror> {
    if !folder.exists() {
        return Err(Error::new(
            Kind::NotInitialised,
            format!("the mirror {} is missing", folder.display()),
        )
        .hint("run `csync init` again with the same URL: it fetches the vault anew"));
    }
    Ok(Mirror::open(folder)?)
}

/// How the folders begin in which a dry run keeps its copies: in the state folder, which nobody else can read.
pub const SCRATCH: &str = "dry-run-";

/// Removes what a killed dry run left. The lock is held, so it is nobody's any more.
fn remove_scratch(state_dir: &std::path::Path) {
    for entry in std::fs::read_dir(state_dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(SCRATCH)
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            tracing::warn!(
                "{} of an earlier run could not be removed: {error}",
                entry.path().display()
            );
        }
    }
}

/// The identity of this device: `CSYNC_IDENTITY` where it is set, as on a machine that keeps nothing between runs, else the file.
///
/// # Errors
/// [`Kind::Key`] where it is missing, readable by others, or not an identity.
pub fn device_identity(context: &Context<'_>) -> Result<DeviceIdentity> {
    match context.environment.secret("CSYNC_IDENTITY") {
        Some(text) => parse_identity(&text, "CSYNC_IDENTITY"),
        None => {
            let file = context.paths.identity_file();
            if file.exists() {
                local::check_private(&file)?;
            }
            read_identity(&file)
        }
    }
}

/// Reads an identity from a file that only its owner can read. The folder is not looked at: a person may keep it anywhere.
///
/// # Errors
/// As [`device_identity`].
pub fn read_identity(file: &std::path::Path) -> Result<DeviceIdentity> {
    if !file.exists() {
        return Err(
            Error::new(Kind::Key, format!("the device identity {} is missing", file.display()))
                .hint("bring it back from a backup, or run `csync init` again and join with the passphrase"),
        );
    }
    local::check_private_file(file)?;
    let text = std::fs::read_to_string(file).map_err(|source| {
        Error::new(Kind::Key, format!("cannot read the device identity {}", file.display())).caused_by(source)
    })?;
    parse_identity(&SecretString::from(text), &file.display().to_string())
}

/// Parses an identity. `place` says where it stands, since the text itself is never shown.
pub(super) fn parse_identity(text: &SecretString, place: &str) -> Result<DeviceIdentity> {
    DeviceIdentity::parse(text).map_err(|error| {
        let error = Error::from(error);
        let hint = error.hint_text().unwrap_or_default().to_owned();
        Error::new(error.kind(), format!("{place}: {error}")).hint(hint)
    })
}

/// Which vault the tree is of.
///
/// # Errors
/// A tree that is not a vault's, or a format that this version does not know.
pub fn vault_id(mirror: &Mirror, tree: TreeId) -> Result<VaultId> {
    match mirror.entry(tree, layout::VAULT_JSON)? {
        Some(Entry::Blob(blob)) => Ok(vault::parse_vault_json(&mirror.blob(blob, limits::VAULT_JSON)?)?),
        _ => Err(
            Error::new(Kind::General, "the remote holds a repository that is not a csync vault").hint(
                "csync writes to an empty repository or to its own vault only: make a new, empty, private repository",
            ),
        ),
    }
}

/// The wraps of the vault key in `tree`, by the id of their holder.
///
/// # Errors
/// A damaged mirror.
pub fn wraps(mirror: &Mirror, tree: TreeId) -> Result<Vec<(KeyId, Vec<u8>)>> {
    let mut wraps = Vec::new();
    for (name, entry) in mirror.list(tree, layout::KEYS)? {
        let id = name.strip_suffix(".age").and_then(|id| id.parse().ok());
        if let (Some(id), Entry::Blob(blob)) = (id, entry) {
            wraps.push((id, mirror.blob(blob, limits::WRAP_BLOB)?));
        }
    }
    Ok(wraps)
}

/// The vault, knowing the dictionaries that stand in `tree`. One that cannot be opened is left out: files that need it say so.
///
/// # Errors
/// A damaged mirror.
pub fn with_dictionaries(mirror: &Mirror, tree: TreeId, vault: &Vault) -> Result<Vault> {
    let mut dictionaries = Vec::new();
    for (name, entry) in mirror.list(tree, layout::DICTIONARIES)? {
        let path = format!("{}/{name}", layout::DICTIONARIES);
        let Some(id) = layout::parse_dictionary_path(&path) else {
            continue;
        };
        let Entry::Blob(blob) = entry else { continue };
        match vault.open_dictionary(id, &mirror.blob(blob, limits::DICTIONARY_BLOB)?) {
            Ok(dictionary) => dictionaries.push(dictionary),
            Err(error) => tracing::warn!("a dictionary of the vault cannot be opened: {error}"),
        }
    }
    Ok(vault.with_dictionaries(dictionaries))
}

/// The vault key, by the wrap that `identity` opens; `None` where it opens none. Another device's wrap that is damaged locks
/// nobody out.
///
/// # Errors
/// A wrap that is damaged, where no other opens.
pub fn unwrap_with_identity(
    mirror: &Mirror,
    tree: TreeId,
    identity: &DeviceIdentity,
) -> Result<Option<(KeyId, VaultKey)>> {
    let mut damaged = None;
    for (id, wrap) in wraps(mirror, tree)? {
        match vault::unwrap_with_identity(&wrap, identity) {
            Ok(Some(key)) => return Ok(Some((id, key))),
            Ok(None) => {}
            Err(error) => damaged = damaged.or(Some(error)),
        }
    }
    damaged.map_or(Ok(None), |error| Err(error.into()))
}

fn open_sources(context: &Context<'_>) -> Result<Vec<OpenSource>> {
    let claude = &context.config.claude;
    // The agent may not have run here yet; what the vault holds comes here all the same.
    let root = Root::open_or_create(&claude.path)?;
    let ignores = UserIgnores::load(&root, &claude.include, &claude.exclude)?;
    let settings = sources::ClaudeSettings {
        send: claude.send_keys.clone(),
    };
    Ok(vec![OpenSource {
        source: Box::new(sources::claude(settings)),
        root,
        ignores,
    }])
}
