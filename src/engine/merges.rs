//! Merging one path: gathers the three sides with bounded memory, asks `core::merge`, writes the outcome.

use std::io::{Read, Seek, SeekFrom, Write};

use super::content::{Version, read_content, write_content};
use super::context::Context;
use super::open::OpenVault;
use super::projects::local_path;
use super::report::Action;
use super::steps::Step;
use super::survey::{LocalFile, Survey, cannot_read, hash_file, shareable};
use super::titles;
use super::versions::unfinished;
use crate::core::id::{ContentHash, TreeId};
use crate::core::kind::FileKind;
use crate::core::merge::{self, Conflict, Side, Sides};
use crate::core::path::LogicalPath;
use crate::core::plan::Decision;
use crate::error::{Error, Kind, Result};
use crate::local::{Expected, Written};
use crate::vault::{SegmentRef, layout};

/// What merging a path led to.
pub(super) enum Merged {
    /// The local file holds both sides now.
    Into {
        /// The file as it is here now.
        here: LocalFile,
        /// The hash by which it agrees with the vault's version; `None` where it holds more than that.
        agreed: Option<ContentHash>,
        /// Whether the file here was written.
        changed_here: bool,
        /// Whether a conversation became a session of its own.
        branched: bool,
    },
    /// It cannot be merged.
    Conflict(Conflict),
    /// The local file changed meanwhile.
    Moved,
}

/// The three sides of a small file, merged.
struct WholeOutcome {
    ours: Vec<u8>,
    merged: std::result::Result<Vec<u8>, Conflict>,
    same_as_theirs: bool,
}

/// The tails of a growing file, merged.
struct LinesOutcome {
    shared: u64,
    ours: Vec<u8>,
    merged: std::result::Result<merge::JsonlMerge, Conflict>,
}

impl OpenVault {
    pub(super) fn merge(
        &mut self,
        context: &Context<'_>,
        step: &Step,
        survey: &mut Survey,
        base_tree: Option<TreeId>,
    ) -> Result<Merged> {
        match step.kind {
            FileKind::Transcript | FileKind::Log => self.merge_lines(context, step, survey, base_tree),
            FileKind::Json | FileKind::Text | FileKind::Opaque => self.merge_whole(context, step, base_tree),
        }
    }

    /// What applying `step` would tell, and whether the file would be sent afterwards. Writes nothing.
    pub(super) fn foresee(&mut self, step: &Step, base_tree: Option<TreeId>) -> Result<Option<(Action, bool)>> {
        Ok(Some(match step.decision {
            Decision::Take if step.local.is_none() => (Action::Created, false),
            Decision::Take => (Action::Received, false),
            Decision::TakeBack => (Action::CameBack, false),
            Decision::DeleteHere => (Action::DeletedHere, false),
            Decision::KeepLocal => (Action::Kept, true),
            Decision::Conflict => (Action::Conflict, false),
            Decision::Merge => {
                let (local, version) = both(step)?;
                let merged = match step.kind {
                    FileKind::Transcript | FileKind::Log => {
                        let lines = self.lines_outcome(step, local, version, base_tree)?;
                        lines.merged.map(|merged| merged.branch.is_some())
                    }
                    FileKind::Json | FileKind::Text | FileKind::Opaque => {
                        self.whole_outcome(step, version, base_tree)?.merged.map(|_| false)
                    }
                };
                match merged {
                    Ok(true) => (Action::Branched, true),
                    Ok(false) => (Action::Merged, true),
                    Err(_) => (Action::Conflict, false),
                }
            }
            Decision::Nothing
            | Decision::Agree
            | Decision::Forget
            | Decision::Send
            | Decision::DeleteThere
            | Decision::Evicted => return Ok(None),
        }))
    }

