//! A heap as the GNU C library keeps it (glibc 2.36 malloc/malloc.c, one arena, 64 bits): a cache a thread,
//! fast bins that do not merge, an unsorted bin, small and large bins, a top chunk that grows by `brk` and
//! is trimmed, and mappings of their own above a threshold that adapts.
//!
//! Left out is the skip list among large chunks (`fd_nextsize`): a large bin is walked chunk by chunk.

mod arena;
mod bins;
mod release;
mod resize;

use super::{Allocator, Space, Usage, site};
use crate::error::TraceError;
use crate::memory::{LoadId, Loaded, Memory};
use crate::record::Event;
use arena::{Arena, BEFORE_IN_USE, LAST_REMAINDER, MAPPED, TOP, size_of};
use bins::{BINS, CACHED, CACHED_COUNT, FAST, LARGE, MINIMUM, UNSORTED, bin, step};

/// Bytes that `brk` is moved beyond what is needed (`DEFAULT_TOP_PAD`).
const TOP_PAD: u64 = 128 << 10;
/// Where requests get mappings of their own at first, and at most (`DEFAULT_MMAP_THRESHOLD_MIN`, `_MAX`).
const MMAP_THRESHOLD: (u64, u64) = (128 << 10, 32 << 20);
const PAGE: u64 = 4096;

/// The heap.
pub(super) struct Glibc {
    arena: Arena,
    /// Requests of this size and more are mapped.
    mmap_threshold: u64,
    /// A top chunk of this size is trimmed.
    trim_threshold: u64,
    /// Whether a fast bin may hold a chunk.
    has_fast: bool,
}

/// What the walk through the unsorted bin came to.
enum Sorted {
    /// A chunk that is taken.
    Taken(u64),
    /// Chunks that fit exactly went into the thread's cache.
    Cached,
    /// Nothing fits exactly.
    None,
}

impl Glibc {
    /// An empty heap; the break moves with the first request.
    ///
    /// # Errors
    /// The address space is full.
    pub fn open(memory: &mut Memory) -> Result<Self, TraceError> {
        Ok(Self {
            arena: Arena::new(memory)?,
            mmap_threshold: MMAP_THRESHOLD.0,
            trim_threshold: MMAP_THRESHOLD.0,
            has_fast: false,
        })
    }

    /// `_int_malloc`: a chunk of `size` bytes.
    fn chunk(&mut self, memory: &mut Memory, size: u64) -> Result<u64, TraceError> {
        if let Some(chunk) = self.exact(memory, size) {
            return Ok(chunk);
        }
        if size >= LARGE && self.has_fast {
            self.consolidate(memory);
        }
        match self.sort(memory, size) {
            Sorted::Taken(chunk) => return Ok(chunk),
            Sorted::Cached => {
                if let Some(chunk) = self.arena.pop_cached(memory, step(size)) {
                    return Ok(chunk);
                }
            }
            Sorted::None => {}
        }
        if let Some(chunk) = self.larger(memory, size) {
            return Ok(chunk);
        }
        self.cut_top(memory, size)
    }

    /// A chunk of the very size from a fast or a small bin; more of them go into the thread's cache.
    fn exact(&mut self, memory: &mut Memory, size: u64) -> Option<u64> {
        if size <= FAST
            && let Some(chunk) = self.arena.pop_fast(memory, step(size))
        {
            while self.arena.cached(memory, step(size)) < CACHED_COUNT {
                let Some(more) = self.arena.pop_fast(memory, step(size)) else { break };
                self.arena.push_cached(memory, step(size), more);
            }
            return Some(chunk);
        }
        if size >= LARGE {
            return None;
        }
        let chunk = self.last_of(memory, bin(size))?;
        self.take(memory, chunk, size);
        while self.arena.cached(memory, step(size)) < CACHED_COUNT {
            let Some(more) = self.last_of(memory, bin(size)) else { break };
            self.take(memory, more, size);
            self.arena.push_cached(memory, step(size), more);
        }
        Some(chunk)
    }

