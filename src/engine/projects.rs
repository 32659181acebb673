//! Which local project folder is which project of the vault, found with as little reading as possible.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::context::Context;
use super::open::{OpenSource, OpenVault};
use crate::core::origin::Project;
use crate::core::path::LogicalPath;
use crate::error::Result;
use crate::sources::{self, LocalProject, ProjectInputs, ProjectMap, ProjectMapping};
use crate::state::{Agreed, Index};
use crate::vault::Head;

/// The names under which what was found before stands in the index. Losing it costs a look at a few files.
const LOCAL_PROJECTS: &str = "local-projects";
const VAULT_PROJECTS: &str = "vault-projects";
const ASSIGNED_PROJECTS: &str = "assigned-projects";

/// The local projects that were found, and the vault's projects that were known then: new ones there are a reason to look again.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct FoundProjects {
    vault: BTreeMap<String, Project>,
    local: Vec<LocalProject>,
}

fn cached<T: DeserializeOwned + Default>(index: &Index, key: &str) -> Result<T> {
    Ok(index
        .meta(key)?
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default())
}

impl OpenVault {
    /// What the vault's heads tell of projects, by the name of the project's folder in the vault.
    ///
    /// # Errors
    /// An index that cannot be read.
    pub fn vault_projects(&self) -> Result<BTreeMap<String, Project>> {
        cached(&self.index, VAULT_PROJECTS)
    }

    /// Learns the projects of the vault's newest heads. The base of every path.
    ///
    /// # Errors
    /// A damaged mirror, or an index that cannot be used.
    pub fn learn_from_vault(&mut self) -> Result<BTreeMap<LogicalPath, Agreed>> {
        let base = self.base()?;
        let (_, tip) = self.tip()?;
        let changes = self.head_changes(self.base_tree()?, Some(tip))?;
        let blobs: Vec<_> = changes
            .into_iter()
            .filter_map(|(id, (_, now))| now.map(|blob| (id, blob)))
            .collect();
        if !blobs.is_empty() {
            let (heads, _) = self.open_heads(&blobs)?;
            self.learn_projects(heads.values())?;
        }
        Ok(base)
    }

    /// Remembers the projects that `heads` speak of, so that a local project of the same Git remote finds its name.
    ///
    /// # Errors
    /// An index that cannot be written.
    pub fn learn_projects<'h>(&mut self, heads: impl IntoIterator<Item = &'h Head>) -> Result<()> {
        let mut known: BTreeMap<String, Project> = cached(&self.index, VAULT_PROJECTS)?;
        let mut changed = false;
        for head in heads {
            let Some(project) = &head.origin.project else { continue };
            let Some(source) = self
                .sources
                .iter()
                .find(|open| open.source.name() == head.path.source())
            else {
                continue;
            };
            let Some(folder) = source.source.project_folder(head.path.relative()) else {
                continue;
            };
            // The first one that names a Git remote stays: what a project is called must not flicker.
            match known.get(folder) {
                Some(old) if old.git_remote.is_some() || project.git_remote.is_none() => {}
                _ => {
                    known.insert(folder.to_owned(), project.clone());
                    changed = true;
                }
            }
        }
        if changed {
            remember(&mut self.index, VAULT_PROJECTS, &known)?;
        }
        Ok(())
    }
}

