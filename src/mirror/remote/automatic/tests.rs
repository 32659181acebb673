use std::path::PathBuf;

use super::*;

fn network() -> Network<'static> {
    Network::quiet(PathBuf::from("/nonexistent"))
}

fn authentication(detail: &str) -> MirrorError {
    MirrorError::Authentication {
        location: "there".into(),
        detail: detail.into(),
    }
}

fn trouble(detail: &str, outage: Outage) -> MirrorError {
    MirrorError::Network {
        location: "there".into(),
        detail: detail.into(),
        outage,
    }
}

#[test]
fn what_only_libgit2_cannot_is_left_to_git() {
    for (error, url) in [
        (authentication("no key was accepted"), "git@host:x"),
        (authentication("no key was accepted"), "ssh://git@host/x"),
        (
            trouble(
                "failed to resolve address for work: Name or service not known",
                Outage::Offline,
            ),
            "git@work:x",
        ),
        (
            trouble(
                "failed to start SSH session: Unable to exchange encryption keys",
                Outage::Other,
            ),
            "git@host:x",
        ),
        (
            trouble("proxy returned unexpected status: 407", Outage::Other),
            "https://host/x",
        ),
        (
            authentication("server requires authentication that we do not support"),
            "https://host/x",
        ),
    ] {
        let because = beyond_libgit2(&error, url, &network());
        assert!(because.is_some(), "{error} {url}");
    }
}

#[test]
fn what_git_cannot_either_or_must_not_is_not() {
    let identity = |detail: &str| MirrorError::HostIdentity {
        location: "there".into(),
        detail: detail.into(),
    };
    for error in [
        identity("the host key has changed"),
        identity("the host key is revoked"),
        identity("the SSL certificate is invalid"),
        trouble("connection refused", Outage::Refused),
        trouble("the connection was cut", Outage::Cut),
        trouble("timed out", Outage::TimedOut),
        trouble("503", Outage::Busy { retry_after: None }),
        trouble("no route to host", Outage::Offline),
        MirrorError::NotFound {
            location: "there".into(),
            detail: "not found".into(),
        },
        MirrorError::NotAVault {
            location: "there".into(),
            found: "the branch master".into(),
        },
    ] {
        for url in ["git@host:x", "ssh://host/x", "https://host/x"] {
            assert_eq!(beyond_libgit2(&error, url, &network()), None, "{error:?} {url}");
        }
    }
    // Over `git://` there is nothing that git has and libgit2 has not; over HTTPS a wrong password is one for both.
    assert_eq!(beyond_libgit2(&authentication("no"), "git://host/x", &network()), None);
    assert_eq!(
        beyond_libgit2(&authentication("no"), "https://host/x", &network()),
        None
    );
}

#[test]
fn what_was_taken_up_before_is_used_again_without_a_word() {
    let mut network = network();
    network.switched = Some("an earlier reason".into());
    let path = std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1;
    network.variables = std::sync::Arc::new([("PATH".to_owned(), path)].into());
    let mut remote = Automatic::new("https://host.invalid/x".into(), network.clone());
    assert!(remote.test().is_err());
    assert_eq!(
        remote.carrier(),
        Carrier::Git {
            because: Some("an earlier reason".into())
        }
    );
    assert_eq!(remote.untold, None);
    // Where git has gone meanwhile, libgit2 does its best.
    network.variables = std::sync::Arc::default();
    let mut remote = Automatic::new("https://host.invalid/x".into(), network);
    assert!(remote.test().is_err());
    assert_eq!(remote.carrier(), Carrier::Libgit2);
}

#[test]
fn the_second_failure_is_added_to_the_first() {
    let both = with_addition(
        authentication("no key"),
        &authentication("Permission denied (publickey)."),
    );
    assert!(
        both.to_string()
            .contains("no key; and the git command: Permission denied"),
        "{both}"
    );
    let alike = with_addition(authentication("no key"), &authentication("no key"));
    assert!(!alike.to_string().contains("git command"), "{alike}");
}
