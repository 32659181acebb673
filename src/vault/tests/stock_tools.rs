//! Stock tools restore a vault: `git`, `age`, `zstd` and `jq`, by the script in `examples/`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use secrecy::ExposeSecret;

use super::*;
use crate::core::id::{Generation, TreeId};

/// A vault as a folder of files, and then as a repository made by the git program.
struct Tree<'a>(&'a Path);

impl Tree<'_> {
    fn put(&self, path: &str, bytes: &[u8]) {
        let file = self.0.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let neutral = [
            "-c",
            "user.name=csync",
            "-c",
            "user.email=csync@localhost",
            "-c",
            "core.autocrlf=false",
        ];
        let status = Command::new("git")
            .args(neutral)
            .args(arguments)
            .current_dir(self.0)
            .status()
            .unwrap();
        assert!(status.success(), "git {arguments:?}");
    }
}

/// Runs the script of `examples/` on the repository in `tree`; whether it succeeded.
fn restore(tree: &Tree<'_>, key: &Path, out: &Path) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/restore-without-csync.sh");
    let mut command = Command::new("sh");
    command.arg(script).arg(tree.0).arg(key).arg(out).stdin(Stdio::null());
    command.status().unwrap().success()
}

#[test]
#[ignore = "needs git, age, zstd and jq"]
fn p21_the_script_writes_nothing_outside_its_folder() {
    for hostile in [
        "../escaped",
        "/escaped",
        "claude/../../escaped",
        "claude/./x",
        "claude//x",
        "claude/a\\..\\b",
        "claude/a\nb",
    ] {
        let vault = vault();
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let tree = Tree(&tree);
        tree.put(layout::VAULT_JSON, &vault_json(vault.id()));
        let file = vault.file_id(&session());
        let mut fields = serde_json::to_value(head_of(&vault, &session(), b"x")).unwrap();
        fields["path"] = hostile.into();
        let mut head = vault.head_place(&file).write_line(&fields).unwrap();
        frame::pack(&mut head, b"x", Thing::Note).unwrap();
        tree.put(&layout::head_path(file), &as_outsider(&vault, &head));
        tree.git(&["init", "--quiet", "--initial-branch=main"]);
        tree.git(&["add", "--all"]);
        tree.git(&["commit", "--quiet", "-m", "csync"]);
        let key = folder.path().join("vault-key.txt");
        fs::write(&key, vault.key().to_file().expose_secret()).unwrap();
        let out = folder.path().join("out");
        assert!(!restore(&tree, &key, &out), "{hostile}");
        assert!(fs::read_dir(&out).unwrap().next().is_none(), "{hostile}");
        assert!(!folder.path().join("escaped").exists(), "{hostile}");
    }
}

#[test]
#[ignore = "needs git, age, zstd and jq"]
fn p33_stock_tools_bring_every_file_back() {
    let vault = vault();
    let device = DeviceIdentity::generate();
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let tree = Tree(&tree);
    tree.put(layout::VAULT_JSON, &vault_json(vault.id()));
    for recipient in [DeviceIdentity::generate().recipient(), device.recipient()] {
        let wrap = wrap_for_device(vault.key(), &recipient).unwrap();
        tree.put(&layout::key_path(new_key_id()), &wrap);
    }
    tree.put(layout::MEMBERS, vault.seal_members(&[]).unwrap().bytes());

    let great: Vec<u8> = (0_u64..80_000)
        .flat_map(|n| format!("{{\"n\":{n},\"sq\":{}}}\n", n * n).into_bytes())
        .collect();
    let files: [(&str, &[u8]); 5] = [
        ("claude/CLAUDE.md", b"Be kind.\r\n"),
        ("claude/empty", b""),
        ("claude/skills/-odd name's/SKILL \"x\" $(true).md", b"\0\xff no newline"),
        ("claude/projects/~-code-app/0b8e.jsonl", &great),
        (
            "claude/with-dictionary.jsonl",
            b"{\"tools\":[\"Read\",\"Write\",\"Bash\"]}\n",
        ),
    ];
    let samples: Vec<String> = (0..2000)
        .map(|n| format!("{{\"n\":{n},\"tools\":[\"Read\",\"Write\",\"Bash\"]}}\n"))
        .collect();
    let trained = zstd::dict::from_samples(&samples, 4096).unwrap();
    let (dictionary, sealed) = vault.seal_dictionary(&trained).unwrap();
    tree.put(&layout::dictionary_path(dictionary), sealed.bytes());
    for (path, content) in files {
        let path = LogicalPath::parse(path).unwrap();
        let file = vault.file_id(&path);
        let head = if path.file_name() == "with-dictionary.jsonl" {
            let (head, _) = in_segments(&vault, &path, content);
            let mut named = trained.clone();
            named[4..8].copy_from_slice(&dictionary.0.to_le_bytes());
            let frame = zstd::bulk::Compressor::with_dictionary(3, &named)
                .unwrap()
                .compress(content)
                .unwrap();
            tree.put(
                &layout::segment_path(file, head.segments[0].id),
                &as_outsider(&vault, &frame),
            );
            vault.seal_head(
                &Head {
                    dictionary: Some(dictionary),
                    ..head
                },
                None,
            )
        } else if content.len() > 10_000 {
            let (head, blobs) = in_segments(&vault, &path, content);
            for (segment, blob) in head.segments.iter().zip(blobs) {
                tree.put(&layout::segment_path(file, segment.id), &blob);
            }
            vault.seal_head(&head, None)
        } else {
            vault.seal_head(&head_of(&vault, &path, content), Some(content))
        };
        tree.put(&layout::head_path(file), head.unwrap().bytes());
    }
    tree.git(&["init", "--quiet", "--initial-branch=main"]);
    tree.git(&["add", "--all"]);
    tree.git(&[
        "commit",
        "--quiet",
        "-m",
        &vault.seal_commit(Generation(1), TreeId([0; 20]), &[]),
    ]);

    let identity = folder.path().join("identity.txt");
    fs::write(&identity, device.to_file_text().expose_secret()).unwrap();
    let key_file = folder.path().join("vault-key.txt");
    fs::write(&key_file, vault.key().to_file().expose_secret()).unwrap();
    for (with, name) in [(&identity, "by identity"), (&key_file, "by key file")] {
        let out = folder.path().join(name);
        assert!(restore(&tree, with, &out));
        for (path, content) in files {
            assert!(fs::read(out.join(path)).unwrap() == content, "{path}");
        }
    }
}
