//! The operating system's memory manager: address spaces, page tables, frames, reclaim and swap.
//!
//! [`Os`] is the function half's operating system. An access walks the page tables ([`Os::walk`]); where
//! that finds nothing, [`Os::fault`] makes the page present, or says why not. Everything that takes the
//! CPU's time or concerns the translation caches is reported as [`Effects`]. Time plays no part.
//!
//! - Frames come from a buddy allocator over the machine's memory in base pages ([`frames`]); page
//!   tables take frames too ([`page_table`], [`frames::TableSpace`]).
//! - Anonymous pages appear at first touch, are shared after a fork until they are written, and go to
//!   swap slots when memory or its limit is full. There are no watermarks: a page is evicted, one at a
//!   time, when one is wanted and there is none.
//! - With `memory = { frames = N }`, N frames hold user data alone, and the backing store is unlimited
//!   and free.

pub mod address_space;
mod advice;
mod compressed;
mod effects;
mod error;
mod event;
mod fault;
mod flush;
mod fork;
pub mod frames;
mod hashed;
mod invariants;
mod kernel;
mod large;
mod memory;
pub mod page_table;
mod prefault;
mod preload;
pub mod reclaim;
mod rmap;
pub mod settings;
mod spaces;
mod statistics;
pub mod swap;

use std::collections::BTreeSet;

use tracegen::record::ProcessId;

use crate::address::{PageShift, Pfn, PhysAddr, VirtAddr};
use crate::config::Config;
use crate::mmu::layout::Ranges;
use crate::units::ByteSize;
use compressed::Contents;
pub use effects::{Effects, Invalidation};
pub use error::OsError;
use frames::{FrameTable, ORDERS, TableSpace, Zones};
use hashed::HashedTable;
pub use page_table::{Above, Geometry, Steps, WalkStep};
use page_table::{Place, Pte, Tables};
pub use prefault::{Made, scatter};
use reclaim::{Page, Policy, Reclaim, Touch};
use settings::{Memory, Prefault};
use spaces::{Space, Spaces};
use statistics::Counters;
use swap::{Readahead, SwapSpace};

/// The process that pages of the kernel belong to, where the machine has any (`mmu.global`). A trace must
/// not have it then.
pub const KERNEL: ProcessId = ProcessId::MAX;

/// A translation as the walker finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// The first frame of the page, in base pages.
    pub pfn: Pfn,
    /// The page's size.
    pub size: PageShift,
    /// Stores are allowed.
    pub writable: bool,
    /// Fetches are allowed.
    pub executable: bool,
    /// The dirty bit.
    pub dirty: bool,
    /// The accessed bit.
    pub accessed: bool,
    /// Where the leaf entry lies.
    pub entry: PhysAddr,
    /// Where it lies on the host.
    place: Place,
}

impl Leaf {
    /// What `pte`, at `entry`, says of a page with `base` as its base page; `None` where it does not
    /// translate.
    #[inline]
    fn of(pte: Pte, base: PageShift, entry: PhysAddr, place: Place) -> Option<Self> {
        if !pte.has(Pte::PRESENT) {
            return None;
        }
        Some(Self {
            pfn: pte.pfn()?,
            size: PageShift(base.0 + pte.order()),
            writable: pte.has(Pte::WRITABLE),
            executable: !pte.has(Pte::NO_EXECUTE),
            dirty: pte.has(Pte::DIRTY),
            accessed: pte.has(Pte::ACCESSED),
            entry,
            place,
        })
    }
}

/// What a walker reads that gets as far as a leaf entry.
#[derive(Debug, Clone, Copy)]
pub struct Reads<'a> {
    /// The entries above the leaf's, one a level, the [highest](Geometry::first_read) that is read first.
    pub above: &'a [Above],
    /// The address of the leaf entry.
    pub entry: PhysAddr,
    /// What it says, where the page is present.
    pub leaf: Option<Leaf>,
}

