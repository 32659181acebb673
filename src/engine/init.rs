//! `init`: a new vault in an empty remote, or this machine joins the one that is there.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::context::Context;
use super::fetch::verify_history;
use super::open::{device_identity, read_identity, unwrap_with_identity, vault_id, wraps};
use crate::core::device::DeviceName;
use crate::core::id::{CommitId, Generation, KeyId, TreeId, VaultId};
use crate::error::{Error, Kind, Result};
use crate::local::write_private;
use crate::mirror::{self, Entry, Mirror, Pointer, Push, Put, Remote, TreeEdit};
use crate::state::Lock;
use crate::vault::{
    self, DeviceIdentity, Member, MemberKind, Note, Vault, VaultKey, WrapKind, generation_of, layout, limits,
};

/// Where the passphrase comes from. Asked only when it is needed, and at most as often as it is needed.
pub trait Passphrase {
    /// A passphrase for a new vault; `None`: the vault gets none, and other devices need an identity.
    ///
    /// # Errors
    /// None can be had, or the person gave up.
    fn choose(&mut self) -> Result<Option<SecretString>>;

    /// The passphrase of the vault that is being joined.
    ///
    /// # Errors
    /// As [`Passphrase::choose`].
    fn enter(&mut self) -> Result<SecretString>;
}

/// What the person asked for.
pub struct InitOptions {
    /// The remote; `None` with `local`.
    pub url: Option<String>,
    /// Make the remote a bare repository in the data folder.
    pub local: bool,
    /// This device's name.
    pub device: DeviceName,
    /// An identity to bring, instead of making one.
    pub identity: Option<PathBuf>,
    /// Where Claude Code keeps its data, when not in its usual place.
    pub claude: Option<PathBuf>,
}

/// What `init` did.
#[derive(Debug)]
pub struct Initialised {
    /// The vault.
    pub vault: VaultId,
    /// The remote.
    pub remote: String,
    /// Whether the vault is new; else this machine joined it.
    pub new: bool,
    /// The names of the members, this device among them.
    pub members: Vec<String>,
    /// Where the device identity is; `None` where `CSYNC_IDENTITY` holds it.
    pub identity: Option<PathBuf>,
    /// Whether a passphrase opens the vault.
    pub passphrase: bool,
}

/// How often a member is added again after another machine pushed first.
const JOIN_TRIES: usize = 8;

/// Runs `init`.
///
/// # Errors
/// [`Kind::Key`] where neither identity nor passphrase opens the vault: nothing was written then. A remote that holds something
/// else than a vault is refused.
pub fn init(context: &Context<'_>, options: &InitOptions, passphrase: &mut dyn Passphrase) -> Result<Initialised> {
    let paths = &context.paths;
    if let Some(remote) = &context.config.remote
        && context.config.vault.is_some()
        && paths.mirror().exists()
        // Who lost the key joins again, with the passphrase.
        && (paths.identity_file().exists() || in_environment(context))
    {
        return Err(Error::new(
            Kind::Usage,
            format!("this machine is already part of the vault at {remote}"),
        )
        .hint("run `csync sync`; to start over, move the folders away that `csync config path` shows"));
    }
    let url = match (&options.url, options.local) {
        (Some(url), false) => absolute(url)?,
        (None, true) => paths.embedded_remote().to_string_lossy().into_owned(),
        _ => {
            return Err(Error::new(Kind::Usage, "where is the vault?")
                .hint("give the URL of an empty private Git repository, or --local to try it without a server"));
        }
    };
    let mut settings = vec![
        ("remote", vec![url.clone()]),
        ("device", vec![options.device.to_string()]),
    ];
    // Where the agent keeps its data is written down also when a variable said so: a run that lacks the variable (from cron, a
    // hook) would take another folder for this one, and what is not in it for deleted.
    let from_variable = context.environment.variable("CLAUDE_CONFIG_DIR").is_some();
    let claude = options
        .claude
        .as_ref()
        .or_else(|| from_variable.then_some(&context.config.claude.path));
    if let Some(claude) = claude {
        settings.push(("claude.path", vec![claude.to_string_lossy().into_owned()]));
    }
    // A password in the URL, or a configuration that cannot be read, is told before the remote has a vault.
    super::settings::edited(context, &settings)?;
    // Two runs at once would take each other's folder away, and the later one would overwrite the identity that alone opens
    // the vault of the earlier one. So nothing is looked at before the lock is held.
    let was_here = paths.state_dir.exists();
    let lock = Lock::acquire(&paths.state_dir, context.lock_wait, "init")?;
    let done = init_alone(context, options, passphrase, &url, settings);
    if done.is_err() && !was_here {
        // A refused `init` leaves nothing behind, not even this.
        lock.discard();
    }
    done
}

