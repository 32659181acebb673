//! Names and addresses: what is understood, and what is refused before any tool is asked.

use super::name::{Service, in_address, is_host, is_https_address, is_ssh_address, parse};

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
