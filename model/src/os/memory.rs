//! Getting a frame, if need be by giving up another.

use super::effects::{Effects, Invalidation};
use super::frames::{NONE, grow};
use super::page_table::Pte;
use super::reclaim::{Page, Reclaim};
use super::{Os, OsError};
use crate::address::{PhysAddr, SwapSlot, VirtAddr};
use crate::outcome::Work;

impl Os {
    /// Bytes that the limit is charged for: resident pages, swap cache and page tables.
    pub(super) fn charged(&self) -> u64 {
        (self.resident + self.cached) * self.page.bytes() + self.table_space.bytes()
    }

    /// Evicts until `get` gets what it wants.
    pub(super) fn obtain<T>(
        &mut self,
        get: impl Fn(&mut Self) -> Option<T>,
        effects: &mut Effects,
    ) -> Result<T, OsError> {
        if let Some(got) = get(self) {
            return Ok(got);
        }
        self.policy.resize(self.policy.len());
        loop {
            self.evict(effects)?;
            if let Some(got) = get(self) {
                return Ok(got);
            }
        }
    }

    /// Evicts until `bytes` more fit within the limit.
    fn make_room(&mut self, bytes: u64, effects: &mut Effects) -> Result<(), OsError> {
        let Some(limit) = self.limit else { return Ok(()) };
        self.obtain(|os| (os.charged().saturating_add(bytes) <= limit).then_some(()), effects)
    }

    /// A free frame for user data: for `page`, where it is one that can be evicted.
    pub(super) fn allocate(
        &mut self,
        page: Option<Page>,
        effects: &mut Effects,
    ) -> Result<u32, OsError> {
        if let Some(page) = page {
            self.policy.admit(page);
        }
        self.make_room(self.page.bytes(), effects)?;
        self.obtain(|os| os.frame_for(page), effects)
    }

    /// A free frame, of the page's colour as long as there is one.
    fn frame_for(&mut self, page: Option<Page>) -> Option<u32> {
        let Some(page) = page else { return self.buddy.allocate(0) };
        if self.colours == 1 {
            return self.buddy.allocate_page(page.number());
        }
        let colour = page.number() % self.colours;
        if let Some(frame) = self.buddy.allocate_coloured(self.colours, colour) {
            self.counters.coloured += 1;
            return Some(frame);
        }
        let frame = self.buddy.allocate(0)?;
        self.counters.uncoloured += 1;
        Some(frame)
    }

    /// The page in `frame`: that of its first mapper, or of a swap-cache page the one that was last mapped.
    pub(super) fn page_in(&self, frame: u32) -> Page {
        let state = self.frames.get(frame);
        let mapper = state.mapper().and_then(|(index, page)| Some((self.spaces.get(index)?, page)));
        match mapper {
            Some((space, page)) => Page::new(space.process, page),
            None => self.owners.get(state.slot as usize).copied().unwrap_or_default(),
        }
    }

    /// The page whose content `slot` has; a page that is named after the slot where that is not kept.
    pub(super) fn page_of_slot(&self, slot: u32) -> Page {
        self.owners.get(slot as usize).copied().unwrap_or(Page::new(0, slot.into()))
    }

    /// A place for a page table.
    pub(super) fn allocate_table(
        &mut self,
        bytes: u64,
        effects: &mut Effects,
    ) -> Result<PhysAddr, OsError> {
        self.make_room(self.table_space.charge(bytes), effects)?;
        self.obtain(|os| os.table_space.allocate(bytes, &mut os.buddy), effects)
    }

    /// Builds the tables on the way to the leaf entry of `addr`.
    pub(super) fn build_path(
        &mut self,
        index: u32,
        addr: VirtAddr,
        effects: &mut Effects,
    ) -> Result<(), OsError> {
        let Some(root) = self.spaces.get(index).map(|space| space.root) else { return Ok(()) };
        while let Some(level) = self.tables.extend(root, addr) {
            let bytes = self.tables.geometry().table_bytes(level);
            let base = self.allocate_table(bytes, effects)?;
            self.tables.attach(root, addr, base);
            effects.table_writes(1);
        }
        Ok(())
    }

