//! csync's own: its version, configuration, folders, room on the disks, and the lock.

use std::io;
use std::path::{Path, PathBuf};

use super::finding::{Finding, bytes, path, told};
use super::patient::Patient;
use crate::config::{Config, Environment, SETTINGS};
use crate::engine::open::SCRATCH;
use crate::error::reason;
use crate::local::{self, Place};
use crate::state::Holder;

/// Less room than this, in bytes, is worth a word.
const LITTLE: u64 = 1 << 30;
/// Less room than this, in bytes, is not enough to work with.
const NONE_LEFT: u64 = 100 << 20;

/// Looks at all of them.
pub(super) fn check(patient: &Patient<'_>) -> Vec<Finding> {
    let paths = &patient.context.paths;
    let mut findings = vec![
        Finding::ok("csync.version", format!("csync {}", env!("CARGO_PKG_VERSION"))),
        configuration(patient),
    ];
    findings.extend(folder(
        "csync.config_folder",
        "the configuration folder",
        &paths.config_dir,
        local::look_at(&paths.config_dir),
    ));
    findings.extend(folder(
        "csync.state_folder",
        "the state folder",
        &paths.state_dir,
        local::look_at(&paths.state_dir),
    ));
    findings.extend(disks(patient));
    findings.push(lock(patient.busy.as_ref()));
    findings.push(leftovers(&left_behind(patient)));
    findings
}

fn configuration(patient: &Patient<'_>) -> Finding {
    const CHECK: &str = "csync.config";
    let file = patient.context.paths.config_file();
    match &patient.options.unusable {
        Some(error) => {
            let in_file = unreadable_file(patient);
            Finding::error(CHECK, told(error)).mend(unusable_mend(&file, in_file, &error.to_string()))
        }
        None if file.exists() => Finding::ok(CHECK, format!("the configuration {} can be read", file.display())),
        None => Finding::ok(CHECK, format!("there is no {} yet: the defaults hold", file.display())),
    }
}

/// Whether it is the file that cannot be read, and not a variable or a flag.
fn unreadable_file(patient: &Patient<'_>) -> bool {
    let nothing: [(&str, &str); 0] = [];
    let bare = Environment::new(patient.context.environment.home(), nothing);
    Config::load(&bare, &patient.context.paths, &[]).is_err()
}

/// What mends a configuration that cannot be used: an editor on the file, or the variable taken away that the error names.
fn unusable_mend(file: &Path, in_file: bool, error: &str) -> String {
    let variable = SETTINGS
        .iter()
        .filter_map(|setting| setting.variable)
        .find(|name| error.contains(name));
    match variable {
        Some(name) if !in_file => format!("unset {name}"),
        _ => format!("\"${{EDITOR:-vi}}\" {}", path(file)),
    }
}

/// A folder that nobody else has business in. One that is not there yet is made as it should be.
fn folder(check: &'static str, what: &str, folder: &Path, place: io::Result<Place>) -> Option<Finding> {
    let shown = folder.display();
    Some(match place {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => Finding::error(check, format!("cannot look at {what} {shown}: {}", reason(&error)))
            .mend(format!("ls -ld {}", path(folder))),
        Ok(place) if !place.is_ours => Finding::error(check, format!("{what} {shown} belongs to somebody else"))
            .mend(format!("sudo chown -R \"$(id -un)\" {}", path(folder))),
        Ok(Place { mode: Some(mode), .. }) if mode & 0o077 != 0 => {
            Finding::error(check, format!("{what} {shown} is open to others (mode {mode:03o})"))
                .mend(format!("chmod 700 {}", path(folder)))
        }
        Ok(Place { mode: Some(mode), .. }) if mode & 0o700 != 0o700 => {
            Finding::error(check, format!("{what} {shown} cannot be written (mode {mode:03o})"))
                .mend(format!("chmod 700 {}", path(folder)))
        }
        Ok(_) => Finding::ok(check, format!("{what} {shown} is yours alone")),
    })
}

/// One finding for each file system that csync writes to.
fn disks(patient: &Patient<'_>) -> Vec<Finding> {
    let paths = &patient.context.paths;
    let claude = &patient.context.config.claude.path;
    let mut seen = Vec::new();
    let mut findings = Vec::new();
    for folder in [&paths.data_dir, &paths.state_dir, &paths.config_dir, claude] {
        // What is not there yet will be made on the file system of the first folder above it that is.
        let there = folder.ancestors().find(|above| above.exists());
        let Some((there, place)) = there.and_then(|there| Some((there, local::look_at(there).ok()?))) else {
            continue;
        };
        if !seen.contains(&place.file_system) {
            seen.push(place.file_system);
            findings.extend(local::free_space(there).map(|free| disk(there, free)));
        }
    }
    findings
}

