//! What a trace holds, counted in one pass.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::batch::{Aside, Batch};
use crate::record::{AccessKind, CpuId, Event, ProcessId};

/// Bits of an address below its line number (64 B lines).
const LINE_BITS: u32 = 6;
/// Lines of a page of 4 KiB: the bits of a word.
const PAGE_LINES: u64 = 64;
/// Pages that are kept together.
const GROUP_PAGES: u64 = 8;
/// Lines of 2 MiB.
const REGION_LINES: u64 = 512 * PAGE_LINES;

/// Counts over a trace.
#[derive(Debug, Default)]
pub struct Summary {
    /// Accesses by [`AccessKind`].
    kinds: [u64; 4],
    branches: u64,
    events: u64,
    processes: BTreeSet<ProcessId>,
    /// By CPU number.
    cpus: Vec<Cpu>,
    footprint: Footprint,
}

#[derive(Debug, Default, Clone)]
struct Cpu {
    seen: bool,
    process: ProcessId,
    fetches: u64,
    /// Accesses and the instructions between them.
    counted: u64,
}

impl Summary {
    /// Takes in the next records.
    pub fn add(&mut self, batch: &Batch) {
        let mut asides = batch.asides.iter().peekable();
        for index in 0..batch.accesses() {
            while let Some((_, aside)) = asides.next_if(|(at, _)| *at as usize <= index) {
                self.aside(aside);
            }
            let kind = batch.kind[index];
            self.kinds[kind as usize] += 1;
            let cpu = self.cpu(batch.cpu[index]);
            cpu.fetches += u64::from(kind == AccessKind::Fetch);
            cpu.counted += u64::from(batch.gap[index].wrapping_add(1));
            let process = cpu.process;
            self.footprint.touch(process, batch.addr[index], batch.size[index]);
        }
        asides.for_each(|(_, aside)| self.aside(aside));
    }

    fn aside(&mut self, aside: &Aside) {
        match aside {
            Aside::Branch(branch) => {
                self.branches += 1;
                self.cpu(branch.cpu).counted += u64::from(branch.gap);
            }
            Aside::Event(cpu, event) => {
                self.events += 1;
                match event {
                    Event::Switch { process } => {
                        let state = self.at(*cpu);
                        state.process = *process;
                        state.seen = true;
                        self.processes.insert(*process);
                    }
                    Event::Fork { child } => {
                        self.cpu(*cpu);
                        self.processes.insert(*child);
                    }
                    _ => {
                        self.cpu(*cpu);
                    }
                }
            }
        }
    }

    fn at(&mut self, cpu: CpuId) -> &mut Cpu {
        let index = usize::from(cpu);
        if index >= self.cpus.len() {
            self.cpus.resize(index + 1, Cpu::default());
        }
        &mut self.cpus[index]
    }

    /// The CPU, which does something.
    #[inline]
    fn cpu(&mut self, cpu: CpuId) -> &mut Cpu {
        let state = self.at(cpu);
        if !std::mem::replace(&mut state.seen, true) {
            let process = state.process;
            self.processes.insert(process);
        }
        &mut self.cpus[usize::from(cpu)]
    }

    /// Accesses of a kind.
    pub fn accesses_of(&self, kind: AccessKind) -> u64 {
        self.kinds[kind as usize]
    }

    /// Accesses.
    pub fn accesses(&self) -> u64 {
        self.kinds.iter().sum()
    }

    /// Branches.
    pub fn branches(&self) -> u64 {
        self.branches
    }

    /// Events.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Accesses, branches and events.
    pub fn records(&self) -> u64 {
        self.accesses() + self.branches + self.events
    }

    /// Instructions: a CPU's fetches where it has any, else its accesses and what lies between them.
    pub fn instructions(&self) -> u64 {
        let of = |cpu: &Cpu| if cpu.fetches > 0 { cpu.fetches } else { cpu.counted };
        self.cpus.iter().map(of).fold(0, u64::saturating_add)
    }

    /// CPUs that have records.
    pub fn cpus(&self) -> usize {
        self.cpus.iter().filter(|cpu| cpu.seen).count()
    }

    /// Processes that ran or were forked.
    pub fn processes(&self) -> usize {
        self.processes.len()
    }

    /// Distinct 4 KiB pages and 64 B lines that accesses touch, each process's apart.
    pub fn footprint(&self) -> (u64, u64) {
        self.footprint.totals()
    }
}

