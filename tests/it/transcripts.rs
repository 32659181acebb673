//! Lines as Claude Code writes them.

/// The id of the session with this number.
pub fn session(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

/// A session's title, as the agent gives it to one.
pub fn title(session: &str, text: &str) -> String {
    format!("{{\"type\":\"ai-title\",\"aiTitle\":\"{text}\",\"sessionId\":\"{session}\"}}\n")
}

/// What somebody says `second` seconds into the day, after the message `parent` (empty: the first one).
pub fn message(session: &str, uuid: &str, parent: &str, second: usize, text: &str) -> String {
    let parent = if parent.is_empty() {
        "null".to_owned()
    } else {
        format!("\"{parent}\"")
    };
    let time = format!(
        "2026-01-01T{:02}:{:02}:{:02}.000Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    format!(
        "{{\"parentUuid\":{parent},\"isSidechain\":false,\"type\":\"user\",\"message\":{{\"role\":\"user\",\"content\":\"{text}\"}},\
         \"uuid\":\"{uuid}\",\"timestamp\":\"{time}\",\"sessionId\":\"{session}\"}}\n"
    )
}

/// The line that the agent resumes from.
pub fn last_prompt(session: &str, leaf: &str) -> String {
    format!("{{\"type\":\"last-prompt\",\"leafUuid\":\"{leaf}\",\"sessionId\":\"{session}\"}}\n")
}

/// A conversation of `count` messages whose uuids are `<prefix>1`, `<prefix>2` and so on; it follows `parent`.
pub fn conversation(session: &str, prefix: &str, parent: &str, from_second: usize, count: usize) -> String {
    let mut text = String::new();
    let mut parent = parent.to_owned();
    for number in 1..=count {
        let uuid = format!("{prefix}{number}");
        let said = format!("{prefix} says {number}");
        text.push_str(&message(session, &uuid, &parent, from_second + number, &said));
        parent = uuid;
    }
    text
}

/// The lines of a file, each with its newline.
pub fn lines(content: &[u8]) -> Vec<&[u8]> {
    content.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Asserts that every line of `part` stands in `whole`, in order, and as often.
#[track_caller]
pub fn assert_holds(whole: &[u8], part: &[u8]) {
    let mut rest = lines(whole).into_iter();
    for line in lines(part) {
        assert!(
            rest.any(|other| other == line),
            "lost or out of order: {}\nin:\n{}",
            String::from_utf8_lossy(line),
            String::from_utf8_lossy(whole)
        );
    }
}

/// Asserts that no line with a uuid stands twice in `whole`.
#[track_caller]
pub fn assert_no_message_twice(whole: &[u8]) {
    let mut seen = std::collections::BTreeSet::new();
    for line in lines(whole) {
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        if let Some(uuid) = value["uuid"].as_str() {
            assert!(seen.insert(uuid.to_owned()), "{uuid} is there twice");
        }
    }
}
