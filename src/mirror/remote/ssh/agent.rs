//! Asking an SSH agent what it holds, before it is relied on.
//!
//! libssh2 gives up altogether when there is no agent where it is told that one is. So the agent is asked for its keys first,
//! in the protocol of draft-miller-ssh-agent, section 3.5, and only as long as a person would wait.

use std::ffi::OsStr;
use std::time::Duration;

use super::wire::{Reader, fingerprint, key_type};

/// How long an agent has to answer.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// `SSH_AGENTC_REQUEST_IDENTITIES`: the question, with its length.
const QUESTION: [u8; 5] = [0, 0, 0, 1, 11];
/// `SSH_AGENT_FAILURE`.
const FAILURE: u8 = 5;
/// `SSH_AGENT_IDENTITIES_ANSWER`.
const ANSWER: u8 = 12;
/// The longest answer that is read, in bytes: OpenSSH's own limit (`AGENT_MAX_LEN`).
const LONGEST_ANSWER: usize = 256 << 10;
/// The most keys that are believed: OpenSSH's own limit (`MAX_AGENT_IDENTITIES`).
const MOST_KEYS: u32 = 2048;

/// What an agent is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentState {
    /// Nobody says where one is.
    NotSet,
    /// One should be there, and it gave no sensible answer in time.
    Unreachable {
        /// The reason.
        why: String,
    },
    /// It is there and holds no keys.
    Empty,
    /// It holds these keys, in the order in which it offers them.
    Holds(Vec<AgentKey>),
}

/// A key that an agent holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentKey {
    /// Its type, such as `ssh-ed25519`; empty when the key names none.
    pub key_type: String,
    /// Its fingerprint, such as `SHA256:…`.
    pub fingerprint: String,
    /// What its owner called it. Anything may stand in it.
    pub comment: String,
}

/// Asks the agent at `socket`, the value of `SSH_AUTH_SOCK`, for its keys. Takes at most [`PATIENCE`].
#[cfg(unix)]
#[must_use]
pub fn ask(socket: Option<&OsStr>) -> AgentState {
    use std::sync::mpsc;
    use std::thread;

    let Some(socket) = socket.filter(|socket| !socket.is_empty()) else {
        return AgentState::NotSet;
    };
    let socket = std::path::PathBuf::from(socket);
    let (sender, receiver) = mpsc::channel();
    // A connection to a busy socket has no time limit of its own, and an answer may come in drops. The thread ends by its
    // limits on each step, or with the process.
    let asking = thread::Builder::new().spawn(move || {
        let _ = sender.send(converse(&socket));
    });
    let state = asking.map_err(|error| error.to_string()).and_then(|_| {
        receiver
            .recv_timeout(PATIENCE)
            .map_err(|_| format!("it did not answer within {} seconds", PATIENCE.as_secs()))
    });
    state
        .and_then(|state| state)
        .unwrap_or_else(|why| AgentState::Unreachable { why })
}

/// There are no agents at sockets here.
#[cfg(not(unix))]
#[must_use]
pub fn ask(_socket: Option<&OsStr>) -> AgentState {
    AgentState::NotSet
}

/// One question and one answer.
#[cfg(unix)]
fn converse(socket: &std::path::Path) -> Result<AgentState, String> {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    let broken = |error: std::io::Error| error.to_string();
    let mut stream = UnixStream::connect(socket).map_err(broken)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(broken)?;
    stream.write_all(&QUESTION).map_err(broken)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(broken)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST_ANSWER {
        return Err(format!("its answer of {length} bytes is too long"));
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).map_err(broken)?;
    understand(&message)
}

/// Reads an answer, without its length: nothing may be missing, and nothing may follow.
fn understand(message: &[u8]) -> Result<AgentState, String> {
    let senseless = || "its answer makes no sense".to_owned();
    let mut reader = Reader(message);
    match reader.byte() {
        Some(ANSWER) => {}
        Some(FAILURE) => return Err("it refused to list its keys".into()),
        _ => return Err(senseless()),
    }
    let count = reader
        .number()
        .filter(|&count| count <= MOST_KEYS)
        .ok_or_else(senseless)?;
    let mut keys = Vec::new();
    for _ in 0..count {
        let key = reader.string().ok_or_else(senseless)?;
        let comment = reader.string().ok_or_else(senseless)?;
        keys.push(AgentKey {
            key_type: key_type(key).unwrap_or_default().to_owned(),
            fingerprint: fingerprint(key),
            comment: String::from_utf8_lossy(comment).into_owned(),
        });
    }
    if !reader.is_empty() {
        return Err(senseless());
    }
    Ok(if keys.is_empty() {
        AgentState::Empty
    } else {
        AgentState::Holds(keys)
    })
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;
