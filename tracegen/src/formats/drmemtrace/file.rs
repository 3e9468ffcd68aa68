//! One file: what its entries say, thread by thread.

use std::collections::HashMap;

use super::calls::Calls;
use super::entry::{Entries, Entry, NEWEST, filetype, kind, marker};
use super::has_room;
use super::placement::Machine;
use crate::batch::Batch;
use crate::error::TraceError;
use crate::formats::stream::Stream;
use crate::record::{Access, AccessKind, Branch, CpuId, ProcessId, SAME_INSTRUCTION};

/// The most threads that a file may switch between.
const MOST_THREADS: usize = 1 << 16;

/// Why a file stopped.
pub enum Step {
    /// The batch has no room.
    Full,
    /// The thread has come to this time.
    Timestamp(u64),
    /// The file is at its end.
    End,
}

/// A file.
pub struct File {
    entries: Entries,
    /// Its number among the files of the trace.
    index: usize,
    filetype: u64,
    /// The threads, by the number that the traced system gave them.
    names: HashMap<u64, usize>,
    threads: Vec<Thread>,
    current: usize,
    /// What the machine runs is this file's current thread.
    entered: bool,
}

/// A thread.
#[derive(Default)]
struct Thread {
    pid: u64,
    place: Option<(CpuId, ProcessId)>,
    /// The program counter, and the one behind the instruction.
    pc: u64,
    next_pc: Option<u64>,
    /// The next access belongs to the instruction of the record before.
    same: bool,
    /// A conditional branch that is not known to be taken yet, and where it goes if it is not.
    undecided: Option<(u64, u64)>,
    /// A chunk has begun, whose first time repeats the last of the chunk before.
    repeats: bool,
    calls: Calls,
}

