//! `[state]`: contents that a machine starts with, so that a textbook one is a TOML file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, InvalidSetting};

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
    #[schemars(extend("x-effect" = "function"))]
    pub name: String,
    /// Set index.
    #[schemars(extend("x-effect" = "function"))]
    pub set: u32,
    /// Way in the set.
    #[schemars(extend("x-effect" = "function"))]
    pub way: u32,
    /// Tag: the virtual page number without the set index.
    #[schemars(extend("x-effect" = "function"))]
    pub tag: u64,
    /// Physical page number.
    #[schemars(extend("x-effect" = "function"))]
    pub ppn: u64,
}

/// A mapped page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Virtual page number.
    #[schemars(extend("x-effect" = "function"))]
    pub vpn: u64,
    /// Physical page number.
    #[schemars(extend("x-effect" = "function"))]
    pub ppn: u64,
    /// Access rights out of `r`, `w`, `x`; default "rw".
    #[serde(default = "rw")]
    #[schemars(extend("x-effect" = "function"))]
    pub permissions: String,
}

fn rw() -> String {
    "rw".to_owned()
}

/// A cache line.
#[derive(
    Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, bincode::Encode, bincode::Decode,
)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The cache.
    #[schemars(extend("x-effect" = "function"))]
    pub name: String,
    /// Set index.
    #[schemars(extend("x-effect" = "function"))]
    pub set: u32,
    /// Way in the set.
    #[schemars(extend("x-effect" = "function"))]
    pub way: u32,
    /// Tag: the physical line number without the set index.
    #[schemars(extend("x-effect" = "function"))]
    pub tag: u64,
    /// The line's bytes, first one first; may be left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-effect" = "function"))]
    pub bytes: Vec<u8>,
}

impl State {
    /// Checks that everything named exists and fits the machine, whose own settings are right.
    pub(super) fn validate(&self, config: &Config) -> Result<(), InvalidSetting> {
        let mmu = &config.mmu;
        let offset = mmu.base_page().0.max(1).ilog2();
        let pages = |bits: u8| u32::from(bits).saturating_sub(offset);
        let (vpns, ppns) = (pages(mmu.va_bits.unwrap_or(64)), pages(mmu.physical_bits()));
        for (at, entry) in self.tlb.iter().enumerate() {
            let path = |key: &str| format!("state.tlb[{at}].{key}");
            let Some(tlb) = mmu.tlb.iter().find(|tlb| tlb.name == entry.name) else {
                return Err(unknown(path("name"), "TLB", &entry.name));
            };
            let ways = tlb.ways.of(tlb.entries).max(1);
            let sets = tlb.entries / ways;
            below(path("set"), entry.set.into(), sets.into())?;
            below(path("way"), entry.way.into(), ways.into())?;
            // The whole page number has to fit, which a set count that is no power of two also bounds.
            let vpn = u128::from(entry.tag) * u128::from(sets) + u128::from(entry.set);
            fits(path("tag"), vpn, vpns, "virtual page numbers")?;
            fits(path("ppn"), entry.ppn.into(), ppns, "physical page numbers")?;
        }
        for (at, page) in self.page.iter().enumerate() {
            let path = |key: &str| format!("state.page[{at}].{key}");
            fits(path("vpn"), page.vpn.into(), vpns, "virtual page numbers")?;
            fits(path("ppn"), page.ppn.into(), ppns, "physical page numbers")?;
            let known = |c: char| "rwx".contains(c) && page.permissions.matches(c).count() == 1;
            if page.permissions.is_empty() || !page.permissions.chars().all(known) {
                let message = format!("expected some of r, w, x, found \"{}\"", page.permissions);
                return Err(InvalidSetting::new(path("permissions"), message));
            }
            if self.page[..at].iter().any(|other| other.vpn == page.vpn) {
                return Err(InvalidSetting::new(path("vpn"), "this page is mapped twice"));
            }
        }
        for (at, line) in self.line.iter().enumerate() {
            let path = |key: &str| format!("state.line[{at}].{key}");
            let Some(cache) = config.cache.iter().find(|cache| cache.name == line.name) else {
                return Err(unknown(path("name"), "cache", &line.name));
            };
            let lines = cache.size.0 / cache.line.0.max(1);
            let ways = cache.ways.of(u32::try_from(lines).unwrap_or(u32::MAX)).max(1);
            let sets = lines / u64::from(ways);
            below(path("set"), line.set.into(), sets)?;
            below(path("way"), line.way.into(), ways.into())?;
            let number = u128::from(line.tag) * u128::from(sets) + u128::from(line.set);
            let bits = u32::from(mmu.physical_bits()).saturating_sub(cache.line.0.max(1).ilog2());
            fits(path("tag"), number, bits, "physical line numbers")?;
            if !line.bytes.is_empty() && line.bytes.len() as u64 != cache.line.0 {
                let (expected, found) = (cache.line.0, line.bytes.len());
                let message = format!("a line has {expected} bytes, not {found}");
                return Err(InvalidSetting::new(path("bytes"), message));
            }
        }
        Ok(())
    }
}

fn unknown(path: String, what: &str, name: &str) -> InvalidSetting {
    InvalidSetting::new(path, format!("no {what} is called `{name}`"))
}

fn below(path: String, value: u64, count: u64) -> Result<(), InvalidSetting> {
    if value < count {
        return Ok(());
    }
    let message = format!("expected 0 to {}, found {value}", count.saturating_sub(1));
    Err(InvalidSetting::new(path, message))
}

fn fits(path: String, value: u128, bits: u32, what: &str) -> Result<(), InvalidSetting> {
    if bits >= 64 || value >> bits == 0 {
        return Ok(());
    }
    Err(InvalidSetting::new(path, format!("{what} have {bits} bits, and {value:#x} does not fit")))
}
