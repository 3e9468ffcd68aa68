//! A tree of free blocks by size and then address, which finds the best fit in logarithmic time. It is
//! kept in balance as a treap whose priorities are hashes of addresses, so that they take no room
//! (Seidel and Aragon, "Randomized search trees", Algorithmica 16, 1996).

use super::tagged::{Block, Index, Tags};
use super::variables::Variables;
use super::{Fit, decide, site};
use crate::error::TraceError;
use crate::memory::{LoadId, Loaded, Memory};
use crate::workloads::sample::mix;

/// The links of a free block, by number.
const LEFT: u64 = 0;
const RIGHT: u64 = 1;
const PARENT: u64 = 2;

/// The tree; its root is a variable of the allocator.
#[derive(Debug)]
pub(super) struct Tree {
    root: Variables,
}

impl Tree {
    /// An empty tree.
    ///
    /// # Errors
    /// The address space is full.
    pub fn new(memory: &mut Memory) -> Result<Self, TraceError> {
        Ok(Self { root: Variables::new(memory, 1)? })
    }

    /// Lets the child of `parent` that was `old` be `new`; 0 as a parent is the root's place.
    fn replace(&mut self, tags: &mut Tags, memory: &mut Memory, parent: u64, old: u64, new: u64) {
        if parent == 0 {
            self.root.store(memory, 0, new);
        } else {
            let left = tags.link(memory, parent, LEFT, LoadId::NONE).value;
            tags.set_link(memory, parent, if left == old { LEFT } else { RIGHT }, new);
        }
        if new != 0 {
            tags.set_link(memory, new, PARENT, parent);
        }
    }

    /// Rotates `child` into the place of `at`, its parent.
    fn rotate(&mut self, tags: &mut Tags, memory: &mut Memory, at: u64, child: u64) {
        let left = tags.link(memory, at, LEFT, LoadId::NONE).value;
        let (side, other) = if left == child { (LEFT, RIGHT) } else { (RIGHT, LEFT) };
        let parent = tags.link(memory, at, PARENT, LoadId::NONE).value;
        let inner = tags.link(memory, child, other, LoadId::NONE).value;
        tags.set_link(memory, at, side, inner);
        if inner != 0 {
            tags.set_link(memory, inner, PARENT, at);
        }
        self.replace(tags, memory, parent, at, child);
        tags.set_link(memory, child, other, at);
        tags.set_link(memory, at, PARENT, child);
    }

    /// Counts a subtree and checks its order, its links and its priorities.
    fn count(tags: &Tags, root: u64) -> Result<usize, String> {
        let (mut count, mut last, mut stack, mut at) = (0, None, Vec::new(), root);
        loop {
            while at != 0 {
                stack.push(at);
                at = tags.peek_link(at, LEFT);
            }
            let Some(node) = stack.pop() else { return Ok(count) };
            let key = (tags.peek(node).size, node);
            if tags.peek(node).allocated || last.is_some_and(|last| last >= key) {
                return Err(format!("block {node:#x} is out of order in the tree"));
            }
            for child in [LEFT, RIGHT].map(|side| tags.peek_link(node, side)) {
                if child != 0 && (tags.peek_link(child, PARENT) != node || mix(child) > mix(node)) {
                    return Err(format!("block {child:#x} is at a wrong place in the tree"));
                }
            }
            last = Some(key);
            count += 1;
            at = tags.peek_link(node, RIGHT);
        }
    }
}

impl Index for Tree {
    const LINKS: u64 = 3;

    fn insert(&mut self, tags: &mut Tags, memory: &mut Memory, block: Block) {
        let (mut parent, mut side) = (0, LEFT);
        let mut at = self.root.load(memory, 0);
        while at.value != 0 {
            let size = tags.header(memory, site::TAG, at.value, at.by);
            let less = (block.size, block.at) < (size.value.size, at.value);
            decide(memory, less, size.by);
            (parent, side) = (at.value, if less { LEFT } else { RIGHT });
            at = tags.link(memory, at.value, side, at.by);
        }
        tags.set_link(memory, block.at, LEFT, 0);
        tags.set_link(memory, block.at, RIGHT, 0);
        tags.set_link(memory, block.at, PARENT, parent);
        if parent == 0 {
            return self.root.store(memory, 0, block.at);
        }
        tags.set_link(memory, parent, side, block.at);
        while parent != 0 && mix(parent) < mix(block.at) {
            self.rotate(tags, memory, parent, block.at);
            parent = tags.link(memory, block.at, PARENT, LoadId::NONE).value;
        }
    }

    fn remove(&mut self, tags: &mut Tags, memory: &mut Memory, block: Block) {
        loop {
            let left = tags.link(memory, block.at, LEFT, block.by).value;
            let right = tags.link(memory, block.at, RIGHT, block.by).value;
            if left == 0 || right == 0 {
                let parent = tags.link(memory, block.at, PARENT, block.by).value;
                return self.replace(tags, memory, parent, block.at, left.max(right));
            }
            let child = if mix(left) > mix(right) { left } else { right };
            self.rotate(tags, memory, block.at, child);
        }
    }

    fn find(&mut self, tags: &mut Tags, memory: &mut Memory, size: u64, _: Fit) -> Option<Block> {
        let mut at: Loaded<u64> = self.root.load(memory, 0);
        let mut found = None;
        while at.value != 0 {
            tags.steps += 1;
            let tag = tags.header(memory, site::SEARCH, at.value, at.by);
            let fits = tag.value.size >= size;
            decide(memory, fits, tag.by);
            if fits {
                found = Some(Block { at: at.value, size: tag.value.size, by: at.by });
            }
            at = tags.link(memory, at.value, if fits { LEFT } else { RIGHT }, at.by);
        }
        found
    }

    fn check(&self, tags: &Tags) -> Result<Option<usize>, String> {
        Self::count(tags, self.root.peek(0)).map(Some)
    }
}
