//! Where csync keeps its things on this machine: the XDG folders, also on macOS.

use std::path::PathBuf;

use super::environment::Environment;

/// The three folders of csync, and what lies in them. Nothing here looks at the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What a person edits or guards: the configuration and the device's identity.
    pub config_dir: PathBuf,
    /// What csync remembers and can find again: the index and the lock.
    pub state_dir: PathBuf,
    /// What csync stores: the mirror, and the embedded remote where there is one.
    pub data_dir: PathBuf,
}

impl Paths {
    /// The folders that `environment` asks for: `CSYNC_CONFIG_DIR` and `CSYNC_STATE_DIR`, else the XDG folders, else their
    /// defaults below the home folder. With `CSYNC_STATE_DIR` set, data lies in `data` below it, so that two variables
    /// move everything.
    #[must_use]
    pub fn from_environment(environment: &Environment) -> Self {
        let own = |name: &str| {
            environment
                .variable(name)
                .map(|value| environment.resolve(value.as_ref()))
        };
        let xdg = |name: &str, default: &str| {
            environment
                .absolute_path(name)
                .unwrap_or_else(|| environment.home().join(default))
                .join("csync")
        };
        let moved_state = own("CSYNC_STATE_DIR");
        Self {
            config_dir: own("CSYNC_CONFIG_DIR").unwrap_or_else(|| xdg("XDG_CONFIG_HOME", ".config")),
            data_dir: match &moved_state {
                Some(state) => state.join("data"),
                None => xdg("XDG_DATA_HOME", ".local/share"),
            },
            state_dir: moved_state.unwrap_or_else(|| xdg("XDG_STATE_HOME", ".local/state")),
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config_dir.join("config.toml")
    }

    /// The device's age identity: a secret.
    #[must_use]
    pub fn identity_file(&self) -> PathBuf {
        self.config_dir.join("identity.txt")
    }

    /// The bare repository that mirrors the vault.
    #[must_use]
    pub fn mirror(&self) -> PathBuf {
        self.data_dir.join("mirror.git")
    }

    /// The remote of `csync init --local`.
    #[must_use]
    pub fn embedded_remote(&self) -> PathBuf {
        self.data_dir.join("remote.git")
    }

    /// The index of local files.
    #[must_use]
    pub fn index_file(&self) -> PathBuf {
        self.state_dir.join("index.sqlite")
    }

    /// The folder of the vault's lock.
    #[must_use]
    pub fn lock_dir(&self) -> PathBuf {
        self.state_dir.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn paths(variables: &[(&str, &str)]) -> Paths {
        Paths::from_environment(&Environment::new("/home/ana", variables.iter().copied()))
    }

    #[test]
    fn without_variables_they_are_the_xdg_defaults() {
        let paths = paths(&[]);
        assert_eq!(paths.config_file(), Path::new("/home/ana/.config/csync/config.toml"));
        assert_eq!(
            paths.index_file(),
            Path::new("/home/ana/.local/state/csync/index.sqlite")
        );
        assert_eq!(paths.mirror(), Path::new("/home/ana/.local/share/csync/mirror.git"));
    }

    #[test]
    fn xdg_variables_move_them_and_relative_ones_are_ignored() {
        let paths = paths(&[("XDG_CONFIG_HOME", "/etc/ana"), ("XDG_DATA_HOME", "relative")]);
        assert_eq!(paths.config_dir, Path::new("/etc/ana/csync"));
        assert_eq!(paths.data_dir, Path::new("/home/ana/.local/share/csync"));
    }

    #[test]
    fn two_variables_of_csync_move_everything() {
        let paths = paths(&[
            ("CSYNC_CONFIG_DIR", "/m/config"),
            ("CSYNC_STATE_DIR", "/m/state"),
            ("XDG_DATA_HOME", "/elsewhere"),
        ]);
        assert_eq!(paths.identity_file(), Path::new("/m/config/identity.txt"));
        assert_eq!(paths.lock_dir(), Path::new("/m/state"));
        assert_eq!(paths.embedded_remote(), Path::new("/m/state/data/remote.git"));
    }
}
