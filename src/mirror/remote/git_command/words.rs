//! What git, ssh and curl say on standard error while they carry something.
//!
//! Four voices are mixed there: progress, which ends in carriage returns; the server (`remote: …`); the trace of
//! HTTP headers, which was asked for; and the rest, which are the programs' own complaints.

use std::time::Duration;

use chrono::DateTime;

/// How much is kept of what the server says, and of what the programs say, in bytes each.
const LONGEST_SAYING: usize = 1_000;

/// The longest line that is looked at, in bytes. The rest of a longer one is dropped.
const LONGEST_LINE: usize = 4_000;

/// What a line was, to whoever passes it on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Objects are being exchanged; this many bytes so far, where it says so.
    Progress(Option<u64>),
    /// Something that a person at the terminal may have to act upon, such as to touch a security key.
    Notice(String),
    /// Nothing for others.
    Nothing,
}

/// What was said during one run.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The line that has not ended yet.
    begun: Vec<u8>,
    /// What the server said, line by line.
    server: Vec<String>,
    /// What the programs complained of, line by line.
    complaints: Vec<String>,
    /// Why the last connection did not come about, as the trace has it.
    connect: Option<String>,
    /// Whether HTTP is spoken.
    is_http: bool,
    /// The HTTP status of the last answer.
    pub(super) status: Option<u16>,
    /// When it was answered, by the server's clock.
    date: Option<String>,
    /// When the server wants to be asked again.
    retry_after: Option<String>,
}

impl Told {
    /// Takes in more of what was written, and gives what each line that ended is.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        for byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                let line = std::mem::take(&mut self.begun);
                heard.push(self.line(&String::from_utf8_lossy(&line)));
            } else if self.begun.len() < LONGEST_LINE {
                self.begun.push(*byte);
            }
        }
        heard
    }

    /// The stream has ended: what was begun is a line.
    pub(super) fn end(&mut self) {
        if !self.begun.is_empty() {
            let line = std::mem::take(&mut self.begun);
            self.line(&String::from_utf8_lossy(&line));
        }
    }

    /// What the server said, without its progress, as one line.
    pub(super) fn server(&self) -> String {
        self.server.join(" / ")
    }

    /// What went wrong, in everybody's words, as one line.
    pub(super) fn complaint(&self) -> String {
        let mut lines: Vec<&str> = self.server.iter().map(String::as_str).collect();
        // Said after every failure over SSH: only worth telling where nothing else was.
        let boilerplate = |line: &&String| !line.starts_with("fatal: Could not read from remote repository");
        let complaints: Vec<&String> = self.complaints.iter().filter(boilerplate).collect();
        if complaints.is_empty() && lines.is_empty() {
            lines.extend(self.complaints.iter().map(String::as_str));
        }
        lines.extend(complaints.into_iter().map(String::as_str));
        let mut text = lines.join(" / ");
        // curl's one sentence for all that keeps a connection from coming about; the trace has the system's word.
        if let Some(reason) = self.connect.as_ref().filter(|_| text.contains("connect to server")) {
            text = format!("{text} ({reason})");
        }
        text
    }

    /// Whether git or ssh may be waiting for a person's answer, as far as can be told: over HTTP they ask only once they
    /// were turned away.
    pub(super) fn may_be_asking(&self) -> bool {
        !self.is_http || matches!(self.status, Some(401 | 407))
    }

    /// How long the server wants to be left alone. A date counts from the server's own clock.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let wanted = self.retry_after.as_deref()?;
        if let Ok(seconds) = wanted.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let at = DateTime::parse_from_rfc2822(wanted).ok()?;
        let now = DateTime::parse_from_rfc2822(self.date.as_deref()?).ok()?;
        Some((at - now).to_std().unwrap_or_default())
    }

    /// Takes in a line without its end.
    fn line(&mut self, line: &str) -> Heard {
        let clean: String = line
            .replace("\u{1b}[K", "")
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        let line = clean.trim();
        if let Some(trace) = traced(line) {
            self.trace(trace);
            return Heard::Nothing;
        }
        if let Some(said) = line.strip_prefix("remote:") {
            let said = said.trim();
            if !said.is_empty() && !is_progress(said) {
                keep(&mut self.server, said);
            }
            return Heard::Progress(None);
        }
        if is_progress(line) {
            let counts = line.starts_with("Receiving objects") || line.starts_with("Writing objects");
            return Heard::Progress(counts.then(|| transferred(line)).flatten());
        }
        if line.is_empty() || BOILERPLATE.iter().any(|start| line.starts_with(start)) {
            return Heard::Nothing;
        }
        keep(&mut self.complaints, line);
        if ["fatal:", "error:", "warning:", "hint:", "ERROR:"]
            .iter()
            .any(|start| line.starts_with(start))
        {
            Heard::Nothing
        } else {
            Heard::Notice(line.to_owned())
        }
    }

    /// Takes in a line of the trace of HTTP. Only what is named here is kept: other headers may hold secrets.
    fn trace(&mut self, trace: &str) {
        self.is_http = true;
        if let Some(information) = trace.strip_prefix("== Info: ") {
            if information.starts_with("connect to ")
                && let Some((_, reason)) = information.split_once(" failed: ")
            {
                self.connect = Some(reason.to_owned());
            }
            return;
        }
        let Some(header) = trace.strip_prefix("<= Recv header: ") else {
            return;
        };
        if header.starts_with("HTTP/") {
            // Answers before the last one, such as to a request without credentials, do not count.
            self.status = header.split(' ').nth(1).and_then(|status| status.parse().ok());
            (self.date, self.retry_after) = (None, None);
        } else if let Some((name, value)) = header.split_once(':') {
            let value = value.trim().to_owned();
            if name.eq_ignore_ascii_case("retry-after") {
                self.retry_after = Some(value);
            } else if name.eq_ignore_ascii_case("date") {
                self.date = Some(value);
            }
        }
    }
}

