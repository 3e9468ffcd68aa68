//! `[state]`: contents that a machine starts with, so that a textbook one is a TOML file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Preloaded contents.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// TLB entries.
    pub tlb: Vec<TlbEntry>,
    /// Mapped pages.
    pub page: Vec<Page>,
    /// Cache lines.
    pub line: Vec<Line>,
}

/// A TLB entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlbEntry {
    /// The TLB.
    pub name: String,
    /// Set index.
    pub set: u32,
    /// Way in the set.
    pub way: u32,
    /// Tag: the virtual page number without the set index.
    pub tag: u64,
    /// Physical page number.
    pub ppn: u64,
}

/// A mapped page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Virtual page number.
    pub vpn: u64,
    /// Physical page number.
    pub ppn: u64,
    /// Access rights out of `r`, `w`, `x`; default "rw".
    #[serde(default = "rw")]
    pub permissions: String,
}

fn rw() -> String {
    "rw".to_owned()
}

/// A cache line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The cache.
    pub name: String,
    /// Set index.
    pub set: u32,
    /// Way in the set.
    pub way: u32,
    /// Tag: the physical line number without the set index.
    pub tag: u64,
    /// The line's bytes, first one first; may be left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bytes: Vec<u8>,
}
