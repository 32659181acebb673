//! The commands of the README's sections on remotes are run as they stand there. Servers on loopback play github.com, gitlab.com
//! and a server of one's own: the person's SSH configuration leads there, and a proxy.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::hosting::github::GitHub;
use crate::hosting::gitlab;
use crate::machines::{Machine, Run, git};
use crate::servers::https::TOKEN;
use crate::servers::process::{program, write_script};
use crate::servers::{ConnectProxy, Https, Ssh};

const PASSPHRASE: &str = "seven green turtles sing at noon";

/// The lines of the README's section with this heading.
fn section(heading: &str) -> Vec<&'static str> {
    let readme = include_str!("../../README.md");
    let lines: Vec<&str> = readme
        .lines()
        .skip_while(|line| *line != format!("## {heading}"))
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .collect();
    assert!(!lines.is_empty(), "the README has no section `{heading}`");
    lines
}

/// The commands in the blocks of a section, without what is said about them at the end of the line.
fn commands(heading: &str) -> Vec<&'static str> {
    section(heading)
        .into_iter()
        .filter_map(|line| line.strip_prefix("    "))
        .map(|line| line.split("   ").next().unwrap().trim())
        .collect()
}

/// Runs a line of shell as the machine's person would, with csync installed.
fn runs(machine: &Machine, line: &str) -> Run {
    let like_this = machine.command(&[]);
    let installed = std::path::Path::new(env!("CARGO_BIN_EXE_csync")).parent().unwrap();
    let mut path = std::ffi::OsString::from(installed);
    for (name, value) in like_this.get_envs() {
        if name == "PATH" {
            path.push(":");
            path.push(value.unwrap());
        }
    }
    let output = Command::new("/bin/sh")
        .args(["-c", line])
        .env_clear()
        .envs(like_this.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("PATH", path)
        .env("CSYNC_PASSPHRASE", PASSPHRASE)
        .current_dir(&machine.home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The servers that play the world, and the machines in it.
struct World {
    https: Https,
    ssh: Ssh,
    proxy: ConnectProxy,
    folder: TempDir,
    machines: usize,
}

impl World {
    /// With an empty repository `me/sessions.git` over HTTPS and SSH, as somebody made it in the browser.
    fn new() -> Self {
        let (https, ssh) = (Https::start(), Ssh::start());
        https.bare("me/sessions.git");
        ssh.bare("me/sessions.git");
        ssh.starts_among_repositories();
        Self {
            proxy: ConnectProxy::leading_to(https.port()),
            https,
            ssh,
            folder: tempfile::tempdir().unwrap(),
            machines: 0,
        }
    }

    /// A new machine of somebody who has a key, and whose credential helper knows the token.
    fn machine(&mut self) -> Machine {
        self.machines += 1;
        let name = format!("machine-{}", self.machines);
        let mut machine = Machine::new(&name, self.folder.path().join(&name));
        self.ssh.install_for(&mut machine);
        // The user of the tests is the only one whom the server lets in, whoever is asked for.
        let rest = "case $argument in git@github.com | git@gitlab.com | me@server) argument=${argument#*@} ;; esac";
        write_script(
            &machine.home.join("programs/ssh"),
            &format!(
                "#!/bin/sh\ncount=$#\nwhile [ $count -gt 0 ]; do argument=$1; shift; count=$((count - 1)); {rest}\n\
                 set -- \"$@\" \"$argument\"; done\nexec {} -F {}/.ssh/as_home \"$@\"\n",
                program("ssh").display(),
                machine.home.display()
            ),
        );
        let config = format!(
            "Host github.com gitlab.com server\n  HostName 127.0.0.1\n  Port {}\n  User {}\n",
            self.ssh.port(),
            self.ssh.user()
        );
        std::fs::write(machine.home.join(".ssh/config"), config).unwrap();
        let helper = format!("!echo username={} && echo password={} #", TOKEN.0, TOKEN.1);
        let config = format!("[credential]\n\thelper = \"{helper}\"\n");
        std::fs::write(machine.home.join(".gitconfig"), config).unwrap();
        machine
            .with("HTTPS_PROXY", self.proxy.url())
            .with("GIT_SSL_CAINFO", self.https.ca())
            .with("CSYNC_MAX_RETRIES", "0")
    }

    /// The same before Git has a helper.
    fn machine_without_helper(&mut self) -> Machine {
        let machine = self.machine();
        std::fs::remove_file(machine.home.join(".gitconfig")).unwrap();
        machine
    }
}

/// Runs what a section says, each `csync init` on a machine of its own that has something to send; gives what was run.
fn follow(world: &mut World, heading: &str, tool: &dyn Fn() -> Machine) -> Vec<String> {
    let mut ran = Vec::new();
    let mut machine = None;
    for line in commands(heading) {
        if line.starts_with("csync init ") {
            let next = match line.contains("github:") || line.contains("gitlab:") {
                true => tool(),
                false => world.machine(),
            };
            next.write("CLAUDE.md", format!("Written on {}.\n", next.name));
            runs(&next, line).ok();
            // The sections tell of `csync sync` once, and mean it everywhere.
            runs(&next, "csync sync").ok();
            machine = Some(next);
        } else if let Some(rest) = line.strip_prefix("CSYNC_GIT_TOKEN=… ") {
            // In CI there is no helper, and a vault that the machine before made.
            let url = "https://github.com/me/sessions.git";
            let next = world.machine_without_helper();
            runs(&next, &format!("csync init {url}")).fails(16);
            let token = format!("CSYNC_GIT_TOKEN={} ", TOKEN.1);
            runs(&next, &format!("{token}csync init {url}")).ok();
            runs(&next, &(token + rest)).ok();
            assert!(next.has("CLAUDE.md"));
        } else {
            let machine = machine.get_or_insert_with(|| world.machine());
            runs(machine, line).ok();
        }
        ran.push(line.to_owned());
    }
    ran
}

#[test]
fn the_commands_of_the_readme_work_at_github() {
    let (mut world, github) = (World::new(), GitHub::start());
    let ran = follow(&mut world, "Use a private GitHub repository", &|| github.machine("gh"));
    assert_eq!(
        ran,
        [
            "csync init github:me/sessions",
            "csync sync",
            "csync init git@github.com:me/sessions.git",
            "csync init https://github.com/me/sessions.git",
            "CSYNC_GIT_TOKEN=… csync sync",
        ]
    );
    assert_eq!(github.refs("me/sessions"), 1);
    for repository in [world.https.bare("me/sessions.git"), world.ssh.bare("me/sessions.git")] {
        assert!(
            !git(&repository, &["for-each-ref"]).is_empty(),
            "{}",
            repository.display()
        );
    }
}

#[test]
fn the_commands_of_the_readme_work_at_gitlab() {
    let (mut world, host) = (World::new(), GitHub::start());
    let ran = follow(&mut world, "Use a private GitLab repository", &|| {
        gitlab::machine(&host, "glab")
    });
    assert_eq!(
        ran,
        [
            "csync init gitlab:me/sessions",
            "csync sync",
            "csync init git@gitlab.com:me/sessions.git",
            "csync init https://gitlab.com/me/sessions.git",
        ]
    );
    assert_eq!(host.refs("me/sessions"), 1);
}

#[test]
fn the_commands_of_the_readme_work_at_a_server_of_ones_own() {
    let mut world = World::new();
    let ran = follow(&mut world, "Use a server of your own", &|| {
        unreachable!("no tool is named")
    });
    assert_eq!(
        ran,
        [
            "ssh me@server git init --bare sessions.git",
            "csync init me@server:sessions.git",
            "csync sync",
        ]
    );
    assert!(!git(&world.ssh.bare("sessions.git"), &["for-each-ref"]).is_empty());
}

#[test]
fn the_commands_of_the_readme_work_on_two_computers() {
    let mut world = World::new();
    let (ana, bob) = (world.machine(), world.machine());
    let url = "https://git.example.org/me/sessions.git";
    // The server's certificate is for one of the names that the proxy leads to it.
    let url = url.replace("git.example.org", "gitlab.com");
    ana.write("CLAUDE.md", "Be kind.\n");
    for machine in [&ana, &bob] {
        let mut ran = 0;
        for line in commands("Two computers") {
            runs(machine, &line.replace("<URL>", &url)).ok();
            ran += 1;
        }
        assert_eq!(ran, 4, "init, sync, remote test, doctor");
    }
    assert_eq!(bob.text("CLAUDE.md"), "Be kind.\n");
    let told = runs(&ana, "csync sync").ok();
    assert!(told.stderr.contains("was added to this vault"), "{told:?}");

    // What the last section names.
    let named: Vec<&str> = section("When the network is not simple")
        .into_iter()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|code| code.starts_with("csync "))
        .collect();
    assert_eq!(named, ["csync remote show", "csync sync"]);
    for line in named {
        runs(&ana, line).ok();
    }
    for transport in ["auto", "libgit2", "git"] {
        runs(&ana, &format!("csync sync --transport {transport}")).ok();
    }
    let away = ana.with("HTTPS_PROXY", "http://127.0.0.1:1");
    runs(&away, "csync sync").fails(16);
    runs(&away, "csync sync --offline-ok").ok();
}
