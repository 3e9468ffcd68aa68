//! Pages above the base page: leaves at higher levels and groups (`mmu.layout`).
//!
//! - The first touch of one maps all of it, where nothing in it is mapped, it lies in one area or outside
//!   every one, and contiguous aligned frames are free; no page is evicted for it. Otherwise base pages are
//!   mapped, and none is made larger afterwards. There is no huge zero page: a load gets frames too.
//! - It is one page to reclaim. Chosen there, it is split, and its pages go before any other but for those
//!   that were used meanwhile (Linux mm/vmscan.c splits what it cannot swap as a whole and reclaims the
//!   pieces).
//! - What concerns a part of it splits it first: unmapping, a change of rights, advice, a copy on write.
//!   It is split for every process that has it.

use tracegen::record::ProcessId;

use super::effects::{Effects, Invalidation};
use super::fault::Fault;
use super::page_table::{Geometry, Pte, Root};
use super::reclaim::{Page, Reclaim, Victim};
use super::{Os, OsError};
use crate::address::{PageShift, Pfn, VirtAddr};
use crate::config::Config;
use crate::outcome::Work;

/// log2 of the pages of a layout in base pages, those above the base page, smallest first.
///
/// # Errors
/// One is neither a leaf nor a group.
pub(super) fn orders(config: &Config, geometry: &Geometry) -> Result<Vec<u8>, OsError> {
    let pages = config.mmu.layout.iter().map(|range| range.page);
    let mut orders = Vec::new();
    for page in pages.filter(|page| page.0 > geometry.page().bytes()) {
        let order = page.0.ilog2() as u8 - geometry.page().0;
        let known = page.0.is_power_of_two() && geometry.level_of(order).is_some();
        if geometry.is_hashed() || !known {
            let message = format!("the page table has no pages of {page}");
            return Err(OsError::Setting { key: "mmu.layout", message });
        }
        orders.push(order);
    }
    orders.sort_unstable();
    orders.dedup();
    Ok(orders)
}

/// A page above the base page in which nothing is mapped yet.
#[derive(Debug, Clone, Copy)]
struct Block {
    process: ProcessId,
    index: u32,
    start: VirtAddr,
    order: u8,
}

impl Os {
    /// Whether some pages may be above the base page.
    pub fn has_layout(&self) -> bool {
        !self.layout.is_empty()
    }

    /// The size of the page that an entry maps.
    pub(super) fn size(&self, pte: Pte) -> PageShift {
        PageShift(self.page.0 + pte.order())
    }

    /// How many entries of the table an entry stands for: a group has one for each of its pages.
    pub(super) fn entries_of(&self, pte: Pte) -> u64 {
        if self.tables.covers(pte.order()) { 1 } else { 1 << pte.order() }
    }

    /// Maps a larger page, where the layout has one and it can be had; whether that was so.
    pub(super) fn large(&mut self, fault: &Fault, effects: &mut Effects) -> Result<bool, OsError> {
        let Some(block) = self.block(fault.process, fault.index, fault.page) else {
            return Ok(false);
        };
        let Some(frame) = self.frames_for(&block) else { return Ok(false) };
        self.map_block(&block, frame, fault.flags(true), effects)?;
        let bytes = self.page.bytes() << block.order;
        effects.work.push(Work::Zero { addr: self.start(frame), bytes });
        effects.table_writes(self.entries_of(Pte(0).of_order(block.order)));
        self.fresh = Some(frame);
        self.counters.huge_faults += 1;
        Ok(true)
    }

    /// As [`Self::large`], before the trace starts.
    pub(super) fn large_before(
        &mut self,
        process: ProcessId,
        index: u32,
        page: VirtAddr,
    ) -> Result<bool, OsError> {
        let Some(block) = self.block(process, index, page) else { return Ok(false) };
        let Some(frame) = self.frames_for(&block) else { return Ok(false) };
        let flags = Pte::PRESENT | Pte::WRITABLE | Pte::ACCESSED;
        self.map_block(&block, frame, flags, &mut Effects::default())?;
        Ok(true)
    }

