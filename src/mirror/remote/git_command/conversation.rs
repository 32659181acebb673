//! One run of git: started, listened to, and ended when it is silent for too long or a signal asks to stop.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::words::{Heard, Told};
use crate::mirror::remote::Network;

/// How often the flags are looked at while nothing is heard.
const TICK: Duration = Duration::from_millis(50);

/// How long a child that was asked to end has for clearing away its temporary files.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How long to listen on after the child has ended: a process that it left behind on purpose, such as a shared SSH
/// connection, may hold its streams open for ever.
const LINGER: Duration = Duration::from_millis(500);

/// How much longer a person may take to answer a question of git or ssh, over what a server may take.
const THINKING: Duration = Duration::from_secs(180);

/// The most that is kept of standard output, in bytes.
const LONGEST_OUTPUT: usize = 4 << 20;

/// What a run ended with.
pub(super) struct Outcome {
    /// Whether git says that it did what it was told.
    pub success: bool,
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub output: String,
    /// What was said on standard error.
    pub told: Told,
}

/// Why a run was ended from here, or never began.
pub(super) enum Broken {
    /// It showed no sign of life for so long.
    Silent(Duration),
    /// A signal asked to stop.
    Stopped,
    /// It could not be started, or not be waited for.
    System(std::io::Error),
}

/// A stream of the child.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Output,
    Error,
}

/// Runs `command` to its end. `may_ask`: it may ask the person on the terminal.
pub(super) fn run(command: &mut Command, network: &Network<'_>, may_ask: bool) -> Result<Outcome, Broken> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if !may_ask {
        apart(command);
    }
    let child = Running {
        child: command.spawn().map_err(Broken::System)?,
        apart: !may_ask,
        ended: None,
    };
    let mut conversation = Conversation::new(child, network, may_ask);
    if may_ask {
        // While it may ask, nothing else is drawn on the terminal. From the first progress on it has been let in.
        let mut result = Ok(false);
        network.progress.aside(&mut || result = conversation.listen(true));
        result?;
    }
    conversation.listen(false)?;
    conversation.outcome()
}

/// A run under way.
struct Conversation<'c, 'n> {
    running: Running,
    network: &'c Network<'n>,
    may_ask: bool,
    heard: Receiver<(Stream, Vec<u8>)>,
    /// Tells the readers that nobody listens any more.
    over: Arc<AtomicBool>,
    last_life: Instant,
    output: Vec<u8>,
    told: Told,
    transferred: u64,
}

impl<'c, 'n> Conversation<'c, 'n> {
    fn new(mut running: Running, network: &'c Network<'n>, may_ask: bool) -> Self {
        let (tell, heard) = sync_channel(64);
        let over = Arc::new(AtomicBool::new(false));
        if let Some(stream) = running.child.stdout.take() {
            read(stream, Stream::Output, tell.clone(), Arc::clone(&over));
        }
        if let Some(stream) = running.child.stderr.take() {
            read(stream, Stream::Error, tell, Arc::clone(&over));
        }
        Self {
            running,
            network,
            may_ask,
            heard,
            over,
            last_life: Instant::now(),
            output: Vec::new(),
            told: Told::default(),
            transferred: 0,
        }
    }

