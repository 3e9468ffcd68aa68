//! The memory that a heap model lies in: what `brk` and `mmap` have given it, and what it holds.

use std::collections::BTreeMap;

use crate::error::TraceError;
use crate::memory::{LoadId, Loaded, Memory, Site};
use crate::record::Event;

/// Bytes that a copy or a fill moves with one access.
const CHUNK: u64 = 8;

/// A growing break and blocks mapped beside it. Its words have 4 or 8 bytes.
#[derive(Debug)]
pub struct Space {
    start: u64,
    limit: u64,
    word: u32,
    /// Everything up to the break.
    data: Vec<u8>,
    /// The other blocks by their first byte.
    mapped: BTreeMap<u64, Vec<u8>>,
    mapped_bytes: u64,
    peak: u64,
    breaks: u64,
    maps: u64,
}

impl Space {
    /// An empty heap at the layout's place, with words of `word` bytes.
    pub fn new(memory: &mut Memory, word: u32) -> Self {
        let start = memory.layout().heap_start();
        memory.event(Event::Brk { end: start });
        Self {
            start,
            limit: memory.layout().heap_limit(),
            word,
            data: Vec::new(),
            mapped: BTreeMap::new(),
            mapped_bytes: 0,
            peak: 0,
            breaks: 0,
            maps: 0,
        }
    }

    /// Its first byte.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The break.
    pub fn end(&self) -> u64 {
        self.start + self.data.len() as u64
    }

    /// The most bytes that it had at once.
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// Calls that moved the break, and calls that mapped or unmapped a block.
    pub fn calls(&self) -> (u64, u64) {
        (self.breaks, self.maps)
    }

    fn note(&mut self) {
        self.peak = self.peak.max(self.data.len() as u64 + self.mapped_bytes);
    }

    /// Moves the break up by `bytes`; returns where it was.
    ///
    /// # Errors
    /// There is no room, or this host has no memory for it.
    pub fn grow(&mut self, memory: &mut Memory, bytes: u64) -> Result<u64, TraceError> {
        let full = || TraceError::Workload(format!("the heap has no room for {bytes} bytes more"));
        let end = self.end();
        let limit = self.limit.min(memory.layout().heap_limit());
        if bytes > limit.saturating_sub(end) {
            return Err(full());
        }
        let more = usize::try_from(bytes).map_err(|_| full())?;
        self.data.try_reserve(more).map_err(|_| full())?;
        self.data.resize(self.data.len() + more, 0);
        self.breaks += 1;
        self.note();
        memory.event(Event::Brk { end: end + bytes });
        Ok(end)
    }

    /// Moves the break down by `bytes`, which the heap has.
    pub fn shrink(&mut self, memory: &mut Memory, bytes: u64) {
        let left = self.data.len().saturating_sub(bytes as usize);
        self.data.truncate(left);
        self.breaks += 1;
        memory.event(Event::Brk { end: self.end() });
    }

    /// Maps a block of its own; returns its first byte.
    ///
    /// # Errors
    /// As [`Self::grow`].
    pub fn map(&mut self, memory: &mut Memory, bytes: u64) -> Result<u64, TraceError> {
        let full = || TraceError::Workload(format!("no memory for a block of {bytes} bytes"));
        let length = usize::try_from(bytes).map_err(|_| full())?;
        let mut data = Vec::new();
        data.try_reserve_exact(length).map_err(|_| full())?;
        data.resize(length, 0);
        let addr = memory.map(bytes)?;
        self.mapped.insert(addr, data);
        self.mapped_bytes += bytes;
        self.maps += 1;
        self.note();
        Ok(addr)
    }

    /// Unmaps the block that starts at `addr`.
    pub fn unmap(&mut self, memory: &mut Memory, addr: u64) {
        if let Some(data) = self.mapped.remove(&addr) {
            let length = data.len() as u64;
            self.mapped_bytes -= length;
            self.maps += 1;
            memory.event(Event::Munmap { addr, length });
        }
    }

    /// Reads the word at `addr`, an address that the load `after` brought.
    #[inline]
    pub fn load(&self, memory: &mut Memory, site: Site, addr: u64, after: LoadId) -> Loaded<u64> {
        Loaded { value: self.peek(addr), by: memory.load(site, addr, self.word, after) }
    }

    /// Writes the word at `addr`, an address that the load `after` brought.
    #[inline]
    pub fn store(&mut self, memory: &mut Memory, site: Site, addr: u64, value: u64, after: LoadId) {
        let bytes = self.word as usize;
        self.slice_mut(addr, bytes).copy_from_slice(&value.to_le_bytes()[..bytes]);
        memory.store(site, addr, self.word, after);
    }

    /// The word at `addr`, without a record.
    #[inline]
    pub fn peek(&self, addr: u64) -> u64 {
        let mut own = [0; 8];
        own[..self.word as usize].copy_from_slice(self.slice(addr, self.word as usize));
        u64::from_le_bytes(own)
    }

    /// Whether all of `bytes` are `value`, without a record.
    pub fn holds(&self, addr: u64, bytes: u64, value: u8) -> bool {
        bytes == 0 || self.slice(addr, bytes as usize).iter().all(|byte| *byte == value)
    }

    /// Copies `bytes`, eight at a time.
    pub fn copy(&mut self, memory: &mut Memory, site: Site, from: u64, to: u64, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let content = self.slice(from, bytes as usize).to_vec();
        self.slice_mut(to, bytes as usize).copy_from_slice(&content);
        for at in (0..bytes).step_by(CHUNK as usize) {
            let size = CHUNK.min(bytes - at) as u32;
            memory.load(site, from + at, size, LoadId::NONE);
            memory.store(site, to + at, size, LoadId::NONE);
            memory.alu(1);
        }
    }

    /// Sets `bytes` to `value`, eight at a time.
    pub fn fill(&mut self, memory: &mut Memory, site: Site, at: u64, bytes: u64, value: u8) {
        if bytes > 0 {
            self.slice_mut(at, bytes as usize).fill(value);
        }
        for from in (0..bytes).step_by(CHUNK as usize) {
            memory.store(site, at + from, CHUNK.min(bytes - from) as u32, LoadId::NONE);
        }
    }

    /// A place is one of a block that the heap has handed out or keeps; anything else is a bug of the
    /// model and panics, as it does with a slice.
    #[inline]
    fn slice(&self, addr: u64, bytes: usize) -> &[u8] {
        if (self.start..self.end()).contains(&addr) {
            let at = (addr - self.start) as usize;
            return &self.data[at..at + bytes];
        }
        match self.mapped.range(..=addr).next_back() {
            Some((first, data)) => {
                let at = (addr - first) as usize;
                &data[at..at + bytes]
            }
            None => &[][..bytes],
        }
    }

    #[inline]
    fn slice_mut(&mut self, addr: u64, bytes: usize) -> &mut [u8] {
        if (self.start..self.end()).contains(&addr) {
            let at = (addr - self.start) as usize;
            return &mut self.data[at..at + bytes];
        }
        match self.mapped.range_mut(..=addr).next_back() {
            Some((first, data)) => {
                let at = (addr - first) as usize;
                &mut data[at..at + bytes]
            }
            None => &mut [][..bytes],
        }
    }
}
