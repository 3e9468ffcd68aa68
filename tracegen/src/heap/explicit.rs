//! The explicit list: free blocks are linked, and a search sees no others (CS:APP 9.9.13).

use super::tagged::{Block, Index, Tags};
use super::variables::Variables;
use super::{Fit, Order, Settings, decide, site};
use crate::error::TraceError;
use crate::memory::{LoadId, Loaded, Memory};

/// The links of a free block, by number.
const BEFORE: u64 = 0;
const AFTER: u64 = 1;

/// Doubly linked lists of free blocks, each with a head and an end.
#[derive(Debug)]
pub(super) struct Lists {
    heads: Variables,
    order: Order,
}

impl Lists {
    /// `count` empty ones.
    ///
    /// # Errors
    /// The address space is full.
    pub fn new(memory: &mut Memory, count: usize, order: Order) -> Result<Self, TraceError> {
        Ok(Self { heads: Variables::new(memory, 2 * count)?, order })
    }

    /// The first block of a list; 0 for none.
    pub fn head(&self, memory: &mut Memory, list: usize) -> Loaded<u64> {
        self.heads.load(memory, 2 * list)
    }

    /// Puts a block in its place in a list.
    pub fn insert(&mut self, tags: &mut Tags, memory: &mut Memory, list: usize, block: Block) {
        let (before, after) = match self.order {
            Order::Lifo => (0, self.head(memory, list).value),
            Order::Fifo => (self.heads.load(memory, 2 * list + 1).value, 0),
            Order::Address => self.place(tags, memory, list, |_, _, at| at > block.at),
            Order::Size => self.place(tags, memory, list, |tags, memory, at| {
                tags.header(memory, site::TAG, at, LoadId::NONE).value.size >= block.size
            }),
        };
        tags.set_link(memory, block.at, BEFORE, before);
        tags.set_link(memory, block.at, AFTER, after);
        self.join(tags, memory, list, before, block.at);
        self.join(tags, memory, list, block.at, after);
    }

    /// Takes a block out of a list.
    pub fn remove(&mut self, tags: &mut Tags, memory: &mut Memory, list: usize, block: Block) {
        let before = tags.link(memory, block.at, BEFORE, block.by).value;
        let after = tags.link(memory, block.at, AFTER, block.by).value;
        if before == 0 {
            self.heads.store(memory, 2 * list, after);
        } else {
            tags.set_link(memory, before, AFTER, after);
        }
        if after != 0 {
            tags.set_link(memory, after, BEFORE, before);
        } else if self.order == Order::Fifo {
            self.heads.store(memory, 2 * list + 1, before);
        }
    }

    /// The first block of a list that fits, or the smallest of them.
    pub fn find(
        &self,
        tags: &mut Tags,
        memory: &mut Memory,
        list: usize,
        size: u64,
        best: bool,
    ) -> Option<Block> {
        let head = self.head(memory, list);
        // In a list by size the first is the smallest.
        let best = best && self.order != Order::Size;
        self.walk(tags, memory, head, 0, size, best)
    }

    /// The same from a block on, up to another one.
    pub fn walk(
        &self,
        tags: &mut Tags,
        memory: &mut Memory,
        from: Loaded<u64>,
        until: u64,
        size: u64,
        best: bool,
    ) -> Option<Block> {
        let (mut at, mut found) = (from, None::<Block>);
        while at.value != 0 && at.value != until {
            tags.steps += 1;
            let tag = tags.header(memory, site::SEARCH, at.value, at.by);
            let better =
                tag.value.size >= size && found.is_none_or(|found| tag.value.size < found.size);
            decide(memory, better, tag.by);
            if better {
                found = Some(Block { at: at.value, size: tag.value.size, by: at.by });
                if !best {
                    return found;
                }
            }
            at = tags.link(memory, at.value, AFTER, at.by);
        }
        found
    }

