//! Format 1 as it was written down: a vault made once, stock tools, vaults of the future.
