//! Processes that do not outlive their test, and the ports they listen on.

use std::collections::HashMap;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A process that does not outlive its test, nor does what it started.
pub struct Running(pub Child);

impl Running {
    /// Starts `command` with nobody listening.
    pub fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Starts `command`, which tells to the end of the file `log`.
    pub fn start_logged(mut command: Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Self(command.spawn().unwrap())
    }

    /// Sends it a signal by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &self.0.id().to_string()])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{name} did not reach the process");
    }

    /// Waits for its end, and gives its exit code.
    pub fn code(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }

    /// Whether it has not ended yet.
    pub fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Ends it, and all that it started.
    pub fn end(&mut self) {
        if !self.runs() {
            return;
        }
        // Stopped, it starts nothing more while its children are looked up.
        let own = Pid::from_child(&self.0);
        let _ = kill_process(own, Signal::STOP);
        let below = descendants(self.0.id());
        let _ = self.0.kill();
        let _ = self.0.wait();
        for pid in below {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// The processes that `pid` started, and those that they started, and so on.
fn descendants(pid: u32) -> Vec<Pid> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // After the name, which stands in brackets and may hold anything: the state, then the parent.
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse().ok()) {
            children.entry(parent).or_default().push(child);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![pid];
    while let Some(next) = open.pop() {
        open.extend(children.get(&next).into_iter().flatten());
        found.push(next);
    }
    found
        .into_iter()
        .skip(1)
        .filter_map(|pid| Pid::from_raw(pid.try_into().ok()?))
        .collect()
}

/// Looks every millisecond until `found` says so; a minute at most.
#[track_caller]
pub fn wait_until(what: &str, mut found: impl FnMut() -> bool) {
    let start = Instant::now();
    while !found() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} never happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Starts a server with `start`, which is given a port and a log, until one says that it `is_ready`: somebody else may
/// take the port between the look and the start.
pub fn start_server(log: &Path, start: impl Fn(u16) -> Command, is_ready: impl Fn(&str) -> bool) -> (Running, u16) {
    for _ in 0..5 {
        let port = free_port();
        if let Some(process) = start_server_at(log, start(port), &is_ready) {
            return (process, port);
        }
    }
    panic!("it does not start: {}", text(log));
}

/// Starts a server, and waits until what it told since then says that it `is_ready`; none when it ends before.
pub fn start_server_at(log: &Path, command: Command, is_ready: impl Fn(&str) -> bool) -> Option<Running> {
    let before = text(log).len();
    let mut process = Running::start_logged(command, log);
    let mut ready = false;
    wait_until("a server that is ready", || {
        ready = is_ready(&text(log)[before..]);
        ready || !process.runs()
    });
    ready.then_some(process)
}

/// What a log holds; nothing when it is not there.
pub fn text(log: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
}

/// A port of 127.0.0.1 that nobody listens on. It lies below those that the system gives to clients, so that it stays
/// free while nobody listens on it.
pub fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        // Test programs that run side by side begin at different places.
        let place = std::process::id().wrapping_mul(97) % COUNT + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + place % COUNT).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// Where a program is. Servers are often in folders that are on root's path alone.
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: scripts/test installs it"))
}

/// Runs a program in `folder`, without anybody's variables; it must end well. Gives what it printed.
#[track_caller]
pub fn run(folder: &Path, name: &str, arguments: &[&str]) -> String {
    let output = Command::new(program(name))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {}: {told}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Writes a file that can be run.
pub fn write_script(path: &Path, content: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}