    /// Gives up one page: the policy's choice, or the next one that has a slot where swap is full.
    fn evict(&mut self, effects: &mut Effects) -> Result<(), OsError> {
        let mut kept = Vec::new();
        let mut pages = 0;
        let found = loop {
            let Some(victim) = self.victim() else { break None };
            pages += victim.scanned;
            if self.frames.get(victim.frame).lazy() {
                break Some((victim.frame, false));
            }
            self.split_for_reclaim(victim.frame, effects);
            match self.slot_for(victim.frame) {
                Some(fresh) => break Some((victim.frame, fresh)),
                None => kept.push(victim.frame),
            }
        };
        for frame in kept {
            let page = self.page_in(frame);
            // It has never been away.
            self.policy.forget(page);
            self.policy.insert(frame, page);
        }
        self.counters.scanned += pages;
        if pages > 0 {
            effects.work.push(Work::Scan { pages });
        }
        let (frame, fresh) = found.ok_or_else(|| self.exhausted())?;
        if self.frames.get(frame).lazy() {
            self.discard(frame, effects);
        } else {
            self.write_out(frame, fresh, effects);
        }
        Ok(())
    }

    fn exhausted(&self) -> OsError {
        let what = match self.limit {
            Some(limit) if self.buddy.free() > 0 => format!("os.limit of {limit} bytes is used up"),
            _ => format!("all {} frames (os.memory) are in use", self.buddy.frames()),
        };
        let why = if self.policy.is_empty() {
            "none of it can be evicted".to_owned()
        } else if self.no_device {
            "its pages cannot be evicted, for swap.device is \"none\"".to_owned()
        } else {
            format!("the swap area (swap.size) is full: {} pages", self.slots.used())
        };
        OsError::OutOfMemory(format!("{what}, and {why}"))
    }

    /// Sees to it that the page has a slot; returns whether it is a new one, so that the page has to be
    /// written. `None` where swap is full.
    fn slot_for(&mut self, frame: u32) -> Option<bool> {
        if self.frames.get(frame).slot != NONE {
            return Some(false);
        }
        let slot = match self.slots.allocate(frame) {
            Some(slot) => slot,
            None => {
                // A page in memory can do without its copy.
                let (redundant, holder) = self.slots.redundant(self.slot_hand)?;
                self.slot_hand = redundant + 1;
                self.drop_slot(holder);
                self.slots.allocate(frame)?
            }
        };
        self.frames.get_mut(frame).slot = slot;
        Some(true)
    }

    /// The page in `frame` and its slot no longer have to do with each other.
    pub(super) fn drop_slot(&mut self, frame: u32) {
        let slot = std::mem::replace(&mut self.frames.get_mut(frame).slot, NONE);
        if slot != NONE {
            self.slots.uncache(slot);
            self.shrink_pool();
        }
    }

    /// The first store to a clean page: the copy in its slot is out of date, and its content matters.
    pub(super) fn dirtied(&mut self, pte: Pte) {
        let Some(frame) = pte.pfn().map(|pfn| pfn.0 as u32).filter(|_| !pte.has(Pte::WIRED)) else {
            return;
        };
        self.policy.dirtied(frame);
        let state = self.frames.get(frame);
        if state.slot != NONE {
            self.drop_slot(frame);
        }
        if state.lazy() {
            self.frames.get_mut(frame).set_lazy(false);
        }
    }

    /// Reclaim forgets a page that `madvise(MADV_FREE)` gave up.
    fn discard(&mut self, frame: u32, effects: &mut Effects) {
        let mappers: Vec<_> = self.frames.mappers(frame).collect();
        let (pages, mut entries) = (mappers.len() as u64, 0);
        self.counters.evicted += 1 << self.frames.get(frame).order();
        for (index, page) in mappers {
            let addr = VirtAddr(page << self.page.0);
            let Some(space) = self.spaces.get(index) else { continue };
            let (process, root) = (space.process, space.root);
            let pte = self.tables.get(root, addr);
            let size = self.size(pte);
            entries += self.entries_of(pte);
            self.tables.set(root, addr, Pte::default());
            self.unmap(index, addr, pte);
            effects.invalidations.push(Invalidation::Page { process, addr, size });
        }
        effects.table_writes(entries);
        self.flush_pages(pages, effects);
    }