/// The operating system, for all processes.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Os {
    tables: Tables,
    /// What walks read instead, where page tables are hashed.
    hashed: Option<HashedTable>,
    table_space: TableSpace,
    buddy: Zones,
    frames: FrameTable,
    slots: SwapSpace,
    /// Frames with compressed pages.
    pool: Vec<u32>,
    /// The content classes that pages have, where that decides how far they can be compressed.
    contents: Contents,
    readahead: Readahead,
    policy: Policy,
    spaces: Spaces,
    page: PageShift,
    /// The first address of the kernel, where it has any.
    kernel_from: Option<u64>,
    /// Pages above which a full flush is cheaper than single ones.
    flush_ceiling: u64,
    /// Where pages are larger.
    layout: Ranges,
    /// Frames of a page that reclaim has split, which go before any other.
    doomed: BTreeSet<u32>,
    /// Frames of pages above the base page that are mapped.
    in_large: u64,
    /// The order of block that fragmentation is told for.
    measured: usize,
    /// Memory was given in frames.
    textbook: bool,
    limit: Option<u64>,
    strict: bool,
    /// What the trace touches was mapped before it started, but for the address spaces that it has made
    /// since; nothing where it was not.
    prefaulted: Option<Made>,
    no_device: bool,
    /// The shared zero page, once somebody has read it.
    zero: Option<u32>,
    /// The page that the last fault brought in, until its access has been tried again.
    fresh: Option<u32>,
    /// Frames that are mapped.
    resident: u64,
    /// Frames that are in the swap cache alone.
    cached: u64,
    /// Frames that `[state]` placed.
    wired: u64,
    /// The page whose content each slot has, where the policy remembers pages that are gone.
    owners: Vec<Page>,
    keeps_owners: bool,
    /// How many colours pages have, and frames that should have their page's.
    colours: u64,
    /// Where the search for a redundant slot goes on.
    slot_hand: u32,
    counters: Counters,
}

/// How many colours pages have: enough for every cache whose sets rely on it.
fn colours(config: &Config, page: PageShift) -> u64 {
    if !config.mmu.enabled {
        return 1;
    }
    let multiple = |one: u64, other: u64| (one / divisor(one, other)).saturating_mul(other);
    config.cache.iter().map(|cache| cache.colours(page)).fold(1, multiple)
}

/// The greatest common divisor.
fn divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { divisor(other, one % other) }
}

impl Os {
    /// The operating system of a machine, with process 0, where the run's seed is 0.
    ///
    /// # Errors
    /// A setting describes what cannot exist; its key is named.
    pub fn new(config: &Config) -> Result<Self, OsError> {
        Self::seeded(config, 0)
    }

