//! The proxy of a company: it opens tunnels for those who ask with CONNECT.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::listening::Listening;

/// Who may.
const PORTER: (&str, &str) = ("porter", "door");
/// The same as they say it in `Proxy-Authorization`.
const PORTER_IN_BASE64: &str = "Basic cG9ydGVyOmRvb3I=";

/// An HTTP proxy for tunnels.
pub struct ConnectProxy {
    listening: Listening,
    counts: Arc<Counts>,
}

/// What it counts.
#[derive(Default)]
struct Counts {
    opened: AtomicUsize,
    refused: AtomicUsize,
}

impl ConnectProxy {
    /// One that everybody may use.
    pub fn start() -> Self {
        Self::begin(false, None)
    }

    /// One that everybody may use, behind which the whole world is the server at `port` of this machine.
    pub fn leading_to(port: u16) -> Self {
        Self::begin(false, Some(format!("127.0.0.1:{port}")))
    }

    /// One that wants a user and a password: those in [`ConnectProxy::url_with_password`].
    pub fn with_password() -> Self {
        Self::begin(true, None)
    }

    fn begin(wants_password: bool, world: Option<String>) -> Self {
        let counts = Arc::new(Counts::default());
        let inside = Arc::clone(&counts);
        let listening = Listening::start(move |client| {
            let counts = Arc::clone(&inside);
            let world = world.clone();
            std::thread::spawn(move || serve(&client, wants_password, world.as_deref(), &counts));
        });
        Self { listening, counts }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.listening.port()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Its address with the user and the password.
    pub fn url_with_password(&self) -> String {
        format!("http://{}:{}@127.0.0.1:{}", PORTER.0, PORTER.1, self.port())
    }

    /// How many tunnels it opened.
    pub fn connections(&self) -> usize {
        self.counts.opened.load(Ordering::SeqCst)
    }

    /// How often it asked for a password.
    pub fn refused(&self) -> usize {
        self.counts.refused.load(Ordering::SeqCst)
    }
}

/// Serves one client until either side closes. None when it went away.
fn serve(client: &TcpStream, wants_password: bool, world: Option<&str>, counts: &Counts) -> Option<()> {
    let mut reader = BufReader::new(client);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim_end().is_empty() {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let mut words = head.first()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let may = !wants_password
            || head
                .iter()
                .filter_map(|line| line.split_once(':'))
                .any(|(name, value)| {
                    name.eq_ignore_ascii_case("proxy-authorization") && value.trim() == PORTER_IN_BASE64
                });
        let answer = |text: &str| {
            let mut writer = client;
            writer.write_all(text.replace('\n', "\r\n").as_bytes()).ok()
        };
        if !may {
            counts.refused.fetch_add(1, Ordering::SeqCst);
            answer(
                "HTTP/1.1 407 Proxy Authentication Required\nProxy-Authenticate: Basic realm=\"door\"\nContent-Length: 0\n\n",
            )?;
            continue;
        }
        if method != "CONNECT" {
            answer("HTTP/1.1 405 Method Not Allowed\nContent-Length: 0\n\n")?;
            continue;
        }
        let Ok(server) = TcpStream::connect(world.unwrap_or(target)) else {
            answer("HTTP/1.1 502 Bad Gateway\nContent-Length: 0\n\n")?;
            continue;
        };
        counts.opened.fetch_add(1, Ordering::SeqCst);
        answer("HTTP/1.1 200 Connection Established\n\n")?;
        return join(client, &server);
    }
}

/// Carries bytes both ways until both sides have ended.
fn join(client: &TcpStream, server: &TcpStream) -> Option<()> {
    std::thread::scope(|scope| {
        for (mut from, mut to) in [(client, server), (server, client)] {
            scope.spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    });
    Some(())
}
