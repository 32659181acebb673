//! Repositories that a person names as `github:NAME` or `gitlab:NAME`: looked up at their host, made there when they do not
//! exist, and turned into the address that Git knows.
//!
//! The host is asked through its own tool, `gh` or `glab`, with the person's own sign-in: csync has no token of a host and asks
//! for none. What the host does not say clearly is not guessed: a vault never goes into a repository that is not known to be
//! private, unless the person wants that.

mod answer;
mod child;
mod github;
mod gitlab;
mod name;
mod tool;

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests;

use std::time::Duration;

use self::answer::Answer;
use self::name::{Name, Service};
use self::tool::Tool;
use super::context::Context;
use crate::error::{Error, Kind, Result};

/// How often a repository that was just made is looked up until the host shows it, and the pause before each further try.
const LOOKS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// What a host says of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Repository {
    /// Its whole name, such as `me/sessions`.
    name: String,
    /// Who may read it.
    visibility: Visibility,
    /// Whether nothing may be written any more.
    archived: bool,
    /// Whether the person may write; none: the host did not say.
    writable: Option<bool>,
    /// Its address for HTTPS.
    https: Option<String>,
    /// Its address for SSH.
    ssh: Option<String>,
}

/// Who may read a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visibility {
    /// Those whom the owner let in.
    Private,
    /// Everybody who has an account at the host.
    Internal,
    /// Everybody.
    Public,
}

