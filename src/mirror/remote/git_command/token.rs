//! Giving git a token without showing it to anybody: not as an argument, not in its environment, not in a file.
//!
//! git is told to ask a credential helper for this one host, which is csync itself (`csync git-credential SOCKET`). It
//! connects to a socket in a folder that only this user may enter; a thread of the run that started git answers, a few
//! times, and only for the host that the token is for. The socket is gone when the run is over.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use super::plain::Server;
use crate::mirror::error::MirrorError;

/// What a server is to be told.
pub(super) struct Answer {
    /// The server, and no other.
    pub server: Server,
    /// The user name.
    pub user: String,
    /// The password or token.
    pub password: SecretString,
}

/// How often a run may ask. git asks once for each of its processes that is turned away.
#[cfg(unix)]
const MOST_ANSWERS: usize = 8;

/// The longest request, in bytes.
#[cfg(unix)]
const LONGEST_REQUEST: u64 = 16 << 10;

/// How long the other end of the socket may take. Both are on this machine.
#[cfg(unix)]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Answers for as long as it lives.
pub(super) struct Teller {
    folder: Option<TempDir>,
    socket: PathBuf,
    thread: Option<std::thread::JoinHandle<()>>,
    over: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Teller {
    /// Begins to answer, in a folder of its own in `private`.
    ///
    /// # Errors
    ///
    /// When the folder or the socket cannot be made.
    #[cfg(unix)]
    pub(super) fn begin(private: &Path, answer: Answer) -> Result<Self, MirrorError> {
        use std::os::unix::net::UnixListener;
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};

        let folder = room(private)?;
        let socket = folder.path().join("s");
        let listener =
            UnixListener::bind(&socket).map_err(|error| MirrorError::io("make the socket", &socket, error))?;
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut left = MOST_ANSWERS;
            for connection in listener.incoming() {
                if ended.load(Ordering::Relaxed) || left == 0 {
                    return;
                }
                let Ok(mut connection) = connection else { return };
                left -= 1;
                // Whoever asks wrongly is told nothing; git then goes on without.
                let _ = connection
                    .set_read_timeout(Some(PATIENCE))
                    .and_then(|()| connection.set_write_timeout(Some(PATIENCE)))
                    .and_then(|()| answer.give(&mut connection));
            }
        });
        Ok(Self {
            folder: Some(folder),
            socket,
            thread: Some(thread),
            over,
        })
    }

    /// Windows has no such sockets.
    #[cfg(not(unix))]
    pub(super) fn begin(_private: &Path, answer: Answer) -> Result<Self, MirrorError> {
        Err(MirrorError::Authentication {
            location: format!("{}://{}", answer.server.scheme, answer.server.host),
            detail: "a token cannot be given to the git command on Windows".into(),
        })
    }

    /// The settings that make git ask `program` for `server`, and nobody else.
    pub(super) fn settings(&self, program: &Path, server: &Server) -> [OsString; 2] {
        let key = format!("credential.{}://{}.helper=", server.scheme, server.host);
        let mut ask = OsString::from(format!("{key}!"));
        ask.push(quoted(program));
        ask.push(" git-credential ");
        ask.push(quoted(&self.socket));
        [key.into(), ask]
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.over.store(true, std::sync::atomic::Ordering::Relaxed);
        // Wakes the thread where it waits for the next one to ask. It ends by itself where it has answered enough.
        #[cfg(unix)]
        drop(std::os::unix::net::UnixStream::connect(&self.socket));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        drop(self.folder.take());
    }
}

impl Answer {
    /// Answers one request: the operation on a line, then Git's `key=value` lines.
    #[cfg(unix)]
    fn give(&self, connection: &mut std::os::unix::net::UnixStream) -> io::Result<()> {
        let mut request = String::new();
        connection.take(LONGEST_REQUEST).read_to_string(&mut request)?;
        if let Some(text) = self.to(&request) {
            connection.write_all(text.expose_secret().as_bytes())?;
        }
        connection.flush()
    }

    /// What a request is answered with.
    fn to(&self, request: &str) -> Option<SecretString> {
        let mut lines = request.lines();
        let is_question = lines.next() == Some("get");
        let (mut protocol, mut host) = (None, None);
        for (key, value) in lines.filter_map(|line| line.split_once('=')) {
            match key {
                "protocol" => protocol = Some(value),
                "host" => host = Some(value.to_ascii_lowercase()),
                _ => {}
            }
        }
        let is_ours = protocol == Some(self.server.scheme.as_str()) && host.as_deref() == Some(&self.server.host);
        let password = self.password.expose_secret();
        if !is_question || !is_ours || password.contains(['\n', '\r', '\0']) || self.user.contains(['\n', '\r', '\0']) {
            return None;
        }
        Some(format!("username={}\npassword={password}\n", self.user).into())
    }
}

