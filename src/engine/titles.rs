//! What a person calls a session: its title or first prompt, from the ends of its transcript.

use std::io::{Read, Seek, SeekFrom};

use super::survey::LocalFile;
use crate::local::Root;
use crate::sources::describe;

/// How much of each end is looked at, as the agents themselves do.
const WINDOW: u64 = 64 << 10;

/// The title of a transcript, where one can be found. Never fails: a title is a courtesy.
pub(super) fn title(root: &Root, local: &LocalFile) -> Option<String> {
    let mut file = root.reader(&local.relative).ok()?.file;
    let mut head = Vec::new();
    file.by_ref().take(WINDOW).read_to_end(&mut head).ok()?;
    let mut tail = Vec::new();
    if local.stat.size > WINDOW {
        file.seek(SeekFrom::Start(local.stat.size.saturating_sub(WINDOW)))
            .ok()?;
        file.take(WINDOW).read_to_end(&mut tail).ok()?;
    }
    describe(&head, &tail).title
}
