//! What a run costs and what it leaves alone: dry runs, nothing to do, appends, odd homes.
