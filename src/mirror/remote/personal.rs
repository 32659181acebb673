//! The person's own Git configuration, as far as it says how to reach a host over HTTP: read by the rules of
//! git-config(1), `http.<url>.*`. Nothing is read from a mirror, nor from a repository that csync happens to be started in.

use std::path::PathBuf;

use crate::mirror::library::system_config;
use crate::mirror::remote::Network;

/// Settings of the sections `http` and `core`, in the order in which later ones win.
pub(in crate::mirror::remote) struct Personal {
    /// Names as Git writes them: section and last part in lower case.
    settings: Vec<(String, String)>,
    home: PathBuf,
}

impl Personal {
    /// Reads the files that Git would read for the person. One that cannot be read or parsed says nothing.
    pub(in crate::mirror::remote) fn read(network: &Network<'_>) -> Self {
        let mut settings = Vec::new();
        for file in files(network) {
            let Ok(config) = git2::Config::open(&file) else {
                continue;
            };
            let Ok(mut entries) = config.entries(Some("^http\\.")) else {
                continue;
            };
            while let Some(Ok(entry)) = entries.next() {
                if let Ok(name) = entry.name() {
                    // A name without a value means yes.
                    let value = entry.value().unwrap_or("true");
                    settings.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        settings.extend(of_variables(network));
        Self {
            settings,
            home: network.home.clone(),
        }
    }

    /// The value of `http.<url>.<name>` that fits `url` best, else that of `http.<name>`. `name` is in lower case.
    pub(in crate::mirror::remote) fn http(&self, url: &str, name: &str) -> Option<&str> {
        let url = Parts::of(url)?;
        let mut best: Option<(Fit, &str)> = None;
        for (key, value) in &self.settings {
            let Some(rest) = key.strip_prefix("http.") else {
                continue;
            };
            let (pattern, last) = rest
                .rsplit_once('.')
                .map_or((None, rest), |(pattern, last)| (Some(pattern), last));
            if last != name {
                continue;
            }
            let fit = match pattern {
                None => Some(Fit::default()),
                Some(pattern) => Parts::of(pattern).and_then(|pattern| pattern.fit(&url)),
            };
            // Of two that fit alike, the later one wins.
            if let Some(fit) = fit
                && best.as_ref().is_none_or(|(than, _)| fit >= *than)
            {
                best = Some((fit, value));
            }
        }
        best.map(|(_, value)| value)
    }

    /// The same as a path: `~/` is the home folder. None where it is empty.
    pub(in crate::mirror::remote) fn http_path(&self, url: &str, name: &str) -> Option<PathBuf> {
        let value = self.http(url, name).filter(|value| !value.is_empty())?;
        Some(match value.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => PathBuf::from(value),
        })
    }
}

/// The files that Git reads for the person, the strongest last.
fn files(network: &Network<'_>) -> Vec<PathBuf> {
    let named = |name: &str| network.variables.get(name).map(PathBuf::from);
    let without_system = network
        .variable("GIT_CONFIG_NOSYSTEM")
        .is_some_and(|value| !matches!(value.to_str(), Some("0" | "false" | "no" | "off")));
    let mut files = Vec::new();
    if !without_system {
        files.extend(named("GIT_CONFIG_SYSTEM").or_else(system_config));
    }
    match named("GIT_CONFIG_GLOBAL") {
        Some(file) => files.push(file),
        None => {
            let folder = network.variable("XDG_CONFIG_HOME").map(PathBuf::from);
            let folder = folder.unwrap_or_else(|| network.home.join(".config"));
            files.push(folder.join("git/config"));
            files.push(network.home.join(".gitconfig"));
        }
    }
    files.retain(|file| file.is_file());
    files
}

/// The settings in `GIT_CONFIG_COUNT`, `GIT_CONFIG_KEY_<n>` and `GIT_CONFIG_VALUE_<n>`.
fn of_variables(network: &Network<'_>) -> Vec<(String, String)> {
    let text = |name: &str| network.variables.get(name)?.to_str().map(str::to_owned);
    let count = text("GIT_CONFIG_COUNT")
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    let pair = |number: usize| {
        let key = text(&format!("GIT_CONFIG_KEY_{number}"))?;
        let value = text(&format!("GIT_CONFIG_VALUE_{number}"))?;
        Some((normal(&key)?, value))
    };
    (0..count.min(1_000)).map_while(pair).collect()
}

/// A setting's name with its section and its last part in lower case.
fn normal(key: &str) -> Option<String> {
    let (section, rest) = key.split_once('.')?;
    let section = section.to_ascii_lowercase();
    Some(match rest.rsplit_once('.') {
        Some((middle, last)) => format!("{section}.{middle}.{}", last.to_ascii_lowercase()),
        None => format!("{section}.{}", rest.to_ascii_lowercase()),
    })
}

/// How well a pattern fits: the host counts first, then the path, then the user.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    /// 2 with the host's whole name, 1 with a `*` in it, 0 without a pattern.
    host: u8,
    /// How long the path is that both share.
    path: usize,
    /// Whether the pattern names the user.
    user: bool,
}

/// The parts of a URL that Git compares.
struct Parts {
    scheme: String,
    user: Option<String>,
    host: String,
    port: String,
    /// Without a slash at its end.
    path: String,
}

impl Parts {
    /// Takes a URL apart; none where it is not one.
    fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let rest = rest.split(['?', '#']).next()?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (user.split(':').next().map(str::to_owned), host),
            None => (None, authority),
        };
        let scheme = scheme.to_ascii_lowercase();
        // The colon of a port comes after the bracket of an address of six.
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (host, ""),
        };
        let port = match (port, scheme.as_str()) {
            ("", "https") => "443",
            ("", "http") => "80",
            (port, _) => port,
        };
        Some(Self {
            user,
            host: host.to_ascii_lowercase(),
            port: port.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
            scheme,
        })
    }

    /// How well this pattern fits `url`; none where it does not.
    fn fit(&self, url: &Self) -> Option<Fit> {
        let host = if self.host == url.host {
            2
        } else {
            let (own, other): (Vec<_>, Vec<_>) = (self.host.split('.').collect(), url.host.split('.').collect());
            let alike = |(own, other): (&&str, &&str)| *own == "*" || own == other;
            (own.len() == other.len() && own.iter().zip(&other).all(alike)).then_some(1)?
        };
        let rest = url.path.strip_prefix(self.path.as_str())?;
        let whole = rest.is_empty() || rest.starts_with('/') || self.path.is_empty();
        let user = self.user.is_none() || self.user == url.user;
        (self.scheme == url.scheme && self.port == url.port && whole && user).then_some(Fit {
            host,
            path: self.path.len(),
            user: self.user.is_some(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What a person has set, as name and value.
    fn personal(settings: &[(&str, &str)]) -> Personal {
        Personal {
            settings: settings
                .iter()
                .map(|(name, value)| (normal(name).unwrap(), (*value).to_owned()))
                .collect(),
            home: PathBuf::from("/home/ana"),
        }
    }

    #[test]
    fn the_setting_for_the_nearest_url_wins() {
        let personal = personal(&[
            ("http.https://Example.com/a.proxy", "path"),
            ("http.https://*.example.com.proxy", "star"),
            ("HTTP.https://example.com:8443.Proxy", "port"),
            ("http.https://ana@example.com.proxy", "user"),
            ("http.https://example.com/.proxy", "host"),
            ("http.proxy", "first"),
            ("http.proxy", "all"),
        ]);
        for (url, expected) in [
            ("https://example.com/a/b.git", "path"),
            ("https://example.com/a", "path"),
            ("https://example.com/ab", "host"),
            ("https://example.com", "host"),
            ("https://EXAMPLE.com:443/x", "host"),
            ("https://ana@example.com/x", "user"),
            ("https://example.com:8443/x", "port"),
            ("https://git.example.com/x", "star"),
            ("https://a.git.example.com/x", "all"),
            ("http://example.com/x", "all"),
        ] {
            assert_eq!(personal.http(url, "proxy"), Some(expected), "{url}");
        }
        assert_eq!(personal.http("https://example.com", "sslcainfo"), None);
    }

    #[test]
    fn a_path_may_begin_at_home() {
        let personal = personal(&[("http.sslCAInfo", "~/ca.pem"), ("http.https://x.sslCAInfo", "")]);
        let found = personal.http_path("https://y", "sslcainfo");
        assert_eq!(found, Some(PathBuf::from("/home/ana/ca.pem")));
        assert_eq!(personal.http_path("https://x", "sslcainfo"), None);
    }

    #[test]
    fn files_and_variables_are_read_as_git_reads_them() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        write(".config/git/config", "[http]\n\tproxy = xdg\n\tsslCAInfo = xdg\n");
        write("more", "[http]\n\tproxy = included\n");
        let more = home.path().join("more");
        write(".gitconfig", &format!("[include]\n\tpath = {}\n", more.display()));
        let read = |variables: &[(&str, &str)]| {
            let mut network = Network::quiet(home.path().to_owned());
            let own = [("GIT_CONFIG_NOSYSTEM", "1")];
            let all = own.iter().chain(variables);
            network.variables = std::sync::Arc::new(all.map(|(n, v)| ((*n).to_owned(), (*v).into())).collect());
            Personal::read(&network)
        };
        assert_eq!(read(&[]).http("https://x", "proxy"), Some("included"));
        assert_eq!(read(&[]).http("https://x", "sslcainfo"), Some("xdg"));
        let none = read(&[("GIT_CONFIG_GLOBAL", "/dev/null")]);
        assert_eq!(none.http("https://x", "proxy"), None);
        let given = read(&[
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "http.https://x.PROXY"),
            ("GIT_CONFIG_VALUE_0", "given"),
        ]);
        assert_eq!(given.http("https://x/y", "proxy"), Some("given"));
        assert_eq!(given.http("https://z/y", "proxy"), Some("included"));
    }
}
