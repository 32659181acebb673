//! One file per use case; composes the rooms below.

mod absence;
mod agreement;
mod apply;
mod beside;
mod conflicts;
mod connect;
mod content;
mod context;
mod cutting;
mod demo;
mod diff;
mod doctor;
mod fetch;
mod founding;
mod heads;
mod hosting;
mod init;
mod items;
mod merges;
mod open;
mod outgoing;
mod patience;
mod preview;
mod projects;
mod rejections;
mod remote;
mod report;
mod seal;
mod selection;
mod sending;
mod settings;
mod status;
mod steps;
mod survey;
mod sync;
mod titles;
mod versions;

pub use crate::mirror::Carrier;
pub use absence::Absence;
pub use conflicts::{ConflictItem, Conflicts, Keep};
pub use connect::{prepare, relay_credential};
pub use context::{Clock, Context, SystemClock};
pub use demo::{HostBlob, HostView, create_remote, host_view, project_folder};
pub use diff::{Difference, diff};
pub use doctor::{DoctorOptions, Finding, Level, doctor};
pub use init::{InitOptions, Initialised, Passphrase, init};
pub use open::{OpenVault, joined};
pub use remote::{
    Examination, Holds, MoveOptions, Moved, RemoteFacts, examine as examine_remote, remote_facts, set_url,
};
pub use report::{Action, Item, Report, Trouble};
pub use selection::{Request, Selection};
pub use settings::write as write_settings;
pub use status::{Status, Waiting, status};
pub use sync::{Direction, LARGEST_PUSH, SyncOptions, sync, sync_with};
pub use titles::Title;

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;
