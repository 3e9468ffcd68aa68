//! A heap that grows by `brk` and really holds what is stored in it.

use std::collections::BTreeMap;

use super::{Datum, LoadId, Loaded, Memory, Site};
use crate::error::TraceError;
use crate::record::Event;

/// Bytes that the break moves beyond what is needed (glibc's `M_TOP_PAD`, mallopt(3)).
const TOP_PAD: u64 = 128 << 10;
/// A block's header: its size, before the payload, as in glibc on 64-bit machines.
const HEADER: u64 = 8;
/// Alignment of payloads, and the granularity of blocks.
const ALIGNMENT: u64 = 16;
/// The smallest block.
const MINIMUM: u64 = 32;

/// A heap with exact-fit free lists, last in first out, over a growing break. Its places are those of a
/// 64-bit `malloc` without coalescing; the allocator's own accesses are not recorded, its blocks are
/// where accesses are (`HeapMalloc`, `HeapFree`).
#[derive(Debug)]
pub struct Heap {
    start: u64,
    limit: u64,
    /// Bytes handed out so far, from `start`.
    top: u64,
    /// Everything up to the break.
    data: Vec<u8>,
    /// Free blocks' payload addresses, by block size.
    free: BTreeMap<u64, Vec<u64>>,
    payload: u64,
    peak_payload: u64,
}

impl Heap {
    /// An empty heap at the layout's place. It may grow up to the mappings that exist by now; a process
    /// has one.
    pub fn new(memory: &mut Memory) -> Self {
        let start = memory.layout().heap_start();
        let limit = memory.layout().heap_limit();
        memory.event(Event::Brk { end: start });
        Self {
            start,
            limit,
            top: ALIGNMENT - HEADER,
            data: Vec::new(),
            free: BTreeMap::new(),
            payload: 0,
            peak_payload: 0,
        }
    }

    /// A block of `size` bytes; returns the address of its payload. A reused block keeps its old
    /// content.
    ///
    /// # Errors
    /// The heap cannot grow any further.
    pub fn malloc(&mut self, memory: &mut Memory, size: u64) -> Result<u64, TraceError> {
        let full = || TraceError::Workload(format!("the heap has no room for {size} bytes"));
        let block = size
            .checked_add(HEADER)
            .and_then(|bytes| bytes.checked_next_multiple_of(ALIGNMENT))
            .ok_or_else(full)?
            .max(MINIMUM);
        let addr = match self.free.get_mut(&block).and_then(Vec::pop) {
            Some(addr) => addr,
            None => {
                let at = self.top;
                self.grow(memory, at.checked_add(block).ok_or_else(full)?)?;
                self.top = at + block;
                self.start + at + HEADER
            }
        };
        self.write(addr - HEADER, block);
        self.payload += block - HEADER;
        self.peak_payload = self.peak_payload.max(self.payload);
        memory.annotate(Event::HeapMalloc { addr, size });
        Ok(addr)
    }

    /// Gives back the block at `addr`, which [`Self::malloc`] returned.
    pub fn free(&mut self, memory: &mut Memory, addr: u64) {
        let block: u64 = self.read(addr - HEADER);
        self.payload -= block - HEADER;
        self.free.entry(block).or_default().push(addr);
        memory.annotate(Event::HeapFree { addr });
    }

    /// Reads at `addr`, an address that the load `after` brought.
    #[inline]
    pub fn load<T: Datum>(
        &self,
        memory: &mut Memory,
        site: Site,
        addr: u64,
        after: LoadId,
    ) -> Loaded<T> {
        Loaded { value: self.read(addr), by: memory.load(site, addr, T::BYTES, after) }
    }

    /// Writes at `addr`, an address that the load `after` brought.
    #[inline]
    pub fn store<T: Datum>(
        &mut self,
        memory: &mut Memory,
        site: Site,
        addr: u64,
        value: T,
        after: LoadId,
    ) {
        self.write(addr, value);
        memory.store(site, addr, T::BYTES, after);
    }

