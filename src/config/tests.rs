//! Stories of layers, messages and edits.
#![allow(clippy::unwrap_used)]
