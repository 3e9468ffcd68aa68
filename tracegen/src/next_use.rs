//! When every page is touched next: what Belady's policy has to know of the future.
//!
//! A trace is read once to spool the pages that it touches to a temporary file, the file is gone through
//! backwards to find each touch's successor, and a second reading of the trace is given the result batch
//! by batch. Memory is proportional to the distinct pages, not to the trace.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::batch::{Aside, Batch};
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

/// Calls `touch` with every page that `batch` touches, in order.
fn touches(
    batch: &Batch,
    shift: u8,
    running: &mut Running,
    mut touch: impl FnMut((ProcessId, u64)) -> io::Result<()>,
) -> io::Result<()> {
    let mut asides = batch.asides.iter().peekable();
    for index in 0..batch.accesses() {
        while let Some((_, aside)) = asides.next_if(|(at, _)| *at as usize <= index) {
            running.see(aside);
        }
        let process = running.on(batch.cpu[index]);
        for page in pages(batch.addr[index], batch.size[index], shift) {
            touch((process, page))?;
        }
    }
    asides.for_each(|(_, aside)| running.see(aside));
    Ok(())
}

/// A source whose batches say when each page is touched next.
pub struct Annotated<S> {
    source: S,
    shift: u8,
    /// The successor of every touch, 8 bytes each, little-endian.
    successors: File,
    left: u64,
}

/// Reads `first` to its end, then lets `again`, the same trace from its start, say in
/// [`Batch::next_use`] when each page of 2^`shift` bytes is touched next.
///
/// # Errors
/// What is wrong with the trace, or with the temporary file.
pub fn annotate<S: Source>(
    mut first: impl Source,
    again: S,
    shift: u8,
) -> Result<Annotated<S>, TraceError> {
    let (spool, count, distinct) = spool(&mut first, shift)?;
    let successors = successors(spool, count, distinct).map_err(temporary)?;
    Ok(Annotated { source: again, shift, successors, left: count })
}

fn temporary(source: io::Error) -> TraceError {
    TraceError::Io { path: PathBuf::from("temporary file for next uses"), source }
}

/// Writes the number of every touched page, 8 bytes each: the file, the touches and the distinct pages.
fn spool(source: &mut impl Source, shift: u8) -> Result<(File, u64, usize), TraceError> {
    let mut numbers: HashMap<(ProcessId, u64), u64> = HashMap::new();
    let mut file = BufWriter::new(tempfile::tempfile().map_err(temporary)?);
    let (mut batch, mut running, mut count) = (Batch::new(), Running::default(), 0);
    while source.fill(&mut batch)? {
        touches(&batch, shift, &mut running, |page| {
            let next = numbers.len() as u64;
            count += 1;
            file.write_all(&numbers.entry(page).or_insert(next).to_le_bytes())
        })
        .map_err(temporary)?;
    }
    let file = file.into_inner().map_err(|error| temporary(error.into_error()))?;
    Ok((file, count, numbers.len()))
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

impl<S: Source> Source for Annotated<S> {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        let more = self.source.fill(batch)?;
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
        batch.next_use.extend(
            bytes.chunks_exact(8).map(|touch| {
                touch.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
            }),
        );
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
        let mut annotated = annotate(trace(&touched), trace(&touched), 12).unwrap();
        let (mut batch, mut found) = (Batch::new(), Vec::new());
        while annotated.fill(&mut batch).unwrap() {
            found.extend_from_slice(&batch.next_use);
        }
        // Touches: 1 2 (1 2) 2 9 1.
        assert_eq!(found, [2, 3, 6, 4, NEVER, NEVER, NEVER]);
    }

    #[test]
    fn chunks_join() {
        let touched: Vec<_> = (0..CHUNK as u64 + 10).map(|n| (n % 7, 1)).collect();
        let mut annotated = annotate(trace(&touched), trace(&touched), 12).unwrap();
        let (mut batch, mut found) = (Batch::new(), Vec::new());
        while annotated.fill(&mut batch).unwrap() {
            found.extend_from_slice(&batch.next_use);
        }
        let last = touched.len() as u64 - 7;
        let expected = (0..touched.len() as u64).map(|n| if n < last { n + 7 } else { NEVER });
        assert!(found.into_iter().eq(expected));
    }
}
