//! LRU insertion policy: LRU, but a new entry is the next victim until it is hit (Qureshi, Jaleel, Patt,
//! Steely and Emer, ISCA 2007, section 3).

use super::order::{Order, Packed};
use super::{Replacement, Shape};
use crate::config::choice::NoParameters;

/// The ways of each set by recency.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Lip {
    recency: Order,
}

impl Replacement for Lip {
    type Settings = NoParameters;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(_: &NoParameters, _: u32) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &NoParameters, shape: Shape, _: u64) -> Self {
        Self { recency: Order::new(shape) }
    }

    fn start(&self) -> u64 {
        Packed::START
    }

    #[inline]
    fn touch(&mut self, word: &mut u64, set: usize, way: usize) {
        self.recency.promote(word, set, way);
    }

    #[inline]
    fn fill(&mut self, word: &mut u64, set: usize, way: usize) {
        self.recency.demote(word, set, way);
    }

    /// What is displaced at the back is followed there.
    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        self.recency.back(word, set)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::hits_of_a_cycle;
    use crate::replacement::Policy;

    /// The paper's section 3: over a cycle of T lines, of which a set of K < T ways can hold K, LRU never
    /// hits and LIP keeps K − 1 of them, so that it hits K − 1 times of T.
    #[test]
    fn a_cycle_that_thrashes_lru_keeps_all_but_one_way() {
        for (ways, lines) in [(4, 5), (8, 9), (16, 20), (16, 1000), (40, 41), (1, 2)] {
            let cycles = 10;
            let lip = Policy::Lip(Default::default());
            let hits = hits_of_a_cycle(&lip, ways, lines, cycles);
            assert_eq!(hits, (cycles - 1) * (u64::from(ways) - 1), "{ways} ways, {lines} lines");
            assert_eq!(hits_of_a_cycle(&Policy::default(), ways, lines, cycles), 0);
        }
    }
}
