//! The function half: what happens to every access, in trace order, without any notion of time.
//!
//! [`Simulator`] takes batches of records and appends outcomes. The way of an access: its lane says
//! what its address was computed from (`lane`), it is cut where it crosses lines and pages (`access`),
//! translated by TLBs, walker and kernel (`translate`), looked for in the caches, and reported where it
//! is not a plain hit (`emitter`).

mod access;
mod asids;
mod branch;
mod counters;
mod cpus;
mod emitter;
mod event;
mod facts;
pub mod inspect;
mod invalidate;
mod lane;
mod larger;
pub mod meter;
mod next_uses;
mod page_set;
mod prefault;
mod prefetches;
mod preload;
mod recall;
mod recent;
mod restore;
mod shootdown;
mod stretch;
mod translate;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tracegen::batch::{Aside, Batch, Mark};
use tracegen::record::{AccessKind, CpuId, ProcessId};

use crate::address::{Asid, PageShift};
use crate::cache::settings::Stream;
use crate::cache::{self, Caches};
use crate::config::{Config, InvalidSetting, Line};
use crate::mmu::switching::PwcInvalidation;
use crate::mmu::{self, PagingStructureCaches, TlbHierarchy};
use crate::os::settings::PrefaultFrames;
use crate::os::{Effects, Made, Os, OsError, Steps};
use crate::outcome::{MEMORY, OutcomeKind, Outcomes, UNTRANSLATED, WALKED};
use crate::replacement::cpu_seed;
use crate::statistics::{Statistics, Tally};
use crate::time::settings::LineCrossing;
use asids::Asids;
use branch::Predictor;
use counters::{AccessCounters, Shootdowns, WalkCounters};
use cpus::{Others, Waiting};
use emitter::{Draft, Emitter};
use lane::Lane;
use meter::{Meter, Part};
use next_uses::{Foreseen, Handed};
use page_set::PageSet;
use recall::{Level, Recall};
use recent::RecentFills;
use shootdown::Holders;
use stretch::Columns;

/// The most CPUs that a trace may have.
pub const MAX_TRACE_CPUS: usize = 1024;

/// log2 of the line where no cache has one.
const DEFAULT_LINE_SHIFT: u32 = 6;

/// Why a simulation cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The machine cannot be built.
    #[error("{0}")]
    Setting(#[from] InvalidSetting),
    /// The operating system cannot go on.
    #[error("access {access}: {source}")]
    Os {
        /// The number of the access, from 0.
        access: u64,
        /// Why.
        source: OsError,
    },
    /// The trace has more CPUs than the model keeps apart.
    #[error("the trace has a CPU {0}; at most {MAX_TRACE_CPUS} are supported")]
    TooManyCpus(CpuId),
    /// A state that was kept is not one of the machine.
    #[error("the state is of another machine")]
    OtherMachine,
    /// An access faulted again and again.
    #[error("the access to {addr:#x} faults for ever: this is an error of the model")]
    Stuck {
        /// Its address.
        addr: u64,
    },
}

impl From<OsError> for SimulationError {
    fn from(source: OsError) -> Self {
        match source {
            OsError::Setting { key, message } => Self::Setting(InvalidSetting::new(key, message)),
            source => Self::Os { access: 0, source },
        }
    }
}

fn tlb_level_of(tlb: &mmu::settings::Tlb) -> Level<'_> {
    let sets = u64::from(tlb.entries / tlb.ways.of(tlb.entries).max(1));
    Level { sets, policy: &tlb.replacement }
}

fn cache_level_of(cache: &cache::settings::Cache, page: Option<PageShift>) -> Level<'_> {
    // A cache that has been built has at most 2^26 lines.
    let lines = (cache.size.0 / cache.line.0.max(1)) as u32;
    // Where the set comes from a hash, low bits of the line do not keep sets apart.
    let sets = if cache.hash { 1 } else { u64::from(lines / cache.ways.of(lines).max(1)) };
    let sets = cache.aliased(page).unwrap_or(sets);
    Level { sets, policy: &cache.replacement }
}

