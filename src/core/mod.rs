//! The pure room: names, ids, decisions and merges. No file, network, clock, randomness or environment.

pub mod device;
pub mod id;
pub mod kind;
pub mod lines;
pub mod merge;
pub mod origin;
pub mod path;
pub mod plan;
pub mod progress;
pub mod questions;
pub mod stat;
pub mod transport;
