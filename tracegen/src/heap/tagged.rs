//! Heaps with boundary tags: every block has its size in a header, and in a footer where it is free, so
//! that it can merge with both neighbours in constant time (Knuth, "The Art of Computer Programming" 1,
//! 2.5; CS:APP 9.9.11).
//!
//! ```text
//! | unused | prologue: header, footer | header  payload…  footer | … | epilogue: header |
//! ```
//! A tag is a word: the block's size, with bit 0 set where it is allocated and, where footers are left
//! out of allocated blocks, bit 1 set where the block before is.

use super::{Allocator, Fit, Settings, Space, Usage, site};
use crate::error::TraceError;
use crate::memory::{LoadId, Loaded, Memory};
use crate::record::Event;

/// What the heap grows by at least (CS:APP figure 9.43, `CHUNKSIZE`).
const CHUNK: u64 = 4096;

/// A block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// Its payload.
    pub at: u64,
    /// Its bytes, tags included.
    pub size: u64,
    /// The load that brought its address.
    pub by: LoadId,
}

/// A header or footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub size: u64,
    pub allocated: bool,
    /// Whether the block before is allocated; kept where footers are left out.
    pub before: bool,
}

impl Tag {
    fn pack(self) -> u64 {
        self.size | u64::from(self.allocated) | u64::from(self.before) << 1
    }

    fn unpack(word: u64) -> Self {
        Self { size: word & !7, allocated: word & 1 != 0, before: word & 2 != 0 }
    }
}

/// The blocks of a heap, one after another.
#[derive(Debug)]
pub(super) struct Tags {
    pub space: Space,
    pub word: u64,
    /// Allocated blocks have no footer.
    elide: bool,
    /// Blocks that searches have looked at.
    pub steps: u64,
}

impl Tags {
    /// The payload of the first block after the prologue.
    pub fn first(&self) -> u64 {
        self.space.start() + 4 * self.word
    }

    /// Where the payload of the epilogue would be.
    pub fn end(&self) -> u64 {
        self.space.end()
    }

    /// Reads the header of the block at `at`.
    #[inline]
    pub fn header(
        &self,
        memory: &mut Memory,
        site: crate::memory::Site,
        at: u64,
        after: LoadId,
    ) -> Loaded<Tag> {
        let word = self.space.load(memory, site, at - self.word, after);
        Loaded { value: Tag::unpack(word.value), by: word.by }
    }

    /// Writes the header, and the footer where there is one.
    fn mark(&mut self, memory: &mut Memory, at: u64, tag: Tag) {
        self.space.store(memory, site::MARK, at - self.word, tag.pack(), LoadId::NONE);
        if !(self.elide && tag.allocated) {
            let footer = at + tag.size - 2 * self.word;
            self.space.store(memory, site::MARK, footer, tag.pack(), LoadId::NONE);
        }
    }

    /// Tells the block at `at` whether the one before it is allocated, where it has to know.
    fn tell(&mut self, memory: &mut Memory, at: u64, before: bool) {
        if self.elide {
            let Tag { size, allocated, .. } =
                self.header(memory, site::TAG, at, LoadId::NONE).value;
            let tag = Tag { size, allocated, before };
            self.space.store(memory, site::MARK, at - self.word, tag.pack(), LoadId::NONE);
        }
    }

    /// The free block before the one at `at`, whose header is `tag`.
    fn free_before(&self, memory: &mut Memory, at: u64, tag: Tag) -> Option<Block> {
        if self.elide && tag.before {
            return None;
        }
        let word = self.space.load(memory, site::TAG, at - 2 * self.word, LoadId::NONE);
        let footer = Tag::unpack(word.value);
        (!footer.allocated).then(|| Block { at: at - footer.size, size: footer.size, by: word.by })
    }

    /// The block that link number `link` of the free block at `at` leads to; 0 for none.
    #[inline]
    pub fn link(&self, memory: &mut Memory, at: u64, link: u64, after: LoadId) -> Loaded<u64> {
        let word = self.space.load(memory, site::LINK, at + link * self.word, after);
        Loaded { value: self.absolute(word.value), by: word.by }
    }

