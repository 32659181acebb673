//! The servers hold what they promise: shown with the plain `git` command.

use super::https::{ALICE, BOB, TOKEN};
use super::person::{Person, main_of};
use super::{Agent, ConnectProxy, Daemon, Https, Refusal, Ssh, hooks};
use crate::machines::Machine;

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
    let refused = https.requests().pop().unwrap();
    assert_eq!((refused.status, refused.path.as_str()), (403, "/repo.git/info/refs"));
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
    // It closes in the middle: what it says about that may not be heard.
    person.fails(&["push", &url, "main"]);
    assert_ne!(main_of(&bare), person.tip());
    hooks::limit_packs(&bare, 1_000_000);
    hooks::refuse(&bare, Refusal::LargeFiles(100_000));
    person.ok(&["push", &url, "main"]);
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
