//! What a server's certificate says of itself (RFC 5280), for a message about one that was refused. Nothing is judged here.

use chrono::{DateTime, NaiveDateTime, Utc};

/// The names and dates of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Who signed it, as far as it has a name.
    pub issuer: Option<String>,
    /// From when on it is good.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// Tags of DER (X.690) that are met here.
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const VERSION: u8 = 0xa0;

/// The names in an issuer that say the most, best first: the common name, the organisation.
const NAMES: [&[u8]; 2] = [&[0x55, 0x04, 0x03], &[0x55, 0x04, 0x0a]];

impl Certificate {
    /// Reads a certificate in DER. None where it is not one.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate, _) = element(der)?;
        let (_, mut rest, _) = element(certificate)?;
        let mut next = || {
            let (tag, value, after) = element(rest)?;
            rest = after;
            Some((tag, value))
        };
        // The version stands there unless it is 1; then come the serial number and the algorithm.
        if next()?.0 == VERSION {
            next()?;
        }
        next()?;
        let (_, issuer) = next()?;
        let (_, validity) = next()?;
        let (tag, from, after) = element(validity)?;
        let from = time(tag, from)?;
        let (tag, until, _) = element(after)?;
        Some(Self {
            issuer: name(issuer),
            from,
            until: time(tag, until)?,
        })
    }
}

/// The element at the front: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        rest = after;
        length = digits.iter().try_fold(0_usize, |length, &digit| {
            length.checked_mul(256)?.checked_add(usize::from(digit))
        })?;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// The best of the names in a distinguished name.
fn name(mut distinguished: &[u8]) -> Option<String> {
    let mut found = [None, None];
    while let Some((_, set, after)) = element(distinguished) {
        distinguished = after;
        let Some((SEQUENCE, pair, _)) = element(set) else {
            continue;
        };
        let Some((OBJECT_IDENTIFIER, kind, value)) = element(pair) else {
            continue;
        };
        let place = NAMES.iter().position(|name| *name == kind);
        if let (Some(place), Some((_, value, _))) = (place, element(value)) {
            found[place] = Some(String::from_utf8_lossy(value).into_owned());
        }
    }
    found.into_iter().flatten().next()
}

/// A time, written with two or four digits for the year.
fn time(tag: u8, text: &[u8]) -> Option<DateTime<Utc>> {
    let text = std::str::from_utf8(text).ok()?;
    let full = match tag {
        // Two digits mean the years from 1950 to 2049.
        UTC_TIME => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        _ => text.to_owned(),
    };
    let naive = NaiveDateTime::parse_from_str(&full, "%Y%m%d%H%M%SZ").ok()?;
    Some(naive.and_utc())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_certificate_tells_its_issuer_and_its_dates() {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30000 -outform DER".split(' '))
            .args([
                "-keyout",
                "key",
                "-out",
                "certificate",
                "-subj",
                "/O=Makers/CN=The authority",
            ])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success());
        let der = std::fs::read(folder.path().join("certificate")).unwrap();
        let certificate = Certificate::read(&der).unwrap();
        assert_eq!(certificate.issuer.as_deref(), Some("The authority"));
        assert_eq!((certificate.until - certificate.from).num_days(), 30_000);
        for length in 0..der.len() {
            let _ = Certificate::read(&der[..length]);
        }
        assert_eq!(Certificate::read(&der[..200]), None);
    }
}
