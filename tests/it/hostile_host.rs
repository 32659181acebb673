//! A host that forges, swaps, replays and rolls back.
