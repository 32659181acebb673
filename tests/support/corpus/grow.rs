//! Going on with a transcript, as the agent does when its session is resumed.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::BEGINNING;
use super::random::Random;
use super::session::{Conversation, Shape, milliseconds};
use super::words::Project;

/// Goes on with the transcript at `path` by exactly `lines` lines: a prompt that follows its newest line, what the agent does, and, where there are two
/// or more, the line that names the new end. An unfinished last line is closed first, as the agent does. Gives the bytes that were added.
pub fn append_turn(path: &Path, lines: usize, seed: u64) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).append(true).open(path)?;
    let length = file.metadata()?.len();
    let mut window = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(4 << 20)))?;
    file.read_to_end(&mut window)?;
    let text = String::from_utf8_lossy(&window);
    let newest = |key: &str| {
        let mark = format!("\"{key}\":\"");
        text.rmatch_indices(&mark)
            .find_map(|(at, _)| text[at + mark.len()..].split_once('"'))
            .map(|(value, _)| value.to_owned())
    };
    let project = Project::new("code/app".to_owned(), Random::new(seed));
    let shape = Shape {
        session: newest("sessionId").unwrap_or_default(),
        cwd: newest("cwd").unwrap_or_else(|| "/home/ana/code/app".to_owned()),
        agent: newest("agentId"),
        begun: BEGINNING,
        boilerplate: 0,
        image: false,
        compact: false,
        scale: 0.3,
    };
    let time = newest("timestamp")
        .and_then(|text| milliseconds(&text))
        .unwrap_or(BEGINNING);
    let mut conversation = Conversation::after(shape, &project, Random::new(seed), newest("uuid"), time);

    let mut out = if text.is_empty() || text.ends_with('\n') {
        String::new()
    } else {
        "\n".to_owned()
    };
    let glue = out.len();
    let closing = usize::from(lines >= 2);
    while out[glue..].matches('\n').count() < lines - closing {
        let (kept, mut step) = (out.len(), String::new());
        conversation.step(&mut step);
        // A step may make more lines than are left.
        let left = lines - closing - out[glue..].matches('\n').count();
        out.extend(step.split_inclusive('\n').take(left));
        if step.matches('\n').count() > left {
            conversation.forget_after(&out[kept..]);
        }
    }
    if closing == 1 {
        conversation.finish(&mut out);
        // A subagent's transcript has no such line.
        if out[glue..].matches('\n').count() < lines {
            let mut step = String::new();
            conversation.step(&mut step);
            out.extend(step.split_inclusive('\n').take(1));
        }
    }
    file.write_all(out.as_bytes())?;
    Ok(out.len() as u64)
}
