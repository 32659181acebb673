//! The machines of the demonstration: each a home folder of its own, in which the real program runs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use console::Style;

use super::sample;
use crate::cli::shell::Shell;
use crate::error::{Error, Kind, Result};

/// What the demonstration's text is wrapped to, in columns.
const WIDTH: usize = 78;

/// Where the demonstration plays: one folder that holds the machines and the host.
pub struct Stage<'a> {
    /// Prints, and knows about colours.
    pub shell: &'a Shell,
    /// The folder that everything is in.
    pub folder: PathBuf,
    scenes: std::cell::Cell<usize>,
}

/// One machine.
pub struct Machine<'a> {
    stage: &'a Stage<'a>,
    /// Its name.
    pub name: &'static str,
    /// Its home folder.
    pub home: PathBuf,
}

impl<'a> Stage<'a> {
    /// A stage in `folder`, which exists.
    pub fn new(shell: &'a Shell, folder: &Path) -> Result<Self> {
        // Agents name folders after real paths.
        let folder = folder.canonicalize().map_err(cannot("open", folder))?;
        Ok(Self {
            shell,
            folder,
            scenes: std::cell::Cell::new(0),
        })
    }

    /// A new machine whose home is at `home` within the stage.
    pub fn machine(&'a self, name: &'static str, home: &str) -> Result<Machine<'a>> {
        let home = self.folder.join(name).join(home);
        for folder in [home.join(".claude"), home.join("tmp")] {
            std::fs::create_dir_all(&folder).map_err(cannot("make", &folder))?;
        }
        Ok(Machine {
            stage: self,
            name,
            home,
        })
    }

    /// Begins a scene.
    pub fn scene(&self, title: &str) -> Result<()> {
        self.shell.context(false).check_stop()?;
        let number = self.scenes.get() + 1;
        self.scenes.set(number);
        // After the introduction there is a blank line already.
        let gap = if number == 1 { "" } else { "\n" };
        let title = self
            .shell
            .paint(&Style::new().bold().underlined(), &format!("{number}. {title}"));
        self.print(&format!("{gap}{title}\n\n"))
    }

    /// Explains.
    pub fn say(&self, text: &str) -> Result<()> {
        self.print(&format!("{}\n\n", wrapped(text)))
    }

    /// Says that something is as promised.
    pub fn fulfilled(&self, what: &str) -> Result<()> {
        let mark = self.shell.paint(&Style::new().green().bold(), "✓");
        self.print(&format!("{mark} {what}\n"))
    }

    /// Shows a command and what came of it.
    pub fn show(&self, who: &str, command: &str, output: &str) -> Result<()> {
        let prompt = self.shell.paint(&Style::new().dim(), &format!("{who}$"));
        let command = self.shell.paint(&Style::new().cyan().bold(), command);
        let mut text = format!("  {prompt} {command}\n");
        for line in output.lines() {
            let line = if line.is_empty() {
                String::new()
            } else {
                format!("    {line}")
            };
            let _ = writeln!(text, "{line}");
        }
        text.push('\n');
        self.print(&text)
    }

    /// Prints, unless only errors are wanted.
    pub fn print(&self, text: &str) -> Result<()> {
        if self.shell.quiet {
            Ok(())
        } else {
            self.shell.print(text)
        }
    }

    /// A command that sees nothing of this machine but its programs. Its home is `home`.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, home: &Path) -> Command {
        let kept = ["PATH", "TZ", "SystemRoot"].map(|name| (name, self.shell.environment.variable(name)));
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(kept.into_iter().filter_map(|(name, value)| Some((name, value?))))
            .env("HOME", home)
            .env("TMPDIR", home.join("tmp"))
            .env("LANG", "C.UTF-8")
            .current_dir(home)
            .stdin(Stdio::null());
        command
    }
}

