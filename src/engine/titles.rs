//! What a person calls a session: its title or first prompt, from the ends of its transcript.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use super::survey::LocalFile;
use crate::local::Root;
use crate::sources::describe;

/// How much of each end is looked at, as the agents themselves do.
const WINDOW: u64 = 64 << 10;

/// The title of a session, looked up when somebody asks: a first sync names two dozen of its thousand sessions.
#[derive(Debug, Clone, Default)]
pub struct Title {
    transcript: Option<PathBuf>,
    found: OnceCell<Option<String>>,
}

impl Title {
    /// The title that stands in a transcript, once it is asked for.
    #[must_use]
    pub fn of(transcript: PathBuf) -> Self {
        Self {
            transcript: Some(transcript),
            found: OnceCell::new(),
        }
    }

    /// The title; `None` where the transcript is not here or has none.
    #[must_use]
    pub fn get(&self) -> Option<&str> {
        let look = || {
            self.transcript
                .as_ref()
                .and_then(|file| title_in(File::open(file).ok()?))
        };
        self.found.get_or_init(look).as_deref()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.get().is_none()
    }
}

impl Serialize for Title {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

/// The title of a transcript, where one can be found. Never fails: a title is a courtesy.
pub(super) fn title(root: &Root, local: &LocalFile) -> Option<String> {
    title_in(root.reader(&local.relative).ok()?.file)
}

fn title_in(mut file: File) -> Option<String> {
    let size = file.metadata().ok()?.len();
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(WINDOW).read_to_end(&mut head).ok()?;
    let mut tail = Vec::new();
    if size > WINDOW {
        file.seek(SeekFrom::Start(size - WINDOW)).ok()?;
        file.take(WINDOW).read_to_end(&mut tail).ok()?;
    }
    describe(&head, &tail).title
}
