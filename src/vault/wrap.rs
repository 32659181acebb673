//! Wraps of the vault key: `keys/<id>.age`, one for each holder.

use std::str::FromStr;

use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::envelope;
use super::error::{Thing, VaultError};
use super::identity::DeviceIdentity;
use super::key::VaultKey;
use super::{limits, random};
use crate::core::id::KeyId;

/// How much work a guess at a passphrase takes: the base-2 logarithm of scrypt's N. Each step doubles time and memory; 18
/// takes about a second and 256 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkFactor(u8);

impl WorkFactor {
    /// The most that csync does, for itself or for anyone: 1 GiB of memory.
    pub const MAX: Self = Self(20);
    /// What a passphrase gets, as the age program gives it.
    pub const DEFAULT: Self = Self(18);

    /// A work factor; `None` outside 1 to [`WorkFactor::MAX`]. Less than the default is for tests.
    #[must_use]
    pub const fn new(logarithm: u8) -> Option<Self> {
        if logarithm >= 1 && logarithm <= Self::MAX.0 {
            Some(Self(logarithm))
        } else {
            None
        }
    }
}

/// What opens a wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrapKind {
    /// A passphrase.
    Passphrase,
    /// The key of a device, or of whatever else age encrypts to.
    Recipient,
}

/// A fresh id for a wrap.
#[must_use]
pub fn new_key_id() -> KeyId {
    KeyId(random::id())
}

/// Wraps `key` for the device of `recipient` (`age1…`).
///
/// # Errors
/// [`VaultError::BadRecipient`] when that is no X25519 recipient.
pub fn wrap_for_device(key: &VaultKey, recipient: &str) -> Result<Vec<u8>, VaultError> {
    let recipient = age::x25519::Recipient::from_str(recipient.trim()).map_err(|_| VaultError::BadRecipient)?;
    envelope::seal(&recipient, key.to_file().expose_secret(), Thing::Wrap)
}

/// Wraps `key` for whoever knows `passphrase`, with the default work factor.
///
/// # Errors
/// [`VaultError::EmptyPassphrase`].
pub fn wrap_for_passphrase(key: &VaultKey, passphrase: &SecretString) -> Result<Vec<u8>, VaultError> {
    wrap_for_passphrase_with(key, passphrase, WorkFactor::DEFAULT)
}

/// Wraps `key` for whoever knows `passphrase`.
///
/// # Errors
/// [`VaultError::EmptyPassphrase`].
pub fn wrap_for_passphrase_with(
    key: &VaultKey,
    passphrase: &SecretString,
    work: WorkFactor,
) -> Result<Vec<u8>, VaultError> {
    if passphrase.expose_secret().is_empty() {
        return Err(VaultError::EmptyPassphrase);
    }
    let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
    recipient.set_work_factor(work.0);
    envelope::seal(&recipient, key.to_file().expose_secret(), Thing::Wrap)
}

/// What opens `wrap`.
///
/// # Errors
/// [`VaultError::Damaged`] when it is not an age file, [`VaultError::TooLarge`] when no wrap can be so great.
pub fn wrap_kind(wrap: &[u8]) -> Result<WrapKind, VaultError> {
    if wrap.len() as u64 > limits::WRAP_BLOB {
        return Err(VaultError::TooLarge {
            thing: Thing::Wrap,
            limit: limits::WRAP_BLOB,
            of: "bytes",
        });
    }
    let decryptor = age::Decryptor::new_buffered(wrap).map_err(|error| envelope::refused(&error, Thing::Wrap))?;
    Ok(if decryptor.is_scrypt() {
        WrapKind::Passphrase
    } else {
        WrapKind::Recipient
    })
}

/// Opens `wrap` with a device's key; `None` when it is for someone else.
///
/// # Errors
/// [`VaultError::Damaged`], [`VaultError::TooLarge`], and for what is in it [`VaultError::BadKeyFile`] and
/// [`VaultError::UnknownFormat`].
pub fn unwrap_with_identity(wrap: &[u8], identity: &DeviceIdentity) -> Result<Option<VaultKey>, VaultError> {
    if wrap_kind(wrap)? == WrapKind::Passphrase {
        return Ok(None);
    }
    let identities = std::iter::once(identity.age() as &dyn age::Identity);
    match envelope::open(identities, wrap, limits::WRAP_BLOB, Thing::Wrap) {
        Ok(text) => VaultKey::parse_file(&secret(text)).map(Some),
        Err(VaultError::OtherKey { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens `wrap` with a passphrase; `None` when it is not a passphrase's.
///
/// # Errors
/// [`VaultError::WrongPassphrase`]; [`VaultError::ExcessiveWork`] over [`WorkFactor::MAX`], before any of that work is done;
/// else as [`unwrap_with_identity`].
pub fn unwrap_with_passphrase(wrap: &[u8], passphrase: &SecretString) -> Result<Option<VaultKey>, VaultError> {
    if wrap_kind(wrap)? != WrapKind::Passphrase {
        return Ok(None);
    }
    let mut identity = age::scrypt::Identity::new(passphrase.clone());
    identity.set_max_work_factor(WorkFactor::MAX.0);
    let decryptor = age::Decryptor::new_buffered(wrap).map_err(|error| envelope::refused(&error, Thing::Wrap))?;
    let opened = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity));
    let reader = opened.map_err(|error| match error {
        age::DecryptError::DecryptionFailed => VaultError::WrongPassphrase,
        age::DecryptError::ExcessiveWork { required, .. } => VaultError::ExcessiveWork {
            required,
            limit: WorkFactor::MAX.0,
        },
        error => envelope::refused(&error, Thing::Wrap),
    })?;
    let text = envelope::read(reader, wrap.len(), Thing::Wrap)?;
    VaultKey::parse_file(&secret(text)).map(Some)
}

/// `text` as a secret. It is copied to its exact size and zeroed: shrinking it in place could leave it behind unzeroed.
fn secret(mut text: Vec<u8>) -> SecretSlice<u8> {
    let exact = SecretSlice::from(text.as_slice().to_vec());
    text.zeroize();
    exact
}
