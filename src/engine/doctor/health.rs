//! The mirror: whether it can be opened, knows where it stands, and has all that it needs.

use super::finding::{Finding, bytes, count, path};
use super::patient::Patient;
use crate::core::id::CommitId;
use crate::error::{Error, Result};
use crate::mirror::{Health, Mirror, Pointer};

/// More packs than this make a mirror slow. A sync gathers them before it comes to that.
const MANY_PACKS: usize = 60;

/// Looks at all of it. Without a vault there is no mirror, and nothing to tell.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let folder = patient.context.paths.mirror();
    let mirror = match &patient.mirror {
        None if patient.joined.is_none() => return Vec::new(),
        None => {
            let message = format!("the mirror {} is missing", folder.display());
            return vec![Finding::error("mirror.opens", message).mend("csync init")];
        }
        Some(Err(error)) => {
            return vec![Finding::error("mirror.opens", error.to_string()).mend(fetch_again(patient))];
        }
        Some(Ok(mirror)) => mirror,
    };
    let mut findings = vec![Finding::ok(
        "mirror.opens",
        format!("the mirror {} can be opened", folder.display()),
    )];
    match pointers(mirror) {
        Err(error) => findings.push(Finding::error("mirror.pointers", error.to_string()).mend(fetch_again(patient))),
        Ok((None, _)) => {
            let message = "the mirror does not know which state of the vault it holds";
            findings.push(Finding::error("mirror.pointers", message).mend(fetch_again(patient)));
        }
        Ok((Some(tip), base)) => {
            findings.push(Finding::ok(
                "mirror.pointers",
                match base {
                    Some(base) if base == tip => format!("it stands at commit {}, all of it settled here", short(tip)),
                    Some(_) => format!("it stands at commit {}, not all of it settled here", short(tip)),
                    None => format!("it stands at commit {}, not synced yet", short(tip)),
                },
            ));
            findings.push(match complete(mirror, tip, base) {
                Ok(()) => Finding::ok("mirror.complete", "nothing is missing from it"),
                Err(error) => Finding::error("mirror.complete", error.to_string()).mend(fetch_again(patient)),
            });
        }
    }
    findings.push(size(&mirror.health()));
    findings
}

/// The tip and the base, of which each is a commit that can be read, and the base is no other vault's.
fn pointers(mirror: &Mirror) -> Result<(Option<CommitId>, Option<CommitId>)> {
    let (tip, base) = (mirror.get(Pointer::Tip)?, mirror.get(Pointer::Base)?);
    let outgoing = mirror.get(Pointer::Outgoing)?;
    for commit in [tip, base, outgoing].into_iter().flatten() {
        mirror.commit(commit)?;
    }
    if let (Some(tip), Some(base)) = (tip, base) {
        // The base is a commit that the tip or what is outgoing goes back to, or one of this machine's own upon such a commit.
        let newest = outgoing.unwrap_or(tip);
        let mut below = mirror.commit(base)?.parents;
        below.push(base);
        let mut is_ours = false;
        for commit in below {
            is_ours |= mirror.is_ancestor(commit, newest)?;
        }
        if !is_ours {
            let message = format!(
                "commit {}, the base, does not belong to the history of {}",
                short(base),
                short(tip)
            );
            return Err(Error::new(crate::error::Kind::Damaged, message));
        }
    }
    Ok((tip, base))
}

fn complete(mirror: &Mirror, tip: CommitId, base: Option<CommitId>) -> Result<()> {
    mirror.check_complete(tip)?;
    if let Some(base) = base.filter(|base| *base != tip) {
        mirror.check_complete(base)?;
    }
    Ok(())
}

/// The command that puts a mirror aside that cannot be trusted, and fetches the vault anew. Nothing is only in the mirror but
/// what the files here hold as well.
fn fetch_again(patient: &Patient<'_>) -> String {
    let folder = patient.context.paths.mirror();
    let aside = folder.with_extension(format!("damaged-{}", patient.now.timestamp()));
    format!("mv {} {} && csync init && csync sync", path(&folder), path(&aside))
}

fn size(health: &Health) -> Finding {
    const CHECK: &str = "mirror.size";
    let (packs, loose) = (&health.packs, &health.loose);
    let size = bytes(health.bytes);
    let (packs_told, loose_told) = (count(*packs as u64, "pack"), count(*loose as u64, "loose object"));
    let message = format!("{size} in {packs_told} and {loose_told}");
    if *packs > MANY_PACKS {
        Finding::warning(CHECK, format!("{message}: so many make it slow")).mend("csync sync")
    } else {
        Finding::ok(CHECK, message)
    }
}

/// The beginning of a commit's id, as `git log --oneline` shows it.
fn short(commit: CommitId) -> String {
    commit.to_string()[..12].to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::doctor::Level;

    #[test]
    fn many_packs_are_worth_a_word() {
        let health = |packs| Health {
            packs,
            loose: 3,
            bytes: 5 << 20,
            leftovers: Vec::new(),
        };
        let good = size(&health(1));
        assert_eq!(good.level, Level::Ok);
        assert_eq!(good.message, "5 MiB in 1 pack and 3 loose objects");
        assert_eq!(size(&health(61)).mend.unwrap(), "csync sync");
    }
}
