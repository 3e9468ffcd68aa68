//! Reads ChampSim's records.

use super::{INSTRUCTION_POINTER, Instruction, RECORD, SIZE, STACK_POINTER};
use crate::batch::{BATCH_ACCESSES, Batch};
use crate::error::TraceError;
use crate::formats::records::Records;
use crate::formats::stream::Stream;
use crate::record::{Access, AccessKind, Branch, SAME_INSTRUCTION};
use crate::source::Source;

/// The most accesses of an instruction: a fetch, four loads, two stores.
const MOST: usize = 7;

/// A trace of ChampSim's.
pub struct Champsim {
    records: Records<RECORD>,
    /// By register, the number of the latest load that its value comes from, counted from 1; 0 for none.
    producers: Box<[u64; 256]>,
    loads: u64,
}

impl Champsim {
    /// Reads `stream`.
    pub fn new(stream: Stream) -> Self {
        Self { records: Records::new(stream), producers: Box::new([0; 256]), loads: 0 }
    }

    #[inline]
    fn instruction(&mut self, instruction: &Instruction, batch: &mut Batch) {
        let site = instruction.ip;
        let fetch = Access { kind: AccessKind::Fetch, addr: site, ..Access::default() };
        batch.push_access(Access { size: SIZE, site, ..fetch });
        let producer = self.producer(instruction);
        for addr in instruction.read.into_iter().filter(|addr| *addr != 0) {
            self.data(AccessKind::Load, addr, site, producer, batch);
            self.loads += 1;
        }
        let loaded = instruction.read != [0; 4];
        for addr in instruction.written.into_iter().filter(|addr| *addr != 0) {
            self.data(AccessKind::Store, addr, site, producer, batch);
        }
        let value = if loaded { self.loads } else { producer };
        if instruction.is_conditional() {
            let dep = self.back(value);
            batch.push_branch(Branch { site, taken: instruction.taken, dep, ..Branch::default() });
        }
        for register in instruction.destinations {
            if carries(register) {
                self.producers[usize::from(register)] = value;
            }
        }
    }

    /// The latest load that a source register's value comes from.
    fn producer(&self, instruction: &Instruction) -> u64 {
        let of = |register: u8| self.producers[usize::from(register)];
        instruction.sources.into_iter().map(of).max().unwrap_or(0)
    }

    #[inline]
    fn data(&self, kind: AccessKind, addr: u64, site: u64, producer: u64, batch: &mut Batch) {
        let access = Access { kind, addr, size: SIZE, site, gap: SAME_INSTRUCTION, cpu: 0, dep: 0 };
        batch.push_access(Access { dep: self.back(producer), ..access });
    }

    /// How many loads back load `producer` is.
    fn back(&self, producer: u64) -> u32 {
        match producer {
            0 => 0,
            producer => u32::try_from(self.loads - producer + 1).unwrap_or(0),
        }
    }
}

/// Whether dependences go through the register. What none does keeps producer 0.
fn carries(register: u8) -> bool {
    !matches!(register, 0 | STACK_POINTER | INSTRUCTION_POINTER)
}

impl Source for Champsim {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        batch.clear();
        while batch.accesses() + MOST <= BATCH_ACCESSES {
            let Some(record) = self.records.record()? else { break };
            let instruction = Instruction::decode(record);
            self.instruction(&instruction, batch);
        }
        Ok(!batch.is_empty())
    }

    fn progress(&self) -> Option<(u64, u64)> {
        self.records.progress()
    }
}