    /// Settings and texts: small, so all three sides are in memory.
    fn whole_outcome(&mut self, step: &Step, version: &Version, base_tree: Option<TreeId>) -> Result<WholeOutcome> {
        let ours = self.read_local(step)?;
        let (merged, same_as_theirs) = if step.kind == FileKind::Json {
            let theirs = self.incoming_settings(step, version)?;
            let base = self.base_of_settings(step, base_tree, &theirs)?;
            let merged = merge::json(Sides {
                base: base.as_deref(),
                ours: &ours,
                theirs: &theirs,
            });
            let same = merged.as_ref().is_ok_and(|content| {
                let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
                let sent = shareable(open, &step.relative, content);
                merge::json_same(sent.as_deref().unwrap_or(content), &theirs)
            });
            (merged, same)
        } else {
            let base = self.base_content(step, base_tree)?;
            let theirs = read_content(&self.mirror, &self.vault, version)?;
            let merged = merge::text(Sides {
                base: base.as_deref(),
                ours: &ours,
                theirs: &theirs,
            });
            let same = merged.as_ref().is_ok_and(|content| *content == theirs);
            (merged, same)
        };
        Ok(WholeOutcome {
            ours,
            merged,
            same_as_theirs,
        })
    }

    fn merge_whole(&mut self, context: &Context<'_>, step: &Step, base_tree: Option<TreeId>) -> Result<Merged> {
        let (local, version) = both(step)?;
        let outcome = self.whole_outcome(step, version, base_tree)?;
        let content = match outcome.merged {
            Ok(content) => content,
            Err(why) => return Ok(Merged::Conflict(why)),
        };
        let changed_here = content != outcome.ours;
        let here = if changed_here {
            match self.write_bytes(context, step, local, &content)? {
                Some(here) => here,
                None => return Ok(Merged::Moved),
            }
        } else {
            local.clone()
        };
        let agreed = outcome.same_as_theirs.then(|| self.synced_hash(step, &content));
        Ok(Merged::Into {
            here,
            agreed,
            changed_here,
            branched: false,
        })
    }

    /// Sessions and other growing files: what both sides share in front is never loaded, so memory is bounded by the tails.
    fn lines_outcome(
        &mut self,
        step: &Step,
        local: &LocalFile,
        version: &Version,
        base_tree: Option<TreeId>,
    ) -> Result<LinesOutcome> {
        let base = match (step.base, base_tree) {
            (Some(agreed), Some(tree)) => {
                let head = self.open_head(self.vault.file_id(&step.path), agreed.head)?;
                Some(Version {
                    tree,
                    blob: agreed.head,
                    head,
                })
            }
            _ => None,
        };
        let shared = self.shared_prefix(step, local, base.as_ref(), version)?;
        let ours = self.local_tail(step, local, shared)?;
        let theirs = self.vault_tail(step, version, shared)?;
        let base = match &base {
            Some(base) => Some(self.vault_tail(step, base, shared)?),
            None => None,
        };
        let sides = Sides {
            base: base.as_deref(),
            ours: &ours,
            theirs: &theirs,
        };
        let merged = merge::jsonl(sides, step.kind, shared > 0);
        Ok(LinesOutcome { shared, ours, merged })
    }

    fn merge_lines(
        &mut self,
        context: &Context<'_>,
        step: &Step,
        survey: &mut Survey,
        base_tree: Option<TreeId>,
    ) -> Result<Merged> {
        let (local, version) = both(step)?;
        let LinesOutcome { shared, ours, merged } = self.lines_outcome(step, local, version, base_tree)?;
        let merged = match merged {
            Ok(merged) => merged,
            Err(why) => return Ok(Merged::Conflict(why)),
        };
        merge::integrity_gate(&ours, &merged.content, merged.rewritten).map_err(|lost| {
            Error::new(
                Kind::General,
                format!("merging {} would lose something: {lost}", step.path),
            )
            .hint("nothing was written; this is a defect in csync: please report it")
        })?;

        // The losing conversation is written first: killed in between, the next run finds it there and goes on.
        let branched = match &merged.branch {
            Some(branch) => self.write_branch(context, step, survey, shared, &merged.content, branch)?,
            None => false,
        };
        let changed_here = merged.content != ours;
        let here = if changed_here {
            let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
            let torn = unfinished(&open.root, local)?;
            let mut before = open.root.reader(&step.relative)?.file;
            let written = self.write_with(context, step, local, &mut |out| {
                copy_prefix(&mut before, &step.relative, shared, out)?;
                let write_error =
                    |source| Error::new(Kind::General, format!("cannot write {}", step.relative)).caused_by(source);
                out.write_all(&merged.content).map_err(write_error)?;
                out.write_all(torn.as_deref().unwrap_or_default()).map_err(write_error)
            })?;
            match written {
                Some(here) => here,
                None => return Ok(Merged::Moved),
            }
        } else {
            local.clone()
        };
        let agreed = (here.hash == version.head.hash).then_some(here.hash);
        Ok(Merged::Into {
            here,
            agreed,
            changed_here,
            branched,
        })
    }

