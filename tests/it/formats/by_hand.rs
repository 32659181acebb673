//! A second implementation of docs/format.md, written from that text alone: opens and seals what a key holder can.
//!
//! With it the stories can do what csync itself never does: seal things that break the rules.

use std::path::Path;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::hostile_host::host::Host;
use crate::machines::git;

/// Everything that a holder of the vault key knows.
pub struct ByHand {
    /// The text of the vault key file.
    pub key_file: String,
    /// The vault's id.
    pub vault: Vec<u8>,
    /// What names are made with.
    pub name_key: [u8; 32],
    /// What seals are made with.
    pub seal_key: [u8; 32],
    /// What opens every blob.
    pub identity: age::x25519::Identity,
}

impl ByHand {
    /// What the holder of the identity in `identity_file` knows of the vault in `host`.
    pub fn open(host: &Host, identity_file: &Path) -> Self {
        let text = std::fs::read_to_string(identity_file).unwrap();
        let device = age::x25519::Identity::from_str(text.lines().last().unwrap()).unwrap();
        let wraps = host.tree().into_iter().filter(|(path, _)| path.starts_with("keys/"));
        let key_file = wraps
            .filter_map(|(path, _)| age::decrypt(&device, &host.blob(&path)).ok())
            .next()
            .expect("a wrap that the identity opens");
        Self::parse(String::from_utf8(key_file).unwrap())
    }

    fn parse(key_file: String) -> Self {
        let field = |name: &str| {
            let line = key_file.lines().find_map(|line| line.strip_prefix(name));
            from_hexadecimal(line.unwrap())
        };
        Self {
            vault: field("# vault: "),
            name_key: field("# name key: ").try_into().unwrap(),
            seal_key: field("# seal key: ").try_into().unwrap(),
            identity: age::x25519::Identity::from_str(key_file.lines().last().unwrap()).unwrap(),
            key_file,
        }
    }

    /// The recipient that every blob is encrypted to.
    pub fn recipient(&self) -> String {
        self.identity.to_public().to_string()
    }

    /// The file id of a logical path.
    pub fn file_id(&self, path: &str) -> Vec<u8> {
        keyed(&self.name_key, "csync/1 file id", &[path.as_bytes()])[..16].to_vec()
    }

    /// Where the head of a logical path stands.
    pub fn head_path(&self, path: &str) -> String {
        let id = hexadecimal(&self.file_id(path));
        format!("files/{}/{}/{}/{id}.age", &id[..1], &id[1..2], &id[2..3])
    }

    /// The id of a segment of the file at a logical path.
    pub fn segment_id(&self, path: &str, content: &[u8]) -> String {
        let id = keyed(&self.name_key, "csync/1 segment id", &[&self.file_id(path), content]);
        hexadecimal(&id[..16])
    }

    /// Encrypts to the vault, as whoever knows its recipient can.
    pub fn encrypt(&self, plaintext: &[u8]) -> Vec<u8> {
        age::encrypt(&self.identity.to_public(), plaintext).unwrap()
    }

    /// Decrypts a blob of the vault.
    pub fn decrypt(&self, blob: &[u8]) -> Vec<u8> {
        age::decrypt(&self.identity, blob).unwrap()
    }

    /// A sealed line. `fields` is the text of a JSON object with at least one field.
    pub fn line(&self, domain: &str, id: &[u8], fields: &str) -> Vec<u8> {
        let unsealed = fields.strip_suffix('}').unwrap();
        let seal = keyed(&self.seal_key, domain, &[&self.vault, id, unsealed.as_bytes()]);
        format!("{unsealed},\"seal\":\"{}\"}}\n", hexadecimal(&seal)).into_bytes()
    }

    /// The fields of a head of `content`, inline.
    pub fn fields(&self, path: &str, content: &[u8]) -> Value {
        let hash = keyed(&self.seal_key, "csync/1 content", &[path.as_bytes(), &[0], content]);
        json!({
            "path": path,
            "kind": "text",
            "retention": "propagate",
            "mode": 0o600,
            "modified": 1_763_000_000_123_456_789_i64,
            "size": content.len(),
            "hash": hexadecimal(&hash),
            "origin": {"device": "by hand"},
        })
    }

    /// A sealed and encrypted head that stands under `path` (whatever its fields say), with `rest` behind its line.
    pub fn head(&self, path: &str, fields: &Value, rest: &[u8]) -> Vec<u8> {
        let mut plaintext = self.line("csync/1 head", &self.file_id(path), &fields.to_string());
        plaintext.extend_from_slice(rest);
        self.encrypt(&padded(plaintext))
    }

    /// The edit that puts an inline file into the vault.
    pub fn put(&self, path: &str, content: &[u8]) -> (String, Option<Vec<u8>>) {
        let frame = zstd::bulk::compress(content, 3).unwrap();
        let head = self.head(path, &self.fields(path, content), &frame);
        (self.head_path(path), Some(head))
    }

    /// A commit with a true seal, put on the branch.
    pub fn commit(&self, host: &Host, edits: &[(String, Option<Vec<u8>>)]) -> String {
        let edits: Vec<_> = edits.iter().map(|(path, blob)| (path.as_str(), blob.clone())).collect();
        let tip = host.tip();
        let tree = host.tree_with(&edits);
        let message = host.message(&tip);
        let generation = message
            .split_once("generation: ")
            .unwrap()
            .1
            .split_once('\n')
            .unwrap()
            .0;
        let generation: u64 = generation.parse::<u64>().unwrap() + 1;
        let input: [&[u8]; 5] = [
            &self.vault,
            &generation.to_le_bytes(),
            &from_hexadecimal(&tree),
            &1_u64.to_le_bytes(),
            &from_hexadecimal(&tip),
        ];
        let seal = hexadecimal(&keyed(&self.seal_key, "csync/1 commit", &input));
        let message = format!("csync\n\ngeneration: {generation}\nseal: {seal}\n");
        let commit = host.commit(&tree, &[&tip], &message);
        host.reset(&commit);
        assert_eq!(git(&host.repository, &["cat-file", "-t", &commit]).trim(), "commit");
        commit
    }
}

/// `KEYED` of section 1.
pub fn keyed(key: &[u8; 32], domain: &str, input: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(domain.as_bytes()).update(&[0]);
    for part in input {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The Padmé class of a length (section 5).
pub fn class(length: usize) -> usize {
    if length < 2 {
        return length;
    }
    let e = length.ilog2();
    let s = if e == 0 { 0 } else { e.ilog2() + 1 };
    let mask = (1_usize << e.saturating_sub(s)) - 1;
    (length + mask) & !mask
}

/// `plaintext` with its padding.
pub fn padded(mut plaintext: Vec<u8>) -> Vec<u8> {
    let length = plaintext.len();
    if class(length) != length {
        let zeros = class(length + 8) - length - 8;
        plaintext.extend_from_slice(&0x184D_2A50_u32.to_le_bytes());
        plaintext.extend_from_slice(&u32::try_from(zeros).unwrap().to_le_bytes());
        plaintext.resize(length + 8 + zeros, 0);
    }
    plaintext
}

/// Bytes as lower-case hexadecimal.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// And back.
pub fn from_hexadecimal(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}