/// The part of [`init`] during which no other run is at work.
fn init_alone(
    context: &Context<'_>,
    options: &InitOptions,
    passphrase: &mut dyn Passphrase,
    url: &str,
    mut settings: Vec<(&str, Vec<String>)>,
) -> Result<Initialised> {
    let paths = &context.paths;
    let identity = identity_at_hand(context, options)?;
    // Everything that may ask, fail or be refused happens in a folder that is not yet the mirror.
    let scratch = Scratch::new(paths.mirror().with_extension("new"))?;
    let fresh = Mirror::create(&scratch.0)?;
    let embedded = options.local && !paths.embedded_remote().exists();
    if embedded {
        mirror::create_bare(&paths.embedded_remote())?;
    }
    let mut remote = mirror::connect(url)?;
    let fetched = remote.fetch(&fresh)?;
    let opened = match fetched {
        None => None,
        Some(tip) => Some(open_remote_vault(&fresh, tip, identity.as_ref(), passphrase)?),
    };

    let identity = identity.unwrap_or_else(DeviceIdentity::generate);
    let new_passphrase = if opened.is_none() { passphrase.choose()? } else { None };
    // The identity is safe on disk before anything is wrapped for it.
    let is_file = options.identity.is_some() || !in_environment(context);
    if is_file && !paths.identity_file().exists() {
        write_private(
            &paths.identity_file(),
            secrecy::ExposeSecret::expose_secret(&identity.to_file_text()).as_bytes(),
        )?;
    }
    let new = opened.is_none();
    let (opened, members) = match opened {
        None => found(
            context,
            &fresh,
            remote.as_mut(),
            options,
            &identity,
            new_passphrase.as_ref(),
        )?,
        Some(opened) => join(context, &fresh, remote.as_mut(), options, &identity, opened)?,
    };
    let vault = opened.id();
    // What a refused or killed attempt left behind is not the vault that was joined now.
    if paths.mirror().exists() {
        let old = paths
            .mirror()
            .with_extension(format!("old-{}", context.clock.now().timestamp()));
        std::fs::rename(paths.mirror(), &old).map_err(|source| cannot_place(&old, source))?;
    }
    drop(fresh);
    std::fs::rename(&scratch.0, paths.mirror()).map_err(|source| cannot_place(&paths.mirror(), source))?;
    settings.push(("vault", vec![vault.to_string()]));
    super::settings::write(context, &settings)?;
    Ok(Initialised {
        vault,
        remote: remote.location(),
        new,
        passphrase: members.iter().any(|member| member.kind == MemberKind::Passphrase),
        members: members.into_iter().map(|member| member.name).collect(),
        identity: is_file.then(|| paths.identity_file()),
    })
}

/// Whether the environment holds this device's identity, so that no file has to.
fn in_environment(context: &Context<'_>) -> bool {
    context.environment.secret("CSYNC_IDENTITY").is_some()
}

/// The identity that this device is to have, where it has one: brought by the person, or there from before.
fn identity_at_hand(context: &Context<'_>, options: &InitOptions) -> Result<Option<DeviceIdentity>> {
    let file = context.paths.identity_file();
    let Some(brought) = &options.identity else {
        let there = in_environment(context) || file.exists();
        return there.then(|| device_identity(context)).transpose();
    };
    let brought = read_identity(brought)?;
    // Later runs read the file: with another identity in it, they could not open what is wrapped for the brought one.
    if file.exists() && read_identity(&file)?.recipient() != brought.recipient() {
        return Err(Error::new(
            Kind::Usage,
            format!("this device already has another identity, in {}", file.display()),
        )
        .hint("leave --identity out to use that one, or move that file away first"));
    }
    Ok(Some(brought))
}

/// A folder that goes away unless it was renamed.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: PathBuf) -> Result<Self> {
        if folder.exists() {
            // Left by an attempt that was killed: it never was the mirror.
            std::fs::remove_dir_all(&folder).map_err(|source| cannot_place(&folder, source))?;
        }
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn cannot_place(folder: &Path, source: std::io::Error) -> Error {
    Error::new(
        Kind::General,
        format!("cannot put the mirror in its place at {}", folder.display()),
    )
    .hint("look at the permissions and the space of that folder")
    .caused_by(source)
}

