//! Settings of a cache level: `[[cache]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mmu::settings::Ways;
use crate::replacement::Policy;
use crate::units::{ByteSize, Span};

/// A stream of accesses that a TLB or a cache can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Loads, stores, prefetches and page-table reads.
    Data,
    /// Instruction fetches.
    Instruction,
}

impl Stream {
    /// A unified structure.
    pub fn both() -> Vec<Self> {
        vec![Self::Data, Self::Instruction]
    }
}

/// One cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// The name that results use; it seeds random choices too.
    #[schemars(extend("x-effect" = "function"))]
    pub name: String,
    /// Level, from 1.
    #[schemars(extend("x-effect" = "function"), range(min = 1))]
    pub level: u8,
    /// Which streams it serves; a level that serves both is unified.
    #[serde(default = "Stream::both")]
    #[schemars(extend("x-effect" = "function"))]
    pub serves: Vec<Stream>,
    /// Capacity; a multiple of `line` × `ways`.
    #[schemars(extend("x-effect" = "function"))]
    pub size: ByteSize,
    /// Associativity.
    #[schemars(extend("x-effect" = "function"))]
    pub ways: Ways,
    /// Line size: a power of two from 2 B to 64 KiB.
    #[serde(default = "line")]
    #[schemars(extend("x-effect" = "function"))]
    pub line: ByteSize,
    /// Load-to-use latency of a hit in this level. Default: 1 cycle more than the level above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub latency: Option<Span>,
    /// Replacement policy.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub replacement: Policy,
    /// Which address indexes the sets and which is compared.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub indexing: Indexing,
    /// Misses that can be outstanding at once.
    #[serde(default = "mshrs")]
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 4096))]
    pub mshrs: u32,
    /// What a store does to the level below.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub write: Write,
    /// The prefetcher that feeds it.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub prefetcher: Prefetcher,
}

fn line() -> ByteSize {
    ByteSize(64)
}

fn mshrs() -> u32 {
    16
}

/// Index and tag addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Indexing {
    /// Physically indexed, physically tagged.
    #[default]
    Pipt,
    /// Virtually indexed, physically tagged: the same sets, found during translation, where a way is
    /// no larger than a page.
    Vipt,
}

/// Write policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Write {
    /// Write-back with write-allocate.
    #[default]
    Back,
}

/// Hardware prefetchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prefetcher {
    /// None.
    #[default]
    None,
}
