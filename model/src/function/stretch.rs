//! Loads and stores of one CPU with nothing between them. Those that hit what is known of the first
//! levels ([`recall`](super::recall)) are settled here, some many at a time; others go the long way.

use std::ops::Range;

use tracegen::batch::Batch;
use tracegen::record::AccessKind;

use super::access::{Place, after, request};
use super::counters::AccessCounters;
use super::facts::Facts;
use super::lane::{Lane, Origin};
use super::meter::Part;
use super::next_uses::Foreseen;
use super::recall::{identity, is_larger};
use super::{Cpu, SimulationError, Simulator};
use crate::address::{PageShift, PhysAddr, VirtAddr};
use crate::cache::settings::Stream;
use crate::outcome::{MEMORY, Outcomes};

/// The columns of a batch that settling reads, and what is common to its accesses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<'a> {
    pub batch: &'a Batch,
    pub facts: Facts,
    /// log2 of the bytes of a part.
    shift: u32,
    addr: &'a [u64],
    kind: &'a [AccessKind],
    size: &'a [u32],
    gap: &'a [u32],
    dep: &'a [u32],
}

impl<'a> Columns<'a> {
    /// The columns of `batch`, whose accesses are cut in parts of 2^`shift` bytes.
    pub fn of(batch: &'a Batch, shift: u32) -> Self {
        Self {
            batch,
            facts: Facts::of(batch),
            shift,
            addr: &batch.addr,
            kind: &batch.kind,
            size: &batch.size,
            gap: &batch.gap,
            dep: &batch.dep,
        }
    }

    /// Whether the access at `at` lies in one part.
    #[inline]
    fn is_one_part(&self, at: usize) -> bool {
        let bytes = 1u64 << self.shift;
        let offset = self.addr[at] & (bytes - 1);
        offset + self.facts.bytes <= bytes || offset + u64::from(self.size[at].max(1)) <= bytes
    }

    /// How many accesses of `range` are surely within `part`, until one is not.
    #[inline]
    fn within(&self, part: u64, range: Range<usize>) -> usize {
        let Some(room) = (1u64 << self.shift).checked_sub(self.facts.bytes) else { return 0 };
        let start = part << self.shift;
        self.addr[range].iter().take_while(|addr| addr.wrapping_sub(start) <= room).count()
    }
}

/// Why settling comes to an access that it does not settle.
#[derive(Debug, Clone, Copy)]
enum Stop {
    /// There is none.
    End,
    /// Nothing has been looked up yet.
    Unknown,
    /// It has hit both first levels, and is to be reported.
    Told(Place),
    /// The first-level TLB has its page, the first-level cache does not have its line.
    Missed(PhysAddr, Place),
}

/// What accesses are settled in.
struct Settling<'a> {
    cpu: &'a mut Cpu,
    lane: &'a mut Lane,
    accesses: &'a mut AccessCounters,
    /// Whether accesses other than fetches count instructions.
    counts: bool,
    /// The pages of the first-level TLB, and the bits that its addresses do not have.
    page: PageShift,
    untranslated: u64,
    /// What a first-level hit says of itself.
    hit: Place,
    /// Instructions that the run length has room for.
    room: u32,
    now: u64,
    hits: u32,
    /// Look-ups that need not be made, but counted: of the TLB, and of the cache.
    tlb_hits: u64,
    line_hits: u64,
}

impl Simulator {
    /// Makes the accesses of `range`: loads and stores of one CPU.
    pub(super) fn stretch(
        &mut self,
        columns: &Columns<'_>,
        range: Range<usize>,
        out: &mut Outcomes,
    ) -> Result<(), SimulationError> {
        let lane = self.enter(columns.batch.cpu[range.start], out)?;
        self.run_process(self.lanes[lane].process);
        let mut at = range.start;
        loop {
            let stop;
            (at, stop) = self.settle(columns, at..range.end, lane);
            match stop {
                Stop::End => return Ok(()),
                Stop::Unknown => {
                    self.access::<false>(&columns.batch.access(at), Foreseen::NOTHING, out)?;
                }
                Stop::Told(place) => self.looked_up(columns, at, lane, None, place, out),
                Stop::Missed(addr, place) => {
                    self.looked_up(columns, at, lane, Some(addr), place, out);
                }
            }
            self.metered(Part::Access(at), out);
            at += 1;
        }
    }

