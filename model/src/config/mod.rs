//! A machine as a value: the resolved configuration that both halves are built from.

mod invalid;
mod state;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use invalid::InvalidSetting;
pub use state::State;

use crate::cache::settings::Cache;
use crate::mmu::settings::Mmu;
use crate::os::settings::Os;
use crate::time::settings::{Core, Dram, Swap};

/// A whole machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What tables and charts call it.
    pub name: String,
    /// The CPUs.
    pub core: Core,
    /// Address translation.
    pub mmu: Mmu,
    /// The caches, any number of levels.
    pub cache: Vec<Cache>,
    /// Main memory.
    pub dram: Dram,
    /// The swap device.
    pub swap: Swap,
    /// The operating system.
    pub os: Os,
    /// Contents that the machine starts with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}
