//! Page replacement, one policy a file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A reclaim policy with its parameters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ReclaimPolicy {
    /// The least recently touched page.
    #[default]
    Lru,
}
