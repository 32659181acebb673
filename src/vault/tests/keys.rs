//! Who can open the vault, and what keys show of themselves.

use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::*;

fn passphrase(text: &str) -> SecretString {
    SecretString::from(text)
}

fn quick() -> WorkFactor {
    WorkFactor::new(2).unwrap()
}

fn parse(text: &str) -> Result<VaultKey, VaultError> {
    VaultKey::parse_file(&SecretSlice::from(text.as_bytes().to_vec()))
}

fn text(key: &VaultKey) -> String {
    String::from_utf8(key.to_file().expose_secret().to_vec()).unwrap()
}

#[test]
fn a_device_opens_its_wrap_and_no_other() {
    let key = VaultKey::generate();
    let (laptop, desktop) = (DeviceIdentity::generate(), DeviceIdentity::generate());
    let wrap = wrap_for_device(&key, &laptop.recipient()).unwrap();
    assert_eq!(wrap_kind(&wrap), Ok(WrapKind::Recipient));
    let opened = unwrap_with_identity(&wrap, &laptop).unwrap().unwrap();
    assert!(opened.continues(&key) && key.continues(&opened));
    assert!(unwrap_with_identity(&wrap, &desktop).unwrap().is_none());
    assert!(unwrap_with_passphrase(&wrap, &passphrase("x")).unwrap().is_none());
    assert_eq!(wrap_for_device(&key, "age1nonsense"), Err(VaultError::BadRecipient));
}

#[test]
fn a_passphrase_opens_its_wrap() {
    let key = VaultKey::generate();
    let wrap = wrap_for_passphrase_with(&key, &passphrase("correct horse"), quick()).unwrap();
    assert_eq!(wrap_kind(&wrap), Ok(WrapKind::Passphrase));
    assert!(
        unwrap_with_passphrase(&wrap, &passphrase("correct horse"))
            .unwrap()
            .unwrap()
            .continues(&key)
    );
    assert_eq!(
        unwrap_with_passphrase(&wrap, &passphrase("wrong")).unwrap_err(),
        VaultError::WrongPassphrase
    );
    assert!(
        unwrap_with_identity(&wrap, &DeviceIdentity::generate())
            .unwrap()
            .is_none()
    );
    let damaged = [&wrap[..wrap.len() - 1], &[wrap[wrap.len() - 1] ^ 1]].concat();
    assert!(matches!(
        unwrap_with_passphrase(&damaged, &passphrase("correct horse")),
        Err(VaultError::Damaged { .. })
    ));
    assert_eq!(
        wrap_for_passphrase(&key, &passphrase("")),
        Err(VaultError::EmptyPassphrase)
    );
}

#[test]
fn p22_excessive_work_is_refused_before_it_is_done() {
    let wrap = wrap_for_passphrase_with(&VaultKey::generate(), &passphrase("x"), quick()).unwrap();
    let header = wrap.windows(3).position(|window| window == b" 2\n").unwrap();
    for asked in ["21", "30", "63"] {
        let excessive = [&wrap[..header], b" ", asked.as_bytes(), &wrap[header + 2..]].concat();
        let error = unwrap_with_passphrase(&excessive, &passphrase("x")).unwrap_err();
        assert_eq!(
            error,
            VaultError::ExcessiveWork {
                required: asked.parse().unwrap(),
                limit: 20
            }
        );
    }
    assert_eq!(WorkFactor::new(0), None);
    assert_eq!(WorkFactor::new(21), None);
}

#[test]
fn a_key_file_is_read_as_strictly_as_it_is_written() {
    let key = VaultKey::generate().rotated().unwrap();
    let good = text(&key);
    assert!(parse(&good).unwrap().continues(&key));
    let lines: Vec<&str> = good.lines().collect();
    assert_eq!(lines.len(), 8);
    for missing in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(missing);
        let error = parse(&(fewer.join("\n") + "\n")).unwrap_err();
        assert!(
            matches!(error, VaultError::BadKeyFile { line, .. } if line >= missing),
            "{error}"
        );
    }
    for (from, to) in [
        ("# epoch 2", "# epoch 3"),
        ("# vault: ", "# Vault: "),
        ("AGE-SECRET-KEY-1", "AGE-SECRET-KEY-2"),
        ("# name key: ", "# name key: 0"),
        ("# epoch 1\n", "\n# epoch 1\n"),
    ] {
        assert!(
            matches!(parse(&good.replacen(from, to, 1)), Err(VaultError::BadKeyFile { .. })),
            "{from}"
        );
    }
    assert!(parse(good.trim_end()).is_err());
    assert!(parse(&good.replace('\n', "\r\n")).is_err());
    assert!(parse(&format!("{good}\n")).is_err());
    assert!(parse("").is_err());
    assert!(parse("\n").is_err());
    let error = parse(&good.replacen("format 1", "format 2", 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the vault key file needs vault format 2, which this version of csync does not know"
    );
}