    /// Makes the access at `at`, whose page and whose line have been looked up. Where the first-level
    /// cache does not have the line it is at `missed`.
    fn looked_up(
        &mut self,
        columns: &Columns<'_>,
        at: usize,
        lane: usize,
        missed: Option<PhysAddr>,
        mut place: Place,
        out: &mut Outcomes,
    ) {
        let access = columns.batch.access(at);
        self.accesses.count(access.kind);
        let instructions = self.lanes[lane].count(&access);
        self.cpu.emitter.advance(instructions, self.plain(Stream::Data), out);
        let now = self.cpu.emitter.instructions();
        let origin = self.lanes[lane].origin(access.dep, now).unwrap_or_default();
        let request = request(&access, self.lanes[lane].process, self.cpu.asid, origin);
        if let Some(addr) = missed {
            place.served = self.cpu.fetch_line(&request, addr, out);
        }
        let before = self.cpu.emitter.count();
        let value = self.conclude(&request, place, out);
        self.hardware_prefetches(before, out);
        if access.kind == AccessKind::Load {
            self.lanes[lane].produced(value.unwrap_or(after(origin)), now);
        }
    }

    /// Settles the accesses of `range` until it comes to one that it cannot settle, and says why.
    #[inline]
    fn settle(&mut self, columns: &Columns<'_>, range: Range<usize>, lane: usize) -> (usize, Stop) {
        let hit = Place {
            line: 0,
            page: 0,
            tlb: self.first_tlb(Stream::Data),
            served: self.first_cache(Stream::Data),
        };
        let Self { cpu, lanes, accesses, page_shift, untranslated, .. } = self;
        let lane = &mut lanes[lane];
        let (now, room) = (cpu.emitter.instructions(), cpu.emitter.room());
        let mut settling = Settling {
            counts: !lane.has_fetches,
            page: *page_shift,
            untranslated: *untranslated,
            cpu,
            lane,
            accesses,
            hit,
            room,
            now,
            hits: 0,
            tlb_hits: 0,
            line_hits: 0,
        };
        let stopped = settling.run(columns, range);
        let Settling { hits, tlb_hits, line_hits, now: then, .. } = settling;
        // There was room for the instructions, so that they fit.
        self.cpu.emitter.hits(hits, (then - now) as u32);
        self.cpu.tlbs.count_hits(hit.tlb, tlb_hits);
        self.cpu.caches.count_hits(Stream::Data, line_hits);
        stopped
    }
}

