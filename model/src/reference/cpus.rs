//! Several CPUs: what each has of its own, and what they make each other forget.

use std::collections::BTreeMap;

use tracegen::record::{CpuId, ProcessId};

use super::counts::Counts;
use super::memory::{Forget, KERNEL};
use super::pwc::Pwcs;
use super::sets::{Key, seed_of};
use super::shape::Shape;
use super::tlbs::Tlbs;
use super::{Event, Reference};
use crate::cache::settings::Stream;
use crate::config::Config;
use crate::mmu::switching::AsidAllocation;
use crate::outcome::{OutcomeKind, Work};

/// What a CPU has of its own, beside caches.
#[derive(Debug)]
pub struct Cpu {
    pub tlbs: Tlbs,
    pub pwcs: Pwcs,
    /// The processes that have an address-space identifier on this CPU alone: where there are none, the one
    /// that runs; where these are taken in turn, the longest ago first.
    numbered: Vec<ProcessId>,
    /// Those of them whose pages have changed since they ran.
    stale: Vec<ProcessId>,
    /// Whether it has yet to flush what is left of earlier identifiers.
    pending: bool,
    pub running: Option<ProcessId>,
    /// The processes that it has run since all of theirs was last forgotten.
    seen: Vec<ProcessId>,
}

/// What the names of a CPU's own counts start with.
pub fn prefix(cpu: usize, cpus: usize) -> String {
    if cpus > 1 { format!("cpu.{cpu}.") } else { String::new() }
}

/// The run's seed as a CPU sees it.
pub fn seed_for(cpu: usize, seed: u64) -> u64 {
    if cpu > 0 { seed_of(&format!("cpu.{cpu}"), seed) } else { seed }
}

impl Cpu {
    /// The CPUs of a machine.
    pub fn all(config: &Config, shape: &Shape, seed: u64) -> Vec<Self> {
        let count = usize::from(config.core.count);
        let cpu = |cpu| {
            let (prefix, seed) = (prefix(cpu, count), seed_for(cpu, seed));
            Self {
                tlbs: Tlbs::new(&config.mmu, &prefix, seed),
                pwcs: Pwcs::new(&config.mmu, shape, &prefix, seed),
                numbered: Vec::new(),
                stale: Vec::new(),
                pending: false,
                running: None,
                seen: Vec::new(),
            }
        };
        (0..count).map(cpu).collect()
    }
}

impl Reference {
    /// A CPU of the trace goes on, on one of the machine.
    pub(super) fn enter(&mut self, cpu: CpuId) {
        self.here = usize::from(cpu) % self.cpus.len();
        self.caches.here = self.here;
    }

    /// Counts something of the CPU that runs.
    pub(super) fn count(&mut self, name: &str, more: u64) {
        self.count_on(self.here, name, more);
    }

    fn count_on(&mut self, cpu: usize, name: &str, more: u64) {
        let name = format!("{}{name}", prefix(cpu, self.cpus.len()));
        self.counts.add(&name, more);
    }

    /// Makes the CPU run a process. Without identifiers every switch flushes what is not global.
    pub(super) fn run(&mut self, process: ProcessId) {
        let here = self.here;
        if self.cpus[here].running == Some(process) {
            return;
        }
        let before = self.cpus[here].running.replace(process);
        if self.asids == 0 {
            self.cpus[here].numbered = vec![process];
            if before.is_some() {
                let kernel = self.memory.global_from.map(|_| KERNEL);
                self.cpus[here].flush(kernel, &mut self.counts);
            }
        } else if self.allocation == AsidAllocation::RoundRobin {
            self.cpus[here].take_turn(process, self.asids, &mut self.counts);
        } else {
            self.take_number(process, before);
        }
        self.cpus[here].seen.push(process);
    }

    /// Gives a process an identifier that it has on every CPU, if it has none. When there are no more, what
    /// other CPUs run keeps its own, and what ran last here if there is another; every CPU flushes
    /// everything when it next runs another process.
    fn take_number(&mut self, process: ProcessId, before: Option<ProcessId>) {
        let here = self.here;
        if !self.numbered.contains(&process) {
            if self.numbered.len() >= self.asids {
                let others = (0..self.cpus.len()).filter(|cpu| *cpu != here);
                let others = others.map(|cpu| self.cpus[cpu].running);
                let kept: Vec<_> = others.chain([before]).flatten().take(self.asids - 1).collect();
                self.numbered.retain(|process| kept.contains(process));
                self.cpus.iter_mut().for_each(|cpu| cpu.pending = true);
            }
            self.numbered.push(process);
        }
        if std::mem::take(&mut self.cpus[here].pending) {
            self.cpus[here].flush(None, &mut self.counts);
        }
    }

    /// Whether a CPU has to hear of what changes in an address space: it has run it since it forgot all of
    /// it, and would use what it knows without a flush before.
    fn is_told(&self, cpu: usize, process: ProcessId) -> bool {
        let cpu = &self.cpus[cpu];
        let by_number = self.asids > 0 && self.allocation == AsidAllocation::Generations;
        let uses = cpu.running == Some(process) || by_number && !cpu.pending;
        self.memory.is_kernel(process) || cpu.seen.contains(&process) && uses
    }