    /// Unmaps every mapping of the page, writes it to its slot if need be, and frees the frame.
    fn write_out(&mut self, frame: u32, fresh: bool, effects: &mut Effects) {
        let slot = self.frames.get(frame).slot;
        if self.keeps_owners {
            let page = self.page_in(frame);
            grow(&mut self.owners, slot as usize, Page::default());
            self.owners[slot as usize] = page;
        }
        let mappers: Vec<_> = self.frames.mappers(frame).collect();
        for (index, page) in &mappers {
            let addr = VirtAddr(page << self.page.0);
            if let Some(space) = self.spaces.get_mut(*index) {
                self.tables.set(space.root, addr, Pte::swapped(SwapSlot(slot.into())));
                self.slots.refer(slot);
                space.resident -= 1;
                let (process, size) = (space.process, self.page);
                effects.invalidations.push(Invalidation::Page { process, addr, size });
            }
        }
        let pages = mappers.len() as u64;
        if pages > 0 {
            effects.table_writes(pages);
            self.flush_pages(pages, effects);
            self.resident -= 1;
        } else {
            self.cached -= 1;
        }
        if fresh {
            self.counters.swap_writes += 1;
            self.slots.write(slot, self.contents.ratio(&mappers));
            if !self.textbook {
                effects.swap_write(SwapSlot(slot.into()));
            }
        }
        self.counters.evicted += 1;
        self.slots.uncache(slot);
        self.shrink_pool();
        self.frames.spill.remove(&frame);
        self.frames.reset(frame);
        self.buddy.release(frame, 0);
        self.grow_pool();
    }

    /// Frees a frame that nothing maps and the swap cache does not need.
    pub(super) fn free(&mut self, frame: u32) {
        self.drop_slot(frame);
        self.policy.remove(frame);
        self.doomed.remove(&frame);
        let order = self.frames.get(frame).order();
        self.frames.reset(frame);
        if order == 0 {
            self.buddy.release(frame, 0);
        } else {
            self.buddy.release_run(frame, order);
        }
    }

    /// Lets an entry of an address space map a frame, or all frames of a page.
    pub(super) fn map(&mut self, index: u32, addr: VirtAddr, frame: u32, flags: u64) {
        let state = self.frames.get(frame);
        let order = Pte(flags).order();
        let pages = 1 << order;
        if state.mappings() == 0 {
            self.resident += pages;
            if order > 0 {
                self.in_large += pages;
                self.frames.get_mut(frame).set_order(order);
            }
            if state.slot != NONE {
                self.cached -= 1;
            }
            self.counters.peak_resident = self.counters.peak_resident.max(self.resident);
        }
        self.frames.map(frame, (index, addr.0 >> self.page.0));
        if let Some(space) = self.spaces.get_mut(index) {
            space.resident += pages;
            let pte = Pte::frame(crate::address::Pfn(frame.into()), flags | Pte::USER);
            self.tables.set(space.root, addr, pte);
        }
    }

    /// What an entry that is about to be overwritten held loses it: the frame's mapping goes, or the
    /// slot's reference.
    pub(super) fn unmap(&mut self, index: u32, addr: VirtAddr, pte: Pte) {
        if let Some(slot) = pte.slot() {
            let slot = slot.0 as u32;
            if let Some(space) = self.spaces.get(index) {
                self.policy.forget(Page::new(space.process, addr.0 >> self.page.0));
            }
            if self.slots.release(slot) == 0
                && let Some(frame) = self.slots.frame(slot)
                && self.frames.get(frame).mappings() == 0
            {
                self.cached -= 1;
                self.free(frame);
            }
            self.shrink_pool();
            return;
        }
        let Some(frame) = pte.pfn().map(|pfn| pfn.0 as u32) else { return };
        if Some(frame) == self.zero {
            return;
        }
        if pte.has(Pte::WIRED) {
            self.wired -= 1;
            self.buddy.release(frame, 0);
            return;
        }
        let pages = 1 << pte.order();
        if let Some(space) = self.spaces.get_mut(index) {
            space.resident -= pages;
        }
        if self.frames.unmap(frame, (index, addr.0 >> self.page.0)) > 0 {
            return;
        }
        self.resident -= pages;
        if pte.order() > 0 {
            self.in_large -= pages;
        }
        let slot = self.frames.get(frame).slot;
        if slot != NONE && self.slots.references(slot) > 0 {
            self.cached += 1;
        } else {
            self.free(frame);
        }
    }
}
