//! An allocator's own variables: heads of lists, in the program's data segment.

use crate::error::TraceError;
use crate::memory::{LoadId, Loaded, Memory};

use super::site;

/// Words of 8 bytes outside the heap.
#[derive(Debug)]
pub(super) struct Variables {
    at: u64,
    values: Vec<u64>,
}

impl Variables {
    /// `count` of them, all 0.
    ///
    /// # Errors
    /// The address space is full.
    pub fn new(memory: &mut Memory, count: usize) -> Result<Self, TraceError> {
        Ok(Self { at: memory.map(count as u64 * 8)?, values: vec![0; count] })
    }

    /// Reads the one at `index`.
    #[inline]
    pub fn load(&self, memory: &mut Memory, index: usize) -> Loaded<u64> {
        let by = memory.load(site::HEAD, self.at + 8 * index as u64, 8, LoadId::NONE);
        Loaded { value: self.values[index], by }
    }

    /// Writes the one at `index`.
    #[inline]
    pub fn store(&mut self, memory: &mut Memory, index: usize, value: u64) {
        self.values[index] = value;
        memory.store(site::SET_HEAD, self.at + 8 * index as u64, 8, LoadId::NONE);
    }

    /// The address of the one at `index`.
    pub fn address(&self, index: usize) -> u64 {
        self.at + 8 * index as u64
    }

    /// The index of the one at `addr`, where there is one.
    pub fn index(&self, addr: u64) -> Option<usize> {
        let index = (addr.checked_sub(self.at)? / 8) as usize;
        (index < self.values.len()).then_some(index)
    }

    /// The one at `index`, without a record.
    pub fn peek(&self, index: usize) -> u64 {
        self.values[index]
    }
}