    /// The chunk that has been in a bin for longest.
    fn last_of(&mut self, memory: &mut Memory, bin: usize) -> Option<u64> {
        let sentinel = self.arena.sentinel(bin);
        let last = self.arena.back(memory, Loaded { value: sentinel, by: LoadId::NONE }).value;
        (last != sentinel).then_some(last)
    }

    /// A whole free chunk of `size` bytes is in use from here on.
    fn take(&mut self, memory: &mut Memory, chunk: u64, size: u64) {
        self.arena.unlink(memory, chunk);
        self.arena.tell(memory, chunk + size, true);
    }

    /// Sorts what is in the unsorted bin into the others, until a chunk fits.
    fn sort(&mut self, memory: &mut Memory, size: u64) -> Sorted {
        let mut cached = false;
        while let Some(chunk) = self.last_of(memory, UNSORTED) {
            let word = self.arena.looked_at(memory, chunk, LoadId::NONE);
            let found = size_of(word.value);
            super::decide(memory, found == size, word.by);
            let only = self.arena.back(memory, Loaded { value: chunk, by: word.by }).value
                == self.arena.sentinel(UNSORTED);
            let remainder = self.arena.variables.load(memory, LAST_REMAINDER).value == chunk;
            if size < LARGE && only && remainder && found > size + MINIMUM {
                self.arena.unlink(memory, chunk);
                self.split(memory, chunk, found, size);
                return Sorted::Taken(chunk);
            }
            if found != size {
                self.arena.unlink(memory, chunk);
                self.put(memory, chunk, found);
                continue;
            }
            self.take(memory, chunk, size);
            if size > CACHED || self.arena.cached(memory, step(size)) >= CACHED_COUNT {
                return Sorted::Taken(chunk);
            }
            self.arena.push_cached(memory, step(size), chunk);
            cached = true;
        }
        if cached { Sorted::Cached } else { Sorted::None }
    }

    /// Puts a free chunk into its small bin, or into its place among the large ones, which are sorted
    /// with the largest in front.
    fn put(&mut self, memory: &mut Memory, chunk: u64, size: u64) {
        let sentinel = self.arena.sentinel(bin(size));
        let mut before = Loaded { value: sentinel, by: LoadId::NONE };
        if size >= LARGE {
            loop {
                let next = self.arena.forth(memory, before);
                if next.value == sentinel {
                    break;
                }
                let found = size_of(self.arena.word(memory, next.value, next.by).value);
                if found < size {
                    break;
                }
                before = next;
                if found == size {
                    // The first of a size stays the first.
                    break;
                }
            }
        }
        self.arena.link_after(memory, before.value, chunk);
    }

    /// The smallest chunk of the bins from the request's own upwards that is large enough.
    fn larger(&mut self, memory: &mut Memory, size: u64) -> Option<u64> {
        let first = bin(size) + usize::from(size < LARGE);
        for bin in first..BINS {
            let sentinel = self.arena.sentinel(bin);
            let from = Loaded { value: sentinel, by: LoadId::NONE };
            let mut at = self.arena.back(memory, from);
            while at.value != sentinel {
                let word = self.arena.looked_at(memory, at.value, at.by);
                let found = size_of(word.value);
                super::decide(memory, found >= size, word.by);
                if found >= size {
                    let own = bin == first && size >= LARGE;
                    let chunk = if own { self.second(memory, at, found) } else { at.value };
                    if found - size < MINIMUM {
                        self.take(memory, chunk, found);
                    } else {
                        self.arena.unlink(memory, chunk);
                        self.split(memory, chunk, found, size);
                    }
                    return Some(chunk);
                }
                at = self.arena.back(memory, at);
            }
        }
        None
    }

    /// The second of the chunks of `size` bytes in a large bin, of which `last` is the last, or the only
    /// one: glibc leaves the first, which leads its skip list.
    fn second(&mut self, memory: &mut Memory, last: Loaded<u64>, size: u64) -> u64 {
        let sentinel = self.arena.sentinel(bin(size));
        let (mut first, mut second) = (last, last);
        loop {
            let before = self.arena.back(memory, first);
            if before.value == sentinel
                || size_of(self.arena.word(memory, before.value, before.by).value) != size
            {
                return second.value;
            }
            (first, second) = (before, first);
        }
    }

