//! Signing in over SSH: the agent, then key files. Each key is offered once.
//!
//! libssh2 offers all that an agent holds, one after the other, and servers hang up after some six. And it takes a wrong
//! passphrase for the end of the conversation. In both cases another conversation goes on where the last one ended.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git2::{Cred, CredentialType};
use secrecy::{ExposeSecret, SecretString};

use super::ssh_settings::SshSettings;
use crate::mirror::remote::Network;
use crate::mirror::remote::failure::BEYOND_LIBGIT2;
use crate::mirror::remote::ssh::agent::{self, AgentKey, AgentState};
use crate::mirror::remote::ssh::key_files::{self, KeyFile};

/// How often a passphrase is asked for.
const TRIES: u8 = 3;

/// What libgit2 says before its reason when signing in broke the conversation off.
const BROKE_OFF: [&str; 3] = [
    "error authenticating",
    "failed to authenticate SSH session",
    "remote rejected authentication",
];

/// What libssh2 says of a key file that it cannot read, be it for a wrong passphrase.
const NO_KEY: [&str; 4] = [
    "Wrong passphrase",
    "Unable to extract public key",
    "Unable to open private key file",
    "Unable to initialize private key",
];

/// A way to sign in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// All that the agent holds.
    Agent,
    /// The key in this file.
    File(PathBuf),
}

/// What is known of the keys from earlier conversations.
#[derive(Default)]
pub(super) struct KeysThatWork {
    /// The way that the server took; it goes first.
    good: Option<Way>,
    /// Those that it did not take.
    bad: Vec<Way>,
    /// Passphrases that were typed, and how often each was asked for.
    passphrases: BTreeMap<PathBuf, (SecretString, u8)>,
    /// The way that was tried when a conversation broke off.
    broke_off: Option<Way>,
    /// Whether the server hung up while the agent's keys were tried, so that some were not.
    agent_broke_off: bool,
    /// What became of each way.
    notes: Vec<String>,
}

/// What has been tried, and what is to be tried next.
pub(super) struct Keys<'s, 'n> {
    network: &'s Network<'n>,
    settings: Option<&'s SshSettings>,
    /// Carried from one conversation to the next.
    pub works: KeysThatWork,
    /// What was handed over last, which the server has not judged.
    pending: Option<Way>,
}

impl<'s, 'n> Keys<'s, 'n> {
    /// For a conversation after others, of which `works` is known.
    pub(super) const fn new(network: &'s Network<'n>, settings: Option<&'s SshSettings>, works: KeysThatWork) -> Self {
        Self {
            network,
            settings,
            works,
            pending: None,
        }
    }

    /// Who signs in where the address does not say.
    pub(super) fn user(&self) -> String {
        self.settings
            .map_or_else(|| "git".to_owned(), |settings| settings.user.clone())
    }

    /// The next key for `user`; in words what was tried when there is none left.
    pub(super) fn next(&mut self, user: &str, allowed: CredentialType) -> Result<Cred, String> {
        if !allowed.contains(CredentialType::SSH_KEY) {
            return Err(format!(
                "it takes no keys, and asks for a password, which {BEYOND_LIBGIT2} give over SSH"
            ));
        }
        if let Some(way) = self.pending.take() {
            self.is_bad(way, None);
        }
        let agent = agent::ask(self.settings.and_then(|settings| settings.agent.as_deref()));
        let held = match &agent {
            AgentState::Holds(keys) if !self.works.agent_broke_off => keys.as_slice(),
            _ => &[],
        };
        let files = key_files::find(
            self.settings.and_then(|settings| settings.identity_files.as_deref()),
            &self.network.home,
        );
        let mut ways: Vec<Way> = self.works.good.iter().cloned().collect();
        if !held.is_empty() {
            ways.push(Way::Agent);
        }
        let usable = files
            .iter()
            .filter(|file| file.problem.is_none() && !is_held(file, held));
        let (encrypted, open): (Vec<&KeyFile>, Vec<_>) = usable.partition(|file| file.encrypted);
        ways.extend(open.iter().chain(&encrypted).map(|file| Way::File(file.path.clone())));
        for way in ways {
            if self.works.bad.contains(&way) {
                continue;
            }
            let credential = match &way {
                Way::Agent => Cred::ssh_key_from_agent(user),
                Way::File(path) => {
                    let passphrase = if encrypted.iter().any(|file| file.path == *path) {
                        let Some(passphrase) = self.passphrase(path) else {
                            let why = format!("{} needs a passphrase, and nobody gave one", path.display());
                            self.is_bad(way, Some(why));
                            continue;
                        };
                        Some(passphrase)
                    } else {
                        None
                    };
                    let passphrase = passphrase.as_ref().map(ExposeSecret::expose_secret);
                    Cred::ssh_key(user, None, path, passphrase)
                }
            };
            let credential = credential.map_err(|error| error.message().to_owned())?;
            tracing::debug!("signing in as {user} with {}", named(&way));
            self.pending = Some(way);
            return Ok(credential);
        }
        Err(self.in_words(&agent, &files))
    }

