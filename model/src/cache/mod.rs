//! Cache levels and the hierarchy that they form.

mod caches;
mod chain;
pub mod hierarchy;
pub mod level;
pub mod prefetch;
pub mod ruled;
pub mod settings;

pub use caches::{Caches, Settles};
pub use hierarchy::CacheHierarchy;
pub use level::{Allocated, CacheLevel};
