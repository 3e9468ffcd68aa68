//! The model of a virtual-memory system, in two halves.
//!
//! The **function half** ([`function`]) decides what happens to every access: which TLB and cache level
//! hits, which page-table entries a walk reads and where they are found, which fault the operating
//! system ([`os`]) handles, which frame and which victim. Nothing in it depends on time. It reports
//! only what differs from the usual hit, as a stream of [`outcome::Outcome`]s.
//!
//! The **time half** ([`time`]) says what those outcomes cost: a window of instructions in flight,
//! walkers, miss-status registers, DRAM and storage. Because it never feeds back, one pass of the
//! first half serves any number of second halves, and both are deterministic.
//!
//! The crate knows nothing of files, threads or charts.
#![deny(missing_docs)]

pub mod address;
pub mod cache;
pub mod config;
pub mod function;
pub mod mmu;
pub mod numa;
pub mod os;
pub mod outcome;
pub mod reference;
pub mod replacement;
mod scratch;
pub mod statistics;
pub mod time;
pub mod units;

/// A number for the sources of this crate. A [`function::Simulator`] that was encoded is decoded where this
/// is the same, and nowhere else.
pub const SOURCES: &str = env!("MODEL_SOURCES");
