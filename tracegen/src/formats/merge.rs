//! Several traces as one: programs that run side by side, each on CPUs of its own.

use std::collections::{BTreeSet, VecDeque};

use crate::batch::{BATCH_ACCESSES, Batch};
use crate::error::TraceError;
use crate::metadata::Metadata;
use crate::record::{AccessKind, Backing, CpuId, Event, ProcessId, Record};
use crate::source::Source;

/// One of the traces.
struct Part {
    source: Box<dyn Source>,
    batch: Batch,
    waiting: VecDeque<Record>,
    ended: bool,
    /// Its CPUs that have made a record.
    cpus: BTreeSet<CpuId>,
    /// Whether fetches count its instructions.
    has_fetches: bool,
    /// Instructions so far.
    instructions: u64,
}

impl Part {
    /// Its next record, which stays.
    fn peek(&mut self) -> Result<Option<&Record>, TraceError> {
        while self.waiting.is_empty() && !self.ended {
            self.ended = !self.source.fill(&mut self.batch)?;
            self.waiting.extend(self.batch.iter());
            self.batch.clear();
        }
        Ok(self.waiting.front())
    }

    /// Counts the instructions of a record: fetches where there are any, else accesses and gaps.
    fn count(&mut self, record: &Record) {
        match record {
            Record::Access(access) if access.kind == AccessKind::Fetch => {
                self.has_fetches = true;
                self.instructions += 1;
            }
            Record::Access(access) if !self.has_fetches => {
                self.instructions += u64::from(access.gap.wrapping_add(1));
            }
            Record::Branch(branch) if !self.has_fetches => {
                self.instructions += u64::from(branch.gap);
            }
            Record::Access(_) | Record::Branch(_) | Record::Event(..) => {}
        }
    }
}

/// What the traces are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// Programs of their own: processes, files and kernel objects are each trace's own.
    Programs,
    /// Threads of one program, in one address space.
    Threads,
}

/// Traces in step: the next record is of the one that has made the fewest instructions, and of the first of
/// those. Of `n` traces, CPU `k` of number `i` becomes CPU `k * n + i`; so do the numbers of processes,
/// files and kernel objects where they are programs of their own.
pub struct Merge {
    parts: Vec<Part>,
    together: Together,
}

impl Merge {
    /// Of these traces.
    pub fn new(sources: Vec<Box<dyn Source>>, together: Together) -> Self {
        let part = |source| Part {
            source,
            batch: Batch::new(),
            waiting: VecDeque::new(),
            ended: false,
            cpus: BTreeSet::new(),
            has_fetches: false,
            instructions: 0,
        };
        Self { parts: sources.into_iter().map(part).collect(), together }
    }

    /// Which trace is next.
    fn next(&mut self) -> Result<Option<usize>, TraceError> {
        let mut next: Option<(u64, usize)> = None;
        for (index, part) in self.parts.iter_mut().enumerate() {
            let instructions = part.instructions;
            if part.peek()?.is_some() && next.is_none_or(|(fewest, _)| instructions < fewest) {
                next = Some((instructions, index));
            }
        }
        Ok(next.map(|(_, index)| index))
    }

    /// Moves a record of a trace to `batch`.
    fn take(&mut self, index: usize, batch: &mut Batch) -> Result<(), TraceError> {
        let count = self.parts.len();
        let part = &mut self.parts[index];
        let Some(mut record) = part.waiting.pop_front() else { return Ok(()) };
        part.count(&record);
        let own = match &record {
            Record::Access(access) => access.cpu,
            Record::Branch(branch) => branch.cpu,
            Record::Event(cpu, _) => *cpu,
        };
        let cpu = CpuId::try_from(usize::from(own) * count + index).map_err(|_| {
            TraceError::Workload(format!("{count} traces with CPUs up to {own} have too many CPUs"))
        })?;
        let numbers = match self.together {
            Together::Programs => Numbers { count: count as u64, index: index as u64 },
            Together::Threads => Numbers { count: 1, index: 0 },
        };
        // A CPU runs process 0 until it is told otherwise.
        if part.cpus.insert(own) && numbers.index > 0 {
            batch.push_event(cpu, Event::Switch { process: numbers.process(0)? });
        }
        match &mut record {
            Record::Access(access) => access.cpu = cpu,
            Record::Branch(branch) => branch.cpu = cpu,
            Record::Event(at, event) => {
                *at = cpu;
                numbers.event(event)?;
            }
        }
        batch.push(record);
        Ok(())
    }
}

/// How a trace's numbers are told from the others'.
#[derive(Clone, Copy)]
struct Numbers {
    count: u64,
    index: u64,
}

impl Numbers {
    fn own(self, number: u64) -> Result<u64, TraceError> {
        let own = number.checked_mul(self.count).and_then(|number| number.checked_add(self.index));
        own.ok_or_else(|| {
            TraceError::Workload(format!("the number {number} is too large to merge"))
        })
    }

    fn small(self, number: u32) -> Result<u32, TraceError> {
        let own = self.own(number.into())?;
        u32::try_from(own)
            .map_err(|_| TraceError::Workload(format!("the number {number} is too large to merge")))
    }

