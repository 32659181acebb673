//! `remote`: where the vault is kept, whether it can be reached, and moving it elsewhere.

mod examine;
mod moving;

use std::time::Duration;

pub use self::examine::{Examination, Holds, examine};
pub use self::moving::{MoveOptions, Moved, set_url};
use super::connect::switched;
use super::context::Context;
use super::open::{Joined, joined};
use crate::config::Origin;
use crate::core::device::DeviceName;
use crate::core::id::{CommitId, VaultId};
use crate::core::transport::{Timeouts, Transport};
use crate::error::Result;
use crate::mirror::{self, Mirror, Pointer, Road};
use crate::state::{Index, Switched};

/// What `remote show` tells. Asks no network and takes no lock.
#[derive(Debug)]
pub struct RemoteFacts {
    /// The address, without secrets.
    pub location: String,
    /// The road that leads there.
    pub road: Road,
    /// Which layer of the configuration the address came from.
    pub origin: Origin,
    /// What carries the exchange.
    pub transport: Transport,
    /// Which layer of the configuration said so.
    pub transport_origin: Origin,
    /// Why, and since when, the git command carries it although nothing but `auto` was configured.
    pub switched: Option<Switched>,
    /// The vault that this machine joined.
    pub vault: VaultId,
    /// This device.
    pub device: DeviceName,
    /// The last tip that this machine saw there and verified; none where the mirror has none or cannot be read.
    pub tip: Option<CommitId>,
    /// When this machine last synced, as RFC 3339.
    pub last_sync: Option<String>,
    /// How often what can succeed later is tried again.
    pub max_retries: u32,
    /// How long to wait before the first new try.
    pub backoff: Duration,
    /// How long the network may keep us waiting.
    pub timeouts: Timeouts,
}

/// Gathers what `remote show` tells.
///
/// # Errors
/// There is no vault on this machine yet, or its address is none.
pub fn remote_facts(context: &Context<'_>) -> Result<RemoteFacts> {
    let Joined { remote, vault, device } = joined(&context.config)?;
    let config = &context.config;
    Ok(RemoteFacts {
        location: mirror::location(&remote),
        road: mirror::road(&remote)?,
        origin: config.entry("remote")?.origin.clone(),
        transport: config.transport,
        transport_origin: config.entry("transport")?.origin.clone(),
        switched: switched(context, &remote).filter(|_| config.transport == Transport::Auto),
        vault,
        device,
        tip: known_tip(context),
        last_sync: Index::look(&context.paths.index_file(), "last-sync"),
        max_retries: config.max_retries,
        backoff: config.backoff,
        timeouts: config.timeouts,
    })
}

/// The tip that the mirror has, looked at without the lock.
fn known_tip(context: &Context<'_>) -> Option<CommitId> {
    let mirror = Mirror::look(&context.paths.mirror()).ok()?;
    mirror.get(Pointer::Tip).ok().flatten()
}
