//! Cache levels and the hierarchy that they form.

mod chain;
pub mod hierarchy;
pub mod level;
pub mod settings;

pub use hierarchy::CacheHierarchy;
pub use level::{Allocated, CacheLevel};
