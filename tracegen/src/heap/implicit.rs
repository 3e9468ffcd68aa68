//! The implicit list: a search walks from block to block, allocated ones too (CS:APP 9.9.6).

use super::tagged::{Block, Index, Tags};
use super::{Fit, decide, site};
use crate::memory::{LoadId, Memory};

/// Where the next search goes on; 0 before the first.
#[derive(Debug, Default)]
pub(super) struct Implicit {
    rover: u64,
}

impl Implicit {
    /// A list that has not been searched.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first block from `from` up to `until` that fits, or the smallest of them.
    fn walk(
        tags: &mut Tags,
        memory: &mut Memory,
        from: u64,
        until: u64,
        size: u64,
        best: bool,
    ) -> Option<Block> {
        let (mut at, mut by) = (from, LoadId::NONE);
        let mut found: Option<Block> = None;
        while at < until {
            tags.steps += 1;
            let tag = tags.header(memory, site::SEARCH, at, by);
            let fits = !tag.value.allocated && tag.value.size >= size;
            let better = fits && found.is_none_or(|found| tag.value.size < found.size);
            decide(memory, better, tag.by);
            if better {
                found = Some(Block { at, size: tag.value.size, by });
                if !best {
                    return found;
                }
            }
            (at, by) = (at + tag.value.size, tag.by);
        }
        found
    }
}

impl Index for Implicit {
    const LINKS: u64 = 0;

    fn insert(&mut self, _: &mut Tags, _: &mut Memory, _: Block) {}

    fn remove(&mut self, _: &mut Tags, _: &mut Memory, _: Block) {}

    fn find(&mut self, tags: &mut Tags, memory: &mut Memory, size: u64, fit: Fit) -> Option<Block> {
        let (first, end) = (tags.first(), tags.end());
        if fit != Fit::Next {
            return Self::walk(tags, memory, first, end, size, fit == Fit::Best);
        }
        let rover = self.rover.max(first);
        let found = Self::walk(tags, memory, rover, end, size, false)
            .or_else(|| Self::walk(tags, memory, first, rover, size, false));
        self.rover = found.map_or(rover, |found| found.at);
        found
    }

    /// A rover inside a merged block goes to its start (CS:APP figure 9.46's next-fit version).
    fn merged(&mut self, into: Block) {
        if (into.at..into.at + into.size).contains(&self.rover) {
            self.rover = into.at;
        }
    }

    fn check(&self, _: &Tags) -> Result<Option<usize>, String> {
        Ok(None)
    }
}
