//! When every page, or line, is touched next: what Belady's policy has to know of the future.
//!
//! A trace is read once to spool the pieces of memory that it touches to temporary files, one for each size
//! of pieces, the files are gone through backwards to find each touch's successor, and a second reading of
//! the trace is given the result batch by batch. Memory is proportional to the distinct pieces, not to the
//! trace.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::batch::{Aside, Batch, NextUses};
use crate::error::TraceError;
use crate::metadata::Metadata;
use crate::record::{CpuId, Event, ProcessId};
use crate::source::Source;

/// Touches that are held in memory at a time.
const CHUNK: usize = 1 << 16;

/// A touch that has no successor.
pub const NEVER: u64 = u64::MAX;

/// The numbers of the pages of 2^`shift` bytes that an access of `size` bytes at `addr` touches.
pub fn pages(addr: u64, size: u32, shift: u8) -> std::ops::RangeInclusive<u64> {
    let last = addr.saturating_add(u64::from(size.max(1)) - 1);
    addr >> shift..=last >> shift
}

/// Which process each CPU runs, as the trace goes on.
#[derive(Debug, Default)]
struct Running(Vec<ProcessId>);

impl Running {
    fn on(&self, cpu: CpuId) -> ProcessId {
        self.0.get(usize::from(cpu)).copied().unwrap_or(0)
    }

    fn see(&mut self, aside: &Aside) {
        if let Aside::Event(cpu, Event::Switch { process }) = aside {
            let cpu = usize::from(*cpu);
            if cpu >= self.0.len() {
                self.0.resize(cpu + 1, 0);
            }
            self.0[cpu] = *process;
        }
    }
}

/// Calls `touch` for every access of `batch`, with the process that makes it.
fn accesses(
    batch: &Batch,
    running: &mut Running,
    mut touch: impl FnMut(ProcessId, u64, u32) -> io::Result<()>,
) -> io::Result<()> {
    let mut asides = batch.asides.iter().peekable();
    for index in 0..batch.accesses() {
        while let Some((_, aside)) = asides.next_if(|(at, _)| *at as usize <= index) {
            running.see(aside);
        }
        touch(running.on(batch.cpu[index]), batch.addr[index], batch.size[index])?;
    }
    asides.for_each(|(_, aside)| running.see(aside));
    Ok(())
}

/// A source whose batches say when each piece of memory is touched next.
pub struct Annotated<S> {
    source: S,
    futures: Vec<Future>,
}

/// The next uses of the pieces of one size.
struct Future {
    shift: u8,
    /// The successor of every touch, 8 bytes each, little-endian.
    successors: File,
    left: u64,
}

/// Reads `first` to its end, then lets `again`, the same trace from its start, say in
/// [`Batch::next_uses`] when each piece of memory is touched next, for every size of 2^shift bytes of
/// `shifts`.
///
/// # Errors
/// What is wrong with the trace, or with the temporary files.
pub fn annotate<S: Source>(
    mut first: impl Source,
    again: S,
    shifts: &[u8],
) -> Result<Annotated<S>, TraceError> {
    let spools = spool(&mut first, shifts)?;
    let futures = spools.into_iter().map(Spool::future).collect::<io::Result<_>>();
    Ok(Annotated { source: again, futures: futures.map_err(temporary)? })
}

fn temporary(source: io::Error) -> TraceError {
    TraceError::Io { path: PathBuf::from("temporary file for next uses"), source }
}

/// The touched pieces of one size: their numbers, 8 bytes each, in a file.
struct Spool {
    shift: u8,
    numbers: HashMap<(ProcessId, u64), u64>,
    file: BufWriter<File>,
    count: u64,
}

impl Spool {
    fn new(shift: u8) -> io::Result<Self> {
        let file = BufWriter::new(tempfile::tempfile()?);
        Ok(Self { shift, numbers: HashMap::new(), file, count: 0 })
    }

    fn touch(&mut self, process: ProcessId, addr: u64, size: u32) -> io::Result<()> {
        for page in pages(addr, size, self.shift) {
            let next = self.numbers.len() as u64;
            self.count += 1;
            let number = self.numbers.entry((process, page)).or_insert(next);
            self.file.write_all(&number.to_le_bytes())?;
        }
        Ok(())
    }

    fn future(self) -> io::Result<Future> {
        let file = self.file.into_inner().map_err(|error| error.into_error())?;
        let successors = successors(file, self.count, self.numbers.len())?;
        Ok(Future { shift: self.shift, successors, left: self.count })
    }
}

/// Writes the number of every touched piece of every size.
fn spool(source: &mut impl Source, shifts: &[u8]) -> Result<Vec<Spool>, TraceError> {
    let spools = shifts.iter().map(|shift| Spool::new(*shift)).collect::<io::Result<_>>();
    let mut spools: Vec<_> = spools.map_err(temporary)?;
    let (mut batch, mut running) = (Batch::new(), Running::default());
    while source.fill(&mut batch)? {
        accesses(&batch, &mut running, |process, addr, size| {
            spools.iter_mut().try_for_each(|spool| spool.touch(process, addr, size))
        })
        .map_err(temporary)?;
    }
    Ok(spools)
}