    /// How many bytes in front all sides share, found by comparing segments and never by loading them; the end of a line, or 0.
    fn shared_prefix(&self, step: &Step, local: &LocalFile, base: Option<&Version>, theirs: &Version) -> Result<u64> {
        let common: Vec<SegmentRef> = match base {
            Some(base) => base
                .head
                .segments
                .iter()
                .zip(&theirs.head.segments)
                .take_while(|(a, b)| a == b)
                .map(|(segment, _)| *segment)
                .collect(),
            None => theirs.head.segments.clone(),
        };
        if common.is_empty() {
            return Ok(0);
        }
        let id = self.vault.file_id(&step.path);
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let mut file = open.root.reader(&step.relative)?.file;
        let mut shared = 0;
        let mut at = 0;
        for segment in common {
            if at + segment.size > local.size {
                break;
            }
            let mut bytes = Vec::new();
            Read::by_ref(&mut file)
                .take(segment.size)
                .read_to_end(&mut bytes)
                .map_err(|source| cannot_read(&step.relative, source))?;
            if self.vault.segment_id(id, &bytes) != segment.id {
                break;
            }
            at += segment.size;
            if bytes.ends_with(b"\n") {
                shared = at;
            }
        }
        Ok(shared)
    }

    /// The whole lines of the local file behind the first `skip` bytes.
    fn local_tail(&self, step: &Step, local: &LocalFile, skip: u64) -> Result<Vec<u8>> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let mut file = open.root.reader(&step.relative)?.file;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(skip))
            .and_then(|_| file.take(local.size.saturating_sub(skip)).read_to_end(&mut bytes))
            .map_err(|source| cannot_read(&step.relative, source))?;
        Ok(bytes)
    }

    /// A version's content behind its first `skip` bytes, which the local file has been found to share.
    fn vault_tail(&self, step: &Step, version: &Version, skip: u64) -> Result<Vec<u8>> {
        let mut hasher = self.vault.hasher(&step.path);
        if skip > 0 {
            let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
            let mut file = open.root.reader(&step.relative)?.file;
            super::survey::hash_prefix(&mut file, &step.relative, skip, &mut hasher)?;
        }
        let mut bytes = Vec::new();
        write_content(&self.mirror, &self.vault, version, skip, hasher, &mut bytes)?;
        Ok(bytes)
    }

    /// The session that `step` is of, and the id and the path of the one that its losing conversation becomes. `None` where it
    /// is not a session's transcript.
    fn branch_names(&self, step: &Step, branch: &merge::Branch) -> Result<Option<(String, String, LogicalPath)>> {
        let (_, open) = self.source_of(&step.path).expect("the step was made for a source");
        let Some(session) = open.source.session_of(step.path.relative()) else {
            return Ok(None);
        };
        let name = format!("{session}.jsonl");
        if step.path.file_name() != name {
            return Ok(None);
        }
        let id = merge::branch_session_id(&session, &branch.leaf);
        let path = step.path.as_str().replace(&name, &format!("{id}.jsonl"));
        let path = LogicalPath::parse(path).map_err(|why| Error::new(Kind::General, why.to_string()))?;
        Ok(Some((session, id, path)))
    }

    /// The session of its own that merging `step` would make. Writes nothing.
    pub(super) fn foresee_branch(&mut self, step: &Step, base_tree: Option<TreeId>) -> Result<Option<LogicalPath>> {
        let (local, version) = both(step)?;
        match self.lines_outcome(step, local, version, base_tree)?.merged {
            Ok(merge::JsonlMerge {
                branch: Some(branch), ..
            }) => Ok(self.branch_names(step, &branch)?.map(|(_, _, path)| path)),
            _ => Ok(None),
        }
    }

    /// Makes the losing conversation a session of its own. Whether it is new here.
    fn write_branch(
        &mut self,
        context: &Context<'_>,
        step: &Step,
        survey: &mut Survey,
        shared: u64,
        content: &[u8],
        branch: &merge::Branch,
    ) -> Result<bool> {
        let (number, open) = self.source_of(&step.path).expect("the step was made for a source");
        let Some((session, id, path)) = self.branch_names(step, branch)? else {
            return Ok(false);
        };
        let project = step
            .remote
            .as_ref()
            .and_then(|version| version.head.origin.project.as_ref());
        let relative = local_path(open, &survey.projects[number], &path, project);
        // Where the vault has it, somebody may have gone on with it: it comes from there, and is not made again.
        let (_, tip) = self.tip()?;
        let head = layout::head_path(self.vault.file_id(&path));
        if open.root.stat(&relative)?.is_some() || self.mirror.entry(tip, &head)?.is_some() {
            return Ok(false);
        }
        let device = match branch.loser {
            Side::Ours => self.device.to_string(),
            Side::Theirs => step
                .remote
                .as_ref()
                .map_or_else(|| self.device.to_string(), |v| v.head.origin.device.to_string()),
        };
        let title = step
            .local
            .as_ref()
            .and_then(|local| titles::title(&open.root, local))
            .unwrap_or_default();
        let local = step
            .local
            .as_ref()
            .ok_or_else(|| Error::new(Kind::General, "a branch without a local file"))?;
        let mut before = open.root.reader(&step.relative)?.file;
        let written = open
            .root
            .replace(&relative, &Expected::Absent, local.stat.mode, None, &mut |out| {
                let write_error =
                    |source| Error::new(Kind::General, format!("cannot write {relative}")).caused_by(source);
                let mut lines = LineWriter::new(out, &session, &id);
                copy_prefix(&mut before, &step.relative, shared, &mut lines)?;
                before.rewind().map_err(write_error)?;
                lines.write_all(&content[..branch.shared]).map_err(write_error)?;
                lines.write_all(&branch.lines).map_err(write_error)?;
                lines.finish().map_err(write_error)?;
                out.write_all(&merge::branch_title(&id, &title, &device))
                    .map_err(write_error)
            })?;
        if !matches!(written, Written::Done(_)) {
            return Ok(false);
        }
        let seen = context.timestamp();
        if let Some((stat, hash, size)) = hash_file(&self.vault, open, &path, &relative, step.kind)? {
            let file = LocalFile {
                path: path.clone(),
                relative,
                stat,
                seen,
                hash,
                size,
                ..local.clone()
            };
            survey.files.insert(path, file);
        }
        Ok(true)
    }
}

