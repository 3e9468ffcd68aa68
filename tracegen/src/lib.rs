//! Traces of memory accesses: where they come from and how they are kept.
//!
//! A trace is one totally ordered stream of [`record::Record`]s. Workloads compute a real result over
//! modelled memory and emit their accesses ([`workloads`]); foreign traces are imported ([`formats`]);
//! the project's own container is [`flt`]. Whatever the source, a consumer sees one thing: a
//! [`source::Source`] that fills [`batch::Batch`]es. Nothing here knows what a machine is.

#![deny(missing_docs)]

pub mod batch;
pub mod codec;
pub mod error;
pub mod flt;
pub mod formats;
pub mod heap;
pub mod memory;
pub mod metadata;
pub mod next_use;
pub mod record;
pub mod sink;
pub mod source;
pub mod workloads;
