use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;
use crate::error::Kind;
use crate::mirror::oracle::connect;
use crate::mirror::oracle::{Bench, bench, commit, fsck, git, git_output, isolated, noise};
use crate::mirror::remote::Rejection;

/// A `git daemon` on a free port of the loopback interface, ended when dropped.
struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    /// Serves the repositories in `folder`, pushes included.
    fn start(folder: &Path) -> Self {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let child = isolated(Command::new("git").arg("daemon"))
                .args(["--export-all", "--enable=receive-pack", "--listen=127.0.0.1"])
                .arg(format!("--port={port}"))
                .arg(format!("--base-path={}", folder.display()))
                .arg(folder)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("git daemon starts");
            let mut daemon = Self { child, port };
            // It ends at once when something else has taken the port meanwhile: then on another one.
            while daemon.child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() && daemon.child.try_wait().unwrap().is_none() {
                    return daemon;
                }
                assert!(Instant::now() < deadline, "git daemon does not listen");
                std::thread::yield_now();
            }
            assert!(Instant::now() < deadline, "git daemon does not start");
        }
    }

    fn url(&self, name: &str) -> String {
        format!("git://127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // `git daemon` starts a second process that listens; it ends with the first one's terminating signal only, so
        // that a hard kill would leave it behind.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let _ = self.child.wait();
    }
}

struct Served {
    bench: Bench,
    daemon: Daemon,
    repository: PathBuf,
}

fn served() -> Served {
    let bench = bench();
    let repository = bench.bare("served/vault.git");
    let daemon = Daemon::start(&bench.path("served"));
    Served {
        bench,
        daemon,
        repository,
    }
}

fn hook(repository: &Path, name: &str, script: &str) {
    let path = repository.join("hooks").join(name);
    fs::create_dir_all(repository.join("hooks")).unwrap();
    fs::write(&path, script).unwrap();
    Command::new("chmod").arg("755").arg(&path).status().unwrap();
}

#[test]
fn what_one_machine_pushes_another_fetches() {
    let Served {
        bench,
        daemon,
        repository,
    } = served();
    let mut here = connect(&daemon.url("vault.git")).unwrap();
    here.test().unwrap();
    assert_eq!(here.fetch(&bench.mirror).unwrap(), None);
    let one = commit(&bench.mirror, None, &[("files/0/0/0/a.age", &noise(1, 2 << 20))]);
    assert_eq!(here.push(&bench.mirror, None, one).unwrap(), Push::Accepted);
    let two = commit(&bench.mirror, Some(one), &[("note.age", b"2")]);
    assert_eq!(here.push(&bench.mirror, Some(one), two).unwrap(), Push::Accepted);
    fsck(&repository);

    let other = bench.other("other");
    assert_eq!(here.fetch(&other).unwrap(), Some(two));
    assert_eq!(other.get(Pointer::Incoming).unwrap(), Some(two));
    assert_eq!(other.history(two, None).unwrap(), [one, two]);
    assert_eq!(here.fetch(&other).unwrap(), Some(two));
    fsck(other.folder());
    let references = git(other.folder(), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(references, "refs/csync/incoming\n");
    assert!(!other.folder().join("FETCH_HEAD").exists());
}

/// Passes connections on to a daemon and tells, for each, how many bytes the client sent.
fn counting_proxy(target: u16) -> (u16, std::sync::mpsc::Receiver<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = std::sync::mpsc::channel();
    // It ends with the process: each connection of the test below ends by itself.
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", target)).unwrap();
            let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let answers = std::thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Both);
            });
            let sent = std::io::copy(&mut client, &mut server).unwrap_or(u64::MAX);
            let _ = server.shutdown(std::net::Shutdown::Write);
            answers.join().unwrap();
            let _ = tell.send(sent);
        }
    });
    (port, told)
}

#[test]
fn p27_when_nothing_changed_a_fetch_is_one_round_trip() {
    let Served { bench, daemon, .. } = served();
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    connect(&daemon.url("vault.git"))
        .unwrap()
        .push(&bench.mirror, None, one)
        .unwrap();
    let (port, sent) = counting_proxy(daemon.port);
    let mut remote = connect(&format!("git://127.0.0.1:{port}/vault.git")).unwrap();
    let other = bench.other("other");
    let wait = Duration::from_secs(30);
    assert_eq!(remote.fetch(&other).unwrap(), Some(one));
    assert!(sent.recv_timeout(wait).unwrap() > 150, "it asked for objects");
    // The request, and goodbye.
    assert_eq!(remote.fetch(&other).unwrap(), Some(one));
    assert!(sent.recv_timeout(wait).unwrap() < 100);
    assert!(sent.try_recv().is_err(), "more than one connection");
    other.set(Pointer::Tip, None, one).unwrap();
    other.clear(Pointer::Incoming).unwrap();
    assert_eq!(remote.fetch(&other).unwrap(), Some(one));
    assert!(sent.recv_timeout(wait).unwrap() < 100);
    assert_eq!(other.get(Pointer::Incoming).unwrap(), Some(one));
}

