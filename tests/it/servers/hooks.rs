//! Repositories that refuse what the hosts refuse, in their words.

use std::path::Path;

use super::process::write_script;
use crate::machines::git;

/// Why a push is refused.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// GitHub: a file of more than so many bytes comes in (GitHub's own limit is 100 MiB). Others are taken.
    LargeFiles(u64),
    /// GitHub: the branch is protected.
    ProtectedBranch,
    /// GitHub: a rule of the repository forbids it.
    Rules,
    /// GitLab: the branch is protected.
    GitLabProtectedBranch,
    /// GitLab: the repository is full.
    Quota,
    /// A hook of somebody's own, which says this.
    Hook(&'static str),
    /// The `update` hook: the objects have come in, and the branch does not move. It says this.
    Update(&'static str),
}

/// Makes the bare repository refuse pushes.
pub fn refuse(repository: &Path, refusal: Refusal) {
    allow(repository);
    let (hook, script) = match refusal {
        Refusal::LargeFiles(limit) => ("pre-receive", large_files(limit)),
        Refusal::ProtectedBranch => (
            "pre-receive",
            says(
                "error: GH006: Protected branch update failed for refs/heads/main.\n\
                 error: Changes must be made through a pull request.",
            ),
        ),
        Refusal::Rules => (
            "pre-receive",
            says(
                "error: GH013: Repository rule violations found for refs/heads/main.\n\n\
                 - Cannot update this protected ref.",
            ),
        ),
        Refusal::GitLabProtectedBranch => (
            "pre-receive",
            says("GitLab: You are not allowed to push code to protected branches on this project."),
        ),
        Refusal::Quota => (
            "pre-receive",
            says(
                "GitLab: Your push has been rejected, because this repository has exceeded its size limit of 10 GB \
                 by 1 GB. Please contact your GitLab administrator.",
            ),
        ),
        Refusal::Hook(words) => ("pre-receive", says(words)),
        Refusal::Update(words) => ("update", says(words)),
    };
    write_script(&repository.join("hooks").join(hook), &script);
}

/// The repository takes pushes again.
pub fn allow(repository: &Path) {
    for hook in ["pre-receive", "update"] {
        let _ = std::fs::remove_file(repository.join("hooks").join(hook));
    }
}

/// The repository takes no pack of more than so many bytes.
pub fn limit_packs(repository: &Path, bytes: u64) {
    git(repository, &["config", "receive.maxInputSize", &bytes.to_string()]);
}

/// A hook that says something and refuses.
fn says(words: &str) -> String {
    format!("#!/bin/sh\ncat >&2 <<'END'\n{words}\nEND\nexit 1\n")
}

/// A hook that looks at each new file, as GitHub does.
fn large_files(limit: u64) -> String {
    format!(
        r#"#!/bin/sh
limit={limit}
while read -r old new branch; do
  case $new in *[!0]*) echo "$new" ;; esac
done >new-tips.$$
large=$(git rev-list --objects --stdin --not --all <new-tips.$$ |
  git cat-file --batch-check='%(objecttype) %(objectsize) %(rest)' |
  while read -r type size path; do
    [ "$type" = blob ] && [ "$size" -gt "$limit" ] && echo "$path $size"
  done)
rm new-tips.$$
[ -n "$large" ] || exit 0
megabytes() {{ printf '%d.%02d' $(($1 / 1048576)) $(($1 % 1048576 * 100 / 1048576)); }}
echo "$large" | while read -r path size; do
  echo "error: File $path is $(megabytes "$size") MB; this exceeds GitHub's file size limit of $(megabytes $limit) MB" >&2
done
echo "error: GH001: Large files detected. You may want to try Git Large File Storage - https://git-lfs.github.com." >&2
exit 1
"#
    )
}
