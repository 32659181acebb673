//! One conversation with a server: what libgit2 asks and tells while it lasts, and what its failures mean.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use git2::{CertificateCheckStatus, ErrorClass, ErrorCode, RemoteCallbacks};

use super::Road;
use super::certificates::{check_host_key, why_refused};
use super::proxy::Way;
use super::sign_in::{REDIRECTED, Remembered, SignIn};
use crate::mirror::error::{MirrorError, text};
use crate::mirror::remote::{Network, Outage, address, failure};

/// How much is kept of what a server prints, in bytes.
const LONGEST_SAYING: usize = 1_000;

/// How much is kept of what libgit2 says, in characters.
const LONGEST_DETAIL: usize = 600;

/// How libgit2 begins to say that nobody took the connection.
const NO_CONNECTION: &[&str] = &["failed to connect to", "failed to resolve address"];

/// What libgit2 says when the connection below TLS is of no use any more.
const TLS_BROKE: &[&str] = &["SSL error: syscall failure", "SSL error: unknown error"];

/// See the module.
pub(super) struct Conversation<'c, 'n> {
    url: &'c str,
    network: &'c Network<'n>,
    road: &'c Road,
    sign_in: RefCell<SignIn<'c, 'n>>,
    /// Why the host was not believed.
    not_believed: RefCell<Option<MirrorError>>,
    /// The certificate that the host showed.
    certificate: RefCell<Option<Vec<u8>>>,
    /// What the server printed.
    said: RefCell<Vec<u8>>,
    /// What was told of the progress: objects and bytes that came in, objects and bytes that went out.
    received: Cell<(u64, u64)>,
    sent: Cell<(u64, u64)>,
    /// When there was a sign of life.
    heard: Cell<Instant>,
}

/// What a callback that cannot fail leaves with when a signal asks to stop. See [`interruptible`].
struct Stopped;

/// Does something with libgit2 that a callback may end early.
///
/// The callbacks that tell of a push cannot say stop: they unwind, quietly. git2 stops such an unwinding before it reaches C,
/// makes libgit2 give up as for any other failure, and goes on with it here, where it ends.
pub(super) fn interruptible<R>(what: impl FnOnce() -> Result<R, git2::Error>) -> Result<R, git2::Error> {
    match catch_unwind(AssertUnwindSafe(what)) {
        Ok(result) => result,
        Err(payload) if payload.is::<Stopped>() => Err(git2::Error::from_str("interrupted")),
        Err(payload) => resume_unwind(payload),
    }
}

impl<'c, 'n> Conversation<'c, 'n> {
    /// With the server at `url`, as the person gave it.
    pub(super) fn new(
        url: &'c str,
        network: &'c Network<'n>,
        remembered: &'c RefCell<Remembered>,
        road: &'c Road,
    ) -> Self {
        Self {
            url,
            network,
            road,
            sign_in: RefCell::new(SignIn::new(url, network, road.ssh.as_ref(), remembered)),
            not_believed: RefCell::default(),
            certificate: RefCell::default(),
            said: RefCell::default(),
            received: Cell::default(),
            sent: Cell::default(),
            heard: Cell::new(Instant::now()),
        }
    }

    /// The remote, without secrets.
    pub(super) fn location(&self) -> String {
        address::shown(self.url)
    }

