//! Whether the server is the one that it should be: certificates over HTTPS, host keys over SSH.
//!
//! libgit2 and OpenSSL judge certificates. They trust what the system trusts, and what the person's environment and Git
//! configuration name besides. `http.sslVerify=false` is not obeyed: what is synced is encrypted, the token that signs in
//! is not.

use std::path::PathBuf;

use chrono::Utc;

use super::ssh_settings::SshSettings;
use super::x509::Certificate;
use crate::mirror::error::MirrorError;
use crate::mirror::library;
use crate::mirror::remote::address;
use crate::mirror::remote::failure::BEYOND_LIBGIT2;
use crate::mirror::remote::personal::Personal;
use crate::mirror::remote::ssh::known_hosts::{self, KnownKey, Verdict};
use crate::mirror::remote::ssh::{fingerprint, key_type};
use crate::mirror::remote::{Network, Outage};

/// Has OpenSSL trust the authorities that the person names to Git for `url`. Those in `SSL_CERT_FILE` and `SSL_CERT_DIR` it
/// finds by itself.
pub(super) fn trust(url: &str, network: &Network<'_>, personal: &Personal) -> Result<(), MirrorError> {
    let set = |name: &str| network.variable(name).map(PathBuf::from);
    let file = match set("GIT_SSL_CAINFO") {
        Some(file) => Some(("GIT_SSL_CAINFO", file)),
        None => personal
            .http_path(url, "sslcainfo")
            .map(|file| ("http.sslCAInfo", file)),
    };
    if let Some((name, file)) = file {
        library::trust(&file).map_err(|_| MirrorError::Network {
            location: address::shown(url),
            detail: format!(
                "no certificates can be read from {}, which `{name}` names",
                file.display()
            ),
            outage: Outage::Other,
        })?;
    }
    let folder = set("GIT_SSL_CAPATH").or_else(|| personal.http_path(url, "sslcapath"));
    for entry in folder
        .and_then(|folder| folder.read_dir().ok())
        .into_iter()
        .flatten()
        .flatten()
    {
        // Only what OpenSSL would find there: other things may be in such a folder, the server's own certificate among them.
        if is_hashed(&entry.file_name().to_string_lossy()) {
            let _ = library::trust(&entry.path());
        }
    }
    Ok(())
}

/// Whether a file has a name as `openssl rehash` gives it: eight hexadecimal digits, a dot and a number.
fn is_hashed(name: &str) -> bool {
    name.split_once('.').is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Why OpenSSL refused a certificate, in words. `said` is libgit2's.
pub(super) fn why_refused(said: &str, der: Option<&[u8]>) -> String {
    if said.contains("hostname does not match") {
        return "its certificate is for another host name".into();
    }
    let Some(certificate) = der.and_then(Certificate::read) else {
        return said.to_owned();
    };
    let now = Utc::now();
    if certificate.until < now {
        return format!("its certificate expired on {}", certificate.until.format("%Y-%m-%d"));
    }
    if certificate.from > now {
        return format!(
            "its certificate is not valid before {}, and this machine's clock says {}",
            certificate.from.format("%Y-%m-%d"),
            now.format("%Y-%m-%d")
        );
    }
    let issuer = certificate.issuer.map(|name| format!(" `{name}`")).unwrap_or_default();
    format!("its certificate was signed by an authority{issuer} that this machine does not trust")
}

/// Whether the SSH server at `url` may be talked to: `key` is the host key that it has shown to own.
///
/// # Errors
///
/// [`MirrorError::HostIdentity`] with what the person can compare.
pub(super) fn check_host_key(
    url: &str,
    key: &[u8],
    settings: &SshSettings,
    network: &Network<'_>,
) -> Result<(), MirrorError> {
    let refused = |detail: String| MirrorError::HostIdentity {
        location: address::shown(url),
        detail,
    };
    let shown = format!("{} {}", key_type(key).unwrap_or("unknown"), fingerprint(key));
    let (files, failed) = known_hosts::load(&settings.known_hosts);
    if let Some((path, error)) = failed.into_iter().next() {
        // A key that was revoked there would be missed.
        return Err(refused(format!("{} cannot be read: {error}", path.display())));
    }
    match known_hosts::judge(&files, &settings.host, key) {
        Verdict::Known { place } => {
            tracing::debug!(
                "the host key {shown} of {} is known from {place}",
                settings.host.as_str()
            );
            Ok(())
        }
        Verdict::Revoked { place } => Err(refused(format!("its host key {shown} was revoked ({place})"))),
        Verdict::Changed { expected } => Err(refused(format!(
            "its host key has changed: it shows {shown}, but {} is known",
            list(&expected)
        ))),
        Verdict::OtherTypes { known } => Err(refused(format!(
            "its host key {shown} is not known, while {} is; {BEYOND_LIBGIT2} ask for that one",
            list(&known)
        ))),
        Verdict::CertificateAuthority { place } => Err(refused(format!(
            "a certificate authority vouches for its host keys ({place}), which {BEYOND_LIBGIT2} check"
        ))),
        Verdict::Unknown => ask(key, &shown, settings, network).map_err(refused),
    }
}

/// Asks whether a host that nothing is known about is the right one, and remembers it.
fn ask(key: &[u8], shown: &str, settings: &SshSettings, network: &Network<'_>) -> Result<(), String> {
    let questions = network.questions;
    if !settings.may_ask {
        return Err(format!(
            "its host key {shown} is not known here, and `StrictHostKeyChecking` forbids to ask about it"
        ));
    }
    if !questions.is_there() {
        return Err(format!(
            "its host key {shown} is not known here, and nobody could be asked"
        ));
    }
    let explanation = format!(
        "The host {} is not known on this machine. It shows this key:\n\n  {shown}\n\n\
         Compare it with what the host's own pages or its administrator say.",
        settings.host.as_str()
    );
    if !questions.confirm(&explanation, "Is this the right host?") {
        return Err(format!("its host key {shown} was not accepted"));
    }
    let Some(file) = &settings.remember_in else {
        return Ok(());
    };
    // Whoever hides the names of hosts goes on hiding them.
    let hides = |text: String| text.lines().any(|line| line.starts_with("|1|"));
    let hashed = settings.hashed || std::fs::read_to_string(file).is_ok_and(hides);
    match known_hosts::remember(file, &settings.host, key, hashed) {
        Ok(()) => questions.tell(&format!("The host is now in {}.", file.display())),
        Err(error) => questions.tell(&format!("The host could not be written to {}: {error}", file.display())),
    }
    Ok(())
}

/// Known keys, each with where it stands.
fn list(keys: &[KnownKey]) -> String {
    let one = |key: &KnownKey| format!("{} {} ({})", key.key_type, key.fingerprint, key.place);
    keys.iter().map(one).collect::<Vec<_>>().join(" or ")
}
