//! libgit2's process-wide settings: the one place of the crate that is `unsafe`.
//!
//! The setters are unsafe because they change global state without a lock. Everything in this room that touches
//! libgit2 passes through [`init_library`] first, whose `Once` makes that happen before any other use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::time::Duration;

use crate::core::transport::Timeouts;

/// How much of a pack is mapped at once, in bytes, and how much of all packs together. libgit2's defaults (1 GiB and
/// no limit) would let the resident memory grow with the vault.
const WINDOW: usize = 8 << 20;
const ALL_WINDOWS: usize = 48 << 20;

/// How much libgit2 may keep of the objects that it has parsed, in bytes.
const OBJECT_CACHE: usize = 16 << 20;

/// The system's Git configuration file, found before libgit2 was told to read none.
static SYSTEM_CONFIG: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Sets libgit2 up for this process. To be called early; more calls do nothing.
///
/// - Nobody's Git configuration is read from here on: `core.autocrlf`, filters, `init.templateDir` and the like
///   change nothing in a mirror. How a host is reached is read by the remotes themselves.
/// - A repository that another user owns is opened: csync executes nothing that a repository contains, which is what
///   that check (`safe.directory`) protects.
/// - Objects, packs and references are flushed to the disk. The configuration key `core.fsyncObjectFiles` covers loose
///   objects and references, but not the packs that a fetch writes; only the global option does.
/// - Connecting and waiting for a server end after a while; the memory that maps packs is bounded.
pub fn init_library() {
    init_library_with(Timeouts::default());
}

/// The same with the timeouts of the configuration. They hold for the whole process, so this comes before any other use of this
/// room; a later call changes nothing.
pub fn init_library_with(timeouts: Timeouts) {
    SYSTEM_CONFIG.get_or_init(|| {
        let found = git2::Config::find_system().ok();
        set_options(timeouts);
        found
    });
}

/// The system's Git configuration file, where there is one: for how a host is reached, never for objects.
pub(super) fn system_config() -> Option<PathBuf> {
    init_library();
    SYSTEM_CONFIG.get().cloned().flatten()
}

/// Has OpenSSL trust the authorities whose certificates are in `file`, as PEM, from now on and in the whole process, besides
/// those that it trusts already: the system's, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
///
/// # Errors
///
/// What OpenSSL said when it could not read them.
#[allow(unsafe_code)]
pub(super) fn trust(file: &Path) -> Result<(), git2::Error> {
    /// Those that it was told of.
    static TRUSTED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    init_library();
    let mut trusted = TRUSTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !trusted.contains(file) {
        // SAFETY: unlike the other options this one writes no variable of libgit2. It calls
        // `SSL_CTX_load_verify_locations` on the context that libgit2 made when it was initialised, by `init_library`
        // above. For a file, that adds to the certificate store behind the context under the store's own lock, under which
        // the connections of other threads read it; the way of looking up that it uses is in place since the context read
        // its default paths. Two calls never overlap, for the lock here.
        unsafe { git2::opts::set_ssl_cert_file(file)? };
        trusted.insert(file.to_owned());
    }
    Ok(())
}

/// Has libgit2 read no `known_hosts` file any more, in the whole process: it reads the one in the home folder to learn what
/// types of host keys to ask for, and does without, but not with a file that libssh2 cannot parse.
#[allow(unsafe_code)]
pub(super) fn forget_known_hosts() {
    /// Nothing can be in it.
    const NOWHERE: &std::ffi::CStr = c"/dev/null";
    static DONE: Once = Once::new();
    init_library();
    DONE.call_once(|| {
        // SAFETY: this replaces a global string buffer of libgit2, the home folder, and would be unsound while another thread
        // reads that: when a conversation over SSH begins, or when a person's Git configuration that includes a file by `~/`
        // is read. Both happen only in the thread that talks to the remote, and a process of csync talks to one at a time;
        // that thread is the one that calls this. The option takes a pointer to a string that ends with a NUL.
        unsafe {
            libgit2_sys::git_libgit2_opts(libgit2_sys::GIT_OPT_SET_HOMEDIR as _, NOWHERE.as_ptr());
        }
    });
}

/// Sets the options. An option that this build of libgit2 does not know stays at its default.
#[allow(unsafe_code)]
fn set_options(timeouts: Timeouts) {
    use git2::{ConfigLevel, opts};

    git2::opts::strict_hash_verification(true);
    let milliseconds = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: all of these write plain global variables of libgit2 (the search paths: a global string buffer) and are
    // unsound only when another thread uses libgit2 meanwhile. `init_library` calls this function once, in the
    // initialiser of a `OnceLock`: other threads that want to use libgit2 through this room wait there until it is
    // done, and no other room uses libgit2. The call to `git_libgit2_opts` passes the int that the documentation of
    // `GIT_OPT_ENABLE_FSYNC_GITDIR` asks for.
    unsafe {
        for level in [
            ConfigLevel::System,
            ConfigLevel::Global,
            ConfigLevel::XDG,
            ConfigLevel::ProgramData,
        ] {
            let _ = opts::set_search_path(level, "");
        }
        let _ = opts::set_verify_owner_validation(false);
        let _ = opts::set_server_connect_timeout_in_milliseconds(milliseconds(timeouts.connect));
        let _ = opts::set_server_timeout_in_milliseconds(milliseconds(timeouts.idle));
        let _ = opts::set_mwindow_size(WINDOW);
        let _ = opts::set_mwindow_mapped_limit(ALL_WINDOWS);
        let _ = opts::set_cache_max_size(OBJECT_CACHE as _);
        libgit2_sys::git_libgit2_opts(libgit2_sys::GIT_OPT_ENABLE_FSYNC_GITDIR as _, 1);
    }
}
