//! The two ways into a vault: founding one in an empty remote, and joining the one that is there.

use secrecy::SecretString;

use super::context::Context;
use super::fetch::verify_history;
use super::init::{InitOptions, Passphrase};
use super::open::{unwrap_with_identity, vault_id, wraps};
use super::rejections::rejected;
use crate::core::id::{CommitId, Generation, KeyId, TreeId, VaultId};
use crate::error::{Error, Kind, Result};
use crate::mirror::{Entry, Mirror, Pointer, Push, Put, Remote, TreeEdit};
use crate::vault::{
    self, DeviceIdentity, Member, MemberKind, Note, Vault, VaultKey, WrapKind, generation_of, layout, limits,
};

/// How often a member is added again after another machine pushed first.
const JOIN_TRIES: usize = 8;

/// The vault that the remote holds, opened.
pub(super) struct RemoteVault {
    vault: Vault,
    tip: CommitId,
    /// The wrap that this device's identity opens; `None` where it was the passphrase.
    member: Option<KeyId>,
}

pub(super) fn open_remote_vault(
    mirror: &Mirror,
    tip: CommitId,
    identity: Option<&DeviceIdentity>,
    passphrase: &mut dyn Passphrase,
) -> Result<RemoteVault> {
    let tree = mirror.commit(tip)?.tree;
    let vault = vault_id(mirror, tree)?;
    if let Some(identity) = identity
        && let Some((member, key)) = unwrap_with_identity(mirror, tree, identity)?
    {
        return check(
            mirror,
            RemoteVault {
                vault: Vault::new(key),
                tip,
                member: Some(member),
            },
            vault,
        );
    }
    let mut by_passphrase = Vec::new();
    for (_, wrap) in wraps(mirror, tree)? {
        // A damaged one may be anybody's: the others are still tried.
        if matches!(vault::wrap_kind(&wrap), Ok(WrapKind::Passphrase)) {
            by_passphrase.push(wrap);
        }
    }
    if by_passphrase.is_empty() {
        return Err(Error::new(
            Kind::Key,
            "the vault has no passphrase, and this device's identity opens no wrap of its key",
        )
        .hint("bring the identity of a member with --identity FILE"));
    }
    let entered = passphrase.enter()?;
    for wrap in by_passphrase {
        if let Some(key) = vault::unwrap_with_passphrase(&wrap, &entered)? {
            return check(
                mirror,
                RemoteVault {
                    vault: Vault::new(key),
                    tip,
                    member: None,
                },
                vault,
            );
        }
    }
    Err(Error::new(Kind::Key, "the passphrase does not open this vault")
        .hint("check it and try again; nothing was written"))
}

fn check(mirror: &Mirror, opened: RemoteVault, vault: VaultId) -> Result<RemoteVault> {
    if opened.vault.id() != vault {
        return Err(Error::new(
            Kind::Damaged,
            format!(
                "the remote says that it is vault {vault}, but its key is that of vault {}",
                opened.vault.id()
            ),
        )
        .hint("the host mixes two vaults: nothing was written"));
    }
    verify_history(mirror, &opened.vault, opened.tip, None)?;
    Ok(opened)
}