    /// The other CPUs that may know something that is to be forgotten, with how many pages of it they have
    /// to forget, or 0 for whole address spaces.
    pub(super) fn receivers(&self, what: &[Forget]) -> BTreeMap<usize, u32> {
        let others = (0..self.cpus.len()).filter(|cpu| *cpu != self.here);
        let concerning = |cpu: usize| {
            let told = |item: &&Forget| self.is_told(cpu, item.process());
            let mine: Vec<Forget> = what.iter().filter(told).copied().collect();
            (!mine.is_empty()).then(|| (cpu, pages(&mine)))
        };
        others.filter_map(concerning).collect()
    }

    /// The sender's part of a shootdown.
    pub(super) fn shootdown(
        &mut self,
        receivers: &BTreeMap<usize, u32>,
        what: &[Forget],
    ) -> Option<Work> {
        if receivers.is_empty() {
            return None;
        }
        self.count("os.tlb.remote_flush", 1);
        let known = |item: &&Forget| receivers.keys().any(|cpu| self.is_told(*cpu, item.process()));
        let mine: Vec<Forget> = what.iter().filter(known).copied().collect();
        Some(Work::Shootdown { cpus: receivers.len() as u16, pages: pages(&mine) })
    }

    /// Makes the TLBs and paging-structure caches forget, of this CPU and of the receivers, which are
    /// interrupted.
    pub(super) fn forget(
        &mut self,
        what: &[Forget],
        receivers: &BTreeMap<usize, u32>,
        events: &mut Vec<Event>,
    ) {
        for cpu in 0..self.cpus.len() {
            self.forget_on(cpu, what);
        }
        for (cpu, pages) in receivers {
            self.count_on(*cpu, "os.tlb.remote_flush_received", 1);
            events.push(Event {
                cpu: *cpu as u16,
                kind: OutcomeKind::Kernel,
                tlb: self.first_tlb(Stream::Data),
                served: self.first_cache(Stream::Data),
                references: Vec::new(),
                work: vec![Work::Interrupt { pages: *pages }],
            });
        }
    }

    /// A process without an identifier on a CPU has nothing there. Where identifiers are each CPU's own, one
    /// that runs another process remembers to flush what has changed when that runs again.
    fn forget_on(&mut self, number: usize, what: &[Forget]) {
        for item in what {
            let process = item.process();
            let kernel = self.memory.is_kernel(process);
            let cpu = &mut self.cpus[number];
            if !kernel && number != self.here && !cpu.seen.contains(&process) {
                continue;
            }
            let runs = cpu.running == Some(process);
            if let Forget::Process(_) = item
                && !runs
            {
                cpu.seen.retain(|seen| *seen != process);
            }
            let alike = self.asids > 0 && self.allocation == AsidAllocation::Generations;
            let numbered = if alike { &self.numbered } else { &cpu.numbered };
            if !kernel && !numbered.contains(&process) {
                continue;
            }
            if !kernel && !runs && (!alike || cpu.pending) {
                cpu.stale.push(process);
                continue;
            }
            let counts = &mut self.counts;
            match *item {
                Forget::Page(process, page, order) => {
                    let held = if self.splinters.contains(&order) { 0 } else { order };
                    for number in page >> held..(page + (1 << order)) >> held {
                        cpu.tlbs.forget_page(Key { number, process, order: held }, counts);
                    }
                    if self.drops_tables {
                        cpu.pwcs.flush(Some(process));
                    }
                }
                Forget::Process(process) => {
                    cpu.tlbs.flush(|other| other == process, counts);
                    cpu.pwcs.flush(Some(process));
                }
                Forget::Table { process, level, addr } => cpu.pwcs.forget(process, addr, level),
            }
        }
    }
}

impl Cpu {
    /// Forgets everything but what is of one process.
    fn flush(&mut self, but: Option<ProcessId>, counts: &mut Counts) {
        self.tlbs.flush(|other| Some(other) != but, counts);
        self.pwcs.flush(None);
        self.seen.clear();
    }

    /// Gives a process the identifier that was given longest ago, if it has none. Whoever had it is
    /// flushed, and so is a process that has changed while others ran.
    fn take_turn(&mut self, process: ProcessId, asids: usize, counts: &mut Counts) {
        let mut out = self.stale.contains(&process).then_some(process);
        self.stale.retain(|other| *other != process);
        if !self.numbered.contains(&process) {
            if self.numbered.len() == asids {
                out = Some(self.numbered.remove(0));
                self.stale.retain(|other| Some(*other) != out);
            }
            self.numbered.push(process);
        }
        if let Some(out) = out {
            self.tlbs.flush(|other| other == out, counts);
            self.pwcs.flush(Some(out));
        }
    }
}

/// How many pages are to be forgotten; 0 for whole address spaces. Tables alone cost as much as a page.
fn pages(what: &[Forget]) -> u32 {
    if what.iter().any(|item| matches!(item, Forget::Process(_))) {
        return 0;
    }
    what.iter().filter(|item| matches!(item, Forget::Page(..))).count().max(1) as u32
}

impl Forget {
    /// Whose address space it is about.
    pub fn process(&self) -> ProcessId {
        match *self {
            Self::Page(process, ..) | Self::Process(process) | Self::Table { process, .. } => {
                process
            }
        }
    }
}