    /// Allocates the front of a free chunk of `whole` bytes that is in no list; the rest is unsorted.
    fn split(&mut self, memory: &mut Memory, chunk: u64, whole: u64, size: u64) {
        let rest = chunk + size;
        self.arena.set_word(memory, chunk, size | BEFORE_IN_USE);
        self.arena.set_word(memory, rest, (whole - size) | BEFORE_IN_USE);
        self.arena.set_foot(memory, rest, whole - size);
        let unsorted = self.arena.sentinel(UNSORTED);
        self.arena.link_after(memory, unsorted, rest);
        if size < LARGE {
            self.arena.variables.store(memory, LAST_REMAINDER, rest);
        }
    }

    /// Cuts a chunk from the top, which grows if it has to.
    fn cut_top(&mut self, memory: &mut Memory, size: u64) -> Result<u64, TraceError> {
        let top = self.arena.variables.load(memory, TOP);
        let mut room = match top.value {
            0 => 0,
            chunk => size_of(self.arena.word(memory, chunk, top.by).value),
        };
        if room < size + MINIMUM && self.has_fast {
            self.consolidate(memory);
            return self.chunk(memory, size);
        }
        if room < size + MINIMUM {
            if size >= self.mmap_threshold {
                return self.mapped(memory, size);
            }
            room = self.grow(memory, size, room)?;
        }
        let chunk = self.arena.variables.load(memory, TOP).value;
        self.arena.variables.store(memory, TOP, chunk + size);
        self.arena.set_word(memory, chunk, size | BEFORE_IN_USE);
        self.arena.set_word(memory, chunk + size, (room - size) | BEFORE_IN_USE);
        Ok(chunk)
    }

    /// Moves the break so that the top has room for `size` bytes (`sysmalloc`); returns its size.
    fn grow(&mut self, memory: &mut Memory, size: u64, room: u64) -> Result<u64, TraceError> {
        let wanted = (size + TOP_PAD + MINIMUM - room).next_multiple_of(PAGE);
        let end = self.arena.space.grow(memory, wanted)?;
        if self.arena.variables.peek(TOP) == 0 {
            self.arena.variables.store(memory, TOP, end);
        }
        let top = self.arena.variables.load(memory, TOP).value;
        // The last words of the top lie within it: it is never handed out whole.
        self.arena.set_word(memory, top, (room + wanted) | BEFORE_IN_USE);
        Ok(room + wanted)
    }

    /// A mapping of its own (`sysmalloc_mmap`).
    fn mapped(&mut self, memory: &mut Memory, size: u64) -> Result<u64, TraceError> {
        let whole = (size + 8).checked_next_multiple_of(PAGE);
        let whole = whole.ok_or_else(|| full(size))?;
        let chunk = self.arena.space.map(memory, whole)?;
        self.arena.set_word(memory, chunk, whole | MAPPED);
        Ok(chunk)
    }

    /// The bytes of a chunk for a request (`checked_request2size`).
    fn whole(size: u64) -> Result<u64, TraceError> {
        let whole = size.checked_add(8).and_then(|all| all.checked_next_multiple_of(16));
        let whole = whole.filter(|whole| *whole < 1 << 62).ok_or_else(|| full(size))?;
        Ok(whole.max(MINIMUM))
    }
}

fn full(size: u64) -> TraceError {
    TraceError::Workload(format!("the heap has no room for {size} bytes"))
}

impl Allocator for Glibc {
    fn malloc(&mut self, memory: &mut Memory, size: u64) -> Result<u64, TraceError> {
        let whole = Self::whole(size)?;
        let kept = match whole <= CACHED {
            true => self.arena.pop_cached(memory, step(whole)),
            false => None,
        };
        let chunk = match kept {
            Some(chunk) => chunk,
            None => self.chunk(memory, whole)?,
        };
        let addr = chunk + 16;
        memory.annotate(Event::HeapMalloc { addr, size });
        Ok(addr)
    }

