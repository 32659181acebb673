use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use super::*;

/// A person whose Git configuration is `config`, with these variables.
fn network(home: &Path, config: &str, variables: &[(&str, &str)]) -> Network<'static> {
    let file = home.join(".gitconfig");
    std::fs::write(&file, config).unwrap();
    let mut all: BTreeMap<String, OsString> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
        .collect();
    all.insert("HOME".to_owned(), home.as_os_str().to_owned());
    all.insert("GIT_CONFIG_NOSYSTEM".to_owned(), "1".into());
    all.insert("PATH".to_owned(), std::env::var_os("PATH").unwrap());
    Network {
        variables: Arc::new(all),
        ..Network::quiet(home.to_owned())
    }
}

#[test]
fn what_git_is_told_for_a_host_is_found() {
    let home = tempfile::tempdir().unwrap();
    let config = "[credential]\n\thelper = old\n\thelper =\n\thelper = store\n\
                  [credential \"https://git.example\"]\n\thelper = !gh auth git-credential\n\
                  [http]\n\tproxy = http://ana:s3cret@proxy:3128\n[http \"https://git.example\"]\n\tsslCAInfo = ~/ca.pem\n";
    let network = network(home.path(), config, &[]);

    let report = https_report("https://t0ken@git.example/me/v.git", &network);

    assert_eq!(report.helpers, ["store", "gh"]);
    assert_eq!(
        report.proxy,
        Some(("http://proxy:3128".to_owned(), "http.proxy".to_owned()))
    );
    assert_eq!(
        report.authorities,
        Some((home.path().join("ca.pem"), "http.sslCAInfo".to_owned()))
    );
    assert!(git_version(&network).unwrap().starts_with(|c: char| c.is_ascii_digit()));
}

#[test]
fn p18_what_people_write_into_a_helper_or_a_proxy_is_not_shown() {
    let home = tempfile::tempdir().unwrap();
    for (helper, shown) in [
        ("!f() { echo username=x; echo password=s3cret; }; f", "a shell command"),
        ("!TOKEN=s3cret helper", "a shell command"),
        ("/opt/helper --token s3cret", "/opt/helper"),
        ("store --file ~/s3cret", "store"),
    ] {
        let config = format!("[credential]\n\thelper = \"{helper}\"\n");
        let report = https_report("https://git.example/v.git", &network(home.path(), &config, &[]));
        assert_eq!(report.helpers, [shown]);
    }
    for proxy in [
        "ana:s3cret@proxy:3128",
        "s3cret@proxy:3128",
        "http://ana:s3/cret@proxy:3128",
    ] {
        let network = network(home.path(), "", &[("https_proxy", proxy)]);
        let (shown, _) = https_report("https://git.example/v.git", &network).proxy.unwrap();
        assert_eq!(shown, "http://proxy:3128");
    }
}

#[test]
fn without_anything_there_is_nothing() {
    let home = tempfile::tempdir().unwrap();
    let report = https_report("https://git.example/v.git", &network(home.path(), "", &[]));
    assert_eq!(report, HttpsReport::default());
    let set = [("HTTPS_PROXY", "http://p:1"), ("SSL_CERT_FILE", "/ca.pem")];
    let report = https_report("https://git.example/v.git", &network(home.path(), "", &set));
    assert_eq!(report.proxy.unwrap().1, "HTTPS_PROXY");
    assert_eq!(report.authorities.unwrap().0, Path::new("/ca.pem"));
}

#[test]
fn a_machine_without_git_has_no_version() {
    let home = tempfile::tempdir().unwrap();
    let mut network = network(home.path(), "", &[]);
    Arc::make_mut(&mut network.variables).insert("PATH".to_owned(), home.path().into());
    assert_eq!(git_version(&network), None);
}
