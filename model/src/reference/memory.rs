//! The operating system's state: entries, tables and frames as maps, and how a frame is found.
//!
//! What can be counted is counted when it is needed: there is no running total but for the highest
//! number of resident pages.

use std::collections::{BTreeMap, BTreeSet};

use tracegen::record::ProcessId;

use super::Stopped;
use super::areas::Areas;
use super::counts::Counts;
use super::frames::{Buddy, TablePlaces};
use super::hashed::Hashed;
use super::nodes::Frames;
use super::reclaim::{self, Policy};
use super::shape::Shape;
use super::swap::{Slots, Window};
use crate::address::PhysAddr;
use crate::cache::settings::{Alias, Cache};
use crate::config::Config;
use crate::mmu::layout::Layout;
use crate::mmu::settings::PageTable;
use crate::mmu::switching::Global;
use crate::os::frames::initial::place;
use crate::os::reclaim::Page as Owner;
use crate::os::settings::{Memory as Size, Prefault};
use crate::outcome::Work;

pub use crate::os::KERNEL;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// A page in memory.
    Frame(u64),
    /// A page on the swap device.
    Slot(u64),
}

/// A leaf entry of a page table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub held: Held,
    /// It translates. An entry with a frame that does not belongs to an area that allows nothing.
    pub present: bool,
    pub writable: bool,
    pub executable: bool,
    pub accessed: bool,
    pub dirty: bool,
    /// log2 of the page in base pages. The entry is found under its first page.
    pub order: u8,
}

impl Entry {
    /// Base pages.
    pub fn pages(&self) -> u64 {
        1 << self.order
    }

    /// The frame that it holds.
    pub fn frame(&self) -> Option<u64> {
        match self.held {
            Held::Frame(frame) => Some(frame),
            Held::Slot(_) => None,
        }
    }
}

/// A frame of user data.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The entries that hold it. When one goes, the last takes its place.
    pub mappers: Vec<(ProcessId, u64)>,
    /// The slot with the same content.
    pub slot: Option<u64>,
    /// It was read ahead and has not been wanted yet.
    pub ahead: bool,
    /// Its content may be dropped: `madvise(MADV_FREE)` without a store since.
    pub lazy: bool,
    /// log2 of the page in frames.
    pub order: u8,
}

/// What the hardware has to forget.
#[derive(Debug, Clone, Copy)]
pub enum Forget {
    /// A page of a process, of 2^order base pages.
    Page(ProcessId, u64, u8),
    /// Everything of a process.
    Process(ProcessId),
    /// The entry of `level` that covers `addr`.
    Table { process: ProcessId, level: u8, addr: u64 },
}

/// What a fault or an event did.
#[derive(Debug, Default)]
pub struct Effects {
    pub work: Vec<Work>,
    pub forget: Vec<Forget>,
}

impl Effects {
    /// Adds writes of page-table entries to those just before.
    pub fn table_writes(&mut self, more: u64) {
        match self.work.last_mut() {
            Some(Work::TableWrites { entries }) => *entries += more,
            _ if more > 0 => self.work.push(Work::TableWrites { entries: more }),
            _ => {}
        }
    }
}

/// One address space, but for its entries and tables.
#[derive(Debug, Default)]
pub struct Space {
    pub areas: Areas,
    /// Where the heap starts and ends.
    pub heap: Option<(u64, u64)>,
}

/// The operating system.
#[derive(Debug)]
pub struct Memory {
    pub shape: Shape,
    pub page: u64,
    /// Memory was given in frames.
    pub textbook: bool,
    pub strict: bool,
    /// From here on addresses are the kernel's: every process has the same pages there.
    pub global_from: Option<u64>,
    /// The most pages between the first and the last that are flushed one by one.
    pub flush_ceiling: u64,
    /// What the trace touches was mapped before it started.
    pub prefaulted: bool,
    /// Processes whose address spaces the trace has made.
    pub made: Vec<ProcessId>,
    pub limit: Option<u64>,
    pub spaces: BTreeMap<ProcessId, Space>,
    /// Leaf entries by process and page number.
    pub entries: BTreeMap<(ProcessId, u64), Entry>,
    /// Where tables lie, by process, level and place among the tables of that level.
    pub tables: BTreeMap<(ProcessId, u8, u64), u64>,
    /// Frames of user data in use.
    pub pages: BTreeMap<u64, Page>,
    pub buddy: Frames,
    /// The least number that is a multiple of the colours of every cache.
    pub colours: u64,
    pub places: TablePlaces,
    /// What is walked where page tables are hashed.
    pub hashed: Option<Hashed>,
    pub slots: Slots,
    /// Frames with compressed pages.
    pub pool: Vec<u64>,
    /// How many pages of a content class fit where one was, compressed.
    pub ratios: BTreeMap<u64, u32>,
    /// The content classes of pages.
    pub contents: BTreeMap<(ProcessId, u64), u64>,
    pub window: Window,
    pub reclaim: Box<dyn Policy>,
    /// The page that was last written to a slot.
    pub owners: BTreeMap<u64, Owner>,
    pub keeps_owners: bool,
    /// Where pages are larger.
    pub layout: Vec<Layout>,
    /// Frames of pages that reclaim has split.
    pub doomed: BTreeSet<u64>,
    /// The shared zero page.
    pub zero: Option<u64>,
    /// The frame that the last fault filled, until a page is used.
    pub fresh: Option<u64>,
    /// Where the search for a slot that can be given up goes on.
    pub hand: u64,
    pub counts: Counts,
    peak: u64,
}

