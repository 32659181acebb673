//! The names of projects' folders: local ones, which hold an absolute path of one machine, and logical ones, which are the same on all.
//!
//! `-home-ana-code-app` is `~-code-app` in the vault and `-Users-ana-code-app` on a Mac. Three things say what stands for what, the
//! first that speaks wins: the configuration, what this machine did before, and then either the home folder or the Git remote of the
//! project. A folder that none of them maps keeps its name.
//!
//! The map is a bijection: two folders never share a logical name and two logical names never share a folder, so one session
//! is never in two places, and what a pull writes the next scan finds under the same name. Where two would meet, the second takes its
//! own name behind a `=`, which Claude Code never puts into a name, and [`ProjectMap::collisions`] tells.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::slug::{LONGEST, cut, slug, uncut};
use crate::core::origin::Project;

/// A project's folder on this machine, and what is known of it. The engine may keep it and ask for new folders only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalProject {
    /// The folder's name in `projects/`.
    pub folder: String,
    /// The absolute path that the name was made of, where a line or the agent's own state confirms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether the folder is there; else the agent only lists the path.
    #[serde(default)]
    pub present: bool,
    /// What identifies it on every machine. Empty when its path is not known.
    #[serde(default)]
    pub project: Project,
}

/// One line of the configuration's project map: what is `local` here is `logical` in the vault, with all that lies below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectMapping {
    /// A path (`/srv/code`, `~/src`, `C:\src`) or a name in `projects/`.
    pub local: String,
    /// A path relative to the home folder (`~/code`), or a logical name (`~-code`).
    pub logical: String,
}

/// All that a [`ProjectMap`] is made of.
#[derive(Debug, Clone, Default)]
pub struct ProjectInputs {
    /// The home folder under each of its names, the real path first: Claude Code names folders after real paths.
    pub homes: Vec<String>,
    /// What the configuration says.
    pub config_map: Vec<ProjectMapping>,
    /// What stands for what since an earlier run: (local folder, logical folder). Keeps a mapping by Git remote as it was when the vault
    /// or this machine learns of another clone.
    pub assigned: Vec<(String, String)>,
    /// Every logical folder name in the vault, with the project that its heads tell of.
    pub vault_projects: Vec<(String, Project)>,
    /// Every folder in `projects/` here.
    pub local: Vec<LocalProject>,
}

/// Two folders here that stand for one logical name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collision {
    /// The logical name.
    pub logical: String,
    /// The local folder that has it.
    pub folder: String,
    /// The local folder that would have it too.
    pub other: String,
    /// The logical name that the other one has instead.
    pub other_logical: String,
}

/// Which local folder stands for which logical one.
#[derive(Debug, Default)]
pub struct ProjectMap {
    rules: Vec<Rule>,
    by_folder: HashMap<String, String>,
    by_logical: HashMap<String, String>,
    projects: HashMap<String, Project>,
    homes: Vec<String>,
    collisions: Vec<Collision>,
}

/// `local` and what continues it by `-…` is `logical` and the same continuation.
#[derive(Debug)]
struct Rule {
    local: String,
    logical: String,
    configured: bool,
}

/// What stands before a name that would be taken for another's.
const LITERAL: char = '=';

impl ProjectMap {
    /// Makes the map of `inputs`. The same inputs make the same map, in whatever order their parts come.
    #[must_use]
    pub fn build(inputs: ProjectInputs) -> Self {
        let mut map = Self {
            rules: rules(&inputs),
            homes: inputs.homes,
            ..Self::default()
        };
        let mut vault: BTreeMap<String, Project> = BTreeMap::new();
        for (logical, project) in inputs.vault_projects {
            let known = vault.entry(logical).or_default();
            // Heads of one folder may tell more or less of it: what tells most counts, whichever comes first.
            *known = project.max(std::mem::take(known));
        }
        let long = map.long_names(&vault);
        let mut local: Vec<LocalProject> = inputs.local;
        // The folder that a logical name leads back to comes before another that would lead to it, and one with sessions before
        // one that has none yet.
        local.sort_by_cached_key(|one| (!map.is_regular_folder(&one.folder), !one.present, one.folder.clone()));
        let mut seen = HashSet::new();
        local.retain(|one| seen.insert(one.folder.clone()));
        let defaults: HashMap<&str, String> = local
            .iter()
            .map(|one| (one.folder.as_str(), map.default_logical(one, &long)))
            .collect();

        for one in &local {
            if map.is_configured(&one.folder) {
                map.claim(&one.folder, &defaults[one.folder.as_str()]);
            }
        }
        let here: HashSet<&str> = defaults.keys().copied().collect();
        let mut assigned = inputs.assigned;
        assigned.sort();
        for (folder, logical) in &assigned {
            if here.contains(folder.as_str()) && map.is_free(folder, logical) {
                map.insert(folder, logical);
            }
        }
        for one in &local {
            let logical = &defaults[one.folder.as_str()];
            if vault.contains_key(logical) {
                map.claim(&one.folder, logical);
            }
        }
        for one in &local {
            let same = vault.iter().find(|(logical, project)| {
                project.git_remote.is_some()
                    && project.git_remote == one.project.git_remote
                    && project.subfolder == one.project.subfolder
                    && map.is_free(&one.folder, logical)
            });
            if let Some((logical, _)) = same {
                map.insert(&one.folder, logical);
            }
        }
        for one in &local {
            map.claim(&one.folder, &defaults[one.folder.as_str()]);
        }
        for (logical, project) in &vault {
            let folder = map.to_local(logical, Some(project));
            if map.is_free(&folder, logical) {
                map.insert(&folder, logical);
            }
        }
        map.projects = local.into_iter().map(|one| (one.folder, one.project)).collect();
        map
    }

