//! Least frequently used: the way that has been used least often since it was filled is displaced; of
//! several, the one that reached its count first.
//!
//! A fill counts as the first use, every hit as one more, and a count is forgotten with its entry
//! ("in-cache LFU"; Podlipnig and Böszörményi, ACM Computing Surveys 35 (4), 2003).

use super::{Replacement, Shape};
use crate::config::choice::NoParameters;

/// A way's rank: the lowest of a set is its victim.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, bincode::Encode, bincode::Decode,
)]
struct Rank {
    uses: u64,
    /// The number of the use that made `uses` what it is.
    since: u64,
}

/// The uses of every way.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Lfu {
    ranks: Vec<Rank>,
    ways: usize,
    /// Uses of any way so far.
    now: u64,
}

impl Lfu {
    #[inline]
    fn used(&mut self, set: usize, way: usize, uses: u64) {
        self.now += 1;
        self.ranks[set * self.ways + way] = Rank { uses, since: self.now };
    }
}

impl Replacement for Lfu {
    type Settings = NoParameters;
    // Every hit counts, one after the other on the same way too.
    const REPEATS_ARE_IDLE: bool = false;

    fn check(_: &NoParameters, _: u32) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &NoParameters, shape: Shape, _: u64) -> Self {
        let ranks = vec![Rank::default(); shape.sets * shape.ways];
        Self { ranks, ways: shape.ways, now: 0 }
    }

    #[inline]
    fn touch(&mut self, _: &mut u64, set: usize, way: usize) {
        let uses = self.ranks[set * self.ways + way].uses;
        self.used(set, way, uses + 1);
    }

    #[inline]
    fn fill(&mut self, _: &mut u64, set: usize, way: usize) {
        self.used(set, way, 1);
    }

    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let ranks = self.ranks[set * self.ways..][..self.ways].iter().enumerate();
        let way = ranks.min_by_key(|(_, rank)| **rank).map_or(0, |(way, _)| way);
        self.fill(word, set, way);
        way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lfu(ways: usize) -> Lfu {
        let mut lfu = Lfu::new(&NoParameters {}, Shape { sets: 2, ways }, 0);
        (0..ways).for_each(|way| lfu.fill(&mut 0, 1, way));
        lfu
    }

    #[test]
    fn the_least_used_way_goes_and_is_forgotten() {
        let mut lfu = lfu(3);
        [0, 0, 1, 2, 2].iter().for_each(|way| lfu.touch(&mut 0, 1, *way));
        assert_eq!(lfu.replace(&mut 0, 1), 1);
        // The new entry starts at one use.
        assert_eq!(lfu.replace(&mut 0, 1), 1);
    }

    /// 1, 0, 2 reach two uses in that order, so that they go in it.
    #[test]
    fn ties_go_to_the_one_that_got_there_first() {
        let mut lfu = lfu(3);
        [1, 0, 2].iter().for_each(|way| lfu.touch(&mut 0, 1, *way));
        let mut next = || {
            let way = lfu.replace(&mut 0, 1);
            [(); 3].iter().for_each(|()| lfu.touch(&mut 0, 1, way));
            way
        };
        assert_eq!([next(), next(), next()], [1, 0, 2]);
    }

    /// A way that was used often is kept through any scan, however long ago that was: LFU does not age.
    #[test]
    fn it_does_not_age() {
        let mut lfu = lfu(4);
        lfu.touch(&mut 0, 1, 2);
        assert!((0..1000).all(|_| lfu.replace(&mut 0, 1) != 2));
    }
}