/// How many colours pages have: what the pages of a way of each coloured cache divide.
fn colours(config: &Config) -> u64 {
    let page = config.mmu.base_page().0;
    let coloured = |cache: &&Cache| config.mmu.enabled && cache.alias == Some(Alias::Colour);
    let ways = config.cache.iter().filter(coloured).map(|cache| {
        // A cache has fewer than 2^32 lines.
        let lines = (cache.size.0 / cache.line.0) as u32;
        (cache.size.0 / u64::from(cache.ways.of(lines)) / page).max(1)
    });
    let ways: Vec<u64> = ways.collect();
    (1..).find(|colours| ways.iter().all(|way| colours % way == 0)).unwrap_or(1)
}

impl Memory {
    /// The operating system of a resolved machine, with process 0.
    pub fn new(config: &Config, seed: u64) -> Result<Self, Stopped> {
        let shape = Shape::new(config);
        let page = config.mmu.base_page().0;
        let (frames, textbook) = match config.os.memory {
            Some(Size::Frames(frames)) => (frames, true),
            Some(Size::Bytes(bytes)) => (bytes.0 / page, false),
            None => ((8 << 30) / page, false),
        };
        let most = config.os.limit.map_or(u64::MAX, |limit| limit.0 / page);
        let named = |name| config.mmu.format.is_none() && config.mmu.page_table == name;
        let (flat, hashed) = (named(PageTable::Flat), named(PageTable::Hashed));
        let buddy = match &config.os.initial {
            // Where the blocks lie is what both are told.
            Some(initial) => match place(frames, &initial.orders, seed) {
                Ok(blocks) => Buddy::of(frames, &blocks),
                Err(_) => return Err(Stopped::Refused),
            },
            None => Buddy::new(frames),
        };
        let mut memory = Self {
            page,
            textbook,
            strict: config.os.strict_areas,
            global_from: match config.mmu.global {
                Global::None => None,
                Global::UpperHalf => Some(shape.quarters(2).next_multiple_of(page)),
                Global::UpperQuarter => Some(shape.quarters(3).next_multiple_of(page)),
            },
            flush_ceiling: config.os.tlb_single_page_flush_ceiling.into(),
            prefaulted: config.os.prefault == Prefault::Accessed,
            made: Vec::new(),
            limit: config.os.limit.map(|limit| limit.0),
            spaces: BTreeMap::new(),
            entries: BTreeMap::new(),
            tables: BTreeMap::new(),
            pages: BTreeMap::new(),
            buddy: Frames::new(config, frames, buddy),
            colours: colours(config),
            places: TablePlaces::new(page, shape.unit, frames, textbook || flat || hashed),
            hashed: None,
            slots: Slots::new(&config.swap, page, textbook),
            pool: Vec::new(),
            ratios: config.swap.content.iter().map(|known| (known.class, known.ratio)).collect(),
            contents: BTreeMap::new(),
            window: Window::new(config.os.swap_readahead),
            reclaim: reclaim::policy(config.os.reclaim, frames.min(most)),
            owners: BTreeMap::new(),
            keeps_owners: config.os.reclaim.remembers(),
            layout: config.mmu.layout.clone(),
            doomed: BTreeSet::new(),
            zero: None,
            fresh: None,
            hand: 0,
            counts: Counts::default(),
            peak: 0,
            shape,
        };
        if hashed {
            let groups = u64::from(config.mmu.hash_groups.unwrap_or(2));
            let place = memory.places.take(Hashed::bytes(groups), &mut memory.buddy);
            memory.hashed = place.map(|base| Hashed::new(base, groups));
        }
        memory.space(0, &mut Effects::default())?;
        Ok(memory)
    }

