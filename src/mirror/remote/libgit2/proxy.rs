//! Which proxy leads to a server: the person's Git configuration says so, else the environment, by the rules of curl, which
//! Git leaves it to (curl(1), "Environment"; git-config(1), `http.proxy`).

use std::net::IpAddr;

use git2::ProxyOptions;

use crate::mirror::remote::Network;
use crate::mirror::remote::personal::Personal;

/// The port of a proxy that names none, as curl has it.
const USUAL_PORT: u16 = 1080;

/// The way to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// Without a proxy.
    Straight,
    /// Through the HTTP proxy with this URL. A password may stand in it.
    Proxy(String),
    /// Through a proxy of this kind, such as `socks5`.
    Unknown(String),
}

impl Way {
    /// The way to the server at `url`. Only HTTP goes through proxies.
    pub(super) fn to(url: &str, network: &Network<'_>, personal: &Personal) -> Self {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Self::Straight;
        };
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Self::Straight;
        }
        let set = |name: &str| {
            network
                .variable(name)
                .and_then(|value| value.to_str())
                .map(str::to_owned)
        };
        let proxy = match personal.http(url, "proxy") {
            Some(proxy) => Some(proxy.to_owned()),
            None => set(&format!("{scheme}_proxy"))
                // A web server hands the header `Proxy` to its programs under this name: curl does not read it.
                .or_else(|| (scheme == "https").then(|| set("HTTPS_PROXY")).flatten())
                .or_else(|| set("all_proxy"))
                .or_else(|| set("ALL_PROXY")),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let without = set("no_proxy").or_else(|| set("NO_PROXY")).unwrap_or_default();
        match proxy.filter(|proxy| !proxy.is_empty()) {
            Some(proxy) if !is_excepted(host(authority), &without) => Self::through(&proxy),
            _ => Self::Straight,
        }
    }

    /// Through a proxy as a person writes it.
    fn through(proxy: &str) -> Self {
        let (scheme, rest) = proxy.split_once("://").unwrap_or(("http", proxy));
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") {
            return Self::Unknown(scheme);
        }
        let authority = rest.split('/').next().unwrap_or_default();
        let address = authority.rsplit('@').next().unwrap_or_default();
        let has_port = address
            .rsplit(':')
            .next()
            .is_some_and(|last| last != address && !last.contains(']'));
        Self::Proxy(if has_port || scheme == "https" {
            format!("{scheme}://{authority}")
        } else {
            format!("{scheme}://{authority}:{USUAL_PORT}")
        })
    }

    /// The same for libgit2, which looks nowhere itself.
    pub(super) fn options<'a>(&self) -> ProxyOptions<'a> {
        let mut options = ProxyOptions::new();
        if let Self::Proxy(url) = self {
            options.url(url);
        }
        options
    }
}

/// The host of `user@host:port`, without brackets.
fn host(authority: &str) -> &str {
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Whether a list such as `localhost,.example.com,10.0.0.0/8` names the host, or is `*`.
fn is_excepted(host: &str, list: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    list == "*"
        || list.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| {
            let entry = entry.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
            match address {
                Some(address) => is_within(address, entry.trim_matches(['[', ']'])),
                None => host == entry || host.strip_suffix(&entry).is_some_and(|rest| rest.ends_with('.')),
            }
        })
}

/// Whether an address is this one, or one of the network `address/bits`.
fn is_within(address: IpAddr, entry: &str) -> bool {
    let (base, bits) = entry.split_once('/').unwrap_or((entry, ""));
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let Ok(base) = base.parse().map(octets) else {
        return false;
    };
    let address = octets(address);
    let all = base.len() * 8;
    let bits = match bits {
        "" => all,
        bits => match bits.parse() {
            Ok(bits) if bits <= all => bits,
            _ => return false,
        },
    };
    let bit = |octets: &[u8], number: usize| octets[number / 8] >> (7 - number % 8) & 1;
    address.len() == base.len() && (0..bits).all(|number| bit(&address, number) == bit(&base, number))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;

    /// The way to `url` for a person with these variables; those that begin with `http.` are Git settings.
    fn way(url: &str, set: &[(&str, &str)]) -> Way {
        let mut variables = vec![("GIT_CONFIG_NOSYSTEM".to_owned(), "1".into())];
        let (settings, others): (Vec<_>, Vec<_>) = set.iter().partition(|(name, _)| name.starts_with("http."));
        variables.push(("GIT_CONFIG_COUNT".to_owned(), settings.len().to_string().into()));
        for (number, (name, value)) in settings.iter().enumerate() {
            variables.push((format!("GIT_CONFIG_KEY_{number}"), (*name).into()));
            variables.push((format!("GIT_CONFIG_VALUE_{number}"), (*value).into()));
        }
        variables.extend(others.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        let mut network = Network::quiet(PathBuf::from("/nonexistent"));
        network.variables = Arc::new(variables.into_iter().collect());
        let personal = Personal::read(&network);
        Way::to(url, &network, &personal)
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let through = |url: &str| Way::Proxy(url.to_owned());
        for (url, set, expected) in [
            ("https://host/x", vec![], Way::Straight),
            ("https://host/x", vec![("HTTPS_PROXY", "p")], through("http://p:1080")),
            (
                "https://host/x",
                vec![("https_proxy", "http://u:p@q:8/"), ("HTTPS_PROXY", "p")],
                through("http://u:p@q:8"),
            ),
            ("http://host/x", vec![("HTTP_PROXY", "p")], Way::Straight),
            ("http://host/x", vec![("http_proxy", "p:1")], through("http://p:1")),
            ("http://host/x", vec![("https_proxy", "p:1")], Way::Straight),
            (
                "https://host/x",
                vec![("ALL_PROXY", "[::1]")],
                through("http://[::1]:1080"),
            ),
            ("https://host/x", vec![("all_proxy", "https://p")], through("https://p")),
            (
                "https://host/x",
                vec![("ALL_PROXY", "socks5h://p:1")],
                Way::Unknown("socks5h".to_owned()),
            ),
            (
                "https://host/x",
                vec![("https_proxy", "p"), ("NO_PROXY", "*")],
                Way::Straight,
            ),
            ("git@host:x", vec![("ALL_PROXY", "p")], Way::Straight),
            ("ssh://host/x", vec![("ALL_PROXY", "p")], Way::Straight),
        ] {
            assert_eq!(way(url, &set), expected, "{url} {set:?}");
        }
    }

    #[test]
    fn hosts_are_excepted_as_curl_excepts_them() {
        for (host, list, excepted) in [
            ("example.com", "example.com", true),
            ("example.com", "a, .Example.com", true),
            ("git.example.com", "example.com", true),
            ("badexample.com", "example.com", false),
            ("example.com", "com.", true),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("10.1.2.3", "2.3", false),
            ("10.1.2.3", "10.0.0.0/99", false),
            ("fe80::1", "[fe80::]/10", false),
            ("fe80::1", "fe80::/10", true),
            ("::1", "[::1]", true),
            ("example.com", "", false),
        ] {
            assert_eq!(is_excepted(host, list), excepted, "{host} {list}");
        }
    }

    #[test]
    fn git_settings_come_before_the_environment() {
        let set = [
            ("https_proxy", "env:1"),
            ("http.proxy", "git:1"),
            ("http.https://host.proxy", ""),
        ];
        assert_eq!(way("https://host/x", &set), Way::Straight);
        assert_eq!(way("https://other/x", &set), Way::Proxy("http://git:1".to_owned()));
        let set = [("no_proxy", "other"), ("http.proxy", "git:1")];
        assert_eq!(way("https://other/x", &set), Way::Straight);
    }
}
