use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::*;
use crate::core::transport::Transport;
use crate::mirror::oracle::{Bench, bench, commit, fsck, git, git_output, isolated, noise};
use crate::mirror::remote::connect;

mod silence;

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
            let port = free_port();
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
        // It ends its second process with the terminating signal only.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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

/// A person with an empty home and the programs of this machine, who chose the git command.
fn person(bench: &Bench) -> Network<'static> {
    let home = bench.path("home");
    fs::create_dir_all(&home).unwrap();
    let mut network = Network::quiet(home.clone());
    network.transport = Transport::Git;
    network.private_folder = bench.path("private");
    let path = std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1;
    let variables = [
        ("PATH".to_owned(), path),
        ("HOME".to_owned(), home.into()),
        ("GIT_CONFIG_NOSYSTEM".to_owned(), "1".into()),
    ];
    network.variables = Arc::new(variables.into());
    network
}

impl Served {
    fn remote(&self) -> Box<dyn Remote> {
        connect(&self.daemon.url("vault.git"), &person(&self.bench)).unwrap()
    }
}

fn hook(repository: &Path, name: &str, script: &str) {
    let path = repository.join("hooks").join(name);
    fs::create_dir_all(repository.join("hooks")).unwrap();
    fs::write(&path, script).unwrap();
    Command::new("chmod").arg("755").arg(&path).status().unwrap();
}

/// The names of everything in a folder, but for objects.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn what_one_machine_pushes_another_fetches_and_the_mirror_stays_as_it_was() {
    let served = served();
    let bench = &served.bench;
    let mut here = served.remote();
    assert_eq!(here.fetch(&bench.mirror).unwrap(), None);
    assert_eq!(
        here.test().unwrap(),
        Tested {
            tip: None,
            not_writable: None
        }
    );
    let one = commit(&bench.mirror, None, &[("files/0/0/0/a.age", &noise(1, 2 << 20))]);
    assert_eq!(here.push(&bench.mirror, None, one).unwrap(), Push::Accepted);
    let two = commit(&bench.mirror, Some(one), &[("note.age", b"2")]);
    assert_eq!(here.push(&bench.mirror, Some(one), two).unwrap(), Push::Accepted);
    assert_eq!(
        here.push(&bench.mirror, Some(one), two).unwrap(),
        Push::Accepted,
        "it is there already"
    );
    assert_eq!(here.test().unwrap().tip, Some(two));
    fsck(&served.repository);
    assert_eq!(
        git(&served.repository, &["for-each-ref", "--format=%(refname)"]),
        "refs/heads/main\n"
    );

    let other = bench.other("other");
    let before = names(other.folder());
    assert_eq!(here.fetch(&other).unwrap(), Some(two));
    assert_eq!(other.get(Pointer::Incoming).unwrap(), Some(two));
    assert_eq!(other.history(two, None).unwrap(), [one, two]);
    assert_eq!(here.fetch(&other).unwrap(), Some(two));
    fsck(other.folder());
    let references = git(other.folder(), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(references, "refs/csync/incoming\n");
    assert_eq!(names(other.folder()), before, "nothing of git's own stays behind");
    assert!(
        names(&other.folder().join("objects/pack"))
            .iter()
            .all(|name| !name.ends_with(".keep"))
    );
    assert_eq!(here.carrier(), Carrier::Git { because: None });
    assert_eq!(names(&bench.path("private")).len(), 0);
}

/// Passes connections on to a daemon, and counts them.
fn counting(target: u16) -> (u16, Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut client = client.unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", target)).unwrap();
            let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Both);
            });
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut client, &mut server);
                let _ = server.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    (port, count)
}

#[test]
fn p27_every_exchange_is_one_connection() {
    let served = served();
    let bench = &served.bench;
    let (port, count) = counting(served.daemon.port);
    let mut remote = connect(&format!("git://127.0.0.1:{port}/vault.git"), &person(bench)).unwrap();
    let since = |act: &mut dyn FnMut()| {
        let before = count.load(Ordering::Relaxed);
        act();
        count.load(Ordering::Relaxed) - before
    };
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    assert_eq!(since(&mut || assert!(remote.push(&bench.mirror, None, one).is_ok())), 1);
    let other = bench.other("other");
    for _ in 0..3 {
        assert_eq!(since(&mut || assert!(remote.fetch(&other).is_ok())), 1);
    }
    other.set(Pointer::Tip, None, one).unwrap();
    other.clear(Pointer::Incoming).unwrap();
    assert_eq!(since(&mut || assert!(remote.fetch(&other).is_ok())), 1);
    assert_eq!(other.get(Pointer::Incoming).unwrap(), Some(one));
}

