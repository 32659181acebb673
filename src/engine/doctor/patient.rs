//! What the checks look at, gathered once: what stands on this machine, and nothing of it changed.

use chrono::{DateTime, Utc};

use super::DoctorOptions;
use crate::core::id::{CommitId, TreeId};
use crate::engine::context::Context;
use crate::engine::open::{Joined, joined, parse_identity, unwrap_with_identity, vault_id};
use crate::error::{Error, Kind, Result};
use crate::mirror::{Entry, Mirror, Pointer};
use crate::state::{Holder, Index, Lock};
use crate::vault::{DeviceIdentity, Note, Vault, layout, limits};

/// This machine, as the doctor finds it.
pub(super) struct Patient<'a> {
    /// Places, settings, clock and the world around.
    pub context: &'a Context<'a>,
    /// What the person asked for.
    pub options: &'a DoctorOptions,
    /// What the configuration says of the vault that was joined; none where it says nothing.
    pub joined: Option<Joined>,
    /// The run that is at work now, and what it said of itself.
    pub busy: Option<Option<Holder>>,
    /// The mirror; none where there is none.
    pub mirror: Option<Result<Mirror>>,
    /// The device identity; none where there is none.
    pub identity: Option<Result<DeviceIdentity>>,
    /// When this machine last synced.
    pub last_sync: Option<DateTime<Utc>>,
    /// The present.
    pub now: DateTime<Utc>,
}

impl<'a> Patient<'a> {
    /// Looks at what is here.
    pub fn gather(context: &'a Context<'a>, options: &'a DoctorOptions) -> Self {
        let paths = &context.paths;
        let folder = paths.mirror();
        Self {
            context,
            options,
            joined: joined(&context.config).ok(),
            busy: Lock::held(&paths.lock_dir()),
            mirror: folder.exists().then(|| Mirror::look(&folder).map_err(Error::from)),
            identity: identity(context),
            last_sync: Index::look(&paths.index_file(), "last-sync")
                .and_then(|text| DateTime::parse_from_rfc3339(&text).ok())
                .map(|time| time.with_timezone(&Utc)),
            now: context.clock.now(),
        }
    }

    /// The mirror, where there is a good one.
    pub fn good_mirror(&self) -> Option<&Mirror> {
        self.mirror.as_ref()?.as_ref().ok()
    }

    /// The tip that the mirror has and its tree, where both can be read.
    pub fn tip(&self) -> Option<(CommitId, TreeId)> {
        let mirror = self.good_mirror()?;
        let tip = mirror.get(Pointer::Tip).ok()??;
        Some((tip, mirror.commit(tip).ok()?.tree))
    }

    /// The vault, opened with the device identity; none where something for it is missing, which other checks tell.
    ///
    /// # Errors
    /// The identity opens nothing, or what it opens is not the vault that was joined.
    pub fn vault(&self) -> Option<Result<Vault>> {
        let (mirror, (_, tree)) = (self.good_mirror()?, self.tip()?);
        let identity = self.identity.as_ref()?.as_ref().ok()?;
        let open = || {
            let found = vault_id(mirror, tree)?;
            if let Some(joined) = &self.joined
                && joined.vault != found
            {
                return Err(Error::new(
                    Kind::Key,
                    format!(
                        "the mirror holds vault {found}, but this machine joined vault {}",
                        joined.vault
                    ),
                ));
            }
            match unwrap_with_identity(mirror, tree, identity)? {
                Some((_, key)) if key.vault_id() == found => Ok(Vault::new(key)),
                Some(_) => Err(Error::new(
                    Kind::Key,
                    "the device identity opens the key of another vault",
                )),
                None => Err(Error::new(
                    Kind::Key,
                    "the device identity opens no wrap of the vault key: it is another one, or the device was removed from the vault",
                )),
            }
        };
        Some(open())
    }

    /// What the newest commit that is known here says of itself.
    pub fn newest_note(&self) -> Option<Note> {
        let vault = self.vault()?.ok()?;
        let (mirror, (_, tree)) = (self.good_mirror()?, self.tip()?);
        let Some(Entry::Blob(blob)) = mirror.entry(tree, layout::NOTE).ok()? else {
            return None;
        };
        vault.open_note(&mirror.blob(blob, limits::NOTE_BLOB).ok()?).ok()
    }
}

/// The identity of the environment, else that of the file. Who may read the file is another check's question.
fn identity(context: &Context<'_>) -> Option<Result<DeviceIdentity>> {
    if let Some(text) = context.environment.secret("CSYNC_IDENTITY") {
        return Some(parse_identity(&text, "CSYNC_IDENTITY"));
    }
    let file = context.paths.identity_file();
    let place = file.display().to_string();
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(parse_identity(&text.into(), &place)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(Error::new(
            Kind::Key,
            format!(
                "cannot read the device identity {place}: {}",
                crate::error::reason(&error)
            ),
        )
        .caused_by(error))),
    }
}
