//! Signals that ask to stop: the first one is a request, the second one ends csync at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::Kind;

/// A terminal that closes asks to stop as well, where there is a signal for that.
#[cfg(unix)]
const SIGNALS: &[i32] = &[SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: &[i32] = &[SIGINT, SIGTERM];

/// A flag that SIGINT, SIGTERM and SIGHUP set. Use cases look at it between files, so what is done stays whole; at the
/// second signal nothing is cleaned up any more, and the next run does it.
#[must_use]
pub fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for &signal in SIGNALS {
        let code = i32::from(Kind::Interrupted.exit_code());
        let armed = signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)));
        if let Err(error) = armed {
            tracing::warn!("signal {signal} cannot be caught: {error}");
        }
    }
    stop
}
