//! The versions of one path: reading the local file, the base and the vault's, and writing one of them here.

use std::io::{Read, Seek, SeekFrom, Write};

use super::content::{Version, read_content, write_content};
use super::context::Context;
use super::open::OpenVault;
use super::steps::Step;
use super::survey::{LocalFile, cannot_read, hash_file, shareable};
use crate::core::id::ContentHash;
use crate::core::kind::FileKind;
use crate::core::merge;
use crate::core::stat::Stat;
use crate::error::{Error, Kind, Result};
use crate::local::{Expected, Root, Written};

impl OpenVault {
    /// The base of settings, for a merge with `theirs`. A key that this machine sends and another one keeps to itself is missing
    /// there without having been removed: it does not count as something that both agreed on.
    pub(super) fn base_of_settings(
        &mut self,
        step: &Step,
        base_tree: Option<crate::core::id::TreeId>,
        theirs: &[u8],
    ) -> Result<Option<Vec<u8>>> {
        let Some(base) = self.base_content(step, base_tree)? else {
            return Ok(None);
        };
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let sent = open.source.sent_keys(&step.relative).iter().map(String::as_str);
        let missing: Vec<&str> = sent
            .filter(|key| merge::json_without(theirs, &[key]).is_some_and(|without| merge::json_same(&without, theirs)))
            .collect();
        Ok(Some(merge::json_without(&base, &missing).unwrap_or(base)))
    }

    /// The vault's version of settings, without the keys that belong to this machine, whoever put them there.
    pub(super) fn incoming_settings(&self, step: &Step, version: &Version) -> Result<Vec<u8>> {
        let bytes = read_content(&self.mirror, &self.vault, version)?;
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        Ok(shareable(open, &step.relative, &bytes).unwrap_or(bytes))
    }

    /// The hash by which the file with this content agrees with what the vault has. Taken from what was written and not from the
    /// file: its agent may have written it again since, and that is a change to send.
    pub(super) fn synced_hash(&self, step: &Step, content: &[u8]) -> ContentHash {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let sent = match step.kind {
            FileKind::Json => shareable(open, &step.relative, content),
            _ => None,
        };
        let mut hasher = self.vault.hasher(&step.path);
        hasher.update(sent.as_deref().unwrap_or(content));
        hasher.finalize()
    }

    /// The whole local file in memory, at most what the survey saw of it.
    pub(super) fn read_local(&self, step: &Step) -> Result<Vec<u8>> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let size = step.local.as_ref().map_or(0, |local| local.stat.size);
        let opened = open.root.reader(&step.relative)?;
        let mut bytes = Vec::new();
        opened
            .file
            .take(size)
            .read_to_end(&mut bytes)
            .map_err(|source| cannot_read(&step.relative, source))?;
        Ok(bytes)
    }

    /// The content that both sides once agreed on, where there is one.
    pub(super) fn base_content(
        &mut self,
        step: &Step,
        base_tree: Option<crate::core::id::TreeId>,
    ) -> Result<Option<Vec<u8>>> {
        let (Some(base), Some(tree)) = (step.base, base_tree) else {
            return Ok(None);
        };
        let id = self.vault.file_id(&step.path);
        let head = self.open_head(id, base.head)?;
        let version = Version {
            tree,
            blob: base.head,
            head,
        };
        Ok(Some(read_content(&self.mirror, &self.vault, &version)?))
    }

    /// Writes a version of the vault over the local file, keeping an unfinished last line that is here. `None`: the file moved on.
    pub(super) fn write_version(
        &self,
        context: &Context<'_>,
        step: &Step,
        version: &Version,
    ) -> Result<Option<LocalFile>> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let head = &version.head;
        let (expected, mode, torn) = match &step.local {
            None => (Expected::Absent, head.mode, None),
            Some(local) => (
                Expected::File(local.stat),
                local.stat.mode,
                unfinished(&open.root, local)?,
            ),
        };
        let modified = if torn.is_some() { None } else { Some(head.modified) };
        let written = open
            .root
            .replace(&step.relative, &expected, mode, modified, &mut |out| {
                write_content(
                    &self.mirror,
                    &self.vault,
                    version,
                    0,
                    self.vault.hasher(&head.path),
                    out,
                )?;
                if let Some(torn) = &torn {
                    out.write_all(torn)
                        .map_err(|source| cannot_read(&step.relative, source))?;
                }
                context.check_stop()
            })?;
        let Written::Done(stat) = written else { return Ok(None) };
        let size = head.size + torn.as_ref().map_or(0, |torn| torn.len() as u64);
        if stat.size != size {
            return self.look_again(context, step).map(Some);
        }
        Ok(Some(self.local_file(context, step, stat, head.hash, head.size)))
    }

    /// Writes `content` over the local file. `None`: the file moved on.
    pub(super) fn write_bytes(
        &self,
        context: &Context<'_>,
        step: &Step,
        local: &LocalFile,
        content: &[u8],
    ) -> Result<Option<LocalFile>> {
        self.write_with(context, step, local, &mut |out| {
            out.write_all(content).map_err(|source| {
                Error::new(Kind::General, format!("cannot write {}", step.relative)).caused_by(source)
            })
        })
    }

    /// Writes what `fill` gives over the local file. `None`: the file moved on.
    pub(super) fn write_with(
        &self,
        context: &Context<'_>,
        step: &Step,
        local: &LocalFile,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>,
    ) -> Result<Option<LocalFile>> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let modified = step
            .remote
            .as_ref()
            .map(|version| version.head.modified.max(local.stat.modified));
        match open.root.replace(
            &step.relative,
            &Expected::File(local.stat),
            local.stat.mode,
            modified,
            fill,
        )? {
            Written::Done(_) => self.look_again(context, step).map(Some),
            Written::Moved => Ok(None),
        }
    }

    /// Looks at a file that was just written.
    pub(super) fn look_again(&self, context: &Context<'_>, step: &Step) -> Result<LocalFile> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let seen = context.timestamp();
        let (stat, hash, size) =
            hash_file(&self.vault, open, &step.path, &step.relative, step.kind)?.ok_or_else(|| {
                Error::new(
                    Kind::General,
                    format!("{} vanished after it was written", step.relative),
                )
            })?;
        Ok(LocalFile {
            seen,
            ..self.local_file(context, step, stat, hash, size)
        })
    }

    fn local_file(&self, context: &Context<'_>, step: &Step, stat: Stat, hash: ContentHash, size: u64) -> LocalFile {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let retention = open
            .source
            .classify(&step.relative)
            .map_or(crate::core::kind::Retention::Evict, |(_, r)| r);
        LocalFile {
            path: step.path.clone(),
            relative: step.relative.clone(),
            kind: step.kind,
            retention,
            stat,
            seen: context.timestamp(),
            hash,
            size,
        }
    }
}

/// The unfinished last line of a file that grows by lines: it is not in the vault, so whoever replaces the file carries it along.
pub(super) fn unfinished(root: &Root, local: &LocalFile) -> Result<Option<Vec<u8>>> {
    if !local.kind.grows_by_lines() || local.size >= local.stat.size {
        return Ok(None);
    }
    let mut file = root.reader(&local.relative)?.file;
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(local.size))
        .and_then(|_| file.take(local.stat.size - local.size).read_to_end(&mut bytes))
        .map_err(|source| cannot_read(&local.relative, source))?;
    Ok(Some(bytes))
}