    /// Bytes up to the break.
    pub fn bytes(&self) -> u64 {
        self.data.len() as u64
    }

    /// The most payload bytes that were handed out at once.
    pub fn peak_payload(&self) -> u64 {
        self.peak_payload
    }

    /// Moves the break so that `end` bytes from the start exist.
    fn grow(&mut self, memory: &mut Memory, end: u64) -> Result<(), TraceError> {
        if end <= self.bytes() {
            return Ok(());
        }
        let full = || TraceError::Workload(format!("the heap cannot grow to {end} bytes"));
        let size = end.saturating_add(TOP_PAD).checked_next_multiple_of(4096).ok_or_else(full)?;
        if size > self.limit - self.start {
            return Err(full());
        }
        let more = usize::try_from(size - self.bytes()).map_err(|_| full())?;
        self.data.try_reserve(more).map_err(|_| full())?;
        self.data.resize(self.data.len() + more, 0);
        memory.event(Event::Brk { end: self.start + size });
        Ok(())
    }

    /// A place in the heap is an address that `malloc` returned or a field of its block; anything else
    /// is a bug of the workload and panics, as it does with a slice.
    fn read<T: Datum>(&self, addr: u64) -> T {
        let at = (addr - self.start) as usize;
        T::read(&self.data[at..at + T::BYTES as usize])
    }

    fn write<T: Datum>(&mut self, addr: u64, value: T) {
        let at = (addr - self.start) as usize;
        value.write(&mut self.data[at..at + T::BYTES as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::tests::recorded;
    use crate::memory::{Recording, Stage};
    use crate::record::Record;

    #[test]
    fn blocks_hold_their_content_and_are_reused() {
        recorded(Recording::default(), |memory| {
            let mut heap = Heap::new(memory);
            let blocks: Vec<u64> =
                (0..100).map(|size| heap.malloc(memory, size * 10).unwrap()).collect();
            for &addr in &blocks {
                assert_eq!(addr % 16, 0);
            }
            for (value, &addr) in blocks.iter().enumerate() {
                heap.store(memory, Site(1), addr, value as u64, LoadId::NONE);
            }
            for (value, &addr) in blocks.iter().enumerate() {
                let loaded: Loaded<u64> = heap.load(memory, Site(2), addr, LoadId::NONE);
                assert_eq!(loaded.value, value as u64);
            }
            heap.free(memory, blocks[50]);
            assert_eq!(heap.malloc(memory, 500).unwrap(), blocks[50]);
        });
    }

    #[test]
    fn blocks_are_as_far_apart_as_mallocs() {
        // A 64-bit malloc takes size + 8 rounded up to 16, at least 32.
        recorded(Recording::default(), |memory| {
            let mut heap = Heap::new(memory);
            let mut at = |size| heap.malloc(memory, size).unwrap();
            let addresses = [at(1), at(24), at(25), at(40), at(41), at(1)];
            let gaps: Vec<u64> = addresses.windows(2).map(|w| w[1] - w[0]).collect();
            assert_eq!(gaps, [32, 32, 48, 48, 64]);
        });
    }

    #[test]
    fn the_break_is_recorded_before_the_block() {
        let records = recorded(Recording::default(), |memory| {
            memory.begin(Stage::Run);
            let mut heap = Heap::new(memory);
            heap.malloc(memory, 1 << 20).unwrap();
        });
        let [
            Record::Event(0, Event::Brk { end: start }),
            Record::Event(0, Event::Brk { end }),
            Record::Event(0, Event::HeapMalloc { addr, size }),
        ] = records[..]
        else {
            panic!("{records:?}");
        };
        assert!(addr >= start && addr + size <= end && end - start < (1 << 20) + (140 << 10));
    }

    #[test]
    fn a_heap_that_cannot_grow_says_so() {
        recorded(Recording::default(), |memory| {
            let mut heap = Heap::new(memory);
            assert!(heap.malloc(memory, u64::MAX).is_err());
            assert!(heap.malloc(memory, 1 << 47).is_err());
        });
    }
}
