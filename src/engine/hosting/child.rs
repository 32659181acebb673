//! A program run to its end: bounded in time and in what is read of it, with nothing on its standard input.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often it is looked whether the child has ended.
const PAUSE: Duration = Duration::from_millis(10);
/// How much of what a child says is read, in bytes.
const MOST: u64 = 1 << 20;

/// How a child ended.
pub(super) struct Ended {
    /// Whether it ended well.
    pub(super) success: bool,
    /// Its exit code.
    pub(super) code: Option<i32>,
    /// What it printed.
    pub(super) stdout: String,
    /// What it told.
    pub(super) stderr: String,
}

/// Runs `command` to its end, for no longer than `longest`, and until `stopped` says so.
///
/// # Errors
/// It cannot be started; [`io::ErrorKind::TimedOut`]; [`io::ErrorKind::Interrupted`] when stopped.
pub(super) fn run(mut command: Command, longest: Duration, stopped: impl Fn() -> bool) -> io::Result<Ended> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let stdout = read_aside(child.stdout.take());
    let stderr = read_aside(child.stderr.take());
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let why = match () {
            () if stopped() => io::ErrorKind::Interrupted,
            () if start.elapsed() > longest => io::ErrorKind::TimedOut,
            () => {
                std::thread::sleep(PAUSE);
                continue;
            }
        };
        end(&mut child);
        return Err(why.into());
    };
    // What the child started may keep the streams open: no longer than this is waited for it.
    let rest = longest.saturating_sub(start.elapsed()) + PAUSE;
    let cut = |_| io::Error::from(io::ErrorKind::TimedOut);
    Ok(Ended {
        success: status.success(),
        code: status.code(),
        stdout: stdout.recv_timeout(rest).map_err(cut)?,
        stderr: stderr.recv_timeout(rest).map_err(cut)?,
    })
}

/// Reads a stream on a thread of its own, to its end or to [`MOST`].
fn read_aside(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.by_ref().take(MOST).read_to_end(&mut bytes);
            // The child must be able to end; what is more than enough is thrown away.
            let _ = io::copy(&mut stream, &mut io::sink());
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// Ends a child that takes too long.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