fn both(step: &Step) -> Result<(&LocalFile, &Version)> {
    step.local.as_ref().zip(step.remote.as_ref()).ok_or_else(|| {
        Error::new(Kind::Damaged, format!("one side of {} cannot be found", step.path)).hint("run `csync sync` again")
    })
}

/// Copies the first `size` bytes of `file`.
fn copy_prefix(file: &mut std::fs::File, relative: &str, size: u64, out: &mut dyn Write) -> Result<()> {
    file.rewind().map_err(|source| cannot_read(relative, source))?;
    let copied =
        std::io::copy(&mut Read::by_ref(file).take(size), out).map_err(|source| cannot_read(relative, source))?;
    if copied < size {
        return Err(
            Error::new(Kind::General, format!("{relative} became shorter while it was read"))
                .hint("run the same command again"),
        );
    }
    Ok(())
}

/// Passes whole lines on, with the session's id replaced.
pub(super) struct LineWriter<'a, 'o> {
    out: &'a mut (dyn Write + 'o),
    from: &'a str,
    to: &'a str,
    pending: Vec<u8>,
}

impl<'a, 'o> LineWriter<'a, 'o> {
    /// Writes to `out`; lines of the session `from` become lines of `to`.
    pub(super) fn new(out: &'a mut (dyn Write + 'o), from: &'a str, to: &'a str) -> Self {
        Self {
            out,
            from,
            to,
            pending: Vec::new(),
        }
    }

    /// Passes on what is left without a newline.
    pub(super) fn finish(self) -> std::io::Result<()> {
        self.out
            .write_all(&merge::branch_line(&self.pending, self.from, self.to))
    }
}

impl Write for LineWriter<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.out
                    .write_all(&merge::branch_line(&self.pending, self.from, self.to))?;
                self.pending.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
