//! Hexadecimal of secrets. The ids of `core` quote the text that they refuse; a secret must never be quoted.

use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretBox};

/// A secret of 32 bytes.
pub type SecretKey = SecretBox<[u8; 32]>;

/// The same secret once more, as rare as it is needed.
pub fn copy(key: &SecretKey) -> SecretKey {
    SecretKey::init_with(|| *key.expose_secret())
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends `bytes` to `text` in lower case.
pub fn write(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
}

/// The 32 bytes that `text`, 64 lower-case digits, stands for; `None` for any other text.
pub fn read(text: &str) -> Option<SecretKey> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut key = Box::new([0; 32]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let Some((high, low)) = value(pair[0]).zip(value(pair[1])) else {
            key.zeroize();
            return None;
        };
        *byte = high << 4 | low;
    }
    Some(SecretKey::new(key))
}
