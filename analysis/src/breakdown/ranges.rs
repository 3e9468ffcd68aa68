//! Ranges of addresses that do not overlap, each with a row, in every process.

use std::collections::{BTreeMap, HashMap};

use tracegen::record::{CpuId, Event, ProcessId};

/// The ranges of one address space: by their first byte, the byte behind the last, and the row.
type Space = BTreeMap<u64, (u64, u32)>;

/// The ranges of every process, and what every CPU runs.
#[derive(Debug)]
pub struct Ranges {
    spaces: HashMap<ProcessId, Space>,
    /// By CPU; those that are not here run process 0.
    running: Vec<ProcessId>,
    /// Where the latest look-up ended: a range, or the gap between two.
    latest: Found,
}

/// A range or a gap, from its first byte to the one behind its last.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    process: ProcessId,
    start: u64,
    end: u64,
    row: Option<u32>,
}

impl Ranges {
    /// None.
    pub fn new() -> Self {
        Self { spaces: HashMap::new(), running: Vec::new(), latest: Found::default() }
    }

    /// The process that `cpu` runs.
    pub fn process(&self, cpu: CpuId) -> ProcessId {
        self.running.get(usize::from(cpu)).copied().unwrap_or(0)
    }

    /// The row of the range of `process` that has the byte at `addr`.
    #[inline]
    pub fn find(&mut self, process: ProcessId, addr: u64) -> Option<u32> {
        let Found { process: known, start, end, .. } = self.latest;
        if known != process || addr < start || addr >= end {
            self.latest = self.look_up(process, addr);
        }
        self.latest.row
    }

    fn look_up(&self, process: ProcessId, addr: u64) -> Found {
        let Some(space) = self.spaces.get(&process) else {
            return Found { process, start: 0, end: u64::MAX, row: None };
        };
        let before = space.range(..=addr).next_back();
        if let Some((&start, &(end, row))) = before
            && addr < end
        {
            return Found { process, start, end, row: Some(row) };
        }
        let start = before.map_or(0, |(_, (end, _))| *end);
        let end = space.range(addr..).next().map_or(u64::MAX, |(next, _)| *next);
        Found { process, start, end, row: None }
    }

    /// Takes `start..end` out of the ranges of `process`; what is left of them stays.
    pub fn carve(&mut self, process: ProcessId, start: u64, end: u64) {
        self.latest = Found::default();
        let Some(space) = self.spaces.get_mut(&process).filter(|_| start < end) else { return };
        let first = space.range(..start).next_back().filter(|(_, (to, _))| *to > start);
        let from = first.map_or(start, |(from, _)| *from);
        let cut: Vec<_> = space.range(from..end).map(|(from, to)| (*from, *to)).collect();
        for (from, (to, row)) in cut {
            space.remove(&from);
            if from < start {
                space.insert(from, (start, row));
            }
            if to > end {
                space.insert(end, (to, row));
            }
        }
    }

    /// Makes `start..end` of `process` a range, in the place of what was there.
    pub fn insert(&mut self, process: ProcessId, start: u64, end: u64, row: u32) {
        self.carve(process, start, end);
        if start < end {
            self.spaces.entry(process).or_default().insert(start, (end, row));
        }
    }

    /// Drops the range of `process` that starts at `start`.
    pub fn remove(&mut self, process: ProcessId, start: u64) {
        self.latest = Found::default();
        if let Some(space) = self.spaces.get_mut(&process) {
            space.remove(&start);
        }
    }

    /// What happens to processes.
    pub fn event(&mut self, cpu: CpuId, event: &Event) {
        let process = self.process(cpu);
        match event {
            Event::Switch { process } => {
                let cpu = usize::from(cpu);
                if self.running.len() <= cpu {
                    self.running.resize(cpu + 1, 0);
                }
                self.running[cpu] = *process;
            }
            Event::Fork { child } => {
                let copy = self.spaces.get(&process).cloned().unwrap_or_default();
                self.spaces.insert(*child, copy);
                self.latest = Found::default();
            }
            Event::Exec | Event::Exit => {
                self.spaces.remove(&process);
                self.latest = Found::default();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_and_found() {
        let mut ranges = Ranges::new();
        ranges.insert(0, 100, 200, 7);
        ranges.insert(0, 150, 160, 8);
        let rows = |ranges: &mut Ranges, process| {
            [99, 100, 149, 150, 159, 160, 199, 200].map(|addr| ranges.find(process, addr))
        };
        let (a, b) = (Some(7), Some(8));
        assert_eq!(rows(&mut ranges, 0), [None, a, a, b, b, a, a, None]);
        assert_eq!(rows(&mut ranges, 1), [None; 8]);
        ranges.event(0, &Event::Fork { child: 1 });
        ranges.carve(0, 90, 155);
        assert_eq!(rows(&mut ranges, 0), [None, None, None, None, b, a, a, None]);
        assert_eq!(rows(&mut ranges, 1), [None, a, a, b, b, a, a, None]);
        ranges.remove(0, 155);
        assert_eq!(ranges.find(0, 156), None);
        ranges.event(3, &Event::Switch { process: 1 });
        assert_eq!((ranges.process(3), ranges.process(2)), (1, 0));
        ranges.event(3, &Event::Exec);
        assert_eq!(rows(&mut ranges, 1), [None; 8]);
        ranges.insert(0, u64::MAX - 1, u64::MAX, 9);
        assert_eq!(ranges.find(0, u64::MAX - 1), Some(9));
        assert_eq!(ranges.find(0, u64::MAX), None);
    }
}