    /// As [`Self::new`]; `seed` is the run's.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn seeded(config: &Config, seed: u64) -> Result<Self, OsError> {
        let geometry = Geometry::new(config)?;
        let page = geometry.page();
        let orders = large::orders(config, &geometry)?;
        let (frames, textbook) = memory(config, page)?;
        let tables_outside = textbook || geometry.is_flat() || geometry.is_hashed();
        let slots = if textbook { SwapSpace::unlimited() } else { swap_space(config, page)? };
        let colours = colours(config, page);
        let mut os = Self {
            colours,
            table_space: TableSpace::new(page, geometry.table_page(), frames, tables_outside),
            buddy: match &config.os.initial {
                Some(initial) => Zones::whole(initial.buddy(frames, seed)?),
                None => Zones::of_nodes(&config.numa, frames, page.0),
            },
            frames: FrameTable::default(),
            no_device: slots.is_empty(),
            contents: Contents::new(&config.swap.content, slots.compresses()),
            slots,
            pool: Vec::new(),
            readahead: Readahead::new(config.os.swap_readahead),
            policy: Policy::new(&config.os.reclaim, most_pages(config, frames, page)),
            spaces: Spaces::default(),
            page,
            kernel_from: config.mmu.global.start(geometry.va_bits(), page),
            flush_ceiling: config.os.tlb_single_page_flush_ceiling.into(),
            layout: Ranges::new(&config.mmu.layout, page),
            doomed: BTreeSet::new(),
            in_large: 0,
            measured: orders.last().map_or(9, |order| usize::from(*order).min(ORDERS - 1)),
            textbook,
            limit: config.os.limit.map(|limit| limit.0),
            strict: config.os.strict_areas,
            prefaulted: (config.os.prefault == Prefault::Accessed).then(Made::default),
            zero: None,
            fresh: None,
            resident: 0,
            cached: 0,
            wired: 0,
            owners: Vec::new(),
            keeps_owners: config.os.reclaim.remembers(),
            slot_hand: 0,
            counters: Counters::default(),
            tables: Tables::new(geometry, &orders),
            hashed: None,
        };
        if os.geometry().is_hashed() {
            let groups = config.mmu.hash_groups.unwrap_or(2).into();
            let base = os.allocate_table(hashed::table_bytes(groups), &mut Effects::default())?;
            os.hashed = Some(HashedTable::new(base, groups, page.0.into()));
        }
        os.space(0, &mut Effects::default())?;
        Ok(os)
    }

    /// The shape of the page tables.
    pub fn geometry(&self) -> &Geometry {
        self.tables.geometry()
    }

    /// The address as page tables see it; `None` where it is not canonical.
    pub fn fold(&self, addr: VirtAddr) -> Option<VirtAddr> {
        self.geometry().fold(addr)
    }

    /// Whether a [folded](Self::fold) address is the kernel's, which is mapped alike in every process.
    #[inline]
    pub fn is_global(&self, addr: VirtAddr) -> bool {
        self.kernel_from.is_some_and(|from| addr.0 >= from)
    }

    /// Whether `process` stands for the kernel.
    fn is_kernel(&self, process: ProcessId) -> bool {
        process == KERNEL && self.kernel_from.is_some()
    }

    /// What the hardware finds: every entry that a walk for `addr` reads is recorded in `steps`, and the
    /// leaf is returned where the page is present. Sets no bits.
    pub fn walk(&self, process: ProcessId, addr: VirtAddr, steps: &mut Steps) -> Option<Leaf> {
        steps.clear();
        let addr = self.fold(addr)?;
        if let Some(table) = &self.hashed {
            return self.walk_hashed(table, process, addr, steps);
        }
        let space = self.spaces.get(self.spaces.find(process)?)?;
        let (pte, entry) = self.tables.walk(space.root, addr, steps)?;
        Leaf::of(pte, self.page, entry, self.tables.leaf_node(space.root, addr)?)
    }

    /// What [`Self::walk`] records and returns, for a [folded](Self::fold) address whose tables all
    /// exist; `None` for any other.
    #[inline]
    pub fn reads(&mut self, process: ProcessId, addr: VirtAddr) -> Option<Reads<'_>> {
        let root = self.spaces.get(self.spaces.find(process)?)?.root;
        let way = self.tables.way(root, addr)?;
        let leaf = Leaf::of(way.pte, self.page, way.entry, way.place);
        Some(Reads { above: way.above, entry: way.entry, leaf })
    }

    /// Sets the accessed bit of a leaf entry that has just been read, and the dirty bit for a store, as
    /// the walker does. Returns whether the entry changed, which is a write to memory.
    pub fn mark(&mut self, leaf: &Leaf, write: bool) -> bool {
        let flags = if write { Pte::ACCESSED | Pte::DIRTY } else { Pte::ACCESSED };
        match self.tables.mark(leaf.place, flags) {
            Some((before, changed)) => {
                if write && !before.has(Pte::DIRTY) {
                    self.dirtied(before);
                }
                changed
            }
            None => false,
        }
    }

    /// Tells the reclaim policy that the page of a leaf was used: at every access where there is no TLB,
    /// at every walk otherwise. `next_use` is when it is used next, for `opt`.
    pub fn touch(&mut self, pfn: Pfn, write: bool, next_use: Option<u64>) {
        // Frame numbers are below 2^32.
        let frame = pfn.0 as u32;
        let retry = self.fresh.take() == Some(frame);
        self.policy.touch(frame, Touch { write, retry, next_use });
    }

    /// Whether page tables lie above memory, where physical addresses may be wider than the machine's.
    pub fn has_tables_above_memory(&self) -> bool {
        let geometry = self.geometry();
        // A path has at most eight levels.
        let mut levels = 1..=geometry.levels().len() as u8;
        levels.any(|level| self.table_space.charge(geometry.table_bytes(level)) == 0)
    }

    /// Every address of memory is below 2 to the power of this.
    pub fn memory_bits(&self) -> u8 {
        let bytes = self.buddy.frames().saturating_mul(self.page.bytes());
        let last = bytes.saturating_sub(1);
        (u64::BITS - last.leading_zeros()) as u8
    }

    /// Bytes that the operating system's state takes on the host, but for what is in proportion to the
    /// number of areas, of processes, or of mappings beyond a frame's first.
    pub fn host_bytes(&self) -> usize {
        self.tables.host_bytes()
            + self.frames.host_bytes()
            + self.policy.host_bytes()
            + self.slots.host_bytes()
            + self.owners.capacity() * size_of::<Page>()
    }

    /// The index of a process's address space, made where there is none.
    fn space(&mut self, process: ProcessId, effects: &mut Effects) -> Result<u32, OsError> {
        if let Some(index) = self.spaces.find(process) {
            return Ok(index);
        }
        let base = if self.hashed.is_some() {
            PhysAddr(0)
        } else {
            let bytes = self.tables.geometry().table_bytes(self.tables.root_level());
            self.allocate_table(bytes, effects)?
        };
        let root = self.tables.create(base);
        let (areas, heap) = Default::default();
        Ok(self.spaces.add(Space { process, root, areas, heap, resident: 0 }))
    }
}