    /// The larger page that the layout has at `page`, where nothing is mapped in it.
    fn block(&self, process: ProcessId, index: u32, page: VirtAddr) -> Option<Block> {
        if self.layout.is_empty() || self.is_kernel(process) {
            return None;
        }
        let order = self.layout.order(process, page)?;
        let bytes = self.page.bytes() << order;
        let start = VirtAddr(page.0 & !(bytes - 1));
        let first = self.tables.next(self.spaces.get(index)?.root, start);
        let empty = first.is_none_or(|(addr, _)| addr.0 - start.0 >= bytes);
        empty.then_some(Block { process, index, start, order })
    }

    /// Contiguous frames for a page, where it lies in one area or in none and no page has to go for it and
    /// its tables; the lack of it is counted.
    fn frames_for(&mut self, block: &Block) -> Option<u32> {
        let areas = &self.spaces.get(block.index)?.areas;
        let (start, bytes) = (block.start.0, self.page.bytes() << block.order);
        let end = start.saturating_add(bytes);
        let whole = match areas.find(start) {
            Some(area) => area.end >= end,
            None => !areas.any(start, end),
        };
        let geometry = self.tables.geometry();
        let inner = bytes.checked_shr(geometry.leaf_table_shift()).unwrap_or(0);
        let leaf = geometry.leaf_level();
        let levels = geometry.levels().len() as u64 + 1 - u64::from(leaf);
        let tables = levels + 2 * inner;
        let charge = self.table_space.charge(geometry.table_bytes(leaf));
        let need = bytes.saturating_add(tables.saturating_mul(charge));
        let fits = self.limit.is_none_or(|limit| self.charged().saturating_add(need) <= limit)
            && self.buddy.free() >= need.div_ceil(self.page.bytes());
        let frame = match whole && fits {
            true => self.buddy.allocate_run(start >> self.page.0, block.order),
            false => None,
        };
        self.counters.huge_fallback += u64::from(frame.is_none());
        frame
    }

    fn map_block(
        &mut self,
        block: &Block,
        frame: u32,
        flags: u64,
        effects: &mut Effects,
    ) -> Result<(), OsError> {
        let Block { process, index, start, order } = *block;
        let replaced = self.tables_at(block);
        self.build_paths(index, start, order, effects)?;
        effects.invalidations.extend(replaced);
        let page = Page::new(process, start.0 >> self.page.0);
        self.policy.admit(page);
        self.policy.insert(frame, page);
        self.map(index, start, frame, Pte(flags).of_order(order).0);
        Ok(())
    }

    /// Builds every table on the way to the entries of the page at `addr`, also those that it will need
    /// when it is split.
    pub(super) fn build_paths(
        &mut self,
        index: u32,
        addr: VirtAddr,
        order: u8,
        effects: &mut Effects,
    ) -> Result<(), OsError> {
        let step = 1u64.checked_shl(self.tables.geometry().leaf_table_shift()).unwrap_or(u64::MAX);
        let bytes = self.page.bytes() << order;
        let mut offset = 0;
        while offset < bytes {
            self.build_path(index, VirtAddr(addr.0 + offset), effects)?;
            offset = offset.saturating_add(step);
        }
        Ok(())
    }

    /// The tables that a page is about to stand for, as far as they are there: paging-structure caches may
    /// have them.
    fn tables_at(&mut self, block: &Block) -> Vec<Invalidation> {
        let Some(root) = self.spaces.get(block.index).map(|space| space.root) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let geometry = self.tables.geometry();
        let (bottom, top) = (geometry.leaf_level(), geometry.level_of(block.order).unwrap_or(0));
        let span = |level: u8| 1u64 << geometry.levels()[usize::from(level) - 1].shift;
        let spans: Vec<_> = (bottom + 1..=top).map(|level| (level, span(level))).collect();
        let bytes = self.page.bytes() << block.order;
        for (level, span) in spans {
            for part in 0..bytes / span {
                let (process, addr) = (block.process, VirtAddr(block.start.0 + part * span));
                // An entry of this level points to a table of the next lower one.
                if self.tables.extend(root, addr).is_none_or(|missing| missing + 1 < level) {
                    found.push(Invalidation::Table { process, level, addr });
                }
            }
        }
        found
    }

