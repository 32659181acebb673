//! init: a new vault, joining, passphrases, wrong keys.
