//! The time half: what the outcomes cost.
//!
//! ```text
//! outcomes ──► window ──► access ──► walkers, miss registers ──► controller ──► dram
//!                │
//!                └──► kernel ──► storage
//! ```
//! [`Timing`] takes the function half's outcomes in order and lets them flow through a window of
//! instructions in flight (`window`, `dispatch`), each along its own way from address to data (`access`,
//! `route`) and waiting for others where their ways meet (`others`), through units of which there are
//! only so many (`pool`), to memory, which answers late (`controller`, [`dram`]). Faults
//! drain the window and hand the CPU to the kernel (`kernel`), which may wait for the swap device
//! ([`storage`]). Every slot of the CPU is charged to one component (`stack`).

mod access;
mod clock;
mod controller;
mod dispatch;
pub mod dram;
mod entry;
mod events;
pub mod ideal;
mod kernel;
mod latencies;
mod main_memory;
#[cfg(test)]
mod marks;
mod nodes;
mod others;
mod pool;
mod ports;
mod references;
mod route;
pub mod sampled;
pub mod settings;
mod simulation;
mod stack;
pub mod storage;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod window;

use tracegen::batch::Mark;

use crate::config::{Config, InvalidSetting};
use crate::os::settings::Memory as Capacity;
use crate::outcome::Outcomes;
use crate::statistics::{Histogram, Statistics, Tally};

use self::ideal::Component;
use self::main_memory::MainMemory;
use self::settings::Device;
use self::simulation::Simulation;
use self::stack::{Lap, Stack};
use self::storage::Storage;

/// The time half of a machine.
#[derive(Debug)]
pub struct Timing {
    simulation: Simulation<MainMemory, SwapDevice>,
    /// Which part of the run counts.
    tally: Tally,
    /// The stack and the instructions where that part started; nothing for the start of the run.
    since: Option<(Stack, u64)>,
    /// The distributions of the parts before, in the order of [`Self::histograms`].
    kept: [Histogram; 4],
    /// What the latest part was charged.
    part: Option<Stack>,
    /// Whether faults are in their distribution wherever they come.
    every_fault: bool,
}

/// The first of the distributions of faults among [`Timing::histograms`].
const FAULTS: usize = 2;

impl Timing {
    /// An idle machine at time 0.
    ///
    /// # Errors
    /// A timing setting that makes no sense, or one that is not modelled.
    pub fn new(config: &Config) -> Result<Self, InvalidSetting> {
        Self::with(config, None)
    }