/// What belongs to one CPU of the machine.
#[derive(bincode::Encode, bincode::Decode)]
struct Cpu {
    asid: Asid,
    process: Option<u32>,
    tlbs: TlbHierarchy,
    pwc: PagingStructureCaches,
    /// Whether the invalidation of a page drops its address space's entries from these.
    page_drops_tables: bool,
    caches: Caches,
    predictor: Predictor,
    emitter: Emitter,
    /// Lines and pages that the first levels for data have used last.
    recall: Recall,
    /// Whether page-table reads go through the first level for data, and log2 of its line.
    walks_enter_first: bool,
    data_line_shift: u32,
    /// Lines that may be on their way.
    fills: RecentFills,
    /// Translations that may be on their way.
    walks: RecentFills,
    /// Lines that prefetchers may have on their way, by the cache that they go into, where that is not the
    /// first of its stream. Empty where no cache has a prefetcher.
    prefetches: Vec<RecentFills>,
}

/// The function half of one machine. Encoded, it is its state between two batches; see
/// [`restored`](Self::restored).
#[derive(bincode::Encode, bincode::Decode)]
pub struct Simulator {
    translates: bool,
    simulates_fetches: bool,
    crossing: LineCrossing,
    base_page: PageShift,
    /// The page of the first-level TLB for data, and the address bits that are not translated.
    page_shift: PageShift,
    untranslated: u64,
    entry_bytes: u64,
    /// By stream: the first-level TLB's and cache's index, and log2 of its line.
    first_tlbs: [u8; 2],
    /// By stream: TLBs of the first level that hold pages above the base page alone.
    larger_tlbs: [Vec<u8>; 2],
    /// Groups of base pages that no TLB holds as one.
    splinters: Vec<PageShift>,
    first_caches: [u8; 2],
    line_shifts: [u32; 2],
    os: Os,
    /// The CPU that runs, and the others.
    cpu: Cpu,
    others: Others,
    asids: Asids,
    holders: Holders,
    lanes: Vec<Lane>,
    /// log2 of the sizes of what some policy has to know the next uses of.
    next_use_shifts: BTreeSet<u8>,
    /// Whether a replacement policy has to know where accesses come from.
    asks_site: bool,
    /// Whether every access has to be looked up: one of the above, or a first level whose policy counts
    /// repeated hits.
    one_by_one: bool,
    /// What the CPU that runs has counted.
    accesses: AccessCounters,
    walks: WalkCounters,
    shootdowns: Shootdowns,
    steps: Steps,
    effects: Effects,
    /// Pages to map before the trace starts, and the address spaces that are not there then.
    noted: BTreeMap<ProcessId, PageSet>,
    made: Made,
    /// The seed of the order in which they are mapped, where that is not the order of addresses.
    scatter: Option<u64>,
    /// Lines whose bytes the configuration gives.
    contents: Vec<Line>,
    /// Which part of the trace counts.
    tally: Tally,
    /// What each record adds to counters, where that is asked.
    meter: Meter,
}

