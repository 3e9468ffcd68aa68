//! Design studies: [`document`] reads one, [`plan`] turns it into points and passes, passes compute
//! what the [`store`] lacks, [`outputs`] writes what a reader wants.

pub mod document;
pub mod key;
pub mod outputs;
pub mod plan;
pub mod point;
pub mod sealed;
pub mod store;
pub mod table;
