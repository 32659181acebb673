//! Kills and faults at every instant: files are wholly old or wholly new, and the next run goes on.
