use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::beyond::Wish;
use super::*;

/// A person with a home of their own, and the `PATH` that these tests run with.
struct Person {
    home: TempDir,
    variables: BTreeMap<String, OsString>,
}

impl Person {
    fn new() -> Self {
        let variables = BTreeMap::from([("PATH".to_owned(), std::env::var_os("PATH").unwrap())]);
        Self {
            home: tempfile::tempdir().unwrap(),
            variables,
        }
    }

    fn with_config(text: &str) -> Self {
        let person = Self::new();
        std::fs::create_dir(person.home.path().join(".ssh")).unwrap();
        std::fs::write(person.home.path().join(".ssh/config"), text).unwrap();
        person
    }

    fn ask(&self, asked: &Asked<'_>) -> Answer {
        ask(asked, self.home.path(), &self.variables)
    }

    fn config(&self, host: &str) -> SshConfig {
        let answer = self.ask(&host_only(host));
        answer.config().unwrap_or_else(|| panic!("{answer:?}")).clone()
    }

    /// What the configuration asks for of `host`, and nothing else stands in the address.
    fn wish(&self, host: &str) -> Option<Wish> {
        beyond_libssh2(&self.config(host), &host_only(host)).map(|reason| reason.wish)
    }
}

fn host_only(host: &str) -> Asked<'_> {
    Asked {
        host,
        port: None,
        user: None,
    }
}

#[test]
fn without_a_configuration_nothing_is_asked_for() {
    let person = Person::new();
    for asked in [
        host_only("github.com"),
        Asked {
            host: "GitHub.com",
            port: Some(22),
            user: Some("git"),
        },
        Asked {
            host: "ssh.github.com",
            port: Some(443),
            user: Some("git"),
        },
        host_only("::1"),
        host_only("[::1]"),
        host_only("192.0.2.1"),
    ] {
        let answer = person.ask(&asked);
        let config = answer.config().unwrap();
        assert_eq!(beyond_libssh2(config, &asked), None, "{asked:?} {config:?}");
        assert_eq!(config.identity_files, None);
        assert_eq!(config.identity_agent, IdentityAgent::Usual);
        assert_eq!(config.strict_host_key_checking, StrictChecking::Ask);
        assert_eq!(
            config.known_hosts_files(person.home.path()),
            known_hosts::files(person.home.path())
        );
        let port = asked.port.unwrap_or(22);
        assert_eq!(config.lookup_name(), known_hosts::HostName::new(asked.host, port));
    }
}

#[test]
fn an_agent_in_the_environment_is_the_usual_one() {
    let mut person = Person::with_config("Host one\nIdentityAgent SSH_AUTH_SOCK\nHost two\nIdentityAgent /run/agent\n");
    person.variables.insert("SSH_AUTH_SOCK".into(), "/run/agent".into());
    for host in ["one", "two", "three"] {
        assert_eq!(person.config(host).identity_agent, IdentityAgent::Usual, "{host}");
        assert_eq!(person.wish(host), None, "{host}");
    }
}

