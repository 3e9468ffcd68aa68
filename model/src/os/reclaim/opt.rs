//! Belady's optimal replacement (1966): the page whose next use is farthest away goes; pages that are
//! never used again first; of several, the lowest page.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Page, Reclaim, Touch, Victim};
use crate::config::choice::NoParameters;
use crate::os::frames::grow;

/// A page's rank: the last of all is the victim.
type Rank = (u64, Reverse<u64>, u32);

/// Optimal replacement. It needs to be told of a page's next use at each of its uses.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Opt {
    /// Every page's rank, and ranks that pages had before: most uses are near and sink to the bottom at once,
    /// so that leaving the one before where it is costs less than looking for it.
    ranks: BinaryHeap<Rank>,
    by_frame: Vec<Option<Rank>>,
    length: usize,
}

impl Opt {
    fn is_current(by_frame: &[Option<Rank>], rank: &Rank) -> bool {
        by_frame.get(rank.2 as usize) == Some(&Some(*rank))
    }

    fn push(&mut self, rank: Rank) {
        if self.ranks.len() > 2 * self.length + 64 {
            let Self { ranks, by_frame, .. } = self;
            ranks.retain(|rank| Self::is_current(by_frame, rank));
        }
        self.ranks.push(rank);
    }
}

impl Reclaim for Opt {
    type Settings = NoParameters;
    const NEEDS_NEXT_USE: bool = true;

    fn new(_: &NoParameters, _: usize) -> Self {
        Self::default()
    }
    fn insert(&mut self, frame: u32, page: Page) {
        let index = frame as usize;
        grow(&mut self.by_frame, index, None);
        // Until its first use it ranks as never used: pages that were only read ahead go first.
        let rank = (u64::MAX, Reverse(page.number()), frame);
        self.by_frame[index] = Some(rank);
        self.length += 1;
        self.push(rank);
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        if let Some(Some(rank)) = self.by_frame.get_mut(frame as usize) {
            rank.0 = touch.next_use.unwrap_or(u64::MAX);
            let rank = *rank;
            self.push(rank);
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let frame = loop {
            let rank = self.ranks.pop()?;
            if Self::is_current(&self.by_frame, &rank) {
                break rank.2;
            }
        };
        self.by_frame[frame as usize] = None;
        self.length -= 1;
        Some(Victim { frame, scanned: 1 })
    }
    fn remove(&mut self, frame: u32) {
        let held = self.by_frame.get_mut(frame as usize).and_then(Option::take);
        self.length -= usize::from(held.is_some());
    }
    fn len(&self) -> usize {
        self.length
    }
    fn host_bytes(&self) -> usize {
        self.ranks.capacity() * size_of::<Rank>()
            + self.by_frame.capacity() * size_of::<Option<Rank>>()
    }
}