/// One kind of host, spoken to through its tool.
trait Host {
    /// The name of the user who is signed in.
    fn user(&self, tool: &Tool<'_>) -> Result<String>;

    /// The repository `name`; none: the host knows none, or does not tell this user.
    fn find(&self, tool: &Tool<'_>, name: &Name) -> Result<Option<Repository>>;

    /// Asks the host to make the repository `name`, private and empty, for `user`. What came of it is seen by looking.
    fn make(&self, tool: &Tool<'_>, name: &Name, user: &str) -> Result<Answer>;

    /// What to run so that Git's HTTPS uses the tool's sign-in at `host`.
    fn credential_command(&self, host: &str) -> String;
}

/// A remote as Git addresses it.
#[derive(Debug)]
pub(super) struct Resolved {
    /// The address.
    pub(super) url: String,
    /// The repository that was made for it, in words; none where it was there.
    pub(super) made: Option<String>,
}

/// Turns what the person named into an address of Git. Anything but `github:…` and `gitlab:…` is one already; of those, the ones
/// at github.com and gitlab.com are looked at where their tool can, and refused where it says that others can read them.
///
/// # Errors
/// A name that the host would not take; no tool, or nobody signed in; a repository that others can read, unless
/// `allow_public`; one that cannot be written; an answer that is not understood; a person who does not want it made.
pub(super) fn resolve(context: &Context<'_>, text: &str, allow_public: bool) -> Result<Resolved> {
    let Some(name) = name::parse(text)? else {
        if !allow_public {
            look_by_the_way(context, text)?;
        }
        return Ok(Resolved {
            url: text.to_owned(),
            made: None,
        });
    };
    let tool = Tool::of(context, &name, text)?;
    let host: &dyn Host = host_of(name.service);
    let user = host.user(&tool)?;
    let name = name.owned_by(&user).ok_or_else(|| {
        let why = "it gives whoever is signed in a name that none can have";
        answer::not_understood(&tool.host, why)
    })?;
    let (repository, made) = match host.find(&tool, &name)? {
        Some(repository) => (repository, false),
        None => make(context, host, &tool, &name, &user)?,
    };
    let place = format!("{} on {}", name.path(), tool.host);
    if let Err(error) = check(&repository, &name, &tool, allow_public) {
        if made {
            context
                .questions
                .tell(&format!("{place} was made; nothing was sent there."));
        }
        return Err(error);
    }
    if made {
        context.questions.tell(&format!("Made the private repository {place}."));
    }
    let url = address(&repository, &tool)?;
    if url.starts_with("https://") {
        tell_of_credentials(context, host, &tool);
    }
    Ok(Resolved {
        url,
        made: made.then_some(place),
    })
}

/// Who speaks to a service.
fn host_of(service: Service) -> &'static dyn Host {
    match service {
        Service::GitHub => &github::GitHub,
        Service::GitLab => &gitlab::GitLab,
    }
}

/// Makes the repository, and looks at what is there then. False: another machine made it meanwhile.
fn make(
    context: &Context<'_>,
    host: &dyn Host,
    tool: &Tool<'_>,
    name: &Name,
    user: &str,
) -> Result<(Repository, bool)> {
    let place = format!("{} on {}", name.path(), tool.host);
    if context.questions.is_there() {
        let explanation = format!("There is no repository {place} that {user} can see.");
        let question = format!("Make the private repository {place}?");
        if !context.questions.confirm(&explanation, &question) {
            return Err(
                Error::new(Kind::Usage, format!("the repository {place} does not exist"))
                    .hint("give the name of another one, or answer yes to have it made"),
            );
        }
    }
    let answer = host.make(tool, name, user)?;
    for look in 0..LOOKS {
        context.check_stop()?;
        if look > 0 {
            context.clock.wait(PAUSE);
        }
        if let Some(repository) = host.find(tool, name)? {
            return Ok((repository, answer.is_success()));
        }
        if !answer.is_success() {
            break;
        }
    }
    Err(match answer.is_success() {
        true => Error::new(
            Kind::Network,
            format!("{} made {place} and does not show it", tool.host),
        )
        .hint("wait a moment and run the same command again: it uses what is there then"),
        false => Error::new(Kind::Network, format!("cannot make {place}: {}", answer.said)).hint(format!(
            "{user} may make repositories under that name only where its owner allows it; {}",
            tool.by_hand
        )),
    })
}

/// Refuses a repository that a vault cannot or should not go into.
fn check(repository: &Repository, name: &Name, tool: &Tool<'_>, allow_public: bool) -> Result<()> {
    let place = format!("{} on {}", name.path(), tool.host);
    // The host follows old names: whoever has a name now is not who had it when the person wrote it down.
    if !repository.name.eq_ignore_ascii_case(&name.path()) {
        if Name::given(name.service, &repository.name).is_none() {
            return Err(answer::not_understood(
                &tool.host,
                "it gives the repository a name that none can have",
            ));
        }
        return Err(
            Error::new(Kind::Usage, format!("{place} is called {} now", repository.name)).hint(format!(
                "if that is the one you mean: `csync init {}:{}`",
                name.service.prefix(),
                repository.name
            )),
        );
    }
    if !allow_public {
        refuse_open(repository.visibility, &place)?;
    }
    if repository.archived {
        return Err(Error::new(
            Kind::Usage,
            format!("{place} is archived: nothing can be written there"),
        )
        .hint("take it out of the archive in its settings, or give another name"));
    }
    if repository.writable == Some(false) {
        return Err(
            Error::new(Kind::Network, format!("you may read {place}, and not write there"))
                .hint("ask its owner to let you write, or give the name of a repository of your own"),
        );
    }
    Ok(())
}

/// Refuses what others than its owner's guests can read.
fn refuse_open(visibility: Visibility, place: &str) -> Result<()> {
    let who = match visibility {
        Visibility::Private => return Ok(()),
        Visibility::Internal => "internal: everybody with an account there can read it",
        Visibility::Public => "public: everybody can read it",
    };
    Err(Error::new(Kind::Usage, format!("{place} is {who}")).hint(
        "make it private in its settings, or give another name; what csync keeps there is encrypted, and its sizes and times \
         can be seen: --allow-public takes it nonetheless",
    ))
}

/// The address by which Git reaches the repository, over the protocol that the tool is set to.
fn address(repository: &Repository, tool: &Tool<'_>) -> Result<String> {
    let ssh = tool.protocol() == "ssh";
    let (url, well_formed) = match ssh {
        true => (&repository.ssh, name::is_ssh_address as fn(&str, &str) -> bool),
        false => (&repository.https, name::is_https_address as fn(&str, &str) -> bool),
    };
    match url {
        Some(url) if well_formed(url, &tool.host) => Ok(url.clone()),
        _ => Err(Error::new(
            Kind::Network,
            format!(
                "{} gives no {} address for {}",
                tool.host,
                if ssh { "SSH" } else { "HTTPS" },
                repository.name
            ),
        )
        .hint(tool.by_hand.clone())),
    }
}

/// Says what to run where Git would have no password for HTTPS.
fn tell_of_credentials(context: &Context<'_>, host: &dyn Host, tool: &Tool<'_>) {
    if context.environment.secret("CSYNC_GIT_TOKEN").is_none() && tool.git_has_credentials() == Some(false) {
        context.questions.tell(&format!(
            "Git has no credential helper for https://{}; to let it use the sign-in of {}, run `{}`.",
            tool.host,
            tool.program(),
            host.credential_command(&tool.host)
        ));
    }
}

/// Looks at a repository that was given by an address, where that costs the person nothing: the host is github.com or gitlab.com,
/// and its tool is there and signed in. Only a clear answer counts; where there is none, the person's word does.
fn look_by_the_way(context: &Context<'_>, url: &str) -> Result<()> {
    let Some(name) = name::in_address(url) else {
        return Ok(());
    };
    let tool = Tool::of_host(context, &name, name.service.usual_host(), url);
    let found = host_of(name.service).find(&tool, &name);
    context.check_stop()?;
    match found {
        Ok(Some(repository)) => refuse_open(
            repository.visibility,
            &format!("{} on {}", repository.name, name.service.usual_host()),
        ),
        _ => Ok(()),
    }
}
