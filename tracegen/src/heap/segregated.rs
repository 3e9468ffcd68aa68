//! Segregated lists: one for each power of two of sizes, searched from that of the request upwards
//! (CS:APP 9.9.14, segregated fits).

use super::explicit::Lists;
use super::tagged::{Block, Index, Tags};
use super::{Fit, Settings};
use crate::error::TraceError;
use crate::memory::Memory;

/// Classes: blocks of 16 to 31 bytes, 32 to 63, and so on; the last one takes everything larger.
const CLASSES: usize = 24;

/// The class of blocks of `size` bytes.
fn class(size: u64) -> usize {
    (size.max(16).ilog2() as usize - 4).min(CLASSES - 1)
}

/// The lists.
#[derive(Debug)]
pub(super) struct Segregated {
    lists: Lists,
}

impl Segregated {
    /// Empty lists.
    ///
    /// # Errors
    /// The address space is full.
    pub fn new(memory: &mut Memory, settings: &Settings) -> Result<Self, TraceError> {
        Ok(Self { lists: Lists::new(memory, CLASSES, settings.order)? })
    }
}

impl Index for Segregated {
    const LINKS: u64 = 2;

    fn insert(&mut self, tags: &mut Tags, memory: &mut Memory, block: Block) {
        self.lists.insert(tags, memory, class(block.size), block);
    }

    fn remove(&mut self, tags: &mut Tags, memory: &mut Memory, block: Block) {
        self.lists.remove(tags, memory, class(block.size), block);
    }

    fn find(&mut self, tags: &mut Tags, memory: &mut Memory, size: u64, fit: Fit) -> Option<Block> {
        let best = fit == Fit::Best;
        (class(size)..CLASSES).find_map(|list| self.lists.find(tags, memory, list, size, best))
    }

    fn check(&self, tags: &Tags) -> Result<Option<usize>, String> {
        let counts = (0..CLASSES).map(|list| self.lists.check(tags, list));
        counts.sum::<Result<usize, _>>().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_a_power_of_two_of_sizes() {
        assert_eq!([8, 16, 31, 32, 63, 64, 4096].map(class), [0, 0, 0, 1, 1, 2, 8]);
        assert_eq!(class(u64::MAX), CLASSES - 1);
    }
}
