//! The tool of a host, run as a child: bounded in time and output, with nobody to ask, and without csync's secrets.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::name::{self, Name, Service};
use crate::engine::context::Context;
use crate::error::{Error, Kind, Result, reason};

/// How often it is looked whether the child has ended.
const PAUSE: Duration = Duration::from_millis(10);
/// How much of what a child says is read, in bytes.
const MOST: u64 = 1 << 20;

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
    context: &'a Context<'a>,
    service: Service,
    /// The host that it asks, with its port where that is not the usual one.
    pub(super) host: String,
    /// How the person goes on without the tool: the end of hints.
    pub(super) by_hand: String,
    /// What the person wrote.
    asked: String,
}

/// What a host answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status of HTTP.
    pub(super) status: u16,
    body: String,
    said: String,
    host: String,
}

/// How a child ended.
struct Ended {
    success: bool,
    code: Option<i32>,
    stdout: String,
    stderr: String,
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
            return Self::of_host(context, name, name.service.usual_host(), asked);
        };
        let host = host.to_string_lossy();
        let host = host.strip_prefix("https://").unwrap_or(&host).trim_end_matches('/');
        if !name::is_host(host) {
            return Err(Error::new(Kind::Usage, format!("{variable} names no host"))
                .hint(format!("give it a name such as {}", name.service.usual_host())));
        }
        Self::of_host(context, name, host, asked)
    }

    /// The tool for `name` at `host`.
    ///
    /// # Errors
    /// None yet.
    pub(super) fn of_host(context: &'a Context<'a>, name: &Name, host: &str, asked: &str) -> Result<Self> {
        let host = host.to_ascii_lowercase();
        let owner = if name.owner.is_empty() { "OWNER" } else { &name.owner };
        let by_hand = format!(
            "to do it by hand, make an empty private repository in the browser and run `csync init git@{}:{owner}/{}.git`",
            host.split(':').next().unwrap_or_default(),
            name.repository
        );
        Ok(Self {
            context,
            service: name.service,
            host,
            by_hand,
            asked: asked.to_owned(),
        })
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
        match read_answer(&ended.stdout) {
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
            .current_dir(std::path::MAIN_SEPARATOR_STR)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in DISTURBING {
            command.env_remove(name);
        }
        match self.service {
            // Told of github.com by the variable, it asks there also when it knows that nobody is signed in.
            Service::GitHub if self.host == self.service.usual_host() => command.env_remove("GH_HOST"),
            Service::GitHub => command.env("GH_HOST", &self.host),
            Service::GitLab => command.env("GITLAB_HOST", &self.host),
        };
        let mut child = command.spawn()?;
        let stdout = read_aside(child.stdout.take());
        let stderr = read_aside(child.stderr.take());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if self.context.check_stop().is_err() {
                end(&mut child);
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            if start.elapsed() > self.longest() {
                end(&mut child);
                return Err(std::io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(PAUSE);
        };
        // What the child started may keep the streams open: no longer than this is waited for it.
        let rest = self.longest().saturating_sub(start.elapsed()) + PAUSE;
        let cut = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
        Ok(Ended {
            success: status.success(),
            code: status.code(),
            stdout: stdout.recv_timeout(rest).map_err(cut)?,
            stderr: stderr.recv_timeout(rest).map_err(cut)?,
        })
    }

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

impl Answer {
    /// Whether the host did what it was asked.
    pub(super) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// What the tool said of it.
    pub(super) fn said(&self) -> &str {
        &self.said
    }

    /// What the answer holds.
    ///
    /// # Errors
    /// Another status than success, or something that is no JSON of this form.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        if !self.is_success() {
            return Err(Error::new(
                Kind::Network,
                format!("{} answers with status {}: {}", self.host, self.status, self.said),
            )
            .hint(
                "what the host says tells what is missing; a token may need the right to read and make repositories",
            ));
        }
        serde_json::from_str(&self.body).map_err(|error| not_understood(&self.host, &error.to_string()))
    }

    /// The host that answered.
    pub(super) fn host(&self) -> &str {
        &self.host
    }
}

/// The host answered, and what it said cannot be relied on.
pub(super) fn not_understood(host: &str, why: &str) -> Error {
    Error::new(Kind::Network, format!("the answer of {host} is not understood: {why}"))
        .hint("whether the repository is private is not known, so it is not used; give its URL if you know it")
}

/// Status and body of an answer with its head, as `--include` prints it; none: there is no such answer.
fn read_answer(text: &str) -> Option<(u16, &str)> {
    let (first, _) = text.split_once('\n')?;
    let mut words = first.strip_prefix("HTTP/")?.split_whitespace();
    let status = words.nth(1)?.parse().ok()?;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim_end().is_empty() {
            return Some((status, &text[at..]));
        }
    }
    Some((status, ""))
}

/// Reads a stream on a thread of its own, to its end or to [`MOST`].
fn read_aside(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.by_ref().take(MOST).read_to_end(&mut bytes);
            // The child must be able to end; what is more than enough is thrown away.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// Ends a child that takes too long.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_found_in_what_the_tools_print() {
        let github = "HTTP/2.0 200 OK\nDate: Sat\r\nServer: x\r\n\r\n{\"a\":1}\n";
        let gitlab = "HTTP/2.0 404 Not Found\nDate: Sat\r\n\r\n{}";
        assert_eq!(read_answer(github), Some((200, "{\"a\":1}\n")));
        assert_eq!(read_answer(gitlab), Some((404, "{}")));
        assert_eq!(read_answer("HTTP/1.1 204 No Content\r\n\r\n"), Some((204, "")));
        for text in ["", "{\"a\":1}\n", "HTTP/2.0\n\n", "HTTP/2.0 OK 200\n\n"] {
            assert_eq!(read_answer(text), None, "{text:?}");
        }
    }
}
