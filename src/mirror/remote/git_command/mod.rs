//! A remote that the git command talks to, as the person has set it up: their `~/.ssh/config`, credential helpers, proxies,
//! certificates, `insteadOf`.
//!
//! The mirror is not a repository of theirs, so that their hooks and housekeeping do not touch it (see `program`), and its
//! own configuration says nothing but what csync wrote. No refspec has a `+` and nothing is forced: see `push`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use git2::Oid;
use tempfile::NamedTempFile;

use crate::core::id::CommitId;
use crate::mirror::error::MirrorError;
use crate::mirror::pointer::{Pointer, commit_id, oid, read};
use crate::mirror::reach;
use crate::mirror::remote::{
    ARRIVING, BRANCH, Carrier, Network, Outage, Push, Refusal, Rejection, Remote, Tested, address, check_continues,
    failure,
};
use crate::mirror::repository::Mirror;
use crate::mirror::spool::Staging;

use self::conversation::{Broken, Outcome};
use self::plain::Parts;
use self::program::Git;
use self::token::{Answer, Teller};

mod conversation;
mod plain;
pub(in crate::mirror::remote) mod program;
mod token;
mod words;

pub use self::token::relay_credential;

/// The oldest version that knows all that is asked of it here (`--no-write-fetch-head`).
const OLDEST: &str = "2.29";

/// How much is told of what else a remote has, in characters.
const LONGEST_NAME: usize = 200;

/// What git says where it does not know an option.
const USAGE: i32 = 129;

/// See the module.
pub(super) struct GitCommandRemote<'a> {
    url: String,
    parts: Parts,
    network: Network<'a>,
    /// Whether nobody is to be asked, even where somebody is there.
    quiet: bool,
    because: Option<String>,
}

impl<'n> GitCommandRemote<'n> {
    /// The repository at `url`, which is not contacted yet. `because`: why libgit2 cannot; none where the person chose.
    ///
    /// # Errors
    ///
    /// [`MirrorError::NoGitCommand`]; [`MirrorError::BadAddress`] for one whose secrets cannot be told apart.
    pub(super) fn new(url: String, network: Network<'n>, because: Option<String>) -> Result<Self, MirrorError> {
        if !is_there(&network) {
            return Err(MirrorError::NoGitCommand {
                location: address::shown(&url),
            });
        }
        let parts = plain::take_apart(&url)?;
        Ok(Self {
            url,
            parts,
            network,
            quiet: false,
            because,
        })
    }