    /// What libgit2 calls. Each part of the conversation gets its own, and all lead here.
    pub(super) fn callbacks<'a>(&'a self) -> RemoteCallbacks<'a> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.credentials(|url, user, allowed| self.sign_in.borrow_mut().next(url, user, allowed));
        let not_believed = || git2::Error::new(ErrorCode::Certificate, ErrorClass::Callback, "not believed");
        callbacks.certificate_check(move |certificate, host| {
            if let Some(certificate) = certificate.as_x509() {
                *self.certificate.borrow_mut() = Some(certificate.data().to_vec());
                // libgit2 takes what it was given along to where a redirection leads, if that comes with a challenge.
                if self.sign_in.borrow().has_given() && !self.is_on_the_way(host) {
                    *self.not_believed.borrow_mut() = Some(MirrorError::Authentication {
                        location: self.location(),
                        detail: REDIRECTED.to_owned(),
                    });
                    return Err(not_believed());
                }
                return Ok(CertificateCheckStatus::CertificatePassthrough);
            }
            let key = certificate
                .as_hostkey()
                .and_then(|key| key.hostkey())
                .unwrap_or_default();
            let settings = self.road.ssh.as_ref().ok_or_else(not_believed)?;
            check_host_key(self.url, key, settings, self.network).map_err(|error| {
                *self.not_believed.borrow_mut() = Some(error);
                not_believed()
            })?;
            Ok(CertificateCheckStatus::CertificateOk)
        });
        callbacks.transfer_progress(|progress| {
            let now = (progress.received_objects() as u64, progress.received_bytes() as u64);
            self.advance(&self.received, now);
            !self.network.is_stopped()
        });
        callbacks.push_transfer_progress(|objects, all, bytes| {
            self.advance(&self.sent, (objects as u64, bytes as u64));
            // The last word comes when the server has answered: that is not thrown away.
            if objects < all {
                self.unwind_when_stopped();
            }
        });
        // This one is also called in threads of libgit2's: it touches nothing but the wish to stop.
        callbacks.pack_progress(|_, _, _| self.unwind_when_stopped());
        // What the server's hooks print: often the only text that says why.
        callbacks.sideband_progress(|text| {
            let mut said = self.said.borrow_mut();
            let room = LONGEST_SAYING.saturating_sub(said.len());
            said.extend_from_slice(&text[..text.len().min(room)]);
            !self.network.is_stopped()
        });
        callbacks
    }

    /// Whether `host` is the server's, or the proxy's that leads to it.
    fn is_on_the_way(&self, host: &str) -> bool {
        let is_at = |address: &str| {
            let endpoint = address::endpoint(address);
            endpoint.is_some_and(|endpoint| endpoint.host.eq_ignore_ascii_case(host.trim_matches(['[', ']'])))
        };
        is_at(self.url) || matches!(&self.road.way, Way::Proxy(proxy) if is_at(proxy))
    }

    /// Tells of what came since the last time.
    fn advance(&self, so_far: &Cell<(u64, u64)>, now: (u64, u64)) {
        self.heard.set(Instant::now());
        let before = so_far.replace(now);
        let (items, bytes) = (now.0.saturating_sub(before.0), now.1.saturating_sub(before.1));
        if (items, bytes) != (0, 0) {
            self.network.progress.advance(items, bytes);
        }
    }

    fn unwind_when_stopped(&self) {
        if self.network.is_stopped() {
            resume_unwind(Box::new(Stopped));
        }
    }

    /// The server let us in.
    pub(super) fn signed_in(&self) {
        self.sign_in.borrow_mut().succeeded();
    }

    /// Whether another conversation may go on with signing in, after this one could not be begun.
    pub(super) fn goes_on_after(&self, error: &git2::Error) -> bool {
        let class = error.class();
        !self.network.is_stopped() && class == ErrorClass::Ssh && self.sign_in.borrow_mut().goes_on_after(&text(error))
    }

    /// What the server's hooks printed, in one line.
    pub(super) fn said(&self) -> String {
        let said = self.said.borrow();
        let lines: Vec<String> = String::from_utf8_lossy(&said)
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect();
        self.clean(&lines.join(" / "))
    }

    /// What is said, without secrets and of a sane length.
    pub(super) fn clean(&self, said: &str) -> String {
        let mut clean = self.network.without_token(address::without_secrets(said, self.url));
        if let Way::Proxy(proxy) = &self.road.way {
            clean = address::without_secrets(&clean, proxy);
        }
        match clean.char_indices().nth(LONGEST_DETAIL) {
            Some((end, _)) => format!("{}…", &clean[..end]),
            None => clean,
        }
    }

    /// Below TLS, a line that was cut and one that fell silent look the same to libgit2: the time tells.
    fn how_tls_broke(&self, said: String) -> String {
        let idle = self.network.timeouts.idle;
        if said.contains("reset") || said.contains("pipe") {
            said
        } else if self.heard.get().elapsed() >= idle.mul_f32(0.9) {
            format!("nothing came within {} seconds: timed out", idle.as_secs())
        } else {
            "the connection broke off: unexpected EOF".into()
        }
    }

    /// What libgit2 says went wrong, as an error that names the remote and no secret.
    pub(super) fn failed(&self, error: &git2::Error) -> MirrorError {
        let location = self.location();
        if self.network.is_stopped() {
            return MirrorError::Interrupted { location };
        }
        if let Some(error) = self.not_believed.take() {
            return error;
        }
        let said = text(error);
        let detail = self.clean(&said);
        match (error.code(), error.class()) {
            (ErrorCode::Certificate, _) => MirrorError::HostIdentity {
                location,
                detail: why_refused(&detail, self.certificate.borrow().as_deref()),
            },
            (_, ErrorClass::Ssl) if detail.contains("certificate is invalid") || detail.contains("does not match") => {
                MirrorError::HostIdentity {
                    location,
                    detail: why_refused(&detail, self.certificate.borrow().as_deref()),
                }
            }
            (_, ErrorClass::Os | ErrorClass::Ssl | ErrorClass::Net)
                if TLS_BROKE.iter().any(|start| detail.starts_with(start)) =>
            {
                failure::understand(location, self.how_tls_broke(detail))
            }
            // This is how libgit2 says that the line went dead just then.
            (_, ErrorClass::Ssh) if detail.starts_with("remote rejected authentication") => failure::understand(
                location,
                detail.replacen("remote rejected authentication", "signing in", 1),
            ),
            (ErrorCode::Auth, _) if detail.starts_with("proxy ") => MirrorError::Network {
                location,
                detail: "the proxy on the way does not take the user and password that it is given".into(),
                outage: Outage::Other,
            },
            (ErrorCode::Auth, _) => MirrorError::Authentication { location, detail },
            (ErrorCode::NotFound, _) => MirrorError::NotFound { location, detail },
            (_, ErrorClass::Odb | ErrorClass::Indexer) => MirrorError::damaged(
                format!("what {location} sent"),
                std::path::Path::new("the mirror"),
                detail,
            ),
            _ => failure::understand(location, self.with_proxy(detail)),
        }
    }

    /// Who could not be reached is the proxy where there is one: the host is asked for only behind it.
    fn with_proxy(&self, detail: String) -> String {
        match &self.road.way {
            Way::Proxy(proxy) if NO_CONNECTION.iter().any(|start| detail.starts_with(start)) => {
                format!("{}{}: {detail}", failure::PROXY, address::shown(proxy))
            }
            _ => detail,
        }
    }
}