    /// Splits the pages that reach beyond the base pages from `first` to `last`.
    pub(super) fn split_edges(&mut self, root: Root, first: u64, last: u64, effects: &mut Effects) {
        if self.in_large == 0 {
            return;
        }
        for edge in [Some(first), last.checked_add(self.page.bytes())].into_iter().flatten() {
            let pte = self.tables.get(root, VirtAddr(edge));
            if let Some(pfn) = pte.pfn().filter(|_| !edge.is_multiple_of(self.size(pte).bytes())) {
                self.split(pfn.0 as u32, effects);
            }
        }
    }

    /// Splits the page that starts at frame `head` into base pages, for everyone who has it.
    pub(super) fn split(&mut self, head: u32, effects: &mut Effects) {
        let state = self.frames.get(head);
        let order = state.order();
        if order == 0 {
            return;
        }
        let pages = 1u32 << order;
        let mappers: Vec<_> = self.frames.mappers(head).collect();
        let mut entries = 0;
        for (index, number) in &mappers {
            entries += self.split_entry(*index, *number, effects);
        }
        self.frames.get_mut(head).set_order(0);
        self.in_large -= u64::from(pages);
        for offset in 1..pages {
            let frame = head + offset;
            for (index, number) in &mappers {
                self.frames.map(frame, (*index, number + u64::from(offset)));
            }
            self.frames.get_mut(frame).set_lazy(state.lazy());
            let page = self.page_in(frame);
            self.policy.insert(frame, page);
        }
        effects.table_writes(entries);
        self.flush_pages(mappers.len() as u64, effects);
        self.counters.huge_split += 1;
    }

    /// Splits one process's entry; returns how many entries were written.
    fn split_entry(&mut self, index: u32, number: u64, effects: &mut Effects) -> u64 {
        let Some((process, root)) = self.spaces.get(index).map(|space| (space.process, space.root))
        else {
            return 0;
        };
        let page = self.page;
        let addr = page.start_of(crate::address::Vpn(number));
        let pte = self.tables.get(root, addr);
        // A mapper's entry holds the frame.
        let Some(pfn) = pte.pfn() else { return 0 };
        self.tables.set(root, addr, Pte::default());
        let flags = pte.of_order(0).flags();
        for offset in 0..1u64 << pte.order() {
            let at = VirtAddr(addr.0 + (offset << page.0));
            self.tables.set(root, at, Pte::frame(Pfn(pfn.0 + offset), flags));
        }
        let size = self.size(pte);
        effects.invalidations.push(Invalidation::Page { process, addr, size });
        (1 << pte.order()) + u64::from(self.tables.covers(pte.order()))
    }

    /// Reclaim has chosen the page in `frame`. Where it is above the base page it is split: the page in
    /// this frame goes, and the others are next.
    pub(super) fn split_for_reclaim(&mut self, frame: u32, effects: &mut Effects) {
        let pages = 1u32 << self.frames.get(frame).order();
        if pages == 1 {
            return;
        }
        self.split(frame, effects);
        for member in frame + 1..frame + pages {
            let mappers: Vec<_> = self.frames.mappers(member).collect();
            for (index, number) in mappers {
                let addr = self.page.start_of(crate::address::Vpn(number));
                if let Some(root) = self.spaces.get(index).map(|space| space.root) {
                    let pte = self.tables.get(root, addr);
                    self.tables.set(root, addr, pte.with(Pte::ACCESSED, false));
                }
            }
            self.doomed.insert(member);
        }
    }

    /// What reclaim gives up next: what is left of a page that it has split, as far as nobody has used it
    /// since, and then the policy's choice.
    pub(super) fn victim(&mut self) -> Option<Victim> {
        while let Some(frame) = self.doomed.pop_first() {
            if self.is_idle(frame) {
                self.policy.remove(frame);
                return Some(Victim { frame, scanned: 1 });
            }
        }
        self.policy.evict()
    }

    /// Whether no entry of a frame has been used since its accessed bits were cleared.
    fn is_idle(&self, frame: u32) -> bool {
        self.frames.mappers(frame).all(|(index, number)| {
            let addr = self.page.start_of(crate::address::Vpn(number));
            let root = self.spaces.get(index).map(|space| space.root);
            root.is_none_or(|root| !self.tables.get(root, addr).has(Pte::ACCESSED))
        })
    }
}
