//! From a virtual to a physical address: TLBs, walks and faults.

use tracegen::record::AccessKind;

use super::access::Request;
use super::memory::{Effects, Entry};
use super::sets::Key;
use super::tlbs::Translation;
use super::{Event, Reference, Stopped};
use crate::os::reclaim::Touch;
use crate::outcome::{FaultKind, OutcomeKind, ReferenceKind, UNTRANSLATED, WALKED};

impl Reference {
    /// Translates: the TLB that had the page, or [`WALKED`], and the page's physical start and size. `None`
    /// where the access does not take place.
    pub(super) fn translate(
        &mut self,
        request: &Request,
        events: &mut Vec<Event>,
    ) -> Result<Option<(u8, u64, u64)>, Stopped> {
        if !self.translates {
            let start = request.addr - request.addr % self.page;
            return Ok(Some((UNTRANSLATED, start, self.page)));
        }
        let Some(addr) = self.memory.shape.fold(request.addr) else {
            if request.kind != AccessKind::Prefetch {
                self.fault(request, events)?;
            }
            return Ok(None);
        };
        let process = self.memory.owner_of(request.process, addr);
        let request = Request { addr, process, ..*request };
        let page = addr / self.page;
        let key = |order| Key { number: page >> order, process: request.process, order };
        let mut found = None;
        for order in [0].into_iter().chain(self.orders.clone()) {
            let tlbs = &mut self.cpus[self.here].tlbs;
            let hit = tlbs.look_up(request.stream, key(order), &mut self.counts);
            found = found.or(hit.map(|(tlb, translation)| (tlb, translation, key(order))));
        }
        if let Some((tlb, translation, key)) = found {
            if request.permitted(translation.writable, translation.executable) {
                if request.write() && !translation.dirty {
                    self.set_dirty(&request, key);
                }
                let bytes = self.page << key.order;
                let (stream, order) = (request.stream, key.order);
                let Self { cpus, here, counts, .. } = self;
                let tlbs = &mut cpus[*here].tlbs;
                let tlb = tlbs.tried(stream, request.site, order, tlb as u8, counts);
                return Ok(Some((tlb, translation.frame * self.page, bytes)));
            }
            // What forbids an access is walked for anew before anything faults.
            self.cpus[self.here].tlbs.forget_page(key, &mut self.counts);
        }
        let entry = self.walk_until_mapped(&request, events)?;
        let order = entry.map_or(0, |entry| self.cached(entry.order));
        if found.is_none() {
            self.cpus[self.here].tlbs.miss(request.stream, order, &mut self.counts);
        }
        let Some((entry, head)) = entry.and_then(|entry| Some((entry, entry.frame()?))) else {
            return Ok(None);
        };
        if self.memory.mark(request.process, page, request.write()) {
            self.count("walker.accessed_writes", 1);
            self.table_write(&request);
        }
        let tlbs = &mut self.cpus[self.here].tlbs;
        tlbs.tried(request.stream, request.site, order, WALKED, &mut self.counts);
        let frame = if order == 0 { head + page % entry.pages() } else { head };
        let translation = Translation {
            frame,
            writable: entry.writable,
            executable: entry.executable,
            dirty: entry.dirty || request.write(),
        };
        let tlbs = &mut self.cpus[self.here].tlbs;
        tlbs.fill(request.stream, key(order), translation, &mut self.counts);
        let retry = self.memory.fresh.take() == Some(head);
        let touch = Touch { write: request.write(), retry, next_use: request.next_use };
        self.memory.reclaim.touch(head, touch);
        Ok(Some((WALKED, frame * self.page, self.page << order)))
    }

    /// A store has hit a clean TLB entry: the walker sets the dirty bit.
    fn set_dirty(&mut self, request: &Request, key: Key) {
        let page = request.addr / self.page;
        let mapped = self.memory.entry(request.process, page).is_some_and(|e| e.present);
        if mapped && self.memory.mark(request.process, page, true) {
            self.count("walker.dirty_writes", 1);
            self.table_write(request);
        }
        self.cpus[self.here].tlbs.set_dirty(key);
    }

