//! The CPUs' windows and kernels over some memory and some device.

use crate::config::{Config, InvalidSetting};
use crate::outcome::{Outcome, OutcomeKind, Reference, Work};
use crate::statistics::{Histogram, Statistics};

use super::access::Shared;
use super::alone;
use super::clock::Clock;
use super::cpu::Cpu;
use super::entry::UNKNOWN;
use super::ideal::Component;
use super::parts::{self, DISTRIBUTIONS, Part, Passed};
use super::ports::{Backing, Memory};
use super::several::{Machine, Several};
use super::stack::{Lap, Stack};
use super::window::Awaited;

/// One machine's time.
#[derive(Debug)]
pub(super) struct Simulation<M: Memory, B: Backing> {
    pub(super) shared: Shared<M>,
    pub(super) backing: B,
    /// At least one.
    pub(super) cpus: Vec<Cpu>,
    /// The order of the CPUs, where there are several.
    several: Option<Several>,
    /// Kernel work of the one CPU that waits for the marks before it to be taken: it belongs to what lies
    /// behind them.
    put_off: Option<(OutcomeKind, Vec<Work>)>,
    /// What costs nothing.
    perfect: Option<Component>,
    config: Config,
}

impl<M: Memory, B: Backing> Simulation<M, B> {
    #[cfg(test)]
    pub(super) fn new(config: &Config, memory: M, backing: B) -> Result<Self, InvalidSetting> {
        Self::with(config, memory, backing, None)
    }

    /// Lets one CPU go on as several do.
    #[cfg(test)]
    pub(super) fn take_turns(&mut self) {
        self.several = Some(Several::new(self.cpus.len()));
    }

    /// An idle machine at time 0, where one component may be perfect.
    pub(super) fn with(
        config: &Config,
        memory: M,
        backing: B,
        perfect: Option<Component>,
    ) -> Result<Self, InvalidSetting> {
        let shared = Shared::new(config, memory, perfect)?;
        let count = usize::from(config.core.count);
        let cpus = (0..count).map(|cpu| Cpu::new(config, &shared, perfect, cpu)).collect();
        let several = (count > 1).then(|| Several::new(count));
        let config = config.clone();
        Ok(Self { shared, backing, cpus, several, put_off: None, perfect, config })
    }

    /// Takes in outcomes until every CPU has passed a mark, which is returned, or there are no more. To be
    /// called until there is none.
    pub(super) fn process<'a>(
        &mut self,
        outcomes: &mut impl Iterator<Item = (&'a Outcome, &'a [Reference], &'a [Work])>,
    ) -> Option<Passed> {
        if let Some(several) = &mut self.several {
            let (shared, backing, perfect) = (&mut self.shared, &mut self.backing, self.perfect);
            let mut machine = Machine { shared, backing, perfect };
            let passed = several.process(&mut self.cpus, &mut machine, outcomes);
            if several.is_closed() && passed.is_none() {
                self.shared.controller.drain();
            }
            self.cpus.iter_mut().for_each(|cpu| cpu.window.count_hits(&self.shared));
            return passed;
        }
        let lap = self.take_in(outcomes);
        let cpu = self.cpus.first_mut()?;
        // Those of what has entered belong to what lies before the mark.
        cpu.window.count_hits(&self.shared);
        lap.map(|lap| Passed { mark: lap.mark, parts: vec![cpu.pass(lap)] })
    }

    /// Takes in outcomes of the one CPU.
    fn take_in<'a>(
        &mut self,
        outcomes: &mut impl Iterator<Item = (&'a Outcome, &'a [Reference], &'a [Work])>,
    ) -> Option<Lap> {
        let (cpu, shared) = (self.cpus.first_mut()?, &mut self.shared);
        if let Some(lap) = cpu.window.laps.pop_front() {
            return Some(lap);
        }
        if let Some((kind, work)) = self.put_off.take() {
            cpu.work(kind, &work, &mut self.backing);
        }
        for (outcome, references, work) in outcomes {
            if self.perfect.is_some_and(|perfect| perfect.is_all_of(outcome.kind, work)) {
                alone::pass_over(&mut cpu.window, shared, outcome);
                continue;
            }
            alone::take(&mut cpu.window, shared, outcome, references);
            let works = !work.is_empty() || matches!(outcome.kind, OutcomeKind::Fault(_));
            if let Some(lap) = cpu.window.laps.pop_front() {
                self.put_off = works.then(|| (outcome.kind, work.to_vec()));
                return Some(lap);
            }
            if works {
                cpu.work(outcome.kind, work, &mut self.backing);
            }
        }
        None
    }

