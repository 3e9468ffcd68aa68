//! A CPU's window and kernel over some memory and some device.

use crate::config::{Config, InvalidSetting};
use crate::outcome::{OutcomeKind, Outcomes};
use crate::statistics::{Histogram, Statistics};

use super::kernel::Kernel;
use super::ports::{Backing, Memory};
use super::window::Window;

/// One machine's time.
#[derive(Debug)]
pub(super) struct Simulation<M: Memory, B: Backing> {
    pub(super) window: Window<M>,
    pub(super) kernel: Kernel<B>,
    config: Config,
    instructions: u64,
}

impl<M: Memory, B: Backing> Simulation<M, B> {
    pub(super) fn new(config: &Config, memory: M, backing: B) -> Result<Self, InvalidSetting> {
        if config.core.count != 1 {
            return Err(InvalidSetting::new("core.count", "above 1 is not modelled yet"));
        }
        let window = Window::new(config, memory)?;
        let kernel = Kernel::new(backing, window.latencies.clock, window.latencies.costs);
        Ok(Self { window, kernel, config: config.clone(), instructions: 0 })
    }

    pub(super) fn process(&mut self, outcomes: &Outcomes) {
        for (outcome, references, work) in outcomes.iter() {
            self.instructions += u64::from(outcome.instructions);
            self.window.take(outcome, references);
            let from = self.window.retired_at;
            let stack = &mut self.window.stack;
            let until = match outcome.kind {
                OutcomeKind::Fault(_) => self.kernel.fault(from, work, stack),
                _ if work.is_empty() => continue,
                _ => self.kernel.call(from, work, stack),
            };
            self.window.resume(until);
        }
    }

    pub(super) fn finish(&mut self) {
        self.window.drain();
    }

    pub(super) fn report(&self, out: &mut Statistics) {
        let clock = self.window.latencies.clock;
        let slots = self.window.retired_at;
        debug_assert_eq!(slots, self.window.stack.total(), "every slot has one component");
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
        out.real(
            "run.ipc",
            "instructions a cycle",
            "Instructions retired a cycle",
            self.instructions as f64 / clock.cycles(slots) as f64,
        );
        out.real(
            "run.amat_cycles",
            "cycles",
            "Mean time of an access from the start of its translation to its data",
            self.window.access_cycles.mean(),
        );
        out.count(
            "walker.cycles",
            "cycles",
            "Cycles that page walkers worked, added up over the walkers",
            clock.cycles(self.window.walk_times.busy),
        );
        out.count(
            "walker.queue_cycles",
            "cycles",
            "Cycles that walks waited for a walker, added up over the walks",
            clock.cycles(self.window.walk_times.queued),
        );
        self.window.stack.report(clock.width(), &self.config, out);
    }

    pub(super) fn histograms(&self) -> Vec<(&'static str, &Histogram)> {
        vec![
            ("access_cycles", &self.window.access_cycles),
            ("walk_cycles", &self.window.walk_cycles),
            ("fault_ns", &self.kernel.fault_ns),
        ]
    }
}
