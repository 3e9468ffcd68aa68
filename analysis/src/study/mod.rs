//! Design studies: [`document`] reads one, [`plan`] turns it into points and passes, [`execute`] computes
//! what the [`store`] lacks, [`outputs`] writes what a reader wants.

pub mod document;
pub mod execute;
pub mod key;
pub mod outputs;
pub mod plan;
pub mod point;
pub mod sealed;
pub mod store;
pub mod table;

#[cfg(test)]
mod tests;
