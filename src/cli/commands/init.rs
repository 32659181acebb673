//! `csync init`: asks only what it must.

use std::io::Read as _;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString, zeroize::Zeroize};
use serde_json::json;

use crate::cli::args::InitArgs;
use crate::cli::programs;
use crate::cli::sanitize;
use crate::cli::shell::Shell;
use crate::core::device::DeviceName;
use crate::engine::{self, InitOptions, Initialised, Passphrase};
use crate::error::{Error, Kind, Result, reason};

/// A passphrase shorter than this is easily found by trying.
const SHORTEST_PASSPHRASE: usize = 8;

/// Runs the command.
pub fn run(shell: &Shell, arguments: InitArgs) -> Result<Option<Kind>> {
    let prompter = shell.prompter.as_ref();
    let mut url = arguments.url;
    let mut local = arguments.local;
    if url.is_none() && !local {
        // Who lost the mirror or the key runs `csync init` again; where the vault is was written down the first time.
        url = shell.config.remote.clone();
    }
    if url.is_none() && !local {
        if !prompter.is_there() {
            return Err(Error::new(Kind::Usage, "where is the vault?")
                .hint("give the URL of an empty private Git repository, or --local to try csync without a server"));
        }
        let answer = prompter.text(
            "URL of an empty private Git repository, or github:NAME or gitlab:NAME (empty: keep the vault on this machine only)",
            Some(""),
            "give the URL, or --local",
        )?;
        local = answer.trim().is_empty();
        url = (!local).then(|| answer.trim().to_owned());
    }
    let device = match arguments
        .device
        .or_else(|| shell.config.device.clone().map(String::from))
    {
        Some(device) => device,
        None if prompter.is_there() => prompter.text(
            "Name of this device",
            Some(&host_name().unwrap_or_else(|| "my computer".to_owned())),
            "--device NAME",
        )?,
        None => host_name().unwrap_or_else(|| "unnamed device".to_owned()),
    };
    let device = DeviceName::try_from(device.trim().to_owned())
        .map_err(|why| Error::new(Kind::Usage, why.to_string()).hint("give another one with --device NAME"))?;
    let options = InitOptions {
        url,
        allow_public: arguments.allow_public,
        local,
        device,
        identity: arguments.identity.map(|file| shell.environment.resolve(&file)),
        claude: arguments
            .source
            .into_iter()
            .next_back()
            .map(|(_, folder)| shell.environment.resolve(&folder)),
    };
    let mut passphrase = Asked {
        shell,
        file: arguments.passphrase_file.as_deref(),
        // On one machine there is nobody to join, and nothing to ask.
        none: arguments.no_passphrase || (local && arguments.passphrase_file.is_none()),
    };
    let done = engine::init(&shell.context(arguments.json), &options, &mut passphrase)?;
    if arguments.json {
        shell.print_json(&json!({
            "version": 1,
            "vault": done.vault,
            "remote": done.remote,
            "new": done.new,
            "members": done.members,
            "identity": done.identity,
            "passphrase": done.passphrase,
        }))?;
    } else if !shell.quiet {
        shell.print(&told(&done, local))?;
    }
    Ok(None)
}

fn told(done: &Initialised, local: bool) -> String {
    let remote = sanitize::line(&done.remote).into_owned();
    let mut text = if done.new {
        format!("Made a new vault in {remote}.\n")
    } else {
        format!(
            "Joined the vault in {remote}. Its members are now: {}.\n\
             This machine sees it for the first time, so it cannot know whether the host offers its newest state;\n\
             from now on it notices when the host goes back in time.\n",
            done.members
                .iter()
                .map(|name| sanitize::line(name).into_owned())
                .collect::<Vec<_>>()
                .join(", ")
        )
    };
    text.push_str(&match &done.identity {
        Some(file) => format!(
            "This device's key is in {}: keep it to yourself.\n",
            sanitize::line(&file.to_string_lossy())
        ),
        None => "This device's key is the one in CSYNC_IDENTITY; it was not written to a file.\n".to_owned(),
    });
    if done.new && !local {
        text.push_str(match done.passphrase {
            true => "On another machine, run `csync init` with the same URL and the passphrase. Nobody can recover a lost passphrase.\n",
            false => "The vault has no passphrase: other machines need a copy of that key (`csync init <URL> --identity FILE`).\n",
        });
    }
    text.push_str("Next: `csync sync`.\n");
    text
}

/// The passphrase from a file, standard input, the environment or a prompt, in this order.
struct Asked<'a> {
    shell: &'a Shell,
    file: Option<&'a Path>,
    none: bool,
}

impl Asked<'_> {
    fn given(&self) -> Result<Option<SecretString>> {
        match self.file {
            Some(file) => read_first_line(&self.shell.environment.resolve(file), file == Path::new("-")).map(Some),
            None => Ok(self.shell.environment.secret("CSYNC_PASSPHRASE")),
        }
    }
}

/// Why a short passphrase is not taken.
const WHY_LONG: &str = "whoever gets a copy of the repository can try passphrases: take several random words";

fn is_short(passphrase: &SecretString) -> bool {
    passphrase.expose_secret().chars().count() < SHORTEST_PASSPHRASE
}

impl Asked<'_> {
    /// Asks until it is long enough: who typed a user name and a password to come here does not begin again.
    fn ask_for_a_new_one(&self) -> Result<SecretString> {
        loop {
            let passphrase = self.shell.prompter.new_passphrase(
                "Passphrase of the vault (other machines join with it)",
                "--passphrase-file FILE, CSYNC_PASSPHRASE or --no-passphrase",
            )?;
            if !is_short(&passphrase) {
                return Ok(passphrase);
            }
            self.shell.warn(&format!(
                "it needs {SHORTEST_PASSPHRASE} characters at least: {WHY_LONG}"
            ));
        }
    }
}

