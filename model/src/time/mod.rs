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

use crate::config::{Config, InvalidSetting};
use crate::os::settings::Memory as Capacity;
use crate::outcome::Outcomes;
use crate::statistics::{Histogram, Statistics};

use self::dram::Dram;
use self::settings::{Device, Swap};
use self::simulation::Simulation;
use self::storage::Storage;

/// The time half of a machine.
#[derive(Debug)]
pub struct Timing {
    simulation: Simulation<Dram, SwapDevice>,
}

impl Timing {
    /// An idle machine at time 0.
    ///
    /// # Errors
    /// A timing setting that makes no sense, or one that is not modelled.
    pub fn new(config: &Config) -> Result<Self, InvalidSetting> {
        let dram = Dram::new(&config.dram)?;
        let swap = SwapDevice::new(config)?;
        Ok(Self { simulation: Simulation::new(config, dram, swap)? })
    }

    /// Takes in the next outcomes. State carries over; where the stream is cut makes no difference.
    pub fn process(&mut self, outcomes: &Outcomes) {
        self.simulation.process(outcomes);
    }

    /// Lets everything that is under way finish; to be called once, after the last outcome.
    pub fn finish(&mut self) {
        self.simulation.finish();
    }

    /// Declares the statistics of the run's time, of memory and of the swap device.
    pub fn report(&self, out: &mut Statistics) {
        self.simulation.report(out);
        self.simulation.window.controller.memory.report(out);
        self.simulation.kernel.backing.device.report(out);
    }

    /// The distributions by name: `access_cycles`, `walk_cycles` and `fault_ns`.
    pub fn histograms(&self) -> Vec<(&'static str, &Histogram)> {
        self.simulation.histograms()
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
