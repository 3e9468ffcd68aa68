//! From the accesses of a batch to the numbers of the pages or lines that they touch.

use std::ops::Range;

use tracegen::batch::{Aside, Batch};
use tracegen::record::{AccessKind, CpuId, Event, ProcessId};

/// Numbers that are handed on together, at most.
pub const SECTION: usize = 1024;
/// Addresses that are compared with the latest number together.
const GLANCE: usize = 16;

/// Which accesses of a trace a curve counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stream {
    /// Loads, stores and software prefetches: what looks a data TLB and a data cache up.
    #[default]
    Data,
    /// Instruction fetches.
    Instruction,
    /// All of them, in the order of the trace.
    Both,
}

impl Stream {
    /// Whether accesses of `kind` belong to it.
    #[inline]
    pub fn has(self, kind: AccessKind) -> bool {
        match self {
            Self::Data => kind != AccessKind::Fetch,
            Self::Instruction => kind == AccessKind::Fetch,
            Self::Both => true,
        }
    }

    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Instruction => "instruction",
            Self::Both => "both",
        }
    }
}

/// Which process each CPU runs: 0 until an event says otherwise.
#[derive(Debug, Clone, Default)]
pub struct Running {
    processes: Vec<ProcessId>,
}

impl Running {
    /// The process that `cpu` runs.
    #[inline]
    pub fn on(&self, cpu: CpuId) -> ProcessId {
        self.processes.get(usize::from(cpu)).copied().unwrap_or(0)
    }

    /// Takes note of a switch.
    pub fn see(&mut self, aside: &Aside) {
        if let Aside::Event(cpu, Event::Switch { process }) = aside {
            let cpu = usize::from(*cpu);
            if cpu >= self.processes.len() {
                self.processes.resize(cpu + 1, 0);
            }
            self.processes[cpu] = *process;
        }
    }

    /// Cuts the accesses of `batch` where the process changes, and calls `take` with each piece's process
    /// and place.
    ///
    /// # Errors
    /// What `take` returns.
    pub fn sections(
        &mut self,
        batch: &Batch,
        mut take: impl FnMut(ProcessId, Range<usize>) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut from = 0;
        for (at, aside) in &batch.asides {
            if let Aside::Event(_, Event::Switch { .. }) = aside {
                let to = (*at as usize).min(batch.accesses());
                self.pieces(batch, from..to, &mut take)?;
                from = to;
                self.see(aside);
            }
        }
        self.pieces(batch, from..batch.accesses(), &mut take)
    }

    /// [`Self::sections`] of accesses between which no CPU switches.
    fn pieces(
        &self,
        batch: &Batch,
        range: Range<usize>,
        take: &mut impl FnMut(ProcessId, Range<usize>) -> Result<(), String>,
    ) -> Result<(), String> {
        let cpus = &batch.cpu[range.clone()];
        let Some(&first) = cpus.first() else { return Ok(()) };
        // The compiler compares many at once where nothing leaves the loop.
        let one =
            self.processes.is_empty() || cpus.iter().fold(0, |all, cpu| all | cpu ^ first) == 0;
        if one {
            return take(self.on(first), range);
        }
        let mut from = range.start;
        while from < range.end {
            let process = self.on(batch.cpu[from]);
            let same = |cpu: &&CpuId| self.on(**cpu) == process;
            let to = from + batch.cpu[from..range.end].iter().take_while(same).count();
            take(process, from..to)?;
            from = to;
        }
        Ok(())
    }
}

/// Who takes the numbers, in order. Consecutive equal ones are handed on once.
pub trait Consumer {
    /// The next pages or lines, of one process.
    ///
    /// # Errors
    /// There are more of them than can be told apart.
    fn take(&mut self, process: ProcessId, numbers: &[u64]) -> Result<(), String>;
}

/// Cuts accesses into references to pages or lines of 2^`shift` bytes. An access that spans several
/// references each of them once, as `core.line_crossing = "split"` has it.
#[derive(Debug)]
pub struct Cutter {
    shift: u32,
    stream: Stream,
    running: Running,
    numbers: Box<[u64; SECTION]>,
    filled: usize,
    latest: Option<(ProcessId, u64)>,
    references: u64,
    distinct_neighbours: u64,
}