/// The map between this machine's project folders and their machine-independent names.
///
/// # Errors
/// An index that cannot be read or written.
pub fn project_map(
    context: &Context<'_>,
    index: &mut Index,
    open: &OpenSource,
    base: &BTreeMap<LogicalPath, Agreed>,
) -> Result<ProjectMap> {
    let folders = sources::project_folders(open.root.path());
    let vault: BTreeMap<String, Project> = cached(index, VAULT_PROJECTS)?;
    let mut found: FoundProjects = cached(index, LOCAL_PROJECTS)?;
    let known: BTreeSet<String> = found.local.iter().map(|project| project.folder.clone()).collect();
    let new: Vec<String> = folders
        .iter()
        .filter(|folder| !known.contains(*folder))
        .cloned()
        .collect();
    let homes = homes(context);
    if !new.is_empty() || found.vault != vault {
        let environment = &context.environment;
        let agent_state = sources::app_state_file(environment.home(), environment.variable("CLAUDE_CONFIG_DIR"));
        found.local.retain(|project| folders.contains(&project.folder));
        let discovered = sources::discover_projects(open.root.path(), &homes, &new, Some(&agent_state));
        let kept: BTreeSet<String> = found.local.iter().map(|project| project.folder.clone()).collect();
        found
            .local
            .extend(discovered.into_iter().filter(|project| !kept.contains(&project.folder)));
        found.vault.clone_from(&vault);
        remember(index, LOCAL_PROJECTS, &found)?;
    }
    let assigned: Vec<(String, String)> = match index.meta(ASSIGNED_PROJECTS)? {
        Some(_) => cached(index, ASSIGNED_PROJECTS)?,
        None => assigned_by_sessions(open, &folders, base),
    };
    let map = ProjectMap::build(ProjectInputs {
        homes,
        config_map: context
            .config
            .claude
            .projects
            .iter()
            .map(|(local, logical)| ProjectMapping {
                local: local.to_string_lossy().into_owned(),
                logical: logical.clone(),
            })
            .collect(),
        assigned: assigned.clone(),
        vault_projects: vault.into_iter().collect(),
        local: found.local,
    });
    let now: Vec<(String, String)> = folders
        .iter()
        .map(|folder| (folder.clone(), map.to_logical(folder)))
        .collect();
    if now != assigned {
        remember(index, ASSIGNED_PROJECTS, &now)?;
    }
    Ok(map)
}

/// What local folders were called before, found again by the sessions in them: for an index that was lost.
fn assigned_by_sessions(
    open: &OpenSource,
    folders: &[String],
    base: &BTreeMap<LogicalPath, Agreed>,
) -> Vec<(String, String)> {
    let source = open.source.as_ref();
    let known: BTreeMap<&str, &str> = base
        .keys()
        .filter(|path| path.source() == source.name())
        .filter_map(|path| Some((path.file_name(), source.project_folder(path.relative())?)))
        .filter(|(name, _)| name.ends_with(".jsonl"))
        .collect();
    if known.is_empty() {
        return Vec::new();
    }
    let logical_of = |folder: &String| {
        let entries = std::fs::read_dir(open.root.path().join("projects").join(folder)).ok()?;
        entries.flatten().find_map(|entry| {
            known
                .get(entry.file_name().to_str()?)
                .map(|logical| (*logical).to_owned())
        })
    };
    folders
        .iter()
        .filter_map(|folder| logical_of(folder).map(|logical| (folder.clone(), logical)))
        .collect()
}

/// The home folder under each of its names, the real one first: agents name folders after real paths.
fn homes(context: &Context<'_>) -> Vec<String> {
    let mut homes = Vec::new();
    let home = context.environment.home();
    for home in [home.canonicalize().ok(), Some(home.to_owned())].into_iter().flatten() {
        let home = home.to_string_lossy().into_owned();
        if !homes.contains(&home) {
            homes.push(home);
        }
    }
    homes
}

fn remember<T: Serialize>(index: &mut Index, key: &str, value: &T) -> Result<()> {
    Ok(index.set_meta(
        key,
        &serde_json::to_string(value).expect("plain maps and lists of texts"),
    )?)
}

/// The logical path of a local file; an error where its name cannot exist on every machine.
///
/// # Errors
/// [`crate::BadPath`] says what in the name is not portable.
pub fn logical_path(
    open: &OpenSource,
    projects: &ProjectMap,
    relative: &str,
) -> std::result::Result<LogicalPath, crate::BadPath> {
    let renamed = open
        .source
        .with_project_folder(relative, &|folder| projects.to_logical(folder));
    LogicalPath::new(open.source.name(), &renamed)
}

/// Where a logical path stands on this machine, relative to its source's root.
#[must_use]
pub fn local_path(open: &OpenSource, projects: &ProjectMap, path: &LogicalPath, project: Option<&Project>) -> String {
    open.source
        .with_project_folder(path.relative(), &|folder| projects.to_local(folder, project))
}