#[test]
fn p8_a_branch_that_moved_is_a_lost_race() {
    let served = served();
    let bench = &served.bench;
    let other = bench.other("other");
    let mut here = served.remote();
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    here.push(&bench.mirror, None, one).unwrap();
    here.fetch(&other).unwrap();
    let ours = commit(&bench.mirror, Some(one), &[("a", b"ours")]);
    let theirs = commit(&other, Some(one), &[("a", b"theirs")]);
    assert_eq!(here.push(&other, Some(one), theirs).unwrap(), Push::Accepted);
    assert_eq!(here.push(&bench.mirror, Some(one), ours).unwrap(), Push::LostRace);
    assert_eq!(here.push(&bench.mirror, None, ours).unwrap(), Push::LostRace);
    assert_eq!(
        git(&served.repository, &["rev-parse", "main"]).trim(),
        theirs.to_string()
    );
    assert_eq!(here.fetch(&bench.mirror).unwrap(), Some(theirs));
    let upon_theirs = commit(&bench.mirror, Some(theirs), &[("a", b"unseen")]);
    let unseen = here.push(&bench.mirror, None, upon_theirs).unwrap();
    assert_eq!(
        unseen,
        Push::LostRace,
        "it would fit, but the caller thought the remote empty"
    );
    let beside = here.push(&bench.mirror, Some(theirs), ours).unwrap_err();
    assert!(matches!(beside, MirrorError::NotAContinuation { .. }), "{beside}");
    let merged = commit(&bench.mirror, Some(theirs), &[("a", b"both")]);
    assert_eq!(here.push(&bench.mirror, Some(theirs), merged).unwrap(), Push::Accepted);
}

#[test]
fn p8_a_branch_that_moves_during_the_push_is_a_lost_race() {
    let served = served();
    let bench = &served.bench;
    let mut here = served.remote();
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    here.push(&bench.mirror, None, one).unwrap();
    let two = commit(&bench.mirror, Some(one), &[("a", b"2")]);
    let rival = commit(&bench.mirror, Some(one), &[("a", b"rival")]);
    // Between the server's first look at the branch and its update, another push arrives: here, by a hook.
    let parked = bench.bare("served/parked.git");
    let quiet = Network::quiet(bench.path("home"));
    connect(parked.to_str().unwrap(), &quiet)
        .unwrap()
        .push(&bench.mirror, None, rival)
        .unwrap();
    hook(
        &served.repository,
        "pre-receive",
        &format!(
            "#!/bin/sh\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n\
             git fetch --quiet '{}' main && git update-ref refs/heads/main {rival}\n",
            parked.display()
        ),
    );
    assert_eq!(here.push(&bench.mirror, Some(one), two).unwrap(), Push::LostRace);
    assert_eq!(
        git(&served.repository, &["rev-parse", "main"]).trim(),
        rival.to_string()
    );
}

#[test]
fn p8b_a_server_that_takes_the_objects_and_refuses_the_branch_is_told() {
    let served = served();
    let bench = &served.bench;
    hook(
        &served.repository,
        "pre-receive",
        "#!/bin/sh\necho 'vaults are blocked here' >&2\nexit 1\n",
    );
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    let Push::Rejected(Rejection { said, cause }) = served.remote().push(&bench.mirror, None, one).unwrap() else {
        panic!("not rejected")
    };
    assert_eq!(cause, Refusal::Hook);
    assert!(
        said.contains("hook declined") && said.contains("vaults are blocked here"),
        "{said}"
    );
    let main = git_output(&served.repository, &["rev-parse", "--verify", "main"]);
    assert!(!main.status.success());
}

#[test]
fn a_repository_that_holds_something_else_is_no_vault() {
    let served = served();
    let bench = &served.bench;
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    let refspec = format!("{one}:refs/heads/master");
    git(
        bench.mirror.folder(),
        &["push", "--quiet", served.repository.to_str().unwrap(), &refspec],
    );
    for error in [
        served.remote().fetch(&bench.mirror).unwrap_err(),
        served.remote().test().unwrap_err(),
    ] {
        assert!(
            matches!(&error, MirrorError::NotAVault { found, .. } if found == "the branch `master`"),
            "{error:?}"
        );
    }
}

