//! The remote: its address, what can carry the exchange, whether it answers, may be written, and holds our vault.

use std::time::{Duration, Instant};

use super::finding::{Finding, count, told, word};
use super::patient::Patient;
use crate::core::id::CommitId;
use crate::core::transport::Transport;
use crate::engine::connect::{connect, network};
use crate::error::Error;
use crate::mirror::{self, Carrier, Mirror, Road, Tested};

/// Looks at all of it. Without a vault there is no remote, and nothing to tell.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let Some(joined) = &patient.joined else {
        return Vec::new();
    };
    let context = patient.context;
    let location = mirror::location(&joined.remote);
    let road = match mirror::road(&joined.remote) {
        Ok(road) => road,
        Err(error) => {
            let finding = Finding::error("remote.address", told(&error.into()));
            return vec![finding.mend(format!("csync remote set-url {}", word("URL")))];
        }
    };
    let mut findings = vec![address(&location, &road)];
    if !matches!(road, Road::Folder(_)) {
        let git = mirror::git_version(&network(context));
        findings.push(transport(context.config.transport, git.as_deref()));
    }
    if patient.options.no_network && !matches!(road, Road::Folder(_)) {
        findings.push(Finding::ok("remote.reached", "not asked, because of --no-network"));
        return findings;
    }
    let begun = Instant::now();
    let answer = connect(context, &joined.remote).and_then(|mut remote| {
        let tested = remote.test()?;
        Ok((tested, remote.carrier()))
    });
    match answer {
        Err(error) => findings.push(away(&error)),
        Ok((tested, carrier)) => findings.extend(reached(patient, &tested, &carrier, begun.elapsed())),
    }
    findings
}

fn address(location: &str, road: &Road) -> Finding {
    const CHECK: &str = "remote.address";
    match road {
        Road::Folder(_) => Finding::ok(CHECK, format!("the vault is in a folder of this machine, {location}")),
        Road::Http { .. } => Finding::warning(
            CHECK,
            format!("the vault is at {location}: over http:// everybody on the way can read the sign-in"),
        )
        .mend(format!(
            "csync remote set-url {}",
            word(&location.replacen("http://", "https://", 1))
        )),
        Road::Https { .. } | Road::Ssh { .. } | Road::Git { .. } => {
            Finding::ok(CHECK, format!("the vault is at {location}"))
        }
    }
}

/// Whether what is configured can carry the exchange. `git` is the version of the git command.
fn transport(transport: Transport, git: Option<&str>) -> Finding {
    const CHECK: &str = "remote.transport";
    match (transport, git) {
        (Transport::Auto, Some(git)) => {
            Finding::ok(CHECK, format!("libgit2 carries it, and git {git} where libgit2 cannot"))
        }
        (Transport::Auto, None) => Finding::ok(
            CHECK,
            "libgit2 carries it; there is no git command to take over where libgit2 cannot",
        ),
        (Transport::Libgit2, _) => Finding::ok(CHECK, "libgit2 alone carries it, as configured"),
        (Transport::Git, Some(git)) => Finding::ok(CHECK, format!("git {git} carries it, as configured")),
        (Transport::Git, None) => Finding::error(CHECK, "the git command is to carry it, and there is none")
            .mend("csync config set transport libgit2"),
    }
}

/// What to make of a remote that does not answer, or does not let us in.
fn away(error: &Error) -> Finding {
    Finding::error("remote.reached", told(error)).mend("csync remote test -v")
}

fn reached(patient: &Patient<'_>, tested: &Tested, carrier: &Carrier, took: Duration) -> Vec<Finding> {
    let by = match carrier {
        Carrier::Folder => "",
        Carrier::Libgit2 => " through libgit2",
        Carrier::Git { .. } => " through the git command",
    };
    let mut findings = vec![
        Finding::ok("remote.reached", format!("it answered in {} ms{by}", took.as_millis())),
        match &tested.not_writable {
            None => Finding::ok(
                "remote.writable",
                "it may be written, as far as can be told without writing",
            ),
            Some(why) => {
                Finding::error("remote.writable", format!("it may not be written: {why}")).mend("csync remote test -v")
            }
        },
    ];
    if let (Some(mirror), Some((seen, _))) = (patient.good_mirror(), patient.tip()) {
        findings.push(holds(mirror, seen, tested.tip));
    }
    findings
}

/// Whether the remote is where this machine last saw it. Nothing is fetched: a commit that is not known here is verified by the
/// next sync.
fn holds(mirror: &Mirror, seen: CommitId, tip: Option<CommitId>) -> Finding {
    const CHECK: &str = "remote.vault";
    let Some(tip) = tip else {
        return Finding::error(CHECK, "it is empty, but this machine has seen a vault there")
            .mend("csync remote set-url --push \"$(csync config get remote)\"");
    };
    if tip == seen {
        return Finding::ok(CHECK, "it holds the vault as this machine last saw it");
    }
    if mirror.commit(tip).is_err() {
        return Finding::ok(
            CHECK,
            "it holds more than this machine has seen; the next sync fetches and verifies it",
        );
    }
    match mirror.is_ancestor(tip, seen) {
        Ok(true) => {
            let lacks = mirror
                .history(seen, Some(tip))
                .map_or(0, |commits| commits.len() as u64);
            let message = format!(
                "it went back in time: it lacks {} that this machine has; find out who replaced its history",
                count(lacks, "commit")
            );
            Finding::error(CHECK, message).mend("csync remote test")
        }
        _ => Finding::ok(CHECK, "it holds what this machine has sealed and not yet taken note of"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::doctor::Level;

    #[test]
    fn a_transport_needs_its_program() {
        assert_eq!(transport(Transport::Git, None).level, Level::Error);
        assert_eq!(transport(Transport::Git, Some("2.51.0")).level, Level::Ok);
        assert_eq!(transport(Transport::Auto, None).level, Level::Ok);
    }

    #[test]
    fn a_road_without_encryption_is_worth_a_word() {
        let location = "http://host/v.git";
        let found = address(location, &mirror::road(location).unwrap());
        assert_eq!(found.level, Level::Warning);
        assert_eq!(found.mend.unwrap(), "csync remote set-url https://host/v.git");
    }
}