#[test]
fn each_thing_that_libssh2_cannot_do_is_told() {
    for (line, wish, words) in [
        (
            "HostName git.example.com",
            Wish::Alias("git.example.com".into()),
            "`~/.ssh/config` says that work-host stands for git.example.com",
        ),
        (
            "ProxyJump bastion",
            Wish::Jump,
            "`~/.ssh/config` sends work-host through a jump host",
        ),
        (
            "ProxyCommand nc %h %p",
            Wish::Command,
            "`~/.ssh/config` reaches work-host through a command",
        ),
        (
            "Port 2222",
            Wish::Port(2222),
            "`~/.ssh/config` reaches work-host at port 2222",
        ),
        (
            "User zed",
            Wish::User("zed".into()),
            "`~/.ssh/config` signs in to work-host as zed",
        ),
        (
            "BindAddress 192.0.2.1",
            Wish::Bind,
            "`~/.ssh/config` reaches work-host from a certain address",
        ),
        (
            "CertificateFile ~/.ssh/id-cert.pub",
            Wish::Certificate,
            "`~/.ssh/config` signs in to work-host with a certificate",
        ),
        (
            "PKCS11Provider /usr/lib/token.so",
            Wish::SmartCard,
            "`~/.ssh/config` signs in to work-host with a PKCS#11 token",
        ),
        (
            "SecurityKeyProvider /usr/lib/fido.so",
            Wish::SecurityKey,
            "`~/.ssh/config` signs in to work-host with a security key",
        ),
        (
            "IdentityAgent ~/agent.sock",
            Wish::Agent,
            "`~/.ssh/config` has an SSH agent of its own for work-host",
        ),
        (
            "HostKeyAlias other",
            Wish::HostKeyAlias("other".into()),
            "`~/.ssh/config` knows the host key of work-host as that of other",
        ),
        (
            "KnownHostsCommand /bin/echo %H",
            Wish::KnownHostsCommand,
            "`~/.ssh/config` asks a command for the host key of work-host",
        ),
    ] {
        let person = Person::with_config(&format!("Host work-host\n  {line}\n"));
        let reason = beyond_libssh2(&person.config("work-host"), &host_only("work-host")).unwrap();
        assert_eq!(reason.wish, wish, "{line}");
        assert_eq!(reason.to_string(), words);
        assert_eq!(person.wish("github.com"), None, "{line}: another host");
    }
}

#[test]
fn what_the_address_says_wins() {
    let person = Person::with_config("Host *\n  Port 2222\n  User zed\n");
    let asked = Asked {
        host: "example.com",
        port: Some(22),
        user: Some("git"),
    };
    let answer = person.ask(&asked);
    let config = answer.config().unwrap();
    assert_eq!((config.port, config.user.as_str()), (22, "git"));
    assert_eq!(beyond_libssh2(config, &asked), None);
}

#[test]
fn what_is_switched_off_is_not_asked_for() {
    let person = Person::with_config(
        "Host one\n  ProxyJump none\n  ProxyCommand none\n  IdentityAgent none\n  IdentityFile none\n  UserKnownHostsFile none\n",
    );
    assert_eq!(person.wish("one"), None);
    let config = person.config("one");
    assert_eq!(config.identity_agent, IdentityAgent::None);
    assert_eq!(config.identity_files, Some(vec![]));
    assert_eq!(config.user_known_hosts_files, Some(vec![]));
}

#[test]
fn the_rest_is_for_the_caller_to_heed() {
    let person = Person::with_config(
        "Host one\n  IdentityFile ~/.ssh/id_one\n  IdentityFile \"%d/.ssh/with blank_%h\"\n  IdentitiesOnly yes\n  \
         UserKnownHostsFile ~/.ssh/hosts \"/tmp/a b/hosts\"\n  GlobalKnownHostsFile /etc/hosts2\n  HashKnownHosts yes\n  \
         StrictHostKeyChecking accept-new\nHost strict\n  StrictHostKeyChecking yes\nHost loose\n  StrictHostKeyChecking no\n",
    );
    let config = person.config("one");
    let home = person.home.path();
    let below = |name: &str| home.join(".ssh").join(name);
    assert_eq!(
        config.identity_files,
        Some(vec![below("id_one"), below("with blank_one")])
    );
    assert!(config.identities_only && config.hash_known_hosts);
    assert_eq!(
        config.known_hosts_files(home),
        [below("hosts"), "/tmp/a b/hosts".into(), "/etc/hosts2".into()]
    );
    assert_eq!(config.strict_host_key_checking, StrictChecking::AcceptNew);
    assert_eq!(person.config("strict").strict_host_key_checking, StrictChecking::Yes);
    assert_eq!(person.config("loose").strict_host_key_checking, StrictChecking::No);
    assert_eq!(person.wish("one"), None);
}

#[test]
fn host_names_with_patterns_and_includes_are_openssh_s_business() {
    let person = Person::new();
    let folder = person.home.path().join(".ssh");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("more"), "Host *.work\n  HostName %h.example.com\n").unwrap();
    let include = format!("Include {}\n", folder.join("more").display());
    std::fs::write(folder.join("config"), include).unwrap();
    assert_eq!(
        person.wish("git.work"),
        Some(Wish::Alias("git.work.example.com".into()))
    );
}

