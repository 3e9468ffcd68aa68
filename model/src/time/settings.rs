//! Settings of the time half: `[core]`, `[dram]`, `[swap]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{ByteSize, Frequency, Span};

/// The CPUs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Core {
    /// How many.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 1))]
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
        }
    }
}

/// What happens to an access that spans lines or pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LineCrossing {
    /// It counts on each.
    #[default]
    Split,
    /// Its first byte decides.
    Ignore,
}

/// Main memory. A field that is left out has the value of `preset`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dram {
    /// The standard that every other field starts from.
    #[schemars(extend("x-effect" = "timing"))]
    pub preset: DramPreset,
    /// Independent channels; a power of two.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 64))]
    pub channels: u32,
    /// Ranks a channel; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub ranks: Option<u32>,
    /// Bank groups a rank; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub bank_groups: Option<u32>,
    /// Banks a bank group; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub banks: Option<u32>,
    /// Rows a bank; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub rows: Option<u32>,
    /// Columns a row, each as wide as the channel; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub columns: Option<u32>,
    /// Timing constraints.
    pub timing: Timing,
    /// Physical address fields, most significant first: Ro(w) Ra(nk) Bg Ba(nk) Co(lumn) Ch(annel).
    #[schemars(extend("x-effect" = "timing"))]
    pub mapping: String,
    /// What happens to a row after use.
    #[schemars(extend("x-effect" = "timing"))]
    pub page: RowPolicy,
    /// Requests that a channel's scheduler sees.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 1024))]
    pub queue: u32,
    /// Time outside the channel, added once each way.
    #[schemars(extend("x-effect" = "timing"))]
    pub controller_latency: Span,
    /// Whether rows are refreshed.
    #[schemars(extend("x-effect" = "timing"))]
    pub refresh: bool,
}

impl Default for Dram {
    fn default() -> Self {
        Self {
            preset: DramPreset::Ddr4_3200,
            channels: 1,
            ranks: None,
            bank_groups: None,
            banks: None,
            rows: None,
            columns: None,
            timing: Timing::default(),
            mapping: "RoRaBaBgCoCh".to_owned(),
            page: RowPolicy::Open,
            queue: 32,
            controller_latency: Span::Picoseconds(10_000),
            refresh: true,
        }
    }
}

/// DRAM standards, with the organisation and timing of a common part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DramPreset {
    /// 16-16-16.
    #[serde(rename = "ddr4-2400")]
    Ddr4_2400,
    /// 22-22-22.
    #[serde(rename = "ddr4-3200")]
    Ddr4_3200,
}

/// What happens to a row after use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowPolicy {
    /// It stays open until another is wanted.
    #[default]
    Open,
}

/// Timing constraints of a DRAM, in its clocks but for `tck` (JEDEC JESD79-4 for DDR4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "see the declaration in the macro below")]
pub struct Timing {
    /// Clock period.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub tck: Option<Span>,
}

/// The swap device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Swap {
    /// A device by name, or its description.
    #[schemars(extend("x-effect" = "timing"))]
    pub device: Device,
    /// How much it holds.
    #[schemars(extend("x-effect" = "function"))]
    pub size: ByteSize,
    /// Which neighbours are read ahead.
    #[schemars(extend("x-effect" = "function"))]
    pub readahead_by: ReadaheadBy,
}

impl Default for Swap {
    fn default() -> Self {
        Self { device: Device::Nvme, size: ByteSize(8 << 30), readahead_by: ReadaheadBy::Slot }
    }
}

/// Which neighbours of a page are read ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReadaheadBy {
    /// Those beside it on the device.
    #[default]
    Slot,
}

/// Swap devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// No swap: memory that is full of dirty pages is an error.
    None,
    /// A 7200 rpm hard disk.
    Hdd,
    /// A PCIe solid-state drive.
    #[default]
    Nvme,
}
