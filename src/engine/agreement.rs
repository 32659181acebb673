//! What this machine and the vault agree on: the base in the mirror, and the index that remembers it.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::Settled;
use super::context::Context;
use super::heads::HeadChanges;
use super::open::OpenVault;
use super::steps::{BASE_KEY, Steps};
use super::survey::{LocalFile, Survey};
use crate::core::id::{CommitId, FileId, TreeId};
use crate::core::path::LogicalPath;
use crate::core::stat::{Stat, Timestamp};
use crate::error::Result;
use crate::mirror::{Pointer, TreeEdit};
use crate::state::{Agreed, Row};

impl OpenVault {
    /// Moves the base of what was settled to the vault's version, and keeps the old one of everything else.
    pub(super) fn settle(
        &mut self,
        context: &Context<'_>,
        steps: &Steps,
        survey: &mut Survey,
        base: &mut BTreeMap<LogicalPath, Agreed>,
        settled: Settled,
    ) -> Result<()> {
        for (path, agreed) in &settled.paths {
            let step = steps.steps.get(path);
            match step.and_then(|step| step.remote.as_ref()) {
                Some(version) => {
                    let hash = agreed.unwrap_or(version.head.hash);
                    base.insert(
                        path.clone(),
                        Agreed {
                            head: version.blob,
                            hash,
                        },
                    );
                }
                None => {
                    base.remove(path);
                }
            }
        }
        self.set_base(base)?;
        if !settled.written.is_empty() {
            trust_what_was_written(context, self, survey, settled.written.iter())?;
        }
        Ok(())
    }

    /// Points the base at a tree that holds `base`: the tip's, with the old versions of what is not settled.
    pub(super) fn set_base(&self, base: &BTreeMap<LogicalPath, Agreed>) -> Result<()> {
        self.set_base_on(base, self.tip()?, &HeadChanges::new())
    }

    /// As [`Self::set_base`], upon the given state of the vault, whose versions of the files in `given_back` are taken whether or not
    /// their heads can be opened.
    pub(super) fn set_base_on(
        &self,
        base: &BTreeMap<LogicalPath, Agreed>,
        (tip, tip_tree): (CommitId, TreeId),
        given_back: &HeadChanges,
    ) -> Result<()> {
        let old = self.mirror.get(Pointer::Base)?;
        let old_tree = self.base_tree()?;
        let agreed: BTreeMap<FileId, &Agreed> = base
            .iter()
            .map(|(path, agreed)| (self.vault.file_id(path), agreed))
            .collect();
        let mut edits: Vec<TreeEdit> = Vec::new();
        for (id, (_, now)) in self.head_changes(old_tree, Some(tip_tree))? {
            let wanted = agreed.get(&id).map(|agreed| agreed.head);
            if wanted == now || given_back.contains_key(&id) {
                continue;
            }
            // Neither settled nor known: also a head that cannot be opened keeps the version that was agreed on before.
            edits.extend(self.restore_base(id, old_tree)?);
        }
        let new = if edits.is_empty() {
            tip
        } else {
            let mut writer = self.mirror.writer()?;
            let tree = writer.tree(Some(tip_tree), &edits)?;
            if old_tree == Some(tree) {
                return Ok(());
            }
            let commit = writer.commit(tree, &[tip], "csync base")?;
            writer.finish()?;
            commit
        };
        if old != Some(new) {
            self.mirror.set(Pointer::Base, old, new)?;
        }
        Ok(())
    }