/// A folder for a socket that only this user may enter. The path of a socket must be short: where `private` is too deep, it
/// is made where temporary files are.
#[cfg(unix)]
fn room(private: &Path) -> Result<TempDir, MirrorError> {
    use std::os::unix::fs::PermissionsExt;
    /// The shortest of the systems' limits is 104, of which our names take 20.
    const LONGEST: usize = 80;
    let place = if private.as_os_str().len() > LONGEST {
        Path::new("/tmp")
    } else {
        private
    };
    std::fs::create_dir_all(place).map_err(|error| MirrorError::io("make", place, error))?;
    tempfile::Builder::new()
        .prefix(".csync-token-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(place)
        .map_err(|error| MirrorError::io("make a folder in", place, error))
}

/// A path as one word of the shell that git starts helpers with.
fn quoted(path: &Path) -> OsString {
    let mut bytes = vec![b'\''];
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'\'' => bytes.extend_from_slice(b"'\\''"),
            other => bytes.push(*other),
        }
    }
    bytes.push(b'\'');
    #[cfg(unix)]
    {
        std::os::unix::ffi::OsStringExt::from_vec(bytes)
    }
    #[cfg(not(unix))]
    {
        String::from_utf8_lossy(&bytes).replace('\\', "/").into()
    }
}

/// What git's credential helper does: passes git's question on to the run that waits at `socket`, and its answer back.
///
/// # Errors
///
/// When nobody answers there: the run is over.
#[cfg(unix)]
pub fn relay_credential(
    socket: &Path,
    operation: &str,
    question: &mut dyn Read,
    answer: &mut dyn Write,
) -> io::Result<()> {
    use std::os::unix::net::UnixStream;
    // Nothing is kept, so there is nothing to store or to forget.
    if operation != "get" {
        return Ok(());
    }
    let mut connection = UnixStream::connect(socket)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(b"get\n")?;
    io::copy(&mut question.take(LONGEST_REQUEST - 4), &mut connection)?;
    connection.shutdown(std::net::Shutdown::Write)?;
    io::copy(&mut connection, answer)?;
    answer.flush()
}

/// There are no such sockets here.
///
/// # Errors
///
/// Always.
#[cfg(not(unix))]
pub fn relay_credential(_: &Path, _: &str, _: &mut dyn Read, _: &mut dyn Write) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const QUESTION: &str = "protocol=https\nhost=Git.Example:8443\n\n";

    fn answer() -> Answer {
        Answer {
            server: Server {
                scheme: "https".into(),
                host: "git.example:8443".into(),
            },
            user: "ana".into(),
            password: "t0ken".to_owned().into(),
        }
    }

    fn ask(socket: &Path, operation: &str, question: &str) -> io::Result<String> {
        let mut told = Vec::new();
        relay_credential(socket, operation, &mut question.as_bytes(), &mut told)?;
        Ok(String::from_utf8(told).unwrap())
    }

    #[test]
    fn the_host_that_the_token_is_for_gets_it_and_no_other() {
        let private = tempfile::tempdir().unwrap();
        let teller = Teller::begin(private.path(), answer()).unwrap();
        assert_eq!(
            ask(&teller.socket, "get", QUESTION).unwrap(),
            "username=ana\npassword=t0ken\n"
        );
        for other in [
            "protocol=https\nhost=git.example\n\n",
            "protocol=http\nhost=git.example:8443\n\n",
            "host=git.example:8443\n\n",
            "",
        ] {
            assert_eq!(ask(&teller.socket, "get", other).unwrap(), "", "{other}");
        }
        for operation in ["store", "erase"] {
            assert_eq!(ask(&teller.socket, operation, QUESTION).unwrap(), "");
        }
        let socket = teller.socket.clone();
        drop(teller);
        assert!(ask(&socket, "get", QUESTION).is_err());
        assert_eq!(
            std::fs::read_dir(private.path()).unwrap().count(),
            0,
            "the folder is left behind"
        );
    }

    #[test]
    fn it_is_told_a_bounded_number_of_times_to_this_user_alone() {
        use std::os::unix::fs::PermissionsExt;
        let private = tempfile::tempdir().unwrap();
        let teller = Teller::begin(private.path(), answer()).unwrap();
        let folder = teller.socket.parent().unwrap().metadata().unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        let told = (0..50).filter(|_| ask(&teller.socket, "get", QUESTION).is_ok_and(|told| !told.is_empty()));
        assert_eq!(told.count(), MOST_ANSWERS);
    }

    #[test]
    fn a_folder_with_a_long_name_has_its_socket_elsewhere() {
        let private = tempfile::tempdir().unwrap();
        let deep = private.path().join("a folder ".repeat(12));
        let teller = Teller::begin(&deep, answer()).unwrap();
        assert!(ask(&teller.socket, "get", QUESTION).unwrap().contains("t0ken"));
    }

    #[test]
    fn paths_are_one_word_of_the_shell() {
        for path in ["/a b/csync", "/it's/$HOME/`x`", "/\"q\"/\\n"] {
            let script = format!("printf %s {}", quoted(Path::new(path)).to_str().unwrap());
            let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), path);
        }
    }
}
