//! Design studies over the model: machines to study, plans, results, charts and reports.
#![deny(missing_docs)]

pub mod breakdown;
pub mod chart;
pub mod checkpoint;
pub mod curve;
pub mod error;
pub mod explain;
pub mod fan_out;
pub mod heat;
pub mod ideals;
pub mod intake;
pub mod machine;
pub mod measured;
pub mod pipeline;
pub mod region;
pub mod report;
pub mod sample;
pub mod simulate;
pub mod study;
pub mod team;
#[cfg(test)]
mod testing;
pub mod trace;
