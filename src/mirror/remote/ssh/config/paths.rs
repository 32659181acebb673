//! Paths as they stand in what `ssh -G` prints: with tokens, with variables, with the home folder of the user database.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What paths are told from.
pub(super) struct Surroundings<'a> {
    /// The person's home.
    pub(super) home: &'a Path,
    /// The home that ssh put in for `~`, where that is known.
    pub(super) database_home: Option<&'a Path>,
    /// The environment.
    pub(super) variables: &'a BTreeMap<String, OsString>,
    /// The person's name on this machine.
    pub(super) local_user: &'a str,
}

impl Surroundings<'_> {
    /// The path that ssh would open: `~`, `${NAME}` and the tokens `%% %d %h %p %r %u` (ssh_config(5), "TOKENS") are put in.
    ///
    /// What cannot be put in is left as it stands: then no such file is found, as if it were not there.
    pub(super) fn expand(&self, text: &str, host: &str, port: u16, user: &str) -> PathBuf {
        let home = self.home.to_string_lossy();
        let mut path = String::new();
        let mut rest = text;
        if let Some(below) = rest.strip_prefix("~/") {
            path = format!("{home}/");
            rest = below;
        }
        while let Some(at) = rest.find(['%', '$']) {
            path.push_str(&rest[..at]);
            rest = &rest[at..];
            let variable = rest
                .strip_prefix("${")
                .and_then(|inner| inner.split_once('}'))
                .and_then(|(name, after)| Some((self.variables.get(name)?.to_string_lossy(), after)));
            if let Some((value, after)) = variable {
                path.push_str(&value);
                rest = after;
                continue;
            }
            let port = port.to_string();
            let token = match rest.get(..2) {
                Some("%%") => "%",
                Some("%d") => &home,
                Some("%h") => host,
                Some("%p") => &port,
                Some("%r") => user,
                Some("%u") => self.local_user,
                _ => {
                    path.push_str(&rest[..1]);
                    rest = &rest[1..];
                    continue;
                }
            };
            path.push_str(token);
            rest = &rest[2..];
        }
        path.push_str(rest);
        let path = PathBuf::from(path);
        match self.database_home.and_then(|other| path.strip_prefix(other).ok()) {
            Some(below) => self.home.join(below),
            None => path,
        }
    }

    /// Whether a value of `IdentityAgent` means the agent of `SSH_AUTH_SOCK`.
    pub(super) fn is_usual_agent(&self, value: &str) -> bool {
        let usual = self.variables.get("SSH_AUTH_SOCK").map(OsString::as_os_str);
        matches!(value, "SSH_AUTH_SOCK" | "$SSH_AUTH_SOCK" | "${SSH_AUTH_SOCK}")
            || usual.is_some_and(|own| own == value)
    }
}

/// The paths of a setting that lists some. ssh puts a blank between them and no quotes around them, so that a word that
/// cannot begin a path belongs to the path before it.
pub(super) fn split(line: &str) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for word in line.split(' ') {
        match paths.last_mut() {
            Some(last) if !word.starts_with(['/', '~', '%', '$']) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => paths.push(word.to_owned()),
        }
    }
    paths.retain(|path| !path.is_empty() && path != "none");
    paths
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expanded(text: &str) -> PathBuf {
        let variables = BTreeMap::from([("KEYS".to_owned(), OsString::from("/keys"))]);
        Surroundings {
            home: Path::new("/home/ana"),
            database_home: Some(Path::new("/root")),
            variables: &variables,
            local_user: "ana",
        }
        .expand(text, "git.example.com", 2222, "git")
    }

    #[test]
    fn tokens_and_variables_are_put_in() {
        for (text, path) in [
            ("/etc/key", "/etc/key"),
            ("~/.ssh/key", "/home/ana/.ssh/key"),
            ("%d/.ssh/%r@%h:%p", "/home/ana/.ssh/git@git.example.com:2222"),
            ("/keys/%u/100%%", "/keys/ana/100%"),
            ("${KEYS}/one", "/keys/one"),
            ("${NOT_SET}/one", "${NOT_SET}/one"),
            ("/a/%C", "/a/%C"),
            ("/a/%", "/a/%"),
            ("/a/$b", "/a/$b"),
            ("/root/.ssh/known", "/home/ana/.ssh/known"),
            ("/rooted/key", "/rooted/key"),
        ] {
            assert_eq!(expanded(text), Path::new(path), "{text}");
        }
    }

    #[test]
    fn lists_are_split_where_a_path_begins() {
        assert_eq!(split("/a/one ~/two"), ["/a/one", "~/two"]);
        assert_eq!(split("/a/with blank /b"), ["/a/with blank", "/b"]);
        assert!(split("none").is_empty() && split("").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(text in "[%$~{}a-zé/ ]{0,30}") {
            let _ = (expanded(&text), split(&text));
        }
    }
}
