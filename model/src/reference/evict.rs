//! Getting a frame, if need be by giving up a page.

use super::Stopped;
use super::memory::{Effects, Entry, Forget, Held, Memory};
use crate::address::SwapSlot;
use crate::os::reclaim::Page as Owner;
use crate::outcome::Work;

impl Memory {
    /// What counts against the limit, in bytes.
    pub fn charged(&self) -> u64 {
        let frames: u64 = self.pages.values().map(|page| 1 << page.order).sum();
        frames * self.page + self.places.charged()
    }

    /// Evicts until the limit has room for `bytes` more.
    pub fn make_room(&mut self, bytes: u64, effects: &mut Effects) -> Result<(), Stopped> {
        let mut full = false;
        while self.limit.is_some_and(|limit| self.charged() + bytes > limit) {
            self.evict(&mut full, effects)?;
        }
        Ok(())
    }

    /// A frame for user data; for that page, if reclaim is to know of it.
    pub fn take_frame(
        &mut self,
        page: Option<Owner>,
        effects: &mut Effects,
    ) -> Result<u64, Stopped> {
        if let Some(page) = page {
            self.reclaim.admit(page);
        }
        self.make_room(self.page, effects)?;
        let mut full = false;
        loop {
            if let Some(page) = page.filter(|_| self.colours > 1) {
                let frame = self.buddy.take_coloured(self.colours, page.number() % self.colours);
                if let Some(frame) = frame {
                    self.counts.add("os.colour.hits", 1);
                    return Ok(frame);
                }
            }
            let taken = match page {
                Some(page) if self.colours == 1 => self.buddy.take_page(page.number()),
                _ => self.buddy.take(0),
            };
            match taken {
                Some(frame) => {
                    if page.is_some() && self.colours > 1 {
                        self.counts.add("os.colour.misses", 1);
                    }
                    return Ok(frame);
                }
                None => self.evict(&mut full, effects)?,
            }
        }
    }

    /// The page in a frame, or whose copy the frame has.
    fn owner(&self, frame: u64) -> Owner {
        let Some(page) = self.pages.get(&frame) else { return Owner::default() };
        let copied = page.slot.and_then(|slot| self.owners.get(&slot).copied());
        match page.mappers.first() {
            Some((process, number)) => Owner::new(*process, *number),
            None => copied.unwrap_or_default(),
        }
    }

    /// Gives up the policy's choice among the pages that can be given a slot. Those that cannot go in
    /// anew. `full`: an earlier one went for the same purpose.
    pub fn evict(&mut self, full: &mut bool, effects: &mut Effects) -> Result<(), Stopped> {
        if !std::mem::replace(full, true) {
            self.reclaim.resize(self.pages.len() as u64);
        }
        let (mut without, mut scanned, mut found) = (Vec::new(), 0, None);
        while let Some((frame, looked_at)) = self.victim() {
            scanned += looked_at;
            if self.pages.get(&frame).is_some_and(|page| page.lazy) {
                found = Some((frame, None));
                break;
            }
            self.split_for_reclaim(frame, effects);
            let slot = self.slot_for(frame);
            if slot.is_some() {
                found = Some((frame, slot));
                break;
            }
            without.push(frame);
        }
        for frame in without {
            let owner = self.owner(frame);
            self.reclaim.forget(owner);
            self.reclaim.insert(frame, owner);
        }
        self.counts.add("os.reclaim.scanned", scanned);
        if scanned > 0 {
            effects.work.push(Work::Scan { pages: scanned });
        }
        let (frame, slot) = found.ok_or(Stopped::OutOfMemory)?;
        let order = self.pages.get(&frame).map_or(0, |page| page.order);
        self.counts.add("os.reclaim.evicted", 1 << order);
        match slot {
            Some((slot, new)) => self.write_out(frame, slot, new, effects),
            None => self.drop_lazy(frame, effects),
        }
        Ok(())
    }

