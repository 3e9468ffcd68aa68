//! Settings of address translation: `[mmu]`, `[[mmu.tlb]]`, `[mmu.walker]`, `[[mmu.pwc]]`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::layout::Layout;
use super::switching::{AsidAllocation, Global, PwcInvalidation};
use crate::cache::settings::Stream;
use crate::replacement::Policy;
use crate::units::{ByteSize, Span};

/// Address translation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mmu {
    /// Whether addresses are translated; without, virtual addresses are physical.
    #[schemars(extend("x-effect" = "function"))]
    pub enabled: bool,
    /// The page-table format by name; `format` describes another.
    #[schemars(extend("x-effect" = "function"))]
    pub page_table: PageTable,
    /// A page-table format by its numbers; overrides `page_table`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"))]
    pub format: Option<Format>,
    /// The base page: a power of two from 64 B. A leaf size of the format maps everything with that leaf;
    /// any other changes only the offset's width. Default: the smallest page of the format.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"))]
    pub page_size: Option<ByteSize>,
    /// Width of a virtual address in bits, which chooses the number of levels of the Arm formats.
    /// Default: what the format translates.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"), range(min = 8, max = 64))]
    pub va_bits: Option<u8>,
    /// Groups of eight entries of a hashed page table, a power of two. Default: one for two frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"), range(min = 2, max = 0x8000_0000_u32))]
    pub hash_groups: Option<u32>,
    /// Width of a physical address in bits. Default: the format's, 52 where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"), range(min = 8, max = 56))]
    pub pa_bits: Option<u8>,
    /// How many address-space identifiers the kernel uses: TLB entries carry them. 0: a process switch
    /// flushes everything but global pages.
    #[schemars(extend("x-effect" = "function"))]
    pub asids: u16,
    /// How they are handed out.
    #[schemars(extend("x-effect" = "function"))]
    pub asid_allocation: AsidAllocation,
    /// Which addresses are the kernel's: every process has the same pages there, which are never evicted,
    /// and their TLB entries are global: they match in every address space and survive a switch.
    #[schemars(extend("x-effect" = "function"))]
    pub global: Global,
    /// What the invalidation of one page drops from paging-structure caches. Default: what the format's
    /// architecture does, `address-space` for x86 and `freed-tables` elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"))]
    pub pwc_invalidation: Option<PwcInvalidation>,
    /// Address ranges with pages other than the base page. Or the path of a file: TOML with `[[layout]]`, or
    /// a line `ADDRESS PFN` for each page of 4 KiB that a process has, which makes a range wherever frames
    /// are contiguous and aligned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layout: Vec<Layout>,
    /// The TLBs, any number of levels and page sizes.
    pub tlb: Vec<Tlb>,
    /// The page walkers.
    pub walker: Walker,
    /// The paging-structure caches.
    pub pwc: Vec<Pwc>,
}

impl Default for Mmu {
    fn default() -> Self {
        Self {
            enabled: true,
            page_table: PageTable::X86_64Level4,
            format: None,
            page_size: None,
            va_bits: None,
            pa_bits: None,
            hash_groups: None,
            asids: 4096,
            asid_allocation: AsidAllocation::default(),
            global: Global::None,
            pwc_invalidation: None,
            layout: Vec::new(),
            tlb: Vec::new(),
            walker: Walker::default(),
            pwc: Vec::new(),
        }
    }
}

/// Page-table formats by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PageTable {
    /// PGD, PUD, PMD, PTE with 9 bits each and leaves of 4 KiB, 2 MiB and 1 GiB.
    #[serde(rename = "x86-64-4level")]
    X86_64Level4,
    /// One level more: 57-bit addresses.
    #[serde(rename = "x86-64-5level")]
    X86_64Level5,
    /// 32-bit x86 without PAE: 10 bits each of a directory and a table, leaves of 4 KiB and 4 MiB.
    #[serde(rename = "x86-32")]
    X86Short,
    /// 32-bit x86 with PAE: 2, 9 and 9 bits, leaves of 4 KiB and 2 MiB. The first level's four entries
    /// are in registers.
    #[serde(rename = "x86-pae")]
    X86Pae,
    /// RISC-V with 39-bit addresses: three levels, leaves of 4 KiB, 2 MiB and 1 GiB.
    #[serde(rename = "sv39")]
    Sv39,
    /// RISC-V with 48-bit addresses: a fourth level, and leaves of 512 GiB.
    #[serde(rename = "sv48")]
    Sv48,
    /// RISC-V with 57-bit addresses: a fifth level, and leaves of 256 TiB.
    #[serde(rename = "sv57")]
    Sv57,
    /// Arm's 4 KiB granule: 9 bits a level, leaves of 4 KiB, 2 MiB and 1 GiB.
    #[serde(rename = "arm-4k")]
    Arm4k,
    /// Arm's 16 KiB granule: 11 bits a level, leaves of 16 KiB and 32 MiB.
    #[serde(rename = "arm-16k")]
    Arm16k,
    /// Arm's 64 KiB granule: 13 bits a level, leaves of 64 KiB and 512 MiB.
    #[serde(rename = "arm-64k")]
    Arm64k,
    /// One table for all processes, of groups of eight entries that a page's number selects: PowerPC.
    #[serde(rename = "hashed")]
    Hashed,
    /// One table with an entry for every page: textbooks.
    #[serde(rename = "flat")]
    Flat,
}

