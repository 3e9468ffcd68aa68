//! Page faults (Linux mm/memory.c, `handle_pte_fault`).

use tracegen::record::{AccessKind, ProcessId};

use super::address_space::Area;
use super::effects::{Effects, Invalidation};
use super::frames::NONE;
use super::page_table::Pte;
use super::reclaim::{Page, Reclaim};
use super::{Os, OsError};
use crate::address::{Pfn, PhysAddr, SwapSlot, VirtAddr};
use crate::outcome::{FaultKind, Work};

/// The access that faults, and what is known of its page.
pub(super) struct Fault {
    pub process: ProcessId,
    pub index: u32,
    /// The first byte of the base page.
    pub page: VirtAddr,
    kind: AccessKind,
    area: Option<Area>,
}

impl Fault {
    /// The flags of an entry that follows the area's rights; outside every area, everything is allowed.
    pub fn flags(&self, writable: bool) -> u64 {
        let protection = self.area.map(|area| area.protection);
        let write = writable && protection.is_none_or(|protection| protection.write);
        let execute = protection.is_none_or(|protection| protection.execute);
        Pte::PRESENT
            | Pte::ACCESSED
            | if write { Pte::WRITABLE } else { 0 }
            | if execute { 0 } else { Pte::NO_EXECUTE }
            | if self.store() && write { Pte::DIRTY } else { 0 }
    }
    fn store(&self) -> bool {
        self.kind == AccessKind::Store
    }
}

impl Os {
    /// Handles the fault of an access. Afterwards [`Os::walk`] finds the page, unless the result is
    /// [`FaultKind::Protection`] or [`FaultKind::Segv`]: the access then does not take place. A software
    /// prefetch never faults, so that none may come here.
    ///
    /// # Errors
    /// No frame is free and none can be freed.
    pub fn fault(
        &mut self,
        process: ProcessId,
        addr: VirtAddr,
        kind: AccessKind,
        effects: &mut Effects,
    ) -> Result<FaultKind, OsError> {
        let major_before = effects.major;
        effects.work.push(Work::Handler);
        effects.major = false;
        let found = self.classify(process, addr, kind, effects)?;
        if self.hashed.is_some()
            && !matches!(found, FaultKind::Segv | FaultKind::Protection)
            && let Some(addr) = self.fold(addr)
        {
            self.enter_hashed(process, addr, effects);
        }
        self.counters.fault(found, effects.major);
        effects.major |= major_before;
        effects.fault = Some(found);
        Ok(found)
    }

    /// The three-way test (no area, not permitted, page in), then what the entry says.
    fn classify(
        &mut self,
        process: ProcessId,
        addr: VirtAddr,
        kind: AccessKind,
        effects: &mut Effects,
    ) -> Result<FaultKind, OsError> {
        let index = self.space(process, effects)?;
        let (Some(addr), Some(space)) = (self.fold(addr), self.spaces.get_mut(index)) else {
            return Ok(FaultKind::Segv);
        };
        let area = space.areas.find_again(addr.0);
        let page = VirtAddr(addr.0 & !(self.page.bytes() - 1));
        let pte = self.tables.get(space.root, page);
        match area {
            None if self.strict && !pte.has(Pte::WIRED) && !self.is_kernel(process) => {
                return Ok(FaultKind::Segv);
            }
            Some(area) if !area.allows(kind) => return Ok(FaultKind::Protection),
            _ => {}
        }
        let fault = Fault { process, index, page, kind, area };
        if let Some(slot) = pte.slot() {
            self.swap_in(&fault, slot.0 as u32, effects)
        } else if pte.pfn().is_some() {
            let size = self.size(pte);
            let addr = VirtAddr(page.0 & !(size.bytes() - 1));
            effects.invalidations.push(Invalidation::Page { process, addr, size });
            self.present(&fault, pte, effects)
        } else {
            self.anonymous(&fault, effects)
        }
    }

    fn set(&mut self, fault: &Fault, pte: Pte) {
        if let Some(space) = self.spaces.get(fault.index) {
            self.tables.set(space.root, fault.page, pte);
        }
    }

    /// The page that the access wants.
    fn wanted(&self, fault: &Fault) -> Page {
        Page::new(fault.process, fault.page.0 >> self.page.0)
    }

    /// The first byte of a frame.
    pub(super) fn start(&self, frame: u32) -> PhysAddr {
        Pfn(frame.into()).start(self.page)
    }

