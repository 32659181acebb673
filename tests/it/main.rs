//! Stories of whole machines: the real program, real Git repositories, real files. One binary, so that it links once.
//!
//! Each promise of the project is a test that carries its number, such as `p05_a_kill_leaves_old_or_new`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    dead_code
)]
#![allow(clippy::cloned_ref_to_slice_refs, clippy::type_complexity)] // a story reads better with the value spelt out

mod machines;
mod servers;

mod at_a_terminal;
mod bad_input;
mod conflicts;
mod crashes;
mod damage;
mod demo;
mod doctor;
mod documents;
mod first_steps;
mod formats;
mod git_command;
mod hostile_host;
mod hosting;
mod houses;
mod https;
mod joining;
mod kills;
mod looking;
mod losses;
mod lost_state;
mod merging;
mod offline;
mod operations;
mod projects;
mod races;
mod readme;
mod remote;
mod roads;
mod round_trip;
mod scale;
mod secrecy;
mod settings;
mod ssh;
mod surface;
mod sweep;
mod transcripts;
