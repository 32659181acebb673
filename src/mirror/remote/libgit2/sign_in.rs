//! Signing in. libgit2 asks again after each refusal, so that each way is handed to it once.

use std::cell::RefCell;

use git2::{Cred, CredentialType, Error, ErrorClass, ErrorCode};

use super::keys::{Keys, KeysThatWork};
use super::passwords::{PasswordThatWorks, Passwords};
use super::ssh_settings::SshSettings;
use crate::mirror::remote::{Network, address};

/// Why somebody else than whom the person named gets nothing.
pub(super) const REDIRECTED: &str =
    "it redirects to another host, which gets no credentials; if that is right, give the new address";

/// What was good in an earlier conversation of this run: it goes first in the next one, and nobody is asked twice.
#[derive(Default)]
pub(super) struct Remembered {
    /// Over HTTPS.
    pub password: Option<PasswordThatWorks>,
    /// Over SSH.
    pub keys: KeysThatWork,
}

/// The signing in of one conversation with a server.
pub(super) struct SignIn<'s, 'n> {
    address: &'s str,
    network: &'s Network<'n>,
    remembered: &'s RefCell<Remembered>,
    passwords: Passwords<'s, 'n>,
    keys: Keys<'s, 'n>,
}

impl<'s, 'n> SignIn<'s, 'n> {
    /// For a conversation with the server at `address`, as the person gave it: no secret goes to another host, whatever a
    /// redirection says.
    pub(super) fn new(
        address: &'s str,
        network: &'s Network<'n>,
        settings: Option<&'s SshSettings>,
        remembered: &'s RefCell<Remembered>,
    ) -> Self {
        let mut known = remembered.borrow_mut();
        Self {
            address,
            network,
            remembered,
            passwords: Passwords::new(address, network, known.password.take()),
            keys: Keys::new(network, settings, std::mem::take(&mut known.keys)),
        }
    }

    /// The next way that the server at `url` allows and that was not tried; an error when there is none left.
    pub(super) fn next(&mut self, url: &str, user: Option<&str>, allowed: CredentialType) -> Result<Cred, Error> {
        if self.network.is_stopped() {
            return Err(refused("interrupted"));
        }
        if address::host(&address::without_user(url)) != address::host(&address::without_user(self.address)) {
            return Err(refused(REDIRECTED));
        }
        if allowed.contains(CredentialType::USERNAME) {
            return Cred::username(&self.keys.user());
        }
        if is_http(self.address) {
            if !allowed.contains(CredentialType::USER_PASS_PLAINTEXT) {
                return Err(refused("it wants a sign-in of another kind than a password or a token"));
            }
            return self.passwords.next(url).map_err(|why| refused(&why));
        }
        let user = user.map_or_else(|| self.keys.user(), str::to_owned);
        self.keys.next(&user, allowed).map_err(|why| refused(&why))
    }

    /// Whether libgit2 was given a password in this conversation, which it keeps to its end.
    pub(super) const fn has_given(&self) -> bool {
        self.passwords.has_given()
    }

    /// Whether the same might go on in another conversation, after this one broke off with libgit2 saying `said`.
    pub(super) fn goes_on_after(&mut self, said: &str) -> bool {
        self.keys.goes_on_after(said)
    }

    /// The server let us in.
    pub(super) fn succeeded(&mut self) {
        self.passwords.succeeded();
        self.keys.succeeded();
    }
}

impl Drop for SignIn<'_, '_> {
    fn drop(&mut self) {
        let mut remembered = self.remembered.borrow_mut();
        remembered.password = self.passwords.works.take();
        remembered.keys = std::mem::take(&mut self.keys.works);
    }
}

/// Whether the address is one of HTTP.
pub(super) fn is_http(address: &str) -> bool {
    address
        .get(..4)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"))
        && address.contains("://")
}

/// What libgit2 is told when there is nothing to hand to it.
fn refused(message: &str) -> Error {
    Error::new(ErrorCode::Auth, ErrorClass::Callback, message)
}
