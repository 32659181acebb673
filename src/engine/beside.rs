//! Conflicts on disk: the vault's version stands beside the local file as `<name>.conflict.<YYYYMMDD-HHMMSS>`.

use std::io::Write;

use super::apply::Applied;
use super::content::{Version, write_content};
use super::context::Context;
use super::open::OpenVault;
use super::report::Action;
use super::steps::Step;
use super::survey::{Survey, hash_prefix, open_file};
use crate::core::id::ContentHash;
use crate::core::stat::Stat;
use crate::error::{Error, Kind, Result};
use crate::local::{self, Expected, Written};

/// How many names for a conflict file are tried.
const NAMES_TRIED: u8 = 60;

impl OpenVault {
    /// Sets the vault's version of a path beside the local file, unless it stands there already. The base stays.
    pub(super) fn set_beside(&mut self, context: &Context<'_>, step: &Step, why: &str) -> Result<Applied> {
        let version = step.remote.as_ref().ok_or_else(|| {
            Error::new(
                Kind::Damaged,
                format!("the vault's version of {} cannot be found", step.path),
            )
        })?;
        let note = why.to_owned();
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let mut stale = Vec::new();
        let mut there = false;
        for beside in local::conflict_files_of(&open.root, &step.relative) {
            match self.look_beside(step, &beside)? {
                Some((_, hash)) if hash == version.head.hash => there = true,
                Some((stat, hash)) if self.set_beside_before(&beside, hash)? => stale.push((beside, stat)),
                _ => {}
            }
        }
        if !there {
            self.write_beside(context, step, version)?;
        }
        // An older version of the vault, untouched since we set it there, says nothing that the newer one does not.
        for (beside, stat) in stale {
            let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
            open.root.remove(&beside, stat)?;
        }
        Ok(Applied::Waiting {
            action: Action::Conflict,
            note,
        })
    }

    fn write_beside(&mut self, context: &Context<'_>, step: &Step, version: &Version) -> Result<()> {
        // A name is of one second. Where that is taken, by a copy that a person edited for one, the next free one is.
        for later in 0..NAMES_TRIED {
            let name = format!("{}.conflict.{}", step.relative, context.conflict_suffix(later));
            let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
            let written = open.root.replace(
                &name,
                &Expected::Absent,
                version.head.mode & 0o600,
                Some(version.head.modified),
                &mut |out: &mut dyn Write| {
                    write_content(
                        &self.mirror,
                        &self.vault,
                        version,
                        0,
                        self.vault.hasher(&version.head.path),
                        out,
                    )
                },
            )?;
            if !matches!(written, Written::Moved) {
                return Ok(self
                    .index
                    .set_meta(&beside_key(&name), &version.head.hash.to_string())?);
            }
        }
        Err(Error::new(
            Kind::General,
            format!("{} has too many conflict files of this minute", step.relative),
        )
        .hint("move them away and run the same command again"))
    }

    /// A path that is settled needs no copies beside it: those that nobody touched hold what the vault's history has.
    pub(super) fn clear_beside(&self, step: &Step, survey: &Survey) -> Result<()> {
        let (number, open) = self.source_of(&step.path).expect("the step was made for a source");
        for (_, beside) in survey
            .conflict_files
            .iter()
            .filter(|(of, file)| *of == number && local::conflict_base(file) == Some(&step.relative))
        {
            if let Some((stat, hash)) = self.look_beside(step, beside)?
                && self.set_beside_before(beside, hash)?
            {
                open.root.remove(beside, stat)?;
            }
        }
        Ok(())
    }

    /// Whether a conflict file is as csync wrote it, going by the hash of what it holds now.
    pub(super) fn set_beside_before(&self, beside: &str, hash: ContentHash) -> Result<bool> {
        Ok(self.index.meta(&beside_key(beside))? == Some(hash.to_string()))
    }

    /// The hash that a file beside `step`'s would have as a version of it, and the stat it had before it was read: removing it by
    /// that stat never removes an edit that came in between. `None` where it is gone.
    pub(super) fn look_beside(&self, step: &Step, beside: &str) -> Result<Option<(Stat, ContentHash)>> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let Some(mut opened) = open_file(&open.root, beside)? else {
            return Ok(None);
        };
        let mut hasher = self.vault.hasher(&step.path);
        hash_prefix(&mut opened.file, beside, opened.stat.size, &mut hasher)?;
        Ok(Some((opened.stat, hasher.finalize())))
    }
}

fn beside_key(relative: &str) -> String {
    format!("beside:{relative}")
}