    /// Makes the index say what is here and what is agreed. Only differences are written.
    pub(super) fn remember(&mut self, survey: &Survey, base: &BTreeMap<LogicalPath, Agreed>) -> Result<()> {
        let mut old: BTreeMap<LogicalPath, Row> = self
            .index
            .rows()?
            .into_iter()
            .map(|row| (row.path.clone(), row))
            .collect();
        let troubled: BTreeSet<&LogicalPath> = survey
            .troubles
            .iter()
            .filter_map(|trouble| trouble.path.as_ref())
            .collect();
        let mut upserts = Vec::new();
        let paths: BTreeSet<&LogicalPath> = survey.files.keys().chain(base.keys()).collect();
        for path in paths {
            let agreed = base.get(path).copied();
            let before = old.remove(path);
            let row = match (survey.files.get(path), &before) {
                (Some(file), _) => row(file, agreed),
                // Not here any more, or not readable now: what was known of it is kept.
                (None, Some(before)) => Row {
                    agreed,
                    ..before.clone()
                },
                (None, None) => absent(path, agreed.expect("it is here or agreed on")),
            };
            if before.as_ref() != Some(&row) {
                upserts.push(row);
            }
        }
        let removals: Vec<LogicalPath> = old.into_keys().filter(|path| !troubled.contains(path)).collect();
        if !upserts.is_empty() || !removals.is_empty() {
            self.index.write(&upserts, &removals)?;
        }
        self.remember_which_base()
    }

    /// As [`Self::remember`], where what is here was not looked at.
    pub(super) fn remember_base(&mut self, base: &BTreeMap<LogicalPath, Agreed>) -> Result<()> {
        let mut rows: BTreeMap<LogicalPath, Row> = self
            .index
            .rows()?
            .into_iter()
            .map(|row| (row.path.clone(), row))
            .collect();
        let mut upserts = Vec::new();
        for (path, agreed) in base {
            if !rows.contains_key(path) {
                upserts.push(absent(path, *agreed));
            }
        }
        rows.retain(|path, row| row.agreed != base.get(path).copied());
        upserts.extend(rows.into_values().map(|row| Row {
            agreed: base.get(&row.path).copied(),
            ..row
        }));
        self.index.write(&upserts, &[])?;
        self.remember_which_base()
    }

    /// Makes the index say which base its rows are of.
    fn remember_which_base(&mut self) -> Result<()> {
        let base = self.mirror.get(Pointer::Base)?.map(|id| id.to_string());
        if let Some(base) = base
            && self.index.meta(BASE_KEY)?.as_ref() != Some(&base)
        {
            self.index.set_meta(BASE_KEY, &base)?;
        }
        Ok(())
    }
}

fn row(file: &LocalFile, agreed: Option<Agreed>) -> Row {
    Row {
        path: file.path.clone(),
        relative: file.relative.clone(),
        stat: file.stat,
        seen: file.seen,
        hash: file.hash,
        size: file.size,
        agreed,
    }
}

/// A row for what is agreed on and not here: no stat that a file could have.
fn absent(path: &LogicalPath, agreed: Agreed) -> Row {
    let stat = Stat {
        size: 0,
        modified: Timestamp(0),
        changed: Timestamp(0),
        inode: 0,
        mode: 0,
    };
    Row {
        path: path.clone(),
        relative: String::new(),
        stat,
        seen: Timestamp(0),
        hash: agreed.hash,
        size: 0,
        agreed: Some(agreed),
    }
}

/// What csync wrote itself need not be read again by the next run: after a tick of the clock, a file whose stat is still that of
/// the write holds what was written. Of a file that was only read this is not known: it may have changed within the tick in which it
/// was read, after that.
fn trust_what_was_written<'p>(
    context: &Context<'_>,
    open: &OpenVault,
    survey: &mut Survey,
    written: impl Iterator<Item = &'p LogicalPath>,
) -> Result<()> {
    context.clock.wait(Stat::TICK);
    for path in written {
        let Some((_, source)) = open.source_of(path) else {
            continue;
        };
        let Some(file) = survey.files.get_mut(path) else {
            continue;
        };
        let seen = context.timestamp();
        if file.stat.is_racy(file.seen) && source.root.stat(&file.relative)? == Some(file.stat) {
            file.seen = seen;
        }
    }
    Ok(())
}