    /// The kernel's work of an outcome, on the one CPU, whose window has drained.
    pub(super) fn work(&mut self, kind: OutcomeKind, work: &[Work]) {
        if let Some(cpu) = self.cpus.first_mut() {
            cpu.work(kind, work, &mut self.backing);
        }
    }

    /// Lets everything under way finish. Marks may still have to be [taken](Self::process).
    pub(super) fn finish(&mut self) {
        if let Some(several) = &mut self.several {
            several.close();
        } else if let Some(cpu) = self.cpus.first_mut() {
            alone::simulate(&mut cpu.window, &mut self.shared, UNKNOWN, Awaited::Nothing);
            self.shared.controller.drain();
        }
    }

    /// Lets everything of the one CPU that is in flight retire. Lines of stores may still be on their way.
    pub(super) fn settle(&mut self) {
        if self.several.is_none()
            && let Some(cpu) = self.cpus.first_mut()
        {
            alone::wait_for(&mut cpu.window, &mut self.shared, Awaited::Empty);
        }
    }

    /// Lets `slots` go by, in which nothing is in flight on the one CPU.
    pub(super) fn skip(&mut self, slots: u64) {
        if let Some(cpu) = self.cpus.first_mut() {
            cpu.window.skip(slots);
        }
    }

    /// Memory serves `addr` some `slots` after everything of the one CPU has retired, without being simulated.
    pub(super) fn touch(&mut self, slots: u64, addr: crate::address::PhysAddr) {
        if let Some(cpu) = self.cpus.first_mut() {
            let at = cpu.window.retired_at.saturating_add(slots);
            alone::simulate(&mut cpu.window, &mut self.shared, at, Awaited::Nothing);
            self.shared.controller.touch(at, addr);
        }
    }

    /// The time base.
    pub(super) fn clock(&self) -> &Clock {
        &self.shared.latencies.clock
    }

    /// The machine.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// What the first CPU was charged.
    pub(super) fn stack(&self) -> Stack {
        let first = self.cpus.first();
        first.map_or(Stack::new(self.config.cache.len()), |cpu| cpu.window.stack.clone())
    }

    /// What each CPU was charged and has counted.
    pub(super) fn parts(&self) -> Vec<Part> {
        self.cpus.iter().map(Cpu::part).collect()
    }

    /// Declares every component's cycles.
    pub(super) fn report_stack(&self, stack: &Stack, out: &mut Statistics) {
        stack.report("", self.clock().width(), &self.config, out);
    }

    /// Declares the time of `instructions` that took what `stack` holds.
    pub(super) fn report_times(&self, stack: &Stack, instructions: u64, out: &mut Statistics) {
        parts::report_times(self.clock(), stack, instructions, out);
    }

    /// Declares what windows count.
    pub(super) fn report_window(&self, parts: &[Part], out: &mut Statistics) {
        parts::report_window(&self.config, self.clock(), parts, out);
    }

    /// Every distribution by name, over all CPUs.
    pub(super) fn histograms(&self) -> [(&'static str, Histogram); 4] {
        let mut all = DISTRIBUTIONS.map(|name| (name, Histogram::default()));
        for cpu in &self.cpus {
            all.iter_mut().zip(cpu.histograms()).for_each(|((_, all), own)| all.merge(own));
        }
        all
    }

    /// Takes every distribution as it is, in the order of [`Self::histograms`]; they start again.
    pub(super) fn take_histograms(&mut self) -> [Histogram; 4] {
        let mut all: [Histogram; 4] = Default::default();
        for cpu in &mut self.cpus {
            let own = cpu.take_histograms();
            all.iter_mut().zip(&own).for_each(|(all, own)| all.merge(own));
        }
        all
    }
}