    fn process(self, process: ProcessId) -> Result<ProcessId, TraceError> {
        self.small(process)
    }

    /// Gives what an event names its own number.
    fn event(self, event: &mut Event) -> Result<(), TraceError> {
        match event {
            Event::Fork { child: process } | Event::Switch { process } => {
                *process = self.process(*process)?;
            }
            Event::Mmap { backing: Backing::File { file, .. }, .. }
            | Event::FileRead { file, .. }
            | Event::FileWrite { file, .. }
            | Event::Sendfile { file, .. }
            | Event::SendfileGather { file, .. } => *file = self.small(*file)?,
            Event::Kmalloc { id, .. }
            | Event::Kfree { id }
            | Event::Vmalloc { id, .. }
            | Event::Vfree { id }
            | Event::AllocPages { id, .. }
            | Event::FreePages { id } => *id = self.own(*id)?,
            Event::Mmap { .. }
            | Event::Munmap { .. }
            | Event::Mprotect { .. }
            | Event::Madvise { .. }
            | Event::Brk { .. }
            | Event::Exec
            | Event::Exit
            | Event::HeapMalloc { .. }
            | Event::HeapFree { .. }
            | Event::PageContent { .. }
            | Event::Phase { .. }
            | Event::RegionStart
            | Event::RegionEnd => {}
        }
        Ok(())
    }
}

impl Source for Merge {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        batch.clear();
        while batch.records() < BATCH_ACCESSES {
            let Some(index) = self.next()? else { break };
            self.take(index, batch)?;
        }
        Ok(!batch.is_empty())
    }

    fn progress(&self) -> Option<(u64, u64)> {
        let each: Option<Vec<_>> = self.parts.iter().map(|part| part.source.progress()).collect();
        each.map(|each| each.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1)))
    }

    fn metadata(&self) -> Option<&Metadata> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Access, Branch};

    /// A trace in batches of three records.
    struct Records(VecDeque<Record>);

    impl Source for Records {
        fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
            batch.clear();
            let count = self.0.len().min(3);
            self.0.drain(..count).for_each(|record| batch.push(record));
            Ok(count > 0)
        }
    }

    fn access(cpu: CpuId, addr: u64, gap: u32) -> Record {
        Record::Access(Access { cpu, addr, gap, ..Access::default() })
    }

    fn merged(traces: &[Vec<Record>], together: Together) -> Vec<Record> {
        let source = |trace: &Vec<Record>| -> Box<dyn Source> {
            Box::new(Records(trace.iter().cloned().collect()))
        };
        let mut merge = Merge::new(traces.iter().map(source).collect(), together);
        let (mut batch, mut records) = (Batch::new(), Vec::new());
        while merge.fill(&mut batch).unwrap() {
            records.extend(batch.iter());
        }
        records
    }

    #[test]
    fn traces_go_in_step_by_instructions() {
        // One of four instructions an access, the other of one.
        let slow: Vec<_> = (0..3).map(|n| access(0, n, 3)).collect();
        let fast: Vec<_> = (0..8).map(|n| access(0, 100 + n, 0)).collect();
        let records = merged(&[slow, fast], Together::Threads);
        let order: Vec<_> = records
            .iter()
            .map(|record| match record {
                Record::Access(access) => (access.cpu, access.addr),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [
            (0, 0),
            (1, 100),
            (1, 101),
            (1, 102),
            (1, 103),
            (0, 1),
            (1, 104),
            (1, 105),
            (1, 106),
            (1, 107),
            (0, 2),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn programs_keep_processes_and_files_of_their_own() {
        let program = || {
            vec![
                access(0, 7, 0),
                Record::Event(0, Event::Fork { child: 1 }),
                Record::Branch(Branch { cpu: 1, ..Branch::default() }),
                Record::Event(1, Event::Switch { process: 1 }),
                Record::Event(1, Event::FileRead { file: 2, offset: 0, length: 1, buffer: 0 }),
            ]
        };
        let records = merged(&[program(), program()], Together::Programs);
        let of = |index: u16| -> Vec<_> {
            let cpu_of = |record: &Record| match record {
                Record::Access(access) => access.cpu,
                Record::Branch(branch) => branch.cpu,
                Record::Event(cpu, _) => *cpu,
            };
            records.iter().filter(|record| cpu_of(record) % 2 == index).cloned().collect()
        };
        assert_eq!(of(0).len(), 5);
        assert_eq!(of(0)[3], Record::Event(2, Event::Switch { process: 2 }));
        let expected = [
            Record::Event(1, Event::Switch { process: 1 }),
            access(1, 7, 0),
            Record::Event(1, Event::Fork { child: 3 }),
            Record::Event(3, Event::Switch { process: 1 }),
            Record::Branch(Branch { cpu: 3, ..Branch::default() }),
            Record::Event(3, Event::Switch { process: 3 }),
            Record::Event(3, Event::FileRead { file: 5, offset: 0, length: 1, buffer: 0 }),
        ];
        assert_eq!(of(1), expected);
        let threads = merged(&[program(), program()], Together::Threads);
        assert_eq!(threads.len(), 10);
        assert!(threads.contains(&Record::Event(3, Event::Switch { process: 1 })));
    }
}
