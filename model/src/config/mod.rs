//! A machine as a value: the resolved configuration that both halves are built from.
//!
//! Texts become [`Layer`]s, [`load`] lays them over each other and reads the result, and
//! [`Config::resolve`] fills every default that depends on another setting and checks the whole. The
//! structs of the components are the single declaration of every setting: types, defaults, ranges and
//! documentation come from there.

mod assignment;
pub(crate) mod choice;
mod diagnostic;
mod files;
mod invalid;
mod load;
mod manual;
mod merge;
mod names;
mod path;
mod planned;
mod resolve;
mod schema;
mod state;
mod tree;
mod validate;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use diagnostic::{LoadError, nearest};
pub use files::Reader;
pub use invalid::InvalidSetting;
pub use load::{Layer, base_error, base_of, load, load_with};
pub use manual::manual;
pub use schema::{Effect, Leaf, Setting, schema, settings};
pub use state::{Line, Page, State, TlbEntry};

use crate::cache::settings::Cache;
use crate::mmu::settings::Mmu;
use crate::numa::settings::Numa;
use crate::os::settings::Os;
use crate::time::settings::{Core, Dram, Swap};

/// A whole machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What tables and charts call it.
    #[schemars(extend("x-effect" = "none"))]
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
    /// Memory in nodes.
    #[serde(skip_serializing_if = "Numa::is_absent")]
    pub numa: Numa,
    /// Contents that the machine starts with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}
