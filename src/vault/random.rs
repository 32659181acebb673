//! Randomness for keys and ids.
//!
//! age takes its randomness from the operating system. A fresh X25519 identity is 32 bytes of it, and BLAKE3's key derivation
//! (section 6.2 of its specification) turns those into 32 uniform bytes, so that no second source is needed beside age's.

use secrecy::ExposeSecret;

use super::hexadecimal::SecretKey;

const CONTEXT: &str = "csync 2026-11 fresh random bytes";

/// 32 fresh random bytes.
pub fn secret() -> SecretKey {
    let fresh = age::x25519::Identity::generate().to_string();
    SecretKey::new(Box::new(blake3::derive_key(CONTEXT, fresh.expose_secret().as_bytes())))
}

/// 16 fresh random bytes, for an id that is no secret.
pub fn id() -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&secret().expose_secret()[..16]);
    id
}
