//! What the prefetchers of caches ask for: fetched and reported after the access that made them ask.

use super::emitter::Draft;
use super::recent::{Met, RecentFills};
use super::{Cpu, Simulator};
use crate::address::PhysAddr;
use crate::cache::settings::{Cache, Stream};
use crate::outcome::{MEMORY, OutcomeKind, Outcomes, Reference, ReferenceKind, UNTRANSLATED};

/// Nothing on its way into any cache of a machine; empty where none has a prefetcher.
pub(super) fn recent(caches: &[Cache]) -> Vec<RecentFills> {
    let any = caches.iter().any(|cache| cache.prefetcher.is_some());
    caches.iter().filter(|_| any).map(|_| RecentFills::default()).collect()
}

impl Simulator {
    /// Fetches what prefetchers want. `before` is how many outcomes there were before the access: if it was
    /// reported, they ask when its address is translated.
    #[inline(always)]
    pub(super) fn hardware_prefetches(&mut self, before: u64, out: &mut Outcomes) {
        if !self.cpu.prefetches.is_empty() {
            let latest = self.cpu.emitter.count();
            self.fetch_wanted(if latest > before { latest } else { 0 }, out);
        }
    }

    /// `trigger` is the outcome of the access; 0 where it was not reported.
    #[cold]
    #[inline(never)]
    fn fetch_wanted(&mut self, trigger: u64, out: &mut Outcomes) {
        let now = self.cpu.emitter.instructions();
        while let Some(request) = self.cpu.caches.next_wanted() {
            let at = out.references.len();
            let addr = request.addr;
            out.references.push(Reference { addr, kind: ReferenceKind::Demand, served: MEMORY });
            let Some(served) = self.cpu.caches.prefetch(request, &mut out.references) else {
                out.references.truncate(at);
                continue;
            };
            out.references[at].served = served;
            self.cpu.note_gone();
            let draft = Draft {
                kind: OutcomeKind::HardwarePrefetch { into: request.into },
                tlb: UNTRANSLATED,
                served,
                translation_fill: trigger,
                ..Draft::default()
            };
            let number = self.cpu.emitter.emit(draft, out);
            let line = addr.0 >> self.cpu.caches.line_shift(request.into);
            if request.into == self.first_cache(request.stream) {
                self.cpu.fills.filled(line, now, number, false);
            } else {
                self.cpu.prefetches[usize::from(request.into)].filled(line, now, number, false);
            }
        }
    }

    /// The prefetch that may still be bringing `line`, of the first level of `stream`, into the cache that
    /// `served` it; as [`RecentFills::find`].
    #[inline]
    pub(super) fn prefetched(
        &self,
        served: u8,
        line: u64,
        stream: Stream,
        now: u64,
    ) -> (Option<Met>, u64) {
        match self.cpu.prefetches.get(usize::from(served)) {
            Some(recent) => {
                let addr = line << self.line_shift(stream);
                recent.find(addr >> self.cpu.caches.line_shift(served), now)
            }
            None => (None, u64::MAX),
        }
    }
}

impl Cpu {
    /// Forgets lines that have gone from the first level because a level below displaced them.
    #[inline]
    pub(super) fn note_gone(&mut self) {
        let Self { caches, recall, data_line_shift, .. } = self;
        caches.take_gone(|addr: PhysAddr| recall.line_disturbed(addr.0 >> *data_line_shift));
    }
}