    fn free(&mut self, memory: &mut Memory, addr: u64) -> Result<(), TraceError> {
        memory.annotate(Event::HeapFree { addr });
        let chunk = addr - 16;
        let word = self.arena.word(memory, chunk, LoadId::NONE).value;
        let size = size_of(word);
        if word & MAPPED != 0 {
            if size > self.mmap_threshold && size <= MMAP_THRESHOLD.1 {
                self.mmap_threshold = size;
                self.trim_threshold = 2 * size;
            }
            self.arena.space.unmap(memory, chunk);
        } else {
            self.release(memory, chunk, word);
        }
        Ok(())
    }

    /// In place where there is room; a mapping of its own moves by a copy, where glibc asks for `mremap`.
    fn realloc(&mut self, memory: &mut Memory, addr: u64, size: u64) -> Result<u64, TraceError> {
        if addr == 0 {
            return self.malloc(memory, size);
        }
        if size == 0 {
            return self.free(memory, addr).map(|()| 0);
        }
        let word = self.arena.word(memory, addr - 16, LoadId::NONE).value;
        if word & MAPPED != 0 {
            let pages = size.checked_add(16).and_then(|all| all.checked_next_multiple_of(PAGE));
            if pages == Some(size_of(word)) {
                return Ok(addr);
            }
            let to = self.malloc(memory, size)?;
            let bytes = size.min(size_of(word) - 16);
            self.arena.space.copy(memory, site::COPY, addr, to, bytes);
            self.free(memory, addr)?;
            return Ok(to);
        }
        let to = self.resize(memory, addr - 16, Self::whole(size)?)? + 16;
        memory.annotate(Event::HeapFree { addr });
        memory.annotate(Event::HeapMalloc { addr: to, size });
        Ok(to)
    }

    fn payload(&self, addr: u64) -> u64 {
        let word = self.arena.space.peek(addr - 8);
        size_of(word) - if word & MAPPED != 0 { 16 } else { 8 }
    }

    fn space(&mut self) -> &mut Space {
        &mut self.arena.space
    }

    fn usage(&self) -> Usage {
        let (breaks, maps) = self.arena.space.calls();
        Usage { heap_bytes: self.arena.space.peak(), search_steps: self.arena.steps, breaks, maps }
    }

    fn check(&self) -> Result<(), String> {
        let top = self.arena.variables.peek(TOP);
        let mut free = std::collections::BTreeSet::new();
        for bin in 1..BINS {
            let list = self.arena.list(bin).ok_or(format!("bin {bin} is not linked well"))?;
            for chunk in &list {
                let size = size_of(self.arena.space.peek(chunk + 8));
                if bin != UNSORTED && bins::bin(size) != bin {
                    return Err(format!("chunk {chunk:#x} of {size} bytes is in bin {bin}"));
                }
            }
            free.extend(list);
        }
        // What waits in a cache or a fast bin counts as in use.
        if let Some(chunk) = self.arena.kept().into_iter().find(|chunk| free.contains(chunk)) {
            return Err(format!("chunk {chunk:#x} is kept and in a bin"));
        }
        let mut at = self.arena.space.start();
        let mut before_in_use = true;
        while top != 0 && at < top {
            let word = self.arena.space.peek(at + 8);
            if size_of(word) < MINIMUM || (word & BEFORE_IN_USE != 0) != before_in_use {
                return Err(format!("chunk {at:#x} has the size word {word:#x}"));
            }
            before_in_use = !free.remove(&at);
            let size = size_of(word);
            if !before_in_use && self.arena.space.peek(at + size) != size {
                return Err(format!("free chunk {at:#x} has another size at its end"));
            }
            at += size;
        }
        if top != 0 && (at != top || !before_in_use) {
            return Err(format!("the chunks end at {at:#x}, the top is {top:#x}"));
        }
        match free.first() {
            Some(chunk) => Err(format!("chunk {chunk:#x} is in a bin and nowhere else")),
            None => Ok(()),
        }
    }
}
