//! The tool of a host, run as a child: bounded in time and output, with nobody to ask, and without csync's secrets.

use std::process::Command;
use std::time::Duration;

use super::answer::{self, Answer};
use super::child::{self, Ended};
use super::name::{self, Name, Service};
use crate::engine::context::Context;
use crate::error::{Error, Kind, Result, reason};

/// Variables that make the tools talk otherwise than a program expects.
const DISTURBING: [&str; 9] = [
    "GH_DEBUG",
    "GH_FORCE_TTY",
    "GH_REPO",
    "DEBUG",
    "GLAB_DEBUG",
    "FORCE_HYPERLINKS",
    "CLICOLOR_FORCE",
    "REMOTE_ALIAS",
    "GIT_REMOTE_URL_VAR",
];
/// Variables in which people give the tools a token. They go to the tool, and never into what is shown.
const TOKENS: [&str; 8] = [
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GITLAB_TOKEN",
    "GITLAB_ACCESS_TOKEN",
    "OAUTH_TOKEN",
    "CI_JOB_TOKEN",
];

/// `gh` or `glab`, for one host.
pub(super) struct Tool<'a> {
    /// Its variables, its time, and whether to stop.
    context: &'a Context<'a>,
    /// The kind of host.
    service: Service,
    /// The host that it asks, with its port where that is not the usual one.
    pub(super) host: String,
    /// How the person goes on without the tool: the end of hints.
    pub(super) by_hand: String,
    /// What the person wrote.
    asked: String,
}

impl<'a> Tool<'a> {
    /// The tool for `name`, at the host that `GH_HOST` or `GITLAB_HOST` names, else at the usual one.
    ///
    /// # Errors
    /// A variable that names no host.
    pub(super) fn of(context: &'a Context<'a>, name: &Name, asked: &str) -> Result<Self> {
        let variables: &[&str] = match name.service {
            Service::GitHub => &["GH_HOST"],
            Service::GitLab => &["GITLAB_HOST", "GITLAB_URI", "GL_HOST"],
        };
        let given = variables
            .iter()
            .find_map(|variable| Some((variable, context.environment.variable(variable)?)));
        let Some((variable, host)) = given else {
            return Ok(Self::of_host(context, name, name.service.usual_host(), asked));
        };
        let host = host.to_string_lossy();
        let host = host.strip_prefix("https://").unwrap_or(&host).trim_end_matches('/');
        if !name::is_host(host) {
            return Err(Error::new(Kind::Usage, format!("{variable} names no host"))
                .hint(format!("give it a name such as {}", name.service.usual_host())));
        }
        Ok(Self::of_host(context, name, host, asked))
    }

    /// The tool for `name` at `host`.
    pub(super) fn of_host(context: &'a Context<'a>, name: &Name, host: &str, asked: &str) -> Self {
        let host = host.to_ascii_lowercase();
        let owner = if name.owner.is_empty() { "OWNER" } else { &name.owner };
        let by_hand = format!(
            "to do it by hand, make an empty private repository in the browser and run `csync init git@{}:{owner}/{}.git`",
            host.split(':').next().unwrap_or_default(),
            name.repository
        );
        Self {
            context,
            service: name.service,
            host,
            by_hand,
            asked: asked.to_owned(),
        }
    }

