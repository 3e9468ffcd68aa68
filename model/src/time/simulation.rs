//! A CPU's window and kernel over some memory and some device.

use crate::config::{Config, InvalidSetting};
use crate::outcome::{Outcome, OutcomeKind, Reference, Work};
use crate::statistics::{Histogram, Ratio, Statistics};

use super::ideal::Component;
use super::kernel::Kernel;
use super::ports::{Backing, Memory};
use super::stack::{Lap, Stack};
use super::window::Window;

/// One machine's time.
#[derive(Debug)]
pub(super) struct Simulation<M: Memory, B: Backing> {
    pub(super) window: Window<M>,
    pub(super) kernel: Kernel<B>,
    /// Kernel work that waits for the marks before it to be taken: it belongs to what lies behind them.
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

    /// An idle machine at time 0, where one component may be perfect.
    pub(super) fn with(
        config: &Config,
        memory: M,
        backing: B,
        perfect: Option<Component>,
    ) -> Result<Self, InvalidSetting> {
        if config.core.count != 1 {
            return Err(InvalidSetting::new("core.count", "above 1 is not modelled yet"));
        }
        let window = Window::new(config, memory, perfect)?;
        let mut kernel =
            Kernel::new(backing, window.units.latencies.clock, window.units.latencies.costs);
        kernel.waits = perfect != Some(Component::Swap);
        Ok(Self { window, kernel, put_off: None, perfect, config: config.clone() })
    }

    /// Takes in outcomes until a mark has retired, which is returned, or there are no more. To be called
    /// until there is none.
    pub(super) fn process<'a>(
        &mut self,
        outcomes: &mut impl Iterator<Item = (&'a Outcome, &'a [Reference], &'a [Work])>,
    ) -> Option<Lap> {
        let lap = self.take_in(outcomes);
        // Those of what has entered belong to what lies before the mark.
        self.window.count_hits();
        lap
    }

    fn take_in<'a>(
        &mut self,
        outcomes: &mut impl Iterator<Item = (&'a Outcome, &'a [Reference], &'a [Work])>,
    ) -> Option<Lap> {
        if let Some(lap) = self.window.laps.pop_front() {
            return Some(lap);
        }
        if let Some((kind, work)) = self.put_off.take() {
            self.work(kind, &work);
        }
        for (outcome, references, work) in outcomes {
            if self.perfect.is_some_and(|perfect| perfect.is_all_of(outcome.kind, work)) {
                self.window.pass_over(outcome);
                continue;
            }
            self.window.take(outcome, references);
            let works = !work.is_empty() || matches!(outcome.kind, OutcomeKind::Fault(_));
            if let Some(lap) = self.window.laps.pop_front() {
                self.put_off = works.then(|| (outcome.kind, work.to_vec()));
                return Some(lap);
            }
            if works {
                self.work(outcome.kind, work);
            }
        }
        None
    }

    /// The kernel's work of an outcome, on the CPU whose window has drained.
    pub(super) fn work(&mut self, kind: OutcomeKind, work: &[Work]) {
        let from = self.window.retired_at;
        let stack = &mut self.window.stack;
        let until = match kind {
            OutcomeKind::Fault(_) => self.kernel.fault(from, work, stack),
            _ => self.kernel.call(from, work, stack),
        };
        self.window.resume(until);
    }

    /// Lets everything under way finish.
    pub(super) fn finish(&mut self) {
        self.window.drain();
    }

    /// How far it is.
    pub(super) fn totals(&self) -> (&Stack, u64) {
        (&self.window.stack, self.window.instructions)
    }

    /// Declares the time of `instructions` that took what `stack` holds.
    pub(super) fn report_times(&self, stack: &Stack, instructions: u64, out: &mut Statistics) {
        let clock = self.window.units.latencies.clock;
        let slots = stack.total();
        out.count(
            "run.cycles",
            "cycles",
            "Cycles until the last instruction retires",
            clock.cycles(slots),
        );
        let cycle = slots.next_multiple_of(clock.width());
        out.count(
            "run.ns",
            "ns",
            "Time until the last instruction retires, rounded up",
            clock.picoseconds(cycle).div_ceil(1000),
        );
        out.ratio(
            "run.ipc",
            "instructions a cycle",
            "Instructions retired a cycle",
            Ratio::of(instructions, clock.cycles(slots)),
        );
    }

    /// Declares every component's cycles.
    pub(super) fn report_stack(&self, stack: &Stack, out: &mut Statistics) {
        stack.report(self.window.units.latencies.clock.width(), &self.config, out);
    }

    /// Declares what the window counts.
    pub(super) fn report_window(&self, out: &mut Statistics) {
        let clock = self.window.units.latencies.clock;
        out.ratio(
            "run.amat_cycles",
            "cycles",
            "Mean time of an access from the start of its translation to its data",
            self.window.units.access_cycles.ratio(),
        );
        out.count(
            "walker.cycles",
            "cycles",
            "Cycles that page walkers worked, added up over the walkers",
            clock.cycles(self.window.units.walk_times.busy),
        );
        out.count(
            "walker.queue_cycles",
            "cycles",
            "Cycles that walks waited for a walker, added up over the walks",
            clock.cycles(self.window.units.walk_times.queued),
        );
        for (cache, late) in self.config.cache.iter().zip(&self.window.units.late_prefetches) {
            if cache.prefetcher.is_some() {
                out.count(
                    format!("{}.prefetch.late", cache.name),
                    "accesses",
                    "Accesses that waited for a line that its prefetcher had under way",
                    *late,
                );
            }
        }
    }

    /// Every distribution by name.
    pub(super) fn histograms(&self) -> [(&'static str, &Histogram); 4] {
        [
            ("access_cycles", &self.window.units.access_cycles),
            ("walk_cycles", &self.window.units.walk_cycles),
            ("fault_ns", &self.kernel.fault_ns),
            ("swap_read_ns", &self.kernel.swap_read_ns),
        ]
    }

    /// Takes every distribution as it is, in the order of [`Self::histograms`]; they start again.
    pub(super) fn take_histograms(&mut self) -> [Histogram; 4] {
        let all = [
            &mut self.window.units.access_cycles,
            &mut self.window.units.walk_cycles,
            &mut self.kernel.fault_ns,
            &mut self.kernel.swap_read_ns,
        ];
        all.map(std::mem::take)
    }
}
