use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{MirrorError, Outage, bench, connect, person};
use crate::core::transport::Timeouts;

/// Accepts connections and never says a word, until the process ends.
fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let all: Vec<_> = listener.incoming().collect();
        drop(all);
    });
    port
}

/// The processes whose arguments hold `text`.
fn processes_with(text: &str) -> usize {
    let output = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains(text))
        .count()
}

#[test]
fn p29_a_server_that_stalls_ends_in_time_and_leaves_no_process() {
    let bench = bench();
    let mut network = person(&bench);
    network.timeouts = Timeouts {
        connect: Duration::from_secs(1),
        idle: Duration::from_secs(1),
    };
    for scheme in ["git", "http", "ssh"] {
        let place = format!("127.0.0.1:{}", silent());
        let began = Instant::now();
        let url = format!("{scheme}://{place}/x");
        let error = connect(&url, &network).unwrap().fetch(&bench.mirror).unwrap_err();
        assert!(
            matches!(
                &error,
                MirrorError::Network {
                    outage: Outage::TimedOut,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(processes_with(place.rsplit(':').next().unwrap()), 0, "{scheme}");
    }
}

#[test]
fn a_signal_ends_it_and_leaves_no_process() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let bench = bench();
    let mut network = person(&bench);
    network.stop = &STOP;
    let port = silent();
    let mut remote = connect(&format!("ssh://127.0.0.1:{port}/x"), &network).unwrap();
    let stopper = std::thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(20);
        while processes_with(&port.to_string()) == 0 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        STOP.store(true, Ordering::Relaxed);
    });
    let error = remote.fetch(&bench.mirror).unwrap_err();
    stopper.join().unwrap();
    assert!(matches!(error, MirrorError::Interrupted { .. }), "{error:?}");
    assert_eq!(processes_with(&port.to_string()), 0);
}