/// Whether there is room enough at `folder`, where `free` bytes are left.
fn disk(folder: &Path, free: u64) -> Finding {
    const CHECK: &str = "csync.disk";
    let message = format!("{} are free where {} lies", bytes(free), folder.display());
    let look = format!("df -h {}", path(folder));
    match free {
        0..NONE_LEFT => Finding::error(CHECK, format!("only {message}")).mend(look),
        NONE_LEFT..LITTLE => Finding::warning(CHECK, format!("only {message}")).mend(look),
        _ => Finding::ok(CHECK, message),
    }
}

fn lock(busy: Option<&Option<Holder>>) -> Finding {
    const CHECK: &str = "csync.lock";
    match busy {
        None => Finding::ok(CHECK, "no other run is at work"),
        Some(None) => Finding::ok(CHECK, "another run is at work"),
        Some(Some(Holder { pid, command, since })) => Finding::ok(
            CHECK,
            format!("`csync {command}` is at work, process {pid}, since {since}"),
        ),
    }
}

/// What runs left behind that were killed: nobody looks at it any more, and it takes room.
fn left_behind(patient: &Patient<'_>) -> Vec<PathBuf> {
    if patient.busy.is_some() {
        return Vec::new();
    }
    let paths = &patient.context.paths;
    let mut found = below(&paths.state_dir, |name| name.starts_with(SCRATCH));
    found.extend(below(&paths.data_dir, |name| {
        ["mirror.new", "mirror.old-", "mirror.damaged-", ".csync-new-"]
            .iter()
            .any(|left| name.starts_with(left))
    }));
    found.extend(
        patient
            .good_mirror()
            .map(|mirror| mirror.health().leftovers)
            .unwrap_or_default(),
    );
    found.sort();
    found
}

fn below(folder: &Path, is_left: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| is_left(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect()
}

fn leftovers(left: &[PathBuf]) -> Finding {
    const CHECK: &str = "csync.leftovers";
    if left.is_empty() {
        return Finding::ok(CHECK, "nothing was left behind by earlier runs");
    }
    let shown: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
    let all: Vec<String> = left.iter().map(|left| path(left)).collect();
    Finding::warning(CHECK, format!("left behind by earlier runs: {}", shown.join(", ")))
        .mend(format!("rm -rf {}", all.join(" ")))
}

/// Why the file or folder of a check cannot be looked at, as an error for people.
#[cfg(test)]
fn denied() -> io::Error {
    io::Error::from(io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::doctor::Level;
    use crate::error::{Error, Kind};

    fn place(mode: u32, is_ours: bool) -> io::Result<Place> {
        Ok(Place {
            mode: Some(mode),
            is_ours,
            file_system: 1,
        })
    }

    #[test]
    fn room_is_judged_by_what_is_left() {
        let at = Path::new("/home/ana's");
        assert_eq!(disk(at, 2 << 30).level, Level::Ok);
        assert_eq!(disk(at, (1 << 30) - 1).level, Level::Warning);
        let full = disk(at, (100 << 20) - 1);
        assert_eq!(full.level, Level::Error);
        assert_eq!(full.message, "only 100 MiB are free where /home/ana's lies");
        assert_eq!(full.mend.unwrap(), r"df -h '/home/ana'\''s'");
        assert_eq!(disk(at, 0).level, Level::Error);
    }

    #[test]
    fn a_folder_must_be_ours_alone() {
        let judged = |place| folder("csync.state_folder", "the state folder", Path::new("/s t"), place);
        assert_eq!(judged(place(0o700, true)).unwrap().level, Level::Ok);
        assert_eq!(judged(place(0o750, true)).unwrap().mend.unwrap(), "chmod 700 '/s t'");
        assert_eq!(judged(place(0o500, true)).unwrap().mend.unwrap(), "chmod 700 '/s t'");
        assert_eq!(
            judged(place(0o700, false)).unwrap().mend.unwrap(),
            "sudo chown -R \"$(id -un)\" '/s t'"
        );
        assert_eq!(judged(Err(denied())).unwrap().level, Level::Error);
        assert_eq!(judged(Err(io::ErrorKind::NotFound.into())), None);
    }

    #[test]
    fn a_bad_variable_is_told_from_a_bad_file() {
        let file = Path::new("/c/config.toml");
        let error = Error::new(Kind::Usage, "CSYNC_TRANSPORT is `x`").to_string();
        assert_eq!(unusable_mend(file, false, &error), "unset CSYNC_TRANSPORT");
        assert_eq!(unusable_mend(file, true, &error), "\"${EDITOR:-vi}\" /c/config.toml");
    }
}