/// A radix page table by its numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// Index bits of each level, root first.
    #[schemars(extend("x-effect" = "function"))]
    pub bits: Vec<u8>,
    /// Bytes of an entry, a power of two.
    #[serde(default = "eight")]
    #[schemars(extend("x-effect" = "function"))]
    pub entry_bytes: u8,
    /// The levels at which an entry may be a leaf, 1 being the last; 1 is always one.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub leaves: Vec<u8>,
}

fn eight() -> u8 {
    8
}

/// One TLB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tlb {
    /// The name that results use; it seeds random choices too.
    #[schemars(extend("x-effect" = "function"))]
    pub name: String,
    /// Level, from 1.
    #[schemars(extend("x-effect" = "function"), range(min = 1))]
    pub level: u8,
    /// Which streams it serves.
    #[serde(default = "Stream::both")]
    #[schemars(extend("x-effect" = "function"))]
    pub serves: Vec<Stream>,
    /// Page sizes that it holds. Default: every size of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"))]
    pub pages: Option<Vec<ByteSize>>,
    /// Entries; a multiple of `ways`.
    #[schemars(extend("x-effect" = "function"), range(min = 1))]
    pub entries: u32,
    /// Associativity.
    #[schemars(extend("x-effect" = "function"))]
    pub ways: Ways,
    /// What a hit adds to an access. Default: nothing at level 1, 1 cycle below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub latency: Option<Span>,
    /// Replacement policy.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub replacement: Policy,
    /// How the page sizes of a level below the first are looked up.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub lookup: Lookup,
    /// Entries of the table that predicts page sizes. Default: 128.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 0x10_0000))]
    pub predictor_entries: Option<u32>,
}

/// How a TLB that holds pages of several sizes looks an address up: its set depends on the size, which is not
/// known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lookup {
    /// All sizes at once.
    #[default]
    Parallel,
    /// One after the other, the smallest first; each takes the latency.
    Sequential,
    /// One after the other, the size first that the last page had which the same instruction asked this
    /// level for (Papadopoulou, Tong, Seznec and Moshovos, "Prediction-based superpage-friendly TLB
    /// designs", HPCA 2015).
    Predicted,
}

/// Associativity: a number, or `"full"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// One set.
    Full,
    /// That many entries a set.
    Number(u32),
}

struct WaysVisitor;

impl Visitor<'_> for WaysVisitor {
    type Value = Ways;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of ways or \"full\"")
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Ways, E> {
        match u32::try_from(value) {
            Ok(ways) if ways > 0 => Ok(Ways::Number(ways)),
            _ => Err(E::custom("the number of ways must be at least 1")),
        }
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Ways, E> {
        self.visit_i64(i64::try_from(value).unwrap_or(-1))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Ways, E> {
        if text == "full" {
            Ok(Ways::Full)
        } else {
            Err(E::invalid_value(Unexpected::Str(text), &self))
        }
    }
}

impl<'de> Deserialize<'de> for Ways {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WaysVisitor)
    }
}

impl Serialize for Ways {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Full => serializer.serialize_str("full"),
            Self::Number(ways) => serializer.serialize_u32(*ways),
        }
    }
}

impl JsonSchema for Ways {
    fn schema_name() -> Cow<'static, str> {
        "Ways".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "const": "full" }, { "type": "integer", "minimum": 1 }] })
    }
}

impl Ways {
    /// The number of ways of a structure with `entries` entries.
    pub fn of(self, entries: u32) -> u32 {
        match self {
            Self::Full => entries,
            Self::Number(ways) => ways,
        }
    }
}

/// The page walkers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Walker {
    /// Walks that can be under way at once.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 64))]
    pub count: u32,
    /// The cache that page-table reads enter at, by name, or "memory". Default: the first data cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"))]
    pub entry_level: Option<String>,
}

impl Default for Walker {
    fn default() -> Self {
        Self { count: 1, entry_level: None }
    }
}

/// One paging-structure cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pwc {
    /// The level of the entries that it holds, the leaf table's being 1: an entry of level 2 points to
    /// a leaf table and leaves one read.
    #[schemars(extend("x-effect" = "function"), range(min = 2))]
    pub level: u8,
    /// Entries; a multiple of `ways`.
    #[schemars(extend("x-effect" = "function"), range(min = 1))]
    pub entries: u32,
    /// Associativity.
    #[schemars(extend("x-effect" = "function"))]
    pub ways: Ways,
    /// What a look-up adds to a walk. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"))]
    pub latency: Option<Span>,
    /// Replacement policy.
    #[serde(default)]
    #[schemars(extend("x-effect" = "function"))]
    pub replacement: Policy,
}
