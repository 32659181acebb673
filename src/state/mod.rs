//! What this machine remembers between runs: the lock and the index.
