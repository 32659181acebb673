//! GitLab, through `glab api`. What is asked and answered: <https://docs.gitlab.com/api/projects/>.

use serde::Deserialize;

use super::answer::{Answer, not_understood};
use super::name::Name;
use super::tool::Tool;
use super::{Host, Repository, Visibility};
use crate::error::{Error, Kind, Result};

/// Who has this level may push: a developer.
const DEVELOPER: u32 = 30;

/// GitLab.
pub(super) struct GitLab;

/// What is read of a user.
#[derive(Deserialize)]
struct User {
    username: String,
}

/// What is read of a group.
#[derive(Deserialize)]
struct Namespace {
    id: u64,
    full_path: String,
}

/// What is read of a project.
#[derive(Deserialize)]
struct Found {
    path_with_namespace: String,
    visibility: String,
    archived: bool,
    permissions: Option<Permissions>,
    http_url_to_repo: Option<String>,
    ssh_url_to_repo: Option<String>,
}

/// What the user may do, as a member of the project and of its group.
#[derive(Deserialize)]
struct Permissions {
    project_access: Option<Access>,
    group_access: Option<Access>,
}

/// What a membership allows.
#[derive(Deserialize)]
struct Access {
    access_level: u32,
}

impl Host for GitLab {
    fn user(&self, tool: &Tool<'_>) -> Result<String> {
        Ok(tool.api("user", &[])?.read::<User>()?.username)
    }

    fn find(&self, tool: &Tool<'_>, name: &Name) -> Result<Option<Repository>> {
        let answer = tool.api(&format!("projects/{}", name.path().replace('/', "%2F")), &[])?;
        if answer.status == 404 {
            return Ok(None);
        }
        repository(answer.read()?, &answer.host).map(Some)
    }

    fn make(&self, tool: &Tool<'_>, name: &Name, user: &str) -> Result<Answer> {
        let group = match name.owner.eq_ignore_ascii_case(user) {
            true => None,
            false => Some(group(tool, name)?.to_string()),
        };
        // Empty, and with nothing that a vault has no use for. No description: the host need not learn what it is for.
        let mut fields = vec![
            ("name", name.repository.as_str()),
            ("path", name.repository.as_str()),
            ("visibility", "private"),
            ("initialize_with_readme", "false"),
            ("auto_devops_enabled", "false"),
            ("issues_access_level", "disabled"),
            ("merge_requests_access_level", "disabled"),
            ("builds_access_level", "disabled"),
            ("wiki_access_level", "disabled"),
            ("snippets_access_level", "disabled"),
        ];
        fields.extend(group.as_deref().map(|group| ("namespace_id", group)));
        tool.api("projects", &fields)
    }

    fn credential_command(&self, host: &str) -> String {
        format!("git config --global credential.https://{host}.helper '!glab auth git-credential'")
    }
}

/// The number of the group that `name` belongs to.
fn group(tool: &Tool<'_>, name: &Name) -> Result<u64> {
    let answer = tool.api(&format!("namespaces/{}", name.owner.replace('/', "%2F")), &[])?;
    if answer.status == 404 {
        return Err(Error::new(
            Kind::Usage,
            format!("there is no group {} on {} that you can see", name.owner, tool.host),
        )
        .hint(format!(
            "make the group in the browser first, or write gitlab:{}",
            name.repository
        )));
    }
    let namespace: Namespace = answer.read()?;
    match namespace.full_path.eq_ignore_ascii_case(&name.owner) {
        true => Ok(namespace.id),
        false => Err(not_understood(
            &answer.host,
            "it tells of another group than the one asked for",
        )),
    }
}

/// A repository as GitLab describes it.
fn repository(found: Found, host: &str) -> Result<Repository> {
    let visibility = match found.visibility.as_str() {
        "private" => Visibility::Private,
        "internal" => Visibility::Internal,
        "public" => Visibility::Public,
        _ => return Err(not_understood(host, "who can read the repository is not clear")),
    };
    let levels = found.permissions.map(|permissions| {
        let both = [permissions.project_access, permissions.group_access];
        both.into_iter().flatten().map(|access| access.access_level).max()
    });
    Ok(Repository {
        name: found.path_with_namespace,
        visibility,
        archived: found.archived,
        // An administrator may write without being a member: no level is no answer.
        writable: levels.flatten().map(|level| level >= DEVELOPER),
        https: found.http_url_to_repo,
        ssh: found.ssh_url_to_repo,
    })
}
