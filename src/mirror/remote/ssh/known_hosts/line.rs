//! One line of a `known_hosts` file: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::super::wire::key_type;

/// What begins a hashed name. Only this way of hashing exists.
pub(super) const HASHED: &str = "|1|";
/// The length of a salt and of a hash, in bytes.
pub(super) const HASH_LENGTH: usize = 20;
/// The block that SHA-1 works on, in bytes.
const BLOCK: usize = 64;

/// What a line says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The hosts have this key.
    Plain,
    /// `@revoked`: no host may use it.
    Revoked,
    /// `@cert-authority`: it signs the keys of the hosts.
    Authority,
}

/// A line that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Its marker.
    pub(super) mark: Mark,
    /// Its hosts, as they stand there.
    hosts: &'a str,
    /// The key's type.
    pub(super) key_type: String,
    /// The key.
    pub(super) key: Vec<u8>,
}

impl<'a> Line<'a> {
    /// Reads one line. Nothing for a comment, an empty line, and what cannot be understood: OpenSSH skips that as well.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut rest = text.trim_end_matches(['\r', '\n']).trim_start_matches(BLANK);
        let mut mark = Mark::Plain;
        if rest.starts_with('@') {
            let (word, after) = word(rest)?;
            mark = match word {
                "@revoked" => Mark::Revoked,
                "@cert-authority" => Mark::Authority,
                _ => return None,
            };
            rest = after;
        }
        let (hosts, rest) = word(rest)?;
        // A second marker, or a comment.
        if hosts.starts_with(['@', '#']) {
            return None;
        }
        let (named, rest) = word(rest)?;
        let (encoded, _comment) = word(rest)?;
        let key = STANDARD.decode(encoded).ok()?;
        let key_type = key_type(&key)?.to_owned();
        // RSA keys have one type and may be called by their signatures.
        let rsa = key_type == "ssh-rsa" && matches!(named, "rsa-sha2-256" | "rsa-sha2-512");
        (named == key_type || rsa).then_some(Self {
            mark,
            hosts,
            key_type,
            key,
        })
    }

    /// Whether the line speaks of `name`, which is in lower case: `host`, or `[host]:port`.
    pub(super) fn names(&self, name: &str) -> bool {
        match self.hosts.strip_prefix(HASHED) {
            Some(hashed) => is_hash_of(hashed, name),
            None => !self.hosts.starts_with('|') && list_matches(self.hosts, name),
        }
    }
}

/// What stands between words.
const BLANK: [char; 2] = [' ', '\t'];

/// The first word of `text` and what follows it without blanks; nothing when there is no word.
fn word(text: &str) -> Option<(&str, &str)> {
    let end = text.find(BLANK).unwrap_or(text.len());
    (end > 0).then(|| (&text[..end], text[end..].trim_start_matches(BLANK)))
}

/// Whether a list of patterns matches: one does, and none that begins with `!` does.
fn list_matches(patterns: &str, name: &str) -> bool {
    let mut matched = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(excluded) if pattern_matches(excluded, name) => return false,
            Some(_) => {}
            None => matched |= pattern_matches(pattern, name),
        }
    }
    matched
}

/// Whether `pattern` matches all of `name`: `*` stands for any characters, `?` for one. Case does not count.
///
/// On a mismatch the last `*` takes one character more, so that the time is at most the product of both lengths.
pub(super) fn pattern_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c.eq_ignore_ascii_case(&name[n]) => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// Whether `hashed`, which is `<salt>|<hash>` in base64, is the hash of `name`.
fn is_hash_of(hashed: &str, name: &str) -> bool {
    let decode = |text| {
        STANDARD
            .decode(text)
            .ok()
            .and_then(|bytes| <[u8; HASH_LENGTH]>::try_from(bytes).ok())
    };
    let parts = hashed
        .split_once('|')
        .and_then(|(salt, hash)| Some((decode(salt)?, decode(hash)?)));
    parts.is_some_and(|(salt, hash)| hash_of(&salt, name) == hash)
}

/// A name as it stands in a file that hides names: `|1|<salt>|<hash>`.
pub(super) fn hashed_name(salt: &[u8; HASH_LENGTH], name: &str) -> String {
    let hash = hash_of(salt, name);
    format!("{HASHED}{}|{}", STANDARD.encode(salt), STANDARD.encode(hash))
}