    /// Listens until the child has ended (true), or until its first progress where `until_progress` (false).
    fn listen(&mut self, until_progress: bool) -> Result<bool, Broken> {
        let timeouts = self.network.timeouts;
        loop {
            let mut patience = timeouts.connect + timeouts.idle;
            if until_progress && self.told.may_be_asking() {
                patience += THINKING;
            }
            if self.network.is_stopped() {
                return Err(Broken::Stopped);
            }
            let closed = match self.heard.recv_timeout(TICK) {
                Ok((stream, bytes)) => {
                    self.last_life = Instant::now();
                    if self.take(stream, &bytes) && until_progress {
                        return Ok(false);
                    }
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            if let Some(since) = self.running.ended_since().map_err(Broken::System)?
                && (closed || since.elapsed() > LINGER)
            {
                return Ok(true);
            }
            if self.last_life.elapsed() > patience {
                return Err(Broken::Silent(patience));
            }
            if closed {
                // The streams close a moment before the process is gone.
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Takes in what was written; whether it was progress.
    fn take(&mut self, stream: Stream, bytes: &[u8]) -> bool {
        if stream == Stream::Output {
            let room = LONGEST_OUTPUT.saturating_sub(self.output.len());
            self.output.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return false;
        }
        let mut progress = false;
        for heard in self.told.hear(bytes) {
            match heard {
                Heard::Progress(done) => {
                    progress = true;
                    let more = done.unwrap_or_default().saturating_sub(self.transferred);
                    if more > 0 {
                        self.transferred += more;
                        self.network.progress.advance(0, more);
                    }
                }
                Heard::Notice(notice) if self.may_ask => self.network.questions.tell(&notice),
                Heard::Notice(_) | Heard::Nothing => {}
            }
        }
        progress
    }

    fn outcome(mut self) -> Result<Outcome, Broken> {
        self.told.end();
        let status = match self.running.ended {
            Some((status, _)) => status,
            None => self.running.child.wait().map_err(Broken::System)?,
        };
        Ok(Outcome {
            success: status.success(),
            code: status.code(),
            output: String::from_utf8_lossy(&self.output).into_owned(),
            told: std::mem::take(&mut self.told),
        })
    }
}

impl Drop for Conversation<'_, '_> {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// A child that does not outlive this value.
struct Running {
    child: Child,
    /// Whether it leads a process group of its own.
    apart: bool,
    ended: Option<(ExitStatus, Instant)>,
}

impl Running {
    /// Since when the child has ended, if it has.
    fn ended_since(&mut self) -> std::io::Result<Option<Instant>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?.map(|status| (status, Instant::now()));
        }
        Ok(self.ended.map(|(_, since)| since))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // Not reaped before the end, so that its number is nobody else's while signals are sent.
        signal(&mut self.child, self.apart, false);
        thread::sleep(LAST_WORDS);
        signal(&mut self.child, self.apart, true);
        let _ = self.child.wait();
    }
}

/// Makes the child the leader of a process group of its own, so that all that it starts can be ended with it. It then
/// cannot read from the terminal.
fn apart(command: &mut Command) {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    #[cfg(not(unix))]
    let _ = command;
}

/// Asks a child that was not waited for yet to end, or ends it; where it is `apart`, with all that it started.
fn signal(child: &mut Child, apart: bool, now: bool) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process, kill_process_group};
        let signal = if now { Signal::KILL } else { Signal::TERM };
        let Some(process) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
            return;
        };
        // Whatever is gone already needs no signal.
        let _ = if apart {
            kill_process_group(process, signal)
        } else {
            kill_process(process, signal)
        };
    }
    #[cfg(not(unix))]
    {
        let _ = apart;
        if now {
            let _ = child.kill();
        }
    }
}

/// Reads a stream of the child on a thread of its own, until it ends or nobody listens any more.
#[cfg(unix)]
fn read<S>(mut stream: S, which: Stream, tell: SyncSender<(Stream, Vec<u8>)>, over: Arc<AtomicBool>)
where
    S: Read + std::os::fd::AsFd + Send + 'static,
{
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let wait = Timespec {
        tv_sec: 0,
        tv_nsec: 200_000_000,
    };
    thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        while !over.load(Ordering::Relaxed) {
            let mut polled = [PollFd::new(&stream, PollFlags::IN)];
            match poll(&mut polled, Some(&wait)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return,
            }
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(length) if tell.send((which, buffer[..length].to_vec())).is_err() => return,
                Ok(_) => {}
            }
        }
    });
}

/// Reads a stream of the child on a thread of its own, until it ends or nobody listens any more.
#[cfg(not(unix))]
fn read<S>(mut stream: S, which: Stream, tell: SyncSender<(Stream, Vec<u8>)>, over: Arc<AtomicBool>)
where
    S: Read + Send + 'static,
{
    thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if over.load(Ordering::Relaxed) || tell.send((which, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
}
