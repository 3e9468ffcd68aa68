//! Settings of the operating system: `[os]`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::OsError;
use super::frames::{Buddy, ORDERS, initial};
use super::reclaim::ReclaimPolicy;
use crate::units::{ByteSize, Span};

/// The operating system's memory manager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Os {
    /// Physical memory: a size, or `{ frames = N }` for the textbook setting of N frames for user data
    /// alone. Default: what `pa_bits` address, at most 8 GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"))]
    pub memory: Option<Memory>,
    /// Memory that is in use in part when the run starts. Default: all of it is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<Initial>,
    /// A memory cgroup's limit: charges resident pages, swap cache and page tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "function"))]
    pub limit: Option<ByteSize>,
    /// Whether the pages that the trace touches are mapped before it starts: in the address spaces that
    /// there are then. A process that the trace forks has what its parent has mapped; it faults for the
    /// rest, and so does one that executes another program.
    #[schemars(extend("x-effect" = "function"))]
    pub prefault: Prefault,
    /// Which frames the pages get that are mapped before the trace starts.
    #[schemars(extend("x-effect" = "function"))]
    pub prefault_frames: PrefaultFrames,
    /// Page replacement.
    #[schemars(extend("x-effect" = "function"))]
    pub reclaim: ReclaimPolicy,
    /// Swap readahead window as log2 of pages: Linux's page-cluster.
    #[schemars(extend("x-effect" = "function"), range(min = 0, max = 8))]
    pub swap_readahead: u8,
    /// Transparent huge pages.
    #[schemars(extend("x-effect" = "function"))]
    pub thp: Thp,
    /// The allocator of physical frames.
    #[schemars(extend("x-effect" = "function"))]
    pub allocator: Allocator,
    /// Pages of an address space above which everything of it is flushed rather than page by page (Linux
    /// arch/x86/mm/tlb.c).
    #[schemars(extend("x-effect" = "function"))]
    pub tlb_single_page_flush_ceiling: u32,
    /// Whether an access outside every area faults (true) or gets an anonymous page (false).
    #[schemars(extend("x-effect" = "function"))]
    pub strict_areas: bool,
    /// What kernel work costs.
    pub cost: Cost,
}

impl Default for Os {
    fn default() -> Self {
        Self {
            memory: None,
            initial: None,
            limit: None,
            prefault: Prefault::None,
            prefault_frames: PrefaultFrames::Contiguous,
            reclaim: ReclaimPolicy::default(),
            swap_readahead: 3,
            thp: Thp::Never,
            allocator: Allocator::Buddy,
            tlb_single_page_flush_ceiling: 33,
            strict_areas: false,
            cost: Cost::default(),
        }
    }
}

/// The free memory that there is when a run starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Initial {
    /// Free blocks of 1, 2, 4 … 1024 base pages, as a line of Linux's /proc/buddyinfo counts them, at random
    /// places; the rest of memory is in use for good. `buddyinfo = "FILE"` stands for the sums over the
    /// lines of such a file.
    #[schemars(extend("x-effect" = "function"))]
    pub orders: Vec<u64>,
}

impl Initial {
    /// Whether `frames` frames of memory have so many blocks at most.
    ///
    /// # Errors
    /// What is wrong with `os.initial.orders`.
    pub fn check(&self, frames: u64) -> Result<(), String> {
        if self.orders.len() > ORDERS {
            return Err(format!("there are {ORDERS} orders, not {}", self.orders.len()));
        }
        let blocks =
            (0u32..).zip(&self.orders).map(|(order, count)| count.saturating_mul(1 << order));
        let free = blocks.fold(0, u64::saturating_add);
        if free == 0 || free > frames {
            return Err(format!(
                "{free} free pages do not lie in a memory of {frames} (os.memory)"
            ));
        }
        Ok(())
    }

    /// The allocator of such a memory.
    ///
    /// # Errors
    /// The blocks do not fit.
    pub(super) fn buddy(&self, frames: u64, seed: u64) -> Result<Buddy, OsError> {
        let error = |message| OsError::Setting { key: "os.initial.orders", message };
        self.check(frames).map_err(error)?;
        let blocks = initial::place(frames, &self.orders, seed).map_err(|order| {
            error(format!(
                "no room for {} free blocks of order {order} apart from each other: of two neighbours \
                 one is in use, or they are one block of the next order",
                self.orders[order]
            ))
        })?;
        Ok(Buddy::of_blocks(frames, &blocks))
    }
}

