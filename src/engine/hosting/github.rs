//! GitHub and GitHub Enterprise, through `gh api`. What is asked and answered: <https://docs.github.com/en/rest/repos/repos>.

use serde::Deserialize;

use super::answer::{Answer, not_understood};
use super::name::Name;
use super::tool::Tool;
use super::{Host, Repository, Visibility};
use crate::error::Result;

/// GitHub.
pub(super) struct GitHub;

/// What is read of a user.
#[derive(Deserialize)]
struct User {
    login: String,
}

/// What is read of a repository.
#[derive(Deserialize)]
struct Found {
    full_name: String,
    private: bool,
    visibility: String,
    archived: bool,
    #[serde(default)]
    disabled: bool,
    permissions: Option<Permissions>,
    clone_url: Option<String>,
    ssh_url: Option<String>,
}

/// What the user may do.
#[derive(Deserialize)]
struct Permissions {
    push: bool,
}

impl Host for GitHub {
    fn user(&self, tool: &Tool<'_>) -> Result<String> {
        Ok(tool.api("user", &[])?.read::<User>()?.login)
    }

    fn find(&self, tool: &Tool<'_>, name: &Name) -> Result<Option<Repository>> {
        let answer = tool.api(&format!("repos/{}/{}", name.owner, name.repository), &[])?;
        if answer.status == 404 {
            return Ok(None);
        }
        repository(answer.read()?, &answer.host).map(Some)
    }

    fn make(&self, tool: &Tool<'_>, name: &Name, user: &str) -> Result<Answer> {
        let endpoint = match name.owner.eq_ignore_ascii_case(user) {
            true => "user/repos".to_owned(),
            false => format!("orgs/{}/repos", name.owner),
        };
        // Empty, and with nothing that a vault has no use for. No description: the host need not learn what it is for.
        let fields = [
            ("name", name.repository.as_str()),
            ("private", "true"),
            ("auto_init", "false"),
            ("has_issues", "false"),
            ("has_projects", "false"),
            ("has_wiki", "false"),
        ];
        tool.api(&endpoint, &fields)
    }

    fn credential_command(&self, host: &str) -> String {
        match host {
            "github.com" => "gh auth setup-git".to_owned(),
            _ => format!("gh auth setup-git --hostname {host}"),
        }
    }
}

/// A repository as GitHub describes it. Both fields that say who may read it must be there and agree.
fn repository(found: Found, host: &str) -> Result<Repository> {
    let visibility = match (found.private, found.visibility.as_str()) {
        (true, "private") => Visibility::Private,
        // To GitHub, what a whole company can read is private as well.
        (true, "internal") => Visibility::Internal,
        (false, "public") => Visibility::Public,
        _ => return Err(not_understood(host, "who can read the repository is not clear")),
    };
    Ok(Repository {
        name: found.full_name,
        visibility,
        archived: found.archived || found.disabled,
        writable: found.permissions.map(|permissions| permissions.push),
        https: found.clone_url,
        ssh: found.ssh_url,
    })
}