    /// Its name.
    pub(super) const fn program(&self) -> &'static str {
        self.service.program()
    }

    /// Asks the host's API for `endpoint`. With `fields`, a POST of a JSON object: a text, or `true`, `false` or a number as
    /// it is, behind each name.
    ///
    /// # Errors
    /// The tool is missing or not signed in; the host cannot be reached. An answer that says no is none.
    pub(super) fn api(&self, endpoint: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        // With `--include`, standard output tells the status also when the tool ends with a failure.
        let mut arguments = vec!["api".to_owned(), "--include".to_owned()];
        // `glab` may else take the host of the repository that somebody works in, and `gh` the only one that it knows. Neither
        // takes a port there.
        if self.host == self.service.usual_host() || self.service == Service::GitLab && !self.host.contains(':') {
            arguments.extend(["--hostname".to_owned(), self.host.clone()]);
        }
        arguments.extend([
            "--method".to_owned(),
            if fields.is_empty() { "GET" } else { "POST" }.to_owned(),
        ]);
        for (name, value) in fields {
            let typed = matches!(*value, "true" | "false") || value.parse::<u64>().is_ok() && *name == "namespace_id";
            let flag = if typed { "--field" } else { "--raw-field" };
            arguments.extend([flag.to_owned(), format!("{name}={value}")]);
        }
        arguments.push(endpoint.to_owned());
        let ended = self
            .run(self.program(), &arguments)
            .map_err(|error| self.cannot_run(error))?;
        let said = self.shown(&ended.stderr);
        match answer::split(&ended.stdout) {
            Some((401, _)) => Err(self.not_signed_in()),
            Some((status, body)) => Ok(Answer {
                status,
                body: body.to_owned(),
                said,
                host: self.host.clone(),
            }),
            // `gh` ends with 4 where it knows by itself that nobody is signed in.
            None if ended.code == Some(4) || ended.stderr.contains(" auth login") => Err(self.not_signed_in()),
            None => Err(Error::new(
                Kind::Network,
                format!("{} cannot ask {}: {said}", self.program(), self.host),
            )
            .hint(format!("see that `{} auth status` is content", self.program()))),
        }
    }

    /// The protocol that the tool is set to for Git: `ssh` or `https`.
    pub(super) fn protocol(&self) -> &'static str {
        let arguments = ["config", "get", "git_protocol", "--host", &self.host].map(str::to_owned);
        let set = self.run(self.program(), &arguments).ok().filter(|ended| ended.success);
        match (set.as_ref().map(|ended| ended.stdout.trim()), self.service) {
            (Some("ssh"), _) => "ssh",
            // What `glab` takes where nobody chose.
            (None | Some(""), Service::GitLab) => "ssh",
            _ => "https",
        }
    }

    /// Whether Git's configuration names a credential helper for HTTPS at this host; none: there is no `git` to tell.
    pub(super) fn git_has_credentials(&self) -> Option<bool> {
        let url = format!("https://{}", self.host);
        let arguments = ["config", "--get-urlmatch", "credential.helper", &url].map(str::to_owned);
        let ended = self.run("git", &arguments).ok()?;
        Some(!ended.stdout.trim().is_empty())
    }

    /// How long one question to a host may take: as long as a connection and a silent server may.
    fn longest(&self) -> Duration {
        self.context.config.timeouts.connect + self.context.config.timeouts.idle
    }

    /// Runs a program to its end.
    fn run(&self, program: &str, arguments: &[String]) -> std::io::Result<Ended> {
        let environment = &self.context.environment;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(environment.variables())
            .env("GH_PROMPT_DISABLED", "1")
            .env("GH_NO_UPDATE_NOTIFIER", "1")
            .env("GLAB_NO_PROMPT", "true")
            .env("GLAB_CHECK_UPDATE", "false")
            .env("GLAB_SEND_TELEMETRY", "false")
            .env("NO_COLOR", "1")
            // In no repository: `glab` would take its remotes for what the person asks about, and Git its configuration.
            .current_dir(std::path::MAIN_SEPARATOR_STR);
        for name in DISTURBING {
            command.env_remove(name);
        }
        match self.service {
            // Told of github.com by the variable, it asks there also when it knows that nobody is signed in.
            Service::GitHub if self.host == self.service.usual_host() => command.env_remove("GH_HOST"),
            Service::GitHub => command.env("GH_HOST", &self.host),
            Service::GitLab => command.env("GITLAB_HOST", &self.host),
        };
        child::run(command, self.longest(), || self.context.check_stop().is_err())
    }

    /// Why the tool could not be run, and how to go on.
    fn cannot_run(&self, error: std::io::Error) -> Error {
        let (program, asked) = (self.program(), &self.asked);
        match error.kind() {
            std::io::ErrorKind::NotFound => Error::new(
                Kind::Usage,
                format!("{asked} needs the program {program}, which is not there"),
            )
            .hint(format!(
                "install {program} and run `{}`; {}",
                self.sign_in(),
                self.by_hand
            )),
            std::io::ErrorKind::Interrupted if self.context.check_stop().is_err() => {
                Error::new(Kind::Interrupted, "interrupted").hint("run the same command again to go on")
            }
            std::io::ErrorKind::TimedOut => Error::new(
                Kind::Network,
                format!("{program} did not answer within {} seconds", self.longest().as_secs()),
            )
            .hint(format!("see that `{program} auth status` is content; {}", self.by_hand)),
            _ => Error::new(Kind::General, format!("cannot run {program}: {}", reason(&error)))
                .hint(self.by_hand.clone())
                .caused_by(error),
        }
    }

    /// Nobody is signed in at the host, or no longer.
    fn not_signed_in(&self) -> Error {
        Error::new(
            Kind::Network,
            format!("{} is not signed in to {}", self.program(), self.host),
        )
        .hint(format!("run `{}`; {}", self.sign_in(), self.by_hand))
    }

    /// The command that signs in.
    fn sign_in(&self) -> String {
        let program = self.program();
        match self.host == self.service.usual_host() {
            true => format!("{program} auth login"),
            false => format!("{program} auth login --hostname {}", self.host),
        }
    }

    /// The first line of what a tool said, without tokens.
    fn shown(&self, text: &str) -> String {
        let mut line = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or("no answer")
            .to_owned();
        for name in TOKENS {
            if let Some(token) = self.context.environment.variable(name).and_then(|token| token.to_str())
                && !token.trim().is_empty()
            {
                line = line.replace(token.trim(), "…");
            }
        }
        line.chars().filter(|c| !c.is_control()).take(300).collect()
    }
}
