//! Swap devices.

pub mod settings;