    /// The entry of a page, which may be that of a larger one.
    pub fn entry(&self, process: ProcessId, page: u64) -> Option<Entry> {
        self.whole(process, page).map(|(_, entry)| entry)
    }

    /// The first page and the entry of the page in which a base page lies.
    pub fn whole(&self, process: ProcessId, page: u64) -> Option<(u64, Entry)> {
        let ((owner, first), entry) = self.entries.range(..=(process, page)).next_back()?;
        (*owner == process && page - first < entry.pages()).then_some((*first, *entry))
    }

    /// Writes an entry; that of a larger page under its first one.
    pub fn put(&mut self, process: ProcessId, page: u64, entry: Entry) {
        self.entries.insert((process, page - page % entry.pages()), entry);
    }

    /// The entries that a walk for `addr` reads, from the root on: level and physical address. It ends at
    /// the first entry that points to no table.
    pub fn reads(&self, process: ProcessId, addr: u64) -> Vec<(u8, u64)> {
        if let Some(table) = &self.hashed {
            let (reads, _) = self.hashed_reads(table, process, addr / self.page);
            return reads.into_iter().map(|entry| (1, entry)).collect();
        }
        let mut reads = Vec::new();
        for level in &self.shape.levels {
            let table = self.tables.get(&(process, level.number, level.table(addr)));
            let Some(table) = table else { break };
            let entry = table.wrapping_add(level.index(addr) * self.shape.entry_bytes);
            reads.push((level.number, entry));
            let leaf = self.entry(process, addr / self.page);
            let leaf = leaf.and_then(|leaf| self.shape.above(leaf.order));
            if leaf.is_some_and(|leaf| leaf.number == level.number) {
                break;
            }
        }
        reads
    }

    /// Whether a process stands for the kernel.
    pub fn is_kernel(&self, process: ProcessId) -> bool {
        self.global_from.is_some() && process == KERNEL
    }

    /// Whose page an address is: the kernel's, or that of the process that names it.
    pub fn owner_of(&self, process: ProcessId, addr: u64) -> ProcessId {
        if self.global_from.is_some_and(|from| addr >= from) { KERNEL } else { process }
    }

    /// Maps a page of the kernel, for good.
    pub fn wire(&mut self, page: u64, store: bool, effects: &mut Effects) -> Result<(), Stopped> {
        let mut full = false;
        let frame = loop {
            match self.buddy.take(0) {
                Some(frame) => break frame,
                None => self.evict(&mut full, effects)?,
            }
        };
        effects.work.push(Work::Zero { addr: PhysAddr(frame * self.page), bytes: self.page });
        let held = Held::Frame(frame);
        let (writable, executable) = (true, true);
        let entry = Entry {
            held,
            present: true,
            writable,
            executable,
            accessed: true,
            dirty: store,
            order: 0,
        };
        self.entries.insert((KERNEL, page), entry);
        effects.table_writes(1);
        Ok(())
    }

    /// How many entries name a slot.
    pub fn references(&self, slot: u64) -> usize {
        self.entries.values().filter(|entry| entry.held == Held::Slot(slot)).count()
    }

    /// Frames that entries hold.
    pub fn resident(&self) -> u64 {
        let mapped = self.pages.values().filter(|page| !page.mappers.is_empty());
        mapped.map(|page| 1 << page.order).sum()
    }

    /// Makes the table of `level` that covers `addr`.
    fn make_table(
        &mut self,
        process: ProcessId,
        level: super::shape::Level,
        addr: u64,
        effects: &mut Effects,
    ) -> Result<(), Stopped> {
        self.make_room(self.places.charge(level.bytes), effects)?;
        let mut full = false;
        let place = loop {
            match self.places.take(level.bytes, &mut self.buddy) {
                Some(place) => break place,
                None => self.evict(&mut full, effects)?,
            }
        };
        self.tables.insert((process, level.number, level.table(addr)), place);
        Ok(())
    }

    /// Makes the address space of a process, where there is none.
    pub fn space(&mut self, process: ProcessId, effects: &mut Effects) -> Result<(), Stopped> {
        if self.spaces.contains_key(&process) {
            return Ok(());
        }
        if let Some(root) = self.shape.levels.first().copied().filter(|_| self.hashed.is_none()) {
            self.make_table(process, root, 0, effects)?;
        }
        self.spaces.insert(process, Space::default());
        Ok(())
    }