impl Settling<'_> {
    #[inline]
    fn run(&mut self, columns: &Columns<'_>, range: Range<usize>) -> (usize, Stop) {
        // Of accesses that are alike, those to one line are settled together.
        let Facts { independent, kind, gap, .. } = columns.facts;
        let alike = independent && kind.is_some() && gap.is_some();
        let mut at = range.start;
        while at < range.end {
            let place = match self.find(columns, at) {
                Ok(place) => place,
                Err(stop) => return (at, stop),
            };
            if alike {
                let part = columns.addr[at] >> columns.shift;
                let count = columns.within(part, at..range.end);
                let settled = self.row(columns, place, at..at + count);
                if settled > 0 {
                    at += settled;
                    continue;
                }
            }
            if !self.one(columns, place, at) {
                return (at, Stop::Told(place));
            }
            at += 1;
        }
        (at, Stop::End)
    }

    /// The instructions that an access after `gap` counts.
    #[inline]
    fn step(&self, gap: u32) -> u32 {
        if self.counts { Lane::instructions_of(gap) } else { 0 }
    }

    /// Where an access hits both first levels: what is known of its line says so, or a look-up of the
    /// cache, where its page is the latest of its set in the TLB.
    #[inline]
    fn find(&mut self, columns: &Columns<'_>, at: usize) -> Result<Place, Stop> {
        if !columns.is_one_part(at) || self.step(columns.gap[at]) > self.room {
            return Err(Stop::Unknown);
        }
        let addr = VirtAddr(columns.addr[at]);
        let write = columns.kind[at] == AccessKind::Store;
        let Cpu { recall, data_line_shift, asid, .. } = &*self.cpu;
        let (part, process) = (addr.0 >> columns.shift, self.lane.process);
        if let Some(known) = recall.find(part, process)
            && (known.stored || !write)
        {
            let (line, page) = (known.line, known.page);
            self.line_hits += 1;
            if is_larger(page) {
                let tlb = recall.larger_of(page).map_or(self.hit.tlb, |larger| larger.tlb);
                self.tlb_hit(tlb, 1);
                return Ok(Place { line, page, tlb, ..self.hit });
            }
            self.tlb_hits += 1;
            return Ok(Place { line, page, ..self.hit });
        }
        if addr.0 & self.untranslated != 0 {
            return Err(Stop::Unknown);
        }
        let page = self.page.page_of(addr).0;
        let latest = match recall.latest(page, *asid) {
            Some(latest) if !write || latest.dirty => latest,
            None if !recall.larger().is_empty() => return self.find_larger(part, addr, write),
            _ => return Err(Stop::Unknown),
        };
        let physical = PhysAddr(latest.start + self.page.offset_of(addr));
        let place = Place { line: physical.0 >> *data_line_shift, page, ..self.hit };
        self.tlb_hits += 1;
        self.find_line(part, place, physical, write)
    }

    /// As [`Self::find`], for an access whose page is not known to be a base page.
    #[inline(never)]
    fn find_larger(&mut self, part: u64, addr: VirtAddr, write: bool) -> Result<Place, Stop> {
        let Cpu { recall, data_line_shift, asid, .. } = &*self.cpu;
        let latest = recall.larger().iter().find_map(|larger| {
            let page = identity(addr, larger.size, self.page);
            Some((larger, page, recall.latest(page, *asid)?))
        });
        let Some((larger, page, latest)) = latest.filter(|(.., latest)| !write || latest.dirty)
        else {
            return Err(Stop::Unknown);
        };
        let physical = PhysAddr(latest.start + larger.size.offset_of(addr));
        let line = physical.0 >> *data_line_shift;
        let place = Place { line, page, tlb: larger.tlb, ..self.hit };
        self.tlb_hit(place.tlb, 1);
        self.find_line(part, place, physical, write)
    }

    /// Counts look-ups that need not be made of a first-level TLB.
    #[inline]
    fn tlb_hit(&mut self, tlb: u8, hits: u64) {
        if tlb == self.hit.tlb {
            self.tlb_hits += hits;
        } else {
            self.cpu.tlbs.count_hits(tlb, hits);
        }
    }

    /// Looks the line of a page that the first-level TLB has up in the cache. Called out of line it costs a
    /// hit some fifteen per cent.
    #[inline(always)]
    fn find_line(
        &mut self,
        part: u64,
        place: Place,
        physical: PhysAddr,
        write: bool,
    ) -> Result<Place, Stop> {
        let Cpu { recall, caches, .. } = &mut *self.cpu;
        if place.served != MEMORY {
            recall.accessed(self.lane.process, part, place.line, place.page, write);
            if caches.first_level_hit(Stream::Data, physical, write) {
                return Ok(place);
            }
            recall.line_filled(place.line);
        }
        Err(Stop::Missed(physical, place))
    }

    /// Settles accesses to one place that are of one kind, depend on nothing and come after equal gaps,
    /// if nothing changes between them; returns how many. The first one has been looked up.
    #[inline]
    fn row(&mut self, columns: &Columns<'_>, place: Place, range: Range<usize>) -> usize {
        let count = range.len();
        let (Some(kind), Some(gap)) = (columns.facts.kind, columns.facts.gap) else { return 0 };
        let step = u64::from(self.step(gap));
        // A batch has fewer than 2^32 accesses.
        let passed = step * count as u64;
        if count < 2 || passed > u64::from(self.room) {
            return 0;
        }
        if kind == AccessKind::Load {
            let waiting = self.cpu.waiting(place.line, place.page, self.now + step);
            let Some(value) = waiting.value(Origin::default()) else { return 0 };
            if self.now + passed >= waiting.until {
                return 0;
            }
            // Those that nobody asks for come first.
            let asked_from = columns.facts.asked_from.clamp(range.start, range.end);
            let unasked = asked_from - range.start;
            self.lane.passed(unasked);
            if unasked < count {
                let first = self.now + step * (unasked as u64 + 1);
                self.lane.produced_in_a_row(count - unasked, value, first, step);
            }
        }
        self.accesses.count_row(kind, count as u64);
        self.lane.accesses_and_gaps += u64::from(Lane::instructions_of(gap)) * count as u64;
        self.now += passed;
        // At most the room that there was.
        self.room -= passed as u32;
        self.hits += count as u32;
        self.tlb_hit(place.tlb, count as u64 - 1);
        self.line_hits += count as u64 - 1;
        count
    }

    /// Settles one access that has been looked up, if it may go unreported.
    #[inline]
    fn one(&mut self, columns: &Columns<'_>, place: Place, at: usize) -> bool {
        let (kind, gap) = (columns.kind[at], columns.gap[at]);
        let step = self.step(gap);
        let now = self.now + u64::from(step);
        if kind == AccessKind::Load {
            let address = match columns.dep[at] {
                0 => Origin::default(),
                dep => self.lane.origin(dep, now).unwrap_or_default(),
            };
            let waiting = self.cpu.waiting(place.line, place.page, now);
            let Some(value) = waiting.value(address) else { return false };
            if at < columns.facts.asked_from {
                self.lane.passed(1);
            } else {
                self.lane.produced(value, now);
            }
        }
        self.accesses.count(kind);
        self.lane.accesses_and_gaps += u64::from(Lane::instructions_of(gap));
        self.now = now;
        self.room -= step;
        self.hits += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use tracegen::record::Access;

    use super::super::tests::machine;
    use super::*;

    const MACHINE: &str = r#"
        [[mmu.tlb]]
        name = "dtlb"
        level = 1
        entries = 16
        ways = 4
        [[cache]]
        name = "l1d"
        level = 1
        serves = ["data"]
        size = "4KiB"
        ways = 8
        replacement = "plru"
    "#;

    /// How many of the accesses to `addresses` after the first `looked_up` ones are settled at once, and
    /// why no more are.
    fn settled(addresses: &[u64], looked_up: usize) -> (usize, Stop) {
        let mut simulator = machine(MACHINE);
        let mut batch = Batch::new();
        for addr in addresses {
            batch.push_access(Access { addr: *addr, size: 8, ..Access::default() });
        }
        let (columns, mut out) = (Columns::of(&batch, 6), Outcomes::default());
        for at in 0..looked_up {
            simulator.access::<false>(&batch.access(at), Foreseen::NOTHING, &mut out).unwrap();
        }
        simulator.settle(&columns, looked_up..addresses.len(), 0)
    }

    #[test]
    fn the_rest_of_a_line_is_settled() {
        let addresses: Vec<u64> = (0..100).map(|word| word * 8).collect();
        let (stopped, why) = settled(&addresses, 1);
        assert!(stopped == 8 && matches!(why, Stop::Missed(..)), "{stopped} {why:?}");
    }

    #[test]
    fn streams_side_by_side_are_settled() {
        let lines = [0, 640, 8 << 10, (8 << 10) + 128];
        let addresses: Vec<u64> =
            (0..8).flat_map(|word| lines.map(|line| line + word * 8)).collect();
        let (stopped, why) = settled(&addresses, 4);
        assert!(stopped == 32 && matches!(why, Stop::End), "{stopped} {why:?}");
    }

    #[test]
    fn another_page_of_the_set_is_looked_up() {
        let (stopped, why) = settled(&[0, 8, 4 << 12, 0], 1);
        assert!(stopped == 2 && matches!(why, Stop::Unknown), "{stopped} {why:?}");
    }
}