impl File {
    /// Reads `stream`, file number `index` of a trace.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn new(stream: Stream, index: usize) -> Result<Self, TraceError> {
        Ok(Self {
            entries: Entries::new(stream)?,
            index,
            filetype: 0,
            names: HashMap::new(),
            threads: vec![Thread::default()],
            current: 0,
            entered: false,
        })
    }

    /// Reads up to the first time that the file tells; 0 if an access comes before.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn first_timestamp(&mut self) -> Result<u64, TraceError> {
        while let Some(entry) = self.entries.entry()? {
            match entry.kind {
                kind::MARKER if entry.size == marker::TIMESTAMP => return Ok(entry.addr),
                kind::MARKER | kind::ENCODING => self.marker_before_time(&entry)?,
                kind::THREAD | kind::PID | kind::HEADER | kind::FOOTER => self.frame(&entry)?,
                _ => {
                    self.entries.again();
                    break;
                }
            }
        }
        Ok(0)
    }

    fn marker_before_time(&mut self, entry: &Entry) -> Result<(), TraceError> {
        match (entry.kind, entry.size) {
            (kind::MARKER, marker::VERSION) => self.version(entry.addr),
            (kind::MARKER, marker::FILETYPE) => {
                self.filetype = entry.addr;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Reads on until something stops it.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn run(&mut self, machine: &mut Machine, batch: &mut Batch) -> Result<Step, TraceError> {
        while has_room(batch) {
            let Some(entry) = self.entries.entry()? else {
                for (cpu, _) in self.threads.iter().filter_map(|thread| thread.place) {
                    machine.release(cpu);
                }
                return Ok(Step::End);
            };
            if self.threads[self.current].calls.is_over() {
                self.call(&entry, machine, batch)?;
            }
            match entry.kind {
                kind::MARKER => {
                    if let Some(time) = self.marker(&entry)? {
                        return Ok(Step::Timestamp(time));
                    }
                }
                kind::THREAD_EXIT => {
                    self.switch(entry.addr)?;
                    if let Some((cpu, _)) = self.threads[self.current].place.take() {
                        machine.release(cpu);
                    }
                }
                kind::THREAD | kind::PID | kind::HEADER | kind::FOOTER => self.frame(&entry)?,
                _ => self.reference(&entry, machine, batch)?,
            }
        }
        Ok(Step::Full)
    }

    /// Another file runs until the next call of [`Self::run`].
    pub fn pause(&mut self) {
        self.entered = false;
    }

    /// How far the file has been read.
    pub fn progress(&self) -> Option<(u64, u64)> {
        self.entries.progress()
    }

    /// An entry that says whose the following ones are.
    fn frame(&mut self, entry: &Entry) -> Result<(), TraceError> {
        match entry.kind {
            kind::HEADER => self.version(entry.addr)?,
            kind::THREAD => self.switch(entry.addr)?,
            kind::PID => {
                let thread = &mut self.threads[self.current];
                if thread.pid != entry.addr {
                    // A number that is used again, by another process.
                    thread.pid = entry.addr;
                    self.entered = false;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn version(&self, version: u64) -> Result<(), TraceError> {
        if (1..=NEWEST).contains(&version) {
            return Ok(());
        }
        let message = format!("drmemtrace of version {version}; versions 1 to {NEWEST} are read");
        Err(self.entries.fault(message))
    }

    fn switch(&mut self, tid: u64) -> Result<(), TraceError> {
        let next = self.threads.len();
        if next == MOST_THREADS && !self.names.contains_key(&tid) {
            return Err(self.entries.fault(format!("a thread beyond the {MOST_THREADS}th")));
        }
        let index = *self.names.entry(tid).or_insert(next);
        if index == next {
            self.threads.push(Thread::default());
        }
        self.entered &= index == self.current;
        self.current = index;
        Ok(())
    }

    /// Takes a marker in; returns the time, if it is one.
    fn marker(&mut self, entry: &Entry) -> Result<Option<u64>, TraceError> {
        let bytes = self.entries.address_bytes();
        let thread = &mut self.threads[self.current];
        match entry.size {
            marker::TIMESTAMP if !thread.repeats => return Ok(Some(entry.addr)),
            marker::CPU_ID => thread.repeats = false,
            marker::CHUNK_FOOTER => thread.repeats = true,
            marker::KERNEL_EVENT => {
                // The next instruction is a handler's: it does not tell where a branch went.
                thread.undecided = None;
                thread.same = false;
            }
            marker::FUNC_ID => thread.calls.named(entry.addr, bytes, self.filetype),
            marker::FUNC_ARG => thread.calls.argument(entry.addr),
            marker::FUNC_RETVAL => thread.calls.returned(entry.addr),
            _ => self.marker_before_time(entry)?,
        }
        Ok(None)
    }

    /// The event of the system call that is over; `next` may say that it failed.
    fn call(
        &mut self,
        next: &Entry,
        machine: &mut Machine,
        batch: &mut Batch,
    ) -> Result<(), TraceError> {
        let failed = next.kind == kind::MARKER && next.size == marker::SYSCALL_FAILED;
        let event = self.threads[self.current].calls.event(failed, self.index as u32);
        if let Some(event) = event {
            let (cpu, _) = self.enter(machine, batch)?;
            batch.push_event(cpu, event);
        }
        Ok(())
    }

    /// Makes the machine run the current thread, if it does not yet.
    #[inline]
    fn enter(
        &mut self,
        machine: &mut Machine,
        batch: &mut Batch,
    ) -> Result<(CpuId, &mut Thread), TraceError> {
        if !self.entered {
            self.enter_first(machine, batch)?;
        }
        let thread = &mut self.threads[self.current];
        let (cpu, _) = thread.place.unwrap_or_default();
        Ok((cpu, thread))
    }

    #[cold]
    fn enter_first(&mut self, machine: &mut Machine, batch: &mut Batch) -> Result<(), TraceError> {
        let thread = &mut self.threads[self.current];
        let Some(process) = machine.process(thread.pid) else {
            return Err(self.entries.fault("too many processes".to_owned()));
        };
        let cpu = match thread.place {
            Some((cpu, _)) => cpu,
            None if self.filetype & filetype::CORE_SHARDED != 0 => machine.core(self.index),
            None => machine.place(),
        };
        thread.place = Some((cpu, process));
        thread.same = false;
        machine.run(cpu, process, batch);
        self.entered = true;
        Ok(())
    }

    /// An instruction, an access, or what is neither.
    #[inline]
    fn reference(
        &mut self,
        entry: &Entry,
        machine: &mut Machine,
        batch: &mut Batch,
    ) -> Result<(), TraceError> {
        match entry.kind {
            kind::READ => self.data(AccessKind::Load, entry, machine, batch),
            kind::WRITE => self.data(AccessKind::Store, entry, machine, batch),
            kind::PREFETCH..=kind::PREFETCH_INSTR
            | kind::PREFETCH_READ_L1_NT..=kind::PREFETCH_WRITE_L3_NT => {
                self.data(AccessKind::Prefetch, entry, machine, batch)
            }
            kind::INSTR..=kind::RETURN
            | kind::NO_FETCH
            | kind::MAYBE_FETCH
            | kind::SYSENTER
            | kind::TAKEN_JUMP
            | kind::UNTAKEN_JUMP => self.instruction(entry, machine, batch),
            kind::BUNDLE => self.bundle(entry, machine, batch),
            // An encoding precedes its instruction; a hardware prefetch is a simulator's.
            kind::INSTR_FLUSH..=kind::DATA_FLUSH_END | kind::HARDWARE_PREFETCH | kind::ENCODING => {
                Ok(())
            }
            other => Err(self.entries.fault(format!("expected an entry's type, found {other}"))),
        }
    }

    #[inline]
    fn data(
        &mut self,
        kind: AccessKind,
        entry: &Entry,
        machine: &mut Machine,
        batch: &mut Batch,
    ) -> Result<(), TraceError> {
        let (cpu, thread) = self.enter(machine, batch)?;
        let gap = if thread.same { SAME_INSTRUCTION } else { 0 };
        thread.same = true;
        let (addr, size) = (entry.addr, u32::from(entry.size));
        let site = thread.pc;
        if addr.checked_add(u64::from(size.saturating_sub(1))).is_none() {
            let message =
                format!("an access of {size} bytes at {addr:#x}, beyond 64-bit addresses");
            return Err(self.entries.fault(message));
        }
        batch.push_access(Access { cpu, kind, addr, size, site, gap, dep: 0 });
        Ok(())
    }

    #[inline]
    fn instruction(
        &mut self,
        entry: &Entry,
        machine: &mut Machine,
        batch: &mut Batch,
    ) -> Result<(), TraceError> {
        let (site, size) = (entry.addr, u32::from(entry.size));
        if size == 0 {
            let thread = &mut self.threads[self.current];
            (thread.pc, thread.same) = (site, false);
            return Ok(());
        }
        let (cpu, thread) = self.enter(machine, batch)?;
        let branch = Branch { cpu, site, taken: entry.kind == kind::TAKEN_JUMP, gap: 0, dep: 0 };
        if let Some((site, behind)) = thread.undecided.take() {
            batch.push_branch(Branch { site, taken: entry.addr != behind, ..branch });
        }
        // An online trace leaves it to the reader: another iteration of the instruction before?
        let iteration = entry.kind == kind::NO_FETCH
            || (entry.kind == kind::MAYBE_FETCH && thread.next_pc.is_some() && thread.pc == site);
        let behind = site.wrapping_add(u64::from(size));
        (thread.pc, thread.next_pc, thread.same) = (site, Some(behind), true);
        if iteration {
            return Ok(());
        }
        let fetch = Access { kind: AccessKind::Fetch, addr: site, ..Access::default() };
        batch.push_access(Access { cpu, size, site, ..fetch });
        match entry.kind {
            kind::TAKEN_JUMP | kind::UNTAKEN_JUMP => batch.push_branch(branch),
            kind::CONDITIONAL_JUMP => thread.undecided = Some((site, behind)),
            _ => {}
        }
        Ok(())
    }

    /// Instructions that follow the last one; the entry's address is their lengths.
    fn bundle(
        &mut self,
        entry: &Entry,
        machine: &mut Machine,
        batch: &mut Batch,
    ) -> Result<(), TraceError> {
        let most = self.entries.address_bytes();
        if entry.size > most {
            let message = format!("a bundle of {} instructions, at most {most} fit", entry.size);
            return Err(self.entries.fault(message));
        }
        for length in entry.addr.to_le_bytes().into_iter().take(usize::from(entry.size)) {
            let Some(addr) = self.threads[self.current].next_pc else {
                return Err(self.entries.fault("a bundle before any instruction".to_owned()));
            };
            if length == 0 {
                return Err(self
                    .entries
                    .fault("an instruction of no bytes in a bundle".to_owned()));
            }
            let next = Entry { kind: kind::INSTR, size: u16::from(length), addr };
            self.instruction(&next, machine, batch)?;
        }
        Ok(())
    }
}
