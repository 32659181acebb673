//! Which paths are synced: an allowlist in the exact spelling that Claude Code uses, under a denylist that knows no case.
//!
//! A path that no rule allows is not synced. The denylist stands above the rules and is asked for every component at
//! every depth, so that neither a later rule nor a head that another machine wrote brings one of those files into play.

use crate::core::kind::{FileKind, Retention};

/// Names that are never synced, wherever they stand. In lower case.
const DENIED_NAMES: &[&str] = &[
    // Credentials, and the state that holds the account and the tokens of MCP servers.
    ".credentials.json",
    "remote-settings.json",
    "policy-limits.json",
    // Personal settings of one folder on one machine.
    "settings.local.json",
    // Indexes and marks that hold absolute paths or times of this machine.
    "sessions-index.json",
    ".session-aliases",
    "stats-cache.json",
    ".last-cleanup",
    // Repositories: a folder of another repository's hooks and configuration must never arrive from elsewhere.
    ".git",
    "git~1",
    ".hg",
    ".svn",
    ".jj",
    // What tools make again by themselves.
    "node_modules",
    "__pycache__",
    ".venv",
    ".ds_store",
    "thumbs.db",
    "desktop.ini",
    ".csyncignore",
];

/// Beginnings of names that are never synced, wherever they stand. In lower case.
const DENIED_PREFIXES: &[&str] = &[
    // The application's state, its copies, and its lock folder.
    ".claude.json",
    // Temporary files and marks of csync itself.
    ".csync-",
];

/// Ends of names that are never synced, wherever they stand. In lower case.
const DENIED_SUFFIXES: &[&str] = &[".lock", ".key", ".tmp", ".swp", ".pyc"];

/// Files and folders in the source's root that are runtime state, caches or secrets. In lower case.
const DENIED_AT_ROOT: &[&str] = &[
    "backups",
    "cache",
    "debug",
    "feedback-bundles",
    "file-history",
    "ide",
    "image-cache",
    "jobs",
    "logs",
    "paste-cache",
    "plugins",
    "session-env",
    "sessions",
    "shell-snapshots",
    "statsig",
    "teams",
    "todos",
    "uploads",
    "usage-data",
];

/// Extensions of files that people and agents edit as text. In lower case.
const TEXT_EXTENSIONS: &[&str] = &[
    "bash",
    "c",
    "cfg",
    "clj",
    "conf",
    "cpp",
    "cs",
    "css",
    "csv",
    "ex",
    "exs",
    "fish",
    "go",
    "graphql",
    "h",
    "hpp",
    "hs",
    "html",
    "ini",
    "java",
    "jinja",
    "js",
    "json",
    "json5",
    "jsonc",
    "jsonl",
    "jsx",
    "kt",
    "lua",
    "markdown",
    "md",
    "mdc",
    "mdx",
    "mjs",
    "cjs",
    "mts",
    "nix",
    "php",
    "pl",
    "properties",
    "proto",
    "ps1",
    "py",
    "r",
    "rb",
    "rs",
    "rst",
    "scala",
    "sh",
    "sql",
    "svelte",
    "swift",
    "template",
    "tex",
    "tmpl",
    "toml",
    "ts",
    "tsv",
    "tsx",
    "txt",
    "vue",
    "xml",
    "yaml",
    "yml",
    "zsh",
];

/// Folders in the root whose files people edit, at any depth.
const EDITED_FOLDERS: &[&str] = &["rules", "agents", "commands", "skills", "output-styles", "agent-memory"];

/// See [`Source::classify`](super::Source::classify).
pub(super) fn classify(relative: &str) -> Option<(FileKind, Retention)> {
    use FileKind::{Json, Log, Text, Transcript};
    use Retention::{Evict, Propagate};

    if is_denied(relative) {
        return None;
    }
    let parts: Vec<&str> = relative.split('/').collect();
    match parts.as_slice() {
        ["CLAUDE.md"] => Some((Text, Propagate)),
        ["settings.json" | "keybindings.json"] => Some((Json, Propagate)),
        // Nothing sweeps it, but a person purges it for one machine; a prompt's history is not worth losing by that.
        ["history.jsonl"] => Some((Log, Evict)),
        ["themes", .., name] => Some((
            if has_extension(name, "json") {
                Json
            } else {
                by_extension(name)
            },
            Propagate,
        )),
        ["workflows", name] if has_extension(name, "js") => Some((Text, Propagate)),
        [folder, _, ..] if EDITED_FOLDERS.contains(folder) => Some((by_extension(parts.last()?), Propagate)),
        // Swept by the agent after `cleanupPeriodDays`, as sessions are.
        ["plans" | "tasks", .., name] => Some((
            if has_extension(name, "json") {
                Json
            } else {
                by_extension(name)
            },
            Evict,
        )),
        ["projects", _, "memory", .., name] => Some((by_extension(name), Propagate)),
        ["projects", _, name] if is_transcript_name(name) => Some((Transcript, Evict)),
        ["projects", _, session, rest @ ..] if is_session_id(session) => classify_side_file(rest),
        _ => None,
    }
}