    /// Lets it lead to `to`.
    #[inline]
    pub fn set_link(&mut self, memory: &mut Memory, at: u64, link: u64, to: u64) {
        let offset = to.saturating_sub(self.space.start());
        self.space.store(memory, site::RELINK, at + link * self.word, offset, LoadId::NONE);
    }

    /// A link, without a record.
    pub fn peek_link(&self, at: u64, link: u64) -> u64 {
        self.absolute(self.space.peek(at + link * self.word))
    }

    /// The header, without a record.
    pub fn peek(&self, at: u64) -> Tag {
        Tag::unpack(self.space.peek(at - self.word))
    }

    /// Links are distances from the heap's start, so that they fit a word of 4 bytes.
    fn absolute(&self, offset: u64) -> u64 {
        if offset == 0 { 0 } else { self.space.start() + offset }
    }
}

/// How free blocks are found.
pub(super) trait Index: Send {
    /// Words of links in a free block.
    const LINKS: u64;

    /// A block is free now.
    fn insert(&mut self, tags: &mut Tags, memory: &mut Memory, block: Block);

    /// A free block no longer is one by itself.
    fn remove(&mut self, tags: &mut Tags, memory: &mut Memory, block: Block);

    /// A free block of at least `size` bytes.
    fn find(&mut self, tags: &mut Tags, memory: &mut Memory, size: u64, fit: Fit) -> Option<Block>;

    /// Blocks have become this one.
    fn merged(&mut self, _into: Block) {}

    /// How many free blocks it has, where it keeps them; nothing is recorded.
    ///
    /// # Errors
    /// Its links do not fit together.
    fn check(&self, tags: &Tags) -> Result<Option<usize>, String>;
}

/// A heap with boundary tags over some index.
pub(super) struct Tagged<I> {
    tags: Tags,
    index: I,
    fit: Fit,
    deferred: bool,
}

impl<I: Index> Tagged<I> {
    /// A heap with one free block of 4096 bytes (CS:APP figure 9.44, `mm_init`).
    ///
    /// # Errors
    /// The address space is full.
    pub fn open(memory: &mut Memory, settings: &Settings, index: I) -> Result<Self, TraceError> {
        let word = u64::from(settings.word);
        let mut space = Space::new(memory, settings.word);
        let start = space.grow(memory, 4 * word)?;
        let mut tags = Tags { space, word, elide: settings.elide_footers, steps: 0 };
        let (elide, none) = (settings.elide_footers, LoadId::NONE);
        tags.space.store(memory, site::MARK, start, 0, none);
        let prologue = Tag { size: 2 * word, allocated: true, before: elide }.pack();
        let epilogue = Tag { size: 0, allocated: true, before: elide }.pack();
        tags.space.store(memory, site::MARK, start + word, prologue, none);
        tags.space.store(memory, site::MARK, start + 2 * word, prologue, none);
        tags.space.store(memory, site::MARK, start + 3 * word, epilogue, none);
        let mut heap = Self { tags, index, fit: settings.fit, deferred: settings.deferred };
        let first = heap.extend(memory, CHUNK)?;
        heap.index.insert(&mut heap.tags, memory, first);
        Ok(heap)
    }

    fn double(&self) -> u64 {
        2 * self.tags.word
    }

    /// The smallest block: two double words, or what a free block needs.
    fn minimum(&self) -> u64 {
        let free = (2 + I::LINKS) * self.tags.word;
        let least = if self.tags.elide { self.double() } else { 2 * self.double() };
        free.next_multiple_of(self.double()).max(least)
    }

    /// The bytes of a block for `size` bytes of payload.
    fn block_size(&self, size: u64) -> Result<u64, TraceError> {
        let tags = if self.tags.elide { self.tags.word } else { self.double() };
        let whole =
            size.checked_add(tags).and_then(|all| all.checked_next_multiple_of(self.double()));
        whole
            .filter(|whole| self.tags.word == 8 || *whole <= u64::from(u32::MAX) - 7)
            .map(|whole| whole.max(self.minimum()))
            .ok_or_else(|| TraceError::Workload(format!("the heap has no room for {size} bytes")))
    }

