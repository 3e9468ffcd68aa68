//! Tree pseudo-LRU: a binary tree over the ways whose bits point to the less recently used half.
//!
//! A hit or a fill makes every bit on the way's path point away from it; the victim is where the bits
//! lead from the root. Bits start at 0 and 0 points to the lower half. (Handy, The Cache Memory Book,
//! 1993; Al-Zoubi, Milenkovic and Milenkovic, ACM-SE 2004.)

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Replacement, Shape};

/// Tree pseudo-LRU has no parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {}

/// The tree of each set: node 1 is the root, node n's halves are nodes 2n and 2n + 1, bit n is node n's.
#[derive(Debug, Clone)]
pub struct Plru {
    trees: Vec<u64>,
    /// Words a tree.
    words: usize,
    ways: usize,
}

impl Replacement for Plru {
    type Settings = Settings;

    fn check(_: &Settings, ways: u32) -> Result<(), String> {
        if ways.is_power_of_two() {
            Ok(())
        } else {
            Err(format!("plru needs a power of two of ways, and there are {ways}"))
        }
    }

    fn new(_: &Settings, shape: Shape, _: u64) -> Self {
        let words = shape.ways.div_ceil(64);
        Self { trees: vec![0; shape.sets * words], words, ways: shape.ways }
    }

    #[inline]
    fn touch(&mut self, set: usize, way: usize) {
        let tree = &mut self.trees[set * self.words..][..self.words];
        let mut node = self.ways + way;
        while node > 1 {
            let upper = node & 1;
            node >>= 1;
            let bit = 1u64 << (node & 63);
            let word = &mut tree[node >> 6];
            *word = if upper == 0 { *word | bit } else { *word & !bit };
        }
    }

    #[inline]
    fn fill(&mut self, set: usize, way: usize) {
        self.touch(set, way);
    }

    #[inline]
    fn victim(&mut self, set: usize) -> usize {
        let tree = &self.trees[set * self.words..][..self.words];
        let mut node = 1;
        while node < self.ways {
            node = 2 * node + (tree[node >> 6] >> (node & 63) & 1) as usize;
        }
        node - self.ways
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four() -> Plru {
        Plru::new(&Settings {}, Shape { sets: 1, ways: 4 }, 0)
    }

    /// By hand. After ways 0, 1, 2, 3 the root points low and both pairs point at their lower way: 0.
    /// Touching 0 turns the root to the upper pair, whose bit points at 2. Touching 2 turns it back,
    /// and the lower pair points at 1 (0 was touched last of the two).
    #[test]
    fn a_worked_sequence_of_four_ways() {
        let mut plru = four();
        (0..4).for_each(|way| plru.fill(0, way));
        assert_eq!(plru.victim(0), 0);
        plru.touch(0, 0);
        assert_eq!(plru.victim(0), 2);
        plru.touch(0, 2);
        assert_eq!(plru.victim(0), 1);
        plru.touch(0, 1);
        assert_eq!(plru.victim(0), 3);
    }

    /// A tree by recursion: the bits of a subtree, root first, then its lower and its upper half's.
    fn naive_touch(bits: &mut [bool], ways: usize, way: usize) {
        let (half, rest) = (ways / 2, bits.len() / 2);
        let Some((root, below)) = bits.split_first_mut() else { return };
        let (lower, upper) = below.split_at_mut(rest);
        *root = way < half;
        if way < half {
            naive_touch(lower, half, way)
        } else {
            naive_touch(upper, half, way - half)
        }
    }

    fn naive_victim(bits: &[bool], ways: usize) -> usize {
        let Some((root, below)) = bits.split_first() else { return 0 };
        let (lower, upper) = below.split_at(bits.len() / 2);
        let half = ways / 2;
        if *root { half + naive_victim(upper, half) } else { naive_victim(lower, half) }
    }

    #[test]
    fn it_is_a_tree() {
        for ways in [1usize, 2, 4, 16, 64, 256] {
            let mut plru = Plru::new(&Settings {}, Shape { sets: 2, ways }, 0);
            let mut bits = vec![false; ways - 1];
            let mut state = 7u32;
            for _ in 0..500 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let way = (state >> 16) as usize % ways;
                plru.touch(1, way);
                naive_touch(&mut bits, ways, way);
                assert_eq!(plru.victim(1), naive_victim(&bits, ways));
            }
            assert_eq!(plru.victim(0), 0, "another set");
        }
    }

    /// Where it differs from LRU: after 0, 1, 2, 3, 0 the least recent is 1, but the tree says 2: it forgot the order across halves.
    #[test]
    fn it_is_not_lru() {
        let mut plru = four();
        [0, 1, 2, 3, 0].iter().for_each(|way| plru.touch(0, *way));
        assert_eq!(plru.victim(0), 2);
    }

    /// Filling whatever is the victim visits every way once in as many fills as there are ways.
    #[test]
    fn misses_alone_go_round() {
        for ways in [1usize, 2, 16, 64, 128, 1024] {
            let mut plru = Plru::new(&Settings {}, Shape { sets: 1, ways }, 0);
            let mut seen = vec![false; ways];
            for _ in 0..ways {
                let way = plru.victim(0);
                assert!(!std::mem::replace(&mut seen[way], true));
                plru.fill(0, way);
            }
        }
    }

    #[test]
    fn other_counts_are_refused() {
        assert!(Plru::check(&Settings {}, 12).unwrap_err().contains("12"));
        assert!(Plru::check(&Settings {}, 16).is_ok());
    }
}
