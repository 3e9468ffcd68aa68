//! Replacement policies of caches and TLBs, one file each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A replacement policy with its parameters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Policy {
    /// The least recently used way.
    #[default]
    Lru,
}
