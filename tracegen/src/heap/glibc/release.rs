//! What becomes of a freed chunk (glibc malloc/malloc.c, `_int_free`, `malloc_consolidate`, `systrim`).

use super::super::site;
use super::Glibc;
use super::arena::{BEFORE_IN_USE, TOP, size_of};
use super::bins::{CACHED, CACHED_COUNT, FAST, FAST_BINS, MINIMUM, UNSORTED, step};
use super::{PAGE, TOP_PAD};
use crate::memory::{LoadId, Memory};

/// A freed chunk of this size has the fast bins merged (`FASTBIN_CONSOLIDATION_THRESHOLD`).
const CONSOLIDATE: u64 = 64 << 10;

impl Glibc {
    /// `_int_free` of a chunk that is no mapping.
    pub(super) fn release(&mut self, memory: &mut Memory, chunk: u64, word: u64) {
        let size = size_of(word);
        if size <= CACHED && self.arena.cached(memory, step(size)) < CACHED_COUNT {
            self.arena.push_cached(memory, step(size), chunk);
        } else if size <= FAST {
            self.arena.push_fast(memory, step(size), chunk);
            self.has_fast = true;
        } else {
            self.merge(memory, chunk, word);
        }
    }

    /// `_int_free` of a chunk that goes into no cache: merges it and gives memory back.
    fn merge(&mut self, memory: &mut Memory, chunk: u64, word: u64) {
        let (mut at, mut size) = (chunk, size_of(word));
        if word & BEFORE_IN_USE == 0 {
            let before = self.arena.space.load(memory, site::TAG, chunk, LoadId::NONE).value;
            at -= before;
            size += before;
            self.arena.unlink(memory, at);
        }
        let next = chunk + size_of(word);
        let top = self.arena.variables.load(memory, TOP).value;
        if next == top {
            size += size_of(self.arena.word(memory, top, LoadId::NONE).value);
            self.arena.set_word(memory, at, size | BEFORE_IN_USE);
            self.arena.variables.store(memory, TOP, at);
        } else {
            let next_size = size_of(self.arena.word(memory, next, LoadId::NONE).value);
            let after = self.arena.word(memory, next + next_size, LoadId::NONE).value;
            if after & BEFORE_IN_USE == 0 {
                self.arena.unlink(memory, next);
                size += next_size;
            } else {
                self.arena.tell(memory, next, false);
            }
            let unsorted = self.arena.sentinel(UNSORTED);
            self.arena.link_after(memory, unsorted, at);
            self.arena.set_word(memory, at, size | BEFORE_IN_USE);
            self.arena.set_foot(memory, at, size);
        }
        if size >= CONSOLIDATE {
            if self.has_fast {
                self.consolidate(memory);
            }
            self.trim(memory);
        }
    }

    /// Merges everything in the fast bins (`malloc_consolidate`).
    pub(super) fn consolidate(&mut self, memory: &mut Memory) {
        self.has_fast = false;
        for fast in 0..FAST_BINS {
            while let Some(chunk) = self.arena.pop_fast(memory, fast) {
                let word = self.arena.word(memory, chunk, LoadId::NONE).value;
                self.merge(memory, chunk, word);
            }
        }
    }

    /// Gives pages of the top back (`systrim`).
    fn trim(&mut self, memory: &mut Memory) {
        let top = self.arena.variables.load(memory, TOP);
        if top.value == 0 {
            return;
        }
        let room = size_of(self.arena.word(memory, top.value, top.by).value);
        if room < self.trim_threshold {
            return;
        }
        let extra = (room - MINIMUM - 1).saturating_sub(TOP_PAD) / PAGE * PAGE;
        if extra > 0 {
            self.arena.space.shrink(memory, extra);
            self.arena.set_word(memory, top.value, (room - extra) | BEFORE_IN_USE);
        }
    }
}