/// HMAC-SHA1 (RFC 2104) of a host's name with the line's salt. Nothing here is secret, so that no time needs to be constant.
fn hash_of(salt: &[u8; HASH_LENGTH], name: &str) -> [u8; HASH_LENGTH] {
    let padded = |pad: u8| {
        let mut block = [pad; BLOCK];
        for (byte, salt) in block.iter_mut().zip(salt) {
            *byte ^= salt;
        }
        block
    };
    let inner = Sha1::new().chain_update(padded(0x36)).chain_update(name).finalize();
    Sha1::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    const RSA: &str = "AAAAB3NzaC1yc2E=";

    fn hosts(list: &str) -> Line<'_> {
        let key = STANDARD.decode(&KEY[12..]).unwrap();
        Line {
            mark: Mark::Plain,
            hosts: list,
            key_type: "ssh-ed25519".into(),
            key,
        }
    }

    #[test]
    fn a_line_names_the_hosts_that_openssh_thinks_it_names() {
        for (list, name, expected) in [
            ("host", "host", true),
            ("HOST", "host", true),
            ("host", "hosts", false),
            ("a,host", "host", true),
            ("a,,host", "host", true),
            ("*", "host", true),
            ("*", "[host]:22022", true),
            ("h?st", "host", true),
            ("h?st", "hst", false),
            ("*.example.com", "git.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com,!git.example.com", "git.example.com", false),
            ("!git.example.com,*.example.com", "git.example.com", false),
            ("*.example.com,!git.example.com", "www.example.com", true),
            ("!other", "host", false),
            ("[host]:2222", "[host]:2222", true),
            ("[host]:2222", "host", false),
            ("host", "[host]:2222", false),
            ("[*]:22?2", "[host]:2222", true),
            ("**a**", "bab", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("|1|", "host", false),
            ("|2|AAAA|AAAA", "host", false),
            ("|", "|", false),
        ] {
            assert_eq!(hosts(list).names(name), expected, "{list} {name}");
        }
    }

    #[test]
    fn a_hashed_name_is_the_hmac_of_rfc_2202() {
        // RFC 2202, test case 5: a key of twenty bytes.
        let salt = [0x0c; HASH_LENGTH];
        let hash = hash_of(&salt, "Test With Truncation");
        let hexadecimal: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hexadecimal, "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04");

        let line = hashed_name(&salt, "[host]:2222");
        assert!(hosts(&line).names("[host]:2222"));
        assert!(!hosts(&line).names("host"));
        assert!(!hosts(&line[..line.len() - 4]).names("[host]:2222"));
    }

    #[test]
    fn lines_that_cannot_be_understood_are_skipped() {
        let good = format!("host {KEY}");
        assert_eq!(Line::parse(&good).unwrap().mark, Mark::Plain);
        for (text, mark) in [
            (format!("  \t{good} and a comment\r\n"), Mark::Plain),
            (format!("@revoked {good}"), Mark::Revoked),
            (format!("@cert-authority\t{good}"), Mark::Authority),
            (format!("host  \t {KEY}"), Mark::Plain),
            (format!("host rsa-sha2-512 {RSA}"), Mark::Plain),
        ] {
            assert_eq!(Line::parse(&text).map(|line| line.mark), Some(mark), "{text}");
        }
        for text in [
            String::new(),
            "   ".into(),
            format!("# {good}"),
            "host".into(),
            "host ssh-ed25519".into(),
            "host ssh-ed25519 not*base64".into(),
            "host ssh-ed25519 AAAA".into(),
            format!("@revoked @cert-authority {good}"),
            format!("@unknown {good}"),
            format!("@revoked{good}"),
            format!("host ssh-rsa {}", &KEY[12..]),
            format!("host ssh-ed25519 {RSA}"),
            "host 2048 65537 123456789".into(),
        ] {
            assert_eq!(Line::parse(&text), None, "{text}");
        }
    }

    /// The rule itself, without any care for time.
    fn plainly(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                plainly(rest, name) || name.split_first().is_some_and(|(_, tail)| plainly(pattern, tail))
            }
            (Some((b'?', rest)), Some((_, tail))) => plainly(rest, tail),
            (Some((p, rest)), Some((n, tail))) => p.eq_ignore_ascii_case(n) && plainly(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_match_as_the_rule_says(pattern in "[aAb*?]{0,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(pattern_matches(&pattern, &name), plainly(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn no_text_makes_a_line_fail(text in "[@|# \ta-z0-9+/=,*?!\\PC]{0,80}", name in "\\PC{0,20}") {
            if let Some(line) = Line::parse(&text) {
                let _ = line.names(&name);
            }
            let _ = list_matches(&text, &name);
            let _ = is_hash_of(&text, &name);
        }
    }
}
