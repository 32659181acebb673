//! The servers hold what they promise: shown with the plain `git` command.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::https::{ALICE, BOB, TOKEN};
use super::{
    Agent, At, ConnectProxy, Daemon, Direction, Fault, FaultProxy, Https, Instead, Refusal, Running, Ssh, hooks,
    wait_until,
};
use crate::machines::{Machine, git, git_command};

/// Somebody with a repository of one commit, and with nothing of the machine that the tests run on.
struct Person {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Person {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "--quiet", "--initial-branch=main", "."]);
        let person = Self {
            folder,
            variables: Vec::new(),
        };
        person.commit("one", 1000);
        person
    }

    /// Somebody who trusts the server's authority.
    fn trusting(https: &Https) -> Self {
        Self::new().with("GIT_SSL_CAINFO", https.ca().display())
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.push((name, value.to_string()));
        self
    }

    /// A file of so many bytes that do not compress.
    fn commit(&self, name: &str, size: usize) {
        let mut bytes = vec![0; size];
        let mut state = 88_172_645_463_325_252_u64;
        for byte in &mut bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
        git(self.folder.path(), &["add", "."]);
        git(self.folder.path(), &["commit", "--quiet", "--message", name]);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let like_this = git_command(self.folder.path(), arguments);
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(like_this.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("GIT_TERMINAL_PROMPT", "0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    fn git(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) {
        let output = self.git(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What git said when it failed.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.git(arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "git {} worked: {told}", arguments.join(" "));
        told
    }

    fn tip(&self) -> String {
        git(self.folder.path(), &["rev-parse", "HEAD"])
    }
}

fn main_of(repository: &Path) -> String {
    git(repository, &["rev-parse", "main"])
}

#[test]
fn https_knows_who_may_and_logs_it() {
    let https = Https::start();
    let bare = https.bare("repo.git");
    let person = Person::trusting(&https);
    person.ok(&["push", &https.url(Some(ALICE), "repo.git"), "main"]);
    assert_eq!(main_of(&bare), person.tip());
    let requests = https.requests();
    let push = requests.last().unwrap();
    assert_eq!((push.method.as_str(), push.status), ("POST", 200));
    assert_eq!(push.path, "/repo.git/git-receive-pack");
    assert_eq!(push.user, "alice");
    assert!(push.agent.starts_with("git/"), "{push:?}");
    assert_eq!(requests[0].status, 401, "git asks without a password first");
    assert_eq!(requests[0].query, "service=git-receive-pack");
    assert_eq!(https.connections(), 1);

    https.clear_log();
    for user in [BOB, TOKEN] {
        person.ok(&["ls-remote", &https.url(Some(user), "repo.git")]);
    }
    assert_eq!(https.connections(), 2);
    assert!(
        https
            .requests()
            .iter()
            .all(|request| request.git_protocol == "version=2")
    );
    let told = person.fails(&["push", &https.url(Some(BOB), "repo.git"), "main:other"]);
    assert!(told.contains("403"), "{told}");
    person.fails(&["ls-remote", &https.url(Some(("alice", "wrong")), "repo.git")]);
    person.fails(&["ls-remote", &https.url(None, "repo.git")]);
    person.ok(&["ls-remote", &https.url(None, "open/repo.git")]);
    let stranger = Person::new().with("GIT_SSL_CAINFO", "/dev/null");
    let told = stranger.fails(&["ls-remote", &https.url(Some(ALICE), "repo.git")]);
    assert!(told.contains("certificate") || told.contains("SSL"), "{told}");
}

#[test]
fn https_has_odd_places() {
    let https = Https::start();
    https.bare("repo.git");
    let person = Person::trusting(&https);
    for (place, status) in [("deny", 403), ("gone", 404), ("busy", 503), ("limited", 429)] {
        person.fails(&["ls-remote", &https.url(Some(ALICE), &format!("{place}/repo.git"))]);
        assert_eq!(https.requests().last().unwrap().status, status);
    }
    person.ok(&["ls-remote", &https.url(Some(ALICE), "redirect/repo.git")]);
    let elsewhere = format!("elsewhere/{}/open/repo.git", https.port());
    person.ok(&["ls-remote", &https.url(None, &elsewhere)]);
    person.ok(&["push", &https.url(Some(ALICE), "small/repo.git"), "main"]);
    person.commit("large", 200_000);
    let told = person.fails(&["push", &https.url(Some(ALICE), "small/repo.git"), "main"]);
    assert!(told.contains("413"), "{told}");
}

#[test]
fn https_answers_otherwise_when_told_to() {
    let https = Https::start();
    let bare = https.bare("repo.git");
    let url = https.url(Some(ALICE), "repo.git");
    let person = Person::trusting(&https);
    https.busy(2);
    for _ in 0..2 {
        let told = person.fails(&["push", &url, "main"]);
        assert!(told.contains("503"), "{told}");
    }
    person.ok(&["push", &url, "main"]);

    for instead in [
        Instead::DoneStatus(502),
        Instead::DoneClosed,
        Instead::DoneHalf,
        Instead::Closed,
        Instead::RetryAfter(429, 1),
    ] {
        let (before, name) = (main_of(&bare), format!("{instead:?}"));
        person.commit(&name, 2_000_000);
        https.next(At::Push, 1, instead);
        person.fails(&["push", &url, "main"]);
        let is_done = matches!(
            instead,
            Instead::DoneStatus(_) | Instead::DoneClosed | Instead::DoneHalf
        );
        let expected = if is_done { person.tip() } else { before };
        assert_eq!(main_of(&bare), expected, "{name}");
    }
    https.next(At::Fetch, 1, Instead::Status(500));
    person.fails(&["fetch", &url]);
    person.ok(&["push", &url, "main"]);
}

#[test]
fn ssh_takes_its_keys_and_counts() {
    let ssh = Ssh::with_host_keys(&["ed25519", "ecdsa"]);
    let bare = ssh.bare("repo.git");
    let url = ssh.url("repo.git");
    let mut machine = Machine::new("ana", tempfile::tempdir().unwrap().keep());
    ssh.install_for(&mut machine);
    let path = machine
        .command(&[])
        .get_envs()
        .find(|(name, _)| *name == "PATH")
        .and_then(|(_, path)| Some(path?.to_str()?.to_owned()))
        .unwrap();
    let person = Person::new()
        .with("PATH", path)
        .with("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
    person.ok(&["push", &url, "main"]);
    assert_eq!(main_of(&bare), person.tip());
    assert_eq!((ssh.connections(), ssh.logins()), (1, 1));

    let key = machine.home.join(".ssh/id_ed25519");
    std::fs::copy(ssh.read_only_key(), &key).unwrap();
    person.ok(&["ls-remote", &url]);
    let told = person.fails(&["push", &url, "main:other"]);
    assert!(told.contains("marked as read only"), "{told}");
    std::fs::copy(ssh.unknown_key(), &key).unwrap();
    let told = person.fails(&["ls-remote", &url]);
    assert!(told.contains("Permission denied (publickey)"), "{told}");
    std::fs::remove_file(&key).unwrap();
    let mut agent = Agent::holding(&[&ssh.client_key()]);
    let person = person.with("SSH_AUTH_SOCK", agent.socket().display());
    person.ok(&["ls-remote", &url]);
    agent.die();
    person.fails(&["ls-remote", &url]);

    assert!(ssh.host_key_fingerprint().starts_with("SHA256:"));
    let before = ssh.public_host_keys();
    ssh.change_host_key();
    assert!(ssh.public_host_keys().iter().all(|key| !before.contains(key)));
    let told = person.fails(&["ls-remote", &url]);
    assert!(told.contains("REMOTE HOST IDENTIFICATION HAS CHANGED"), "{told}");
    std::fs::remove_dir_all(&machine.home).unwrap();
}

#[test]
fn a_daemon_serves_and_a_repository_refuses_in_the_words_of_the_hosts() {
    let daemon = Daemon::start();
    let (bare, url) = (daemon.bare("repo.git"), daemon.url("repo.git"));
    let person = Person::new();
    person.ok(&["push", &url, "main"]);
    assert_eq!(main_of(&bare), person.tip());
    assert_eq!(daemon.connections(), 1);

    person.commit("large", 70_000);
    for (refusal, words) in [
        (Refusal::LargeFiles(50_000), "large is 0.06 MB; this exceeds GitHub's"),
        (Refusal::ProtectedBranch, "GH006"),
        (Refusal::Rules, "GH013"),
        (
            Refusal::GitLabProtectedBranch,
            "GitLab: You are not allowed to push code to protected",
        ),
        (Refusal::Quota, "exceeded its size limit"),
        (Refusal::Hook("closed on sundays"), "closed on sundays"),
        (Refusal::Update("not this branch"), "(hook declined)"),
    ] {
        hooks::refuse(&bare, refusal);
        let told = person.fails(&["push", &url, "main"]);
        assert!(told.contains(words), "{refusal:?}: {told}");
        assert!(told.contains("[remote rejected]"), "{refusal:?}: {told}");
    }
    hooks::allow(&bare);
    hooks::limit_packs(&bare, 10_000);
    let told = person.fails(&["push", &url, "main"]);
    assert!(told.contains("pack exceeds maximum allowed size"), "{told}");
    hooks::limit_packs(&bare, 1_000_000);
    hooks::refuse(&bare, Refusal::LargeFiles(100_000));
    person.ok(&["push", &url, "main"]);
}

#[test]
fn a_proxy_breaks_what_it_is_told_to_break() {
    let https = Https::start();
    let bare = https.bare("repo.git");
    let proxy = FaultProxy::start(https.port());
    let url = https.url_through(proxy.port(), Some(ALICE), "repo.git");
    let person = Person::trusting(&https);
    person.commit("large", 3_000_000);
    let push = ["push", &url, "main"];
    let direction = Direction::ToServer;
    let bytes = 1_000_000;
    for fault in [
        Fault::CutAfter { direction, bytes },
        Fault::ResetAfter { direction, bytes },
    ] {
        proxy.set(fault);
        let before = proxy.bytes(direction);
        let told = person.fails(&push);
        // Once it was cut, git may open another connection and find that it cannot begin again.
        let passed = proxy.bytes(direction) - before;
        assert!((bytes..bytes + 100_000).contains(&passed), "{fault:?}: {passed} {told}");
    }
    proxy.set(Fault::CutAfter {
        direction: Direction::ToClient,
        bytes: 500,
    });
    person.fails(&push);
    proxy.set(Fault::Refuse);
    let connections = proxy.connections();
    person.fails(&push);
    assert_eq!(proxy.connections(), connections);
    assert_eq!(git(&bare, &["for-each-ref"]), "");

    proxy.set(Fault::None);
    proxy.on_connection(connections + 1, Fault::ResetAfter { direction, bytes: 0 });
    person.fails(&push);
    person.ok(&push);
    assert_eq!(main_of(&bare), person.tip());
}

#[test]
fn a_proxy_falls_silent() {
    let daemon = Daemon::start();
    let bare = daemon.bare("repo.git");
    let proxy = FaultProxy::start(daemon.port());
    let url = format!("git://127.0.0.1:{}/repo.git", proxy.port());
    let person = Person::new();
    person.commit("large", 3_000_000);
    proxy.set(Fault::Stall);
    let mut waiting = Running::start(person.command(&["ls-remote", &url]));
    wait_until("a connection", || proxy.connections() == 1);
    assert!(waiting.runs());

    let (direction, bytes) = (Direction::ToServer, 1_000_000);
    proxy.set(Fault::StallAfter { direction, bytes });
    let mut stalled = Running::start(person.command(&["push", &url, "main"]));
    wait_until("half a push", || proxy.bytes(direction) == bytes);
    assert!(stalled.runs() && waiting.runs());
    assert_eq!(git(&bare, &["for-each-ref"]), "");
    drop(proxy);
    assert_ne!(waiting.code(), Some(0));
    assert_ne!(stalled.code(), Some(0));
}

#[test]
fn a_tunnel_is_opened_for_those_who_may() {
    let https = Https::start();
    https.bare("repo.git");
    let url = https.url(Some(ALICE), "repo.git");
    let open = ConnectProxy::start();
    let person = Person::trusting(&https).with("HTTPS_PROXY", open.url());
    person.ok(&["ls-remote", &url]);
    assert_eq!(open.connections(), 1);

    let closed = ConnectProxy::with_password();
    let person = Person::trusting(&https).with("HTTPS_PROXY", closed.url());
    let told = person.fails(&["ls-remote", &url]);
    assert!(told.contains("407"), "{told}");
    assert_eq!(closed.connections(), 0);
    let person = person.with("HTTPS_PROXY", closed.url_with_password());
    person.ok(&["ls-remote", &url]);
    assert!(closed.refused() > 0);
    assert_eq!(closed.connections(), 1);
}