impl Simulator {
    /// The machine that a resolved configuration describes. `seed` starts every random choice, together
    /// with the name of the component that makes it.
    ///
    /// # Errors
    /// What the configuration asks for cannot exist.
    pub fn new(config: &Config, seed: u64) -> Result<Self, SimulationError> {
        let os = Os::seeded(config, seed)?;
        let geometry = os.geometry();
        let base_page = geometry.page();
        let spans: Vec<u8> = geometry.levels().iter().map(|level| level.shift).collect();
        // A TLB may be for a size that nothing is mapped with. Sizes are powers of two.
        let known = config.mmu.known_sizes();
        let sizes: Vec<_> =
            known.iter().map(|size| PageShift(size.0.trailing_zeros() as u8)).collect();
        let translation = |cpu| {
            let (mmu, bits, seed) = (&config.mmu, geometry.va_bits(), cpu_seed(seed, cpu));
            let tlbs = TlbHierarchy::new(mmu, &sizes, bits, seed)?;
            Ok::<_, InvalidSetting>((tlbs, PagingStructureCaches::new(mmu, &spans, bits, seed)?))
        };
        let (tlbs, pwc) = translation(0)?;
        let count = config.core.count.max(1);
        let page = config.mmu.enabled.then_some(base_page);
        // Tables above memory need not lie below 2^pa_bits, and what [state] says need not lie in memory.
        let bits = match config.mmu.enabled && !os.has_tables_above_memory() {
            true if config.state.is_none() => config.mmu.physical_bits().min(os.memory_bits()),
            true => config.mmu.physical_bits(),
            false => 64,
        };
        let entry_level = config.mmu.walker.entry_level.as_deref();
        let caches = Caches::new(&config.cache, entry_level, page, bits, seed, count)?;
        let streams = [Stream::Data, Stream::Instruction];
        let first_tlb = |stream| tlbs.chain(stream, base_page).first().copied();
        let first_tlbs = streams.map(|stream| match first_tlb(stream) {
            _ if !config.mmu.enabled => UNTRANSLATED,
            found => found.unwrap_or(WALKED),
        });
        let untranslated = match u64::MAX.checked_shl(geometry.va_bits().into()) {
            Some(upper) if config.mmu.enabled => upper,
            _ => 0,
        };
        let first_cache = caches.chain(Stream::Data).first().copied();
        let walks_enter_first = caches.walk_chain().first().copied() == first_cache;
        let data_line_shift =
            first_cache.map_or(DEFAULT_LINE_SHIFT, |first| caches.line_shift(first));
        let tlb_level = tlbs.chain(Stream::Data, base_page).first().map(|tlb| usize::from(*tlb));
        let tlb_level = tlb_level.and_then(|tlb| config.mmu.tlb.get(tlb)).map(tlb_level_of);
        let cache_level = first_cache.and_then(|cache| config.cache.get(usize::from(cache)));
        let cache_level = cache_level.map(|cache| cache_level_of(cache, page));
        let mut recall = Recall::new(tlb_level, cache_level, caches.settles());
        let larger = larger::sizes(&config.mmu, base_page);
        let larger_tlbs =
            streams.map(|stream| larger::first_tlbs(&config.mmu, &tlbs, stream, &larger));
        let larger_levels = larger::add(&config.mmu, &tlbs, &larger, base_page, &mut recall);
        let splinters = larger::splinters(&config.mmu);
        let mut next_use_shifts = caches.next_use_shifts();
        if config.os.reclaim.needs_next_use() {
            next_use_shifts.insert(base_page.0);
        }
        if config.mmu.enabled {
            next_use_shifts.extend(tlbs.next_use_shifts().chain(pwc.next_use_shifts()));
        }
        let asks_site = tlbs.asks_site() || pwc.asks_site() || caches.asks_site();
        let mut first_levels = tlb_level.iter().chain(&cache_level).chain(&larger_levels);
        let repeats_count = first_levels.any(|level| !level.policy.repeats_are_idle());
        let page_drops_tables = config.mmu.page_invalidation() == PwcInvalidation::AddressSpace;
        let cpu = |number, tlbs, pwc, caches| Cpu {
            asid: Asid(0),
            process: None,
            tlbs,
            pwc,
            page_drops_tables,
            caches,
            predictor: Predictor::default(),
            emitter: Emitter::new(number),
            recall: recall.clone(),
            walks_enter_first,
            data_line_shift,
            fills: RecentFills::default(),
            walks: RecentFills::default(),
            prefetches: prefetches::recent(&config.cache),
        };
        let waiting = |number| {
            let (tlbs, pwc) = translation(number)?;
            Ok::<_, InvalidSetting>(Waiting {
                cpu: cpu(number, tlbs, pwc, Caches::elsewhere()),
                accesses: AccessCounters::default(),
                walks: WalkCounters::new(config.cache.len(), count),
                shootdowns: Shootdowns::default(),
            })
        };
        let others = (1..count).map(waiting).collect::<Result<_, _>>()?;
        let mut simulator = Self {
            translates: config.mmu.enabled,
            simulates_fetches: !caches.chain(Stream::Instruction).is_empty()
                || config.mmu.enabled && tlbs.serves(Stream::Instruction),
            crossing: config.core.line_crossing,
            base_page,
            page_shift: page.unwrap_or(translate::UNTRANSLATED_PAGE),
            untranslated,
            entry_bytes: geometry.entry_bytes(),
            first_tlbs,
            larger_tlbs,
            splinters,
            first_caches: streams
                .map(|stream| caches.chain(stream).first().copied().unwrap_or(MEMORY)),
            line_shifts: streams
                .map(|stream| caches.chain(stream).first().copied())
                .map(|first| first.map_or(DEFAULT_LINE_SHIFT, |first| caches.line_shift(first))),
            walks: WalkCounters::new(config.cache.len(), count),
            shootdowns: Shootdowns::default(),
            asids: Asids::new(&config.mmu, count.into()),
            holders: Holders::default(),
            cpu: cpu(0, tlbs, pwc, caches),
            others: Others::new(others),
            os,
            lanes: Vec::new(),
            one_by_one: !next_use_shifts.is_empty() || asks_site || repeats_count,
            next_use_shifts,
            asks_site,
            accesses: AccessCounters::default(),
            steps: Steps::default(),
            effects: Effects::default(),
            noted: BTreeMap::new(),
            made: Made::default(),
            scatter: (config.os.prefault_frames == PrefaultFrames::Scattered).then_some(seed),
            contents: Vec::new(),
            tally: Tally::default(),
            meter: Meter::default(),
        };
        if let Some(state) = &config.state {
            simulator.preload(state)?;
        }
        Ok(simulator)
    }