/// Replaces every page number by the index of the touch of the same page that follows it.
fn successors(mut file: File, count: u64, distinct: usize) -> io::Result<File> {
    let mut latest = vec![NEVER; distinct];
    let mut bytes = Vec::with_capacity(CHUNK * 8);
    let mut end = count;
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        // At most CHUNK.
        bytes.resize((end - start) as usize * 8, 0);
        file.seek(SeekFrom::Start(start * 8))?;
        file.read_exact(&mut bytes)?;
        for (place, touch) in bytes.chunks_exact_mut(8).enumerate().rev() {
            let number = u64::from_le_bytes(touch.try_into().map_err(io::Error::other)?);
            // The spool holds numbers below `distinct`.
            let latest = &mut latest[number as usize];
            touch.copy_from_slice(&latest.to_le_bytes());
            *latest = start + place as u64;
        }
        file.seek(SeekFrom::Start(start * 8))?;
        file.write_all(&bytes)?;
        end = start;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

impl Future {
    /// The next uses of what `batch` touches.
    fn of(&mut self, batch: &Batch) -> Result<NextUses, TraceError> {
        let ranges = batch.addr.iter().zip(&batch.size);
        let wanted: u64 = ranges
            .map(|(addr, size)| {
                let pages = pages(*addr, *size, self.shift);
                pages.end() - pages.start() + 1
            })
            .sum();
        if wanted > self.left {
            let message = "the second reading of the trace is longer than the first".to_owned();
            return Err(TraceError::Format { path: PathBuf::from("trace"), message });
        }
        self.left -= wanted;
        let mut bytes = vec![0; usize::try_from(wanted * 8).unwrap_or(usize::MAX)];
        self.successors.read_exact(&mut bytes).map_err(temporary)?;
        let touches = bytes
            .chunks_exact(8)
            .map(|touch| touch.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)));
        Ok(NextUses { shift: self.shift, touches: touches.collect() })
    }
}

impl<S: Source> Source for Annotated<S> {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        let more = self.source.fill(batch)?;
        for future in &mut self.futures {
            let uses = future.of(batch)?;
            batch.next_uses.push(uses);
        }
        Ok(more)
    }

    fn progress(&self) -> Option<(u64, u64)> {
        self.source.progress()
    }

    fn metadata(&self) -> Option<&Metadata> {
        self.source.metadata()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Access;

    struct Once(Vec<Batch>);
    impl Source for Once {
        fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
            batch.clear();
            Ok(self.0.pop().map(|next| *batch = next).is_some())
        }
    }

    fn trace(pages: &[(u64, u32)]) -> Once {
        let mut batches: Vec<Batch> = pages
            .chunks(3)
            .map(|part| {
                let mut batch = Batch::default();
                for (page, size) in part {
                    batch.push_access(Access {
                        addr: page << 12,
                        size: *size,
                        ..Access::default()
                    });
                }
                batch
            })
            .collect();
        batches.reverse();
        Once(batches)
    }

    #[test]
    fn every_touch_names_its_successor() {
        let touched = [(1, 1), (2, 1), (1, 8192), (2, 1), (9, 1), (1, 1)];
        let mut annotated = annotate(trace(&touched), trace(&touched), &[12]).unwrap();
        let (mut batch, mut found) = (Batch::new(), Vec::new());
        while annotated.fill(&mut batch).unwrap() {
            found.extend_from_slice(batch.next_use(12));
        }
        // Touches: 1 2 (1 2) 2 9 1.
        assert_eq!(found, [2, 3, 6, 4, NEVER, NEVER, NEVER]);
    }

    /// Lines of 2 KiB beside pages of 4 KiB, of the same touches.
    #[test]
    fn every_size_has_uses_of_its_own() {
        let touched = [(1, 1), (2, 1), (1, 4096), (2, 1)];
        let mut annotated = annotate(trace(&touched), trace(&touched), &[12, 11]).unwrap();
        let (mut batch, mut pages, mut lines) = (Batch::new(), Vec::new(), Vec::new());
        while annotated.fill(&mut batch).unwrap() {
            pages.extend_from_slice(batch.next_use(12));
            lines.extend_from_slice(batch.next_use(11));
            assert!(batch.next_use(6).is_empty());
        }
        assert_eq!(pages, [2, 3, NEVER, NEVER]);
        // Touches: 1's lower half, 2's lower half, 1's lower and upper half, 2's lower half.
        assert_eq!(lines, [2, 4, NEVER, NEVER, NEVER]);
    }

    #[test]
    fn chunks_join() {
        let touched: Vec<_> = (0..CHUNK as u64 + 10).map(|n| (n % 7, 1)).collect();
        let mut annotated = annotate(trace(&touched), trace(&touched), &[12]).unwrap();
        let (mut batch, mut found) = (Batch::new(), Vec::new());
        while annotated.fill(&mut batch).unwrap() {
            found.extend_from_slice(batch.next_use(12));
        }
        let last = touched.len() as u64 - 7;
        let expected = (0..touched.len() as u64).map(|n| if n < last { n + 7 } else { NEVER });
        assert!(found.into_iter().eq(expected));
    }
}
