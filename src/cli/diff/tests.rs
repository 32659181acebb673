//! What a person sees of two versions.
#![allow(clippy::unwrap_used)]