    /// The same where `component` is perfect.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn ideal(config: &Config, component: Component) -> Result<Self, InvalidSetting> {
        Self::with(config, Some(component))
    }

    fn with(config: &Config, perfect: Option<Component>) -> Result<Self, InvalidSetting> {
        let memory = MainMemory::new(config)?;
        let swap = SwapDevice::new(config)?;
        let simulation = Simulation::with(config, memory, swap, perfect)?;
        let (tally, kept) = (Tally::default(), Default::default());
        Ok(Self { simulation, tally, since: None, kept, part: None, every_fault: false })
    }

    /// Takes in the next outcomes. State carries over; where the stream is cut makes no difference.
    pub fn process(&mut self, outcomes: &Outcomes) {
        let mut rest = outcomes.iter();
        while let Some(lap) = self.simulation.process(&mut rest) {
            self.pass(&lap);
        }
    }

    /// Lets everything that is under way finish; to be called once, after the last outcome.
    pub fn finish(&mut self) {
        self.simulation.finish();
        self.settle();
        self.simulation.kernel.backing.0.finish();
    }

    /// A mark has retired: what was charged up to there belongs to what lies before it.
    fn pass(&mut self, lap: &Lap) {
        match lap.mark {
            Mark::Count => {
                // The mean of a distribution is that of what it holds: it starts again first.
                self.keep(false);
                self.since = Some((lap.stack.clone(), lap.instructions));
                let now = self.report_at(&lap.stack, lap.instructions);
                self.tally.pass(Mark::Count, now);
            }
            Mark::Pause => {
                let (counted, now) =
                    (self.tally.counts(), self.report_at(&lap.stack, lap.instructions));
                if counted {
                    let base = self.since.as_ref().map(|(base, _)| lap.stack.since(base));
                    self.part = base.or_else(|| Some(lap.stack.clone()));
                }
                self.tally.pass(Mark::Pause, now);
                self.keep(counted);
            }
        }
    }

    /// Lets the distributions start again, and keeps what they hold where that is `counted`.
    fn keep(&mut self, counted: bool) {
        let parts = self.simulation.take_histograms();
        for (index, (kept, part)) in self.kept.iter_mut().zip(&parts).enumerate() {
            if counted || (index >= FAULTS && self.every_fault) {
                kept.merge(part);
            }
        }
    }

    /// Starts anew, paused: what was counted before is forgotten.
    fn forget(&mut self) {
        self.tally = Tally::paused();
        self.kept = Default::default();
        self.part = None;
        self.keep(false);
        self.kept = Default::default();
    }

    /// Lets everything in flight retire, and passes the marks in it.
    fn settle(&mut self) {
        self.simulation.window.settle();
        while let Some(lap) = self.simulation.process(&mut std::iter::empty()) {
            self.pass(&lap);
        }
    }

    /// The swap device's statistics since the start.
    fn report_device(&self) -> Statistics {
        let mut out = Statistics::default();
        self.simulation.kernel.backing.0.report(&mut out);
        out
    }

    /// Every statistic of the machine where its stack and its instructions are these.
    fn report_at(&self, stack: &Stack, instructions: u64) -> Statistics {
        let mut out = Statistics::default();
        let (stack, instructions) = match &self.since {
            Some((base, before)) => (stack.since(base), instructions.saturating_sub(*before)),
            None => (stack.clone(), instructions),
        };
        self.simulation.report_times(&stack, instructions, &mut out);
        self.simulation.report_window(&mut out);
        self.simulation.report_stack(&stack, &mut out);
        self.simulation.window.units.controller.memory.report(&mut out);
        out.append(self.report_device());
        out
    }

    /// Declares the statistics of the run's time, of memory and of the swap device.
    pub fn report(&self, out: &mut Statistics) {
        let (stack, instructions) = self.simulation.totals();
        out.append(self.tally.total(self.report_at(stack, instructions)));
    }

    /// The distributions by name: `access_cycles`, `walk_cycles`, `fault_ns` and `swap_read_ns`.
    pub fn histograms(&self) -> Vec<(&'static str, Histogram)> {
        let now = self.simulation.histograms().into_iter().zip(&self.kept);
        let all = now.enumerate().map(|(index, ((name, now), kept))| {
            let mut all = kept.clone();
            if self.tally.counts() || (index >= FAULTS && self.every_fault) {
                all.merge(now);
            }
            (name, all)
        });
        all.collect()
    }
}

/// The swap devices.
#[derive(Debug)]
struct SwapDevice(Storage);

impl SwapDevice {
    /// The configured device. A machine that is given by its frames has a backing store that is free.
    fn new(config: &Config) -> Result<Self, InvalidSetting> {
        let mut swap = config.swap.clone();
        if let Some(Capacity::Frames(_)) = config.os.memory {
            swap.device = Device::None;
            swap.area.clear();
        }
        Storage::new(&swap, config.mmu.base_page().0).map(Self)
    }
}

impl ports::Backing for SwapDevice {
    fn read(&mut self, arrival: u64, runs: &[storage::Run]) -> u64 {
        self.0.read(arrival, runs)
    }
    fn write(&mut self, arrival: u64, run: storage::Run) -> u64 {
        self.0.write(arrival, run)
    }
    fn is_synchronous(&self, run: &storage::Run) -> bool {
        self.0.is_synchronous(run.first)
    }
}