impl Machine<'_> {
    /// Runs csync as a person on this machine would, and shows it. It must end with `expected`, or all was done.
    pub fn csync(&self, arguments: &[&str], expected: Option<Kind>) -> Result<String> {
        let program = std::env::current_exe()
            .map_err(|source| Error::new(Kind::General, "cannot find the program that is running").caused_by(source))?;
        let mut command = self.stage.command(program, &self.home);
        command.args(arguments).env("COLUMNS", WIDTH.to_string());
        let colors = if self.stage.shell.terminal.color {
            "CLICOLOR_FORCE"
        } else {
            "NO_COLOR"
        };
        command.env(colors, "1");
        let shown = format!(
            "csync {}",
            arguments.iter().map(|a| quoted(a)).collect::<Vec<_>>().join(" ")
        );
        let (mut output, code) = run(command)?;
        // A signal that ended the child was meant for all of us.
        self.stage.shell.context(false).check_stop()?;
        if let Some(kind) = expected.filter(|kind| code == Some(i32::from(kind.exit_code()))) {
            let told = format!("(exit code {}: {})", kind.exit_code(), kind.meaning());
            let _ = writeln!(output, "{}", self.stage.shell.paint(&Style::new().dim(), &told));
        }
        self.stage.show(&format!("ana@{}", self.name), &shown, &output)?;
        let wanted = expected.map_or(0, |kind| i32::from(kind.exit_code()));
        if code != Some(wanted) {
            let code = code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
            return Err(broken(format!("`{shown}` ended with {code} instead of {wanted}")));
        }
        Ok(output)
    }

    /// What a file holds; `path` is its machine-independent path.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.file(path);
        std::fs::read(&file).map_err(cannot("read", &file))
    }

    /// Writes a file; `path` is its machine-independent path.
    pub fn write(&self, path: &str, content: &[u8]) -> Result<()> {
        let file = self.file(path);
        let folder = file.parent().unwrap_or(&self.home);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, content))
            .map_err(cannot("write", &file))
    }

    /// Appends to a file; `path` is its machine-independent path.
    pub fn append(&self, path: &str, content: &[u8]) -> Result<()> {
        let file = self.file(path);
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&file)
            .and_then(|mut opened| std::io::Write::write_all(&mut opened, content))
            .map_err(cannot("write", &file))
    }

    /// The agent on this machine goes on with a session.
    pub fn go_on(&self, session: &str, project: &str, turn: &sample::Turn) -> Result<()> {
        let lines = turn.lines(&self.read(session)?, &self.home.join(project));
        self.append(session, &lines)
    }

    /// Every file in Claude Code's folder, by its machine-independent path.
    pub fn files(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let root = self.home.join(".claude");
        let mut files = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(cannot("read", &folder))? {
                let path = entry.map_err(cannot("read", &folder))?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let local = path
                    .strip_prefix(&root)
                    .unwrap_or(&path)
                    .to_string_lossy()
                    .replace('\\', "/");
                let content = std::fs::read(&path).map_err(cannot("read", &path))?;
                files.insert(sample::common_path(&self.home_text(), &local), content);
            }
        }
        Ok(files)
    }

    /// The home folder as text.
    pub fn home_text(&self) -> String {
        self.home.to_string_lossy().into_owned()
    }

    fn file(&self, path: &str) -> PathBuf {
        self.home
            .join(".claude")
            .join(sample::local_path(&self.home_text(), path))
    }
}

/// Runs a command. What it printed and what it told come through one pipe, in the order in which they were written.
pub fn run(mut command: Command) -> Result<(String, Option<i32>)> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |source| Error::new(Kind::General, format!("cannot run {name}")).caused_by(source);
    let (mut reader, writer) = std::io::pipe().map_err(failed)?;
    command.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    let mut child = command.spawn().map_err(failed)?;
    // The command holds the ends that the child writes to: with them open here, the pipe would never end.
    drop(command);
    let mut output = Vec::new();
    reader.read_to_end(&mut output).map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    Ok((String::from_utf8_lossy(&output).into_owned(), status.code()))
}

/// The program `name` on this machine, where there is one.
pub fn program(shell: &Shell, name: &str) -> Option<OsString> {
    let path = shell.environment.variable("PATH")?;
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .map(PathBuf::into_os_string)
}

/// The error of a demonstration that did not go as promised.
pub fn broken(what: impl Into<String>) -> Error {
    Error::new(
        Kind::General,
        format!("the demonstration did not go as promised: {}", what.into()),
    )
    .hint("this is a defect of csync: please report it with the output above")
}

/// The error of a file that resists.
pub fn cannot(verb: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let message = format!("cannot {verb} {}", path.display());
    move |source| Error::new(Kind::General, message).caused_by(source)
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@~".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_a_shell_takes_them() {
        assert_eq!(quoted("/tmp/vault.git"), "/tmp/vault.git");
        assert_eq!(quoted("ana's laptop"), "'ana'\\''s laptop'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn text_is_wrapped_at_words() {
        let text = wrapped(&"word ".repeat(40));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(text.split_whitespace().count(), 40);
    }
}