/// Lines that say nothing about what happened.
const BOILERPLATE: &[&str] = &[
    "warning: core.fsyncObjectFiles",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
    "@@@",
    "From ",
    "* [new",
    // Advice for who works with git, such as to pull first.
    "hint:",
];

/// What progress begins with: git's own, and the server's through it.
const PROGRESS: &[&str] = &[
    "Enumerating objects",
    "Counting objects",
    "Compressing objects",
    "Writing objects",
    "Receiving objects",
    "Resolving deltas",
    "Unpacking objects",
    "Checking connectivity",
    "Processing changes",
    "Total ",
    "POST git-",
    "Delta compression using",
    "Finding sources",
    "Getting sizes",
    "Indexing objects",
];

fn is_progress(line: &str) -> bool {
    PROGRESS.iter().any(|start| line.starts_with(start))
}

/// What a line of the trace says, without when and where it was written: `12:00:00.123456 http.c:913   == Info: …`.
fn traced(line: &str) -> Option<&str> {
    let (time, rest) = line.split_once(' ')?;
    let looks_right = time.len() == 15 && time.bytes().all(|byte| byte.is_ascii_digit() || b":.".contains(&byte));
    let (place, rest) = rest.trim_start().split_once(' ')?;
    (looks_right && place.starts_with("http.c:")).then(|| rest.trim_start())
}

