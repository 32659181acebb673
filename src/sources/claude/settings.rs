//! The keys of `settings.json` that belong to one machine.
//!
//! Gathered from Claude Code's settings reference. A key is here when its value is a command that the agent runs, names
//! files of this machine, may hold a token, or records a consent that a person gave on this machine: a settings file that
//! arrives from elsewhere must not be able to run anything or to switch a guard off.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::IgnoredAny;

/// The file that the keys are of, relative to the source's root.
pub(super) const FILE: &str = "settings.json";

/// Every key that stays where it is, with the reason.
const MACHINE_KEYS: &[(&str, &str)] = &[
    ("apiKeyHelper", "a script that prints an API key"),
    ("autoMemoryDirectory", "a folder of this machine"),
    ("awsAuthRefresh", "a command that signs in to AWS"),
    ("awsCredentialExport", "a command that prints AWS credentials"),
    ("defaultShell", "a shell of this machine"),
    ("disableAllHooks", "guards this machine's hooks"),
    ("enableAllProjectMcpServers", "a consent to start what a project names"),
    ("enabledMcpjsonServers", "a consent to start what a project names"),
    ("env", "variables of this machine; often holds tokens and proxies"),
    ("fileSuggestion", "a command that completes file names"),
    ("forceLoginMethod", "the account that this machine signs in with"),
    ("forceLoginOrgUUID", "the account that this machine signs in with"),
    ("gcpAuthRefresh", "a command that signs in to Google Cloud"),
    ("hooks", "commands that run at the agent's events"),
    (
        "otelHeadersHelper",
        "a script that prints telemetry headers, with their token",
    ),
    ("pluginConfigs", "options of plugins: paths and tokens"),
    ("proxyAuthHelper", "a script that prints a proxy's password"),
    (
        "sandbox",
        "paths, sockets and helper programs of this machine; weakens or switches off a guard",
    ),
    ("skipAutoPermissionPrompt", "a consent given on this machine"),
    ("skipDangerousModePermissionPrompt", "a consent given on this machine"),
    ("sshConfigs", "hosts and key files of this machine"),
    ("statusLine", "a command that draws the status line"),
    ("subagentStatusLine", "a command that draws a subagent's status line"),
];

/// How the names of keys end that run a command, in versions that nobody has read yet.
const COMMAND_ENDINGS: &[&str] = &[
    "Helper",
    "Command",
    "Script",
    "AuthRefresh",
    "CredentialExport",
    "StatusLine",
];

/// The keys that stay on this machine, without those that `send` names.
pub(super) fn machine_keys(send: &[String]) -> Vec<&'static str> {
    MACHINE_KEYS
        .iter()
        .map(|(key, _)| *key)
        .filter(|key| !send.iter().any(|sent| sent == key))
        .collect()
}

/// Those top-level keys of the JSON object `content` that are not listed but whose names end as those of keys that run
/// a command do. Nothing for what is not a JSON object.
pub(super) fn unlisted_command_keys(content: &[u8]) -> Vec<String> {
    let keys: BTreeMap<Cow<'_, str>, IgnoredAny> = serde_json::from_slice(content).unwrap_or_default();
    keys.into_keys()
        .filter(|key| COMMAND_ENDINGS.iter().any(|ending| key.ends_with(ending)))
        .filter(|key| !MACHINE_KEYS.iter().any(|(listed, _)| listed == key))
        .map(Cow::into_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_why_and_stands_once() {
        for pair in MACHINE_KEYS.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} is out of order", pair[1].0);
        }
        assert!(MACHINE_KEYS.iter().all(|(_, why)| !why.is_empty()));
    }

    #[test]
    fn whatever_runs_a_command_stays() {
        let keys = machine_keys(&[]);
        for key in [
            "hooks",
            "apiKeyHelper",
            "statusLine",
            "awsAuthRefresh",
            "awsCredentialExport",
            "otelHeadersHelper",
            "env",
        ] {
            assert!(keys.contains(&key), "{key}");
        }
        for key in [
            "permissions",
            "model",
            "enabledPlugins",
            "outputStyle",
            "cleanupPeriodDays",
        ] {
            assert!(!keys.contains(&key), "{key}");
        }
    }

    #[test]
    fn a_key_of_a_later_version_that_runs_a_command_stays_too() {
        let content = br#"{"model": "x", "vaultHelper": "/bin/v", "hooks": {"fooHelper": 1}, "azureAuthRefresh": ""}"#;
        assert_eq!(unlisted_command_keys(content), ["azureAuthRefresh", "vaultHelper"]);
        assert!(unlisted_command_keys(b"[1, 2]").is_empty());
        assert!(unlisted_command_keys(b"{ torn").is_empty());
    }
}