#[test]
fn a_server_that_does_not_have_it_or_is_not_there_is_told() {
    let served = served();
    let bench = &served.bench;
    let network = person(bench);
    let error = connect(&served.daemon.url("other.git"), &network)
        .unwrap()
        .fetch(&bench.mirror)
        .unwrap_err();
    assert!(matches!(error, MirrorError::NotFound { .. }), "{error:?}");
    let port = free_port();
    for scheme in ["git", "http", "ssh"] {
        let url = format!("{scheme}://127.0.0.1:{port}/x");
        let error = connect(&url, &network).unwrap().test().unwrap_err();
        assert!(
            matches!(&error, MirrorError::Network { outage: Outage::Refused, location, .. } if *location == url),
            "{error:?}"
        );
    }
    for scheme in ["git", "https", "ssh"] {
        let error = connect(&format!("{scheme}://host.invalid/x"), &network)
            .unwrap()
            .test()
            .unwrap_err();
        assert!(
            matches!(
                &error,
                MirrorError::Network {
                    outage: Outage::Offline,
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

#[test]
fn where_there_is_no_git_that_is_said_first() {
    let bench = bench();
    let mut network = person(&bench);
    network.variables = Arc::new([("PATH".to_owned(), ".:/nonexistent".into())].into());
    let error = connect("git://127.0.0.1/x", &network).err().unwrap();
    assert!(matches!(error, MirrorError::NoGitCommand { .. }), "{error:?}");
}

#[test]
fn p5_objects_that_a_mirror_lost_are_fetched_again() {
    let served = served();
    let bench = &served.bench;
    let one = commit(&bench.mirror, None, &[("a", &noise(1, 400_000)), ("b/c", b"2")]);
    let mut remote = served.remote();
    remote.push(&bench.mirror, None, one).unwrap();
    // The commit alone, as if a disk had lost the rest: even where a pointer says that all is there.
    let text = git(&served.repository, &["cat-file", "commit", "main"]);
    for (name, pointed) in [("unknown", false), ("known", true)] {
        let other = bench.other(name);
        other
            .odb()
            .unwrap()
            .write(git2::ObjectType::Commit, text.as_bytes())
            .unwrap();
        if pointed {
            // Something else than the three pointers, which are taken at their word.
            other
                .repository
                .reference("refs/heads/other", oid(one), false, "")
                .unwrap();
        }
        assert_eq!(remote.fetch(&other).unwrap(), Some(one), "{name}");
        fsck(other.folder());
        assert!(names(other.folder()).iter().all(|name| !name.starts_with("csync-")));
    }
}

#[test]
fn hooks_and_housekeeping_of_the_person_do_not_touch_the_mirror() {
    let served = served();
    let bench = &served.bench;
    let network = person(bench);
    let hooks = bench.path("home/hooks");
    let trace = bench.path("ran");
    for name in ["pre-push", "reference-transaction", "post-checkout", "pre-auto-gc"] {
        hook(
            &bench.path("home"),
            name,
            &format!("#!/bin/sh\necho {name} >> '{}'\n", trace.display()),
        );
        hook(
            bench.mirror.folder(),
            name,
            &format!("#!/bin/sh\necho {name} >> '{}'\n", trace.display()),
        );
    }
    fs::write(
        bench.path("home/.gitconfig"),
        format!(
            "[core]\n\thooksPath = {}\n[gc]\n\tauto = 1\n[fetch]\n\tprune = true\n\twriteCommitGraph = true\n\
             [push]\n\tfollowTags = true\n\tgpgSign = true\n\tpushOption = x\n\trecurseSubmodules = check\n[protocol]\n\tversion = 2\n",
            hooks.display()
        ),
    )
    .unwrap();
    let mut remote = connect(&served.daemon.url("vault.git"), &network).unwrap();
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    assert_eq!(remote.push(&bench.mirror, None, one).unwrap(), Push::Accepted);
    assert_eq!(remote.fetch(&bench.mirror).unwrap(), Some(one));
    assert!(!trace.exists(), "{}", fs::read_to_string(&trace).unwrap());
}

#[test]
fn an_address_that_is_rewritten_goes_where_the_person_said_but_runs_nothing() {
    let served = served();
    let bench = &served.bench;
    let one = commit(&bench.mirror, None, &[("a", b"1")]);
    served.remote().push(&bench.mirror, None, one).unwrap();
    let network = person(bench);
    let config = bench.path("home/.gitconfig");
    let daemon = format!("git://127.0.0.1:{}/", served.daemon.port);
    fs::write(
        &config,
        format!("[url \"{daemon}\"]\n\tinsteadOf = https://vaults.example/\n"),
    )
    .unwrap();
    let mut remote = connect("https://vaults.example/vault.git", &network).unwrap();
    assert_eq!(remote.fetch(&bench.other("other")).unwrap(), Some(one));
    let trace = bench.path("ran");
    let file = served.repository.parent().unwrap().display().to_string();
    for evil in [
        format!("ext::sh -c touch% {} #", trace.display()),
        format!("file://{file}/"),
        format!("{file}/"),
    ] {
        fs::write(
            &config,
            format!("[url \"{evil}\"]\n\tinsteadOf = https://vaults.example/\n"),
        )
        .unwrap();
        let error = remote.fetch(&bench.other(&format!("o{}", evil.len()))).unwrap_err();
        assert!(error.to_string().contains("not allowed"), "{error}");
    }
    assert!(!trace.exists());
}

#[test]
fn p8_nothing_that_is_handed_to_git_forces() {
    assert!(!refspec(CommitId([1; 20])).contains('+'));
    let source = include_str!("mod.rs");
    assert!(!source.contains("\"+"), "a refspec with a plus");
    assert!(!source.contains("\"--force\"") && !source.contains("\"-f\"") && !source.contains("--mirror"));
    for (at, _) in source.match_indices("--force") {
        assert!(
            source[at..].starts_with("--force-with-lease={BRANCH}:"),
            "a force without a lease"
        );
    }
}
