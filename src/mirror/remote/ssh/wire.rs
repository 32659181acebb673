//! SSH's binary format (RFC 4251, section 5), as far as public keys and agents need it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

/// The longest name of a key type that is believed, in bytes. The longest one in use has 49.
const LONGEST_TYPE: usize = 64;

/// Reads values from the front of a message. Each gives nothing, and takes nothing, when too little is left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// The next number of four bytes, the greatest first.
    pub(super) fn number(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*first))
    }

    /// The next string: its length as a number, then its bytes.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let mut after = *self;
        let length = usize::try_from(after.number()?).ok()?;
        let (string, rest) = after.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }

    /// Whether all was read.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The type that a public key says that it is, such as `ssh-ed25519`: its first string. Nothing when it says none.
#[must_use]
pub fn key_type(key: &[u8]) -> Option<&str> {
    let name = Reader(key).string()?;
    let sane = !name.is_empty() && name.len() <= LONGEST_TYPE && name.iter().all(u8::is_ascii_graphic);
    sane.then(|| str::from_utf8(name).ok()).flatten()
}

/// The fingerprint of a public key, as `ssh-keygen -l` prints it: `SHA256:` and base64 without padding.
#[must_use]
pub fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(key)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reader_gives_what_is_there_and_stops_at_the_end() {
        let mut reader = Reader(b"\x07\x00\x00\x01\x02\x00\x00\x00\x03keyrest");
        assert_eq!(reader.byte(), Some(7));
        assert_eq!(reader.number(), Some(258));
        assert_eq!(reader.string(), Some(&b"key"[..]));
        assert_eq!(reader.string(), None, "a string longer than what is left");
        assert_eq!(reader.0, b"rest", "and nothing was taken");
        assert!(!reader.is_empty());
    }

    #[test]
    fn a_key_without_a_sane_type_has_none() {
        assert_eq!(key_type(b"\x00\x00\x00\x07ssh-rsa\x01"), Some("ssh-rsa"));
        for odd in [
            &b""[..],
            b"\x00\x00\x00\x00",
            b"\x00\x00\x00\x09ssh-rsa",
            b"\x00\x00\x00\x07ssh rsa",
            b"\xff\xff\xff\xffssh-rsa",
        ] {
            assert_eq!(key_type(odd), None, "{odd:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_fail(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader(&bytes);
            while reader.string().is_some() {}
            let _ = (reader.byte(), reader.number(), key_type(&bytes));
        }
    }
}
