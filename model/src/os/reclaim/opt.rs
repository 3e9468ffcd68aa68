//! Belady's optimal replacement (1966): the page whose next use is farthest away goes; pages that are
//! never used again first; of several, the lowest page.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{Page, Reclaim, Touch, Victim};
use crate::config::choice::NoParameters;
use crate::os::frames::grow;

/// A page's rank: the last of all is the victim.
type Rank = (u64, Reverse<u64>, u32);

/// Optimal replacement. It needs to be told of a page's next use at each of its uses.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Opt {
    ranks: BTreeSet<Rank>,
    by_frame: Vec<Option<Rank>>,
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
        self.ranks.insert(rank);
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        if let Some(Some(rank)) = self.by_frame.get_mut(frame as usize) {
            self.ranks.remove(rank);
            rank.0 = touch.next_use.unwrap_or(u64::MAX);
            self.ranks.insert(*rank);
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let (.., frame) = self.ranks.pop_last()?;
        self.by_frame[frame as usize] = None;
        Some(Victim { frame, scanned: 1 })
    }
    fn remove(&mut self, frame: u32) {
        if let Some(rank) = self.by_frame.get_mut(frame as usize).and_then(Option::take) {
            self.ranks.remove(&rank);
        }
    }
    fn len(&self) -> usize {
        self.ranks.len()
    }
    fn host_bytes(&self) -> usize {
        (self.ranks.len() + self.by_frame.capacity()) * size_of::<Option<Rank>>()
    }
}