/// The number that an access of `size` bytes at `addr` ends in.
#[inline]
pub fn last(addr: u64, size: u32, shift: u32) -> u64 {
    addr.saturating_add(u64::from(size.max(1)) - 1) >> shift
}

impl Cutter {
    /// A cutter that has seen nothing. `shift` is below 64.
    pub fn new(shift: u32, stream: Stream) -> Self {
        Self {
            shift: shift.min(63),
            stream,
            running: Running::default(),
            numbers: Box::new([0; SECTION]),
            filled: 0,
            latest: None,
            references: 0,
            distinct_neighbours: 0,
        }
    }

    /// References so far.
    pub fn references(&self) -> u64 {
        self.references
    }

    /// References so far to what the reference before them touched: hits at every size.
    pub fn repeats(&self) -> u64 {
        self.references - self.distinct_neighbours
    }

    /// Hands the references of `batch` to `to`.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn cut(&mut self, batch: &Batch, to: &mut impl Consumer) -> Result<(), String> {
        let mut running = std::mem::take(&mut self.running);
        let done =
            running.sections(batch, |process, range| self.section(process, batch, range, to));
        self.running = running;
        done
    }

    fn section(
        &mut self,
        process: ProcessId,
        batch: &Batch,
        range: Range<usize>,
        to: &mut impl Consumer,
    ) -> Result<(), String> {
        let (addrs, sizes) = (&batch.addr[range.clone()], &batch.size[range.clone()]);
        let kinds = &batch.kind[range];
        let fetches =
            kinds.iter().fold(0, |count, kind| count + u32::from(*kind == AccessKind::Fetch));
        let all = match self.stream {
            Stream::Both => true,
            Stream::Data => fetches == 0,
            Stream::Instruction => fetches as usize == kinds.len(),
        };
        let shift = self.shift;
        let within = (1u64 << shift) - 1;
        let span = |(addr, size): (&u64, &u32)| {
            (addr & within) + (u64::from(*size) | u64::from(*size == 0)) - 1
        };
        let crossing = addrs.iter().zip(sizes).fold(0, |most, pair| most | (span(pair) >> shift));
        if all && crossing == 0 {
            for addrs in addrs.chunks(SECTION) {
                self.whole(process, addrs);
                self.flush(process, to)?;
            }
            return Ok(());
        }
        for ((&addr, &size), &kind) in addrs.iter().zip(sizes).zip(kinds) {
            if self.stream.has(kind) {
                for number in addr >> shift..=last(addr, size, shift) {
                    self.push(process, number);
                    if self.filled == SECTION {
                        self.flush(process, to)?;
                    }
                }
            }
        }
        self.flush(process, to)
    }

    /// At most [`SECTION`] accesses that span nothing. Nothing waits to be flushed.
    fn whole(&mut self, process: ProcessId, addrs: &[u64]) {
        let Some(&first) = addrs.first() else { return };
        let shift = self.shift;
        self.references += addrs.len() as u64;
        let mut latest = match self.latest {
            Some((before, number)) if before == process => number,
            _ => !(first >> shift),
        };
        let mut filled = 0;
        for glance in addrs.chunks(GLANCE) {
            // Neighbours are often in one page: whether all are is seen at once.
            let differs = glance.iter().fold(0, |all, addr| all | (addr >> shift) ^ latest);
            if differs == 0 {
                continue;
            }
            for addr in glance {
                let number = addr >> shift;
                // `filled` is below SECTION: each address adds one at most.
                self.numbers[filled & (SECTION - 1)] = number;
                filled += usize::from(number != latest);
                latest = number;
            }
        }
        self.filled = filled;
        self.latest = Some((process, latest));
    }

    #[inline]
    fn push(&mut self, process: ProcessId, number: u64) {
        self.references += 1;
        if self.latest != Some((process, number)) {
            self.latest = Some((process, number));
            self.numbers[self.filled] = number;
            self.filled += 1;
        }
    }

    fn flush(&mut self, process: ProcessId, to: &mut impl Consumer) -> Result<(), String> {
        let filled = std::mem::take(&mut self.filled);
        self.distinct_neighbours += filled as u64;
        if filled == 0 { Ok(()) } else { to.take(process, &self.numbers[..filled]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracegen::record::{Access, Record};

    #[derive(Default)]
    struct Keep(Vec<(ProcessId, u64)>);

    impl Consumer for Keep {
        fn take(&mut self, process: ProcessId, numbers: &[u64]) -> Result<(), String> {
            assert!(!numbers.is_empty() && numbers.len() <= SECTION);
            self.0.extend(numbers.iter().map(|number| (process, *number)));
            Ok(())
        }
    }

    fn access(cpu: CpuId, kind: AccessKind, addr: u64, size: u32) -> Record {
        Record::Access(Access { cpu, kind, addr, size, ..Access::default() })
    }

    fn switch(cpu: CpuId, process: ProcessId) -> Record {
        Record::Event(cpu, Event::Switch { process })
    }

    fn cut(stream: Stream, records: Vec<Record>) -> (Vec<(ProcessId, u64)>, u64, u64) {
        let mut batch = Batch::new();
        records.into_iter().for_each(|record| batch.push(record));
        let (mut cutter, mut keep) = (Cutter::new(12, stream), Keep::default());
        cutter.cut(&batch, &mut keep).unwrap();
        (keep.0, cutter.references(), cutter.repeats())
    }

    use AccessKind::{Fetch, Load, Prefetch, Store};

    #[test]
    fn streams_choose_kinds_and_neighbours_are_one() {
        let records = vec![
            access(0, Load, 0x1000, 8),
            access(0, Fetch, 0x9000, 4),
            access(0, Store, 0x1ff8, 8),
            access(0, Prefetch, 0x3000, 0),
        ];
        let all = |stream| cut(stream, records.clone());
        assert_eq!(all(Stream::Data), (vec![(0, 1), (0, 3)], 3, 1));
        assert_eq!(all(Stream::Instruction), (vec![(0, 9)], 1, 0));
        assert_eq!(all(Stream::Both), (vec![(0, 1), (0, 9), (0, 1), (0, 3)], 4, 0));
    }

    #[test]
    fn an_access_references_everything_that_it_spans() {
        let records = vec![access(0, Load, 0x1fff, 2), access(0, Load, 0x2000, 0x2001)];
        assert_eq!(cut(Stream::Data, records).0, [(0, 1), (0, 2), (0, 3), (0, 4)]);
        let records = vec![access(0, Load, u64::MAX - 1, 64)];
        assert_eq!(cut(Stream::Data, records).0, [(0, u64::MAX >> 12)]);
        let records = vec![access(0, Load, 0, u32::MAX)];
        assert_eq!(cut(Stream::Data, records).1, 1 << 20);
    }

    #[test]
    fn switches_part_processes_wherever_they_stand() {
        let records = vec![
            access(1, Load, 0x1000, 8),
            access(0, Load, 0x1000, 8),
            switch(1, 7),
            access(0, Load, 0x1000, 8),
            access(1, Load, 0x1000, 8),
            access(1, Load, 0x1000, 8),
            switch(0, 7),
            access(0, Load, 0x1000, 8),
            access(1, Load, 0x2000, 8),
            switch(1, 0),
        ];
        let expected = vec![(0, 1), (7, 1), (7, 2)];
        assert_eq!(cut(Stream::Data, records), (expected, 7, 4));
    }

    /// The fast way and the one over each access give the same.
    #[test]
    fn both_ways_agree() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) % 97
        };
        let addrs: Vec<u64> =
            (0..3000).map(|at| if at % 700 < 300 { 5 } else { next() } * 2048).collect();
        let mut fast = Batch::new();
        let mut slow = Batch::new();
        slow.push(access(0, Fetch, 0, 4));
        for addr in &addrs {
            fast.push(access(0, Load, *addr, 8));
            slow.push(access(0, Load, *addr, 8));
        }
        let both = [fast, slow].map(|batch| {
            let (mut cutter, mut keep) = (Cutter::new(12, Stream::Data), Keep::default());
            cutter.cut(&batch, &mut keep).unwrap();
            (keep.0, cutter.references(), cutter.repeats())
        });
        assert_eq!(both[0], both[1]);
        assert_eq!(both[0].0.len() as u64 + both[0].2, 3000);
    }
}
