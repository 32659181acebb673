//! Making and opening the repository, and reading blobs from it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, RepositoryInitOptions, RepositoryOpenFlags};

use crate::core::id::BlobId;

use super::error::MirrorError;
use super::library::init_library;
use super::pointer::{Pointer, raw};
use super::{spool, tree};

/// The configuration of a mirror: all of it, whatever anybody wrote there. The git command would obey what else stands in
/// it, such as `core.sshCommand`, `url.….insteadOf`, `credential.helper` or `include.path`, as its owner's wish.
///
/// - `pack.deltaCacheSize`: libgit2 1.9 reads its big-file threshold from this key, and would otherwise look for deltas
///   between ciphertexts, where there are none (measured: 22 s instead of 4 s for 128 MB).
///   `core.bigFileThreshold` and `pack.window` say the same to later versions and to the git command.
/// - `core.fsyncObjectFiles`: loose objects and references reach the disk before they count.
/// - `core.logAllRefUpdates`: no reflog, which would note when and as whom this machine synced.
const CONFIGURATION: &str = "\
# Written by csync, which brings it back to this when it is changed.
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tbigFileThreshold = 1k
\tfsyncObjectFiles = true
\tlogAllRefUpdates = false
[pack]
\tdeltaCacheSize = 1
\twindow = 0
";

/// What would have Git, and some of it libgit2, look for a mirror's objects, settings, history or remote elsewhere, or cut the
/// history off. csync makes none of these, so that they are removed when a mirror is opened.
///
/// What else may stand in a repository does no harm: `hooks` do not run (`core.hooksPath` says so to the git command, and
/// libgit2 runs none), `info/attributes` are for check-outs, `worktrees` forbid moving the branches that are checked out
/// there, of which a fetch moves none, `logs` get no address written into them, and `objects/info/alternates` (which
/// a dry run's mirror has) only adds objects, each of which is checked by its hash wherever it is read from.
const DIVERSIONS: [&str; 7] = [
    "commondir",
    "config.worktree",
    "shallow",
    "info/grafts",
    "refs/replace",
    "remotes",
    "branches",
];

/// The local bare repository.
///
/// May move to another thread; for use by several at once each opens its own.
pub struct Mirror {
    pub(super) repository: git2::Repository,
    folder: PathBuf,
}

impl Mirror {
    /// Makes an empty mirror at `folder`, which must not exist or be empty, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`MirrorError::InTheWay`] when something stands there; when the disk refuses.
    pub fn create(folder: &Path) -> Result<Self, MirrorError> {
        make(folder, Some(CONFIGURATION))?;
        Self::open(folder)
    }

    /// A mirror at `folder` that reads the objects of `of` and starts with its pointers: what a dry run fetches into, to be
    /// thrown away.
    ///
    /// # Errors
    ///
    /// As [`Mirror::create`].
    pub fn scratch(of: &Self, folder: &Path) -> Result<Self, MirrorError> {
        make(folder, Some(CONFIGURATION))?;
        let info = folder.join("objects/info");
        let objects = of.folder().join("objects");
        fs::create_dir_all(&info).map_err(|error| MirrorError::io("make", &info, error))?;
        let mut alternates = objects.into_os_string().into_encoded_bytes();
        alternates.push(b'\n');
        let file = info.join("alternates");
        fs::write(&file, alternates).map_err(|error| MirrorError::io("write", &file, error))?;
        let scratch = Self::open(folder)?;
        for pointer in [Pointer::Tip, Pointer::Base, Pointer::Outgoing] {
            if let Some(commit) = of.get(pointer)? {
                scratch.set(pointer, None, commit)?;
            }
        }
        Ok(scratch)
    }

    /// Opens the mirror at `folder`, mends its configuration, and removes what a killed run left behind. The caller holds the
    /// vault's lock, so that Git's own lock files in it are nobody's.
    ///
    /// # Errors
    ///
    /// [`MirrorError::NoRepository`] when there is none; when it is damaged beyond opening.
    pub fn open(folder: &Path) -> Result<Self, MirrorError> {
        init_library();
        unlock(folder);
        ensure_settings(folder)?;
        let repository = open_bare(folder)?;
        let folder = repository.path().to_owned();
        spool::remove_stale(&folder);
        // What the git command was bringing: nobody has looked whether it is complete.
        if let Ok(mut arriving) = repository.find_reference(super::remote::ARRIVING) {
            let _ = arriving.delete();
        }
        Ok(Self { repository, folder })
    }

