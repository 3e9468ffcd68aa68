//! Writes ChampSim's records.

use std::collections::VecDeque;

use super::{FLAGS, INSTRUCTION_POINTER, Instruction, SIZE, STACK_POINTER};
use crate::batch::{Aside, Batch};
use crate::error::TraceError;
use crate::formats::losses::Losses;
use crate::formats::output::Output;
use crate::record::{Access, AccessKind, Branch, CpuId, SAME_INSTRUCTION};
use crate::sink::Sink;

/// The most instructions without an access that are written for one gap.
const LONGEST_GAP: u32 = 1 << 16;

/// Writes the format: an instruction for each fetch with the accesses that belong to it, for each access that
/// belongs to none, and for each instruction of a gap. Dependences go through registers, of which each
/// loading instruction takes another one in turn.
pub struct ChampsimWriter {
    output: Output,
    /// The instruction that may get more accesses, and its CPU.
    open: Option<(CpuId, Open)>,
    loads: Loads,
    losses: Losses,
    /// Accesses at address 0.
    nowhere: u64,
    /// Instructions of gaps that were too long.
    skipped: u64,
    /// Instructions that were cut in several.
    cut: u64,
    /// A load came after a store of its instruction.
    reordered: bool,
}

/// An instruction that may get more accesses.
#[derive(Default)]
struct Open {
    instruction: Instruction,
    /// It began with a fetch: what follows on its CPU is its own.
    fetched: bool,
    reads: usize,
    writes: usize,
    /// The register whose load its accesses depend on, once there is an access: 0 for none.
    source: Option<u8>,
}

impl ChampsimWriter {
    /// Writes to `output`.
    pub fn new(output: Output) -> Self {
        Self {
            output,
            open: None,
            loads: Loads::default(),
            losses: Losses::default(),
            nowhere: 0,
            skipped: 0,
            cut: 0,
            reordered: false,
        }
    }

    fn put(&mut self, instruction: &Instruction) -> Result<(), TraceError> {
        self.output.with(|file| file.write_all(&instruction.encode()))
    }

    /// Writes the open instruction.
    fn close(&mut self) -> Result<(), TraceError> {
        let Some((_, mut open)) = self.open.take() else { return Ok(()) };
        if let Some(register @ 1..) = open.source {
            let free = open.instruction.sources.iter_mut().find(|source| **source == 0);
            if let Some(source) = free {
                *source = register;
            }
        }
        if open.reads > 0 {
            let register = self.loads.end_of_instruction();
            let free = open.instruction.destinations.iter_mut().find(|register| **register == 0);
            if let Some(destination) = free {
                *destination = register;
            }
        }
        self.put(&open.instruction)
    }

    /// Closes the instruction before and opens one at `ip` after `gap` others.
    fn start(&mut self, cpu: CpuId, ip: u64, gap: u32) -> Result<(), TraceError> {
        self.close()?;
        self.losses.cpus |= cpu != 0;
        for _ in 0..gap.min(LONGEST_GAP) {
            self.put(&Instruction { ip, ..Instruction::default() })?;
        }
        self.skipped += u64::from(gap.saturating_sub(LONGEST_GAP));
        let instruction = Instruction { ip, ..Instruction::default() };
        self.open = Some((cpu, Open { instruction, ..Open::default() }));
        Ok(())
    }

    fn access(&mut self, access: &Access) -> Result<(), TraceError> {
        self.losses.sizes |= access.size != SIZE;
        match access.kind {
            AccessKind::Prefetch => {
                self.losses.prefetches += 1;
                return Ok(());
            }
            AccessKind::Fetch => {
                self.losses.sites |= access.site != access.addr;
                // What lies between fetches is no instruction: fetches count them all.
                self.start(access.cpu, access.addr, 0)?;
                if let Some((_, open)) = &mut self.open {
                    open.fetched = true;
                }
                return Ok(());
            }
            AccessKind::Load | AccessKind::Store => {}
        }
        let gap = match access.gap {
            SAME_INSTRUCTION => None,
            gap => Some(gap),
        };
        let load = access.kind == AccessKind::Load;
        let most = if load { 4 } else { 2 };
        let (ip, full) = match &self.open {
            Some((cpu, open)) if *cpu == access.cpu && (gap.is_none() || open.fetched) => {
                let count = if load { open.reads } else { open.writes };
                (Some(open.instruction.ip), count == most)
            }
            _ => (None, false),
        };
        match ip {
            Some(_) if !full => {}
            Some(ip) => {
                self.cut += 1;
                self.start(access.cpu, ip, 0)?;
            }
            None => self.start(access.cpu, access.site, gap.unwrap_or(0))?,
        }
        self.operand(access);
        Ok(())
    }