/// The lines that were touched. Memory grows with the pages touched, but an access of many megabytes
/// costs a few bytes for each 2 MiB.
#[derive(Debug, Default)]
struct Footprint {
    /// Where a group of pages is in `groups`.
    places: HashMap<(ProcessId, u64), usize>,
    /// A bit a line, a word a page.
    groups: Vec<[u64; GROUP_PAGES as usize]>,
    /// The group that was touched last.
    last: Option<((ProcessId, u64), usize)>,
    /// Regions of 2 MiB that were touched as a whole at once.
    whole: HashSet<(ProcessId, u64)>,
}

impl Footprint {
    #[inline]
    fn touch(&mut self, process: ProcessId, addr: u64, size: u32) {
        let end = addr.saturating_add(u64::from(size.saturating_sub(1)));
        let (mut line, last) = (addr >> LINE_BITS, end >> LINE_BITS);
        while line <= last {
            if line % REGION_LINES == 0 && last - line >= REGION_LINES - 1 {
                self.whole.insert((process, line / REGION_LINES));
                line += REGION_LINES;
                continue;
            }
            let page_end = line | (PAGE_LINES - 1);
            let upto = page_end.min(last);
            let bits = (u64::MAX >> (63 - (upto - line))) << (line % PAGE_LINES);
            let page = line / PAGE_LINES;
            let group = self.group((process, page / GROUP_PAGES));
            group[(page % GROUP_PAGES) as usize] |= bits;
            line = page_end + 1;
        }
    }

    #[inline]
    fn group(&mut self, key: (ProcessId, u64)) -> &mut [u64; GROUP_PAGES as usize] {
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => {
                let next = self.groups.len();
                let place = *self.places.entry(key).or_insert(next);
                if place == next {
                    self.groups.push([0; GROUP_PAGES as usize]);
                }
                self.last = Some((key, place));
                place
            }
        };
        &mut self.groups[place]
    }

    fn totals(&self) -> (u64, u64) {
        let region = REGION_LINES / PAGE_LINES;
        let whole = self.whole.len() as u64;
        let mut totals = (whole * region, whole * REGION_LINES);
        for ((process, group), place) in &self.places {
            if self.whole.contains(&(*process, group * GROUP_PAGES / region)) {
                continue;
            }
            for word in &self.groups[*place] {
                totals.0 += u64::from(*word != 0);
                totals.1 += u64::from(word.count_ones());
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Access, Branch, SAME_INSTRUCTION};

    #[test]
    fn instructions_follow_the_fetches_of_each_cpu() {
        let mut batch = Batch::new();
        let access = |cpu, kind, gap| Access { cpu, kind, gap, size: 4, ..Access::default() };
        // CPU 0 has fetches: two instructions. CPU 1 has none: 3 + 1 and 1, the store being of the load's
        // instruction, and 2 with the branch.
        batch.push_access(access(0, AccessKind::Fetch, 0));
        batch.push_access(access(0, AccessKind::Load, 9));
        batch.push_access(access(0, AccessKind::Fetch, 0));
        batch.push_access(access(1, AccessKind::Load, 3));
        batch.push_access(access(1, AccessKind::Load, 0));
        batch.push_access(access(1, AccessKind::Store, SAME_INSTRUCTION));
        batch.push_branch(Branch { cpu: 1, gap: 2, ..Branch::default() });
        batch.push_event(3, Event::Switch { process: 9 });
        let mut summary = Summary::default();
        summary.add(&batch);
        assert_eq!(summary.instructions(), 2 + 4 + 1 + 2);
        assert_eq!((summary.cpus(), summary.processes()), (3, 2));
        assert_eq!((summary.records(), summary.accesses(), summary.events()), (8, 6, 1));
    }

    #[test]
    fn an_access_that_spans_counts_on_both() {
        let mut footprint = Footprint::default();
        footprint.touch(0, 4095, 2);
        assert_eq!(footprint.totals(), (2, 2));
        footprint.touch(0, 4095, 0);
        footprint.touch(0, 0, 4096);
        assert_eq!(footprint.totals(), (2, 65));
        footprint.touch(1, 0, 1);
        assert_eq!(footprint.totals(), (3, 66));
        footprint.touch(2, u64::MAX, 8);
        assert_eq!(footprint.totals(), (4, 67));
    }

    #[test]
    fn large_accesses_are_counted_like_their_bytes() {
        let mut large = Footprint::default();
        let mut small = Footprint::default();
        let (start, size) = ((5 << 20) + 100, 7 << 20);
        large.touch(0, start, size);
        for addr in (start..start + u64::from(size)).step_by(64) {
            small.touch(0, addr, 1);
        }
        small.touch(0, start + u64::from(size) - 1, 1);
        assert_eq!(large.totals(), small.totals());
        large.touch(0, 6 << 20, 64);
        assert_eq!(large.totals(), small.totals());
    }
}