/// What a file in the folder beside a transcript is; `rest` is its path in there.
fn classify_side_file(rest: &[&str]) -> Option<(FileKind, Retention)> {
    let name = rest.last()?;
    let kind = if rest[0] == "tool-results" {
        // Written once, and of whatever a tool printed.
        FileKind::Opaque
    } else if has_extension(name, "jsonl") {
        FileKind::Transcript
    } else if has_extension(name, "json") {
        FileKind::Json
    } else {
        by_extension(name)
    };
    Some((kind, Retention::Evict))
}

/// See [`Source::enter`](super::Source::enter).
pub(super) fn enter(folder: &str) -> bool {
    if folder.is_empty() {
        return true;
    }
    if is_denied(folder) {
        return false;
    }
    let parts: Vec<&str> = folder.split('/').collect();
    match parts.as_slice() {
        ["projects", _] | ["projects" | "workflows"] => true,
        ["projects", _, inner, ..] => *inner == "memory" || is_session_id(inner),
        [first, ..] => EDITED_FOLDERS.contains(first) || matches!(*first, "themes" | "plans" | "tasks"),
        [] => false,
    }
}

/// See [`Source::session_of`](super::Source::session_of).
pub(super) fn session_of(relative: &str) -> Option<String> {
    let parts: Vec<&str> = relative.split('/').collect();
    let id = match parts.as_slice() {
        ["projects", _, name] => name.strip_suffix(".jsonl")?,
        ["projects", _, session, _, ..] => session,
        ["tasks", session, _, ..] => session,
        _ => return None,
    };
    is_session_id(id).then(|| id.to_owned())
}

/// See [`Source::project_folder`](super::Source::project_folder).
pub(super) fn project_folder(relative: &str) -> Option<&str> {
    let (folder, inside) = relative.strip_prefix("projects/")?.split_once('/')?;
    (!folder.is_empty() && !inside.is_empty()).then_some(folder)
}

/// Whether `text` has the form of a UUID, which is what Claude Code accepts as a session's name.
pub(super) fn is_session_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether `name` is a transcript directly in a project's folder: a session's, or a subagent's in the layout before 2.1.2.
fn is_transcript_name(name: &str) -> bool {
    name.strip_suffix(".jsonl")
        .is_some_and(|stem| is_session_id(stem) || stem.strip_prefix("agent-").is_some_and(|id| !id.is_empty()))
}

fn by_extension(name: &str) -> FileKind {
    let text = name.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty() && TEXT_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str())
    });
    if text { FileKind::Text } else { FileKind::Opaque }
}

fn has_extension(name: &str, wanted: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(stem, extension)| !stem.is_empty() && extension.eq_ignore_ascii_case(wanted))
}

/// Whether the denylist has a component of `relative`, however a file system may spell it.
pub(super) fn is_denied(relative: &str) -> bool {
    relative.split('/').enumerate().any(|(depth, component)| {
        let name = folded(component);
        name.is_empty()
            || DENIED_NAMES.contains(&name.as_str())
            || DENIED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || DENIED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
            || name.contains(".tmp.")
            || is_conflict_name(&name)
            || depth == 0 && DENIED_AT_ROOT.contains(&name.as_str())
    })
}

/// `<name>.conflict.<YYYYMMDD-HHMMSS>`, or with a number behind it: what csync writes beside a file that it could not merge.
fn is_conflict_name(name: &str) -> bool {
    name.match_indices(".conflict.").any(|(at, mark)| {
        let stamp = &name.as_bytes()[at + mark.len()..];
        stamp.len() >= 15
            && stamp[..15].iter().enumerate().all(|(at, byte)| match at {
                8 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    })
}

/// `component` as the most forgiving file systems compare it: in one case (also `ſ` is `s`, as on APFS and NTFS), without
/// the characters that HFS+ ignores (the list of Git's `utf8.c`, `next_hfs_char`), without the dots and spaces at the end that
/// Windows drops, and up to the colon that opens an NTFS stream.
fn folded(component: &str) -> String {
    let component = component.split(':').next().unwrap_or(component);
    let folded: String = component
        .chars()
        .filter(
            |c| !matches!(*c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'),
        )
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    folded.trim_end_matches(['.', ' ']).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
