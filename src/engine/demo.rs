//! For `csync demo`: a remote to play with, and everything that its host can see of a vault.

use std::path::Path;

use crate::core::id::TreeId;
use crate::error::{Error, Kind, Result};
use crate::mirror::{self, Entry, Mirror, Network};
use crate::sources;

/// The most that is read of one blob: a demonstration's vault is small.
const LARGEST_BLOB: u64 = 2 << 20;

/// All that a host can see of a vault: it holds no key.
#[derive(Debug)]
pub struct HostView {
    /// The commits, the first one first.
    pub commits: Vec<HostCommit>,
    /// The files of the last commit, by path.
    pub blobs: Vec<HostBlob>,
}

/// One commit as a host sees it.
#[derive(Debug)]
pub struct HostCommit {
    /// Its id.
    pub id: String,
    /// Its message.
    pub message: String,
}

/// One file as a host sees it.
#[derive(Debug)]
pub struct HostBlob {
    /// Its path in the Git tree.
    pub path: String,
    /// What it holds.
    pub content: Vec<u8>,
}

/// Makes an empty bare repository, such as a Git host gives.
///
/// # Errors
/// Something stands there; the disk refuses.
pub fn create_remote(folder: &Path) -> Result<()> {
    Ok(mirror::create_bare(folder)?)
}

/// Looks at the vault in `remote` as its host does: without any key. `scratch` is a folder that does not exist yet.
///
/// # Errors
/// A remote that cannot be read or is empty.
pub fn host_view(remote: &str, scratch: &Path) -> Result<HostView> {
    let mirror = Mirror::create(scratch)?;
    let tip = mirror::connect(remote, &Network::quiet(scratch.to_owned()))?
        .fetch(&mirror)?
        .ok_or_else(|| Error::new(Kind::General, format!("the remote {remote} is empty")))?;
    let commits = mirror
        .history(tip, None)?
        .into_iter()
        .map(|id| {
            Ok(HostCommit {
                id: id.to_string(),
                message: mirror.commit(id)?.message,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut blobs = Vec::new();
    collect(&mirror, mirror.commit(tip)?.tree, "", &mut blobs)?;
    Ok(HostView { commits, blobs })
}

fn collect(mirror: &Mirror, tree: TreeId, folder: &str, blobs: &mut Vec<HostBlob>) -> Result<()> {
    for (name, entry) in mirror.list(tree, "")? {
        let path = match folder {
            "" => name,
            folder => format!("{folder}/{name}"),
        };
        match entry {
            Entry::Blob(id) => {
                let content = mirror.blob(id, LARGEST_BLOB)?;
                blobs.push(HostBlob { path, content });
            }
            Entry::Tree(id) => collect(mirror, id, &path, blobs)?,
        }
    }
    Ok(())
}

/// The name of the folder that Claude Code keeps the sessions of the working folder `path` in.
#[must_use]
pub fn project_folder(path: &str) -> String {
    sources::slug(path)
}
