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
    fn touch(&mut self, _: &mut u64, set: usize, way: usize) {
        touch(&mut self.trees[set * self.words..][..self.words], self.ways, way);
    }

    #[inline]
    fn fill(&mut self, word: &mut u64, set: usize, way: usize) {
        self.touch(word, set, way);
    }

    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let way = victim(&self.trees[set * self.words..][..self.words], self.ways);
        self.touch(word, set, way);
        way
    }
}

/// Makes the bits on the path of `way` point away from it.
fn touch(tree: &mut [u64], ways: usize, way: usize) {
    let mut node = ways + way;
    while node > 1 {
        let upper = node & 1;
        node >>= 1;
        let bit = 1u64 << (node & 63);
        let word = &mut tree[node >> 6];
        *word = if upper == 0 { *word | bit } else { *word & !bit };
    }
}

/// Where the bits lead from the root.
fn victim(tree: &[u64], ways: usize) -> usize {
    let mut node = 1;
    while node < ways {
        node = 2 * node + (tree[node >> 6] >> (node & 63) & 1) as usize;
    }
    node - ways
}

/// The most ways of [`Few`].
const FEW: usize = 8;

/// Tree pseudo-LRU of up to 8 ways, as first-level caches have them, for arrays of its own: the tree is
/// the set's word, and tables say what becomes of it.
#[derive(Debug, Clone)]
pub(super) struct Few {
    /// For each way, the nodes on its path, and those whose bits point away from it when they are set.
    paths: [(u8, u8); FEW],
    /// The way that each tree leads to. Bit 0 of a tree is no node's, and left out.
    victims: [u8; 1 << (FEW - 1)],
}

impl Replacement for Few {
    type Settings = Settings;

    fn check(settings: &Settings, ways: u32) -> Result<(), String> {
        if ways as usize > FEW {
            return Err(format!("these tables are for up to {FEW} ways, and there are {ways}"));
        }
        Plru::check(settings, ways)
    }

    fn new(_: &Settings, shape: Shape, _: u64) -> Self {
        let ways = shape.ways.min(FEW);
        let paths = std::array::from_fn(|way| {
            let (mut set, mut kept) = ([0], [u64::MAX]);
            touch(&mut set, ways, way % ways);
            touch(&mut kept, ways, way % ways);
            // The nodes of the path are those that both have alike.
            (!(set[0] ^ kept[0]) as u8, set[0] as u8)
        });
        let victims = std::array::from_fn(|tree| victim(&[(tree as u64) << 1], ways) as u8);
        Self { paths, victims }
    }

    #[inline(always)]
    fn touch(&mut self, word: &mut u64, _: usize, way: usize) {
        let (nodes, away) = self.paths[way % FEW];
        *word = (*word & !u64::from(nodes)) | u64::from(away);
    }

    #[inline(always)]
    fn fill(&mut self, word: &mut u64, set: usize, way: usize) {
        self.touch(word, set, way);
    }

    #[inline(always)]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let tree = (*word >> 1) as usize % self.victims.len();
        let way = usize::from(self.victims[tree]);
        self.touch(word, set, way);
        way
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
        (0..4).for_each(|way| plru.fill(&mut 0, 0, way));
        assert_eq!(victim(&plru.trees, 4), 0);
        plru.touch(&mut 0, 0, 0);
        assert_eq!(victim(&plru.trees, 4), 2);
        plru.touch(&mut 0, 0, 2);
        assert_eq!(victim(&plru.trees, 4), 1);
        plru.touch(&mut 0, 0, 1);
        assert_eq!(victim(&plru.trees, 4), 3);
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
            let few = Few::check(&Settings {}, ways as u32).is_ok();
            let mut few = few.then(|| Few::new(&Settings {}, Shape { sets: 1, ways }, 0));
            let mut tree = 0;
            let mut bits = vec![false; ways - 1];
            let mut state = 7u32;
            for _ in 0..500 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let way = (state >> 16) as usize % ways;
                plru.touch(&mut 0, 1, way);
                naive_touch(&mut bits, ways, way);
                let expected = naive_victim(&bits, ways);
                assert_eq!(victim(&plru.trees[plru.words..], ways), expected);
                if let Some(few) = &mut few {
                    few.touch(&mut tree, 0, way);
                    assert_eq!(few.replace(&mut tree.clone(), 0), expected);
                    assert_eq!(tree, plru.trees[1]);
                }
            }
            assert_eq!(plru.replace(&mut 0, 0), 0, "another set");
        }
    }

    /// Where it differs from LRU: after 0, 1, 2, 3, 0 the least recent is 1, but the tree says 2: it forgot the order across halves.
    #[test]
    fn it_is_not_lru() {
        let mut plru = four();
        [0, 1, 2, 3, 0].iter().for_each(|way| plru.touch(&mut 0, 0, *way));
        assert_eq!(victim(&plru.trees, 4), 2);
    }

    /// Filling whatever is the victim visits every way once in as many fills as there are ways.
    #[test]
    fn misses_alone_go_round() {
        for ways in [1usize, 2, 16, 64, 128, 1024] {
            let mut plru = Plru::new(&Settings {}, Shape { sets: 1, ways }, 0);
            let mut seen = vec![false; ways];
            for _ in 0..ways {
                let way = plru.replace(&mut 0, 0);
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
