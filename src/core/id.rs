//! The ids of things in a vault. Each is a type of its own, so that one cannot stand where another is meant.

use std::fmt;
use std::str::FromStr;

/// A text that is not the hexadecimal form of the id that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: expected {digits} lower-case hexadecimal digits")]
pub struct BadId {
    /// Which id was expected, with its article.
    pub what: &'static str,
    /// The text that was given, cut to a sane length.
    pub text: String,
    /// How many digits such an id has.
    pub digits: usize,
}

fn decode_hex<const N: usize>(what: &'static str, text: &str) -> Result<[u8; N], BadId> {
    let bad = || BadId {
        what,
        text: text.chars().take(80).collect(),
        digits: N * 2,
    };
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return Err(bad());
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])
            .zip(value(pair[1]))
            .map(|(high, low)| high << 4 | low)
            .ok_or_else(bad)?;
    }
    Ok(bytes)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                decode_hex($what, text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id! {
    /// A vault: 128 random bits, written in clear in `vault.json`.
    VaultId, 16, "a vault id"
}
id! {
    /// One wrap of the vault key: 128 random bits, the name of `keys/<id>.age`.
    KeyId, 16, "a key id"
}
id! {
    /// A synced file: the first 16 bytes of keyed BLAKE3 of its logical path.
    FileId, 16, "a file id"
}
id! {
    /// A segment: the first 16 bytes of keyed BLAKE3 of its content.
    SegmentId, 16, "a segment id"
}
id! {
    /// What a file holds: keyed BLAKE3 of its logical path and its content.
    ContentHash, 32, "a content hash"
}
id! {
    /// A seal: keyed BLAKE3 over what a commit stands for.
    Seal, 32, "a seal"
}
id! {
    /// A Git commit.
    CommitId, 20, "a commit id"
}
id! {
    /// A Git tree.
    TreeId, 20, "a tree id"
}
id! {
    /// A Git blob.
    BlobId, 20, "a blob id"
}

/// The place of a commit in the vault's history: the greatest of its parents' plus one; the first commit has 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation of a commit whose greatest parent has this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_form_is_read_back() {
        let id = FileId(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse::<FileId>(), Ok(id));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "00",
            "zz".repeat(16).as_str(),
            "AA".repeat(16).as_str(),
            "é".repeat(16).as_str(),
        ] {
            assert!(text.parse::<FileId>().is_err(), "{text:?} was accepted");
        }
    }
}
