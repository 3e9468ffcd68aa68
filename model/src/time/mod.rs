//! The time half: what the outcomes cost.
//!
//! ```text
//! outcomes ──► window ──► access ──► walkers, miss registers ──► controller ──► dram
//!                │
//!                └──► kernel ──► storage
//! ```
//! [`Timing`] takes the function half's outcomes in order and lets them flow through a window of
//! instructions in flight (`window`), each along its own way from address to data (`access`), through
//! units of which there are only so many (`pool`), to memory, which answers late ([`dram`]). Faults
//! drain the window and hand the CPU to the kernel (`kernel`), which may wait for the swap device
//! ([`storage`]). Every slot of the CPU is charged to one component (`stack`).

mod access;
mod clock;
pub mod dram;
mod entry;
mod events;
mod kernel;
mod latencies;
#[cfg(test)]
mod marks;
mod pool;
mod ports;
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

use self::dram::Dram;
use self::settings::{Device, Swap};
use self::simulation::Simulation;
use self::stack::{Lap, Stack};
use self::storage::Storage;

/// The time half of a machine.
#[derive(Debug)]
pub struct Timing {
    simulation: Simulation<Dram, SwapDevice>,
    /// Which part of the run counts.
    tally: Tally,
    /// The stack and the instructions where that part started; nothing for the start of the run.
    since: Option<(Stack, u64)>,
    /// The distributions of the parts before, in the order of [`Self::histograms`].
    kept: [Histogram; 3],
}

impl Timing {
    /// An idle machine at time 0.
    ///
    /// # Errors
    /// A timing setting that makes no sense, or one that is not modelled.
    pub fn new(config: &Config) -> Result<Self, InvalidSetting> {
        let dram = Dram::new(&config.dram)?;
        let swap = SwapDevice::new(config)?;
        let simulation = Simulation::new(config, dram, swap)?;
        Ok(Self { simulation, tally: Tally::default(), since: None, kept: Default::default() })
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
        while let Some(lap) = self.simulation.process(&mut std::iter::empty()) {
            self.pass(&lap);
        }
    }

    /// A mark has retired: what was charged up to there belongs to what lies before it.
    fn pass(&mut self, lap: &Lap) {
        let (counted, before) = (self.tally.counts(), self.simulation.take_histograms());
        match lap.mark {
            Mark::Count => {
                self.since = Some((lap.stack.clone(), lap.instructions));
                let now = self.report_at(&lap.stack, lap.instructions);
                self.tally.pass(Mark::Count, now);
            }
            Mark::Pause if counted => {
                self.kept.iter_mut().zip(&before).for_each(|(kept, part)| kept.merge(part));
                let now = self.report_at(&lap.stack, lap.instructions);
                self.tally.pass(Mark::Pause, now);
            }
            Mark::Pause => {}
        }
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
        self.simulation.window.controller.memory.report(&mut out);
        self.simulation.kernel.backing.device.report(&mut out);
        out
    }

    /// Declares the statistics of the run's time, of memory and of the swap device.
    pub fn report(&self, out: &mut Statistics) {
        let (stack, instructions) = self.simulation.totals();
        out.append(self.tally.total(self.report_at(stack, instructions)));
    }

    /// The distributions by name: `access_cycles`, `walk_cycles` and `fault_ns`.
    pub fn histograms(&self) -> Vec<(&'static str, Histogram)> {
        let now = self.simulation.histograms().into_iter().zip(&self.kept);
        let all = now.map(|((name, now), kept)| {
            let mut all = kept.clone();
            if self.tally.counts() {
                all.merge(now);
            }
            (name, all)
        });
        all.collect()
    }
}

impl ports::Memory for Dram {
    type Id = dram::RequestId;
    fn submit(&mut self, arrival: u64, addr: crate::address::PhysAddr, write: bool) -> Self::Id {
        Dram::submit(self, arrival, addr, write)
    }
    fn advance(&mut self, until: u64) -> Option<(Self::Id, u64)> {
        Dram::advance(self, until)
    }
}

/// The swap device with the size of what it transfers.
#[derive(Debug)]
struct SwapDevice {
    device: Storage,
    page_bytes: u64,
}

impl SwapDevice {
    /// The configured device. A machine that is given by its frames has a backing store that is free.
    fn new(config: &Config) -> Result<Self, InvalidSetting> {
        let device = match config.os.memory {
            Some(Capacity::Frames(_)) => {
                Storage::new(&Swap { device: Device::None, ..config.swap.clone() })?
            }
            _ => Storage::new(&config.swap)?,
        };
        Ok(Self { device, page_bytes: config.mmu.page_size.0 })
    }
}

impl ports::Backing for SwapDevice {
    fn submit(
        &mut self,
        arrival: u64,
        operation: storage::Operation,
        slot: crate::address::SwapSlot,
        pages: u32,
    ) -> u64 {
        self.device.submit(arrival, operation, slot, pages, self.page_bytes)
    }
}
