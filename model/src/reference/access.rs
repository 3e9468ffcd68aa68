//! One access: its parts, and which of them are events.

use std::collections::BTreeMap;

use tracegen::record::{Access, AccessKind, ProcessId};

use super::caches::Served;
use super::sets::Key;
use super::{Event, Reference, Stopped, last_byte};
use crate::address::PhysAddr;
use crate::cache::settings::Stream;
use crate::outcome::{MEMORY, OutcomeKind, Reference as Read, ReferenceKind, UNTRANSLATED};

/// One access, or the part of it in one page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub process: ProcessId,
    pub kind: AccessKind,
    pub stream: Stream,
    pub addr: u64,
    /// Where it comes from.
    pub site: u64,
    /// When the page is used next, where that is known.
    pub next_use: Option<u64>,
}

impl Request {
    /// Whether it writes.
    pub fn write(&self) -> bool {
        self.kind == AccessKind::Store
    }

    /// Whether an entry with these rights lets it through.
    pub fn permitted(&self, writable: bool, executable: bool) -> bool {
        match self.kind {
            AccessKind::Store => writable,
            AccessKind::Fetch => executable,
            AccessKind::Load | AccessKind::Prefetch => true,
        }
    }
}

/// When the piece of 2^shift bytes at `at` is used next that an access from `start` on touches.
fn next_uses(
    uses: &BTreeMap<u8, Vec<u64>>,
    start: u64,
    at: u64,
) -> impl Fn(u8) -> u64 + Copy + use<'_> {
    move |shift| {
        let place = (at >> shift) - (start >> shift);
        let known = uses.get(&shift).and_then(|uses| uses.get(place as usize));
        known.copied().unwrap_or(u64::MAX)
    }
}

impl Reference {
    /// An access of the trace.
    pub(super) fn access(
        &mut self,
        access: &Access,
        events: &mut Vec<Event>,
    ) -> Result<(), Stopped> {
        let (name, stream) = match access.kind {
            AccessKind::Load => ("run.loads", Stream::Data),
            AccessKind::Store => ("run.stores", Stream::Data),
            AccessKind::Fetch => ("run.fetches", Stream::Instruction),
            AccessKind::Prefetch => ("run.prefetches", Stream::Data),
        };
        self.enter(access.cpu);
        self.count(name, 1);
        self.count("run.accesses", 1);
        let lane = self.lanes.entry(access.cpu).or_default();
        let process = lane.process;
        if stream == Stream::Instruction {
            lane.fetches += 1;
            self.passed += 1;
            let simulated = !self.caches.chain(stream).is_empty()
                || self.translates && self.cpus[self.here].tlbs.serves(stream);
            if !simulated {
                return Ok(());
            }
        } else {
            // The largest gap says that the access belongs to the instruction before.
            let instructions = u64::from(access.gap.wrapping_add(1));
            lane.others += instructions;
            self.passed += if lane.fetches == 0 { instructions } else { 0 };
        }
        self.run(process);
        self.cpus[self.here].tlbs.note_site(access.site);
        self.cpus[self.here].pwcs.note_site(access.site);
        self.caches.note_site(access.site);
        let (kind, addr, site) = (access.kind, access.addr, access.site);
        let request = Request { process, kind, stream, addr, site, next_use: None };
        self.parts(access, request, events)
    }

    /// Makes an access part by part: a page is translated once, a line is referenced once.
    fn parts(
        &mut self,
        access: &Access,
        mut request: Request,
        events: &mut Vec<Event>,
    ) -> Result<(), Stopped> {
        // The page before with its translation, and the line before.
        let (mut translated, mut line) = (None, None);
        for addr in self.starts_of_parts(access, request.stream) {
            request.addr = addr;
            let (tlb, start, bytes) = match translated {
                Some((known, start, bytes)) if known == addr / bytes => (None, start, bytes),
                _ => {
                    self.foresee_page(access, &mut request);
                    let Some((tlb, start, bytes)) = self.translate(&request, events)? else {
                        self.count("run.skipped", 1);
                        self.references.clear();
                        return Ok(());
                    };
                    (Some(tlb), start, bytes)
                }
            };
            translated = Some((addr / bytes, start, bytes));
            let physical = start + addr % bytes;
            let next = next_uses(&self.next_uses, access.addr, addr);
            self.caches.foresee(addr, physical, next);
            let this_line = physical / self.caches.line(request.stream);
            if line != Some(this_line) || tlb.is_some() {
                self.part(&request, physical, tlb, line == Some(this_line), events);
            }
            line = Some(this_line);
        }
        Ok(())
    }

