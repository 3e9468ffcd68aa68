//! The time half: what the outcomes cost.
//!
//! ```text
//! outcomes ──► window ──► access ──► walkers, miss registers ──► controller ──► dram
//!                │
//!                └──► kernel ──► storage
//! ```
//! Every CPU has a window, walkers and a kernel (`cpu`), and miss registers for each cache that is its own; all
//! have the rest together. Where there is one, `alone` follows each outcome until the next may come; `several`
//! go on in the order of their clocks.
//!
//! [`Timing`] takes the function half's outcomes in order and lets them flow through a window of
//! instructions in flight (`window`, `dispatch`), each along its own way from address to data (`access`,
//! `route`) and waiting for others where their ways meet (`others`), through units of which there are
//! only so many (`pool`), to memory, which answers late (`controller`, [`dram`]). Faults
//! drain the window and hand the CPU to the kernel (`kernel`), which may wait for the swap device
//! ([`storage`]). Every slot of the CPU is charged to one component (`stack`).

mod access;
mod alone;
mod attribution;
mod clock;
mod controller;
mod cpu;
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
mod parts;
mod pool;
mod ports;
mod references;
mod route;
pub mod sampled;
pub mod settings;
mod several;
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

use self::attribution::Attribution;
use self::ideal::Component;
use self::main_memory::MainMemory;
use self::parts::{Part, Passed};
use self::settings::Device;
use self::simulation::Simulation;
use self::stack::Stack;
use self::storage::Storage;

/// The time half of a machine.
#[derive(Debug)]
pub struct Timing {
    simulation: Simulation<MainMemory, SwapDevice>,
    /// Which part of the run counts.
    tally: Tally,
    /// Every CPU's stack and instructions where that part started; nothing for the start of the run.
    since: Option<Vec<(Stack, u64)>>,
    /// The distributions of the parts before, in the order of [`Self::histograms`].
    kept: [Histogram; 4],
    /// What the first CPU was charged in the latest part.
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

    /// From here on, charges what is charged to `cycles.*` to [rows](Outcomes::rows) too. To be asked for
    /// before the first outcome. Of several CPUs `cycles.*` is that of one: their rows could not add up to
    /// it, and nothing is charged.
    pub fn attribute(&mut self) {
        let caches = self.simulation.config().cache.len();
        if let [cpu] = self.simulation.cpus.as_mut_slice() {
            let attribution = Attribution::new(cpu.window.ring.len(), caches);
            cpu.window.attribution = Some(Box::new(attribution));
        }
    }

    /// What each row was charged in the part of the run that counts, in slots by component, but for the slots
    /// of instructions at full width; nothing where that was not [asked](Self::attribute). What belongs to no
    /// row is in the first. Names are those of [`components`](Self::components).
    pub fn attributed(&self) -> Vec<Vec<u64>> {
        let cpu = self.simulation.cpus.first();
        let attribution = cpu.and_then(|cpu| cpu.window.attribution.as_ref());
        attribution.map_or(Vec::new(), |rows| rows.slots().collect())
    }

    /// What the components of `config`, which has one CPU, are called in `cycles.*`.
    pub fn components(config: &Config) -> Vec<String> {
        stack::names_of_one_cpu(config).map(str::to_owned).collect()
    }

    /// Slots of a cycle: instructions that can retire in it.
    pub fn width(&self) -> u64 {
        self.simulation.clock().width()
    }

    /// Takes in the next outcomes. State carries over; where the stream is cut makes no difference.
    pub fn process(&mut self, outcomes: &Outcomes) {
        let first = self.simulation.cpus.first_mut();
        if let Some(attribution) = first.and_then(|cpu| cpu.window.attribution.as_mut()) {
            attribution.expect(&outcomes.rows, outcomes.list.len());
        }
        let mut rest = outcomes.iter();
        while let Some(passed) = self.simulation.process(&mut rest) {
            self.pass(passed);
        }
    }

    /// Lets everything that is under way finish; to be called once, after the last outcome.
    pub fn finish(&mut self) {
        self.simulation.finish();
        self.settle();
        self.simulation.backing.0.finish();
    }