    /// Grows the heap; returns the free block at its end, merged with one before it, in no index.
    fn extend(&mut self, memory: &mut Memory, size: u64) -> Result<Block, TraceError> {
        let grown = self.tags.end() - self.tags.space.start() + size;
        if self.tags.word == 4 && grown > u64::from(u32::MAX) {
            let message = format!("words of 4 bytes cannot address a heap of {grown} bytes");
            return Err(TraceError::Workload(message));
        }
        let at = self.tags.space.grow(memory, size)?;
        // The epilogue's place becomes the header.
        let before =
            self.tags.elide && self.tags.header(memory, site::TAG, at, LoadId::NONE).value.before;
        let tag = Tag { size, allocated: false, before };
        self.tags.mark(memory, at, tag);
        let epilogue = Tag { size: 0, allocated: true, before: false };
        let word = self.tags.word;
        self.tags.space.store(memory, site::MARK, at + size - word, epilogue.pack(), LoadId::NONE);
        let mut block = Block { at, size, by: LoadId::NONE };
        if let Some(older) = self.tags.free_before(memory, at, tag) {
            self.index.remove(&mut self.tags, memory, older);
            block = Block { at: older.at, size: older.size + size, by: older.by };
            let before = self.before(memory, block);
            self.tags.mark(memory, block.at, Tag { size: block.size, allocated: false, before });
            self.index.merged(block);
        }
        Ok(block)
    }

    /// Merges a free block, whose header is `tag` and which is in no index, with free neighbours: the
    /// four cases of CS:APP figure 9.40.
    fn merge(&mut self, memory: &mut Memory, block: Block, tag: Tag) -> Block {
        let before = self.tags.free_before(memory, block.at, tag);
        let next = block.at + block.size;
        let after = self.tags.header(memory, site::TAG, next, block.by);
        let mut whole = block;
        if !after.value.allocated {
            let next = Block { at: next, size: after.value.size, by: block.by };
            self.index.remove(&mut self.tags, memory, next);
            whole.size += next.size;
        }
        if let Some(before) = before {
            self.index.remove(&mut self.tags, memory, before);
            whole = Block { at: before.at, size: whole.size + before.size, by: before.by };
        }
        if whole.size > block.size {
            let before = if whole.at == block.at { tag.before } else { self.tags.elide };
            self.tags.mark(memory, whole.at, Tag { size: whole.size, allocated: false, before });
            self.index.merged(whole);
        }
        whole
    }

    /// Merges every run of free blocks (CS:APP 9.9.10, deferred coalescing).
    fn merge_all(&mut self, memory: &mut Memory) {
        let (mut at, mut by) = (self.tags.first(), LoadId::NONE);
        while at < self.tags.end() {
            let first = self.tags.header(memory, site::TAG, at, by);
            let mut size = first.value.size;
            by = first.by;
            if !first.value.allocated {
                let mut next = self.tags.header(memory, site::TAG, at + size, by);
                if !next.value.allocated {
                    self.index.remove(&mut self.tags, memory, Block { at, size, by });
                    while !next.value.allocated {
                        let part = Block { at: at + size, size: next.value.size, by };
                        self.index.remove(&mut self.tags, memory, part);
                        size += part.size;
                        by = next.by;
                        next = self.tags.header(memory, site::TAG, at + size, by);
                    }
                    self.tags.mark(memory, at, Tag { size, ..first.value });
                    let whole = Block { at, size, by };
                    self.index.merged(whole);
                    self.index.insert(&mut self.tags, memory, whole);
                }
            }
            at += size;
        }
    }

    /// A free block of at least `size` bytes, in no index.
    fn take(&mut self, memory: &mut Memory, size: u64) -> Result<Block, TraceError> {
        let mut found = self.index.find(&mut self.tags, memory, size, self.fit);
        if found.is_none() && self.deferred {
            self.merge_all(memory);
            found = self.index.find(&mut self.tags, memory, size, self.fit);
        }
        match found {
            Some(block) => {
                self.index.remove(&mut self.tags, memory, block);
                Ok(block)
            }
            None => self.extend(memory, size.max(CHUNK)),
        }
    }

