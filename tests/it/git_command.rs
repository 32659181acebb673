//! The git command as the carrier: what only the person's own Git and ssh can do, and what they must not be able to do.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::machines::{Machine, git};
use crate::servers::https::{ALICE, TOKEN};
use crate::servers::process::write_script;
use crate::servers::{At, Daemon, Https, Instead, Ssh};

/// A machine of its own, and the folder that it lives in.
fn machine(transport: &str) -> (TempDir, Machine) {
    let folder = tempfile::tempdir().unwrap();
    let mut machine = Machine::new("ana", folder.path().join("home"));
    machine.set("CSYNC_TRANSPORT", transport);
    machine.set("CSYNC_BACKOFF", "10");
    (folder, machine)
}

/// Makes the vault at `url` and sends a file there.
#[track_caller]
fn found(machine: &Machine, url: &str) -> String {
    let init = machine.csync(&["init", url, "--device", "ana", "--no-passphrase"]).ok();
    machine.write("CLAUDE.md", "Write plain English.\n");
    init.stderr + &machine.csync(&["push"]).ok().stderr
}

fn tip(repository: &Path) -> String {
    git(
        repository,
        &["for-each-ref", "--format=%(objectname)", "refs/heads/main"],
    )
}

/// Bytes that nothing makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut content = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut content);
    content
}

/// An alias in `~/.ssh/config`, reached through a jump host: a server, the machine, and the address.
fn behind_a_jump(transport: &str) -> (Ssh, TempDir, Machine, String, PathBuf) {
    let server = Ssh::start();
    let repository = server.bare("sessions.git");
    let (folder, mut machine) = machine(transport);
    server.install_for(&mut machine);
    let config = format!(
        "Host jump vault\n  HostName 127.0.0.1\n  Port {}\n  User {}\nHost vault\n  ProxyJump jump\n",
        server.port(),
        server.user()
    );
    fs::write(machine.home.join(".ssh/config"), config).unwrap();
    let url = format!("vault:{}", repository.display());
    (server, folder, machine, url, repository)
}

#[test]
fn an_alias_behind_a_jump_host_is_reached_by_the_git_command() {
    let (server, _folder, machine, url, repository) = behind_a_jump("git");
    let told = found(&machine, &url);
    assert!(!told.contains("using the git command"), "{told}");
    assert!(!tip(&repository).is_empty());
    assert!(server.logins() >= 2, "nobody jumped");
}

#[test]
fn auto_takes_up_the_git_command_for_an_alias_and_says_so() {
    let (_server, _folder, machine, url, repository) = behind_a_jump("auto");
    let told = machine
        .csync(&["init", &url, "--device", "ana", "--no-passphrase"])
        .ok()
        .stderr;
    assert_eq!(told.matches("using the git command").count(), 1, "{told}");
    assert!(told.contains("jump host"), "{told}");
    machine.write("CLAUDE.md", "Write plain English.\n");
    let later = machine.csync(&["push"]).ok().stderr;
    assert!(!later.contains("using the git command"), "it is told again: {later}");
    assert!(!tip(&repository).is_empty());
}

#[test]
fn libgit2_alone_does_not_take_up_the_git_command() {
    let (_server, _folder, machine, url, _) = behind_a_jump("libgit2");
    let run = machine
        .csync(&["init", &url, "--device", "ana", "--no-passphrase"])
        .fails(16);
    assert!(!run.stderr.contains("using the git command"), "{}", run.stderr);
}

#[test]
fn auto_takes_up_the_git_command_where_signing_in_takes_the_persons_own_headers() {
    let server = Https::start();
    let repository = server.bare("sessions.git");
    let (_folder, mut machine) = machine("auto");
    for variable in ["SSL_CERT_FILE", "GIT_SSL_CAINFO"] {
        machine.set(variable, server.ca());
    }
    let url = server.url(None, "sessions.git");
    machine
        .csync(&["init", &url, "--device", "ana", "--no-passphrase"])
        .fails(16);
    // `alice:secret` in base64.
    fs::write(
        machine.home.join(".gitconfig"),
        "[http]\n\textraHeader = Authorization: Basic YWxpY2U6c2VjcmV0\n",
    )
    .unwrap();
    let told = found(&machine, &url);
    assert!(
        told.contains("headers of your Git configuration: using the git command"),
        "{told}"
    );
    assert!(!tip(&repository).is_empty());
}

