//! Cache levels and the hierarchy that they form.

pub mod hierarchy;
pub mod level;
pub mod settings;

pub use hierarchy::CacheHierarchy;
pub use level::{CacheLevel, Victim};