/// Makes a new vault and pushes its first commit.
pub(super) fn found(
    context: &Context<'_>,
    mirror: &Mirror,
    remote: &mut dyn Remote,
    options: &InitOptions,
    identity: &DeviceIdentity,
    passphrase: Option<&SecretString>,
) -> Result<(Vault, Vec<Member>)> {
    let vault = Vault::new(VaultKey::generate());
    let mut writer = mirror.writer()?;
    let mut edits = Vec::new();
    let mut put = |path: String, bytes: &[u8]| -> Result<()> {
        let blob = writer.blob(bytes)?;
        edits.push(TreeEdit {
            path,
            entry: Some(Put::Blob(blob)),
        });
        Ok(())
    };
    put(layout::VAULT_JSON.to_owned(), &vault::vault_json(vault.id()))?;
    let mut members = vec![device_member(context, options, identity)];
    put(
        layout::key_path(members[0].key),
        &vault::wrap_for_device(vault.key(), &identity.recipient())?,
    )?;
    if let Some(passphrase) = passphrase {
        let member = Member {
            key: vault::new_key_id(),
            name: "passphrase".to_owned(),
            kind: MemberKind::Passphrase,
            recipient: None,
            added: context.time_text(),
            by: options.device.to_string(),
        };
        put(
            layout::key_path(member.key),
            &vault::wrap_for_passphrase(vault.key(), passphrase)?,
        )?;
        members.push(member);
    }
    put(layout::MEMBERS.to_owned(), vault.seal_members(&members)?.bytes())?;
    put(
        layout::NOTE.to_owned(),
        vault.seal_note(&note(context, options, "init"))?.bytes(),
    )?;
    let tree = writer.tree(None, &edits)?;
    let message = vault.seal_commit(Generation::default().next(), tree, &[]);
    let commit = writer.commit(tree, &[], &message)?;
    writer.finish()?;
    match remote.push(mirror, None, commit)? {
        Push::Accepted => {}
        Push::LostRace => {
            return Err(
                Error::new(Kind::General, "another device made a vault there at this moment")
                    .hint("run the same command again: it will join that one"),
            );
        }
        Push::Rejected(rejection) => {
            return Err(rejected(remote, &rejection));
        }
    }
    mirror.set(Pointer::Tip, None, commit)?;
    Ok((vault, members))
}

/// Adds this device to the members, unless it is one, and makes the verified tip this machine's.
pub(super) fn join(
    context: &Context<'_>,
    mirror: &Mirror,
    remote: &mut dyn Remote,
    options: &InitOptions,
    identity: &DeviceIdentity,
    opened: RemoteVault,
) -> Result<(Vault, Vec<Member>)> {
    let RemoteVault { vault, mut tip, member } = opened;
    if member.is_some() {
        mirror.set(Pointer::Tip, None, tip)?;
        let members = members(mirror, &vault, mirror.commit(tip)?.tree)?;
        return Ok((vault, members));
    }
    let ours = device_member(context, options, identity);
    let wrap = vault::wrap_for_device(vault.key(), &identity.recipient())?;
    for _ in 0..JOIN_TRIES {
        let parent = mirror.commit(tip)?;
        let mut members = members(mirror, &vault, parent.tree)?;
        // A push whose answer was lost had arrived, and another machine went on from there.
        if members.iter().any(|member| member.key == ours.key) {
            mirror.set(Pointer::Tip, None, tip)?;
            return Ok((vault, members));
        }
        members.push(ours.clone());
        let mut writer = mirror.writer()?;
        let mut edits = Vec::new();
        for (path, bytes) in [
            (layout::key_path(ours.key), wrap.as_slice()),
            (layout::MEMBERS.to_owned(), vault.seal_members(&members)?.bytes()),
            (
                layout::NOTE.to_owned(),
                vault.seal_note(&note(context, options, "join"))?.bytes(),
            ),
        ] {
            edits.push(TreeEdit {
                path,
                entry: Some(Put::Blob(writer.blob(bytes)?)),
            });
        }
        let tree = writer.tree(Some(parent.tree), &edits)?;
        let message = vault.seal_commit(generation_of(&parent.message)?.next(), tree, &[tip]);
        let commit = writer.commit(tree, &[tip], &message)?;
        writer.finish()?;
        match remote.push(mirror, Some(tip), commit)? {
            Push::Accepted => {
                mirror.set(Pointer::Tip, None, commit)?;
                return Ok((vault, members));
            }
            Push::Rejected(rejection) => {
                return Err(rejected(remote, &rejection));
            }
            Push::LostRace => {
                tip = remote.fetch(mirror)?.ok_or_else(|| {
                    Error::new(Kind::Rollback, format!("the remote {} became empty", remote.location()))
                })?;
                verify_history(mirror, &vault, tip, None)?;
            }
        }
    }
    Err(Error::new(Kind::Network, "other devices kept pushing first").hint("run the same command again in a moment"))
}

