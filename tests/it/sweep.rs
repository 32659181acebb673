//! What vanishes: swept sessions, deleted files, sessions that moved, the breaker.