    /// Whether another conversation may go on, after this one broke off while a key was tried.
    pub(super) fn goes_on_after(&mut self, said: &str) -> bool {
        let in_time = !said.to_ascii_lowercase().contains("timed out");
        if !in_time || !BROKE_OFF.iter().any(|start| said.starts_with(start)) {
            return false;
        }
        let Some(way) = self.pending.take() else { return false };
        if let Way::File(path) = &way
            && NO_KEY.iter().any(|words| said.contains(words))
        {
            match self.works.passphrases.get(path) {
                Some((_, tries)) if *tries < TRIES => {
                    self.network.questions.tell("That passphrase does not open the key.");
                }
                Some(_) => self.is_bad(way.clone(), Some(format!("no passphrase opened {}", path.display()))),
                None => self.is_bad(
                    way.clone(),
                    Some(format!("{} could not be read ({said})", path.display())),
                ),
            }
            return true;
        }
        // The server hung up, or something on the way did. The same once more tells.
        if self.works.broke_off.as_ref() != Some(&way) {
            self.works.broke_off = Some(way);
            return true;
        }
        if way == Way::Agent {
            self.works.agent_broke_off = true;
            self.is_bad(
                way,
                Some("it hung up while the keys of the SSH agent were tried".into()),
            );
            return true;
        }
        false
    }

    /// The server took what it was given last.
    pub(super) fn succeeded(&mut self) {
        if let Some(way) = self.pending.take() {
            self.works.good = Some(way);
        }
    }

    /// Notes that a way is not to be tried again.
    fn is_bad(&mut self, way: Way, why: Option<String>) {
        let note = why.unwrap_or_else(|| format!("it refused {}", named(&way)));
        self.works.notes.push(note);
        if self.works.good.as_ref() == Some(&way) {
            self.works.good = None;
        }
        self.works.bad.push(way);
    }

    /// The passphrase of a key: what opened it before, else what the person types.
    fn passphrase(&mut self, path: &Path) -> Option<SecretString> {
        let before = self.works.passphrases.get(path);
        if self.works.good.as_ref() == Some(&Way::File(path.to_owned()))
            && let Some((passphrase, _)) = before
        {
            return Some(passphrase.clone());
        }
        let tries = before.map_or(0, |(_, tries)| *tries);
        let question = format!("Passphrase of the SSH key {}", path.display());
        let typed = self.network.questions.secret(&question)?;
        self.works
            .passphrases
            .insert(path.to_owned(), (typed.clone(), tries + 1));
        Some(typed)
    }

    /// What was tried, and what could not be.
    fn in_words(&self, agent: &AgentState, files: &[KeyFile]) -> String {
        let mut notes = self.works.notes.clone();
        match agent {
            AgentState::NotSet => notes.push("there is no SSH agent".into()),
            AgentState::Unreachable { why } => notes.push(format!("the SSH agent cannot be reached ({why})")),
            AgentState::Empty => notes.push("the SSH agent holds no keys".into()),
            AgentState::Holds(_) => {}
        }
        for file in files {
            if let Some(problem) = &file.problem {
                notes.push(format!("{} was left out: {problem}", file.path.display()));
            }
        }
        if files.is_empty() {
            notes.push(format!("no key is in {}", self.network.home.join(".ssh").display()));
        }
        notes.join("; ")
    }
}

/// Whether the agent holds the key of this file.
fn is_held(file: &KeyFile, held: &[AgentKey]) -> bool {
    let fingerprint = file.fingerprint.as_deref();
    fingerprint.is_some_and(|own| held.iter().any(|key| key.fingerprint == own))
}

/// A way, for people.
fn named(way: &Way) -> String {
    match way {
        Way::Agent => "the keys of the SSH agent".into(),
        Way::File(path) => path.display().to_string(),
    }
}
