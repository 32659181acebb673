//! The git program, and the surroundings in which it is run.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::mirror::remote::Network;

/// The variables of Git that a person sets for all their repositories. All others are left out: csync may run inside a hook
/// or an alias, where Git points them at another repository, and `GIT_TRACE…` would mix with what is read here.
const OBEYED: &[&str] = &[
    "GIT_ALLOW_PROTOCOL",
    "GIT_ASKPASS",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
    "GIT_HTTP_PROXY_AUTHMETHOD",
    "GIT_HTTP_USER_AGENT",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_TERMINAL_PROMPT",
];

/// What the names of further such variables begin with.
const OBEYED_GROUPS: &[&str] = &["GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "GIT_PROXY_", "GIT_SSL_"];

/// The protocols that may carry a vault, whatever an `insteadOf` rewrites the address to. (`ext::` would run a command, and
/// `file` would run the hooks of the repository that it names.)
const PROTOCOLS: [&str; 4] = ["https", "http", "ssh", "git"];

/// Settings that hold whatever the person's own configuration says, because the mirror is not a repository of theirs.
///
/// - `core.hooksPath`: nothing that a repository contains is executed, and hooks that a person has for all their work
///   have no business here.
/// - `protocol.version`: version 0 tells all branches in its greeting, so that a fetch that finds nothing new is one request.
/// - `gc.auto`, `maintenance.auto`, `fetch.writeCommitGraph`: csync consolidates the mirror itself.
/// - `fetch.unpackLimit`: what arrives stays one pack, as with libgit2, however little it is.
/// - `transfer.advertiseSID`: it would tell the server a hash of this machine's name.
/// - `core.fsync`: what arrives is on the disk before a reference names it.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.logAllRefUpdates=false",
    "core.fsync=committed,reference",
    "core.fsyncMethod=fsync",
    "protocol.version=0",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.writeCommitGraph=false",
    "fetch.unpackLimit=1",
    "fetch.negotiationAlgorithm=default",
    "fetch.prune=false",
    "fetch.pruneTags=false",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "push.recurseSubmodules=no",
    "push.followTags=false",
    "push.gpgSign=false",
    "push.negotiate=false",
    "push.pushOption=",
    "push.useForceIfIncludes=false",
    "transfer.advertiseSID=false",
    "color.ui=false",
];

/// The git program of a person, and what it is told.
pub(in crate::mirror::remote) struct Git {
    program: PathBuf,
    variables: BTreeMap<String, OsString>,
    settings: Vec<OsString>,
    home: PathBuf,
    /// Whether git and ssh may ask on the terminal.
    pub(super) may_ask: bool,
}