    /// The same, with nobody being asked for anything.
    pub(super) fn quietly(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Runs git on the repository in `folder`: `arguments`, then the address, then `refspecs`.
    fn run(&self, folder: &Path, arguments: &[&str], refspecs: &[&str]) -> Result<Outcome, MirrorError> {
        let may_ask = !self.quiet && self.network.questions.is_there();
        let mut git = Git::find(&self.network, may_ask).ok_or_else(|| MirrorError::NoGitCommand {
            location: self.location(),
        })?;
        let _given = self.give_credentials(&mut git)?;
        if self.parts.server.is_some() {
            git.verify(&self.parts.plain);
        }
        let mut command = git.command(folder);
        command.args(arguments).arg("--").arg(&self.parts.plain).args(refspecs);
        tracing::debug!("git {}", arguments.join(" "));
        conversation::run(&mut command, &self.network, may_ask).map_err(|broken| match broken {
            Broken::Stopped => MirrorError::Interrupted {
                location: self.location(),
            },
            Broken::Silent(time) => MirrorError::Network {
                location: self.location(),
                detail: format!(
                    "git showed no sign of life for {} seconds and was ended",
                    program::seconds(time)
                ),
                outage: Outage::TimedOut,
            },
            Broken::System(error) => MirrorError::Network {
                location: self.location(),
                detail: format!("git cannot be run: {error}"),
                outage: Outage::Other,
            },
        })
    }

    /// Sets git up to be told user name, password or token, for as long as what is returned lives.
    fn give_credentials(&self, git: &mut Git) -> Result<(Option<Teller>, Option<NamedTempFile>), MirrorError> {
        let Some(server) = &self.parts.server else {
            return Ok((None, None));
        };
        let user = self.network.user_name.as_ref().or(self.parts.user.as_ref());
        // A token goes where nobody on the way can read it. A password in the address was put there by the person.
        let token = self.network.token.as_ref().filter(|_| server.is_sealed());
        if let Some(password) = self.parts.password.as_ref().or(token) {
            let Some(program) = &self.network.program else {
                return Err(MirrorError::Authentication {
                    location: self.location(),
                    detail: "there is no program to hand the password to git with".into(),
                });
            };
            let answer = Answer {
                server: server.clone(),
                // The hosts ignore the name where the password is a token.
                user: user.map_or("git", String::as_str).to_owned(),
                password: password.clone(),
            };
            let teller = Teller::begin(&self.network.private_folder, answer)?;
            teller
                .settings(program, server)
                .into_iter()
                .for_each(|setting| git.set(setting));
            return Ok((Some(teller), None));
        }
        let Some(user) = user else {
            return Ok((None, None));
        };
        // What stands before the `@` of an address may be a token, so that it goes through a file that only this user reads.
        let private = &self.network.private_folder;
        let failed = |error| MirrorError::io("write a file in", private, error);
        std::fs::create_dir_all(private).map_err(failed)?;
        let mut file = NamedTempFile::new_in(private).map_err(failed)?;
        // Git refuses to pass on a name that holds a line break.
        let escaped = user.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        writeln!(
            file,
            "[credential \"{}://{}\"]\n\tusername = \"{escaped}\"",
            server.scheme, server.host
        )
        .map_err(failed)?;
        let mut setting = OsString::from("include.path=");
        setting.push(file.path());
        git.set(setting);
        Ok((None, Some(file)))
    }

    /// What was said, without secrets.
    fn clean(&self, said: &str) -> String {
        self.network.without_token(address::without_secrets(said, &self.url))
    }

    /// What a run that failed tells of, as an error that names the remote and no secret.
    fn failed(&self, outcome: &Outcome) -> MirrorError {
        let location = self.location();
        let mut detail = self.clean(&outcome.told.complaint());
        if outcome.code == Some(USAGE) {
            detail = format!("{detail}; git {OLDEST} or later is needed");
        } else if detail.is_empty() {
            detail = match outcome.code {
                Some(code) => format!("git ended with exit code {code}"),
                None => "git was ended by a signal".into(),
            };
        }
        let status = outcome.told.status.unwrap_or_default();
        let retry_after = outcome.told.retry_after();
        // Some hosts answer 403 to those who ask too often, and say when to come back.
        let is_busy = status >= 500 || status == 429 || status == 403 && retry_after.is_some();
        let no_ssh = ["ssh: not found", "ssh: command not found", "cannot run ssh"];
        if is_busy {
            return MirrorError::Network {
                location,
                detail,
                outage: Outage::Busy { retry_after },
            };
        }
        if no_ssh.iter().any(|words| detail.contains(words)) {
            return MirrorError::Network {
                location,
                detail: "there is no ssh program to reach it with".into(),
                outage: Outage::Other,
            };
        }
        match failure::understand(location, detail) {
            // The words of a host may be anything; its status is not. (The first answer is 401 also where all is well: what
            // broke the conversation off afterwards goes before that.)
            MirrorError::Network {
                location,
                detail,
                outage: Outage::Other,
            }
            | MirrorError::NotFound { location, detail }
                if matches!(status, 401 | 403) =>
            {
                MirrorError::Authentication { location, detail }
            }
            understood => understood,
        }
    }

    /// The remote's tip, asked for in a connection of its own; none where the remote is empty. `folder`: any repository.
    fn tip(&self, folder: &Path) -> Result<Option<Oid>, MirrorError> {
        let outcome = self.run(folder, &["ls-remote", "--refs"], &[])?;
        if !outcome.success {
            return Err(self.failed(&outcome));
        }
        let lines = || outcome.output.lines().filter_map(|line| line.split_once('\t'));
        if let Some((id, _)) = lines().find(|(_, name)| *name == BRANCH) {
            return Ok(Oid::from_str(id).ok());
        }
        match failure::foreign_refs(lines().map(|(_, name)| name)) {
            Some(found) => Err(MirrorError::NotAVault {
                location: self.location(),
                found: found.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect(),
            }),
            None => Ok(None),
        }
    }

    /// Fetches the branch into `repository`, under a name of its own; its commit, none where the remote is empty.
    fn arrive(&self, repository: &git2::Repository) -> Result<Option<Oid>, MirrorError> {
        let folder = repository.path();
        let refspec = format!("{BRANCH}:{ARRIVING}");
        let options = [
            "fetch",
            "--progress",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
        ];
        for _ in 0..2 {
            leave(repository)?;
            let outcome = self.run(folder, &options, &[&refspec])?;
            if outcome.success {
                return read(repository, ARRIVING)
                    .map_err(|error| MirrorError::git("read a reference", folder, &error));
            }
            if !outcome.told.complaint().contains("couldn't find remote ref") {
                return Err(self.failed(&outcome));
            }
            if self.tip(folder)?.is_none() {
                return Ok(None);
            }
            // Somebody made it just now.
        }
        Err(MirrorError::Network {
            location: self.location(),
            detail: "the branch main comes and goes".into(),
            outage: Outage::Cut,
        })
    }

    /// Brings the whole branch into a repository of its own, and from there what the mirror lacks.
    fn fetch_apart(&self, mirror: &Mirror, known: &[Oid]) -> Result<Option<Oid>, MirrorError> {
        let staging = Staging::create(mirror.folder())?;
        let place = staging.path().join("repository");
        let repository = git2::Repository::init_bare(&place)
            .map_err(|error| MirrorError::git("make a repository", &place, &error))?;
        let Some(tip) = self.arrive(&repository)? else {
            return Ok(None);
        };
        reach::copy(&repository, &mirror.repository, &[tip], known).map_err(|error| match error {
            MirrorError::Missing { what, .. } => MirrorError::NotSent {
                what,
                location: self.location(),
            },
            other => other,
        })?;
        Ok(Some(tip))
    }

    /// The same as `fetch`, with the reference of the arrival left behind.
    fn fetch_and_leave(&self, mirror: &Mirror) -> Result<Option<CommitId>, MirrorError> {
        let known = mirror.known()?;
        let mut tip = match self.arrive(&mirror.repository) {
            // git looks at what it has, and finds that something is missing.
            Err(MirrorError::Network {
                outage: Outage::Other,
                detail,
                ..
            }) if is_damage(&detail) => self.fetch_apart(mirror, &known)?,
            arrived => arrived?,
        };
        if let Some(arrived) = tip
            && !known.contains(&arrived)
        {
            match reach::verify(&mirror.repository, &[arrived], &known, false) {
                // git does not ask for what it believes to have.
                Err(MirrorError::Missing { .. }) => tip = self.fetch_apart(mirror, &known)?,
                verified => verified?,
            }
        }
        if let Some(tip) = tip {
            mirror.set(Pointer::Incoming, mirror.get(Pointer::Incoming)?, commit_id(tip))?;
        }
        Ok(tip.map(commit_id))
    }

    /// What the answer to a push means, where git gave one for the branch.
    fn answer(&self, outcome: &Outcome) -> Option<Push> {
        let line = outcome.output.lines().find_map(|line| {
            let mut fields = line.split('\t');
            let flag = fields.next()?;
            let is_ours = fields.next()?.ends_with(&format!(":{BRANCH}"));
            is_ours.then_some((flag, fields.next().unwrap_or_default()))
        });
        match line? {
            ("!", summary) => {
                let (kind, reason) = summary.split_once('(').unwrap_or(("", summary));
                // The objects went out, and no answer came back.
                if kind.contains("remote failure") {
                    return None;
                }
                let reason = reason.trim_end().trim_end_matches(')');
                Some(failure::refusal(
                    &self.clean(reason),
                    &self.clean(&outcome.told.server()),
                ))
            }
            // New, forwarded, or there already: a push that was cut after the server took it.
            _ => Some(Push::Accepted),
        }
    }
}

impl Remote for GitCommandRemote<'_> {
    fn location(&self) -> String {
        address::shown(&self.url)
    }