#[test]
fn a_failure_of_both_is_told_with_the_words_of_both() {
    let server = Ssh::start();
    server.bare("sessions.git");
    let (_folder, mut machine) = machine("auto");
    server.install_for(&mut machine);
    fs::copy(server.unknown_key(), machine.home.join(".ssh/id_ed25519")).unwrap();
    let run = machine
        .csync(&[
            "init",
            &server.url("sessions.git"),
            "--device",
            "ana",
            "--no-passphrase",
        ])
        .fails(16);
    assert!(run.stderr.contains("and the git command: "), "{}", run.stderr);
    assert!(run.stderr.contains("Permission denied"), "{}", run.stderr);
    assert!(!run.stderr.contains("using the git command"), "{}", run.stderr);
}

#[test]
fn p16_a_changed_host_key_is_no_reason_for_the_git_command() {
    let server = Ssh::start();
    server.bare("sessions.git");
    let (_folder, mut machine) = machine("auto");
    server.install_for(&mut machine);
    found(&machine, &server.url("sessions.git"));
    server.change_host_key();
    let logins = server.logins();
    // The person's Git would look away.
    fs::write(
        machine.home.join(".gitconfig"),
        "[core]\n\tsshCommand = ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null\n",
    )
    .unwrap();
    let run = machine.csync(&["sync"]).fails(16);
    assert!(!run.stderr.contains("git command"), "{}", run.stderr);
    assert_eq!(server.logins(), logins, "somebody signed in");
}

#[test]
fn the_credential_helper_of_the_person_signs_in() {
    let server = Https::start();
    let repository = server.bare("sessions.git");
    let (_folder, mut machine) = machine("git");
    machine.set("GIT_SSL_CAINFO", server.ca());
    write_script(
        &machine.home.join("helper"),
        &format!(
            "#!/bin/sh\n[ \"$1\" = get ] && echo username={} && echo password={}\n",
            ALICE.0, ALICE.1
        ),
    );
    let helper = machine.home.join("helper");
    fs::write(
        machine.home.join(".gitconfig"),
        format!("[credential]\n\thelper = {}\n", helper.display()),
    )
    .unwrap();
    found(&machine, &server.url(None, "sessions.git"));
    assert!(!tip(&repository).is_empty());
}

#[test]
fn nobody_is_asked_where_nobody_is_there() {
    let server = Https::start();
    server.bare("sessions.git");
    let (folder, mut machine) = machine("git");
    machine.set("GIT_SSL_CAINFO", server.ca());
    let asked = folder.path().join("asked");
    write_script(
        &machine.home.join("askpass"),
        &format!("#!/bin/sh\ntouch '{}'\necho secret\n", asked.display()),
    );
    for variable in ["GIT_ASKPASS", "SSH_ASKPASS"] {
        machine.set(variable, machine.home.join("askpass"));
    }
    let run = machine
        .csync(&[
            "init",
            &server.url(None, "sessions.git"),
            "--device",
            "ana",
            "--no-passphrase",
        ])
        .fails(16);
    assert!(run.stderr.contains("did not accept the sign-in"), "{}", run.stderr);
    assert!(!asked.exists());
}

/// All that processes of `home` show to others: their arguments, and their variables but for csync's own.
fn shown_by_processes(home: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut shown = Vec::new();
    for process in processes {
        let read = |name: &str| fs::read(process.path().join(name)).unwrap_or_default();
        let variables = String::from_utf8_lossy(&read("environ")).into_owned();
        if !variables.contains(&format!("HOME={}", home.display())) {
            continue;
        }
        let arguments = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let is_parent = arguments.contains("csync init") || arguments.contains("csync push");
        shown.push(if is_parent {
            arguments
        } else {
            arguments + " " + &variables
        });
    }
    shown
}