/// Paths are made absolute, so that the vault is found from every folder.
fn absolute(url: &str) -> Result<String> {
    if url.contains("://") || !Path::new(url).exists() {
        return Ok(url.to_owned());
    }
    let path = Path::new(url)
        .canonicalize()
        .map_err(|source| Error::new(Kind::Usage, format!("cannot use {url} as the remote")).caused_by(source))?;
    Ok(path.to_string_lossy().into_owned())
}

/// The vault that the remote holds, opened.
struct RemoteVault {
    vault: Vault,
    tip: CommitId,
    /// The wrap that this device's identity opens; `None` where it was the passphrase.
    member: Option<KeyId>,
}

fn open_remote_vault(
    mirror: &Mirror,
    tip: CommitId,
    identity: Option<&DeviceIdentity>,
    passphrase: &mut dyn Passphrase,
) -> Result<RemoteVault> {
    let tree = mirror.commit(tip)?.tree;
    let vault = vault_id(mirror, tree)?;
    if let Some(identity) = identity
        && let Some((member, key)) = unwrap_with_identity(mirror, tree, identity)?
    {
        return check(
            mirror,
            RemoteVault {
                vault: Vault::new(key),
                tip,
                member: Some(member),
            },
            vault,
        );
    }
    let mut by_passphrase = Vec::new();
    for (_, wrap) in wraps(mirror, tree)? {
        // A damaged one may be anybody's: the others are still tried.
        if matches!(vault::wrap_kind(&wrap), Ok(WrapKind::Passphrase)) {
            by_passphrase.push(wrap);
        }
    }
    if by_passphrase.is_empty() {
        return Err(Error::new(
            Kind::Key,
            "the vault has no passphrase, and this device's identity opens no wrap of its key",
        )
        .hint("bring the identity of a member with --identity FILE"));
    }
    let entered = passphrase.enter()?;
    for wrap in by_passphrase {
        if let Some(key) = vault::unwrap_with_passphrase(&wrap, &entered)? {
            return check(
                mirror,
                RemoteVault {
                    vault: Vault::new(key),
                    tip,
                    member: None,
                },
                vault,
            );
        }
    }
    Err(Error::new(Kind::Key, "the passphrase does not open this vault")
        .hint("check it and try again; nothing was written"))
}

fn check(mirror: &Mirror, opened: RemoteVault, vault: VaultId) -> Result<RemoteVault> {
    if opened.vault.id() != vault {
        return Err(Error::new(
            Kind::Damaged,
            format!(
                "the remote says that it is vault {vault}, but its key is that of vault {}",
                opened.vault.id()
            ),
        )
        .hint("the host mixes two vaults: nothing was written"));
    }
    verify_history(mirror, &opened.vault, opened.tip, None)?;
    Ok(opened)
}

/// Makes a new vault and pushes its first commit.
fn found(
    context: &Context<'_>,
    mirror: &Mirror,
    remote: &mut dyn Remote,
    options: &InitOptions,
    identity: &DeviceIdentity,
    passphrase: Option<&SecretString>,
) -> Result<(Vault, Vec<Member>)> {
    let vault = Vault::new(VaultKey::generate());
    let mut writer = mirror.writer()?;
    let mut edits = Vec::new();
    let mut put = |path: String, bytes: &[u8]| -> Result<()> {
        let blob = writer.blob(bytes)?;
        edits.push(TreeEdit {
            path,
            entry: Some(Put::Blob(blob)),
        });
        Ok(())
    };
    put(layout::VAULT_JSON.to_owned(), &vault::vault_json(vault.id()))?;
    let mut members = vec![device_member(context, options, identity)];
    put(
        layout::key_path(members[0].key),
        &vault::wrap_for_device(vault.key(), &identity.recipient())?,
    )?;
    if let Some(passphrase) = passphrase {
        let member = Member {
            key: vault::new_key_id(),
            name: "passphrase".to_owned(),
            kind: MemberKind::Passphrase,
            recipient: None,
            added: context.time_text(),
            by: options.device.to_string(),
        };
        put(
            layout::key_path(member.key),
            &vault::wrap_for_passphrase(vault.key(), passphrase)?,
        )?;
        members.push(member);
    }
    put(layout::MEMBERS.to_owned(), vault.seal_members(&members)?.bytes())?;
    put(
        layout::NOTE.to_owned(),
        vault.seal_note(&note(context, options, "init"))?.bytes(),
    )?;
    let tree = writer.tree(None, &edits)?;
    let message = vault.seal_commit(Generation::default().next(), tree, &[]);
    let commit = writer.commit(tree, &[], &message)?;
    writer.finish()?;
    match remote.push(mirror, None, commit)? {
        Push::Accepted => {}
        Push::LostRace => {
            return Err(
                Error::new(Kind::General, "another device made a vault there at this moment")
                    .hint("run the same command again: it will join that one"),
            );
        }
        Push::Rejected { reason } => {
            return Err(Error::new(
                Kind::Network,
                format!("the remote {} refused the push: {reason}", remote.location()),
            )
            .hint("look at the host's rules for the repository"));
        }
    }
    mirror.set(Pointer::Tip, None, commit)?;
    Ok((vault, members))
}

