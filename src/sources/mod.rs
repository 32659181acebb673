//! The agents: where each keeps its data, what of it is synced, and what kind each file is.
