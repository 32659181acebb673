//! What a host answered, as its tool prints it.

use serde::de::DeserializeOwned;

use crate::error::{Error, Kind, Result};

/// What a host answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status of HTTP.
    pub(super) status: u16,
    /// What stands below the head.
    pub(super) body: String,
    /// What the tool said of it, without tokens.
    pub(super) said: String,
    /// The host.
    pub(super) host: String,
}

impl Answer {
    /// Whether the host did what it was asked.
    pub(super) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// What the answer holds.
    ///
    /// # Errors
    /// Another status than success, or something that is no JSON of this form.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        if !self.is_success() {
            return Err(Error::new(
                Kind::Network,
                format!("{} answers with status {}: {}", self.host, self.status, self.said),
            )
            .hint(
                "what the host says tells what is missing; a token may need the right to read and make repositories",
            ));
        }
        serde_json::from_str(&self.body).map_err(|error| not_understood(&self.host, &error.to_string()))
    }
}

/// The host answered, and what it said cannot be relied on.
pub(super) fn not_understood(host: &str, why: &str) -> Error {
    Error::new(Kind::Network, format!("the answer of {host} is not understood: {why}"))
        .hint("whether the repository is private is not known, so it is not used; give its URL if you know it")
}

/// Status and body of an answer with its head, as `--include` prints it; none: there is no such answer.
pub(super) fn split(text: &str) -> Option<(u16, &str)> {
    let (first, _) = text.split_once('\n')?;
    let mut words = first.strip_prefix("HTTP/")?.split_whitespace();
    let status = words.nth(1)?.parse().ok()?;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim_end().is_empty() {
            return Some((status, &text[at..]));
        }
    }
    Some((status, ""))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_found_in_what_the_tools_print() {
        let github = "HTTP/2.0 200 OK\nDate: Sat\r\nServer: x\r\n\r\n{\"a\":1}\n";
        let gitlab = "HTTP/2.0 404 Not Found\nDate: Sat\r\n\r\n{}";
        assert_eq!(split(github), Some((200, "{\"a\":1}\n")));
        assert_eq!(split(gitlab), Some((404, "{}")));
        assert_eq!(split("HTTP/1.1 204 No Content\r\n\r\n"), Some((204, "")));
        for text in ["", "{\"a\":1}\n", "HTTP/2.0\n\n", "HTTP/2.0 OK 200\n\n"] {
            assert_eq!(split(text), None, "{text:?}");
        }
    }
}
