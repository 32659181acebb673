//! `csync doctor`.

use std::fmt::Write as _;

use console::Style;
use serde_json::json;

use crate::cli::args::DoctorArgs;
use crate::cli::sanitize;
use crate::cli::shell::Shell;
use crate::cli::sizes;
use crate::engine::{self, DoctorOptions, Finding, Level};
use crate::error::{Error, Kind, Result};

/// Where messages begin, in columns: behind the widest level.
const INDENT: usize = 11;
/// Lines of text are not wider than this, however wide the terminal is.
const WIDEST: usize = 110;

/// Runs the command. `unusable`: why the configuration cannot be read.
pub fn run(shell: &Shell, arguments: &DoctorArgs, unusable: Option<Error>) -> Result<Option<Kind>> {
    let options = DoctorOptions {
        no_network: arguments.no_network,
        unusable,
    };
    let mut findings = engine::doctor(&shell.context(true), &options);
    let is_ill = findings.iter().any(|finding| finding.level == Level::Error);
    if arguments.json {
        shell.print_json(&as_json(&findings))?;
    } else {
        for finding in &mut findings {
            finding.message = from_home(&finding.message, &shell.environment.home().to_string_lossy());
        }
        let width = shell.terminal.stdout.then(|| shell.terminal.width.min(WIDEST));
        let paint = |style: &Style, text: &str| shell.paint(style, text);
        shell.print(&as_text(&findings, shell.quiet, width, &paint))?;
    }
    Ok(is_ill.then_some(Kind::General))
}

/// A message in which paths below the home folder begin with `~/`, as a person would write them. Commands keep theirs: within quotes,
/// a shell would take `~` for a name.
fn from_home(message: &str, home: &str) -> String {
    let folder = format!("{home}/");
    let mut parts = message.split(&folder);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_beginning = text.chars().next_back().is_none_or(|before| " (`,".contains(before));
        text.push_str(if is_beginning { "~/" } else { &folder });
        text.push_str(part);
    }
    text
}

fn as_json(findings: &[Finding]) -> serde_json::Value {
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "check": finding.check,
                "level": finding.level.name(),
                "message": finding.message,
                "mend": finding.mend,
            })
        })
        .collect();
    json!({"version": 1, "findings": findings})
}

/// The findings under their headings, and how many are bad; with `quiet` only errors. Messages are wrapped at `width` columns,
/// commands never: they are there to be copied.
fn as_text(findings: &[Finding], quiet: bool, width: Option<usize>, paint: &dyn Fn(&Style, &str) -> String) -> String {
    let mut text = String::new();
    let mut group = "";
    for finding in findings
        .iter()
        .filter(|finding| !quiet || finding.level == Level::Error)
    {
        let this = finding.check.split('.').next().unwrap_or_default();
        if this != group {
            if !text.is_empty() {
                text.push('\n');
            }
            let _ = writeln!(text, "{}", paint(&Style::new().bold(), title(this)));
            group = this;
        }
        let level = format!("{:<8}", finding.level.name());
        let message = wrapped(&sanitize::line(&finding.message), width);
        let _ = writeln!(text, "  {} {message}", paint(&style(finding.level), &level));
        if let Some(mend) = &finding.mend {
            let arrow = paint(&Style::new().cyan().bold(), "mend:");
            let _ = writeln!(text, "{:INDENT$}{arrow} {}", "", sanitize::line(mend));
        }
    }
    if !quiet {
        let _ = writeln!(text, "\n{}", verdict(findings));
    }
    text
}

/// The last line.
fn verdict(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count() as u64;
    let told = |level, one, many| {
        let found = count(level);
        (found > 0).then(|| sizes::count(found, one, many))
    };
    let bad: Vec<String> = [
        told(Level::Error, "error", "errors"),
        told(Level::Warning, "warning", "warnings"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if bad.is_empty() {
        "Everything is in order.".to_owned()
    } else {
        format!("{}.", bad.join(", "))
    }
}

fn style(level: Level) -> Style {
    match level {
        Level::Ok => Style::new().green(),
        Level::Warning => Style::new().yellow().bold(),
        Level::Error => Style::new().red().bold(),
    }
}

fn title(group: &str) -> &str {
    match group {
        "key" => "Key",
        "mirror" => "Mirror",
        "remote" => "Remote",
        "ssh" => "SSH",
        "https" => "HTTPS",
        "agent" => "Claude Code",
        "sync" => "Sync",
        other => other,
    }
}

/// `text` in lines of `width` columns at most, where that is known and leaves room; the lines after the first begin where messages do.
fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(room) = width
        .and_then(|width| width.checked_sub(INDENT))
        .filter(|room| *room >= 20)
    else {
        return text.to_owned();
    };
    let mut lines = String::with_capacity(text.len() + 32);
    let mut used = 0;
    for word in text.split(' ') {
        let wide = console::measure_text_width(word);
        if used > 0 && used + 1 + wide > room {
            let _ = write!(lines, "\n{:INDENT$}", "");
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += wide;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("csync.version", "csync 0.1.0"),
            Finding::warning("csync.disk", "only 812 MiB are free where /home/ana lies").mend("df -h /home/ana"),
            Finding::error("key.permissions", "/k is open to others").mend("chmod 600 /k"),
        ]
    }

    fn plain(_: &Style, text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn findings_stand_under_their_headings() {
        insta::assert_snapshot!(as_text(&findings(), false, Some(40), &plain), @r"
        csync
          ok       csync 0.1.0
          warning  only 812 MiB are free where
                   /home/ana lies
                   mend: df -h /home/ana

        Key
          error    /k is open to others
                   mend: chmod 600 /k

        1 error, 1 warning.
        ");
        insta::assert_snapshot!(as_text(&findings(), true, None, &plain), @r"
        Key
          error    /k is open to others
                   mend: chmod 600 /k
        ");
        insta::assert_snapshot!(verdict(&findings()[..1]), @"Everything is in order.");
    }

    #[test]
    fn paths_below_the_home_folder_are_short() {
        let short = |message| from_home(message, "/home/ana");
        assert_eq!(short("/home/ana/x and `/home/ana/y`"), "~/x and `~/y`");
        assert_eq!(
            short("/mnt/home/ana/x, /home/anagram"),
            "/mnt/home/ana/x, /home/anagram"
        );
    }

    #[test]
    fn p23_a_finding_cannot_drive_the_terminal() {
        let hostile = [Finding::error("ssh.agent", "said \u{1b}[2J\nok  fine").mend("ssh-add \u{202e}x")];
        let text = as_text(&hostile, false, None, &plain);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        assert!(text.contains("said ^[[2J ok  fine\n"), "{text}");
    }
}