    /// Adds the access to the open instruction, which has room for it.
    fn operand(&mut self, access: &Access) {
        let register = self.loads.register(access.dep);
        let load = access.kind == AccessKind::Load;
        if load {
            self.loads.add();
        }
        let Some((_, open)) = &mut self.open else { return };
        self.losses.sites |= access.site != open.instruction.ip;
        let exact = match (register, open.source) {
            (None, _) => false,
            (Some(register), None) => {
                open.source = Some(register);
                true
            }
            (Some(register), Some(source)) => register == source,
        };
        self.losses.dependences |= !exact;
        self.nowhere += u64::from(access.addr == 0);
        if load {
            self.reordered |= open.writes > 0;
            open.instruction.read[open.reads] = access.addr;
            open.reads += 1;
        } else {
            open.instruction.written[open.writes] = access.addr;
            open.writes += 1;
        }
    }

    fn branch(&mut self, branch: &Branch) -> Result<(), TraceError> {
        let joins = matches!(&self.open, Some((cpu, open)) if *cpu == branch.cpu
            && open.instruction.ip == branch.site && !open.instruction.branch)
            && branch.gap == 0;
        if !joins {
            self.start(branch.cpu, branch.site, branch.gap.saturating_sub(1))?;
            // An instruction of its own, which a gap of 0 says it is not.
            self.cut += u64::from(branch.gap == 0);
        }
        let register = self.loads.register(branch.dep);
        let Some((_, open)) = &mut self.open else { return Ok(()) };
        open.instruction.branch = true;
        open.instruction.taken = branch.taken;
        open.instruction.destinations[0] = INSTRUCTION_POINTER;
        open.instruction.sources = [INSTRUCTION_POINTER, FLAGS, 0, 0];
        let exact = match (register, open.source) {
            // Its instruction's own load decides it, as any value that a load gives.
            _ if open.reads > 0 => branch.dep == 1,
            (Some(register), None) => {
                open.source = Some(register);
                true
            }
            (register, source) => register == source,
        };
        self.losses.dependences |= !exact;
        Ok(())
    }
}

impl Sink for ChampsimWriter {
    fn write(&mut self, batch: &Batch) -> Result<(), TraceError> {
        let mut asides = batch.asides.iter().peekable();
        for index in 0..=batch.accesses() {
            while let Some((_, aside)) = asides.next_if(|(at, _)| *at as usize <= index) {
                match aside {
                    Aside::Branch(branch) => self.branch(branch)?,
                    Aside::Event(..) => self.losses.events += 1,
                }
            }
            if index < batch.accesses() {
                self.access(&batch.access(index))?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.close()?;
        self.output.commit()
    }

    fn losses(&self) -> Vec<String> {
        let mut phrases = self.losses.phrases();
        let counts = [
            (self.nowhere, "accesses at address 0"),
            (self.skipped, "instructions of gaps longer than 65536"),
            (self.cut, "bounds of instructions with more accesses than the format has room for"),
        ];
        phrases
            .extend(counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
        if self.reordered {
            phrases.push("the order of a store before a load of one instruction".to_owned());
        }
        phrases
    }
}

/// The registers that stand for the latest loads.
#[derive(Default)]
struct Loads {
    /// The latest instructions that loaded: the number of the last load, and the register that holds it.
    recent: VecDeque<(u64, u8)>,
    count: u64,
    last: u8,
}

/// Registers that are not special.
const REGISTERS: usize = 252;

impl Loads {
    fn add(&mut self) {
        self.count += 1;
    }

    /// The register of the load that lies `dep` back, 0 for none; nothing if no register says it exactly.
    fn register(&self, dep: u32) -> Option<u8> {
        if dep == 0 {
            return Some(0);
        }
        let load = (self.count + 1).checked_sub(u64::from(dep))?;
        let at = self.recent.binary_search_by_key(&load, |(number, _)| *number).ok()?;
        Some(self.recent[at].1)
    }

    /// Gives the loads of the instruction that ends a register.
    fn end_of_instruction(&mut self) -> u8 {
        loop {
            self.last = self.last.wrapping_add(1);
            if !matches!(self.last, 0 | STACK_POINTER | FLAGS | INSTRUCTION_POINTER) {
                break;
            }
        }
        if self.recent.len() == REGISTERS {
            self.recent.pop_front();
        }
        self.recent.push_back((self.count, self.last));
        self.last
    }
}
