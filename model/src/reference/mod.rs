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
mod events;
mod evict;
mod faults;
mod frames;
mod hashed;
mod memory;
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

use tracegen::batch::Batch;
use tracegen::record::{Access, CpuId, Event as TraceEvent, ProcessId, Record};

use crate::address::PageShift;
use crate::cache::settings::Stream;
use crate::config::Config;
use crate::mmu::switching::{AsidAllocation, PwcInvalidation};
use crate::outcome::{MEMORY, OutcomeKind, Reference as Read, UNTRANSLATED, WALKED, Work};
use crate::time::settings::LineCrossing;
use caches::Caches;
use counts::Counts;
use memory::{Effects, Forget, KERNEL, Memory};
use pwc::Pwcs;
use sets::Key;
use tlbs::Tlbs;

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
    tlbs: Tlbs,
    pwcs: Pwcs,
    caches: Caches,
    memory: Memory,
    lanes: BTreeMap<CpuId, Lane>,
    /// How many address-space identifiers there are, and how they are handed out.
    asids: usize,
    allocation: AsidAllocation,
    /// The processes that have one; where these are taken in turn, the longest ago first.
    numbered: Vec<ProcessId>,
    /// Those of them whose pages have changed since they ran.
    stale: Vec<ProcessId>,
    /// Whether the invalidation of a page drops what paging-structure caches have of its process.
    drops_tables: bool,
    running: Option<ProcessId>,
    counts: Counts,
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
        let memory = Memory::new(config)?;
        Ok(Self {
            translates: config.mmu.enabled,
            split: config.core.line_crossing == LineCrossing::Split,
            page: config.mmu.base_page().0,
            tlbs: Tlbs::new(&config.mmu, seed),
            pwcs: Pwcs::new(&config.mmu, &memory.shape, seed),
            caches: Caches::new(
                &config.cache,
                config.mmu.walker.entry_level.as_deref(),
                // A page's size is a power of two.
                config
                    .mmu
                    .enabled
                    .then(|| PageShift(config.mmu.base_page().0.trailing_zeros() as u8)),
                seed,
            ),
            memory,
            lanes: BTreeMap::new(),
            asids: config.mmu.asids.into(),
            allocation: config.mmu.asid_allocation,
            numbered: Vec::new(),
            stale: Vec::new(),
            drops_tables: config.mmu.page_invalidation() == PwcInvalidation::AddressSpace,
            running: None,
            counts: Counts::default(),
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
        let mut uses = batch.next_use.iter().copied();
        for record in batch.iter() {
            match record {
                Record::Access(access) => {
                    let last = last_byte(&access);
                    let pages = last / self.page - access.addr / self.page + 1;
                    let mine: Vec<u64> = uses.by_ref().take(pages as usize).collect();
                    self.access(&access, &mine, events)?;
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
        let instructions =
            self.lanes.values().map(|l| if l.fetches > 0 { l.fetches } else { l.others }).sum();
        counts.add("run.instructions", instructions);
        self.tlbs.report(instructions, &mut counts);
        self.caches.report(instructions, &mut counts);
        if self.translates {
            let per_walk = counts.get("walker.references") / counts.get("walker.walks");
            counts.set("walker.references_per_walk", per_walk);
        }
        self.memory.report(&mut counts);
        counts.names().map(|name| (name.to_owned(), counts.get(name))).collect()
    }

    fn first_tlb(&self, stream: Stream) -> u8 {
        match self.tlbs.chain(stream).first() {
            _ if !self.translates => UNTRANSLATED,
            Some(first) => *first as u8,
            None => WALKED,
        }
    }

    fn first_cache(&self, stream: Stream) -> u8 {
        self.caches.chain(stream).first().map_or(MEMORY, |first| *first as u8)
    }

    /// Makes the CPU run a process. Without identifiers every switch flushes what is not global.
    fn run(&mut self, process: ProcessId) {
        if self.running == Some(process) {
            return;
        }
        let before = self.running.replace(process);
        if self.asids == 0 {
            self.numbered = vec![process];
            if before.is_some() {
                let kernel = self.memory.global_from.map(|_| KERNEL);
                self.tlbs.flush(|other| Some(other) != kernel, &mut self.counts);
                self.pwcs.flush(None);
            }
        } else if self.allocation == AsidAllocation::RoundRobin {
            self.take_turn(process);
        } else if !self.numbered.contains(&process) {
            if self.numbered.len() >= self.asids {
                // Everything is flushed. What ran last keeps its identifier if there is another.
                self.numbered = before.into_iter().filter(|_| self.asids > 1).collect();
                self.tlbs.flush(|_| true, &mut self.counts);
                self.pwcs.flush(None);
            }
            self.numbered.push(process);
        }
    }

    /// Gives a process the identifier that was given longest ago, if it has none. Whoever had it is
    /// flushed, and so is a process that has changed while others ran.
    fn take_turn(&mut self, process: ProcessId) {
        let mut out = self.stale.contains(&process).then_some(process);
        self.stale.retain(|other| *other != process);
        if !self.numbered.contains(&process) {
            if self.numbered.len() == self.asids {
                out = Some(self.numbered.remove(0));
                self.stale.retain(|other| Some(*other) != out);
            }
            self.numbered.push(process);
        }
        if let Some(out) = out {
            self.tlbs.flush(|other| other == out, &mut self.counts);
            self.pwcs.flush(Some(out));
        }
    }

    fn event(
        &mut self,
        cpu: CpuId,
        event: &TraceEvent,
        events: &mut Vec<Event>,
    ) -> Result<(), Stopped> {
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
        if !effects.work.is_empty() {
            events.push(Event {
                kind: OutcomeKind::Kernel,
                tlb: self.first_tlb(Stream::Data),
                served: self.first_cache(Stream::Data),
                references: std::mem::take(&mut self.references),
                work: effects.work,
            });
        }
        self.forget(&effects.forget);
        Ok(())
    }

    /// Makes the TLBs and paging-structure caches forget. A process without an identifier has nothing in
    /// them.
    fn forget(&mut self, what: &[Forget]) {
        for item in what {
            let (Forget::Page(process, _)
            | Forget::Process(process)
            | Forget::Table { process, .. }) = *item;
            let kernel = self.memory.is_kernel(process);
            if !kernel && !self.numbered.contains(&process) {
                continue;
            }
            if !kernel
                && self.allocation == AsidAllocation::RoundRobin
                && self.asids > 0
                && self.running != Some(process)
            {
                self.stale.push(process);
                continue;
            }
            match *item {
                Forget::Page(process, page) => {
                    self.tlbs.forget_page(Key { number: page, process }, &mut self.counts);
                    if self.drops_tables {
                        self.pwcs.flush(Some(process));
                    }
                }
                Forget::Process(process) => {
                    self.tlbs.flush(|other| other == process, &mut self.counts);
                    self.pwcs.flush(Some(process));
                }
                Forget::Table { process, level, addr } => self.pwcs.forget(process, addr, level),
            }
        }
    }
}

/// The last byte of an access; one of size 0 counts as of size 1.
fn last_byte(access: &Access) -> u64 {
    access.addr.saturating_add(u64::from(access.size.max(1)) - 1)
}