#[test]
fn in_the_home_of_the_user_database_ssh_is_asked_as_the_git_command_asks_it() {
    let print = |arguments: &[&str]| {
        let output = Command::new("ssh")
            .args(arguments)
            .args(["-T", "-G", "host"])
            .output()
            .unwrap();
        Settings::parse(&String::from_utf8(output.stdout).unwrap())
    };
    let home = database_home(&print(&["-F", "none"])).unwrap();
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let answer = ask(&host_only("host"), &home, &variables.collect());
    let config = answer.config().unwrap();
    let theirs = print(&[]);
    assert_eq!(Some(config.host_name.as_str()), theirs.one("hostname"));
    assert_eq!(Some(config.user.as_str()), theirs.one("user"));
    assert_eq!(config.hash_known_hosts, theirs.is_on("hashknownhosts"));
}

#[test]
fn a_mistake_in_the_configuration_is_told_in_the_words_of_ssh() {
    let person = Person::with_config("Host one\n  NoSuchThing yes\n");
    let Answer::Failed { why } = person.ask(&host_only("one")) else {
        panic!("ssh takes no such setting")
    };
    assert!(why.contains("config") && why.contains("terminating"), "{why}");
}

#[test]
fn no_name_becomes_an_option_or_a_command() {
    let person = Person::new();
    let marker = person.home.path().join("marker");
    for host in [
        "-oProxyCommand=x",
        "-F",
        "",
        "a b",
        "a;b",
        "a$(b)",
        "a`b`",
        "a\nb",
        "git@host",
        "ssh://host",
    ] {
        assert_eq!(person.ask(&host_only(host)), Answer::NotAsked, "{host:?}");
    }
    let user = format!("-oLocalCommand=touch {}", marker.display());
    let asked = Asked {
        host: "host",
        port: None,
        user: Some(&user),
    };
    assert_eq!(person.ask(&asked), Answer::NotAsked);
}

#[test]
fn without_ssh_nothing_is_asked() {
    let mut person = Person::new();
    person.variables.insert("PATH".into(), person.home.path().into());
    assert_eq!(person.ask(&host_only("host")), Answer::NotAsked);
    person.variables.clear();
    assert_eq!(person.ask(&host_only("host")), Answer::NotAsked);
}

#[test]
fn ssh_sees_the_given_variables_only() {
    let mut person = Person::new();
    let folder = person.home.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    let seen = person.home.path().join("seen");
    let script = format!("#!/bin/sh\nenv > {}\necho hostname host\n", seen.display());
    std::fs::write(folder.join("ssh"), script).unwrap();
    std::fs::set_permissions(folder.join("ssh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    person.variables = BTreeMap::from([
        (
            "PATH".to_owned(),
            std::env::join_paths([&folder, Path::new("/usr/bin"), Path::new("/bin")]).unwrap(),
        ),
        ("ONLY_THIS".to_owned(), "one".into()),
    ]);
    assert!(person.ask(&host_only("host")).config().is_some());
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("ONLY_THIS=one"), "{seen}");
    assert!(!seen.contains("CARGO"), "{seen}");
}

#[test]
fn the_home_of_the_user_database_is_told_by_the_defaults() {
    let home = |line: &str| database_home(&Settings::parse(line));
    assert_eq!(
        home("userknownhostsfile /home/ana/.ssh/known_hosts /home/ana/.ssh/known_hosts2"),
        Some("/home/ana".into())
    );
    assert_eq!(home("userknownhostsfile none"), None);
    assert_eq!(home("port 22"), None);
}

proptest! {
    #[test]
    fn no_output_makes_it_fail(text in "([a-z]{0,20}[ ]{0,2}[\\PC]{0,20}\n){0,8}", host in "[a-z]{1,8}") {
        let settings = Settings::parse(&text);
        let (other, variables) = (database_home(&settings), BTreeMap::new());
        let surroundings = Surroundings {
            home: Path::new("/home/ana"),
            database_home: other.as_deref(),
            variables: &variables,
            local_user: "ana",
        };
        let asked = host_only(&host);
        let config = SshConfig::new("here", &asked, &settings, &Settings::default(), &surroundings);
        let _ = beyond_libssh2(&config, &asked);
    }
}
