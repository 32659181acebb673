//! Running ssh for what it prints: not for long, and not for much.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How long ssh has. It connects to nothing here, but a configuration may start commands of its own (`Match exec`).
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is read from it, in bytes. The defaults of OpenSSH 9.2 have 6 KiB.
const MOST_OUTPUT: u64 = 1 << 20;
/// The most of its complaints that is read, in bytes.
const MOST_COMPLAINTS: u64 = 4 << 10;
/// How often it is looked whether it has ended, once it has closed its output.
const LOOK: Duration = Duration::from_millis(2);

/// What the command printed; or why there is nothing to go by, in its own words where it has any.
pub(super) fn run(command: Command) -> Result<String, String> {
    run_within(command, PATIENCE)
}

/// [`run`], with another patience.
fn run_within(mut command: Command, patience: Duration) -> Result<String, String> {
    let end = Instant::now() + patience;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("ssh could not be started: {error}"))?;
    let printed = child.stdout.take().map(|pipe| collect(pipe, MOST_OUTPUT));
    let complaints = child.stderr.take().map(|pipe| collect(pipe, MOST_COMPLAINTS));
    // A command that ssh started may hold the pipes open when ssh is gone: the threads that read them are then left behind.
    let wait_for = |pipe: Option<Receiver<Vec<u8>>>| {
        let left = end.saturating_duration_since(Instant::now());
        pipe.and_then(|pipe| pipe.recv_timeout(left).ok())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let printed = wait_for(printed);
    let complaints = wait_for(complaints).unwrap_or_default();
    let status = loop {
        match child.try_wait() {
            Ok(None) if printed.is_some() && Instant::now() < end => thread::sleep(LOOK),
            Ok(Some(status)) => break Some(status),
            Ok(None) | Err(_) => break None,
        }
    };
    let (Some(status), Some(printed)) = (status, printed) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("ssh did not answer within {} seconds", patience.as_secs()));
    };
    if status.success() {
        return Ok(printed);
    }
    let complaint = complaints.lines().rfind(|line| !line.trim().is_empty());
    Err(complaint.map_or_else(|| format!("ssh ended with {status}"), |line| line.trim().to_owned()))
}

/// Reads a pipe to its end, or to `most` bytes, beside what else happens.
fn collect(pipe: impl Read + Send + 'static, most: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    // Without a thread there is no answer, which is an answer.
    let _ = thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let mut pipe = pipe;
        if pipe.by_ref().take(most).read_to_end(&mut bytes).is_ok() {
            let _ = sender.send(bytes);
            // What is too much is let through, so that the program can end.
            let _ = io::copy(&mut pipe, &mut io::sink());
        }
    });
    receiver
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_program_prints_is_read_and_its_complaint_is_told() {
        assert_eq!(run(shell("echo port 22")), Ok("port 22\n".into()));
        assert_eq!(run(shell("cat")), Ok(String::new()), "it has no input");
        assert_eq!(
            run(shell("echo first >&2; echo ' last '>&2; echo >&2; exit 255")),
            Err("last".into())
        );
        assert!(run(shell("exit 3")).unwrap_err().contains('3'));
        assert!(run(Command::new("/there/is/no/such/program")).is_err());
    }

    #[test]
    fn too_much_is_cut() {
        let printed = run(shell("yes | head -c 3000000")).unwrap();
        assert_eq!(printed.len() as u64, MOST_OUTPUT);
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let began = Instant::now();
        for script in [
            "exec sleep 1000",
            "sleep 20 & exec sleep 1000",
            "exec >&- 2>&-; exec sleep 1000",
        ] {
            let why = run_within(shell(script), Duration::from_secs(1)).unwrap_err();
            assert!(why.contains("did not answer"), "{script}: {why}");
        }
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
