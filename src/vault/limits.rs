//! The greatest sizes that a reader of format 1 accepts. A blob of the mirror is measured before it is read, a frame before
//! it is unpacked, so that no remote can fill this machine's memory.

use super::segments::MAX_SEGMENT;

/// Plaintext that a record's JSON line may have, its line end included.
pub const LINE: usize = 8 << 20;
/// Content that may sit inline in a head.
pub const INLINE: usize = 1 << 20;
/// Segments that a file may have.
pub const SEGMENTS: usize = 1 << 16;
/// Bytes that a dictionary may have, unpacked.
pub const DICTIONARY: usize = 256 << 10;
/// Holders that a vault may have.
pub const MEMBERS: usize = 4096;
/// Parents that a commit may have.
pub const PARENTS: usize = 16;
/// Identities, one an epoch, that a vault key may have.
pub const EPOCHS: usize = 1024;
/// Bytes of a vault key file or a device identity file.
pub const KEY_FILE: usize = 256 << 10;
/// Features that a `needs` list may name.
pub const NEEDS: usize = 64;

/// What age, zstd and padding add at most to `plaintext` bytes: an eighth for padding, and what headers and tags take.
const fn blob(plaintext: usize) -> u64 {
    (plaintext + plaintext / 8 + (64 << 10)) as u64
}

/// Bytes of a head's blob.
pub const HEAD_BLOB: u64 = blob(LINE + INLINE);
/// Bytes of a segment's blob.
pub const SEGMENT_BLOB: u64 = blob(MAX_SEGMENT);
/// Bytes of the blob of a note.
pub const NOTE_BLOB: u64 = blob(LINE);
/// Bytes of the blob of the list of members.
pub const MEMBERS_BLOB: u64 = blob(LINE);
/// Bytes of a dictionary's blob.
pub const DICTIONARY_BLOB: u64 = blob(DICTIONARY + (64 << 10));
/// Bytes of a wrap of the vault key.
pub const WRAP_BLOB: u64 = blob(KEY_FILE);
/// Bytes of `vault.json`.
pub const VAULT_JSON: u64 = 4096;