    /// The logical name of the local folder `folder`.
    #[must_use]
    pub fn to_logical(&self, folder: &str) -> String {
        if let Some(logical) = self.by_folder.get(folder) {
            return logical.clone();
        }
        self.free_logical(self.derive_logical(folder))
    }

    /// The local folder of the logical name `logical`; `project` is what its head tells of it, and decides only how a name
    /// that is too long for a folder is cut.
    #[must_use]
    pub fn to_local(&self, logical: &str, project: Option<&Project>) -> String {
        if let Some(folder) = self.by_logical.get(logical) {
            return folder.clone();
        }
        let mut folder = self.derive_local(logical, project);
        while self.by_folder.contains_key(&folder) {
            folder.insert(0, LITERAL);
        }
        folder
    }

    /// What identifies the project of the local folder `folder`, where that is known.
    #[must_use]
    pub fn project(&self, folder: &str) -> Option<&Project> {
        self.projects
            .get(folder)
            .filter(|project| **project != Project::default())
    }

    /// Folders that would have the same logical name. A person decides them in the configuration.
    #[must_use]
    pub fn collisions(&self) -> &[Collision] {
        &self.collisions
    }

    fn is_free(&self, folder: &str, logical: &str) -> bool {
        !self.by_folder.contains_key(folder) && !self.by_logical.contains_key(logical)
    }

    fn insert(&mut self, folder: &str, logical: &str) {
        self.by_folder.insert(folder.to_owned(), logical.to_owned());
        self.by_logical.insert(logical.to_owned(), folder.to_owned());
    }

    /// Gives `folder` the name `logical`, or one of its own when another folder has that.
    fn claim(&mut self, folder: &str, logical: &str) {
        if self.by_folder.contains_key(folder) {
            return;
        }
        let name = match self.by_logical.get(logical) {
            None => logical.to_owned(),
            Some(first) => {
                let first = first.clone();
                let other_logical = self.free_logical(self.derive_literal(folder));
                self.collisions.push(Collision {
                    logical: logical.to_owned(),
                    folder: first,
                    other: folder.to_owned(),
                    other_logical: other_logical.clone(),
                });
                other_logical
            }
        };
        self.insert(folder, &name);
    }

    fn free_logical(&self, mut logical: String) -> String {
        while self.by_logical.contains_key(&logical) {
            logical.insert(0, LITERAL);
        }
        logical
    }

    /// The name of `one` by the rules alone.
    fn default_logical(&self, one: &LocalProject, long: &HashMap<String, String>) -> String {
        if one.folder.len() > LONGEST {
            let whole = one.path.as_deref().filter(|path| slug(path) == one.folder).map(uncut);
            return whole
                .and_then(|whole| self.forward(&whole).map(|(logical, _)| logical))
                .or_else(|| long.get(&one.folder).cloned())
                .unwrap_or_else(|| self.derive_logical(&one.folder));
        }
        match self.forward(&one.folder) {
            Some((logical, _)) => logical,
            None => self.derive_logical(&one.folder),
        }
    }

    /// Local folder → logical name for those names of the vault that are too long for a folder here.
    fn long_names(&self, vault: &BTreeMap<String, Project>) -> HashMap<String, String> {
        vault
            .iter()
            .filter_map(|(logical, project)| {
                let whole = self.backward(logical).filter(|whole| whole.len() > LONGEST)?;
                Some((self.cut_name(&whole, Some(project)), logical.clone()))
            })
            .collect()
    }

    /// `whole` cut as Claude Code cuts it. Its hash is of the real path, which only a path relative to the home folder gives; without
    /// one that fits, it is of the name.
    fn cut_name(&self, whole: &str, project: Option<&Project>) -> String {
        let relative = project.and_then(|project| project.home_relative.as_deref());
        let path = relative.into_iter().flat_map(|relative| {
            self.homes.iter().map(move |home| {
                let separator = if home.contains('\\') { "\\" } else { "/" };
                format!("{home}{separator}{}", relative.replace('/', separator))
            })
        });
        let path = path.into_iter().find(|path| uncut(path) == whole);
        cut(whole, path.as_deref().unwrap_or(whole))
    }

    fn is_configured(&self, folder: &str) -> bool {
        folder.len() <= LONGEST && self.forward(folder).is_some_and(|(_, rule)| rule.configured)
    }

