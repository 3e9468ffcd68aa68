//! The slow twin of the function half: the same machine, derived anew in the plainest way.
//!
//! Everything is a map or a list that is searched from the front; nothing is kept that can be counted.
//! It shares the settings, the records and the vocabulary of outcomes with [`function`](crate::function),
//! and no structure. Property tests run both on random machines and random traces and require the same
//! events in the same order and the same statistics; where the two differ, one of them is wrong.
//!
//! Its events are the outcomes that are not plain first-level hits. What links outcomes in time
//! (ancestors, chains, fills under way) and what predicts branches has no twin. Nor has `[state]`.

mod access;
mod advice;
mod areas;
mod caches;
mod counts;
mod cpus;
mod events;
mod evict;
mod faults;
mod frames;
mod hashed;
mod large;
mod memory;
mod nodes;
mod prefault;
mod pwc;
mod reclaim;
mod sets;
mod shape;
mod swap;
#[cfg(test)]
mod tests;
mod tlbs;
mod translate;

use std::collections::BTreeMap;

use tracegen::batch::{Batch, NextUses};
use tracegen::record::{Access, CpuId, Event as TraceEvent, ProcessId, Record};

use crate::cache::settings::Stream;
use crate::config::Config;
use crate::mmu::switching::{AsidAllocation, PwcInvalidation};
use crate::os::settings::PrefaultFrames;
use crate::outcome::{MEMORY, OutcomeKind, Reference as Read, UNTRANSLATED, WALKED, Work};
use crate::time::settings::LineCrossing;
use caches::Caches;
use counts::Counts;
use cpus::Cpu;
use memory::{Effects, Memory};

/// Why the twin cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// No frame is free and none can be freed.
    #[error("out of memory")]
    OutOfMemory,
    /// The trace has an event that is not modelled, or that contradicts what went before.
    #[error("the trace has an event that cannot be")]
    Refused,
    /// An access faults again and again.
    #[error("an access faults for ever")]
    Stuck,
}

/// Something that is not a plain hit in the first-level TLB and cache: the part of an
/// [`Outcome`](crate::outcome::Outcome) that does not link it to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The CPU of the machine.
    pub cpu: u16,
    /// What it is about.
    pub kind: OutcomeKind,
    /// The TLB that had the translation.
    pub tlb: u8,
    /// The cache that had the line.
    pub served: u8,
    /// What went below the first level, in order.
    pub references: Vec<Read>,
    /// What the kernel did, in order.
    pub work: Vec<Work>,
}

/// One CPU of the trace.
#[derive(Debug, Default)]
struct Lane {
    process: ProcessId,
    fetches: u64,
    /// Accesses other than fetches, and instructions between them.
    others: u64,
}

/// The twin of one machine.
#[derive(Debug)]
pub struct Reference {
    translates: bool,
    split: bool,
    page: u64,
    cpus: Vec<Cpu>,
    /// The CPU that runs.
    here: usize,
    /// The seed of the order in which pages are mapped before the trace, if it is not that of addresses.
    scatter: Option<u64>,
    /// The pages of the layout above the base page, and those that no TLB holds, as log2 of base pages.
    orders: Vec<u8>,
    splinters: Vec<u8>,
    caches: Caches,
    memory: Memory,
    lanes: BTreeMap<CpuId, Lane>,
    /// How many address-space identifiers there are, and how they are handed out.
    asids: usize,
    allocation: AsidAllocation,
    /// The processes that have one on every CPU alike.
    numbered: Vec<ProcessId>,
    /// Whether the invalidation of a page drops what paging-structure caches have of its process.
    drops_tables: bool,
    counts: Counts,
    /// When what the access touches is touched next, for each size of 2^shift bytes.
    next_uses: BTreeMap<u8, Vec<u64>>,
    /// References since the last event.
    references: Vec<Read>,
    /// Plain first-level hits, an access's parts each.
    plain_hits: u64,
    /// Instructions as they are known when they pass: fetches where the CPU has had any before.
    passed: u64,
}

impl Reference {
    /// The machine that a resolved configuration describes.
    ///
    /// # Errors
    /// Its memory does not even hold the first page table.
    pub fn new(config: &Config, seed: u64) -> Result<Self, Stopped> {
        let memory = Memory::new(config, seed)?;
        let cpus = Cpu::all(config, &memory.shape, seed);
        let base = config.mmu.base_page().0;
        let mut orders: Vec<u8> =
            config.mmu.layout.iter().map(|range| (range.page.0 / base).ilog2() as u8).collect();
        orders.sort_unstable();
        orders.dedup();
        orders.retain(|order| *order > 0);
        let unknown =
            |order: &u8| memory.shape.above(*order).is_none() && !cpus[0].tlbs.holds(*order);
        let splinters = orders.iter().copied().filter(unknown).collect();
        Ok(Self {
            orders,
            splinters,
            translates: config.mmu.enabled,
            split: config.core.line_crossing == LineCrossing::Split,
            page: config.mmu.base_page().0,
            cpus,
            here: 0,
            scatter: (config.os.prefault_frames == PrefaultFrames::Scattered).then_some(seed),
            caches: Caches::new(config, seed),
            memory,
            lanes: BTreeMap::new(),
            asids: config.mmu.asids.into(),
            allocation: config.mmu.asid_allocation,
            numbered: Vec::new(),
            drops_tables: config.mmu.page_invalidation() == PwcInvalidation::AddressSpace,
            counts: Counts::default(),
            next_uses: BTreeMap::new(),
            references: Vec::new(),
            plain_hits: 0,
            passed: 0,
        })
    }

