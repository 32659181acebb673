//! What is told of a path: its title, project, size and device, and why it waits.

use super::open::OpenVault;
use super::report::{Action, Item};
use super::steps::{Hold, Step};
use super::survey::Survey;
use super::titles::Title;
use crate::core::kind::FileKind;
use crate::core::origin::Project;
use crate::core::path::LogicalPath;

impl OpenVault {
    /// What to tell of a step that waits; `None` where the person asked for other paths only.
    pub(super) fn held_item(&self, step: &Step, hold: &Hold, survey: &Survey) -> Option<Item> {
        let note = match hold {
            Hold::NotSelected | Hold::Trouble => return None,
            Hold::Live => "an agent has this session open; it is brought up to date once the agent is done".to_owned(),
            Hold::Elsewhere(other) => {
                format!("the session already stands at {other} here; under two folders no agent would find it")
            }
        };
        Some(self.item(&step.path, Some(step), Action::Held, Some(note), survey))
    }

    /// The item for a path, with what makes it recognisable.
    pub(super) fn item(
        &self,
        path: &LogicalPath,
        step: Option<&Step>,
        action: Action,
        note: Option<String>,
        survey: &Survey,
    ) -> Item {
        let head = step.and_then(|step| step.remote.as_ref()).map(|version| &version.head);
        let local = survey
            .files
            .get(path)
            .or_else(|| step.and_then(|step| step.local.as_ref()));
        let open = self.source_of(path).map(|(_, open)| open);
        let session = open.and_then(|open| open.source.session_of(path.relative()));
        let project = open
            .and_then(|open| open.source.project_folder(path.relative()))
            .map(|folder| {
                let here = local.zip(self.source_of(path)).and_then(|(local, (number, open))| {
                    survey.project(number, open.source.project_folder(&local.relative)?)
                });
                project_name(folder, head.and_then(|head| head.origin.project.as_ref()).or(here))
            });
        let title = match (local, open, &session) {
            (Some(local), Some(open), Some(_)) if local.kind == FileKind::Transcript => {
                Title::of(open.root.path().join(&local.relative))
            }
            _ => Title::default(),
        };
        Item {
            path: path.clone(),
            action,
            size: local
                .map(|local| local.size)
                .or_else(|| head.map(|head| head.size))
                .unwrap_or(0),
            session,
            title,
            project,
            device: head.map(|head| head.origin.device.to_string()),
            note,
        }
    }
}

/// What to call a project: its path under the home folder where it is known, else its folder's name.
fn project_name(folder: &str, project: Option<&Project>) -> String {
    match project.and_then(|project| project.home_relative.as_deref()) {
        Some(relative) => format!("~/{relative}"),
        None => folder.to_owned(),
    }
}