#[test]
fn p18_the_token_goes_to_git_and_nobody_sees_it() {
    let server = Https::start();
    let repository = server.bare("sessions.git");
    let (folder, mut machine) = machine("git");
    machine.set("GIT_SSL_CAINFO", server.ca());
    machine.set("CSYNC_GIT_USERNAME", TOKEN.0);
    machine.set("CSYNC_GIT_TOKEN", TOKEN.1);
    // A helper that would keep it, and a trace that would show it.
    let kept = folder.path().join("kept");
    let helper = folder.path().join("keeper");
    write_script(&helper, &format!("#!/bin/sh\ncat >> '{}'\n", kept.display()));
    fs::write(
        machine.home.join(".gitconfig"),
        format!("[credential]\n\thelper = {}\n", helper.display()),
    )
    .unwrap();
    machine.set("GIT_TRACE_CURL", folder.path().join("trace"));
    machine.set("GIT_TRACE_REDACT", "0");
    let over = std::sync::atomic::AtomicBool::new(false);
    let (told, shown) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut shown = Vec::new();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                shown.extend(shown_by_processes(&machine.home));
                shown.sort();
                shown.dedup();
            }
            shown
        });
        let told = found(&machine, &server.url(None, "sessions.git"));
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        (told, watcher.join().unwrap())
    });
    assert!(!tip(&repository).is_empty());
    assert!(
        shown.iter().any(|shown| shown.contains("git-credential")),
        "nothing was seen: {shown:#?}"
    );
    assert!(shown.iter().all(|shown| !shown.contains(TOKEN.1)), "{shown:#?}");
    assert!(!told.contains(TOKEN.1));
    assert!(!kept.exists() || !fs::read_to_string(&kept).unwrap().contains(TOKEN.1));
    for (path, content) in crate::machines::files_below(folder.path()) {
        let holds = content
            .windows(TOKEN.1.len())
            .any(|window| window == TOKEN.1.as_bytes());
        assert!(!holds, "{path} holds the token");
    }
    assert_eq!(leftovers(&machine), Vec::<String>::new());
}

/// What is left of sockets in csync's own folder.
fn leftovers(machine: &Machine) -> Vec<String> {
    let state = fs::read_dir(machine.home.join(".local/state/csync")).unwrap();
    state
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains("token"))
        .collect()
}

#[test]
fn p18_a_redirection_gets_no_token() {
    let (server, elsewhere) = (Https::start(), Https::start());
    server.bare("sessions.git");
    elsewhere.bare("sessions.git");
    let (_folder, mut machine) = machine("git");
    machine.set("GIT_SSL_CAINFO", server.ca());
    machine.set("CSYNC_GIT_USERNAME", TOKEN.0);
    machine.set("CSYNC_GIT_TOKEN", TOKEN.1);
    let url = server.url(None, &format!("elsewhere/{}/sessions.git", elsewhere.port()));
    machine
        .csync(&["init", &url, "--device", "ana", "--no-passphrase"])
        .fails(16);
    assert!(!elsewhere.requests().is_empty(), "it was not redirected");
    assert!(elsewhere.requests().iter().all(|request| request.user.is_empty()));
}

#[test]
fn the_user_name_of_an_address_is_told_to_helpers_and_to_nobody_else() {
    let server = Https::start();
    let repository = server.bare("sessions.git");
    let (_folder, mut machine) = machine("git");
    machine.set("GIT_SSL_CAINFO", server.ca());
    let helper = machine.home.join("helper");
    let script = format!("#!/bin/sh\ngrep -q '^username=alice$' && echo password={}\n", ALICE.1);
    write_script(&helper, &script);
    let config = format!("[credential]\n\thelper = {}\n", helper.display());
    fs::write(machine.home.join(".gitconfig"), config).unwrap();
    machine.set("CSYNC_GIT_USERNAME", ALICE.0);
    found(&machine, &server.url(None, "sessions.git"));
    assert!(!tip(&repository).is_empty());
}

