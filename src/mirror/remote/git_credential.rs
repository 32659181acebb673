//! The person's credential helpers, through `git credential`.
//!
//! The git program finds and starts them as it does for itself: `gh auth git-credential`, a manager, `store`, the keychain,
//! several in a row, for some hosts only, from included files. No helper is started without it.

use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use super::git_command::program::Git;
use super::{Network, address};

/// How much a helper may say, in bytes.
const LONGEST_ANSWER: u64 = 64 << 10;

/// How long a helper may take with a person before it, who may have to sign in with a browser.
const WITH_A_PERSON: Duration = Duration::from_secs(300);

/// How long it may take where nobody is.
const ALONE: Duration = Duration::from_secs(30);

/// How often a running helper is looked after.
const LOOK: Duration = Duration::from_millis(5);

/// A user and a password, as a helper gave them or as a helper is to keep them.
#[derive(Clone)]
pub(super) struct Login {
    /// The user's name.
    pub user: String,
    /// The password, or a token.
    pub password: SecretString,
    /// All that the helper said, which is what it is told again; none: it came from elsewhere.
    said: Option<SecretString>,
}

impl Login {
    /// One that no helper gave.
    pub(super) const fn new(user: String, password: SecretString) -> Self {
        Self {
            user,
            password,
            said: None,
        }
    }
}

/// What is left to do with a login when the server has judged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was good: the helpers may keep it.
    Approve,
    /// It was not: the helpers forget it.
    Reject,
}

/// The helpers for one address.
pub(super) struct CredentialHelper<'h, 'n> {
    network: &'h Network<'n>,
    git: Git,
    /// The address in the words of `git credential`.
    description: String,
    /// The address, to ask the configuration about.
    url: String,
}

impl<'h, 'n> CredentialHelper<'h, 'n> {
    /// For the HTTP address `url`, with `user` where the person named one. None where there is no git program, or where the
    /// address is none that helpers know.
    pub(super) fn find(network: &'h Network<'n>, url: &str, user: Option<&str>) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let rest = rest.split(['?', '#']).next()?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit('@').next()?;
        let mut description = format!("protocol={}\nhost={host}\n", scheme.to_ascii_lowercase());
        if !path.is_empty() {
            description += &format!("path={path}\n");
        }
        if let Some(user) = user {
            description += &format!("username={user}\n");
        }
        // A line break would let an address say more than it is. A NUL ends nothing here; it is refused as well.
        let parts = [scheme, host, path, user.unwrap_or_default()];
        let clean = parts.iter().all(|part| !part.contains(['\n', '\r', '\0']));
        clean.then_some(())?;
        Some(Self {
            network,
            git: Git::find(network, network.questions.is_there())?,
            description,
            url: address::shown(url),
        })
    }

    /// Whether the person has set up a helper for this address.
    pub(super) fn is_configured(&self) -> bool {
        self.run(&["config", "--get-urlmatch", "credential.helper", &self.url], "")
            .is_some_and(|helper| !helper.expose_secret().trim().is_empty())
    }

    /// What the helpers know. None where they know nothing, or could not be asked.
    pub(super) fn fill(&self) -> Option<Login> {
        let said = self.run(&["credential", "fill"], &self.description)?;
        let value = |name: &str| {
            said.expose_secret()
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let login = Login {
            user: value("username")?,
            password: SecretString::from(value("password")?),
            said: Some(said.clone()),
        };
        tracing::debug!("a credential helper answered for {}", self.url);
        Some(login)
    }

    /// Tells the helpers what became of a login, as Git does.
    pub(super) fn judge(&self, login: &Login, verdict: Verdict) {
        let verb = match verdict {
            Verdict::Approve => "approve",
            Verdict::Reject => "reject",
        };
        let told = match &login.said {
            Some(said) => said.expose_secret().to_owned(),
            None => {
                let without_user = self.description.lines().filter(|line| !line.starts_with("username="));
                let mut told: String = without_user.map(|line| format!("{line}\n")).collect();
                told += &format!("username={}\npassword={}\n", login.user, login.password.expose_secret());
                told
            }
        };
        tracing::debug!("git credential {verb} for {}", self.url);
        let _ = self.run(&["credential", verb], SecretString::from(told).expose_secret());
    }

    /// Runs git with `input`; what it printed, where it succeeded in time.
    fn run(&self, arguments: &[&str], input: &str) -> Option<SecretString> {
        let mut command = self.git.bare();
        command
            .args(arguments)
            // Where a person is to be asked, csync asks. Helpers with a window of their own may still open it.
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let mut stdin = child.stdin.take()?;
        let mut stdout = child.stdout.take()?;
        // A pipe holds 64 KiB, and this is less: it does not block.
        let _ = stdin.write_all(input.as_bytes()).and_then(|()| stdin.write_all(b"\n"));
        drop(stdin);
        let (tell, told) = mpsc::channel();
        // Not joined: something that a helper left behind may hold its end of the pipe for long.
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = stdout.by_ref().take(LONGEST_ANSWER).read_to_string(&mut text);
            let _ = tell.send(read.ok().map(|_| SecretString::from(text)));
        });
        let deadline = Instant::now()
            + if self.network.questions.is_there() {
                WITH_A_PERSON
            } else {
                ALONE
            };
        let succeeded = self.wait(&mut child, deadline)?;
        let text = told
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .ok()??;
        succeeded.then_some(text)
    }

    /// Waits for the end, and brings it about at the deadline or when a signal asks for it; then none.
    fn wait(&self, child: &mut Child, deadline: Instant) -> Option<bool> {
        loop {
            if let Some(status) = child.try_wait().ok()? {
                return Some(status.success());
            }
            if Instant::now() > deadline || self.network.is_stopped() {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            std::thread::sleep(LOOK);
        }
    }
}