    /// A mark has been passed: what was charged up to there belongs to what lies before it.
    fn pass(&mut self, Passed { mark, mut parts }: Passed) {
        match mark {
            Mark::Count => {
                // The mean of a distribution is that of what it holds: it starts again first.
                for part in &mut parts {
                    self.keep(&std::mem::take(&mut part.histograms), false);
                }
                let places = parts.iter().map(|part| (part.stack.clone(), part.instructions));
                self.since = Some(places.collect());
                let now = self.report_at(&parts);
                self.tally.pass(Mark::Count, now);
            }
            Mark::Pause => {
                let (counted, now) = (self.tally.counts(), self.report_at(&parts));
                if counted {
                    self.part = self.since(&parts).into_iter().next().map(|(stack, _)| stack);
                }
                self.tally.pass(Mark::Pause, now);
                for part in &parts {
                    self.keep(&part.histograms, counted);
                }
            }
        }
    }

    /// Keeps what distributions hold where that is `counted`.
    fn keep(&mut self, histograms: &[Histogram; 4], counted: bool) {
        for (index, (kept, part)) in self.kept.iter_mut().zip(histograms).enumerate() {
            if counted || (index >= FAULTS && self.every_fault) {
                kept.merge(part);
            }
        }
    }

    /// Lets the distributions start again, of which only those that are kept anyway count.
    fn start_again(&mut self) {
        let histograms = self.simulation.take_histograms();
        self.keep(&histograms, false);
    }

    /// Starts anew, paused: what was counted before is forgotten.
    fn forget(&mut self) {
        self.tally = Tally::paused();
        self.kept = Default::default();
        self.part = None;
        self.start_again();
        self.kept = Default::default();
    }

    /// Lets everything in flight retire, and passes the marks in it.
    fn settle(&mut self) {
        self.simulation.settle();
        while let Some(passed) = self.simulation.process(&mut std::iter::empty()) {
            self.pass(passed);
        }
    }

    /// The swap device's statistics since the start.
    fn report_device(&self) -> Statistics {
        let mut out = Statistics::default();
        self.simulation.backing.0.report(&mut out);
        out
    }

    /// What each CPU was charged and its instructions since counting started.
    fn since(&self, parts: &[Part]) -> Vec<(Stack, u64)> {
        let Some(since) = &self.since else {
            return parts.iter().map(|part| (part.stack.clone(), part.instructions)).collect();
        };
        let both = parts.iter().zip(since);
        let all = both.map(|(part, (base, before))| {
            (part.stack.since(base), part.instructions.saturating_sub(*before))
        });
        all.collect()
    }

    /// Every statistic of the machine where these are its CPUs' parts.
    fn report_at(&self, parts: &[Part]) -> Statistics {
        let mut out = Statistics::default();
        let simulation = &self.simulation;
        let all = self.since(parts);
        // The last one to finish; of several the first.
        let last = all.iter().rev().map(|(stack, _)| stack).max_by_key(|stack| stack.total());
        let Some(stack) = last else { return out };
        let instructions = all.iter().map(|(_, instructions)| instructions).sum();
        simulation.report_times(stack, instructions, &mut out);
        simulation.report_window(parts, &mut out);
        simulation.report_stack(stack, &mut out);
        simulation.shared.controller.memory.report(&mut out);
        out.append(self.report_device());
        if all.len() > 1 {
            let (config, clock) = (simulation.config(), simulation.clock());
            for (cpu, (part, (stack, instructions))) in parts.iter().zip(&all).enumerate() {
                parts::report_cpu(config, clock, cpu, (part, stack, *instructions), &mut out);
            }
        }
        out
    }

    /// Declares the statistics of the run's time, of memory and of the swap device.
    pub fn report(&self, out: &mut Statistics) {
        out.append(self.tally.total(self.report_at(&self.simulation.parts())));
    }

    /// The distributions by name: `access_cycles`, `walk_cycles`, `fault_ns` and `swap_read_ns`.
    pub fn histograms(&self) -> Vec<(&'static str, Histogram)> {
        let now = self.simulation.histograms().into_iter().zip(&self.kept);
        let all = now.enumerate().map(|(index, ((name, now), kept))| {
            let mut all = kept.clone();
            if self.tally.counts() || (index >= FAULTS && self.every_fault) {
                all.merge(&now);
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