    /// How many blocks a list has; nothing is recorded.
    ///
    /// # Errors
    /// A link back is not the link forth, or a block is not free.
    pub fn check(&self, tags: &Tags, list: usize) -> Result<usize, String> {
        let (mut at, mut before, mut count) = (self.heads.peek(2 * list), 0, 0);
        while at != 0 {
            if tags.peek(at).allocated {
                return Err(format!("block {at:#x} is allocated and in a list"));
            }
            if tags.peek_link(at, BEFORE) != before {
                return Err(format!("block {at:#x} has a wrong link back"));
            }
            let sorted = match self.order {
                Order::Address => before < at,
                Order::Size => before == 0 || tags.peek(before).size <= tags.peek(at).size,
                Order::Lifo | Order::Fifo => true,
            };
            if !sorted {
                return Err(format!("block {at:#x} is out of order"));
            }
            (before, at) = (at, tags.peek_link(at, AFTER));
            count += 1;
        }
        Ok(count)
    }

    /// The neighbours between which a block goes: before the first for which `comes_after` holds.
    fn place(
        &self,
        tags: &Tags,
        memory: &mut Memory,
        list: usize,
        comes_after: impl Fn(&Tags, &mut Memory, u64) -> bool,
    ) -> (u64, u64) {
        let (mut before, mut at) = (0, self.head(memory, list));
        while at.value != 0 && !comes_after(tags, memory, at.value) {
            before = at.value;
            at = tags.link(memory, at.value, AFTER, at.by);
        }
        (before, at.value)
    }

    /// Makes the neighbour of a new block know it; 0 is the list's own end.
    fn join(&mut self, tags: &mut Tags, memory: &mut Memory, list: usize, before: u64, after: u64) {
        match (before, after) {
            (0, at) => self.heads.store(memory, 2 * list, at),
            (at, 0) if self.order == Order::Fifo => self.heads.store(memory, 2 * list + 1, at),
            (_, 0) => {}
            (before, after) => {
                // One of the two is the new block, whose own link is set already.
                if tags.peek_link(before, AFTER) != after {
                    tags.set_link(memory, before, AFTER, after);
                }
                if tags.peek_link(after, BEFORE) != before {
                    tags.set_link(memory, after, BEFORE, before);
                }
            }
        }
    }
}

/// One list.
#[derive(Debug)]
pub(super) struct Explicit {
    lists: Lists,
    /// Where the next search goes on; 0 for the head.
    rover: Variables,
}

impl Explicit {
    /// An empty list.
    ///
    /// # Errors
    /// The address space is full.
    pub fn new(memory: &mut Memory, settings: &Settings) -> Result<Self, TraceError> {
        let lists = Lists::new(memory, 1, settings.order)?;
        Ok(Self { lists, rover: Variables::new(memory, 1)? })
    }
}

impl Index for Explicit {
    const LINKS: u64 = 2;

    fn insert(&mut self, tags: &mut Tags, memory: &mut Memory, block: Block) {
        self.lists.insert(tags, memory, 0, block);
    }

    fn remove(&mut self, tags: &mut Tags, memory: &mut Memory, block: Block) {
        if self.rover.peek(0) == block.at {
            let after = tags.link(memory, block.at, AFTER, block.by).value;
            self.rover.store(memory, 0, after);
        }
        self.lists.remove(tags, memory, 0, block);
    }

    fn find(&mut self, tags: &mut Tags, memory: &mut Memory, size: u64, fit: Fit) -> Option<Block> {
        if fit != Fit::Next {
            return self.lists.find(tags, memory, 0, size, fit == Fit::Best);
        }
        let rover = self.rover.load(memory, 0);
        let mut found = self.lists.walk(tags, memory, rover, 0, size, false);
        if found.is_none() {
            let head = self.lists.head(memory, 0);
            found = self.lists.walk(tags, memory, head, rover.value, size, false);
        }
        if let Some(found) = found {
            self.rover.store(memory, 0, found.at);
        }
        found
    }

    fn check(&self, tags: &Tags) -> Result<Option<usize>, String> {
        self.lists.check(tags, 0).map(Some)
    }
}
