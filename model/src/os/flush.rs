//! How translations that have changed are flushed: page by page, or all at once.

use tracegen::record::ProcessId;

use super::Os;
use super::effects::{Effects, Invalidation};
use crate::outcome::Work;

impl Os {
    /// Accounts for the invalidations from `start` on, of pages of `process` in ascending order: one by one,
    /// the pages of the smallest size between them too, or as one full flush where these are more than the ceiling (Linux
    /// arch/x86/mm/tlb.c, `get_flush_tlb_info`).
    pub(super) fn flush(&mut self, process: ProcessId, start: usize, effects: &mut Effects) {
        let page = |at: Option<&Invalidation>| match at {
            Some(Invalidation::Page { addr, .. }) => Some(addr.0 >> self.page.0),
            _ => None,
        };
        let mine = effects.invalidations.get(start..).unwrap_or_default();
        let (Some(first), Some(last)) = (page(mine.first()), page(mine.last())) else { return };
        let stride = mine.iter().filter_map(|one| match one {
            Invalidation::Page { size, .. } => Some(size.0 - self.page.0),
            _ => None,
        });
        let pages = ((last - first) >> stride.min().unwrap_or(0)) + 1;
        if pages > self.flush_ceiling {
            effects.invalidations.truncate(start);
            self.flush_process(process, effects);
        } else {
            self.flush_pages(pages, effects);
        }
    }

    /// Flushes everything of a process.
    pub(super) fn flush_process(&mut self, process: ProcessId, effects: &mut Effects) {
        effects.invalidations.push(Invalidation::Process(process));
        effects.work.push(Work::Invalidate { pages: 0 });
        self.counters.full_flushes += 1;
    }

    /// Accounts for the invalidation of single pages.
    pub(super) fn flush_pages(&mut self, pages: u64, effects: &mut Effects) {
        if pages == 0 {
            return;
        }
        effects.work.push(Work::Invalidate { pages });
        self.counters.page_flushes += pages;
    }
}
