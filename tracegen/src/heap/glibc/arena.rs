//! Chunks and the circular lists that they are kept in.

use super::super::variables::Variables;
use super::super::{Space, site};
use super::bins::{BINS, CACHE_BINS, FAST_BINS};
use crate::error::TraceError;
use crate::memory::{LoadId, Loaded, Memory};

/// The chunk before is in use.
pub const BEFORE_IN_USE: u64 = 1;
/// The chunk is a mapping of its own.
pub const MAPPED: u64 = 2;
/// The bits of a size word that are no size.
const FLAGS: u64 = 7;

/// Places among the variables: the fast bins' heads, the top chunk, the last remainder, the cache's heads
/// and counts, and the bins' links forth and back.
pub const TOP: usize = FAST_BINS;
pub const LAST_REMAINDER: usize = TOP + 1;
const CACHE: usize = LAST_REMAINDER + 1;
const COUNTS: usize = CACHE + CACHE_BINS;
const FIRST_BIN: usize = COUNTS + CACHE_BINS;

/// The size in a size word.
pub fn size_of(word: u64) -> u64 {
    word & !FLAGS
}

/// A chunk is named by the word before its size; its payload begins a word after that. The first word of a
/// chunk is its neighbour's while that is in use.
#[derive(Debug)]
pub struct Arena {
    pub space: Space,
    pub variables: Variables,
    /// Chunks that searches have looked at.
    pub steps: u64,
}

impl Arena {
    /// With empty bins.
    ///
    /// # Errors
    /// The address space is full.
    pub fn new(memory: &mut Memory) -> Result<Self, TraceError> {
        let variables = Variables::new(memory, FIRST_BIN + 2 * BINS)?;
        let mut arena = Self { space: Space::new(memory, 8), variables, steps: 0 };
        for bin in 0..BINS {
            let sentinel = arena.sentinel(bin);
            arena.variables.store(memory, FIRST_BIN + 2 * bin, sentinel);
            arena.variables.store(memory, FIRST_BIN + 2 * bin + 1, sentinel);
        }
        Ok(arena)
    }

    /// The name that a bin has in its own list.
    pub fn sentinel(&self, bin: usize) -> u64 {
        self.variables.address(FIRST_BIN + 2 * bin)
    }

    /// The size word of a chunk.
    pub fn word(&self, memory: &mut Memory, chunk: u64, after: LoadId) -> Loaded<u64> {
        self.space.load(memory, site::TAG, chunk + 8, after)
    }

    /// The same, as a search looks at it.
    pub fn looked_at(&mut self, memory: &mut Memory, chunk: u64, after: LoadId) -> Loaded<u64> {
        self.steps += 1;
        self.space.load(memory, site::SEARCH, chunk + 8, after)
    }

    /// Writes it.
    pub fn set_word(&mut self, memory: &mut Memory, chunk: u64, word: u64) {
        self.space.store(memory, site::MARK, chunk + 8, word, LoadId::NONE);
    }

    /// A free chunk's size at its end, which is its neighbour's first word.
    pub fn set_foot(&mut self, memory: &mut Memory, chunk: u64, size: u64) {
        self.space.store(memory, site::MARK, chunk + size, size, LoadId::NONE);
    }

    /// Sets or clears a chunk's knowledge of the one before.
    pub fn tell(&mut self, memory: &mut Memory, chunk: u64, before_in_use: bool) {
        let word = self.word(memory, chunk, LoadId::NONE).value;
        let word = if before_in_use { word | BEFORE_IN_USE } else { word & !BEFORE_IN_USE };
        self.set_word(memory, chunk, word);
    }

    /// The next chunk of a list, or of a bin.
    pub fn forth(&self, memory: &mut Memory, at: Loaded<u64>) -> Loaded<u64> {
        match self.variables.index(at.value) {
            Some(index) => self.variables.load(memory, index),
            None => self.space.load(memory, site::LINK, at.value + 16, at.by),
        }
    }

    /// The one before.
    pub fn back(&self, memory: &mut Memory, at: Loaded<u64>) -> Loaded<u64> {
        match self.variables.index(at.value) {
            Some(index) => self.variables.load(memory, index + 1),
            None => self.space.load(memory, site::LINK, at.value + 24, at.by),
        }
    }

