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

/// The most ways whose tree is kept in the set's word and changed in one step.
const PACKED: usize = 16;

/// The tree of each set: node 1 is the root, node n's halves are nodes 2n and 2n + 1, bit n is node n's.
#[derive(Debug, Clone)]
pub struct Plru {
    ways: usize,
    /// Up to [`PACKED`] ways: for each way, the nodes on its path, and those whose bits point away from it
    /// when they are set.
    paths: [(u16, u16); PACKED],
    /// Up to 8 ways: the way that each tree leads to, by its bits from the root's on.
    victims: Vec<u8>,
    /// More ways than [`PACKED`]: the trees, of `words` words each. The set's word is not used.
    trees: Vec<u64>,
    words: usize,
}

/// The nodes on the path to `way`, the deepest first, and whether `way` is in a node's lower half.
fn path(ways: usize, way: usize) -> impl Iterator<Item = (usize, bool)> {
    let halves = std::iter::successors(Some(ways + way), |node| Some(node >> 1));
    halves.take_while(|node| *node > 1).map(|node| (node >> 1, node & 1 == 0))
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
        let ways = shape.ways;
        let words = if ways > PACKED { ways.div_ceil(64) } else { 0 };
        let mut paths = [(0, 0); PACKED];
        let tabled = if words == 0 { ways } else { 0 };
        for (way, (nodes, away)) in paths.iter_mut().enumerate().take(tabled) {
            for (node, lower) in path(ways, way) {
                *nodes |= 1 << node;
                *away |= u16::from(lower) << node;
            }
        }
        let trees = vec![0; shape.sets * words];
        let mut policy = Self { ways, paths, victims: Vec::new(), trees, words };
        if ways <= 8 {
            // Bit 0 of a tree stands for no node.
            policy.victims = (0..1 << 7).map(|bits| policy.descend(bits << 1, 0) as u8).collect();
        }
        policy
    }

    #[inline]
    fn touch(&mut self, word: &mut u64, set: usize, way: usize) {
        if self.words == 0 {
            let (nodes, away) = self.paths[way % PACKED];
            *word = (*word & !u64::from(nodes)) | u64::from(away);
            return;
        }
        let tree = &mut self.trees[set * self.words..][..self.words];
        for (node, lower) in path(self.ways, way) {
            let (bit, word) = (1u64 << (node & 63), &mut tree[node >> 6]);
            *word = if lower { *word | bit } else { *word & !bit };
        }
    }

    #[inline]
    fn fill(&mut self, word: &mut u64, set: usize, way: usize) {
        self.touch(word, set, way);
    }

    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let way = self.victim(*word, set);
        self.touch(word, set, way);
        way
    }
}

impl Plru {
    /// Where the bits lead from the root.
    #[inline]
    fn victim(&self, word: u64, set: usize) -> usize {
        match self.victims.get((word >> 1) as usize) {
            Some(way) => usize::from(*way),
            None => self.descend(word, set),
        }
    }

    fn descend(&self, word: u64, set: usize) -> usize {
        let mut node = 1;
        if self.words == 0 {
            while node < self.ways {
                node = 2 * node + (word >> node & 1) as usize;
            }
        } else {
            let tree = &self.trees[set * self.words..][..self.words];
            while node < self.ways {
                node = 2 * node + (tree[node >> 6] >> (node & 63) & 1) as usize;
            }
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
        let (mut plru, mut tree) = (four(), 0);
        (0..4).for_each(|way| plru.fill(&mut tree, 0, way));
        assert_eq!(plru.victim(tree, 0), 0);
        plru.touch(&mut tree, 0, 0);
        assert_eq!(plru.victim(tree, 0), 2);
        plru.touch(&mut tree, 0, 2);
        assert_eq!(plru.victim(tree, 0), 1);
        plru.touch(&mut tree, 0, 1);
        assert_eq!(plru.victim(tree, 0), 3);
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
        for ways in [1usize, 2, 4, 8, 16, 32, 64, 256] {
            let mut plru = Plru::new(&Settings {}, Shape { sets: 2, ways }, 0);
            let mut tree = 0;
            let mut bits = vec![false; ways - 1];
            let mut state = 7u32;
            for _ in 0..500 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let way = (state >> 16) as usize % ways;
                plru.touch(&mut tree, 1, way);
                naive_touch(&mut bits, ways, way);
                assert_eq!(plru.victim(tree, 1), naive_victim(&bits, ways));
            }
            assert_eq!(plru.victim(0, 0), 0, "another set");
        }
    }

    /// Where it differs from LRU: after 0, 1, 2, 3, 0 the least recent is 1, but the tree says 2: it forgot the order across halves.
    #[test]
    fn it_is_not_lru() {
        let (mut plru, mut tree) = (four(), 0);
        [0, 1, 2, 3, 0].iter().for_each(|way| plru.touch(&mut tree, 0, *way));
        assert_eq!(plru.victim(tree, 0), 2);
    }

    /// Filling whatever is the victim visits every way once in as many fills as there are ways.
    #[test]
    fn misses_alone_go_round() {
        for ways in [1usize, 2, 16, 64, 128, 1024] {
            let mut plru = Plru::new(&Settings {}, Shape { sets: 1, ways }, 0);
            let mut tree = 0;
            let mut seen = vec![false; ways];
            for _ in 0..ways {
                let way = plru.replace(&mut tree, 0);
                assert!(!std::mem::replace(&mut seen[way], true));
            }
        }
    }

    #[test]
    fn other_counts_are_refused() {
        assert!(Plru::check(&Settings {}, 12).unwrap_err().contains("12"));
        assert!(Plru::check(&Settings {}, 16).is_ok());
    }
}