#[test]
fn after_a_rotation_old_and_new_open_and_the_old_key_is_shut_out() {
    let old_key = VaultKey::generate();
    let new = Vault::new(old_key.rotated().unwrap());
    assert!(new.key().continues(&old_key) && !old_key.continues(new.key()));
    assert_eq!((old_key.epochs(), new.key().epochs()), (1, 2));
    let old = Vault::new(old_key);
    let (before, after) = (old.seal_members(&[]).unwrap(), new.seal_members(&[]).unwrap());
    assert!(new.open_members(before.bytes()).is_ok());
    assert!(new.open_members(after.bytes()).is_ok());
    assert_eq!(
        old.open_members(after.bytes()),
        Err(VaultError::OtherKey { thing: Thing::Members })
    );
    assert_eq!(old.file_id(&session()), new.file_id(&session()));
}

#[test]
fn another_vaults_key_continues_nothing() {
    assert!(!VaultKey::generate().continues(&VaultKey::generate()));
    let key = VaultKey::generate();
    let one = key.rotated().unwrap();
    let other = key.rotated().unwrap();
    assert!(!one.continues(&other), "two rotations that know nothing of each other");
}

#[test]
fn p18_keys_show_nothing_of_themselves() {
    let device = DeviceIdentity::generate();
    let key = VaultKey::generate();
    assert_eq!(format!("{device:?} {key:?}"), "DeviceIdentity(…) VaultKey(…)");
    let vault = Vault::new(key);
    assert_eq!(format!("{vault:?}"), format!("Vault({})", vault.id()));
    assert_eq!(format!("{:?}", vault.hasher(&session())), "ContentHasher");
    let blob = vault.seal_members(&[]).unwrap();
    assert_eq!(format!("{blob:?}"), format!("Sealed({} bytes)", blob.bytes().len()));
    // Nor do the errors quote a key that they refuse.
    let secret = device.to_file_text();
    let secret = secret
        .expose_secret()
        .lines()
        .find(|line| line.starts_with("AGE-"))
        .unwrap()
        .to_owned();
    let broken = passphrase(&format!("{secret}X"));
    let error = DeviceIdentity::parse(&broken).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&secret[16..40]));
    let broken = text(vault.key()).replacen("AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1X", 1);
    let secret = broken.lines().last().unwrap()[20..].to_owned();
    let error = parse(&broken).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&secret));
}

#[test]
fn a_device_identity_is_an_age_identity_file() {
    let device = DeviceIdentity::generate();
    let text = device.to_file_text();
    assert_eq!(DeviceIdentity::parse(&text).unwrap().recipient(), device.recipient());
    assert!(device.recipient().starts_with("age1"));
    let bare = text.expose_secret().lines().last().unwrap();
    assert_eq!(
        DeviceIdentity::parse(&passphrase(bare)).unwrap().recipient(),
        device.recipient()
    );
    for bad in ["", "# nothing\n", "age1abc", &format!("{bare}\n{bare}\n")] {
        assert!(DeviceIdentity::parse(&passphrase(bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn no_two_keys_or_ids_are_alike() {
    let (one, other) = (text(&VaultKey::generate()), text(&VaultKey::generate()));
    for (a, b) in one
        .lines()
        .zip(other.lines())
        .filter(|(a, _)| !a.contains("format") && !a.contains("epoch"))
    {
        assert_ne!(a, b);
    }
    let lines: Vec<&str> = one.lines().collect();
    assert_ne!(
        lines[2].rsplit(' ').next(),
        lines[3].rsplit(' ').next(),
        "the two keys of one vault"
    );
    assert_ne!(new_key_id(), new_key_id());
}
