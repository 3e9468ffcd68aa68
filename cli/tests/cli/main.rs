//! The built command, end to end: what it prints, writes and returns.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod checkpoints;
mod command;
mod cpus;
mod curves;
mod determinism;
mod explaining;
mod failures;
mod goldens;
mod help;
mod long;
mod memory;
mod parts;
mod prefault;
mod results;
mod studies;
mod traces;