#[test]
fn what_a_server_answers_over_https_is_understood() {
    let server = Https::start();
    server.bare("sessions.git");
    let (_folder, mut machine) = machine("git");
    machine.set("GIT_SSL_CAINFO", server.ca());
    machine.set("CSYNC_GIT_USERNAME", TOKEN.0);
    machine.set("CSYNC_GIT_TOKEN", TOKEN.1);
    machine.set("CSYNC_MAX_RETRIES", "0");
    for (place, words) in [
        ("deny/sessions.git", "did not accept the sign-in"),
        ("gone/sessions.git", "there is no repository at"),
        ("busy/sessions.git", "503"),
        ("limited/sessions.git", "429"),
    ] {
        let url = server.url(None, place);
        let run = machine
            .csync(&["init", &url, "--device", "ana", "--no-passphrase"])
            .fails(16);
        assert!(run.stderr.contains(words), "{place}: {}", run.stderr);
    }
    machine
        .csync(&[
            "init",
            &server.url(None, "small/sessions.git"),
            "--device",
            "ana",
            "--no-passphrase",
        ])
        .ok();
    machine.write("commands/large.md", noise(1 << 20));
    let run = machine.csync(&["push"]);
    assert_ne!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("413"), "{}", run.stderr);
}

#[test]
fn a_mirror_that_somebody_changed_leads_nowhere_else() {
    let server = Daemon::start();
    let repository = server.bare("sessions.git");
    for transport in ["git", "libgit2"] {
        let (folder, machine) = machine(transport);
        let name = format!("{transport}.git");
        let repository = repository.with_file_name(&name);
        server.bare(&name);
        found(&machine, &server.url(&name));
        let mirror = machine.mirror();
        let config = fs::read_to_string(mirror.join("config")).unwrap();
        let ran = folder.path().join("ran");
        let run = format!("touch '{}'", ran.display());
        let script = folder.path().join("script");
        write_script(&script, &format!("#!/bin/sh\n{run}\n"));
        let evil = format!(
            "{config}[core]\n\tsshCommand = {run}\n\tgitProxy = {0}\n\thooksPath = {1}\n\tfsmonitor = {0}\n\
             [url \"ext::sh -c {0} #\"]\n\tinsteadOf = git://\n[credential]\n\thelper = !{run}\n\
             [include]\n\tpath = {1}/more\n[remote \"{2}\"]\n\turl = /elsewhere\n",
            script.display(),
            folder.path().display(),
            server.url(&name),
        );
        fs::write(mirror.join("config"), evil).unwrap();
        fs::create_dir_all(mirror.join("hooks")).unwrap();
        for hook in ["pre-push", "reference-transaction"] {
            write_script(&mirror.join("hooks").join(hook), &format!("#!/bin/sh\n{run}\n"));
        }
        fs::write(mirror.join("commondir"), "/nonexistent\n").unwrap();
        fs::write(mirror.join("shallow"), tip(&repository)).unwrap();
        let before = tip(&repository);
        machine.write("CLAUDE.md", format!("Write plain English over {transport}.\n"));
        machine.csync(&["sync"]).ok();
        assert_ne!(tip(&repository), before);
        assert!(!ran.exists(), "{transport}");
        assert_eq!(fs::read_to_string(mirror.join("config")).unwrap(), config);
    }
}

