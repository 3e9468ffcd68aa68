//! Settings of the time half: `[core]`, `[dram]`, `[swap]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Frequency, Span};

pub use crate::config::InvalidSetting;

pub use super::dram::settings::{Dram, DramPreset, RowPolicy, Timing};
pub use super::storage::settings::{
    Area, Content, Device, Flash, Hdd, MAIN, ReadaheadBy, Scheduler, Swap, Zram,
};

/// The CPUs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Core {
    /// How many. CPU k of a trace runs on CPU k mod `count`.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 64))]
    pub count: u16,
    /// Clock frequency.
    #[schemars(extend("x-effect" = "timing"))]
    pub frequency: Frequency,
    /// Instructions dispatched and retired a cycle.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 16))]
    pub width: u32,
    /// Reorder buffer entries.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 1024))]
    pub rob: u32,
    /// Loads in flight.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 1024))]
    pub load_queue: u32,
    /// Stores in flight, from dispatch until they are written to the first-level cache.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 1024))]
    pub store_queue: u32,
    /// Whether an access that spans lines or pages counts on each, or only where its first byte lies.
    #[schemars(extend("x-effect" = "function"))]
    pub line_crossing: LineCrossing,
    /// What a mispredicted branch costs after it is resolved.
    #[schemars(extend("x-effect" = "timing"))]
    pub mispredict_penalty: Span,
    /// What a line out of another CPU's private cache takes beyond looking up the own caches, and what it takes
    /// to have such copies invalidated. The default: Intel's Memory Latency Checker finds 40 to 42 ns in all for
    /// a modified line on a Xeon E5-2660 v4 (Intel's developer forum, "Core-to-Core Communication Latency in
    /// Skylake/Kaby Lake"), about half of which is the look-up of the shared cache.
    #[schemars(extend("x-effect" = "timing"))]
    pub peer_latency: Span,
}

impl Default for Core {
    fn default() -> Self {
        Self {
            count: 1,
            frequency: Frequency(4_000_000_000),
            width: 4,
            rob: 224,
            load_queue: 72,
            store_queue: 56,
            line_crossing: LineCrossing::Split,
            mispredict_penalty: Span::Cycles(16),
            peer_latency: Span::Picoseconds(20_000),
        }
    }
}

/// What happens to an access that spans lines or pages.
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
#[serde(rename_all = "lowercase")]
pub enum LineCrossing {
    /// It counts on each.
    #[default]
    Split,
    /// Its first byte decides.
    Ignore,
}
