//! The servers break as they are told to: shown with the plain `git` command.

use super::https::ALICE;
use super::person::{Person, main_of};
use super::{At, Daemon, Direction, Fault, FaultProxy, Https, Instead, Running, wait_until};
use crate::machines::git;

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
        // A small push would be sent again by curl when the connection is closed; a long one cannot be.
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
        let (connections, before) = (proxy.connections() as u64, proxy.bytes(direction));
        let told = person.fails(&push);
        // Once it was broken, git may try again over another connection.
        let most = bytes * (proxy.connections() as u64 - connections);
        let passed = proxy.bytes(direction) - before;
        assert!((bytes..=most).contains(&passed), "{fault:?}: {passed} {told}");
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