#[test]
fn a_large_push_is_left_to_the_git_command_without_a_word() {
    let server = Daemon::start();
    let repository = server.bare("sessions.git");
    let (_folder, mut machine) = machine("auto");
    found(&machine, &server.url("sessions.git"));
    machine.set("CSYNC_LOG", "csync=debug");
    for (size, carried) in [(1 << 20, false), (17 << 20, true)] {
        for part in 0..(size >> 20) {
            let content = [noise(1 << 20), vec![part as u8; 10]].concat();
            let content: Vec<u8> = content.iter().map(|byte| byte.wrapping_add(part as u8)).collect();
            machine.write(&format!("commands/{size}-{part}.md"), content);
        }
        let before = tip(&repository);
        let run = machine.csync(&["push"]).ok();
        assert_ne!(tip(&repository), before);
        assert_eq!(run.stderr.contains("git push"), carried, "{}", run.stderr);
        assert!(!run.stderr.contains("using the git command"));
    }
}

#[test]
fn a_server_that_says_when_it_wants_to_be_asked_again_is_asked_then() {
    let server = Https::start();
    server.bare("sessions.git");
    let (_folder, mut machine) = machine("git");
    machine.set("GIT_SSL_CAINFO", server.ca());
    machine.set("CSYNC_GIT_TOKEN", TOKEN.1);
    found(&machine, &server.url(None, "sessions.git"));
    for (status, at) in [(429, At::Refs), (503, At::Push), (403, At::Refs)] {
        machine.append("CLAUDE.md", format!("And again after {status}.\n"));
        server.clear_log();
        server.next(at, 1, Instead::RetryAfter(status, 2));
        let start = std::time::Instant::now();
        let run = machine.csync(&["sync"]).ok();
        // Our own wait would be some milliseconds.
        assert!(start.elapsed() >= std::time::Duration::from_secs(2), "{status}");
        assert!(
            run.stderr.contains("trying again in 2 s (1 of 5)"),
            "{status}: {}",
            run.stderr
        );
        assert!(!run.stderr.contains("(2 of 5)"), "{status}: {}", run.stderr);
        let told = server
            .requests()
            .iter()
            .filter(|request| request.status == status)
            .count();
        assert_eq!(told, 1, "it was asked again before its time");
    }
}

#[test]
fn a_git_that_may_only_read_does_not_keep_libgit2_from_a_large_push() {
    let (folder, mut ana) = machine("auto");
    let server = Daemon::start();
    let repository = server.bare("vault.git");
    found(&ana, &server.url("vault.git"));
    // Its git signs in as somebody else, whom nobody is asked about.
    let programs = folder.path().join("programs");
    fs::create_dir(&programs).unwrap();
    write_script(
        &programs.join("git"),
        "#!/bin/sh\necho 'remote: this key is marked as read only' >&2\nexit 128\n",
    );
    let path = std::env::var("PATH").unwrap();
    ana.set("PATH", format!("{}:{path}", programs.display()));
    ana.write("agents/big.md", noise(20 << 20));
    let before = tip(&repository);
    ana.csync(&["push"]).ok();
    assert_ne!(tip(&repository), before);
}

#[test]
fn a_host_that_an_authority_vouches_for_is_reached_by_the_git_command() {
    let server = Ssh::start();
    let repository = server.bare("sessions.git");
    let trust = server.certify();
    for (transport, code) in [("libgit2", 16), ("auto", 0)] {
        let (_folder, mut machine) = machine(transport);
        server.install_for(&mut machine);
        let known = machine.home.join(".ssh/known_hosts");
        fs::write(&known, &trust).unwrap();
        let url = server.url("sessions.git");
        let run = machine
            .csync(&["init", &url, "--device", "ana", "--no-passphrase"])
            .fails(code);
        assert_eq!(
            run.stderr.contains("using the git command"),
            code == 0,
            "{}",
            run.stderr
        );
        // Said once, and kept to.
        if code == 0 {
            let again = machine.csync(&["sync", "-vv"]).ok();
            assert!(!again.stderr.contains("using the git command"), "{}", again.stderr);
            assert!(again.stderr.contains("the git command talks to"), "{}", again.stderr);
        }
        assert_eq!(fs::read_to_string(&known).unwrap(), trust, "nothing was learnt");
    }
    assert!(!tip(&repository).is_empty());
}