    /// The page's slot, and whether it is a new one. Where the swap area is full, the next page in memory
    /// that has a slot gives it up.
    fn slot_for(&mut self, frame: u64) -> Option<(u64, bool)> {
        if let Some(slot) = self.pages.get(&frame)?.slot {
            return Some((slot, false));
        }
        let slot = match self.slots.take(frame) {
            Some(slot) => slot,
            None => {
                let spare = |slot: &&u64| {
                    self.slots.frame(**slot).is_some() && self.references(**slot) == 0
                };
                let after =
                    self.slots.used.range(self.hand..).chain(self.slots.used.range(..self.hand));
                let slot = after.map(|(slot, _)| slot).find(spare).copied()?;
                self.hand = slot + 1;
                let holder = self.slots.frame(slot)?;
                self.drop_slot(holder);
                self.slots.take(frame)?
            }
        };
        self.pages.get_mut(&frame)?.slot = Some(slot);
        Some((slot, true))
    }

    /// The page in `frame` and its slot have no more to do with each other.
    pub fn drop_slot(&mut self, frame: u64) {
        if let Some(slot) = self.pages.get_mut(&frame).and_then(|page| page.slot.take()) {
            self.slots.used.insert(slot, None);
            self.settle(slot);
        }
    }

    /// A slot that nothing wants is free.
    pub fn settle(&mut self, slot: u64) {
        if self.slots.frame(slot).is_none() && self.references(slot) == 0 {
            self.slots.used.remove(&slot);
            self.slots.compressed.remove(&slot);
            // Frames that the compressed pages do not need any more go back, the last one first.
            while self.pool.len() as u64 > self.slots.pool() {
                if let Some(frame) = self.pool.pop() {
                    self.buddy.give(frame, 0);
                }
            }
        }
    }

    /// Forgets a page that was given up by `madvise(MADV_FREE)` and not written to since.
    fn drop_lazy(&mut self, frame: u64, effects: &mut Effects) {
        let mappers = self.pages.get(&frame).cloned().unwrap_or_default().mappers;
        let mut written = 0;
        for (process, page) in &mappers {
            let Some(entry) = self.entry(*process, *page) else { continue };
            written += self.written(entry);
            self.unmap(*process, *page);
            effects.forget.push(Forget::Page(*process, *page, entry.order));
        }
        let pages = mappers.len() as u64;
        effects.table_writes(written);
        self.flush_pages(pages, effects);
    }

    /// Unmaps a page everywhere, writes it to its slot if that is new, and frees its frame.
    fn write_out(&mut self, frame: u64, slot: u64, new: bool, effects: &mut Effects) {
        if self.keeps_owners {
            self.owners.insert(slot, self.owner(frame));
        }
        let mappers = self.pages.remove(&frame).unwrap_or_default().mappers;
        for (process, page) in &mappers {
            let entry = Entry {
                held: Held::Slot(slot),
                present: false,
                writable: false,
                executable: false,
                accessed: false,
                dirty: false,
                order: 0,
            };
            self.entries.insert((*process, *page), entry);
            effects.forget.push(Forget::Page(*process, *page, 0));
        }
        if !mappers.is_empty() {
            let pages = mappers.len() as u64;
            effects.table_writes(pages);
            self.flush_pages(pages, effects);
        }
        if new {
            let class = mappers.iter().find_map(|mapper| self.contents.get(mapper));
            let ratio = class.and_then(|class| self.ratios.get(class).copied());
            self.slots.write(slot, ratio);
            self.count_area(slot, "writes");
            self.counts.add("swap.writes", 1);
            if !self.textbook {
                effects.work.push(Work::SwapWrite { slot: SwapSlot(slot), pages: 1 });
            }
        }
        self.slots.used.insert(slot, None);
        self.settle(slot);
        self.buddy.give(frame, 0);
        while (self.pool.len() as u64) < self.slots.pool() {
            let Some(frame) = self.buddy.take(0) else { break };
            self.pool.push(frame);
        }
    }

    /// Counts what an area is used for, where there are several.
    pub fn count_area(&mut self, slot: u64, what: &str) {
        if self.slots.areas.len() > 1
            && let Some(area) = self.slots.area(slot)
        {
            self.counts.add(&format!("swap.area.{}.{what}", area.name), 1);
        }
    }
}
