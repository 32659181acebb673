//! A device's own key: an age X25519 identity that never leaves the device and opens its wrap of the vault key.

use std::fmt;
use std::str::FromStr;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::error::VaultError;
use super::limits;

/// The secret key of one device. Shows nothing in `Debug`; zeroed when dropped.
#[derive(Clone)]
pub struct DeviceIdentity(age::x25519::Identity);

impl DeviceIdentity {
    /// A new identity, from the system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// Reads an age identity file: comment lines, empty lines, and one line `AGE-SECRET-KEY-1…`.
    ///
    /// # Errors
    /// [`VaultError::BadIdentity`] for any other text. The error does not quote it.
    pub fn parse(text: &SecretString) -> Result<Self, VaultError> {
        let bad = |why| VaultError::BadIdentity { why };
        let text = text.expose_secret();
        if text.len() > limits::KEY_FILE {
            return Err(bad("it is too long"));
        }
        let mut keys = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let key = keys.next().ok_or(bad("it holds no key"))?;
        if keys.next().is_some() {
            return Err(bad("it holds more than one key"));
        }
        age::x25519::Identity::from_str(key)
            .map(Self)
            .map_err(|_| bad("its key is not an age X25519 key"))
    }

    /// The text of its file: an age identity file that `age -d -i` takes, with the recipient in a comment.
    #[must_use]
    pub fn to_file_text(&self) -> SecretString {
        let key = self.0.to_string();
        let text = Zeroizing::new(format!(
            "# the key of one device in csync: keep it to yourself, and back it up\n# public key: {}\n{}\n",
            self.recipient(),
            key.expose_secret(),
        ));
        SecretString::from(text.as_str())
    }

    /// Its recipient, `age1…`: what others encrypt to for this device. It is shown to whoever adds the device, no one else.
    #[must_use]
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// As age takes it.
    pub(super) fn age(&self) -> &age::x25519::Identity {
        &self.0
    }
}

impl fmt::Debug for DeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceIdentity(…)")
    }
}
