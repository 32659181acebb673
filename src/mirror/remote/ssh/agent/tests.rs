use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// A real ssh-agent with a socket of its own, ended when dropped.
struct RealAgent {
    child: Child,
    folder: TempDir,
}

impl RealAgent {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(folder.path().join("socket"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { child, folder };
        let began = Instant::now();
        while !agent.socket().exists() {
            assert!(began.elapsed() < Duration::from_secs(20), "ssh-agent made no socket");
            thread::sleep(Duration::from_millis(5));
        }
        agent
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Makes a key, adds it, and gives the fingerprint that `ssh-keygen -l` prints.
    fn add(&self, kind: &str, comment: &str) -> String {
        let key = self.folder.path().join(kind);
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program)
                .args(arguments)
                .arg(&key)
                .env("SSH_AUTH_SOCK", self.socket())
                .output()
                .unwrap();
            assert!(output.status.success(), "{program}: {output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-C", comment, "-f"]);
        run("ssh-add", &["-q"]);
        let printed = run("ssh-keygen", &["-l", "-f"]);
        printed.split_whitespace().nth(1).unwrap().to_owned()
    }
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An agent that takes one question and then does what it is told.
fn impostor(folder: &Path, act: impl FnOnce(std::os::unix::net::UnixStream) + Send + 'static) -> PathBuf {
    let socket = folder.join("socket");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut question = [0; QUESTION.len()];
        stream.read_exact(&mut question).unwrap();
        assert_eq!(question, QUESTION);
        act(stream);
    });
    socket
}

fn answer(body: &[u8]) -> Vec<u8> {
    let mut message = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    message.extend_from_slice(body);
    message
}

fn why(state: AgentState) -> String {
    match state {
        AgentState::Unreachable { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_real_agent_tells_its_keys() {
    let agent = RealAgent::start();
    assert_eq!(ask(Some(agent.socket().as_os_str())), AgentState::Empty);

    let first = agent.add("ed25519", "ana@laptop");
    let second = agent.add("ecdsa", "the second");

    let AgentState::Holds(keys) = ask(Some(agent.socket().as_os_str())) else {
        panic!("two keys were added")
    };
    let told: Vec<_> = keys
        .iter()
        .map(|key| (key.key_type.as_str(), key.fingerprint.as_str(), key.comment.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("ssh-ed25519", first.as_str(), "ana@laptop"),
            ("ecdsa-sha2-nistp256", second.as_str(), "the second"),
        ]
    );
}

#[test]
fn without_a_socket_there_is_no_agent() {
    assert_eq!(ask(None), AgentState::NotSet);
    assert_eq!(ask(Some(OsStr::new(""))), AgentState::NotSet);
}

#[test]
fn an_agent_that_is_gone_is_not_relied_on() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    why(ask(Some(socket.as_os_str())));
    drop(UnixListener::bind(&socket).unwrap());
    why(ask(Some(socket.as_os_str())));
    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "a file").unwrap();
    why(ask(Some(socket.as_os_str())));
}

#[test]
fn an_agent_that_says_nothing_is_waited_for_a_while_only() {
    let folder = tempfile::tempdir().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let socket = impostor(folder.path(), move |_stream| {
        let _ = held.recv();
    });
    let began = Instant::now();
    assert!(!why(ask(Some(socket.as_os_str()))).is_empty());
    assert!(began.elapsed() < Duration::from_secs(30));
    drop(release);
}

#[test]
fn an_agent_that_answers_in_drops_is_waited_for_a_while_only() {
    let folder = tempfile::tempdir().unwrap();
    let socket = impostor(folder.path(), |mut stream| {
        let _ = stream.write_all(&[0, 0, 1, 0]);
        while stream.write_all(&[0]).is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    let began = Instant::now();
    assert!(why(ask(Some(socket.as_os_str()))).contains("2 seconds"));
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn answers_that_make_no_sense_are_not_believed() {
    for (sent, part) in [
        (vec![], ""),
        (answer(b""), "no sense"),
        (answer(&[FAILURE]), "refused"),
        (answer(&[6]), "no sense"),
        (answer(&[ANSWER]), "no sense"),
        (answer(&[ANSWER, 0, 0, 0, 1]), "no sense"),
        (answer(&[ANSWER, 0xff, 0xff, 0xff, 0xff]), "no sense"),
        (answer(&[ANSWER, 0, 0, 0, 0, 0]), "no sense"),
        (answer(&[ANSWER, 0, 0, 0, 1, 0, 0, 0, 9, 1]), "no sense"),
        (vec![0xff, 0xff, 0xff, 0xff], "too long"),
        (vec![0, 0, 0, 9, ANSWER], ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let bytes = sent.clone();
        let socket = impostor(folder.path(), move |mut stream| {
            let _ = stream.write_all(&bytes);
        });
        let why = why(ask(Some(socket.as_os_str())));
        assert!(why.contains(part), "{sent:?}: {why}");
    }
}

proptest! {
    #[test]
    fn no_answer_makes_it_fail(
        mut message in proptest::collection::vec(any::<u8>(), 0..96),
        real in any::<bool>(),
    ) {
        if real && message.len() > 5 {
            message[..5].copy_from_slice(&[ANSWER, 0, 0, 0, 2]);
        }
        let _ = understand(&message);
    }
}