    fn fetch(&mut self, mirror: &Mirror) -> Result<Option<CommitId>, MirrorError> {
        let fetched = self.fetch_and_leave(mirror);
        leave(&mirror.repository)?;
        fetched
    }

    fn push(&mut self, mirror: &Mirror, expected: Option<CommitId>, new: CommitId) -> Result<Push, MirrorError> {
        check_continues(mirror, expected, new, self.location())?;
        tracing::debug!("sending commit {new} to {}", self.location());
        // The lease makes this a compare-and-swap, and forces nothing: git sends nothing unless the branch stands at
        // `expected` (or is not there), the server compares once more under its lock, and `new` descends from
        // `expected`, so that the only move that can come about is a fast-forward. Without the lease git would
        // also fast-forward from tips that the caller has not seen.
        let lease = match expected {
            Some(tip) => format!("--force-with-lease={BRANCH}:{tip}"),
            None => format!("--force-with-lease={BRANCH}:"),
        };
        let options = [
            "push",
            "--porcelain",
            "--progress",
            "--no-verify",
            "--no-signed",
            &lease,
        ];
        let outcome = self.run(mirror.folder(), &options, &[&refspec(new)])?;
        if let Some(answer) = self.answer(&outcome) {
            return Ok(answer);
        }
        if outcome.told.status == Some(413) {
            return Ok(Push::Rejected(Rejection {
                cause: Refusal::TooLarge,
                said: self.clean(&outcome.told.complaint()),
            }));
        }
        match self.failed(&outcome) {
            // A server that does not report: ask it where the branch is.
            MirrorError::Network {
                outage: Outage::Other, ..
            } if outcome.output.contains("remote failure") => Ok(if self.tip(mirror.folder())? == Some(oid(new)) {
                Push::Accepted
            } else {
                Push::LostRace
            }),
            error => match failure::read_only(&error) {
                Some(said) => Ok(Push::Rejected(Rejection {
                    cause: Refusal::ReadOnly,
                    said,
                })),
                None => Err(error),
            },
        }
    }