    /// When the page of a part is used next.
    fn foresee_page(&mut self, access: &Access, request: &mut Request) {
        let next = next_uses(&self.next_uses, access.addr, request.addr);
        let shift = self.page.ilog2() as u8;
        request.next_use = self.next_uses.contains_key(&shift).then(|| next(shift));
        if let Some(addr) = self.memory.shape.fold(request.addr)
            && self.translates
        {
            let process = self.memory.owner_of(request.process, addr);
            let cpu = &mut self.cpus[self.here];
            for order in [0].into_iter().chain(self.orders.iter().copied()) {
                let key = Key { number: (addr / self.page) >> order, process, order };
                cpu.tlbs.foresee(key, next(shift + order));
            }
            cpu.pwcs.foresee(request.process, addr, next);
        }
    }

    /// Where the parts of an access start: at its first byte, and at every line or page after it.
    fn starts_of_parts(&self, access: &Access, stream: Stream) -> Vec<u64> {
        let mut starts = vec![access.addr];
        if !self.split {
            return starts;
        }
        let piece = self.caches.line(stream).min(self.page);
        let mut next = (access.addr / piece).checked_add(1).and_then(|n| n.checked_mul(piece));
        while let Some(start) = next.filter(|start| *start <= last_byte(access)) {
            starts.push(start);
            next = start.checked_add(piece);
        }
        starts
    }

    /// One part: its line is referenced, and it becomes an event if it is not a plain hit. `tlb` had the
    /// page's translation where the page is new; the line may be that of the part before.
    fn part(
        &mut self,
        request: &Request,
        physical: u64,
        tlb: Option<u8>,
        same_line: bool,
        events: &mut Vec<Event>,
    ) {
        let first = self.first_cache(request.stream);
        let tlb = tlb.unwrap_or(self.first_tlb(request.stream));
        let mut served = first;
        if !same_line {
            let Self { caches, counts, .. } = self;
            let (stream, site) = (request.stream, request.site);
            let line =
                caches.access(stream, site, (request.addr, physical), request.write(), counts);
            served = line.by;
            if served != first || served == MEMORY {
                self.refer(physical, ReferenceKind::Demand, &line);
            } else {
                self.references.extend(line.written);
            }
        }
        let hit = served == first && served != MEMORY && self.references.is_empty();
        if hit && self.is_first_tlb(request.stream, tlb) {
            self.plain_hits += 1;
            self.prefetch(events);
            return;
        }
        let kind = match request.kind {
            AccessKind::Load => OutcomeKind::Load,
            AccessKind::Store => OutcomeKind::Store,
            AccessKind::Fetch => OutcomeKind::Fetch,
            AccessKind::Prefetch => OutcomeKind::Prefetch,
        };
        let (cpu, references) = (self.here as u16, std::mem::take(&mut self.references));
        events.push(Event { cpu, kind, tlb, served, references, work: Vec::new() });
        self.prefetch(events);
    }

    /// Fetches what prefetchers have asked for, each an event of its own.
    fn prefetch(&mut self, events: &mut Vec<Event>) {
        while let Some((into, addr, line)) = self.caches.prefetch(&mut self.counts) {
            self.refer(addr, ReferenceKind::Demand, &line);
            let (cpu, references) = (self.here as u16, std::mem::take(&mut self.references));
            let (kind, tlb) = (OutcomeKind::HardwarePrefetch { into }, UNTRANSLATED);
            events.push(Event { cpu, kind, tlb, served: line.by, references, work: Vec::new() });
        }
    }

    /// Remembers a reference below the first level, and then the lines that went to memory for it.
    pub(super) fn refer(&mut self, addr: u64, kind: ReferenceKind, line: &Served) {
        self.references.push(Read { addr: PhysAddr(addr), kind, served: line.by });
        self.references.extend(&line.written);
    }
}
