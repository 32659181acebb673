//! A proxy that breaks connections on purpose.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use super::listening::Listening;

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What happens to a connection. Bytes are counted as they are on the wire, encryption included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Nobody listens.
    Refuse,
    /// It is accepted, and then there is silence.
    Stall,
    /// Both sides are closed once so many bytes have passed in one direction.
    CutAfter { direction: Direction, bytes: u64 },
    /// The same with a reset.
    ResetAfter { direction: Direction, bytes: u64 },
    /// Nothing passes any more, either way, once so many bytes have passed in one direction.
    StallAfter { direction: Direction, bytes: u64 },
}

/// The proxy. It knows nothing of what it carries: TLS, SSH or `git://`.
pub struct FaultProxy {
    listening: Mutex<Option<Listening>>,
    port: u16,
    shared: Arc<Shared>,
}

/// What the threads of a proxy share.
struct Shared {
    upstream: u16,
    fault: Mutex<Fault>,
    on_connection: Mutex<HashMap<usize, Fault>>,
    connections: AtomicUsize,
    to_server: AtomicU64,
    to_client: AtomicU64,
    open: Mutex<Vec<Weak<Connection>>>,
    /// Held so that they stay open in silence.
    silent: Mutex<Vec<Silent>>,
}

/// A connection in which nothing happens any more.
enum Silent {
    Unanswered(#[expect(dead_code, reason = "it is closed when this is dropped")] TcpStream),
    Stalled(#[expect(dead_code, reason = "it is closed when this is dropped")] Arc<Connection>),
}

/// One connection through the proxy.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    fault: Fault,
    /// Nothing passes any more.
    is_over: AtomicBool,
}

impl FaultProxy {
    /// Stands before the server at that port of 127.0.0.1. It breaks nothing yet.
    pub fn start(upstream: u16) -> Self {
        let shared = Arc::new(Shared {
            upstream,
            fault: Mutex::new(Fault::None),
            on_connection: Mutex::default(),
            connections: AtomicUsize::new(0),
            to_server: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
            open: Mutex::default(),
            silent: Mutex::default(),
        });
        let listening = Listening::start(serve(&shared));
        Self {
            port: listening.port(),
            listening: Mutex::new(Some(listening)),
            shared,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What happens to the connections from now on. Those that are open go on as they began.
    pub fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = fault;
        let mut listening = self.listening.lock().unwrap();
        if fault == Fault::Refuse {
            *listening = None;
        } else if listening.is_none() {
            *listening = Some(Listening::start_at(self.port, serve(&self.shared)));
        }
    }

    /// What happens to one connection alone, by its number: the first one since the start is 1. `Refuse` resets it.
    pub fn on_connection(&self, number: usize, fault: Fault) {
        self.shared.on_connection.lock().unwrap().insert(number, fault);
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many bytes passed in a direction, in all connections.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.shared.counter(direction).load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        *self.listening.lock().unwrap() = None;
        for connection in self.shared.open.lock().unwrap().drain(..) {
            if let Some(connection) = connection.upgrade() {
                connection.close();
            }
        }
    }
}

/// What is done with each client.
fn serve(shared: &Arc<Shared>) -> impl Fn(TcpStream) + Send + 'static + use<> {
    let shared = Arc::clone(shared);
    move |client| {
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let usual = *shared.fault.lock().unwrap();
        let fault = *shared.on_connection.lock().unwrap().get(&number).unwrap_or(&usual);
        match fault {
            Fault::Stall => return shared.silent.lock().unwrap().push(Silent::Unanswered(client)),
            Fault::Refuse => return set_socket_linger(&client, Some(Duration::ZERO)).unwrap(),
            _ => {}
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", shared.upstream)) else {
            return;
        };
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
            stream.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        }
        let connection = Arc::new(Connection {
            client,
            server,
            fault,
            is_over: AtomicBool::new(false),
        });
        shared.open.lock().unwrap().push(Arc::downgrade(&connection));
        for direction in [Direction::ToServer, Direction::ToClient] {
            let (shared, connection) = (Arc::clone(&shared), Arc::clone(&connection));
            std::thread::spawn(move || shared.carry(connection, direction));
        }
    }
}

impl Shared {
    fn counter(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    /// Carries one direction of a connection to its end, or to its fault.
    fn carry(&self, connection: Arc<Connection>, direction: Direction) {
        let (mut from, to) = match direction {
            Direction::ToServer => (&connection.client, &connection.server),
            Direction::ToClient => (&connection.server, &connection.client),
        };
        let mut left = connection.fault.bytes(direction);
        let mut buffer = vec![0; 64 * 1024];
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = from.read(&mut buffer[..most]);
            if connection.is_over.load(Ordering::SeqCst) {
                return;
            }
            match read {
                Ok(0) => return drop(to.shutdown(Shutdown::Write)),
                Err(_) => return connection.close(),
                Ok(count) => {
                    self.counter(direction).fetch_add(count as u64, Ordering::SeqCst);
                    if connection.pass(to, &buffer[..count]).is_err() {
                        return connection.close();
                    }
                    left -= count as u64;
                }
            }
        }
        match connection.fault {
            Fault::ResetAfter { .. } => connection.reset(),
            Fault::StallAfter { .. } => {
                connection.is_over.store(true, Ordering::SeqCst);
                self.silent.lock().unwrap().push(Silent::Stalled(connection));
            }
            _ => connection.close(),
        }
    }
}

impl Fault {
    /// How many bytes may pass in this direction.
    fn bytes(self, this: Direction) -> u64 {
        match self {
            Self::CutAfter { direction, bytes }
            | Self::ResetAfter { direction, bytes }
            | Self::StallAfter { direction, bytes }
                if direction == this =>
            {
                bytes
            }
            _ => u64::MAX,
        }
    }
}

impl Connection {
    /// Writes all, unless the connection is over before.
    fn pass(&self, mut to: &TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() && !self.is_over.load(Ordering::SeqCst) {
            match to.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                // The other side does not read just now.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Both sides read an end.
    fn close(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        for stream in [&self.client, &self.server] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Both sides read a reset, as soon as both directions have let go of the connection.
    fn reset(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        for stream in [&self.client, &self.server] {
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
            // Wakes the other direction, and sends nothing.
            let _ = stream.shutdown(Shutdown::Read);
        }
    }
}