/// Adds this device to the members, unless it is one, and makes the verified tip this machine's.
fn join(
    context: &Context<'_>,
    mirror: &Mirror,
    remote: &mut dyn Remote,
    options: &InitOptions,
    identity: &DeviceIdentity,
    opened: RemoteVault,
) -> Result<(Vault, Vec<Member>)> {
    let RemoteVault { vault, mut tip, member } = opened;
    if member.is_some() {
        mirror.set(Pointer::Tip, None, tip)?;
        let members = members(mirror, &vault, mirror.commit(tip)?.tree)?;
        return Ok((vault, members));
    }
    let ours = device_member(context, options, identity);
    let wrap = vault::wrap_for_device(vault.key(), &identity.recipient())?;
    for _ in 0..JOIN_TRIES {
        let parent = mirror.commit(tip)?;
        let mut members = members(mirror, &vault, parent.tree)?;
        members.push(ours.clone());
        let mut writer = mirror.writer()?;
        let mut edits = Vec::new();
        for (path, bytes) in [
            (layout::key_path(ours.key), wrap.as_slice()),
            (layout::MEMBERS.to_owned(), vault.seal_members(&members)?.bytes()),
            (
                layout::NOTE.to_owned(),
                vault.seal_note(&note(context, options, "join"))?.bytes(),
            ),
        ] {
            edits.push(TreeEdit {
                path,
                entry: Some(Put::Blob(writer.blob(bytes)?)),
            });
        }
        let tree = writer.tree(Some(parent.tree), &edits)?;
        let message = vault.seal_commit(generation_of(&parent.message)?.next(), tree, &[tip]);
        let commit = writer.commit(tree, &[tip], &message)?;
        writer.finish()?;
        match remote.push(mirror, Some(tip), commit)? {
            Push::Accepted => {
                mirror.set(Pointer::Tip, None, commit)?;
                return Ok((vault, members));
            }
            Push::Rejected { reason } => {
                return Err(Error::new(
                    Kind::Network,
                    format!("the remote {} refused the push: {reason}", remote.location()),
                )
                .hint("joining adds this device to the vault's members, so the repository must allow pushes"));
            }
            Push::LostRace => {
                tip = remote.fetch(mirror)?.ok_or_else(|| {
                    Error::new(Kind::Rollback, format!("the remote {} became empty", remote.location()))
                })?;
                verify_history(mirror, &vault, tip, None)?;
            }
        }
    }
    Err(Error::new(Kind::Network, "other devices kept pushing first").hint("run the same command again in a moment"))
}

fn device_member(context: &Context<'_>, options: &InitOptions, identity: &DeviceIdentity) -> Member {
    Member {
        key: vault::new_key_id(),
        name: options.device.to_string(),
        kind: MemberKind::Device,
        recipient: Some(identity.recipient()),
        added: context.time_text(),
        by: options.device.to_string(),
    }
}

fn note(context: &Context<'_>, options: &InitOptions, operation: &str) -> Note {
    Note {
        device: options.device.clone(),
        time: context.time_text(),
        operation: operation.to_owned(),
        added: 0,
        changed: 0,
        deleted: 0,
    }
}

/// The members that a tree lists.
///
/// # Errors
/// A missing or damaged list.
pub(super) fn members(mirror: &Mirror, vault: &Vault, tree: TreeId) -> Result<Vec<Member>> {
    match mirror.entry(tree, layout::MEMBERS)? {
        Some(Entry::Blob(blob)) => Ok(vault.open_members(&mirror.blob(blob, limits::MEMBERS_BLOB)?)?),
        _ => Err(Error::new(Kind::Damaged, "the vault's list of members is missing")
            .hint("another device may still hold it: run `csync sync` there")),
    }
}

impl super::open::OpenVault {
    /// The members that a tree lists.
    ///
    /// # Errors
    /// A missing or damaged list.
    pub(super) fn members(&self, tree: TreeId) -> Result<Vec<Member>> {
        members(&self.mirror, &self.vault, tree)
    }
}