    /// First touch. Where the layout has a larger page, all of it gets frames, if there are; otherwise a read
    /// in an area shows the shared zero page; anything else gets a frame.
    fn anonymous(&mut self, fault: &Fault, effects: &mut Effects) -> Result<FaultKind, OsError> {
        if self.large(fault, effects)? {
            return Ok(FaultKind::Anonymous);
        }
        self.build_path(fault.index, fault.page, effects)?;
        if self.is_kernel(fault.process) {
            self.wire(fault.index, fault.page, fault.store(), effects)?;
            return Ok(FaultKind::Anonymous);
        }
        let private = fault.area.is_some_and(|area| !area.shared);
        if !fault.store() && private && !self.textbook {
            let frame = self.zero_page(effects)?;
            let flags = fault.flags(false) | Pte::USER;
            self.set(fault, Pte::frame(Pfn(frame.into()), flags));
            effects.table_writes(1);
            return Ok(FaultKind::ZeroPage);
        }
        self.zeroed(fault, effects)?;
        Ok(FaultKind::Anonymous)
    }

    fn zero_page(&mut self, effects: &mut Effects) -> Result<u32, OsError> {
        if let Some(frame) = self.zero {
            return Ok(frame);
        }
        let frame = self.allocate(None, effects)?;
        self.zero = Some(frame);
        Ok(frame)
    }

    /// Maps a new frame full of zeros.
    fn zeroed(&mut self, fault: &Fault, effects: &mut Effects) -> Result<(), OsError> {
        let frame = self.allocate(Some(self.wanted(fault)), effects)?;
        effects.work.push(Work::Zero { addr: self.start(frame), bytes: self.page.bytes() });
        self.bring_in(fault, frame);
        effects.table_writes(1);
        Ok(())
    }

    fn bring_in(&mut self, fault: &Fault, frame: u32) {
        self.policy.insert(frame, self.wanted(fault));
        self.map(fault.index, fault.page, frame, fault.flags(true));
        self.fresh = Some(frame);
    }

    /// The entry holds a frame: a store to a write-protected page, or rights that have grown since.
    fn present(
        &mut self,
        fault: &Fault,
        pte: Pte,
        effects: &mut Effects,
    ) -> Result<FaultKind, OsError> {
        if pte.has(Pte::WIRED) {
            let denied = fault.store() && !pte.has(Pte::WRITABLE)
                || fault.kind == AccessKind::Fetch && pte.has(Pte::NO_EXECUTE);
            return Ok(if denied { FaultKind::Protection } else { FaultKind::Spurious });
        }
        let pte = pte.with(Pte::NO_ACCESS, false).with(Pte::PRESENT, true);
        if fault.store() && !pte.has(Pte::WRITABLE) {
            return self.write_protected(fault, pte, effects);
        }
        let fetch = fault.kind == AccessKind::Fetch;
        self.set(fault, if fetch { pte.with(Pte::NO_EXECUTE, false) } else { pte });
        Ok(FaultKind::Spurious)
    }

    /// Whether somebody else sees the frame's content: another mapping, or an entry that names its slot.
    pub(super) fn is_shared(&self, frame: u32) -> bool {
        let state = self.frames.get(frame);
        state.mappings() > 1 || state.slot != NONE && self.slots.references(state.slot) > 0
    }

    fn write_protected(
        &mut self,
        fault: &Fault,
        pte: Pte,
        effects: &mut Effects,
    ) -> Result<FaultKind, OsError> {
        // The caller has found a frame.
        let mut frame = pte.pfn().map_or(NONE, |pfn| pfn.0 as u32);
        if Some(frame) == self.zero {
            self.zeroed(fault, effects)?;
            self.flush_pages(1, effects);
            return Ok(FaultKind::CowCopied);
        }
        if self.is_shared(frame) && !fault.area.is_some_and(|area| area.shared) {
            if pte.order() > 0 {
                // One base page is copied, not all (mm/huge_memory.c, `do_huge_pmd_wp_page`).
                self.split(frame, effects);
                frame += ((fault.page.0 >> self.page.0) & ((1 << pte.order()) - 1)) as u32;
            }
            self.copy(fault, frame, effects)?;
            return Ok(FaultKind::CowCopied);
        }
        self.drop_slot(frame);
        self.frames.get_mut(frame).set_lazy(false);
        let own = Pte::frame(Pfn(frame.into()), fault.flags(true) | Pte::USER);
        self.set(fault, own.of_order(pte.order()));
        effects.table_writes(self.entries_of(pte));
        Ok(FaultKind::CowReused)
    }