    /// Opens the mirror at `folder` only to look at it: mends and removes nothing, and needs no lock.
    ///
    /// # Errors
    ///
    /// As [`Mirror::open`].
    pub fn look(folder: &Path) -> Result<Self, MirrorError> {
        let repository = open_bare(folder)?;
        let folder = repository.path().to_owned();
        Ok(Self { repository, folder })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A blob's content. `limit` is the most bytes it may have, checked before any is read.
    ///
    /// # Errors
    ///
    /// [`MirrorError::Missing`], [`MirrorError::TooLarge`], or [`MirrorError::Damaged`] when the content does not
    /// have this id (or the object is no blob).
    pub fn blob(&self, id: BlobId, limit: u64) -> Result<Vec<u8>, MirrorError> {
        let oid = raw(id.as_bytes());
        self.check_header(oid, ObjectType::Blob, limit)?;
        read_object(&self.odb()?, self.folder(), oid, ObjectType::Blob).map(|object| object.data().to_owned())
    }

    /// The object database.
    pub(super) fn odb(&self) -> Result<git2::Odb<'_>, MirrorError> {
        self.repository
            .odb()
            .map_err(|error| MirrorError::git("open the objects", &self.folder, &error))
    }

    /// Refuses an object that is not of `kind` or has more than `limit` bytes, from its header alone.
    pub(super) fn check_header(&self, id: Oid, kind: ObjectType, limit: u64) -> Result<(), MirrorError> {
        check_header(&self.odb()?, &self.folder, id, kind, limit)
    }

    /// The pointers that stand for complete histories.
    pub(super) fn known(&self) -> Result<Vec<Oid>, MirrorError> {
        let mut known = Vec::new();
        for pointer in Pointer::ALL {
            known.extend(self.get(pointer)?.map(super::pointer::oid));
        }
        Ok(known)
    }
}

/// Makes an empty bare repository that can serve as a remote, at `folder`, which must not exist or be empty.
///
/// # Errors
///
/// [`MirrorError::InTheWay`] when something stands there; when the disk refuses.
pub fn create_bare(folder: &Path) -> Result<(), MirrorError> {
    make(folder, None)
}

/// Opens the bare repository at `folder` itself, not one further up, and not one with a work tree.
pub(super) fn open_bare(folder: &Path) -> Result<git2::Repository, MirrorError> {
    init_library();
    let none: [&Path; 0] = [];
    let repository = git2::Repository::open_ext(folder, RepositoryOpenFlags::NO_SEARCH, none).map_err(|error| {
        if error.code() == git2::ErrorCode::NotFound {
            MirrorError::NoRepository {
                path: folder.to_owned(),
            }
        } else {
            MirrorError::git("open the repository", folder, &error)
        }
    })?;
    if !repository.is_bare() {
        return Err(MirrorError::NotBare {
            path: folder.to_owned(),
        });
    }
    Ok(repository)
}

/// Reads an object of `kind`; libgit2 checks that its content has this id. The size is checked by the caller.
pub(super) fn read_object<'odb>(
    odb: &'odb git2::Odb<'_>,
    place: &Path,
    id: Oid,
    kind: ObjectType,
) -> Result<git2::OdbObject<'odb>, MirrorError> {
    let what = || tree::name_of(kind, id);
    let object = odb
        .read(id)
        .map_err(|error| MirrorError::object(what(), place, &error))?;
    if object.kind() != kind {
        return Err(MirrorError::damaged(
            what(),
            place,
            format!("it is a {}", object.kind()),
        ));
    }
    Ok(object)
}

/// Refuses an object that is not of `kind` or has more than `limit` bytes, from its header alone.
pub(super) fn check_header(
    odb: &git2::Odb<'_>,
    place: &Path,
    id: Oid,
    kind: ObjectType,
    limit: u64,
) -> Result<(), MirrorError> {
    let what = || tree::name_of(kind, id);
    if !is_whole(place, id) {
        return Err(MirrorError::damaged(what(), place, "its file is cut off"));
    }
    let (size, found) = odb
        .read_header(id)
        .map_err(|error| MirrorError::object(what(), place, &error))?;
    if found != kind {
        return Err(MirrorError::damaged(what(), place, format!("it is a {found}")));
    }
    let size = size as u64;
    if size > limit {
        return Err(MirrorError::TooLarge {
            what: what(),
            size,
            limit,
        });
    }
    Ok(())
}

/// Whether the loose object `id`, where there is one, is compressed bytes to their end. From one that is cut off libgit2 1.9
/// reads for ever: its `git_zstream_get_output` takes zlib's "give me more" for progress.
fn is_whole(repository: &Path, id: Oid) -> bool {
    let objects = repository.join("objects");
    let name = id.to_string();
    let others = fs::read_to_string(objects.join("info/alternates")).unwrap_or_default();
    let others = others.lines().map(|other| objects.join(other));
    std::iter::once(objects.clone()).chain(others).all(|objects| {
        let Ok(file) = File::open(objects.join(&name[..2]).join(&name[2..])) else {
            return true;
        };
        let mut inflated = flate2::read::ZlibDecoder::new(file);
        std::io::copy(&mut inflated, &mut std::io::sink()).is_ok()
    })
}