    /// The order that TLBs keep a page as: groups that none holds are base pages to them.
    fn cached(&self, order: u8) -> u8 {
        if self.splinters.contains(&order) { 0 } else { order }
    }

    /// Writes the leaf entry of an address.
    fn table_write(&mut self, request: &Request) {
        let reads = self.memory.reads(request.process, request.addr);
        if let Some((_, entry)) = reads.last() {
            let line = self.caches.table_write(*entry, &mut self.counts);
            self.refer(*entry, ReferenceKind::TableWrite, &line);
        }
    }

    /// Walks and faults until the page is there. `None` where the access does not take place: after
    /// [`FaultKind::Segv`] or [`FaultKind::Protection`], and for a prefetch, which never faults.
    fn walk_until_mapped(
        &mut self,
        request: &Request,
        events: &mut Vec<Event>,
    ) -> Result<Option<Entry>, Stopped> {
        for _ in 0..8 {
            let entry = self.walk(request);
            if let Some(entry) = entry.filter(|e| request.permitted(e.writable, e.executable)) {
                return Ok(Some(entry));
            }
            if request.kind == AccessKind::Prefetch {
                return Ok(None);
            }
            match self.fault(request, events)? {
                FaultKind::Segv | FaultKind::Protection => return Ok(None),
                _ => {}
            }
        }
        Err(Stopped::Stuck)
    }

    /// One walk. The deepest paging-structure cache that knows the address says which levels are left to
    /// read, and takes note of the tables that are found.
    fn walk(&mut self, request: &Request) -> Option<Entry> {
        let Request { process, addr, .. } = *request;
        // Whoever's the page is: what these caches hold belongs to what runs.
        let runs = self.cpus[self.here].running.unwrap_or(process);
        self.count("walker.walks", 1);
        let known = self.cpus[self.here].pwcs.look_up(runs, addr, &mut self.counts);
        let known = known.unwrap_or(self.memory.shape.unread);
        let reads = self.memory.reads(process, addr);
        for (place, (level, entry)) in reads.iter().enumerate() {
            if *level >= known {
                continue;
            }
            let line = self.caches.walk_read(*entry, &mut self.counts);
            self.refer(*entry, ReferenceKind::Walk, &line);
            self.count("walker.references", 1);
            let from = format!("walker.from.{}", self.caches.name(line.by));
            self.count(&from, 1);
            if place + 1 < reads.len() {
                self.cpus[self.here].pwcs.fill(runs, addr, *level);
            }
        }
        let whole = match &self.memory.hashed {
            Some(table) => self.memory.hashed_reads(table, process, addr / self.page).1,
            None => {
                let leaf = self.memory.entry(process, addr / self.page);
                let leaf = leaf.and_then(|leaf| self.memory.shape.above(leaf.order));
                let leaf = leaf.or(self.memory.shape.levels.last().copied());
                reads.last().map(|(level, _)| *level) == leaf.map(|leaf| leaf.number)
            }
        };
        let entry = self.memory.entry(process, addr / self.page);
        entry.filter(|entry| whole && entry.present)
    }

    /// The kernel handles a fault.
    fn fault(&mut self, request: &Request, events: &mut Vec<Event>) -> Result<FaultKind, Stopped> {
        let mut effects = Effects::default();
        let Request { process, addr, kind, stream, .. } = *request;
        let found = self.memory.fault(process, addr, kind, &mut effects)?;
        let receivers = self.receivers(&effects.forget);
        effects.work.extend(self.shootdown(&receivers, &effects.forget));
        events.push(Event {
            cpu: self.here as u16,
            kind: OutcomeKind::Fault(found),
            tlb: WALKED,
            served: self.first_cache(stream),
            references: std::mem::take(&mut self.references),
            work: effects.work,
        });
        self.forget(&effects.forget, &receivers, events);
        Ok(found)
    }
}
