//! Use cases with a broken disk or a broken remote under them, in this process.

mod crashes;
mod hostile;
mod offline;
mod patience;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use secrecy::SecretString;

use super::*;
use crate::config::{Config, Environment, Paths};
use crate::core::progress::Silent;
use crate::core::questions::Nobody;
use crate::error::Result;
use crate::local::{Faults, Root};
use crate::mirror::{self, Remote};

/// A machine of a person: a home folder.
pub struct Home {
    folder: PathBuf,
    stop: AtomicBool,
}

impl Home {
    /// A machine with an empty home.
    pub fn new(folder: PathBuf) -> Self {
        std::fs::create_dir_all(folder.join(".claude")).unwrap();
        Self {
            folder,
            stop: AtomicBool::new(false),
        }
    }

    /// What a use case is given on this machine.
    pub fn context(&self) -> Context<'_> {
        let environment = Environment::new(&self.folder, Vec::<(String, String)>::new());
        let paths = Paths::from_environment(&environment);
        Context {
            config: Config::load(&environment, &paths, &[]).unwrap(),
            paths,
            environment,
            clock: &SystemClock,
            progress: &Silent,
            questions: &Nobody,
            stop: &self.stop,
            lock_wait: Duration::ZERO,
        }
    }

    /// Makes this machine a member; with `identity` of the machine that made the vault.
    pub fn join(&self, remote: &Path, device: &str, identity: Option<PathBuf>) {
        let options = InitOptions {
            url: Some(remote.to_str().unwrap().to_owned()),
            allow_public: false,
            local: false,
            device: device.to_owned().try_into().unwrap(),
            identity,
            claude: None,
        };
        init(&self.context(), &options, &mut NoPassphrase).unwrap();
    }

    /// What a plain sync asks for.
    pub fn options() -> SyncOptions {
        SyncOptions {
            direction: Direction::Both,
            selection: Selection::new(&Request::default()).unwrap(),
            dry_run: false,
            allow_deletions: false,
            largest_push: LARGEST_PUSH,
        }
    }

    /// Syncs; whatever is given breaks on the way.
    pub fn sync_with(&self, faults: Option<Arc<dyn Faults>>, remote: Option<&mut dyn Remote>) -> Result<Report> {
        let context = self.context();
        let mut open = OpenVault::open(&context, "test")?;
        if let Some(faults) = faults {
            let root = Root::open(&self.claude()).unwrap();
            open.sources[0].root = root.with_faults(faults);
        }
        let options = Self::options();
        match remote {
            Some(remote) => super::sync_with(&context, &mut open, remote, &options),
            None => {
                let mut remote = open.connect(&context)?;
                super::sync_with(&context, &mut open, remote.as_mut(), &options)
            }
        }
    }

    /// Syncs on a sound machine.
    pub fn sync(&self) -> Report {
        let report = self.sync_with(None, None).unwrap();
        let troubles: Vec<_> = report
            .troubles
            .iter()
            .map(|trouble| trouble.error.to_string())
            .collect();
        assert!(troubles.is_empty(), "{troubles:?}");
        report
    }

    pub fn claude(&self) -> PathBuf {
        self.folder.join(".claude")
    }

    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) {
        let path = self.claude().join(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn append(&self, relative: &str, content: &str) {
        use std::io::Write;
        let path = self.claude().join(relative);
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(content.as_bytes()).unwrap();
    }

    /// Every file here with its content; the time in the names of conflict files is left out.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.claude()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(self.claude()).unwrap().to_str().unwrap();
                let name = match name.split_once(".conflict.") {
                    Some((name, _)) => format!("{name}.conflict"),
                    None => name.to_owned(),
                };
                assert!(
                    files.insert(name.clone(), std::fs::read(&path).unwrap()).is_none(),
                    "{name} twice"
                );
            }
        }
        files
    }
}

/// Nobody is asked.
struct NoPassphrase;

impl Passphrase for NoPassphrase {
    fn choose(&mut self) -> Result<Option<SecretString>> {
        Ok(None)
    }

    fn enter(&mut self) -> Result<SecretString> {
        panic!("the identity opens the vault")
    }
}

/// Two machines around one remote, with ways back to a moment.
pub struct Two {
    folder: tempfile::TempDir,
    pub ana: Home,
    pub bob: Home,
    pub remote: PathBuf,
}

impl Two {
    /// Both have joined.
    pub fn joined() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let remote = folder.path().join("world/remote.git");
        let ana = Home::new(folder.path().join("world/ana"));
        let bob = Home::new(folder.path().join("world/bob"));
        mirror::create_bare(&remote).unwrap();
        ana.join(&remote, "ana's laptop", None);
        bob.join(&remote, "bob's desk", Some(ana.context().paths.identity_file()));
        Self {
            folder,
            ana,
            bob,
            remote,
        }
    }

    /// Remembers everything as it is now.
    pub fn keep(&self) {
        self.copy("world", "kept");
    }

    /// Makes everything as it was then.
    pub fn go_back(&self) {
        self.copy("kept", "world");
    }

    fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.folder.path().join(from), self.folder.path().join(to));
        if to.exists() {
            std::fs::remove_dir_all(&to).unwrap();
        }
        assert!(
            Command::new("cp")
                .arg("-a")
                .arg(from)
                .arg(to)
                .status()
                .unwrap()
                .success()
        );
    }
}
