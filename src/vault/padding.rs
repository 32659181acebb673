//! Padding to Padmé classes, so that the size of a blob tells little of the size of its content.
//!
//! Padmé keeps of a length's binary form only the leading bits, as many as its logarithm has bits: at most 12 % are added,
//! and there are only O(log log n) bits of size left to learn. Nikitin, Barman, Lueks, Underwood, Hubaux, Ford: "Reducing
//! Metadata Leakage from Encrypted Files and Communication with PURBs", PETS 2019, algorithm 1.
//!
//! The padding is a Zstandard skippable frame (RFC 8878, section 3.1.2), which every decoder passes over.

use super::error::{Thing, VaultError};

/// The magic number of the skippable frame that csync writes.
const SKIPPABLE: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();
/// What a skippable frame takes besides its content.
const FRAME_HEADER: usize = 8;

/// The smallest Padmé class that is at least `length`.
#[must_use]
pub const fn class(length: usize) -> usize {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    // An exponent of 0 cannot come here; one of 1 keeps its only bit.
    let kept = exponent.ilog2() + 1;
    let mask = (1_usize << (exponent - kept)) - 1;
    (length + mask) & !mask
}

/// Whether `length` is a Padmé class.
#[must_use]
pub const fn is_class(length: usize) -> bool {
    class(length) == length
}

/// Appends a skippable frame to `plaintext` so that its length is a Padmé class; nothing, when it is one already.
pub fn pad(plaintext: &mut Vec<u8>) {
    let length = plaintext.len();
    if is_class(length) {
        return;
    }
    let padded = class(length + FRAME_HEADER);
    let zeros = padded - length - FRAME_HEADER;
    plaintext.extend_from_slice(&SKIPPABLE);
    plaintext.extend_from_slice(&u32::try_from(zeros).expect("an eighth of at most 10 MiB").to_le_bytes());
    plaintext.resize(padded, 0);
}

/// Whether `bytes` are what [`pad`] may have appended: nothing, or one skippable frame and nothing after it.
#[must_use]
pub fn is_padding(bytes: &[u8]) -> bool {
    let Some((header, zeros)) = bytes.split_first_chunk::<FRAME_HEADER>() else {
        return bytes.is_empty();
    };
    let [m0, m1, m2, m3, s0, s1, s2, s3] = *header;
    [m0, m1, m2, m3] == SKIPPABLE
        && usize::try_from(u32::from_le_bytes([s0, s1, s2, s3])).is_ok_and(|size| size == zeros.len())
}

/// Refuses anything that is not padding.
///
/// # Errors
/// [`VaultError::Damaged`].
pub fn expect(bytes: &[u8], thing: Thing) -> Result<(), VaultError> {
    if is_padding(bytes) {
        return Ok(());
    }
    Err(VaultError::Damaged {
        thing,
        why: "something other than padding follows it",
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn classes_are_those_of_the_paper() {
        // Worked by hand from algorithm 1: the exponent of 9 is 3, of which 2 bits are kept after the first.
        let table = [
            (0, 0),
            (1, 1),
            (2, 2),
            (3, 3),
            (8, 8),
            (9, 10),
            (100, 104),
            (1000, 1024),
            (1025, 1088),
            (1 << 20, 1 << 20),
        ];
        for (length, padded) in table {
            assert_eq!(class(length), padded, "{length}");
        }
        assert_eq!(class((1 << 20) + 1), (1 << 20) + (1 << 15));
    }

    proptest! {
        #[test]
        fn p17_padded_lengths_are_classes_and_little_is_added(length in 0_usize..3_000_000) {
            let padded = class(length);
            prop_assert!(padded >= length && is_class(padded));
            prop_assert!(padded - length <= length * 12 / 100 + 1);
        }

        #[test]
        fn p17_padding_is_one_skippable_frame_that_zstd_passes_over(content in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let frame = zstd::bulk::compress(&content, 3).unwrap();
            let mut plaintext = frame.clone();
            pad(&mut plaintext);
            prop_assert!(is_class(plaintext.len()));
            prop_assert!(is_padding(&plaintext[frame.len()..]));
            prop_assert_eq!(zstd::decode_all(&plaintext[..]).unwrap(), content);
        }
    }

    #[test]
    fn what_is_not_padding_is_told_apart() {
        assert!(is_padding(b""));
        assert!(is_padding(&[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9]));
        for other in [
            &[0][..],
            &[0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0],
            &[0x51, 0x2a, 0x4d, 0x18, 0, 0, 0, 0],
        ] {
            assert!(!is_padding(other));
            assert!(expect(other, Thing::Note).is_err());
        }
    }
}