fn device_member(context: &Context<'_>, options: &InitOptions, identity: &DeviceIdentity) -> Member {
    Member {
        key: vault::new_key_id(),
        name: options.device.to_string(),
        kind: MemberKind::Device,
        recipient: Some(identity.recipient()),
        added: context.time_text(),
        by: options.device.to_string(),
    }
}

fn note(context: &Context<'_>, options: &InitOptions, operation: &str) -> Note {
    Note {
        device: options.device.clone(),
        time: context.time_text(),
        operation: operation.to_owned(),
        added: 0,
        changed: 0,
        deleted: 0,
    }
}

/// The members that a tree lists.
///
/// # Errors
/// A missing or damaged list.
pub(super) fn members(mirror: &Mirror, vault: &Vault, tree: TreeId) -> Result<Vec<Member>> {
    match mirror.entry(tree, layout::MEMBERS)? {
        Some(Entry::Blob(blob)) => Ok(vault.open_members(&mirror.blob(blob, limits::MEMBERS_BLOB)?)?),
        _ => Err(Error::new(Kind::Damaged, "the vault's list of members is missing")
            .hint("another device may still hold it: run `csync sync` there")),
    }
}

impl super::open::OpenVault {
    /// The members that a tree lists.
    ///
    /// # Errors
    /// A missing or damaged list.
    pub(super) fn members(&self, tree: TreeId) -> Result<Vec<Member>> {
        members(&self.mirror, &self.vault, tree)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::tests::Two;
    use crate::mirror::{Carrier, MirrorError, Network, Tested, connect};

    /// A remote that takes the first push, and at which another machine goes on before the answer is there.
    struct Overtaken<'t> {
        two: &'t Two,
        inner: Box<dyn Remote>,
        pushes: usize,
    }

    impl Remote for Overtaken<'_> {
        fn location(&self) -> String {
            self.inner.location()
        }

        fn fetch(&mut self, mirror: &Mirror) -> std::result::Result<Option<CommitId>, MirrorError> {
            self.inner.fetch(mirror)
        }

        fn push(
            &mut self,
            mirror: &Mirror,
            expected: Option<CommitId>,
            new: CommitId,
        ) -> std::result::Result<Push, MirrorError> {
            self.pushes += 1;
            assert_eq!(self.inner.push(mirror, expected, new)?, Push::Accepted);
            self.two.ana.write("CLAUDE.md", "# meanwhile\n");
            self.two.ana.sync();
            Ok(Push::LostRace)
        }

        fn test(&mut self) -> std::result::Result<Tested, MirrorError> {
            self.inner.test()
        }

        fn carrier(&self) -> Carrier {
            self.inner.carrier()
        }
    }

    #[test]
    fn nobody_joins_twice_when_the_answer_is_lost_and_another_machine_is_quick() {
        let two = Two::joined();
        let context = two.bob.context();
        let folder = tempfile::tempdir().unwrap();
        let fresh = Mirror::create(&folder.path().join("mirror.git")).unwrap();
        let mut remote = Overtaken {
            two: &two,
            inner: connect(two.remote.to_str().unwrap(), &Network::quiet(folder.path().to_owned())).unwrap(),
            pushes: 0,
        };
        let tip = remote.fetch(&fresh).unwrap().unwrap();
        let of_ana = crate::engine::open::device_identity(&two.ana.context()).unwrap();
        let (_, key) = unwrap_with_identity(&fresh, fresh.commit(tip).unwrap().tree, &of_ana)
            .unwrap()
            .unwrap();
        let opened = RemoteVault {
            vault: Vault::new(key),
            tip,
            member: None,
        };
        let options = InitOptions {
            url: None,
            allow_public: false,
            local: false,
            device: "carol's phone".to_owned().try_into().unwrap(),
            identity: None,
            claude: None,
        };
        let identity = DeviceIdentity::generate();
        let (_, members) = join(&context, &fresh, &mut remote, &options, &identity, opened).unwrap();
        let carols = members.iter().filter(|member| member.name == "carol's phone").count();
        assert_eq!((carols, remote.pushes), (1, 1));
        assert_eq!(fresh.get(Pointer::Tip).unwrap(), remote.fetch(&fresh).unwrap());
    }
}
