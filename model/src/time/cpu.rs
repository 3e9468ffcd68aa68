//! A CPU: its window, and its kernel's time.

use crate::config::Config;
use crate::outcome::{OutcomeKind, Work};
use crate::statistics::Histogram;

use super::access::Shared;
use super::ideal::Component;
use super::kernel::Kernel;
use super::parts::Part;
use super::ports::{Backing, Memory};
use super::stack::Lap;
use super::window::Window;

/// One CPU.
#[derive(Debug)]
pub(super) struct Cpu {
    pub(super) window: Window,
    pub(super) kernel: Kernel,
}

impl Cpu {
    /// An idle one.
    pub(super) fn new<M: Memory>(
        config: &Config,
        shared: &Shared<M>,
        perfect: Option<Component>,
        cpu: usize,
    ) -> Self {
        let (clock, costs) = (shared.latencies.clock, shared.latencies.costs);
        let waits = perfect != Some(Component::Swap);
        let kernel = Kernel::new(clock, costs, waits);
        Self { window: Window::new(config, shared, cpu), kernel }
    }

    /// Does the kernel's work of an outcome. The window has drained.
    pub(super) fn work<B: Backing>(&mut self, kind: OutcomeKind, work: &[Work], backing: &mut B) {
        let from = self.window.retired_at;
        let before = self.window.attribution.as_ref().map(|_| self.window.stack.clone());
        let until = self.kernel.serve(kind, from, work, backing, &mut self.window.stack);
        self.window.resume(until);
        if let Some(before) = before {
            self.window.charge_latest(&before);
        }
    }

    /// What it was charged and has counted so far.
    pub(super) fn part(&self) -> Part {
        let units = &self.window.units;
        Part {
            stack: self.window.stack.clone(),
            instructions: self.window.instructions,
            walk_times: units.walk_times,
            late_prefetches: units.late_prefetches.clone(),
            histograms: self.histograms().map(Histogram::clone),
        }
    }

    /// The part before a mark; the distributions start again.
    pub(super) fn pass(&mut self, lap: Lap) -> Part {
        let histograms = self.take_histograms();
        let units = &self.window.units;
        Part {
            stack: lap.stack,
            instructions: lap.instructions,
            walk_times: units.walk_times,
            late_prefetches: units.late_prefetches.clone(),
            histograms,
        }
    }

    /// Its distributions, in the order of [`DISTRIBUTIONS`](super::parts::DISTRIBUTIONS).
    pub(super) fn histograms(&self) -> [&Histogram; 4] {
        let (units, kernel) = (&self.window.units, &self.kernel);
        [&units.access_cycles, &units.walk_cycles, &kernel.fault_ns, &kernel.swap_read_ns]
    }

    /// Takes its distributions as they are; they start again.
    pub(super) fn take_histograms(&mut self) -> [Histogram; 4] {
        let (units, kernel) = (&mut self.window.units, &mut self.kernel);
        let all = [
            &mut units.access_cycles,
            &mut units.walk_cycles,
            &mut kernel.fault_ns,
            &mut kernel.swap_read_ns,
        ];
        all.map(std::mem::take)
    }
}