impl Passphrase for Asked<'_> {
    fn choose(&mut self) -> Result<Option<SecretString>> {
        let passphrase = match self.given()? {
            Some(passphrase) => passphrase,
            None if self.none => return Ok(None),
            None => return self.ask_for_a_new_one().map(Some),
        };
        if self.none {
            return Ok(None);
        }
        if is_short(&passphrase) {
            return Err(Error::new(
                Kind::Usage,
                format!("the passphrase is shorter than {SHORTEST_PASSPHRASE} characters"),
            )
            .hint(WHY_LONG));
        }
        Ok(Some(passphrase))
    }

    fn enter(&mut self) -> Result<SecretString> {
        match self.given()? {
            Some(passphrase) => Ok(passphrase),
            None => self.shell.prompter.passphrase(
                "Passphrase of the vault",
                "--passphrase-file FILE, CSYNC_PASSPHRASE or --identity FILE",
            ),
        }
    }
}

/// The first line of a file, or of standard input, without its end.
fn read_first_line(file: &Path, from_stdin: bool) -> Result<SecretString> {
    /// Enough for every passphrase; a wrong file is not read to its end.
    const LONGEST: u64 = 64 << 10;
    let cannot = |source: std::io::Error| {
        let place = if from_stdin {
            "standard input".to_owned()
        } else {
            file.display().to_string()
        };
        Error::new(
            Kind::Key,
            format!("cannot read the passphrase from {place}: {}", reason(&source)),
        )
        .hint("give a text file with the passphrase on its first line, or `-` for standard input")
        .caused_by(source)
    };
    let mut text = String::new();
    if from_stdin {
        std::io::stdin()
            .lock()
            .take(LONGEST)
            .read_to_string(&mut text)
            .map_err(cannot)?;
    } else {
        std::fs::File::open(file)
            .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
            .map_err(cannot)?;
    }
    let line = text.lines().next().unwrap_or_default().to_owned();
    text.zeroize();
    if line.is_empty() {
        return Err(Error::new(Kind::Key, "the passphrase is empty").hint("put it on the first line of the file"));
    }
    Ok(SecretString::from(line))
}

/// What this machine calls itself. A name for the person's own list, sealed with the rest: no host sees it.
fn host_name() -> Option<String> {
    let from_kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = from_kernel.or_else(|| {
        // It needs no secret, so it gets none.
        let output = programs::command(&["hostname".to_owned()]).output().ok()?;
        String::from_utf8(output.stdout).ok()
    })?;
    let name = name.trim().split('.').next().unwrap_or_default().to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::PathBuf;
    use std::rc::Rc;
    use std::sync::Arc;

    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::cli::prompts::Scripted;
    use crate::cli::terminal::Terminal;
    use crate::config::{ColorChoice, Config, Environment, Paths};

    /// Runs `csync init` with these arguments for a person who gives these answers; gives the questions and the configuration.
    fn asked(home: &Path, arguments: &[&str], answers: &[&str]) -> (Vec<String>, Config) {
        let environment = Environment::new(home, [("TERM", "xterm")]);
        let paths = Paths::from_environment(&environment);
        let config = Config::load(&environment, &paths, &[]).unwrap();
        let terminal = Terminal::new(&environment, ColorChoice::Never, [true; 3], None);
        let person = Rc::new(Scripted::new(answers.iter().copied()));
        let given = (environment.clone(), paths.clone(), config);
        let mut shell = Shell::new(terminal, (true, 0, false), given, Arc::default());
        shell.prompter = Box::new(Rc::clone(&person));
        let Command::Init(arguments) = Cli::parse_from(["csync", "init"].iter().chain(arguments)).command else {
            unreachable!("the command is init");
        };
        run(&shell, arguments).unwrap();
        (person.asked(), Config::load(&environment, &paths, &[]).unwrap())
    }

    fn bare(folder: &Path) -> PathBuf {
        let remote = folder.join("remote.git");
        engine::create_remote(&remote).unwrap();
        remote
    }

    #[test]
    fn the_wizard_asks_only_what_it_must() {
        let folder = tempfile::tempdir().unwrap();
        let remote = bare(folder.path());
        let url = remote.to_str().unwrap();

        let first = folder.path().join("first");
        let (questions, config) = asked(&first, &[], &[url, "laptop", "correct horse battery"]);
        let begins: Vec<&str> = questions.iter().map(|asked| asked.split(' ').next().unwrap()).collect();
        assert_eq!(begins, ["URL", "Name", "Passphrase"]);
        assert_eq!(config.device.unwrap().as_str(), "laptop");

        // A short passphrase is asked for again, and nothing else.
        let other = folder.path().join("other.git");
        engine::create_remote(&other).unwrap();
        let arguments = [other.to_str().unwrap(), "--device", "x"];
        let (questions, _) = asked(
            &folder.path().join("third"),
            &arguments,
            &["short", "correct horse battery"],
        );
        assert_eq!(questions.len(), 2, "{questions:?}");

        // Joining asks for the passphrase once; what a flag says is not asked.
        let second = folder.path().join("second");
        let (questions, config) = asked(&second, &[url, "--device", "desk"], &["correct horse battery"]);
        assert_eq!(questions, ["Passphrase of the vault"]);
        assert_eq!(config.remote.as_deref(), Some(url));
    }

    #[test]
    fn an_empty_answer_keeps_the_vault_on_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let (questions, config) = asked(folder.path(), &[], &["", "laptop"]);
        assert_eq!(questions.len(), 2, "no passphrase where nobody can join: {questions:?}");
        assert!(config.remote.unwrap().ends_with("remote.git"));
    }
}
