//! Settings of a cache level: `[[cache]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::prefetch::Prefetcher;
use crate::mmu::settings::Ways;
use crate::replacement::Policy;
use crate::units::{ByteSize, Span};

/// A stream of accesses that a TLB or a cache can serve.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    bincode::Encode,
    bincode::Decode,
)]
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
    /// Whether a store that misses fetches its line; if not, it goes on to the level below alone.
    #[serde(default = "yes")]
    #[schemars(extend("x-effect" = "function"))]
    pub write_allocate: bool,
    /// What a level has of what is in the levels above it.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub inclusion: Inclusion,
    /// Whether the set is found by a hash of the whole line number, as the slices of a shared level are,
    /// and not by its low bits alone.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub hash: bool,
    /// The prefetcher that feeds it: a name, or a table with its parameters, such as
    /// `{ prefetcher = "stream", degree = 4 }`.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub prefetcher: Prefetcher,
    /// What a prefetcher's requests stay within, around the access that made it ask: a power of two of at
    /// least a line. Contiguous physical memory of larger pages allows more.
    #[serde(default = "prefetch_page")]
    #[schemars(extend("x-effect" = "function"))]
    pub prefetch_page: ByteSize,
}

impl Cache {
    /// Whether it does no more than write back, allocate, and keep to itself.
    pub fn is_plain(&self) -> bool {
        self.write == Write::Back
            && self.write_allocate
            && self.inclusion == Inclusion::NonInclusive
            && !self.hash
            && !self.prefetcher.is_some()
    }
}

fn yes() -> bool {
    true
}

fn prefetch_page() -> ByteSize {
    ByteSize(4 << 10)
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
    /// A store makes the line dirty, and the level below sees it when the line is displaced.
    #[default]
    Back,
    /// A store goes on to the level below at once, and no line is ever dirty. Below, it updates the line
    /// where that is and allocates none; it is not an access there.
    Through,
}

/// What a level has of the lines in the levels above it. The first level has none above it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(rename_all = "kebab-case")]
pub enum Inclusion {
    /// It is filled with what goes up, and what it displaces stays above.
    #[default]
    NonInclusive,
    /// It has everything that is above: what it displaces is invalidated there, and written back if it
    /// was dirty there.
    Inclusive,
    /// It has nothing that the level right above has: it takes the lines that one displaces, clean or
    /// dirty, and gives a line up when that moves back. Fully associative and small, it is a victim cache.
    Exclusive,
}