fn setting(key: &'static str, message: impl Into<String>) -> OsError {
    OsError::Setting { key, message: message.into() }
}

/// Frames of memory, and whether they are for user data alone.
fn memory(config: &Config, page: PageShift) -> Result<(u64, bool), OsError> {
    let largest = 1u64.checked_shl(config.mmu.physical_bits().into()).unwrap_or(u64::MAX);
    let (frames, textbook) = match config.os.memory {
        Some(Memory::Frames(frames)) => (frames, true),
        Some(Memory::Bytes(size)) if size.0 > largest => {
            let bits = config.mmu.physical_bits();
            return Err(setting(
                "os.memory",
                format!("{size} is more than mmu.pa_bits = {bits} address"),
            ));
        }
        Some(Memory::Bytes(size)) => (size.0 >> page.0, false),
        None if !config.numa.node.is_empty() => (config.numa.memory() >> page.0, false),
        None => (largest.min(8 << 30) >> page.0, false),
    };
    match frames {
        0 => Err(setting("os.memory", format!("holds no page of {}", config.mmu.base_page()))),
        // The last number stands for none.
        _ if frames >= u64::from(u32::MAX) => {
            Err(setting("os.memory", format!("{frames} pages are more than the model's 2^32 - 2")))
        }
        _ => Ok((frames, textbook)),
    }
}

/// The most pages that can be resident: as many as there are frames, or as the limit has room for.
fn most_pages(config: &Config, frames: u64, page: PageShift) -> usize {
    let limit = config.os.limit.map_or(u64::MAX, |limit| limit.0 >> page.0);
    usize::try_from(frames.min(limit)).unwrap_or(usize::MAX)
}

/// The swap areas.
fn swap_space(config: &Config, page: PageShift) -> Result<SwapSpace, OsError> {
    let areas = config.swap.areas(page.bytes());
    let slots: u64 = areas.iter().map(|area| area.slots).fold(0, u64::saturating_add);
    if slots >= u64::from(u32::MAX) {
        let size = areas.iter().map(|area| area.size.0).fold(0, u64::saturating_add);
        let message = format!("{} is more than the model's 2^32 - 2 pages", ByteSize(size));
        return Err(setting("swap.size", message));
    }
    Ok(SwapSpace::new(&config.swap, page.bytes()))
}

#[cfg(test)]
mod tests;
