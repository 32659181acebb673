//! `diff`: what differs between here and the vault.

use super::content::{Version, read_content};
use super::context::Context;
use super::open::OpenVault;
use super::report::{Action, Item};
use super::selection::Selection;
use super::steps::Step;
use super::survey::{Survey, open_file};
use crate::core::kind::FileKind;
use crate::core::plan::Decision;
use crate::core::stat::Timestamp;
use crate::error::Result;

/// Two versions of a path, to compare.
#[derive(Debug)]
pub struct Difference {
    /// What it is.
    pub item: Item,
    /// What kind of file it is.
    pub kind: FileKind,
    /// The local version, and its time.
    pub local: Option<(Vec<u8>, Timestamp)>,
    /// The vault's version, its time and its device.
    pub remote: Option<(Vec<u8>, Timestamp, String)>,
}

impl OpenVault {
    /// Both versions of a path, as a person would compare them.
    pub(super) fn difference(&mut self, step: &Step, survey: &Survey) -> Result<Difference> {
        let local = match &step.local {
            Some(local) => {
                let (_, source) = self.source_of(&step.path).expect("the step was made for a source");
                let bytes = match open_file(&source.root, &step.relative)? {
                    Some(_) => self.read_local(step)?,
                    None => Vec::new(),
                };
                Some((bytes, local.stat.modified))
            }
            None => None,
        };
        let remote = match &step.remote {
            Some(version) => {
                let bytes = read_content(&self.mirror, &self.vault, version)?;
                Some((bytes, version.head.modified, version.head.origin.device.to_string()))
            }
            None => None,
        };
        let item = self.item(&step.path, Some(step), Action::Held, None, survey);
        Ok(Difference {
            item,
            kind: step.kind,
            local,
            remote,
        })
    }
}

/// Runs `diff`: what differs between here and the vault, as far as this machine has seen it.
///
/// # Errors
/// Whatever stops the whole.
pub fn diff(
    context: &Context<'_>,
    selection: &Selection,
    each: &mut dyn FnMut(Difference) -> Result<()>,
) -> Result<()> {
    let mut open = OpenVault::open(context, "diff")?;
    let survey = open.survey(context)?;
    let steps = open.steps(&survey, selection)?;
    for mut step in steps.steps.into_values() {
        let quiet = matches!(step.decision, Decision::Agree | Decision::Forget | Decision::Evicted);
        if quiet || step.hold == Some(super::steps::Hold::NotSelected) {
            continue;
        }
        // Where the vault is as the base, the base is the other side.
        if step.remote.is_none()
            && let (Some(base), Some(tree)) = (step.base, steps.base)
            && matches!(step.decision, Decision::Send | Decision::DeleteThere)
        {
            let head = open.open_head(open.vault.file_id(&step.path), base.head)?;
            step.remote = Some(Version {
                tree,
                blob: base.head,
                head,
            });
        }
        each(open.difference(&step, &survey)?)?;
    }
    Ok(())
}
