//! The other side of an sshd: keys, and the `~/.ssh` of a machine.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::process::{program, run, write_script};
use crate::machines::Machine;

/// The passphrase of the encrypted key.
pub const PASSPHRASE: &str = "correct horse";

/// The private and public client keys with their names, made once per test program.
pub fn client_keys() -> &'static [(String, Vec<u8>)] {
    static MADE: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut keys = Vec::new();
        for (name, passphrase) in [
            ("client", ""),
            ("encrypted", PASSPHRASE),
            ("reader", ""),
            ("stranger", ""),
        ] {
            // One round: what is stolen from here is worth nothing.
            let arguments = [
                "-q", "-t", "ed25519", "-a", "1", "-N", passphrase, "-C", name, "-f", name,
            ];
            run(folder.path(), "ssh-keygen", &arguments);
            for name in [name.to_owned(), format!("{name}.pub")] {
                let content = std::fs::read(folder.path().join(&name)).unwrap();
                keys.push((name, content));
            }
        }
        keys
    })
}

/// A machine's `~/.ssh`, made with what [`Ssh::install_for`] says about `~`.
pub fn ssh_folder(machine: &mut Machine) -> PathBuf {
    let folder = machine.home.join(".ssh");
    let mut maker = std::fs::DirBuilder::new();
    maker.recursive(true).mode(0o700).create(&folder).unwrap();
    let home = folder.display();
    let rest = format!(
        "Include {home}/config\nHost *\n  UserKnownHostsFile {home}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
    ) + &["ed25519", "ecdsa", "rsa"]
        .map(|kind| format!("  IdentityFile {home}/id_{kind}\n"))
        .concat();
    std::fs::write(folder.join("as_home"), rest).unwrap();
    let programs = machine.home.join("programs");
    let ssh = program("ssh");
    write_script(
        &programs.join("ssh"),
        &format!("#!/bin/sh\nexec {} -F {home}/as_home \"$@\"\n", ssh.display()),
    );
    let path = std::env::var("PATH").unwrap();
    machine.set("PATH", format!("{}:{path}", programs.display()));
    folder
}
