//! `madvise` (Linux mm/madvise.c).

use tracegen::record::Advice;

use super::effects::{Effects, Invalidation};
use super::page_table::Pte;
use super::reclaim::Page;
use super::{Os, OsError};
use crate::address::VirtAddr;

impl Os {
    /// Takes advice on the bytes from `start` up to `end`.
    pub(super) fn advise(
        &mut self,
        index: u32,
        start: u64,
        end: u64,
        advice: Advice,
        effects: &mut Effects,
    ) -> Result<(), OsError> {
        // Unlike unmapping, advice concerns no page that is only partly meant.
        let bytes = self.page.bytes();
        let first = start.checked_next_multiple_of(bytes);
        let last = (end & !(bytes - 1)).checked_sub(bytes);
        let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
        if first > last {
            return Ok(());
        }
        match advice {
            Advice::DontNeed => self.zap(index, first, last, effects),
            Advice::Free => self.free_lazily(index, first, last, effects),
            Advice::WillNeed => self.will_need(index, first, last, effects),
            // About file readahead, which anonymous memory has none of; about features that are off.
            Advice::Normal
            | Advice::Random
            | Advice::Sequential
            | Advice::Mergeable
            | Advice::Unmergeable
            | Advice::HugePage
            | Advice::NoHugePage => {}
        }
        Ok(())
    }

    /// The pages from `first` to `last` may be forgotten: their entries become clean, and reclaim drops
    /// what is still clean when it comes to it. What is on the swap device goes at once; what is shared
    /// stays.
    fn free_lazily(&mut self, index: u32, first: u64, last: u64, effects: &mut Effects) {
        let Some((process, root)) = self.spaces.get(index).map(|space| (space.process, space.root))
        else {
            return;
        };
        self.split_edges(root, first, last, effects);
        let flushes = effects.invalidations.len();
        let (mut next, mut entries) = (Some(VirtAddr(first)), 0);
        while let Some((addr, pte)) = next.and_then(|next| self.tables.next(root, next)) {
            if addr.0 > last {
                break;
            }
            let size = self.size(pte);
            next = addr.checked_add(size.bytes());
            if pte.slot().is_some() {
                self.tables.set(root, addr, Pte::default());
                self.unmap(index, addr, pte);
                entries += 1;
                continue;
            }
            let Some(frame) = pte.pfn().map(|pfn| pfn.0 as u32) else { continue };
            if Some(frame) == self.zero || pte.has(Pte::WIRED) || self.is_shared(frame) {
                continue;
            }
            self.drop_slot(frame);
            self.frames.get_mut(frame).set_lazy(true);
            self.tables.set(root, addr, pte.with(Pte::ACCESSED | Pte::DIRTY, false));
            entries += self.entries_of(pte);
            if pte.has(Pte::PRESENT) {
                effects.invalidations.push(Invalidation::Page { process, addr, size });
            }
        }
        effects.table_writes(entries);
        self.flush(process, flushes, effects);
    }

    /// Reads the pages from `first` to `last` that are on the swap device into the swap cache, as far
    /// as there is room.
    fn will_need(&mut self, index: u32, first: u64, last: u64, effects: &mut Effects) {
        let Some((process, root)) = self.spaces.get(index).map(|space| (space.process, space.root))
        else {
            return;
        };
        let (mut next, mut read) = (Some(VirtAddr(first)), Vec::new());
        while let Some((addr, pte)) = next.and_then(|next| self.tables.next(root, next)) {
            if addr.0 > last {
                break;
            }
            next = addr.checked_add(self.size(pte).bytes());
            let Some(slot) = pte.slot().map(|slot| slot.0 as u32) else { continue };
            if self.slots.frame(slot).is_none() {
                let page = Page::new(process, addr.0 >> self.page.0);
                let Ok(frame) = self.allocate(Some(page), effects) else { break };
                self.fill(slot, frame, page);
                read.push(slot);
            }
        }
        self.account_reads(read, effects);
    }
}