    fn set_forth(&mut self, memory: &mut Memory, at: u64, to: u64) {
        match self.variables.index(at) {
            Some(index) => self.variables.store(memory, index, to),
            None => self.space.store(memory, site::RELINK, at + 16, to, LoadId::NONE),
        }
    }

    fn set_back(&mut self, memory: &mut Memory, at: u64, to: u64) {
        match self.variables.index(at) {
            Some(index) => self.variables.store(memory, index + 1, to),
            None => self.space.store(memory, site::RELINK, at + 24, to, LoadId::NONE),
        }
    }

    /// Puts a chunk right after `at` in its list.
    pub fn link_after(&mut self, memory: &mut Memory, at: u64, chunk: u64) {
        let next = self.forth(memory, Loaded { value: at, by: LoadId::NONE }).value;
        self.set_forth(memory, chunk, next);
        self.set_back(memory, chunk, at);
        self.set_forth(memory, at, chunk);
        self.set_back(memory, next, chunk);
    }

    /// Takes a chunk out of whichever list it is in (`unlink_chunk`).
    pub fn unlink(&mut self, memory: &mut Memory, chunk: u64) {
        let chunk = Loaded { value: chunk, by: LoadId::NONE };
        let next = self.forth(memory, chunk).value;
        let before = self.back(memory, chunk).value;
        self.set_forth(memory, before, next);
        self.set_back(memory, next, before);
    }

    /// Pushes a chunk on a singly linked list whose head is a variable.
    fn push(&mut self, memory: &mut Memory, head: usize, chunk: u64) {
        let next = self.variables.load(memory, head).value;
        self.space.store(memory, site::RELINK, chunk + 16, next, LoadId::NONE);
        self.variables.store(memory, head, chunk);
    }

    fn pop(&mut self, memory: &mut Memory, head: usize) -> Option<u64> {
        let chunk = self.variables.load(memory, head);
        if chunk.value == 0 {
            return None;
        }
        let next = self.space.load(memory, site::LINK, chunk.value + 16, chunk.by).value;
        self.variables.store(memory, head, next);
        Some(chunk.value)
    }

    /// A chunk is freed without merging.
    pub fn push_fast(&mut self, memory: &mut Memory, bin: usize, chunk: u64) {
        self.push(memory, bin, chunk);
    }

    /// Takes one of those.
    pub fn pop_fast(&mut self, memory: &mut Memory, bin: usize) -> Option<u64> {
        self.pop(memory, bin)
    }

    /// How many chunks of a size the thread keeps.
    pub fn cached(&self, memory: &mut Memory, bin: usize) -> u64 {
        self.variables.load(memory, COUNTS + bin).value
    }

    /// The thread keeps a chunk.
    pub fn push_cached(&mut self, memory: &mut Memory, bin: usize, chunk: u64) {
        let count = self.variables.peek(COUNTS + bin);
        self.push(memory, CACHE + bin, chunk);
        self.variables.store(memory, COUNTS + bin, count + 1);
    }

    /// Takes one of those.
    pub fn pop_cached(&mut self, memory: &mut Memory, bin: usize) -> Option<u64> {
        let count = self.cached(memory, bin);
        if count == 0 {
            return None;
        }
        let chunk = self.pop(memory, CACHE + bin)?;
        self.variables.store(memory, COUNTS + bin, count - 1);
        Some(chunk)
    }

    /// Everything in a bin, from the front, without a record; `None` where its links do not fit together.
    pub fn list(&self, bin: usize) -> Option<Vec<u64>> {
        let sentinel = self.sentinel(bin);
        let (mut at, mut before, mut all) =
            (self.variables.peek(FIRST_BIN + 2 * bin), sentinel, Vec::new());
        while at != sentinel {
            if self.space.peek(at + 24) != before {
                return None;
            }
            all.push(at);
            (before, at) = (at, self.space.peek(at + 16));
        }
        Some(all)
    }

    /// Everything in the fast bins and the cache, without a record.
    pub fn kept(&self) -> Vec<u64> {
        let heads = (0..FAST_BINS).chain(CACHE..CACHE + CACHE_BINS);
        let mut all = Vec::new();
        for head in heads {
            let mut at = self.variables.peek(head);
            while at != 0 {
                all.push(at);
                at = self.space.peek(at + 16);
            }
        }
        all
    }
}
