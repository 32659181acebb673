//! `init`: a new vault in an empty remote, or this machine joins the one that is there.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::context::Context;
use super::founding::{found, join, open_remote_vault};
use super::hosting;
use super::open::{device_identity, read_identity};
use crate::core::device::DeviceName;
use crate::core::id::VaultId;
use crate::error::{Error, Kind, Result};
use crate::local::write_private;
use crate::mirror::{self, Mirror};
use crate::state::Lock;
use crate::vault::{DeviceIdentity, MemberKind};

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
    /// The remote, or `github:NAME` or `gitlab:NAME`, which is made where it does not exist; `None` with `local`.
    pub url: Option<String>,
    /// Take a repository that the host says others can read.
    pub allow_public: bool,
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
    let mut made = None;
    let url = match (&options.url, options.local) {
        (Some(url), false) => {
            let resolved = hosting::resolve(context, url, options.allow_public)?;
            made = resolved.made;
            absolute(&resolved.url)?
        }
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
    if let (Err(_), Some(place)) = (&done, &made) {
        context.questions.tell(&format!(
            "The repository {place} stays, and is empty: run the same command again to use it."
        ));
    }
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
    let mut remote = super::connect::connect(context, url)?;
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
        // Two in one second must not be in each other's way.
        let now = context.clock.now().timestamp();
        let old = (0..)
            .map(|later| paths.mirror().with_extension(format!("old-{}", now + later)))
            .find(|old| !old.exists())
            .expect("one of all the seconds to come is free");
        std::fs::rename(paths.mirror(), &old).map_err(|source| cannot_place(&old, source))?;
    }
    drop(fresh);
    std::fs::rename(&scratch.0, paths.mirror()).map_err(|source| cannot_place(&paths.mirror(), source))?;
    settings.push(("vault", vec![vault.to_string()]));
    super::settings::write(context, &settings)?;
    super::connect::remember_carrier(context, remote.as_ref());
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
pub(super) fn absolute(url: &str) -> Result<String> {
    if url.contains("://") || !Path::new(url).exists() {
        return Ok(url.to_owned());
    }
    let path = Path::new(url)
        .canonicalize()
        .map_err(|source| Error::new(Kind::Usage, format!("cannot use {url} as the remote")).caused_by(source))?;
    Ok(path.to_string_lossy().into_owned())
}