/// Physical memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// So many bytes, for user pages, page tables and everything else.
    Bytes(ByteSize),
    /// So many base pages for user data alone; no watermarks, no readahead, an unlimited and free
    /// backing store, no frames for page tables.
    Frames(u64),
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(size) => size.serialize(serializer),
            Self::Frames(frames) => {
                let mut table = serializer.serialize_struct("Memory", 1)?;
                table.serialize_field("frames", frames)?;
                table.end()
            }
        }
    }
}

struct MemoryVisitor;

impl<'de> Visitor<'de> for MemoryVisitor {
    type Value = Memory;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"4GiB\", or { frames = N }")
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Memory, E> {
        ByteSize::deserialize(value.into_deserializer()).map(Memory::Bytes)
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Memory, E> {
        ByteSize::deserialize(value.into_deserializer()).map(Memory::Bytes)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Memory, E> {
        text.parse().map(Memory::Bytes).map_err(E::custom)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Memory, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            frames: u64,
        }
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        if table.frames == 0 {
            Err(A::Error::custom("at least one frame is needed"))
        } else {
            Ok(Memory::Frames(table.frames))
        }
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemoryVisitor)
    }
}

impl JsonSchema for Memory {
    fn schema_name() -> Cow<'static, str> {
        "Memory".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let size = ByteSize::json_schema(generator);
        json_schema!({ "oneOf": [size, {
            "type": "object", "additionalProperties": false, "required": ["frames"],
            "properties": { "frames": { "type": "integer", "minimum": 1 } }
        }] })
    }
}

/// What is mapped before the trace starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Prefault {
    /// Nothing.
    #[default]
    None,
    /// Every page that the trace touches in an address space that it does not make itself.
    Accessed,
}

/// Which frames pages get that are mapped before the trace starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PrefaultFrames {
    /// Pages are mapped in the order of their addresses, so that neighbours have neighbouring frames.
    #[default]
    Contiguous,
    /// Pages are mapped in random order, so that neighbours are far apart.
    Scattered,
}

/// Transparent huge pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Thp {
    /// Off.
    #[default]
    Never,
}

/// Frame allocators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Allocator {
    /// The buddy system with 11 orders (Linux mm/page_alloc.c).
    #[default]
    Buddy,
}

/// What kernel work costs on the CPU. Defaults are for a current server core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cost {
    /// Exception entry, handler and return of one fault, without what follows.
    #[schemars(extend("x-effect" = "timing"))]
    pub fault: Span,
    /// Additional handling of a fault that needs I/O: issue, sleep, wake.
    #[schemars(extend("x-effect" = "timing"))]
    pub major: Span,
    /// Zeroing 4 KiB.
    #[schemars(extend("x-effect" = "timing"))]
    pub zero_4k: Span,
    /// Copying 4 KiB.
    #[schemars(extend("x-effect" = "timing"))]
    pub copy_4k: Span,
    /// Writing one page-table entry in bulk (fork, unmap).
    #[schemars(extend("x-effect" = "timing"))]
    pub table_write: Span,
    /// Looking at one page during reclaim.
    #[schemars(extend("x-effect" = "timing"))]
    pub scan: Span,
    /// Invalidating one translation on the own CPU.
    #[schemars(extend("x-effect" = "timing"))]
    pub invalidate: Span,
    /// Flushing all translations of an address space on the own CPU.
    #[schemars(extend("x-effect" = "timing"))]
    pub flush: Span,
    /// Switching to another process.
    #[schemars(extend("x-effect" = "timing"))]
    pub switch: Span,
    /// Having other CPUs invalidate translations: preparing, interrupting them, and waiting for the last one's
    /// answer.
    #[schemars(extend("x-effect" = "timing"))]
    pub shootdown: Span,
    /// What each CPU that is interrupted adds to that.
    #[schemars(extend("x-effect" = "timing"))]
    pub shootdown_cpu: Span,
    /// Being interrupted by such a request: entry, handler and return, without the invalidations.
    #[schemars(extend("x-effect" = "timing"))]
    pub interrupt: Span,
}

impl Default for Cost {
    fn default() -> Self {
        let ns = |n: u64| Span::Picoseconds(n * 1000);
        Self {
            fault: ns(500),
            major: ns(2000),
            zero_4k: ns(100),
            copy_4k: ns(250),
            table_write: ns(5),
            scan: ns(50),
            invalidate: ns(100),
            flush: ns(100),
            switch: ns(1200),
            shootdown: ns(1000),
            shootdown_cpu: ns(200),
            interrupt: ns(500),
        }
    }
}
