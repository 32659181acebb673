//! The key: the device identity, who may read it, whether it opens the vault, and variables that go before files.

use std::io;
use std::path::Path;

use super::finding::{Finding, path, told};
use super::patient::Patient;
use crate::error::reason;
use crate::local::{self, Place};

/// Looks at all of them.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let file = patient.context.paths.identity_file();
    let mut findings = Vec::new();
    findings.extend(identity(patient, &file));
    if patient.context.environment.secret("CSYNC_IDENTITY").is_none() {
        findings.extend(guarded(&file, local::look_at(&file)));
    }
    findings.extend(opens(patient, &file));
    findings.push(variables(
        patient
            .context
            .environment
            .variables()
            .keys()
            .map(String::as_str)
            .chain(
                crate::config::SECRET_VARIABLES
                    .into_iter()
                    .filter(|name| patient.context.environment.secret(name).is_some()),
            ),
    ));
    findings
}

fn identity(patient: &Patient<'_>, file: &Path) -> Option<Finding> {
    const CHECK: &str = "key.identity";
    Some(match &patient.identity {
        Some(Ok(_)) if patient.context.environment.secret("CSYNC_IDENTITY").is_some() => {
            Finding::ok(CHECK, "the device identity is the one in CSYNC_IDENTITY")
        }
        Some(Ok(_)) => Finding::ok(CHECK, format!("the device identity {} is well formed", file.display())),
        Some(Err(error)) if patient.context.environment.secret("CSYNC_IDENTITY").is_some() => {
            Finding::error(CHECK, told(error)).mend("unset CSYNC_IDENTITY")
        }
        Some(Err(error)) => Finding::error(CHECK, told(error)).mend(join_again(patient, file)),
        // Without a vault there is no key yet.
        None if patient.joined.is_none() && patient.mirror.is_none() => return None,
        None => Finding::error(CHECK, format!("the device identity {} is missing", file.display())).mend("csync init"),
    })
}

/// The command that puts an identity aside which is of no use and joins with the passphrase.
fn join_again(patient: &Patient<'_>, file: &Path) -> String {
    let aside = file.with_extension(format!("old-{}.txt", patient.now.timestamp()));
    format!("mv {} {} && csync init", path(file), path(&aside))
}

/// Whether the file of the identity is its owner's alone. A missing one is another check's finding.
fn guarded(file: &Path, place: io::Result<Place>) -> Option<Finding> {
    const CHECK: &str = "key.permissions";
    let shown = file.display();
    Some(match place {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Finding::error(CHECK, format!("cannot look at {shown}: {}", reason(&error)))
            .mend(format!("ls -l {}", path(file))),
        Ok(place) if !place.is_ours => Finding::error(CHECK, format!("{shown} belongs to somebody else"))
            .mend(format!("sudo chown \"$(id -un)\" {}", path(file))),
        Ok(Place { mode: Some(mode), .. }) if mode & 0o077 != 0 => Finding::error(
            CHECK,
            format!("{shown} is open to others (mode {mode:03o}): csync refuses to use it"),
        )
        .mend(format!("chmod 600 {}", path(file))),
        Ok(_) => Finding::ok(CHECK, "nobody else can read it"),
    })
}

fn opens(patient: &Patient<'_>, file: &Path) -> Option<Finding> {
    const CHECK: &str = "key.opens";
    Some(match patient.vault()? {
        Ok(_) => Finding::ok(CHECK, "it opens the vault key"),
        Err(error) => Finding::error(CHECK, told(&error)).mend(
            if patient.context.environment.secret("CSYNC_IDENTITY").is_some() {
                "unset CSYNC_IDENTITY".to_owned()
            } else {
                join_again(patient, file)
            },
        ),
    })
}

/// Which of csync's variables are set: they go before the configuration, which surprises those who forgot them.
fn variables<'a>(names: impl Iterator<Item = &'a str>) -> Finding {
    const CHECK: &str = "key.variables";
    let mut set: Vec<&str> = names.filter(|name| name.starts_with("CSYNC_")).collect();
    set.sort_unstable();
    if set.is_empty() {
        Finding::ok(CHECK, "no variable of csync's is set")
    } else {
        Finding::ok(
            CHECK,
            format!("set in the environment, and so before all files: {}", set.join(", ")),
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::doctor::Level;

    #[test]
    fn an_identity_must_be_its_owners_alone() {
        let file = Path::new("/k/identity.txt");
        let judged = |mode, is_ours| {
            let place = Place {
                mode: Some(mode),
                is_ours,
                file_system: 1,
            };
            guarded(file, Ok(place)).unwrap()
        };
        assert_eq!(judged(0o600, true).level, Level::Ok);
        assert_eq!(judged(0o400, true).level, Level::Ok);
        assert_eq!(judged(0o640, true).mend.unwrap(), "chmod 600 /k/identity.txt");
        assert_eq!(
            judged(0o600, false).mend.unwrap(),
            "sudo chown \"$(id -un)\" /k/identity.txt"
        );
        assert_eq!(guarded(file, Err(io::ErrorKind::NotFound.into())), None);
    }

    #[test]
    fn variables_are_named_and_no_others() {
        let found = variables(["PATH", "CSYNC_REMOTE", "CSYNC_IDENTITY"].into_iter());
        assert!(
            found.message.ends_with("CSYNC_IDENTITY, CSYNC_REMOTE"),
            "{}",
            found.message
        );
        assert_eq!(variables(["PATH"].into_iter()).message, "no variable of csync's is set");
    }
}