#[test]
fn p8_a_branch_that_moved_is_a_lost_race() {
    let Served {
        bench,
        daemon,
        repository,
    } = served();
    let other = bench.other("other");
    let mut here = connect(&daemon.url("vault.git")).unwrap();
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    here.push(&bench.mirror, None, one).unwrap();
    here.fetch(&other).unwrap();
    let ours = commit(&bench.mirror, Some(one), &[("a", b"ours")]);
    let theirs = commit(&other, Some(one), &[("a", b"theirs")]);
    assert_eq!(here.push(&other, Some(one), theirs).unwrap(), Push::Accepted);
    assert_eq!(here.push(&bench.mirror, Some(one), ours).unwrap(), Push::LostRace);
    assert_eq!(here.push(&bench.mirror, None, ours).unwrap(), Push::LostRace);
    assert_eq!(git(&repository, &["rev-parse", "main"]).trim(), theirs.to_string());
    assert_eq!(here.fetch(&bench.mirror).unwrap(), Some(theirs));
    let upon_theirs = commit(&bench.mirror, Some(theirs), &[("a", b"unseen")]);
    let unseen = here.push(&bench.mirror, None, upon_theirs).unwrap();
    assert_eq!(
        unseen,
        Push::LostRace,
        "it would fit, but the caller thought the remote empty"
    );
    let merged = commit(&bench.mirror, Some(theirs), &[("a", b"both")]);
    assert_eq!(here.push(&bench.mirror, Some(theirs), merged).unwrap(), Push::Accepted);
}

#[test]
fn p8_a_branch_that_moves_during_the_push_is_a_lost_race() {
    let Served {
        bench,
        daemon,
        repository,
    } = served();
    let mut here = connect(&daemon.url("vault.git")).unwrap();
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    here.push(&bench.mirror, None, one).unwrap();
    let two = commit(&bench.mirror, Some(one), &[("a", b"2")]);
    let rival = commit(&bench.mirror, Some(one), &[("a", b"rival")]);
    // Between the server's first look at the branch and its update, another push arrives: here, by a hook.
    let mut local = connect(repository.to_str().unwrap()).unwrap();
    let parked = bench.bare("served/parked.git");
    let mut parked_remote = connect(parked.to_str().unwrap()).unwrap();
    parked_remote.push(&bench.mirror, None, rival).unwrap();
    hook(
        &repository,
        "pre-receive",
        &format!(
            "#!/bin/sh\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n\
             git fetch --quiet '{}' main && git update-ref refs/heads/main {rival}\n",
            parked.display()
        ),
    );
    assert_eq!(here.push(&bench.mirror, Some(one), two).unwrap(), Push::LostRace);
    assert_eq!(local.fetch(&bench.other("seen")).unwrap(), Some(rival));
}

#[test]
fn p8b_a_server_that_takes_the_objects_and_refuses_the_branch_is_told() {
    let Served {
        bench,
        daemon,
        repository,
    } = served();
    hook(
        &repository,
        "pre-receive",
        "#!/bin/sh\necho 'vaults are blocked here' >&2\nexit 1\n",
    );
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    let mut here = connect(&daemon.url("vault.git")).unwrap();
    let Push::Rejected(Rejection { said: reason, .. }) = here.push(&bench.mirror, None, one).unwrap() else {
        panic!("not rejected")
    };
    assert!(reason.contains("hook declined"), "{reason}");
    assert!(reason.contains("vaults are blocked here"), "{reason}");
    assert!(
        !git_output(&repository, &["rev-parse", "--verify", "main"])
            .status
            .success()
    );
}

#[test]
fn a_server_that_does_not_have_it_or_is_not_there_is_told() {
    let Served { bench, daemon, .. } = served();
    let error = connect(&daemon.url("other.git"))
        .unwrap()
        .fetch(&bench.mirror)
        .unwrap_err();
    assert!(matches!(error, MirrorError::NotFound { .. }), "{error:?}");
    let url = daemon.url("vault.git");
    drop(daemon);
    let error = crate::Error::from(connect(&url).unwrap().test().unwrap_err());
    assert_eq!(error.kind(), Kind::Network);
    assert!(error.to_string().contains(&url), "{error}");
    assert!(error.hint_text().is_some());
}

#[test]
fn p18_an_error_never_shows_the_password() {
    // Nobody listens on this port any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["http", "git", "ssh"] {
        let mut remote = connect(&format!("{scheme}://ana:hunter2@127.0.0.1:{port}/x?token=hunter2")).unwrap();
        let error = remote.test().unwrap_err();
        assert!(
            !format!("{error} {error:?} {}", remote.location()).contains("hunter2"),
            "{error:?}"
        );
        assert_eq!(crate::Error::from(error).kind(), Kind::Network);
    }
}

