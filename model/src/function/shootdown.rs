//! Translations that other CPUs have to forget: they are interrupted, as far as they may have them.

use std::collections::BTreeMap;

use tracegen::record::ProcessId;

use super::Simulator;
use super::emitter::Draft;
use crate::cache::settings::Stream;
use crate::os::Invalidation;
use crate::outcome::{OutcomeKind, Outcomes, Work};

/// By process, the CPUs that may have something of its address space, one bit each: those that have run it
/// since they last forgot all of it (Linux's `mm_cpumask`). Empty where there is one CPU.
#[derive(Debug, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Holders(BTreeMap<ProcessId, u64>);

impl Holders {
    /// `cpu` runs `process`, and has forgotten everything before if it has `flushed` that.
    pub fn runs(&mut self, cpu: usize, process: ProcessId, flushed: bool) {
        if flushed {
            self.0.values_mut().for_each(|cpus| *cpus &= !(1 << cpu));
            self.0.retain(|_, cpus| *cpus != 0);
        }
        *self.0.entry(process).or_default() |= 1 << cpu;
    }

    /// `cpu`, which runs something else, has forgotten all of `process`.
    fn forgets(&mut self, cpu: usize, process: ProcessId) {
        if let Some(cpus) = self.0.get_mut(&process) {
            *cpus &= !(1 << cpu);
        }
    }

    fn of(&self, process: ProcessId) -> u64 {
        self.0.get(&process).copied().unwrap_or(0)
    }
}

/// What one CPU is asked to forget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Asked {
    pages: u32,
    everything: bool,
}

impl Asked {
    fn add(&mut self, invalidation: &Invalidation) {
        match invalidation {
            Invalidation::Page { .. } => self.pages = self.pages.saturating_add(1),
            Invalidation::Process(_) => self.everything = true,
            Invalidation::Table { .. } => {}
        }
    }

    /// As [`Work::Interrupt`] says it. What concerns tables alone costs as much as a page.
    fn pages(self) -> u32 {
        if self.everything { 0 } else { self.pages.max(1) }
    }
}

/// The other CPUs that a shootdown goes to.
#[derive(Debug, Default)]
pub(super) struct Receivers(BTreeMap<usize, Asked>);

impl Simulator {
    /// The CPUs that have to be told of what the kernel has changed, whose interruption becomes part of the
    /// work that is put together.
    pub(super) fn shoot_down(&mut self, out: &mut Outcomes) -> Receivers {
        let mut receivers = Receivers::default();
        if self.others.is_empty() || self.effects.invalidations.is_empty() {
            return receivers;
        }
        let mut all = Asked::default();
        for invalidation in &self.effects.invalidations {
            let process = invalidation.process();
            let concerned = self.concerned(process) & !(1 << self.here());
            let told = |cpu: &usize| concerned >> cpu & 1 != 0 && self.asids.is_told(*cpu, process);
            let mut anybody = false;
            for cpu in (0..self.cpus()).filter(told) {
                receivers.0.entry(cpu).or_default().add(invalidation);
                anybody = true;
            }
            if anybody {
                all.add(invalidation);
            }
        }
        if !receivers.0.is_empty() {
            // There are at most 63.
            let cpus = receivers.0.len() as u16;
            out.work.push(Work::Shootdown { cpus, pages: all.pages() });
            self.shootdowns.sent += 1;
        }
        receivers
    }

    /// The receivers of a shootdown, whose sender has reported it, report their part.
    pub(super) fn interrupt(&mut self, receivers: Receivers, out: &mut Outcomes) {
        let draft = Draft { kind: OutcomeKind::Kernel, ..self.plain(Stream::Data) };
        for (cpu, asked) in receivers.0 {
            let other = self.others.get_mut(cpu);
            other.shootdowns.received += 1;
            other.cpu.emitter.begin(out);
            out.work.push(Work::Interrupt { pages: asked.pages() });
            other.cpu.emitter.emit(draft, out);
        }
        self.cpu.emitter.begin(out);
    }

    /// The CPUs that have to be made to forget: the one that runs, and others that may have something of the
    /// address space.
    pub(super) fn concerned(&self, process: ProcessId) -> u64 {
        if self.others.is_empty() {
            1
        } else if self.asids.is_global(process) {
            u64::MAX
        } else {
            self.holders.of(process) | 1 << self.here()
        }
    }

    /// `cpu` has forgotten all of `process`, and will have something again if it runs it.
    pub(super) fn forgotten(&mut self, cpu: usize, process: ProcessId) {
        let runs = match cpu == self.here() {
            true => self.cpu.process,
            false => self.others.get(cpu).cpu.process,
        };
        if runs != Some(process) {
            self.holders.forgets(cpu, process);
        }
    }
}