    /// What a free block's header says of the block before, where it does: it is allocated, unless merging
    /// is deferred.
    fn before(&self, memory: &mut Memory, block: Block) -> bool {
        let known = self.tags.elide && self.deferred;
        match known {
            true => self.tags.header(memory, site::TAG, block.at, block.by).value.before,
            false => self.tags.elide,
        }
    }

    /// Allocates the front of a free block, and gives back the rest if it can be a block (CS:APP practice
    /// problem 9.9).
    fn place(&mut self, memory: &mut Memory, block: Block, size: u64) {
        let before = self.before(memory, block);
        let rest = block.size - size;
        if rest < self.minimum() {
            self.tags.mark(memory, block.at, Tag { size: block.size, allocated: true, before });
            return self.tags.tell(memory, block.at + block.size, true);
        }
        self.tags.mark(memory, block.at, Tag { size, allocated: true, before });
        let rest = Block { at: block.at + size, size: rest, by: block.by };
        let before = self.tags.elide;
        self.tags.mark(memory, rest.at, Tag { size: rest.size, allocated: false, before });
        self.index.insert(&mut self.tags, memory, rest);
    }
}

impl<I: Index> Allocator for Tagged<I> {
    fn malloc(&mut self, memory: &mut Memory, size: u64) -> Result<u64, TraceError> {
        if size == 0 {
            return Ok(0);
        }
        let block_size = self.block_size(size)?;
        let block = self.take(memory, block_size)?;
        self.place(memory, block, block_size);
        memory.annotate(Event::HeapMalloc { addr: block.at, size });
        Ok(block.at)
    }

    fn free(&mut self, memory: &mut Memory, addr: u64) -> Result<(), TraceError> {
        memory.annotate(Event::HeapFree { addr });
        let header = self.tags.header(memory, site::TAG, addr, LoadId::NONE);
        let tag = Tag { allocated: false, ..header.value };
        self.tags.mark(memory, addr, tag);
        self.tags.tell(memory, addr + tag.size, false);
        let mut block = Block { at: addr, size: tag.size, by: header.by };
        if !self.deferred {
            block = self.merge(memory, block, tag);
        }
        self.index.insert(&mut self.tags, memory, block);
        Ok(())
    }

    fn payload(&self, addr: u64) -> u64 {
        let tags = if self.tags.elide { self.tags.word } else { self.double() };
        self.tags.peek(addr).size - tags
    }

    fn space(&mut self) -> &mut Space {
        &mut self.tags.space
    }

    fn usage(&self) -> Usage {
        let (breaks, maps) = self.tags.space.calls();
        let (heap_bytes, search_steps) = (self.tags.space.peak(), self.tags.steps);
        Usage { heap_bytes, search_steps, breaks, maps }
    }

    fn check(&self) -> Result<(), String> {
        let mut at = self.tags.first();
        let (mut free, mut last_allocated) = (0, true);
        while at < self.tags.end() {
            let tag = self.tags.peek(at);
            let wrong = |what: &str| Err(format!("block {at:#x}: {what}"));
            if tag.size < self.minimum() || !tag.size.is_multiple_of(self.double()) {
                return wrong("an impossible size");
            }
            if self.tags.elide && tag.before != last_allocated {
                return wrong("knows its neighbour wrongly");
            }
            if !(self.tags.elide && tag.allocated) {
                let footer = Tag::unpack(self.tags.space.peek(at + tag.size - self.double()));
                if (footer.size, footer.allocated) != (tag.size, tag.allocated) {
                    return wrong("its footer is not its header");
                }
            }
            if !self.deferred && !tag.allocated && !last_allocated {
                return wrong("two free blocks in a row");
            }
            free += usize::from(!tag.allocated);
            last_allocated = tag.allocated;
            at += tag.size;
        }
        if at != self.tags.end() || self.tags.peek(at).size != 0 {
            return Err(format!("the blocks end at {at:#x}"));
        }
        match self.index.check(&self.tags)? {
            Some(kept) if kept != free => Err(format!("{kept} of {free} free blocks are kept")),
            _ => Ok(()),
        }
    }
}
