//! `madvise`.

use tracegen::record::{Advice, ProcessId};

use super::memory::{Effects, Entry, Held, Memory};
use crate::os::reclaim::Page as Owner;

impl Memory {
    /// Takes advice on the pages that lie in the range as a whole.
    pub fn advise(
        &mut self,
        process: ProcessId,
        start: u64,
        end: u64,
        advice: Advice,
        effects: &mut Effects,
    ) {
        let (first, after) = (start.div_ceil(self.page), end / self.page);
        if first >= after {
            return;
        }
        match advice {
            Advice::DontNeed => self.zap(process, first, after - 1, effects),
            Advice::Free => self.free_lazily(process, first, after - 1, effects),
            Advice::WillNeed => self.will_need(process, first, after - 1, effects),
            _ => {}
        }
    }

    /// Pages on the swap device go. Pages in memory that nobody else sees become clean, and go when
    /// reclaim chooses them before they are written to.
    fn free_lazily(&mut self, process: ProcessId, first: u64, last: u64, effects: &mut Effects) {
        self.split_edges(process, first, last, effects);
        let (mut written, mut flushed) = (0, Vec::new());
        for (page, entry) in self.pages_between(process, first, last) {
            let Held::Frame(frame) = entry.held else {
                self.unmap(process, page);
                written += 1;
                continue;
            };
            if Some(frame) == self.zero || self.is_shared(frame) {
                continue;
            }
            self.drop_slot(frame);
            if let Some(state) = self.pages.get_mut(&frame) {
                state.lazy = true;
            }
            let clean = Entry { accessed: false, dirty: false, ..entry };
            self.entries.insert((process, page), clean);
            written += self.written(entry);
            flushed.extend(entry.present.then_some((page, entry.order)));
        }
        effects.table_writes(written);
        self.flush(process, &flushed, effects);
    }

    /// Reads what is on the swap device alone into memory, as far as there is room.
    fn will_need(&mut self, process: ProcessId, first: u64, last: u64, effects: &mut Effects) {
        let mut read = Vec::new();
        for (page, _) in self.pages_between(process, first, last) {
            // Making room for one may change where the next one is.
            let Some(Entry { held: Held::Slot(slot), .. }) = self.entry(process, page) else {
                continue;
            };
            if self.slots.frame(slot).is_none() {
                let owner = Owner::new(process, page);
                let Ok(frame) = self.take_frame(Some(owner), effects) else { break };
                self.fill(slot, frame, owner);
                read.push(slot);
            }
        }
        self.account(read, effects);
    }
}