    /// Makes the tables that are missing on the way to `addr`.
    pub fn make_path(
        &mut self,
        process: ProcessId,
        addr: u64,
        effects: &mut Effects,
    ) -> Result<(), Stopped> {
        if self.hashed.is_some() {
            return Ok(());
        }
        for level in self.shape.levels.clone() {
            if !self.tables.contains_key(&(process, level.number, level.table(addr))) {
                self.make_table(process, level, addr, effects)?;
                effects.table_writes(1);
            }
        }
        Ok(())
    }

    /// Lets an entry hold a frame; what it held before is gone already.
    pub fn map(&mut self, process: ProcessId, page: u64, frame: u64, entry: Entry) {
        let state = self.pages.entry(frame).or_default();
        state.mappers.push((process, page));
        state.order = entry.order;
        self.entries.insert((process, page), Entry { held: Held::Frame(frame), ..entry });
        self.peak = self.peak.max(self.resident());
    }

    /// Empties an entry. What nothing else wants is freed.
    pub fn unmap(&mut self, process: ProcessId, page: u64) {
        let Some(entry) = self.entries.remove(&(process, page)) else { return };
        let frame = match entry.held {
            Held::Slot(slot) => {
                self.reclaim.forget(Owner::new(process, page));
                let copy = self.slots.frame(slot);
                self.settle(slot);
                copy
            }
            Held::Frame(frame) => Some(frame),
        };
        let Some((frame, state)) = frame.and_then(|f| Some((f, self.pages.get_mut(&f)?))) else {
            return;
        };
        if let Some(place) = state.mappers.iter().position(|mapper| *mapper == (process, page)) {
            state.mappers.swap_remove(place);
        }
        let (mapped, slot, order) = (!state.mappers.is_empty(), state.slot, state.order);
        if !mapped && slot.is_none_or(|slot| self.references(slot) == 0) {
            self.drop_slot(frame);
            self.pages.remove(&frame);
            self.reclaim.remove(frame);
            self.doomed.remove(&frame);
            self.buddy.give(frame, order.into());
        }
    }

    /// Sets the bits that a walk sets; whether that changed the entry. A page that is written to for the
    /// first time is no more what its slot says.
    pub fn mark(&mut self, process: ProcessId, page: u64, write: bool) -> bool {
        let Some((page, _)) = self.whole(process, page) else { return false };
        let Some(entry) = self.entries.get_mut(&(process, page)) else { return false };
        let before = *entry;
        entry.accessed = true;
        entry.dirty |= write;
        let changed = *entry != before;
        if write
            && !before.dirty
            && !self.is_kernel(process)
            && let Some(frame) = before.frame()
        {
            self.reclaim.dirtied(frame);
            self.drop_slot(frame);
            if let Some(page) = self.pages.get_mut(&frame) {
                page.lazy = false;
            }
        }
        changed
    }

    /// Adds what the state says.
    pub fn report(&self, counts: &mut Counts) {
        for name in self.counts.names() {
            counts.set(name, self.counts.get(name));
        }
        let users = || self.entries.iter().filter(|((process, _), _)| !self.is_kernel(*process));
        let own = |entry: &Entry| entry.frame().is_some_and(|frame| Some(frame) != self.zero);
        let held = users().map(|(_, entry)| entry).filter(|entry| own(entry));
        let mapped: u64 = held.map(Entry::pages).sum();
        counts.add("os.rss_bytes", mapped * self.page);
        let inside: u64 =
            self.spaces.values().flat_map(|s| &s.areas.0).map(|area| area.end - area.start).sum();
        let outside = users().filter(|((process, page), entry)| {
            let (start, end) = (page * self.page, (page + entry.pages()).saturating_mul(self.page));
            self.spaces
                .get(process)
                .is_none_or(|s| s.areas.overlapping(start, end).next().is_none())
        });
        let outside: u64 = outside.map(|(_, entry)| entry.pages()).sum();
        counts.add("os.vsz_bytes", inside + outside * self.page);
        counts.add("os.pages.resident", self.resident());
        counts.add("os.pages.peak_resident", self.peak);
        let cached = self.pages.values().filter(|page| page.mappers.is_empty()).count();
        counts.add("os.pages.cached", cached as u64);
        let large = self.pages.values().filter(|page| page.order > 0);
        counts.add("os.huge.resident", large.map(|page| 1u64 << page.order).sum());
        counts.add("os.pages.table_pages", self.places.pages());
        if self.slots.compresses() {
            counts.add("swap.zram.bytes", self.slots.compressed.values().sum());
            counts.add("swap.zram.frames", self.pool.len() as u64);
        }
        let orders = self.layout.iter().map(|range| (range.page.0 / self.page).ilog2());
        let measured = orders.max().filter(|order| *order > 0).unwrap_or(9);
        self.buddy.report(measured.min(10), counts);
    }
}
