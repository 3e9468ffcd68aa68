//! Cache levels and the hierarchy that they form.

pub mod settings;
