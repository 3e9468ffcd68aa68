//! Where threads run: CPUs by load, and processes by their number in the trace.

use std::collections::HashMap;

use crate::batch::Batch;
use crate::record::{CpuId, Event, ProcessId};

/// Without a bound, no more CPUs than this are made up.
const MOST_CPUS: usize = 1024;
/// The most processes that are kept apart.
const MOST_PROCESSES: usize = 1 << 20;

/// The CPUs that a trace runs on.
pub struct Machine {
    bound: Option<u16>,
    /// Live threads, and the process that runs, by CPU.
    cpus: Vec<(u32, ProcessId)>,
    processes: HashMap<u64, ProcessId>,
}

impl Machine {
    /// One with `bound` CPUs, or as many as are needed.
    pub fn new(bound: Option<u16>) -> Self {
        let cpus = vec![(0, 0); usize::from(bound.unwrap_or(0)).min(MOST_CPUS)];
        Self { bound, cpus, processes: HashMap::new() }
    }

    /// A CPU for a new thread: the one with the fewest, and of those the first.
    pub fn place(&mut self) -> CpuId {
        let least = (0..self.cpus.len()).min_by_key(|index| self.cpus[*index].0);
        let index = match least {
            Some(index) if self.bound.is_some() || self.cpus[index].0 == 0 => index,
            Some(index) if self.cpus.len() == MOST_CPUS => index,
            _ => {
                self.cpus.push((0, 0));
                self.cpus.len() - 1
            }
        };
        self.cpus[index].0 += 1;
        // At most MOST_CPUS.
        index as CpuId
    }

    /// The CPU of the core with the number `core`, which has a file of its own.
    pub fn core(&mut self, core: usize) -> CpuId {
        let count = self.bound.map_or(MOST_CPUS, usize::from).clamp(1, MOST_CPUS);
        let index = core % count;
        if index >= self.cpus.len() {
            self.cpus.resize(index + 1, (0, 0));
        }
        self.cpus[index].0 += 1;
        index as CpuId
    }

    /// A thread leaves its CPU.
    pub fn release(&mut self, cpu: CpuId) {
        if let Some((threads, _)) = self.cpus.get_mut(usize::from(cpu)) {
            *threads = threads.saturating_sub(1);
        }
    }

    /// The number of the process that the traced system called `pid`; nothing if there are too many.
    pub fn process(&mut self, pid: u64) -> Option<ProcessId> {
        let next = self.processes.len();
        if next == MOST_PROCESSES && !self.processes.contains_key(&pid) {
            return None;
        }
        Some(*self.processes.entry(pid).or_insert(next as ProcessId))
    }

    /// Says in `batch` that `cpu` runs `process`, if it ran another.
    pub fn run(&mut self, cpu: CpuId, process: ProcessId, batch: &mut Batch) {
        if let Some((_, running)) = self.cpus.get_mut(usize::from(cpu))
            && *running != process
        {
            *running = process;
            batch.push_event(cpu, Event::Switch { process });
        }
    }
}
