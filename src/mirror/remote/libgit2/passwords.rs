//! Signing in over HTTPS: the token that the person gave, their credential helpers, and last the person.

use git2::Cred;
use secrecy::ExposeSecret;

use crate::mirror::remote::git_credential::{CredentialHelper, Login, Verdict};
use crate::mirror::remote::network::USER_OF_A_TOKEN;
use crate::mirror::remote::{Network, address, failure};

/// A login that a server took.
pub(super) struct PasswordThatWorks(Login);

/// Where a login came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// It was good before.
    Remembered,
    Token,
    Helper,
    Person,
}

/// What has been tried, and what is to be tried next.
pub(super) struct Passwords<'s, 'n> {
    network: &'s Network<'n>,
    address: &'s str,
    /// What worked before, until it was tried; then what works.
    pub works: Option<PasswordThatWorks>,
    tried: Vec<Source>,
    /// What was handed over last, which the server has not judged.
    pending: Option<(Source, Login)>,
    /// Whether anything was handed over.
    given: bool,
    /// What became of each way.
    notes: Vec<&'static str>,
}

impl<'s, 'n> Passwords<'s, 'n> {
    /// For the server at `address`, where `works` was good before.
    pub(super) const fn new(address: &'s str, network: &'s Network<'n>, works: Option<PasswordThatWorks>) -> Self {
        Self {
            network,
            address,
            works,
            tried: Vec::new(),
            pending: None,
            given: false,
            notes: Vec::new(),
        }
    }

    /// The next login for `url`; in words what was tried when there is none left.
    pub(super) fn next(&mut self, url: &str) -> Result<Cred, String> {
        self.refused();
        for source in [Source::Remembered, Source::Token, Source::Helper, Source::Person] {
            if self.tried.contains(&source) {
                continue;
            }
            self.tried.push(source);
            let login = match source {
                Source::Remembered => self.works.take().map(|works| works.0),
                Source::Token => self.token(url),
                Source::Helper => self.ask_helpers(),
                Source::Person => self.ask_person(url),
            };
            let Some(login) = login else { continue };
            let credential = Cred::userpass_plaintext(&login.user, login.password.expose_secret())
                .map_err(|_| "a user name or password holds a NUL".to_owned())?;
            self.pending = Some((source, login));
            self.given = true;
            return Ok(credential);
        }
        Err(self.notes.join("; "))
    }

    /// Whether anything was handed over.
    pub(super) const fn has_given(&self) -> bool {
        self.given
    }

    /// The server took what it was given last.
    pub(super) fn succeeded(&mut self) {
        let Some((source, login)) = self.pending.take() else {
            return;
        };
        match source {
            Source::Remembered | Source::Token => {}
            Source::Helper => {
                if let Some(helper) = self.helper() {
                    helper.judge(&login, Verdict::Approve);
                }
            }
            Source::Person => self.offer_to_remember(&login),
        }
        self.works = Some(PasswordThatWorks(login));
    }

    /// The server refused what it was given last, if anything.
    fn refused(&mut self) {
        let Some((source, login)) = self.pending.take() else {
            return;
        };
        match source {
            Source::Remembered => {}
            Source::Token => self.notes.push(failure::TOKEN_REFUSED),
            Source::Helper => {
                self.notes.push(failure::HELPER_REFUSED);
                if let Some(helper) = self.helper() {
                    helper.judge(&login, Verdict::Reject);
                }
            }
            Source::Person => self.notes.push(failure::TYPED_REFUSED),
        }
    }

    /// The token, where nobody on the way can read it.
    fn token(&mut self, url: &str) -> Option<Login> {
        let token = self.network.token.clone()?;
        if !is_sealed(url) {
            self.notes
                .push("the token in CSYNC_GIT_TOKEN is not sent without encryption");
            return None;
        }
        let user = self.network.user_name.as_deref();
        let user = user.or_else(|| address::user(self.address)).unwrap_or(USER_OF_A_TOKEN);
        Some(Login::new(user.to_owned(), token))
    }

    /// What the person's credential helpers know.
    fn ask_helpers(&mut self) -> Option<Login> {
        let Some(helper) = self.helper() else {
            self.notes
                .push("no credential helper was asked, because no `git` is on the PATH to start it");
            return None;
        };
        let login = helper.fill();
        if login.is_none() {
            self.notes.push("no Git credential helper knows a password for it");
        }
        login
    }

    /// What the person types.
    fn ask_person(&mut self, url: &str) -> Option<Login> {
        let questions = self.network.questions;
        if !questions.is_there() {
            self.notes.push("nobody could be asked");
            return None;
        }
        if !is_sealed(url) {
            self.notes.push("a password would not be sent without encryption");
            return None;
        }
        let shown = address::shown(self.address);
        let user = self.network.user_name.clone();
        let user = user.or_else(|| address::user(self.address).map(str::to_owned));
        let user = user
            .or_else(|| questions.text(&format!("User name for {shown}")))
            .filter(|user| !user.is_empty())?;
        let password = questions.secret(&format!("Password or token of {user} for {shown}"))?;
        Some(Login::new(user, password))
    }

    /// Asks whether what was typed, and was good, is to be kept.
    fn offer_to_remember(&self, login: &Login) {
        let questions = self.network.questions;
        let Some(helper) = self.helper() else { return };
        if !helper.is_configured() {
            questions.tell(
                "Git has no credential helper set up, so this is asked again the next time. \
                 `git config --global credential.helper` sets one: see gitcredentials(7).",
            );
        } else if questions.confirm("", "Remember it through your Git credential helper?") {
            helper.judge(login, Verdict::Approve);
        }
    }

    /// The helpers for the address.
    fn helper(&self) -> Option<CredentialHelper<'s, 'n>> {
        let user = self
            .network
            .user_name
            .as_deref()
            .or_else(|| address::user(self.address));
        CredentialHelper::find(self.network, self.address, user)
    }
}

/// Whether what is sent to `url` is encrypted on the way.
fn is_sealed(url: &str) -> bool {
    url.get(..8)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}
