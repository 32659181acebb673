//! The name that Claude Code gives to a project's folder.

/// The longest name that is not cut.
pub const LONGEST: usize = 200;

/// The name of the folder that Claude Code keeps the sessions of the working folder `path` in.
///
/// Each UTF-16 unit outside `[a-zA-Z0-9]` becomes a `-`, so that a character beyond the basic plane gives two; nothing is normalised.
/// A name of more than [`LONGEST`] characters is cut there and gets a `-` and a hash of the whole path. Measured with Claude Code 2.1.329;
/// the hash is the SDK's: `h = 31 h + unit` in 32 bits, its magnitude in base 36.
#[must_use]
pub fn slug(path: &str) -> String {
    let whole = uncut(path);
    if whole.len() <= LONGEST {
        whole
    } else {
        cut(&whole, path)
    }
}

/// [`slug`] without the cut at [`LONGEST`]. Lossy: it cannot be read back into a path.
#[must_use]
pub fn uncut(path: &str) -> String {
    path.encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte),
            _ => '-',
        })
        .collect()
}

/// `whole`, an uncut name, cut and marked with the hash of `path`.
pub(super) fn cut(whole: &str, path: &str) -> String {
    format!("{}-{}", &whole[..LONGEST], base36(hash(path)))
}

fn hash(path: &str) -> u32 {
    path.encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
        .unsigned_abs()
}

fn base36(mut number: u32) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(number % 36, 36).expect("a remainder of 36 is a digit"));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expected values were computed with the SDK's few lines of JavaScript in Node, not with this code.
    #[test]
    fn names_are_those_that_claude_code_makes() {
        let table = [
            ("/home/ana/code/app", "-home-ana-code-app"),
            ("/home/ana/code/my_app.v2", "-home-ana-code-my-app-v2"),
            ("C:\\Users\\ana\\src", "C--Users-ana-src"),
            ("/tmp/e\u{301}", "-tmp-e-"),
            ("/tmp/é", "-tmp--"),
            ("/tmp/🦀x", "-tmp---x"),
            ("", ""),
        ];
        for (path, name) in table {
            assert_eq!(slug(path), name, "{path}");
        }
    }

    #[test]
    fn long_names_are_cut_and_hashed() {
        let table = [
            (format!("/home/ana/{}", "a".repeat(190)), 200, "aaaaa"),
            (format!("/home/ana/{}", "a".repeat(191)), 207, "aaaaa-p2sd6j"),
            (
                format!("/home/ana/{}🦀é", "deep/folder/".repeat(20)),
                206,
                "folde-8k8sz",
            ),
            (format!("/x{}", "z".repeat(300)), 207, "zzzzz-2gpsd3"),
        ];
        for (path, length, end) in table {
            let name = slug(&path);
            assert_eq!((name.len(), &name[195..]), (length, end), "{path}");
        }
    }

    #[test]
    fn the_smallest_hash_has_a_magnitude() {
        assert_eq!(base36(0), "0");
        assert_eq!(base36(i32::MIN.unsigned_abs()), "zik0zk");
    }
}
