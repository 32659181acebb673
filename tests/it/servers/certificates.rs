//! A certificate authority to throw away, made once per test program, since keys take their time.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::process::run;

/// What a server with TLS needs, as PEM.
struct Certificates {
    authority: Vec<u8>,
    server: Vec<u8>,
    key: Vec<u8>,
}

/// Puts into `folder` the authority as `ca.pem`, and the certificate and key of `localhost`, `127.0.0.1`
/// and of the large hosts, whom a [`ConnectProxy`](super::ConnectProxy) can play, as
/// `server.pem` and `server.key`. All servers of a test program have the same.
pub fn install(folder: &Path) {
    static MADE: OnceLock<Certificates> = OnceLock::new();
    let made = MADE.get_or_init(make);
    for (name, content) in [
        ("ca.pem", &made.authority),
        ("server.pem", &made.server),
        ("server.key", &made.key),
    ] {
        std::fs::write(folder.join(name), content).unwrap();
    }
}

/// Makes an authority that signed nothing, in `folder`.
pub fn another_authority(folder: &Path) -> PathBuf {
    openssl(folder, AUTHORITY);
    folder.join("ca.pem")
}

/// What makes an authority.
const AUTHORITY: &str = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout ca.key -out ca.pem \
    -subj /CN=authority -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign";

fn openssl(folder: &Path, arguments: &str) {
    run(folder, "openssl", &arguments.split_whitespace().collect::<Vec<_>>());
}

/// Makes them with openssl.
fn make() -> Certificates {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let openssl = |arguments: &str| openssl(folder, arguments);
    std::fs::write(
        folder.join("extensions"),
        "subjectAltName=DNS:localhost,IP:127.0.0.1,DNS:github.com,DNS:gitlab.com\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    openssl(AUTHORITY);
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr \
         -subj /CN=localhost",
    );
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out server.pem \
         -extfile extensions",
    );
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    Certificates {
        authority: read("ca.pem"),
        server: read("server.pem"),
        key: read("server.key"),
    }
}
