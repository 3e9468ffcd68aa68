//! Settings of swap: `[swap]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::device::Device;
pub use super::flash::Flash;
pub use super::hdd::{Hdd, Scheduler};
use crate::units::ByteSize;

/// Swap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Swap {
    /// A device by name, or a table that describes it: `kind` and what differs from the device of that
    /// name. Whether there is one at all decides what happens when memory is full; which one it is changes
    /// nothing but time.
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
        Self { device: Device::default(), size: ByteSize(8 << 30), readahead_by: ReadaheadBy::Slot }
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
