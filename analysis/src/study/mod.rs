//! Design studies: [`document`] reads one, [`plan`] turns it into points and passes, [`execute`] computes
//! what the [`store`] lacks, [`outputs`] writes what a reader wants.

pub mod clock;
pub mod cost;
pub mod document;
pub mod execute;
pub mod graph;
pub mod key;
pub mod look;
pub mod means;
pub mod memory;
pub mod outputs;
pub mod plan;
pub mod point;
pub mod schedule;
pub mod sealed;
pub mod store;
pub mod table;

#[cfg(test)]
mod tests;