/// Looks at all commits from `tips` back to `known`, before libgit2 walks over them.
pub(super) fn check_commits(repository: &git2::Repository, tips: &[Oid], known: &[Oid]) -> Result<(), MirrorError> {
    let place = repository.path();
    let odb = repository
        .odb()
        .map_err(|error| MirrorError::git("open the objects", place, &error))?;
    let mut seen: HashSet<Oid> = known.iter().copied().collect();
    let mut pending = tips.to_vec();
    while let Some(id) = pending.pop() {
        if seen.insert(id) {
            check_header(&odb, place, id, ObjectType::Commit, super::LARGEST_OBJECT as u64)?;
            let commit = repository
                .find_commit(id)
                .map_err(|error| MirrorError::object(tree::name_of(ObjectType::Commit, id), place, &error))?;
            pending.extend(commit.parent_ids());
        }
    }
    Ok(())
}

/// Makes a bare repository beside `folder` and moves it there when it is whole and on the disk.
fn make(folder: &Path, configuration: Option<&str>) -> Result<(), MirrorError> {
    init_library();
    let taken = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    if taken {
        return Err(MirrorError::InTheWay {
            path: folder.to_owned(),
        });
    }
    let absolute = std::path::absolute(folder).map_err(|error| MirrorError::io("find", folder, error))?;
    let parent = absolute.parent().unwrap_or(&absolute);
    fs::create_dir_all(parent).map_err(|error| MirrorError::io("make", parent, error))?;
    let staging = tempfile::Builder::new()
        .prefix(".csync-new-")
        .tempdir_in(parent)
        .map_err(|error| MirrorError::io("make a folder in", parent, error))?;
    git2::Repository::init_opts(
        staging.path(),
        RepositoryInitOptions::new()
            .bare(true)
            .no_reinit(true)
            .external_template(false)
            .initial_head(Pointer::Tip.reference()),
    )
    .map_err(|error| MirrorError::git("make a repository", folder, &error))?;
    if let Some(configuration) = configuration {
        let file = staging.path().join("config");
        fs::write(&file, configuration).map_err(|error| MirrorError::io("write", &file, error))?;
    }
    for name in ["HEAD", "config", "objects", "refs", "."] {
        sync(&staging.path().join(name))?;
    }
    fs::rename(staging.path(), &absolute).map_err(|error| MirrorError::io("make", folder, error))?;
    // It is not there under its first name any more: there is nothing left to clear away.
    let _ = staging.keep();
    sync(parent)
}

/// Brings the configuration of the mirror at `folder` to what it should be, in one step and only where it differs, and
/// removes what would divert Git from it.
fn ensure_settings(folder: &Path) -> Result<(), MirrorError> {
    let file = folder.join("config");
    if !file.is_file() {
        return Err(MirrorError::NoRepository {
            path: folder.to_owned(),
        });
    }
    for name in DIVERSIONS {
        let path = folder.join(name);
        let removed = match path.symlink_metadata() {
            Ok(about) if about.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(_) => continue,
        };
        removed.map_err(|error| MirrorError::io("remove", &path, error))?;
        tracing::warn!("removed {}, which has no place in a mirror", path.display());
    }
    if fs::read(&file).is_ok_and(|text| text == CONFIGURATION.as_bytes()) {
        return Ok(());
    }
    let failed = |error| MirrorError::io("write", &file, error);
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    new.write_all(CONFIGURATION.as_bytes()).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    new.persist(&file).map_err(|error| failed(error.error))?;
    sync(folder)
}

/// Removes the lock files that a run left which was killed while it moved a pointer or wrote the configuration.
fn unlock(folder: &Path) {
    let pointers = Pointer::ALL.map(Pointer::reference);
    for name in pointers
        .into_iter()
        .chain([super::remote::ARRIVING, "config", "packed-refs"])
    {
        let _ = fs::remove_file(folder.join(format!("{name}.lock")));
    }
}

/// Flushes a file, or the entries of a folder, to the disk.
pub(super) fn sync(path: &Path) -> Result<(), MirrorError> {
    // Only Unix lets a folder be opened and flushed; elsewhere its entries are the system's affair.
    if path.is_dir() && !cfg!(unix) {
        return Ok(());
    }
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| MirrorError::io("flush", path, error))
}