impl Git {
    /// The program that is found on the person's PATH; none when there is none.
    pub(in crate::mirror::remote) fn find(network: &Network<'_>, may_ask: bool) -> Option<Self> {
        let program = find(network.variable("PATH")?, "git")?;
        let mut variables: BTreeMap<String, OsString> = network
            .variables
            .iter()
            .filter(|(name, _)| is_obeyed(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut set = |name: &str, value: OsString| variables.insert(name.to_owned(), value);
        // What it says is read here, and must not depend on the person's language.
        set("LC_ALL", "C".into());
        set("LANGUAGE", "".into());
        set("PATH", absolute_only(network.variable("PATH").unwrap_or_default()));
        set("GIT_ALLOW_PROTOCOL", protocols(network.variable("GIT_ALLOW_PROTOCOL")));
        // Neither of these two may put another history in the place of the one that is there.
        set("GIT_NO_REPLACE_OBJECTS", "1".into());
        set("GIT_GRAFT_FILE", "/dev/null".into());
        // What a reflog would say, if there were one: not the address.
        set("GIT_REFLOG_ACTION", "csync".into());
        // Headers go to standard error, where they are read for `Retry-After` and dropped. Never to a file.
        set("GIT_TRACE_CURL", "2".into());
        set("GIT_TRACE_CURL_NO_DATA", "1".into());
        let mut settings: Vec<OsString> = SETTINGS.iter().map(OsString::from).collect();
        settings.push("http.lowSpeedLimit=1".into());
        settings.push(format!("http.lowSpeedTime={}", seconds(network.timeouts.idle)).into());
        if !may_ask {
            settings.push("credential.interactive=false".into());
            set("GIT_TERMINAL_PROMPT", "0".into());
            set("GCM_INTERACTIVE", "never".into());
            // Set to nothing, it also switches off `core.askPass` and SSH_ASKPASS for git.
            set("GIT_ASKPASS", "".into());
            // ssh is to ask a program that has no answer, and never the terminal.
            set("SSH_ASKPASS", "false".into());
            set("SSH_ASKPASS_REQUIRE", "force".into());
        }
        let mut git = Self {
            program,
            variables,
            settings,
            home: network.home.clone(),
            may_ask,
        };
        git.set_up_ssh(network);
        Some(git)
    }

    /// Has ssh notice a dead connection, unless the person has chosen how ssh is run.
    fn set_up_ssh(&mut self, network: &Network<'_>) {
        let chosen = ["GIT_SSH_COMMAND", "GIT_SSH"];
        if chosen.iter().any(|name| network.variable(name).is_some()) || self.has_setting("core.sshCommand") {
            return;
        }
        let (connect, idle) = (seconds(network.timeouts.connect), seconds(network.timeouts.idle));
        let batch = if self.may_ask { "" } else { " -o BatchMode=yes" };
        let command = format!(
            "ssh -o ConnectTimeout={connect} -o ServerAliveInterval={} -o ServerAliveCountMax=3{batch}",
            (idle / 3).max(1)
        );
        self.variables.insert("GIT_SSH_COMMAND".to_owned(), command.into());
    }

    /// Whether the person's configuration has a value for `key`.
    fn has_setting(&self, key: &str) -> bool {
        let mut command = self.bare();
        command.args(["config", "--get", key]);
        command
            .output()
            .is_ok_and(|output| output.status.success() && !output.stdout.trim_ascii().is_empty())
    }

    /// One more setting, as `key=value`. Everybody on the machine can see it.
    pub(super) fn set(&mut self, setting: OsString) {
        self.settings.push(setting);
    }

    /// Has certificates judged, whatever the person told Git: what is synced is encrypted, what signs in is not. As with
    /// libgit2, an authority of one's own is named. `address`: that of the server, for which nothing more exact can be set.
    pub(super) fn verify(&mut self, address: &str) {
        self.variables.remove("GIT_SSL_NO_VERIFY");
        self.set("http.sslVerify=true".into());
        // What stands behind the first `=` would be the value.
        let address = address.split('=').next().unwrap_or_default();
        self.set(format!("http.{address}.sslVerify=true").into());
    }

    /// A run of git on the repository in `folder`.
    pub(super) fn command(&self, folder: &Path) -> Command {
        let mut command = self.bare();
        command.env("GIT_DIR", folder);
        for setting in &self.settings {
            command.arg("-c").arg(setting);
        }
        command
    }

    /// A run of git without a repository.
    pub(in crate::mirror::remote) fn bare(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(&self.variables);
        // Not the mirror's folder, and not wherever csync was started: no program is found there by accident.
        if self.home.is_dir() {
            command.current_dir(&self.home);
        } else if let Some(folder) = self.program.parent() {
            command.current_dir(folder);
        }
        command.stdin(std::process::Stdio::null());
        command
    }
}

/// Whether git gets to see a variable of the person's.
fn is_obeyed(name: &str) -> bool {
    !name.starts_with("GIT_") || OBEYED.contains(&name) || OBEYED_GROUPS.iter().any(|group| name.starts_with(group))
}

/// The protocols that are allowed, among those that the person allows.
fn protocols(theirs: Option<&OsStr>) -> OsString {
    let theirs = theirs.map(OsStr::to_string_lossy);
    let allowed = PROTOCOLS.into_iter().filter(|protocol| {
        theirs
            .as_ref()
            .is_none_or(|theirs| theirs.split(':').any(|allowed| allowed == *protocol))
    });
    allowed.collect::<Vec<_>>().join(":").into()
}

/// The program `name` in the folders of `path`, as an absolute path. Relative folders in it do not count.
pub(in crate::mirror::remote) fn find(path: &OsStr, name: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(&name))
        .find(|program| is_program(program))
}

/// The folders of `path` that are absolute.
fn absolute_only(path: &OsStr) -> OsString {
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    std::env::join_paths(folders).unwrap_or_default()
}

fn is_program(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        path.metadata()
            .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    {
        path.is_file()
    }
}

/// Whole seconds, at least one.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_lead_git_elsewhere_is_taken_away() {
        for name in [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_TRACE",
            "GIT_TRACE_REDACT",
            "GIT_NAMESPACE",
        ] {
            assert!(!is_obeyed(name), "{name}");
        }
        for name in [
            "HOME",
            "GIT_SSH_COMMAND",
            "GIT_CONFIG_KEY_0",
            "GIT_SSL_CAINFO",
            "https_proxy",
        ] {
            assert!(is_obeyed(name), "{name}");
        }
    }

    #[test]
    fn only_protocols_that_both_allow_are_allowed() {
        assert_eq!(protocols(None), "https:http:ssh:git");
        assert_eq!(protocols(Some(OsStr::new("file:ssh:ext:https"))), "https:ssh");
    }

    #[test]
    fn a_program_is_not_looked_for_in_the_current_folder() {
        assert_eq!(find(OsStr::new(".:bin:"), "sh"), None);
        assert!(find(OsStr::new(".:/usr/bin:/bin"), "sh").is_some_and(|program| program.is_absolute()));
        assert_eq!(absolute_only(OsStr::new(".:/usr/bin:x:/bin:")), "/usr/bin:/bin");
    }
}