/// How many bytes a line of progress says were exchanged: `Writing objects:  50% (1/2), 1.50 MiB | 2 MiB/s`.
fn transferred(line: &str) -> Option<u64> {
    let (_, after) = line.split_once("), ")?;
    let mut words = after.split([' ', ',']);
    let number: f64 = words.next()?.parse().ok()?;
    let unit = match words.next()? {
        "bytes" | "byte" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    // Hundredths of a unit are all that git tells.
    Some((number * unit) as u64)
}

/// Keeps a line while there is room.
fn keep(lines: &mut Vec<String>, line: &str) {
    let length: usize = lines.iter().map(String::len).sum();
    let room = LONGEST_SAYING.saturating_sub(length);
    let mut end = line.len().min(room);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    if end > 0 {
        lines.push(line[..end].to_owned());
    }
}

/// Whether git complains of what is here, and not of what was sent.
pub(super) fn is_damage(detail: &str) -> bool {
    [
        "missing necessary objects",
        "bad object",
        "missing blob",
        "missing tree",
        "missing commit",
        "unable to read",
    ]
    .iter()
    .any(|words| detail.contains(words))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn told(text: &str) -> Told {
        let mut told = Told::default();
        told.hear(text.as_bytes());
        told.end();
        told
    }

    #[test]
    fn the_voices_are_told_apart() {
        let told = told(
            "warning: core.fsyncObjectFiles is deprecated; use core.fsync instead\n\
            Enumerating objects: 2, done.\nWriting objects:  50% (1/2)\rWriting objects: 100% (2/2), 136 bytes | 1 KiB/s\r\n\
            remote: Resolving deltas: 100% (1/1)\u{1b}[K\nremote: the vault is full.\u{1b}[K\nremote: \n\
            fatal: the remote end hung up unexpectedly\nfatal: Could not read from remote repository.\n",
        );
        assert_eq!(told.server(), "the vault is full.");
        assert_eq!(
            told.complaint(),
            "the vault is full. / fatal: the remote end hung up unexpectedly"
        );
    }

    #[test]
    fn progress_and_notices_are_passed_on() {
        let mut told = Told::default();
        assert_eq!(
            told.hear(
                b"Receiving objects:  50% (5/10), 1.50 MiB | 2 MiB/s\rConfirm user presence for key\nfatal: no\nhalf"
            ),
            [
                Heard::Progress(Some(1_572_864)),
                Heard::Notice("Confirm user presence for key".into()),
                Heard::Nothing
            ]
        );
    }

    #[test]
    fn when_to_come_back_is_read_from_the_last_answer() {
        let line = |header: &str| format!("03:15:48.497195 http.c:913              <= Recv header: {header}\r\n");
        let first = line("HTTP/1.1 401 Unauthorized") + &line("Retry-After: 5");
        let seconds = told(&(first.clone() + &line("HTTP/2 503 ") + &line("retry-after: 7")));
        assert_eq!(
            (seconds.status, seconds.retry_after()),
            (Some(503), Some(Duration::from_secs(7)))
        );
        let date = first.clone()
            + &line("HTTP/1.1 429 Too Many Requests")
            + &line("Date: Sun, 06 Nov 1994 08:49:00 GMT")
            + &line("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(told(&date).retry_after(), Some(Duration::from_secs(37)));
        assert_eq!(told(&(first + &line("HTTP/1.1 200 OK"))).retry_after(), None);
    }

    #[test]
    fn p18_no_other_header_is_kept() {
        let told = told(
            "03:15:48.497195 http.c:913              => Send header: PRIVATE-TOKEN: hunter2\n\
            03:15:48.497195 http.c:913              <= Recv header: Set-Cookie: hunter2\n\
            03:15:48.497195 http.c:913              == Info: [authorization: hunter2]\n",
        );
        assert!(!format!("{told:?}").contains("hunter2"));
        assert_eq!(told.complaint(), "");
    }

    #[test]
    fn curl_and_the_system_together_say_why_there_is_no_connection() {
        let told = told(
            "03:15:48.497285 http.c:913              == Info: connect to 127.0.0.1 port 1 failed: Connection refused\n\
            fatal: unable to access 'http://127.0.0.1:1/x/': Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server\n",
        );
        assert!(
            told.complaint().ends_with("(Connection refused)"),
            "{}",
            told.complaint()
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let told = told(&"remote: ä long speech\n".repeat(1000));
        assert!(told.server.iter().map(String::len).sum::<usize>() <= LONGEST_SAYING);
    }
}
