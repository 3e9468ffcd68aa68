//! Several CPUs: which one runs, and what each has of its own.
//!
//! One CPU at a time takes records: it is the simulator's `cpu`, as if it were the only one. The others wait
//! beside it and change places with it when a record is another CPU's. The caches, which all have together,
//! go with the CPU that runs.

use std::mem::swap;

use tracegen::record::CpuId;

use super::counters::{AccessCounters, Shootdowns, WalkCounters};
use super::emitter::Draft;
use super::lane::Lane;
use super::{Cpu, SimulationError, Simulator};
use crate::outcome::Outcomes;
use crate::statistics::Statistics;

/// What a CPU has of its own, while it does not run.
#[derive(bincode::Encode, bincode::Decode)]
pub(super) struct Waiting {
    pub cpu: Cpu,
    pub accesses: AccessCounters,
    pub walks: WalkCounters,
    pub shootdowns: Shootdowns,
}

/// The CPUs that do not run.
#[derive(Default, bincode::Encode, bincode::Decode)]
pub(super) struct Others {
    list: Vec<Waiting>,
    /// By CPU, its place in the list; that of the CPU that runs says nothing.
    places: Vec<usize>,
}

impl Others {
    /// `list` has all CPUs but the first, in order; that one runs.
    pub fn new(list: Vec<Waiting>) -> Self {
        let places = (0..=list.len()).map(|cpu| cpu.saturating_sub(1)).collect();
        Self { list, places }
    }

    /// Whether there are none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// A CPU that does not run.
    pub fn get(&self, cpu: usize) -> &Waiting {
        &self.list[self.places[cpu]]
    }

    /// As [`get`](Self::get).
    pub fn get_mut(&mut self, cpu: usize) -> &mut Waiting {
        &mut self.list[self.places[cpu]]
    }
}

impl Simulator {
    /// How many CPUs the machine has.
    pub(super) fn cpus(&self) -> usize {
        self.others.list.len() + 1
    }

    /// The CPU that runs.
    pub(super) fn here(&self) -> usize {
        usize::from(self.cpu.emitter.cpu())
    }

    /// Has the CPU run that a CPU of the trace runs on; the latter's index among the lanes.
    #[inline]
    pub(super) fn enter(&mut self, cpu: CpuId, out: &Outcomes) -> Result<usize, SimulationError> {
        let lane = self.lane(cpu)?;
        if !self.others.is_empty() {
            self.run(lane % self.cpus(), out);
        }
        Ok(lane)
    }

    /// Has a CPU of the machine run. What is in `out` belongs to outcomes.
    fn run(&mut self, cpu: usize, out: &Outcomes) {
        let here = self.here();
        if cpu == here {
            return;
        }
        let place = self.others.places[cpu];
        let other = &mut self.others.list[place];
        swap(&mut self.cpu, &mut other.cpu);
        swap(&mut self.cpu.caches, &mut other.cpu.caches);
        swap(&mut self.accesses, &mut other.accesses);
        swap(&mut self.walks, &mut other.walks);
        swap(&mut self.shootdowns, &mut other.shootdowns);
        self.others.places[here] = place;
        self.cpu.emitter.begin(out);
        // There are at most 64.
        if self.cpu.caches.switch(cpu as u16) {
            self.cpu.recall.lines_disturbed();
        }
        self.cpu.note_gone();
    }

    /// Every CPU reports `draft`, in the order of their numbers.
    pub(super) fn all_emit(&mut self, draft: Draft, out: &mut Outcomes) {
        for cpu in 0..self.cpus() {
            if !self.others.is_empty() {
                self.run(cpu, out);
            }
            self.cpu.emitter.emit(draft, out);
        }
    }

    /// Accesses of all CPUs.
    pub(super) fn all_accesses(&self) -> u64 {
        let others = (0..self.cpus()).filter(|cpu| *cpu != self.here());
        let others = others.map(|cpu| self.others.get(cpu).accesses.all());
        self.accesses.all() + others.sum::<u64>()
    }

    /// Declares what a CPU has of its own.
    fn report_own(&self, cpu: usize, out: &mut Statistics) {
        let waiting = (cpu != self.here()).then(|| self.others.get(cpu));
        let (own, accesses, walks, shootdowns) = match waiting {
            Some(other) => (&other.cpu, &other.accesses, &other.walks, &other.shootdowns),
            None => (&self.cpu, &self.accesses, &self.walks, &self.shootdowns),
        };
        let lanes = self.lanes.iter().skip(cpu).step_by(self.cpus());
        let instructions = lanes.map(Lane::instructions).sum();
        accesses.report(instructions, out);
        own.tlbs.report(out, instructions);
        // There are at most 64.
        self.cpu.caches.report_private(cpu as u16, out, instructions);
        walks.report(self.cache_names(), out);
        own.pwc.report(out);
        own.predictor.report(out);
        shootdowns.report(out);
    }

    /// Every statistic since the start, of several CPUs: the sums, what they share, and each CPU's own.
    pub(super) fn report_cpus(&self) -> Statistics {
        let own = |cpu| {
            let mut own = Statistics::default();
            self.report_own(cpu, &mut own);
            own
        };
        let all: Vec<Statistics> = (0..self.cpus()).map(own).collect();
        let first = all[0].clone();
        let mut out = all[1..].iter().fold(first, |sum, own| sum.after(own));
        let instructions = self.lanes.iter().map(Lane::instructions).sum();
        self.cpu.caches.report_shared(&mut out, instructions);
        self.os.report(&mut out);
        for (cpu, own) in all.into_iter().enumerate() {
            out.append(own.named(|name| format!("cpu.{cpu}.{name}")));
        }
        out
    }
}
