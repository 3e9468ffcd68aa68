//! DynamoRIO's memory traces (drmemtrace), as its post-processing stores them.
//!
//! A file is a sequence of packed little-endian entries: a type and a size of 16 bits each, and an address
//! of 64 bits, or of 32 where a 32-bit program was traced (clients/drcachesim/common/trace_entry.h). Versions
//! 1 to 7 of the format are read, single files as well as directories with one file a thread (or one a core).
//!
//! - A fetched instruction is a fetch; its loads, stores and software prefetches belong to it. The entries of
//!   further iterations of a string instruction are no fetches. An entry of size 0 only tells the
//!   program counter of the data that follow (filtered traces).
//! - A conditional branch is a branch record. Versions below 5 do not say whether it was taken: the
//!   thread's next instruction does.
//! - Threads interleave by their timestamps and run on the machine's CPUs, each new one on the CPU with the
//!   fewest live threads. A file of a core is a CPU.
//! - System calls whose arguments were recorded (`-record_syscall`) become mmap, munmap, mprotect, madvise
//!   and brk events. The format does not name files: a descriptor's file changes where it is mapped without
//!   a wanted address, as the dynamic loader does once for each library.
//!
//! Not kept: encodings, physical addresses, cache flushes, signals, scheduling hints, and which register an
//! address came from.

mod calls;
mod directory;
mod entry;
mod file;
mod placement;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use crate::batch::{BATCH_ACCESSES, Batch};
use crate::error::TraceError;
use crate::formats::Input;
use crate::formats::stream::Stream;
use crate::source::Source;

pub use directory::thread_files;
pub use entry::is_likely;
use file::{File, Step};
use placement::Machine;

/// The most files that are open at once.
const MOST_OPEN: usize = 512;
/// The most records that one entry stands for: a bundle of eight instructions, and a few beside them.
const MOST: usize = 12;

/// What a reader is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// How many CPUs the threads run on: as many as live at once where there is no bound.
    pub cpus: Option<u16>,
    /// See [`Stream::limit_expansion`].
    pub max_expansion: Option<u64>,
}

/// A trace of one or more files.
pub struct Drmemtrace {
    options: Options,
    slots: Vec<Slot>,
    /// When each file that is not running continues, and its number: ascending file names.
    waiting: BinaryHeap<Reverse<(u64, usize)>>,
    running: Option<usize>,
    machine: Machine,
    open: usize,
    /// Bytes of the files that are done, and of all.
    done: u64,
    total: Option<u64>,
}

struct Slot {
    path: PathBuf,
    length: u64,
    /// The file, while it is open.
    file: Option<Box<File>>,
}

impl Drmemtrace {
    /// Reads one file.
    ///
    /// # Errors
    /// It is not of the format.
    pub fn new(stream: Stream, options: Options) -> Result<Self, TraceError> {
        let path = stream.input().path();
        let total = stream.progress().map(|(_, length)| length);
        let file = Box::new(File::new(stream, 0)?);
        let slot = Slot { path, length: total.unwrap_or(0), file: Some(file) };
        let mut trace = Self::of(vec![slot], options);
        (trace.running, trace.open, trace.total) = (Some(0), 1, total);
        Ok(trace)
    }

    /// Reads the thread files of a directory.
    ///
    /// # Errors
    /// There are none, or one is not of the format.
    pub fn open(directory: &Path, options: Options) -> Result<Self, TraceError> {
        let mut slots = Vec::new();
        for path in thread_files(directory)? {
            let length = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            slots.push(Slot { path, length, file: None });
        }
        let total = slots.iter().map(|slot| slot.length).sum();
        let mut trace = Self::of(slots, options);
        trace.total = Some(total);
        for index in 0..trace.slots.len() {
            // Only its first timestamp: thousands of threads that do not run yet need no buffers.
            let first = trace.load(index)?.first_timestamp()?;
            trace.waiting.push(Reverse((first, index)));
        }
        Ok(trace)
    }

    fn of(slots: Vec<Slot>, options: Options) -> Self {
        Self {
            options,
            slots,
            waiting: BinaryHeap::new(),
            running: None,
            machine: Machine::new(options.cpus),
            open: 0,
            done: 0,
            total: None,
        }
    }

    /// Opens file `index`.
    fn load(&self, index: usize) -> Result<File, TraceError> {
        let mut stream = Stream::open(&Input::Path(self.slots[index].path.clone()))?;
        if let Some(most) = self.options.max_expansion {
            stream.limit_expansion(most);
        }
        File::new(stream, index)
    }

    /// The file that runs, opened if it is its first turn; nothing at the end.
    fn next(&mut self) -> Result<Option<usize>, TraceError> {
        let index = match self.running {
            Some(index) => index,
            None => match self.waiting.pop() {
                Some(Reverse((_, index))) => index,
                None => return Ok(None),
            },
        };
        if self.slots[index].file.is_none() {
            if self.open == MOST_OPEN {
                let path = self.slots[index].path.clone();
                let message = format!("more than {MOST_OPEN} threads of the trace run at once");
                return Err(TraceError::Format { path, message });
            }
            let mut file = self.load(index)?;
            file.first_timestamp()?;
            self.slots[index].file = Some(Box::new(file));
            self.open += 1;
        }
        self.running = Some(index);
        Ok(Some(index))
    }

    /// Lets the file that runs go on.
    fn advance(&mut self, index: usize, batch: &mut Batch) -> Result<(), TraceError> {
        let slot = &mut self.slots[index];
        let Some(file) = &mut slot.file else { return Ok(()) };
        match file.run(&mut self.machine, batch)? {
            Step::Full => {}
            Step::Timestamp(time) => {
                self.waiting.push(Reverse((time, index)));
                if self.waiting.peek().is_some_and(|Reverse((_, next))| *next == index) {
                    self.waiting.pop();
                } else {
                    file.pause();
                    self.running = None;
                }
            }
            Step::End => {
                slot.file = None;
                self.done += slot.length;
                self.open -= 1;
                self.running = None;
            }
        }
        Ok(())
    }
}

impl Source for Drmemtrace {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        batch.clear();
        while has_room(batch) {
            let Some(index) = self.next()? else { break };
            self.advance(index, batch)?;
        }
        Ok(!batch.is_empty())
    }

    fn progress(&self) -> Option<(u64, u64)> {
        let running = self.running.and_then(|index| self.slots[index].file.as_ref());
        let part = running.and_then(|file| file.progress()).map_or(0, |(done, _)| done);
        self.total.map(|total| (self.done + part, total))
    }
}

/// Whether another entry's records fit.
fn has_room(batch: &Batch) -> bool {
    batch.accesses() + MOST <= BATCH_ACCESSES && batch.asides.len() + MOST <= BATCH_ACCESSES
}