    /// Takes the next records and appends what is not a plain hit.
    ///
    /// # Errors
    /// Memory and swap are full, or the trace has what is not modelled.
    pub fn process(&mut self, batch: &Batch, events: &mut Vec<Event>) -> Result<(), Stopped> {
        let mut uses = batch.next_uses.clone();
        for record in batch.iter() {
            match record {
                Record::Access(access) => {
                    let first_uses = |column: &mut NextUses| {
                        let (first, last) =
                            (access.addr >> column.shift, last_byte(&access) >> column.shift);
                        let count = column.touches.len().min((last - first) as usize + 1);
                        (column.shift, column.touches.drain(..count).collect())
                    };
                    self.next_uses = uses.iter_mut().map(first_uses).collect();
                    self.access(&access, events)?;
                }
                Record::Branch(branch) => {
                    let lane = self.lanes.entry(branch.cpu).or_default();
                    lane.others += u64::from(branch.gap);
                    self.passed += if lane.fetches == 0 { u64::from(branch.gap) } else { 0 };
                }
                Record::Event(cpu, event) => self.event(cpu, &event, events)?,
            }
        }
        Ok(())
    }

    /// Plain first-level hits so far; an access that spans lines or pages has several.
    pub fn plain_hits(&self) -> u64 {
        self.plain_hits
    }

    /// Instructions so far, as they were known when they passed.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Every statistic that is not zero, by name.
    pub fn report(&self) -> BTreeMap<String, f64> {
        let mut counts = self.counts.clone();
        let instructions = |on: &dyn Fn(usize) -> bool| {
            let lanes = self.lanes.iter().filter(|(cpu, _)| on(usize::from(**cpu)));
            lanes.map(|(_, l)| if l.fetches > 0 { l.fetches } else { l.others }).sum::<u64>()
        };
        counts.add_up();
        self.report_part("", instructions(&|_| true), &mut counts);
        for cpu in 0..self.cpus.len() {
            if self.cpus.len() > 1 {
                let own = instructions(&|lane| lane % self.cpus.len() == cpu);
                self.report_part(&cpus::prefix(cpu, self.cpus.len()), own, &mut counts);
            }
        }
        self.memory.report(&mut counts);
        counts.names().map(|name| (name.to_owned(), counts.get(name))).collect()
    }

    /// Adds what follows from the counts whose names start with `prefix`.
    fn report_part(&self, prefix: &str, instructions: u64, counts: &mut Counts) {
        counts.add(&format!("{prefix}run.instructions"), instructions);
        self.cpus[0].tlbs.report(prefix, instructions, counts);
        self.caches.report(prefix, instructions, counts);
        if self.translates {
            let get = |what: &str| counts.get(&format!("{prefix}walker.{what}"));
            let per_walk = get("references") / get("walks");
            counts.set(&format!("{prefix}walker.references_per_walk"), per_walk);
        }
    }

    fn first_tlb(&self, stream: Stream) -> u8 {
        match self.cpus[0].tlbs.chain(stream, 0).first() {
            _ if !self.translates => UNTRANSLATED,
            Some(first) => *first as u8,
            None => WALKED,
        }
    }

    /// Whether a TLB is of the first level, or there is nothing to translate.
    fn is_first_tlb(&self, stream: Stream, tlb: u8) -> bool {
        tlb == self.first_tlb(stream)
            || self.cpus[0].tlbs.is_first_of_larger(stream, tlb, &self.orders)
    }

    fn first_cache(&self, stream: Stream) -> u8 {
        self.caches.chain(stream).first().map_or(MEMORY, |first| self.caches.number(*first))
    }

    fn event(
        &mut self,
        cpu: CpuId,
        event: &TraceEvent,
        events: &mut Vec<Event>,
    ) -> Result<(), Stopped> {
        self.enter(cpu);
        let lane = self.lanes.entry(cpu).or_default();
        let mut effects = Effects::default();
        if let TraceEvent::Switch { process } = event {
            if lane.process != *process {
                lane.process = *process;
                effects.work.push(Work::Switch);
            }
        } else if self.translates {
            let process = lane.process;
            self.run(process);
            self.memory.event(process, event, &mut effects)?;
        }
        let receivers = self.receivers(&effects.forget);
        effects.work.extend(self.shootdown(&receivers, &effects.forget));
        if !effects.work.is_empty() {
            events.push(Event {
                cpu: self.here as u16,
                kind: OutcomeKind::Kernel,
                tlb: self.first_tlb(Stream::Data),
                served: self.first_cache(Stream::Data),
                references: std::mem::take(&mut self.references),
                work: effects.work,
            });
        }
        self.forget(&effects.forget, &receivers, events);
        Ok(())
    }
}

/// The last byte of an access; one of size 0 counts as of size 1.
fn last_byte(access: &Access) -> u64 {
    access.addr.saturating_add(u64::from(access.size.max(1)) - 1)
}