    /// `folder` by the rule with the longest local name; `None` when none fits. Not for names that are cut.
    fn forward(&self, folder: &str) -> Option<(String, &Rule)> {
        let fits = self
            .rules
            .iter()
            .filter_map(|rule| Some((rule, continuation(folder, &rule.local)?)));
        let (rule, rest) = fits.max_by_key(|(rule, _)| (rule.local.len(), rule.configured))?;
        Some((format!("{}{rest}", rule.logical), rule))
    }

    /// `logical` by the rule with the longest logical name; `None` when none fits. The first of equal rules counts.
    fn backward(&self, logical: &str) -> Option<String> {
        let fits = self
            .rules
            .iter()
            .rev()
            .filter_map(|rule| Some((rule, continuation(logical, &rule.logical)?)));
        let (rule, rest) = fits.max_by_key(|(rule, _)| rule.logical.len())?;
        Some(format!("{}{rest}", rule.local))
    }

    /// The rules as a function of folders, and as one of logical names: what no rule fits stays as it is.
    fn forward_or_same(&self, folder: &str) -> String {
        if folder.len() > LONGEST {
            return folder.to_owned();
        }
        self.forward(folder)
            .map_or_else(|| folder.to_owned(), |(logical, _)| logical)
    }

    fn backward_or_same(&self, logical: &str) -> String {
        self.backward(logical).unwrap_or_else(|| logical.to_owned())
    }

    /// Whether the rules lead from the folder to a name and from that back to the folder.
    fn is_regular_folder(&self, folder: &str) -> bool {
        !folder.starts_with(LITERAL) && self.backward_or_same(&self.forward_or_same(folder)) == folder
    }

    fn is_regular_logical(&self, logical: &str) -> bool {
        !logical.starts_with(LITERAL) && self.forward_or_same(&self.backward_or_same(logical)) == logical
    }

    /// The logical name of `folder` by the rules, made unique. Regular names are mapped by the rules. Every other text has the form `=…=t`:
    /// for each `t`, its irregular forms on the two sides are paired in order of their `=`, which makes a bijection.
    fn derive_logical(&self, folder: &str) -> String {
        if self.is_regular_folder(folder) {
            return self.forward_or_same(folder);
        }
        let bare = folder.trim_start_matches(LITERAL);
        match (self.is_regular_folder(bare), self.is_regular_logical(bare)) {
            (false, true) => format!("{LITERAL}{folder}"),
            (true, false) => folder[LITERAL.len_utf8()..].to_owned(),
            _ => folder.to_owned(),
        }
    }

    /// The inverse of [`derive_logical`](Self::derive_logical), but for names that are cut.
    fn derive_local(&self, logical: &str, project: Option<&Project>) -> String {
        if !logical.starts_with(LITERAL) {
            let long = self.backward(logical).filter(|whole| whole.len() > LONGEST);
            if let Some(whole) = long {
                return self.cut_name(&whole, project);
            }
        }
        if self.is_regular_logical(logical) {
            return self.backward_or_same(logical);
        }
        let bare = logical.trim_start_matches(LITERAL);
        match (self.is_regular_folder(bare), self.is_regular_logical(bare)) {
            (false, true) => logical[LITERAL.len_utf8()..].to_owned(),
            (true, false) => format!("{LITERAL}{logical}"),
            _ => logical.to_owned(),
        }
    }

    /// A name for `folder` that says nothing but its own name.
    fn derive_literal(&self, folder: &str) -> String {
        if self.is_regular_folder(folder) {
            format!("{LITERAL}{folder}")
        } else {
            self.derive_logical(folder)
        }
    }
}

/// What follows `start` in `name`: nothing, or a part that begins with `-`, as every `/` does in a folder's name.
fn continuation<'a>(name: &'a str, start: &str) -> Option<&'a str> {
    name.strip_prefix(start)
        .filter(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn rules(inputs: &ProjectInputs) -> Vec<Rule> {
    let configured = inputs.config_map.iter().map(|mapping| Rule {
        local: local_name(&mapping.local, &inputs.homes),
        logical: logical_name(&mapping.logical),
        configured: true,
    });
    let homes = inputs.homes.iter().map(|home| Rule {
        local: uncut(without_end(home)),
        logical: "~".to_owned(),
        configured: false,
    });
    // A home folder such as `/` would map everything.
    configured
        .chain(homes)
        .filter(|rule| !matches!(rule.local.as_str(), "" | "-") && !rule.logical.is_empty())
        .collect()
}

/// The name in `projects/` that a configuration's `local` means.
fn local_name(text: &str, homes: &[String]) -> String {
    let text = without_end(text.trim());
    match (text.strip_prefix('~'), homes.first()) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with(['/', '\\']) => {
            uncut(&format!("{}{rest}", without_end(home)))
        }
        _ if text.contains(['/', '\\']) => uncut(text),
        _ => text.trim_start_matches(LITERAL).to_owned(),
    }
}

/// The logical name that a configuration's `logical` means.
fn logical_name(text: &str) -> String {
    let text = without_end(text.trim());
    match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\']) => format!("~{}", uncut(rest)),
        _ if text.contains(['/', '\\']) => uncut(text),
        _ => text.trim_start_matches(LITERAL).to_owned(),
    }
}

fn without_end(path: &str) -> &str {
    path.trim_end_matches(['/', '\\'])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
