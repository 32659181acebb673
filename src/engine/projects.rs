//! Which local project folder is which project of the vault, found with as little reading as possible.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use super::context::Context;
use super::open::{OpenSource, OpenVault};
use crate::core::origin::Project;
use crate::core::path::LogicalPath;
use crate::error::Result;
use crate::local::Scan;
use crate::sources::{self, LocalProject, ProjectInputs, ProjectMap};
use crate::state::Index;
use crate::vault::Head;

/// The names under which the caches below stand in the index. Losing them costs a look at a few files.
const LOCAL_PROJECTS: &str = "local-projects";
const VAULT_PROJECTS: &str = "vault-projects";

fn cached<T: DeserializeOwned + Default>(index: &Index, key: &str) -> Result<T> {
    Ok(index.meta(key)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

impl OpenVault {
    /// Remembers the projects that `heads` speak of, so that a local project of the same Git remote finds its name.
    ///
    /// # Errors
    /// An index that cannot be written.
    pub fn learn_projects<'h>(&mut self, heads: impl IntoIterator<Item = &'h Head>) -> Result<()> {
        let mut known: BTreeMap<String, Project> = cached(&self.index, VAULT_PROJECTS)?;
        let before = known.len();
        let mut changed = false;
        for head in heads {
            let Some(project) = &head.origin.project else { continue };
            let Some(source) = self.sources.iter().find(|open| open.source.name() == head.path.source()) else {
                continue;
            };
            let Some(folder) = source.source.project_folder(head.path.relative()) else { continue };
            // The first one that names a Git remote stays: what a project is called must not flicker.
            match known.get(folder) {
                Some(old) if old.git_remote.is_some() || project.git_remote.is_none() => {}
                _ => {
                    known.insert(folder.to_owned(), project.clone());
                    changed = true;
                }
            }
        }
        if changed || known.len() != before {
            self.index.set_meta(VAULT_PROJECTS, &serde_json::to_string(&known).expect("a map of plain texts"))?;
        }
        Ok(())
    }
}

/// The map between this machine's project folders and their machine-independent names.
///
/// # Errors
/// An index that cannot be read or written.
pub fn project_map(context: &Context<'_>, index: &mut Index, open: &OpenSource, scan: &Scan) -> Result<ProjectMap> {
    let folders: BTreeSet<&str> =
        scan.files.iter().filter_map(|found| open.source.project_folder(&found.relative)).collect();
    let mut local: Vec<LocalProject> = cached(index, LOCAL_PROJECTS)?;
    let known = local.len();
    local.retain(|project| folders.contains(project.folder.as_str()) || project.from_agent_state);
    let new: Vec<String> = folders
        .iter()
        .filter(|folder| !local.iter().any(|project| project.folder == **folder))
        .map(|folder| (*folder).to_owned())
        .collect();
    if !new.is_empty() || local.len() != known || index.meta(LOCAL_PROJECTS)?.is_none() {
        local.retain(|project| !project.from_agent_state);
        local.extend(sources::discover_projects(open.root.folder(), &context.home, &new));
        index.set_meta(LOCAL_PROJECTS, &serde_json::to_string(&local).expect("plain texts"))?;
    }
    let vault_projects: BTreeMap<String, Project> = cached(index, VAULT_PROJECTS)?;
    let mut homes = vec![context.home.clone()];
    if let Ok(real) = context.home.canonicalize()
        && real != context.home
    {
        homes.push(real);
    }
    Ok(ProjectMap::build(ProjectInputs {
        homes: homes.iter().map(|home| home.to_string_lossy().into_owned()).collect(),
        config_map: context.config.claude_projects().clone(),
        vault_projects: vault_projects.into_iter().collect(),
        local,
    }))
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
        .project_folder(relative)
        .map(|folder| open.source.with_project_folder(relative, &projects.to_logical(folder)));
    LogicalPath::new(open.source.name(), renamed.as_deref().unwrap_or(relative))
}

/// Where a logical path stands on this machine, relative to its source's root.
#[must_use]
pub fn local_path(open: &OpenSource, projects: &ProjectMap, path: &LogicalPath, project: Option<&Project>) -> String {
    let relative = path.relative();
    match open.source.project_folder(relative) {
        Some(folder) => open.source.with_project_folder(relative, &projects.to_local(folder, project)),
        None => relative.to_owned(),
    }
}
