//! Reading a line that nobody is to see. A signal ends the question at once, and the terminal shows again what is typed.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

/// How often it is looked whether a signal came.
const LOOK: Duration = Duration::from_millis(50);

/// The longest line that is taken, in bytes.
const LONGEST: usize = 64 << 10;

/// The terminal on standard input, which does not show what is typed for as long as this lives.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}

/// A line from the terminal on standard input, without its end.
///
/// # Errors
///
/// [`io::ErrorKind::Interrupted`] when `stop` is set meanwhile, [`io::ErrorKind::UnexpectedEof`] when the terminal goes away,
/// [`io::ErrorKind::InvalidData`] when the line is no UTF-8 or longer than any secret.
pub fn read_line(stop: &AtomicBool) -> io::Result<SecretString> {
    let _hidden = Hidden::begin()?;
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let look = Timespec::try_from(LOOK).expect("it is a fraction of a second");
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let stdin = io::stdin();
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&look)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut part = Zeroizing::new([0; 4096]);
        let length = match rustix::io::read(&stdin, part.as_mut_slice()) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if line.len() + length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        line.extend_from_slice(&part[..length]);
        if let Some(end) = line.iter().position(|&byte| matches!(byte, b'\n' | b'\r')) {
            let text = std::str::from_utf8(&line[..end]).map_err(|_| io::ErrorKind::InvalidData)?;
            return Ok(SecretString::from(text));
        }
    }
}
