//! Settings of a cache level: `[[cache]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::prefetch::Prefetcher;
use crate::address::PageShift;
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
    /// With `indexing = "vipt"`: what keeps a line from being in several sets where a way is larger than a
    /// page. Required there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"))]
    pub alias: Option<Alias>,
    /// Misses that can be outstanding at once.
    #[serde(default = "mshrs")]
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 4096))]
    pub mshrs: u32,
    /// Bytes a cycle that its link delivers to the level above, of a shared cache to all CPUs together. Default:
    /// any number. Lines wait for the link one behind another; its own time is part of `latency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 65536))]
    pub bandwidth: Option<u32>,
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
    /// Whether there is one for all CPUs, and not one for each. Default: the last level is shared where it
    /// is not the first one too, and so is what lies below a shared level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"))]
    pub shared: Option<bool>,
}

impl Cache {
    /// Whether there is one for all CPUs; known when the machine is resolved.
    pub fn is_shared(&self) -> bool {
        self.shared == Some(true)
    }

    /// Whether it lies above `lower`, on a stream that both serve.
    pub fn leads_to(&self, lower: &Self) -> bool {
        self.level < lower.level && self.serves.iter().any(|stream| lower.serves.contains(stream))
    }

    /// Whether it does no more than write back, allocate, and keep to itself.
    pub fn is_plain(&self) -> bool {
        self.write == Write::Back
            && self.write_allocate
            && self.inclusion == Inclusion::NonInclusive
            && !self.hash
            && !self.prefetcher.is_some()
            && self.alias != Some(Alias::Hardware)
    }

    /// The sets; at least 1.
    fn sets(&self) -> u64 {
        // A cache has at most 2^26 lines.
        let lines = (self.size.0 / self.line.0.max(1)) as u32;
        u64::from(lines / self.ways.of(lines).max(1)).max(1)
    }

    /// Bytes of a way.
    fn way(&self) -> u64 {
        self.sets().saturating_mul(self.line.0)
    }

    /// Lines whose numbers are equal modulo this may be in one set, however their pages are mapped; `None`
    /// where the line's number alone finds the set.
    pub fn aliased(&self, page: Option<PageShift>) -> Option<u64> {
        let page = page?.bytes();
        (self.alias == Some(Alias::Hardware) && self.way() > page)
            .then(|| common_divisor(self.sets(), (page / self.line.0.max(1)).max(1)))
    }

    /// How many colours the kernel has to tell apart for it: the pages of a way.
    pub fn colours(&self, page: PageShift) -> u64 {
        match self.alias {
            Some(Alias::Colour) => (self.way() / page.bytes()).max(1),
            _ => 1,
        }
    }

    /// Whether `indexing` and `alias` go together with the rest, where pages of `page` are translated.
    ///
    /// # Errors
    /// The key that is wrong, and why.
    pub fn check_indexing(&self, page: Option<PageShift>) -> Result<(), (&'static str, String)> {
        let way = self.way();
        if let Some(page) = page.filter(|page| self.line.0 > page.bytes())
            && self.replacement.asks_next_use()
        {
            let message = format!(
                "{} knows when a line is used next that lies in one page, and lines of {} are larger than \
                 pages of {}",
                self.replacement.name(),
                self.line,
                ByteSize(page.bytes())
            );
            return Err(("replacement", message));
        }
        let Some(alias) = self.alias else {
            return match page {
                Some(page) if self.indexing == Indexing::Vipt && way > page.bytes() => {
                    Err(("indexing", larger_than(way, page)))
                }
                _ => Ok(()),
            };
        };
        let invalid = |message: String| Err(("alias", message));
        if self.indexing != Indexing::Vipt {
            return invalid("only a cache with indexing = \"vipt\" has aliases".to_owned());
        }
        if self.hash {
            return invalid("a hash takes bits that are not known before translation".to_owned());
        }
        match (alias, page) {
            (Alias::Hardware, _) if self.level > 1 => {
                invalid("only the first level is indexed before translation".to_owned())
            }
            (Alias::Colour, Some(page))
                if way > page.bytes() && !way.is_multiple_of(page.bytes()) =>
            {
                let (way, page) = (ByteSize(way), ByteSize(page.bytes()));
                invalid(format!(
                    "a way of {way} is no number of pages of {page}, which have no colours then"
                ))
            }
            _ => Ok(()),
        }
    }
}

fn larger_than(way: u64, page: PageShift) -> String {
    format!(
        "a way of {} is larger than a page of {}, so a line could be in several sets: expected more ways, a \
         smaller size, \"pipt\", or alias = \"hardware\" or \"colour\"",
        ByteSize(way),
        ByteSize(page.bytes())
    )
}

fn common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { common_divisor(other, one % other) }
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
    /// no larger than a page; where it is larger, `alias` says how a line stays in one set.
    Vipt,
}

/// What keeps a line from being in several sets of a cache that is indexed by virtual addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Alias {
    /// The level below knows the set of each line. An access that misses a line which is in another set
    /// has it leave that set first (MIPS R10000).
    Hardware,
    /// The kernel gives a page a frame whose number has the page's remainder by the pages of a way, as long
    /// as one is free, so that both addresses find the same set.
    Colour,
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