#[test]
fn a_server_that_wants_a_password_is_asked_a_bounded_number_of_times() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let mut asked = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            loop {
                let length = stream.read(&mut request).unwrap_or(0);
                if length == 0 {
                    break;
                }
                if request.starts_with(b"STOP") {
                    return asked;
                }
                asked += 1;
                let answer =
                    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
                std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
            }
        }
        asked
    });
    let error = connect(&format!("http://127.0.0.1:{port}/x"))
        .unwrap()
        .test()
        .unwrap_err();
    assert!(matches!(error, MirrorError::Authentication { .. }), "{error:?}");
    std::io::Write::write_all(&mut TcpStream::connect(("127.0.0.1", port)).unwrap(), b"STOP").unwrap();
    assert!(server.join().unwrap() <= 3);
}

#[test]
fn p5_objects_that_a_mirror_lost_are_fetched_again() {
    let Served {
        bench,
        daemon,
        repository,
    } = served();
    let one = commit(&bench.mirror, None, &[("a", &noise(1, 400_000)), ("b/c", b"2")]);
    let mut remote = connect(&daemon.url("vault.git")).unwrap();
    remote.push(&bench.mirror, None, one).unwrap();
    // The commit alone, as if a disk had lost the rest: libgit2 believes that it has everything.
    let other = bench.other("other");
    let text = git(&repository, &["cat-file", "commit", "main"]);
    other
        .odb()
        .unwrap()
        .write(git2::ObjectType::Commit, text.as_bytes())
        .unwrap();
    assert_eq!(remote.fetch(&other).unwrap(), Some(one));
    fsck(other.folder());
    let names = fs::read_dir(other.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        names
            .into_iter()
            .all(|name| !name.to_string_lossy().starts_with("csync-"))
    );
}

/// Counts what it is told of, and asks to stop at the first word.
struct Stopper {
    stop: std::sync::atomic::AtomicBool,
    bytes: std::sync::atomic::AtomicU64,
}

impl crate::core::progress::Progress for Stopper {
    fn begin(&self, _: crate::core::progress::Phase, _: u64, _: u64) {}
    fn advance(&self, _: u64, bytes: u64) {
        use std::sync::atomic::Ordering::SeqCst;
        self.bytes.fetch_add(bytes, SeqCst);
        self.stop.store(true, SeqCst);
    }
    fn end(&self) {}
}

#[test]
fn p20_a_signal_ends_a_fetch_and_a_push() {
    let Served {
        bench,
        daemon,
        repository,
    } = served();
    let url = daemon.url("vault.git");
    let one = commit(&bench.mirror, None, &[("a", &noise(1, 4 << 20))]);
    connect(&url).unwrap().push(&bench.mirror, None, one).unwrap();
    let stopper = Stopper {
        stop: std::sync::atomic::AtomicBool::new(false),
        bytes: std::sync::atomic::AtomicU64::new(0),
    };
    let mut network = Network::quiet(bench.path("home"));
    network.progress = &stopper;
    network.stop = &stopper.stop;
    let mut remote = GitRemote::new(url.clone(), network);
    let other = bench.other("other");
    let error = remote.fetch(&other).unwrap_err();
    assert!(matches!(error, MirrorError::Interrupted { .. }), "{error:?}");
    assert!(stopper.bytes.load(std::sync::atomic::Ordering::SeqCst) < 4 << 20);
    assert_eq!(other.get(Pointer::Incoming).unwrap(), None);
    // The wish still stands when the next push begins.
    let two = commit(&bench.mirror, Some(one), &[("a", &noise(2, 1 << 20))]);
    let error = remote.push(&bench.mirror, Some(one), two).unwrap_err();
    assert!(matches!(error, MirrorError::Interrupted { .. }), "{error:?}");
    assert_eq!(git(&repository, &["rev-parse", "main"]).trim(), one.to_string());
    // It can be done again, with nobody who stops it.
    let mut again = connect(&url).unwrap();
    assert_eq!(again.push(&bench.mirror, Some(one), two).unwrap(), Push::Accepted);
}

#[test]
fn p8_no_refspec_forces() {
    assert!(!refspec(CommitId([1; 20])).contains('+'));
    // All that this room's sources hand to libgit2 as refspecs is `refspec` and the name of the branch.
    for (name, source) in [
        ("libgit2/mod.rs", include_str!("mod.rs")),
        ("folder.rs", include_str!("../folder.rs")),
    ] {
        assert!(!source.contains("\"+"), "{name}");
        for call in [".push(&[", ".download(&[", ".fetch(&["] {
            for (_, after) in source
                .match_indices(call)
                .map(|(at, _)| source.split_at(at + call.len()))
            {
                assert!(
                    after.starts_with("refspec(new)]") || after.starts_with("BRANCH]"),
                    "{name}: {call}"
                );
            }
        }
    }
}
