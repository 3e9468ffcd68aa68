//! The time half: what the outcomes cost.

pub mod dram;
pub mod settings;
pub mod storage;
