//! Settings of swap: `[swap]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::device::Device;
pub use super::flash::Flash;
pub use super::hdd::{Hdd, Scheduler};
pub use super::zram::Zram;
use crate::units::ByteSize;

/// Swap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Swap {
    /// A device by name, or a table that describes it: `kind` and what differs from the device of that
    /// name. Whether there is one at all, and whether it is in memory (zram), decides what happens when
    /// memory is full; which of the others it is changes nothing but time.
    #[schemars(extend("x-effect" = "function"))]
    pub device: Device,
    /// How much it holds, before compression.
    #[schemars(extend("x-effect" = "function"))]
    pub size: ByteSize,
    /// Areas of higher priority are filled first, those of equal priority in turn. Default: below every
    /// priority that is given, and the lower the later in the list of areas, whose first one this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"), range(min = 0, max = 32_767))]
    pub priority: Option<u16>,
    /// Which neighbours are read ahead.
    #[schemars(extend("x-effect" = "function"))]
    pub readahead_by: ReadaheadBy,
    /// Further swap areas, on devices of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub area: Vec<Area>,
    /// How far pages can be compressed whose content the trace tells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<Content>,
}

impl Default for Swap {
    fn default() -> Self {
        Self {
            device: Device::default(),
            size: ByteSize(8 << 30),
            priority: None,
            readahead_by: ReadaheadBy::Slot,
            area: Vec::new(),
            content: Vec::new(),
        }
    }
}

/// A further swap area.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// The name that results use.
    #[schemars(extend("x-effect" = "function"))]
    pub name: String,
    /// As `swap.device`.
    #[schemars(extend("x-effect" = "function"))]
    pub device: Device,
    /// How much it holds, before compression.
    #[schemars(extend("x-effect" = "function"))]
    pub size: ByteSize,
    /// As `swap.priority`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"), range(min = 0, max = 32_767))]
    pub priority: Option<u16>,
}

/// The pages of a content class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The class that `page-content` events of the trace give.
    #[schemars(extend("x-effect" = "function"))]
    pub class: u64,
    /// How many pages of it fit where one was, on a device that compresses.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 4096))]
    pub ratio: u32,
}

/// Which neighbours of a page are read ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReadaheadBy {
    /// Those beside it on the device.
    #[default]
    Slot,
}

/// A swap area among the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed<'a> {
    /// What results call it.
    pub name: &'a str,
    /// What is behind it.
    pub device: &'a Device,
    /// How much it holds.
    pub size: ByteSize,
    /// The higher the earlier it is filled.
    pub rank: i32,
    /// Its first slot among those of all areas.
    pub first: u64,
    /// Its slots, the header included.
    pub slots: u64,
}

/// The name of the area that `swap.device` is behind.
pub const MAIN: &str = "main";

impl Swap {
    /// Every area with a device, in the order of their slots of `page_bytes` each.
    pub fn areas(&self, page_bytes: u64) -> Vec<Placed<'_>> {
        let main = (MAIN, &self.device, self.size, self.priority);
        let further = self
            .area
            .iter()
            .map(|area| (area.name.as_str(), &area.device, area.size, area.priority));
        let mut first = 0u64;
        let mut placed = Vec::new();
        for (index, (name, device, size, priority)) in
            (1..).zip(std::iter::once(main).chain(further))
        {
            if matches!(device, Device::None) {
                continue;
            }
            let slots = size.0 / page_bytes.max(1);
            let rank = priority.map_or(-index, i32::from);
            placed.push(Placed { name, device, size, rank, first, slots });
            first = first.saturating_add(slots);
        }
        placed
    }

    /// The settings of an area's device.
    pub fn key(name: &str) -> String {
        if name == MAIN { "swap".to_owned() } else { format!("swap.area.{name}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_follow_each_other_and_the_listed_ones_rank_below_given_priorities() {
        let text = "size = \"1MiB\"\n[[area]]\nname = \"a\"\ndevice = \"none\"\nsize = \"1MiB\"\n\
                    [[area]]\nname = \"b\"\ndevice = \"hdd\"\nsize = \"2MiB\"\n\
                    [[area]]\nname = \"c\"\ndevice = \"zram\"\nsize = \"2MiB\"\npriority = 0\n";
        let swap: Swap = toml::from_str(text).unwrap();
        let areas = swap.areas(4096);
        let told: Vec<_> = areas.iter().map(|area| (area.name, area.rank, area.first)).collect();
        assert_eq!(told, [(MAIN, -1, 0), ("b", -3, 256), ("c", 0, 768)]);
        let shown = toml::to_string(&swap).unwrap();
        assert_eq!(toml::from_str::<Swap>(&shown), Ok(swap), "{shown}");
    }
}