    fn test(&mut self) -> Result<Tested, MirrorError> {
        let private = &self.network.private_folder;
        let failed = |error| MirrorError::io("make a folder in", private, error);
        std::fs::create_dir_all(private).map_err(failed)?;
        let scratch = tempfile::tempdir_in(private).map_err(failed)?;
        let repository = git2::Repository::init_bare(scratch.path())
            .map_err(|error| MirrorError::git("make a repository", scratch.path(), &error))?;
        let tip = self.tip(repository.path())?;
        // The server greets a push only where it would let us write. Nothing is sent after the greeting.
        let commit =
            empty_commit(&repository).map_err(|error| MirrorError::git("make a commit", scratch.path(), &error))?;
        let options = ["push", "--dry-run", "--porcelain", "--no-verify", "--no-signed"];
        let outcome = self.run(repository.path(), &options, &[&format!("{commit}:refs/csync/test")])?;
        let not_writable = if outcome.success {
            None
        } else {
            let error = self.failed(&outcome);
            Some(failure::read_only(&error).ok_or(error)?)
        };
        Ok(Tested {
            tip: tip.map(commit_id),
            not_writable,
        })
    }

    fn carrier(&self) -> Carrier {
        Carrier::Git {
            because: self.because.clone(),
        }
    }
}

/// Whether the person has a git program.
pub(super) fn is_there(network: &Network<'_>) -> bool {
    network
        .variable("PATH")
        .is_some_and(|path| program::find(path, "git").is_some())
}

/// The one refspec that csync pushes: the commit to the branch, as a fast-forward.
fn refspec(new: CommitId) -> String {
    let refspec = format!("{new}:{BRANCH}");
    assert!(!refspec.starts_with('+'), "a push never forces");
    refspec
}

/// Whether git complains of what is here, and not of what was sent.
fn is_damage(detail: &str) -> bool {
    [
        "missing necessary objects",
        "bad object",
        "missing blob",
        "missing tree",
        "missing commit",
        "unable to read",
    ]
    .iter()
    .any(|words| detail.contains(words))
}

/// Removes the reference of an arrival, if it is there.
fn leave(repository: &git2::Repository) -> Result<(), MirrorError> {
    let removed = match repository.find_reference(ARRIVING) {
        Ok(mut reference) => reference.delete(),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| MirrorError::git("remove a reference", repository.path(), &error))
}

/// A commit of nothing, which never leaves this machine.
fn empty_commit(repository: &git2::Repository) -> Result<Oid, git2::Error> {
    let tree = repository.find_tree(repository.treebuilder(None)?.write()?)?;
    let nobody = git2::Signature::new("csync", "csync", &git2::Time::new(0, 0))?;
    repository.commit(None, &nobody, &nobody, "csync\n", &tree, &[])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