    /// Maps a copy in place of `frame`. Making room for it may evict `frame` itself, once it is copied.
    fn copy(&mut self, fault: &Fault, frame: u32, effects: &mut Effects) -> Result<(), OsError> {
        let new = self.allocate(Some(self.wanted(fault)), effects)?;
        let (from, to, bytes) = (self.start(frame), self.start(new), self.page.bytes());
        effects.work.push(Work::Copy { from, to, bytes });
        if let Some(space) = self.spaces.get(fault.index) {
            let old = self.tables.get(space.root, fault.page);
            self.unmap(fault.index, fault.page, old);
        }
        self.bring_in(fault, new);
        effects.table_writes(1);
        self.flush_pages(1, effects);
        Ok(())
    }

    /// A page on the swap device, or still in the swap cache.
    fn swap_in(
        &mut self,
        fault: &Fault,
        slot: u32,
        effects: &mut Effects,
    ) -> Result<FaultKind, OsError> {
        // The only user of a page in memory has no use for the compressed copy (mm/memory.c, `do_swap_page`).
        let synchronous = self.slots.is_synchronous(slot);
        let (frame, read) = match self.slots.frame(slot) {
            Some(frame) => {
                let state = self.frames.get_mut(frame);
                if state.readahead() {
                    state.set_readahead(false);
                    self.counters.readahead_hits += 1;
                    self.readahead.hit();
                }
                (frame, false)
            }
            None => (self.read_in(fault, slot, effects)?, true),
        };
        effects.major = read;
        let shared = self.frames.get(frame).mappings() > 0 || self.slots.references(slot) > 1;
        self.map(fault.index, fault.page, frame, fault.flags(!shared));
        self.slots.release(slot);
        self.shrink_pool();
        effects.table_writes(1);
        if read {
            self.fresh = Some(frame);
        }
        if fault.store() && shared && !fault.area.is_some_and(|area| area.shared) {
            self.copy(fault, frame, effects)?;
        } else if fault.store() || !shared && (read && synchronous || self.slots.crowded()) {
            self.drop_slot(frame);
        }
        Ok(FaultKind::SwapIn)
    }

    /// Reads the wanted slot, and its neighbours ahead of need unless the device is synchronous and nobody
    /// else uses the page; returns the wanted page's frame, which then is in the swap cache.
    fn read_in(
        &mut self,
        fault: &Fault,
        wanted: u32,
        effects: &mut Effects,
    ) -> Result<u32, OsError> {
        self.counters.refaults += 1;
        let mut read = vec![wanted];
        let alone = self.slots.is_synchronous(wanted) && self.slots.references(wanted) == 1;
        if !self.textbook && !alone {
            for slot in self.slots.window(wanted, &mut self.readahead) {
                let absent = self.slots.in_use(slot) && self.slots.frame(slot).is_none();
                if slot != wanted && absent {
                    // What does not fit is not read ahead.
                    let page = self.page_of_slot(slot);
                    let Ok(frame) = self.allocate(Some(page), effects) else { break };
                    self.fill(slot, frame, page);
                    self.frames.get_mut(frame).set_readahead(true);
                    read.push(slot);
                }
            }
        }
        let page = self.wanted(fault);
        let frame = self.allocate(Some(page), effects)?;
        self.fill(wanted, frame, page);
        self.counters.readahead_reads += read.len() as u64 - 1;
        self.account_reads(read, effects);
        Ok(frame)
    }

    /// Counts slots that are read, and reports them in runs.
    pub(super) fn account_reads(&mut self, mut read: Vec<u32>, effects: &mut Effects) {
        self.counters.swap_reads += read.len() as u64;
        read.iter().for_each(|slot| self.slots.count_read(*slot));
        read.sort_unstable();
        if !self.textbook {
            for run in read.chunk_by(|a, b| a + 1 == *b) {
                let slot = SwapSlot(run[0].into());
                effects.work.push(Work::SwapRead { slot, pages: run.len() as u32 });
            }
        }
    }

    /// Puts the content of a slot into a frame of the swap cache.
    pub(super) fn fill(&mut self, slot: u32, frame: u32, page: Page) {
        self.frames.get_mut(frame).slot = slot;
        self.slots.cache(slot, frame);
        self.policy.insert(frame, page);
        self.cached += 1;
    }
}
