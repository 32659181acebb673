//! A port of this process on which threads of a test answer.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::process::{free_port, wait_until};

/// Something that listens at a port of 127.0.0.1 until it is dropped.
pub struct Listening {
    port: u16,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    /// Listens at a free port, and hands each client to `serve`, which must not block.
    pub fn start(serve: impl Fn(TcpStream) + Send + 'static) -> Self {
        Self::on(free_port, serve)
    }

    /// The same at a port that was free a moment ago.
    pub fn start_at(port: u16, serve: impl Fn(TcpStream) + Send + 'static) -> Self {
        Self::on(|| port, serve)
    }

    fn on(port: impl Fn() -> u16, serve: impl Fn(TcpStream) + Send + 'static) -> Self {
        let mut listener = None;
        wait_until("a port to listen at", || {
            listener = TcpListener::bind(("127.0.0.1", port())).ok();
            listener.is_some()
        });
        let listener = listener.expect("it was waited for");
        let port = listener.local_addr().unwrap().port();
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if told.load(Ordering::SeqCst) {
                    break;
                }
                if let Ok(client) = client {
                    serve(client);
                }
            }
        });
        Self {
            port,
            is_over,
            thread: Some(thread),
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // It waits for a client: this is the last one.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