    /// log2 of the sizes of the pieces of memory whose next uses batches have to tell
    /// ([`Batch::next_uses`]): some policy ranks by them, and what is not told is taken as never used.
    pub fn next_use_shifts(&self) -> &BTreeSet<u8> {
        &self.next_use_shifts
    }

    /// Takes the next records and appends what the time half has to know.
    ///
    /// # Errors
    /// Memory and swap are full, or the trace has what the model does not know.
    pub fn process(&mut self, batch: &Batch, out: &mut Outcomes) -> Result<(), SimulationError> {
        self.cpu.emitter.begin(out);
        if let Some(mark) = batch.mark {
            self.mark(mark, out);
        }
        self.records(batch, out).map_err(|error| {
            self.cpu.emitter.discard(out);
            match error {
                SimulationError::Os { source, .. } => {
                    SimulationError::Os { access: self.all_accesses().saturating_sub(1), source }
                }
                other => other,
            }
        })
    }

    fn records(&mut self, batch: &Batch, out: &mut Outcomes) -> Result<(), SimulationError> {
        self.meter.begin(out.list.len());
        let columns = Columns::of(batch, self.part_shift(Stream::Data));
        let mut asides = batch.asides.iter().enumerate().peekable();
        let mut uses = Handed::new(batch);
        let mut at = 0;
        while at < batch.accesses() {
            while let Some((index, (_, aside))) =
                asides.next_if(|(_, (next, _))| *next as usize <= at)
            {
                self.aside(aside, out)?;
                self.metered(Part::Aside(index), out);
            }
            let next = asides.peek().map_or(usize::MAX, |(_, (next, _))| *next as usize);
            let end = next.min(batch.accesses());
            if self.one_by_one {
                self.one_by_one(batch, at..end, &mut uses, out)?;
            } else if columns.facts.plain {
                self.stretch(&columns, at..end, out)?;
            } else {
                self.mixed(&columns, at..end, out)?;
            }
            at = end;
        }
        asides.try_for_each(|(index, (_, aside))| {
            self.aside(aside, out)?;
            self.metered(Part::Aside(index), out);
            Ok(())
        })
    }

    /// Makes accesses that are all looked up, and tells what policies ask of them.
    fn one_by_one(
        &mut self,
        batch: &Batch,
        range: Range<usize>,
        uses: &mut Handed<'_>,
        out: &mut Outcomes,
    ) -> Result<(), SimulationError> {
        for index in range {
            let access = batch.access(index);
            if self.asks_site {
                self.enter(access.cpu, out)?;
                self.cpu.site(access.site);
            }
            if self.next_use_shifts.is_empty() {
                self.access::<false>(&access, Foreseen::NOTHING, out)?;
            } else {
                self.access::<true>(&access, uses.of(access.addr), out)?;
                uses.pass(access.addr, access.size);
            }
            self.metered(Part::Access(index), out);
        }
        Ok(())
    }

