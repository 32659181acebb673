//! The environment of a run as a value: variables, the home folder, the working folder. Tests make their own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::error::ConfigError;

/// The variables that hold secrets. They are kept apart from the others, and no child process may see them.
pub const SECRET_VARIABLES: [&str; 3] = ["CSYNC_PASSPHRASE", "CSYNC_IDENTITY", "CSYNC_GIT_TOKEN"];

/// What a run was started with. `Debug` names the variables and shows none of their values.
#[derive(Clone)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
    secrets: BTreeMap<&'static str, SecretString>,
    home: PathBuf,
    working_folder: PathBuf,
    program: Option<PathBuf>,
}

impl Environment {
    /// An environment of `variables`, for a person whose home folder is `home`; it works in `home` until
    /// [told otherwise](Self::working_in).
    pub fn new<N, V>(home: impl Into<PathBuf>, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<OsString>,
    {
        let home = home.into();
        let mut all: BTreeMap<String, OsString> = variables.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
        let secrets = SECRET_VARIABLES
            .iter()
            .filter_map(|name| Some((*name, all.remove(*name)?)))
            .filter(|(_, value)| !value.is_empty())
            // A secret that is not text opens nothing; what is left of it fails as a wrong one does.
            .map(|(name, value)| (name, SecretString::from(value.to_string_lossy().into_owned())))
            .collect();
        Self {
            variables: all,
            secrets,
            working_folder: home.clone(),
            home,
            program: None,
        }
    }

    /// The environment that this process was started with.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoHome`] when nothing says where the home folder is.
    pub fn of_this_process() -> Result<Self, ConfigError> {
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let home = home.ok_or(ConfigError::NoHome)?;
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let working_folder = std::env::current_dir().unwrap_or_else(|_| home.clone());
        let mut environment = Self::new(home, variables).working_in(working_folder);
        environment.program = std::env::current_exe().ok();
        Ok(environment)
    }

    /// The same environment in another working folder, which relative paths of the person are relative to.
    #[must_use]
    pub fn working_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.working_folder = folder.into();
        self
    }

    /// The value of a variable. One that is set to nothing counts as not set. Secret ones are not here.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(name)
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// All variables but the secret ones: what other programs are started with.
    #[must_use]
    pub const fn variables(&self) -> &BTreeMap<String, OsString> {
        &self.variables
    }

    /// The value of a variable that is an absolute path; others count as not set, as the XDG specification says.
    #[must_use]
    pub fn absolute_path(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The value of one of the [`SECRET_VARIABLES`].
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.secrets.get(name).cloned()
    }

    /// The person's home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The program that is running, for other programs that have to call it back; none where it is not csync's own.
    #[must_use]
    pub fn program(&self) -> Option<&Path> {
        self.program.as_deref()
    }

    /// A path that a person wrote, made absolute: `~` and `~/…` stand for the home folder, and a relative path
    /// starts at the working folder.
    #[must_use]
    pub fn resolve(&self, written: &Path) -> PathBuf {
        match written.strip_prefix("~") {
            Ok(rest) if rest.as_os_str().is_empty() => self.home.clone(),
            Ok(rest) => self.home.join(rest),
            Err(_) => self.working_folder.join(written),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.keys())
            .field("secrets", &self.secrets.keys())
            .field("home", &self.home)
            .field("working_folder", &self.working_folder)
            .finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let environment = Environment::new("/home/ana", [("A", ""), ("B", "x")]);
        assert_eq!(environment.variable("A"), None);
        assert_eq!(environment.variable("B"), Some(OsStr::new("x")));
    }

    #[test]
    fn secrets_stand_apart_and_are_never_shown() {
        let environment = Environment::new("/home/ana", [("CSYNC_PASSPHRASE", "hunter2"), ("PAGER", "less")]);
        assert_eq!(environment.variable("CSYNC_PASSPHRASE"), None);
        assert_eq!(
            environment.secret("CSYNC_PASSPHRASE").unwrap().expose_secret(),
            "hunter2"
        );
        assert!(!format!("{environment:?}").contains("hunter2"));
    }

    #[test]
    fn what_a_person_writes_becomes_absolute() {
        let environment = Environment::new("/home/ana", [("", "")]).working_in("/srv");
        for (written, absolute) in [
            ("~", "/home/ana"),
            ("~/x", "/home/ana/x"),
            ("x", "/srv/x"),
            ("/x", "/x"),
            ("~bob/x", "/srv/~bob/x"),
        ] {
            assert_eq!(environment.resolve(Path::new(written)), Path::new(absolute));
        }
    }
}
