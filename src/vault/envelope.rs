//! The outermost layer: one age file, encrypted to the vault's own recipient and to nobody else.

use std::io::{Read, Write};

use super::error::{Thing, VaultError};

/// Encrypts `plaintext` to `recipient` alone.
///
/// # Errors
/// [`VaultError::Sealing`], when the system gives no randomness.
pub fn seal(recipient: &dyn age::Recipient, plaintext: &[u8], thing: Thing) -> Result<Vec<u8>, VaultError> {
    let failed = |why| move |_| VaultError::Sealing { thing, why };
    let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient)).map_err(|_| VaultError::Sealing {
        thing,
        why: "age refused the recipient",
    })?;
    // A header of one X25519 stanza and one of grease, then 16 bytes a chunk of 64 KiB.
    let mut ciphertext = Vec::with_capacity(plaintext.len() + (plaintext.len() >> 12) + 1024);
    let mut writer = encryptor
        .wrap_output(&mut ciphertext)
        .map_err(failed("age could not begin"))?;
    writer.write_all(plaintext).map_err(failed("age could not write"))?;
    writer.finish().map_err(failed("age could not end"))?;
    Ok(ciphertext)
}

/// Decrypts `ciphertext` with the first of `identities` that it is for. Nothing is returned before all of it is authentic.
///
/// # Errors
/// [`VaultError::TooLarge`] over `limit` bytes of ciphertext; [`VaultError::OtherKey`] when it is for none of them;
/// [`VaultError::Damaged`] when a bit is not as it was sealed.
pub fn open<'a>(
    identities: impl Iterator<Item = &'a dyn age::Identity>,
    ciphertext: &[u8],
    limit: u64,
    thing: Thing,
) -> Result<Vec<u8>, VaultError> {
    if ciphertext.len() as u64 > limit {
        return Err(VaultError::TooLarge {
            thing,
            limit,
            of: "bytes of ciphertext",
        });
    }
    let decryptor = age::Decryptor::new_buffered(ciphertext).map_err(|error| refused(&error, thing))?;
    let reader = decryptor.decrypt(identities).map_err(|error| refused(&error, thing))?;
    read(reader, ciphertext.len(), thing)
}

/// Reads all of an age file's plaintext, of which there are at most `at_most` bytes, so that no copy is left behind by growing.
///
/// # Errors
/// [`VaultError::Damaged`] when a bit is not as it was sealed.
pub fn read(mut reader: impl Read, at_most: usize, thing: Thing) -> Result<Vec<u8>, VaultError> {
    let mut plaintext = Vec::with_capacity(at_most);
    reader.read_to_end(&mut plaintext).map_err(|_| VaultError::Damaged {
        thing,
        why: "its ciphertext is not authentic",
    })?;
    Ok(plaintext)
}

/// What an error of age means for `thing`.
pub fn refused(error: &age::DecryptError, thing: Thing) -> VaultError {
    use age::DecryptError as Age;
    let why = match error {
        Age::NoMatchingKeys => return VaultError::OtherKey { thing },
        Age::UnknownFormat => {
            return VaultError::UnknownFormat {
                thing,
                needs: "a later version of age's format".to_owned(),
            };
        }
        Age::InvalidMac => "its age header is not authentic",
        Age::InvalidHeader | Age::Io(_) => "it is not an age file",
        _ => "its ciphertext is not authentic",
    };
    VaultError::Damaged { thing, why }
}
