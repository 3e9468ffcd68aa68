//! `realloc` of a chunk: in place where there is room (glibc malloc/malloc.c, `_int_realloc`).

use super::super::site;
use super::Glibc;
use super::arena::{BEFORE_IN_USE, MAPPED, TOP, size_of};
use super::bins::MINIMUM;
use crate::error::TraceError;
use crate::memory::{LoadId, Memory};

impl Glibc {
    /// `_int_realloc`: the chunk with `whole` bytes, where it is if there is room, else moved.
    pub(super) fn resize(
        &mut self,
        memory: &mut Memory,
        chunk: u64,
        whole: u64,
    ) -> Result<u64, TraceError> {
        let word = self.arena.word(memory, chunk, LoadId::NONE).value;
        let mut room = size_of(word);
        if room < whole {
            let next = chunk + room;
            let top = self.arena.variables.load(memory, TOP).value;
            let after = size_of(self.arena.word(memory, next, LoadId::NONE).value);
            if next == top && room + after >= whole + MINIMUM {
                self.arena.set_word(memory, chunk, whole | word & BEFORE_IN_USE);
                self.arena.variables.store(memory, TOP, chunk + whole);
                let rest = (room + after - whole) | BEFORE_IN_USE;
                self.arena.set_word(memory, chunk + whole, rest);
                return Ok(chunk);
            }
            let free = next != top
                && self.arena.word(memory, next + after, LoadId::NONE).value & BEFORE_IN_USE == 0;
            if free && room + after >= whole {
                self.arena.unlink(memory, next);
                room += after;
            } else {
                let to = self.chunk(memory, whole)?;
                let to_word = self.arena.word(memory, to, LoadId::NONE).value;
                if to != next || to_word & MAPPED != 0 {
                    self.arena.space.copy(memory, site::COPY, chunk + 16, to + 16, room - 8);
                    self.release(memory, chunk, word);
                    return Ok(to);
                }
                room += size_of(to_word);
            }
        }
        self.keep_front(memory, chunk, room, whole, word & BEFORE_IN_USE);
        Ok(chunk)
    }

    /// Keeps the first `whole` bytes of a chunk of `room` bytes in use, and frees the rest if it can be a
    /// chunk.
    fn keep_front(&mut self, memory: &mut Memory, chunk: u64, room: u64, whole: u64, before: u64) {
        if room - whole < MINIMUM {
            self.arena.set_word(memory, chunk, room | before);
            return self.arena.tell(memory, chunk + room, true);
        }
        let rest = (room - whole) | BEFORE_IN_USE;
        self.arena.set_word(memory, chunk, whole | before);
        self.arena.set_word(memory, chunk + whole, rest);
        self.arena.tell(memory, chunk + room, true);
        self.release(memory, chunk + whole, rest);
    }
}