    /// Makes accesses of any kind and of several CPUs.
    fn mixed(
        &mut self,
        columns: &Columns<'_>,
        range: Range<usize>,
        out: &mut Outcomes,
    ) -> Result<(), SimulationError> {
        let batch = columns.batch;
        let is_plain = |at: &usize| matches!(batch.kind[*at], AccessKind::Load | AccessKind::Store);
        let mut at = range.start;
        while at < range.end {
            let cpu = batch.cpu[at];
            let same = (at..range.end).take_while(|at| is_plain(at) && batch.cpu[*at] == cpu);
            let end = at + same.count();
            if end > at {
                self.stretch(columns, at..end, out)?;
                at = end;
            } else {
                self.access::<false>(&batch.access(at), Foreseen::NOTHING, out)?;
                self.metered(Part::Access(at), out);
                at += 1;
            }
        }
        Ok(())
    }

    fn aside(&mut self, aside: &Aside, out: &mut Outcomes) -> Result<(), SimulationError> {
        match aside {
            Aside::Branch(branch) => self.branch(branch, out),
            Aside::Event(cpu, event) => self.event(*cpu, event, out),
        }
    }

    /// The trace has ended.
    pub fn finish(&mut self, out: &mut Outcomes) {
        self.cpu.emitter.begin(out);
        self.all_emit(Draft { kind: OutcomeKind::End, ..Draft::default() }, out);
    }

    /// Counting starts or pauses here; no state changes.
    fn mark(&mut self, mark: Mark, out: &mut Outcomes) {
        let kind = OutcomeKind::Mark(mark);
        self.all_emit(Draft { kind, ..self.plain(Stream::Data) }, out);
        if mark == Mark::Count {
            self.os.restart_peaks();
        }
        self.tally.pass(mark, self.report_all());
    }

    /// Declares the statistics of everything in this half, over the part of the trace that counts.
    pub fn report(&self, out: &mut Statistics) {
        out.append(self.tally.total(self.report_all()));
    }

    /// Every statistic since the start.
    fn report_all(&self) -> Statistics {
        if !self.others.is_empty() {
            return self.report_cpus();
        }
        let mut out = Statistics::default();
        let instructions = self.lanes.iter().map(Lane::instructions).sum();
        self.accesses.report(instructions, &mut out);
        self.cpu.tlbs.report(&mut out, instructions);
        self.cpu.caches.report(&mut out, instructions);
        self.walks.report(self.cache_names(), &mut out);
        self.cpu.pwc.report(&mut out);
        self.os.report(&mut out);
        self.cpu.predictor.report(&mut out);
        out
    }

    /// The caches' names, in configuration order.
    fn cache_names(&self) -> impl Iterator<Item = &str> {
        // There are at most 253 caches.
        (0..self.walks.caches() as u8).map(|index| self.cpu.caches.name(index))
    }

    /// The index of a CPU of the trace among the lanes.
    fn lane(&mut self, cpu: CpuId) -> Result<usize, SimulationError> {
        let index = usize::from(cpu);
        if index >= MAX_TRACE_CPUS {
            return Err(SimulationError::TooManyCpus(cpu));
        }
        if index >= self.lanes.len() {
            self.lanes.resize_with(index + 1, Lane::default);
        }
        Ok(index)
    }

    /// Makes the CPU run `process`.
    #[inline(always)]
    fn run_process(&mut self, process: u32) {
        if self.cpu.process != Some(process) {
            self.switch(process);
        }
    }

    fn first_tlb(&self, stream: Stream) -> u8 {
        self.first_tlbs[stream as usize]
    }

    fn first_cache(&self, stream: Stream) -> u8 {
        self.first_caches[stream as usize]
    }

    fn line_shift(&self, stream: Stream) -> u32 {
        self.line_shifts[stream as usize]
    }

    /// log2 of the pieces that an access is cut into: lines, or pages where those are smaller.
    fn part_shift(&self, stream: Stream) -> u32 {
        self.line_shift(stream).min(u32::from(self.base_page.0))
    }
}

#[cfg(test)]
mod tests;
