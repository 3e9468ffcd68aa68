//! Tree pseudo-LRU: a binary tree over the ways whose bits point to the less recently used half.
//!
//! A hit or a fill makes every bit on the way's path point away from it; the victim is where the bits
//! lead from the root. Bits start at 0 and 0 points to the lower half. (Handy, The Cache Memory Book,
//! 1993; Al-Zoubi, Milenkovic and Milenkovic, ACM-SE 2004.)
//!
//! Where a part of the tree has an odd number of ways, its lower half has one more. A way that has fewer
//! bits above it is then displaced more often, in misses alone twice as often for each bit.

use super::{Replacement, Shape};
use crate::config::choice::NoParameters;

/// The tree of each set: node 1 is the root, node n's halves are nodes 2n and 2n + 1, bit n is node n's.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Plru {
    trees: Trees,
    ways: usize,
}

/// Where the trees lie.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
enum Trees {
    /// Of up to 64 ways: in the sets' words. For each way, the nodes on its path, and those whose bits point
    /// away from it when they are set.
    Word(Vec<(u64, u64)>),
    /// Of more: so many words each.
    Many(Vec<u64>, usize),
}

impl Replacement for Plru {
    type Settings = NoParameters;
    const FILL_IS_USE: bool = true;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(_: &NoParameters, _: u32) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &NoParameters, shape: Shape, _: u64) -> Self {
        let ways = shape.ways;
        // There are as many numbers of nodes as the full tree has leaves.
        let words = ways.next_power_of_two().div_ceil(64);
        let trees = match words {
            1 => Trees::Word((0..ways).map(|way| path(ways, way)).collect()),
            _ => Trees::Many(vec![0; shape.sets * words], words),
        };
        Self { trees, ways }
    }

    #[inline]
    fn touch(&mut self, word: &mut u64, set: usize, way: usize) {
        match &mut self.trees {
            Trees::Word(paths) => {
                let (nodes, away) = paths[way];
                *word = (*word & !nodes) | away;
            }
            Trees::Many(trees, words) => {
                touch(&mut trees[set * *words..][..*words], self.ways, way)
            }
        }
    }

    #[inline]
    fn fill(&mut self, word: &mut u64, set: usize, way: usize) {
        self.touch(word, set, way);
    }

    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let way = match &self.trees {
            Trees::Word(_) => victim(std::slice::from_ref(word), self.ways),
            Trees::Many(trees, words) => victim(&trees[set * words..][..*words], self.ways),
        };
        self.touch(word, set, way);
        way
    }
}

/// Makes the bits on the path of `way` point away from it.
fn touch(tree: &mut [u64], ways: usize, way: usize) {
    let (mut node, mut ways, mut way) = (1, ways, way);
    while ways > 1 {
        let lower = ways.div_ceil(2);
        let (bit, bits) = (1u64 << (node & 63), &mut tree[node >> 6]);
        if way < lower {
            *bits |= bit;
            (node, ways) = (2 * node, lower);
        } else {
            *bits &= !bit;
            (node, ways, way) = (2 * node + 1, ways - lower, way - lower);
        }
    }
}

/// The nodes on the path of `way` in a tree of up to 64 ways, and those whose bits point away from it when
/// they are set.
fn path(ways: usize, way: usize) -> (u64, u64) {
    let (mut set, mut kept) = ([0], [u64::MAX]);
    touch(&mut set, ways, way);
    touch(&mut kept, ways, way);
    // The nodes of the path are those that both have alike.
    (!(set[0] ^ kept[0]), set[0])
}

/// Where the bits lead from the root.
#[inline]
fn victim(tree: &[u64], ways: usize) -> usize {
    let (mut node, mut ways, mut first) = (1, ways, 0);
    while ways > 1 {
        let lower = ways.div_ceil(2);
        if tree[node >> 6] >> (node & 63) & 1 == 0 {
            (node, ways) = (2 * node, lower);
        } else {
            (node, ways, first) = (2 * node + 1, ways - lower, first + lower);
        }
    }
    first
}

/// The most ways of [`Few`].
const FEW: usize = 8;

/// Tree pseudo-LRU of up to 8 ways, as first-level caches have them, for arrays of its own: the tree is
/// the set's word, and tables say what becomes of it.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Few {
    /// For each way, the nodes on its path, and those whose bits point away from it when they are set.
    paths: [(u8, u8); FEW],
    /// The way that each tree leads to. Bit 0 of a tree is no node's, and left out.
    victims: [u8; 1 << (FEW - 1)],
}

impl Replacement for Few {
    type Settings = NoParameters;

    fn check(settings: &NoParameters, ways: u32) -> Result<(), String> {
        if ways as usize > FEW {
            return Err(format!("these tables are for up to {FEW} ways, and there are {ways}"));
        }
        Plru::check(settings, ways)
    }

    fn new(_: &NoParameters, shape: Shape, _: u64) -> Self {
        let ways = shape.ways.min(FEW);
        let paths = std::array::from_fn(|way| {
            // The nodes of up to 8 ways are numbered from 1 to 7.
            let (nodes, away) = path(ways, way % ways);
            (nodes as u8, away as u8)
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

    /// A policy of one set with its word.
    struct One {
        plru: Plru,
        word: u64,
    }

    impl One {
        fn new(ways: usize) -> Self {
            Self { plru: Plru::new(&NoParameters {}, Shape { sets: 1, ways }, 0), word: 0 }
        }

        fn touch(&mut self, way: usize) {
            self.plru.touch(&mut self.word, 0, way);
        }

        /// The victim, which is left as it is.
        fn victim(&self) -> usize {
            self.plru.clone().replace(&mut self.word.clone(), 0)
        }

        fn replace(&mut self) -> usize {
            self.plru.replace(&mut self.word, 0)
        }
    }

    /// By hand. After ways 0, 1, 2, 3 the root points low and both pairs point at their lower way: 0.
    /// Touching 0 turns the root to the upper pair, whose bit points at 2. Touching 2 turns it back,
    /// and the lower pair points at 1 (0 was touched last of the two).
    #[test]
    fn a_worked_sequence_of_four_ways() {
        let mut one = One::new(4);
        let mut next = |way| {
            one.touch(way);
            one.victim()
        };
        assert_eq!([next(0), next(1), next(2), next(3)], [2, 2, 0, 0]);
        assert_eq!([next(0), next(2), next(1)], [2, 1, 3]);
    }

    /// By hand, of six ways: the root parts 0 1 2 from 3 4 5, below it 0 1 from 2 and 3 4 from 5.
    #[test]
    fn a_worked_sequence_of_six_ways() {
        let mut one = One::new(6);
        let victims = [(); 8].map(|()| one.replace());
        assert_eq!(victims, [0, 3, 2, 5, 1, 4, 2, 5]);
    }

    /// A tree by recursion: the bits of a subtree, root first, then its lower and its upper half's.
    fn naive_touch(bits: &mut [bool], ways: usize, way: usize) {
        let half = ways.div_ceil(2);
        let Some((root, below)) = bits.split_first_mut() else { return };
        let (lower, upper) = below.split_at_mut(half - 1);
        *root = way < half;
        if way < half {
            naive_touch(lower, half, way)
        } else {
            naive_touch(upper, ways - half, way - half)
        }
    }

    fn naive_victim(bits: &[bool], ways: usize) -> usize {
        let half = ways.div_ceil(2);
        let Some((root, below)) = bits.split_first() else { return 0 };
        let (lower, upper) = below.split_at(half - 1);
        if *root { half + naive_victim(upper, ways - half) } else { naive_victim(lower, half) }
    }

    #[test]
    fn it_is_a_tree() {
        for ways in (1usize..20).chain([32, 33, 48, 63, 64, 65, 96, 127, 256, 1000]) {
            let mut plru = Plru::new(&NoParameters {}, Shape { sets: 2, ways }, 0);
            let few = Few::check(&NoParameters {}, ways as u32).is_ok();
            let mut few = few.then(|| Few::new(&NoParameters {}, Shape { sets: 1, ways }, 0));
            let (mut word, mut tree) = (0, 0);
            let mut bits = vec![false; ways - 1];
            let mut state = 7u32;
            for _ in 0..500 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let way = (state >> 16) as usize % ways;
                plru.touch(&mut word, 1, way);
                naive_touch(&mut bits, ways, way);
                let expected = naive_victim(&bits, ways);
                assert_eq!(plru.clone().replace(&mut word.clone(), 1), expected, "{ways} ways");
                if let Some(few) = &mut few {
                    few.touch(&mut tree, 0, way);
                    assert_eq!(few.replace(&mut tree.clone(), 0), expected);
                    assert_eq!(tree, word);
                }
            }
            assert_eq!(plru.replace(&mut 0, 0), 0, "another set");
        }
    }

    /// Where it differs from LRU: after 0, 1, 2, 3, 0 the least recent is 1, but the tree says 2: it forgot the order across halves.
    #[test]
    fn it_is_not_lru() {
        let mut one = One::new(4);
        [0, 1, 2, 3, 0].iter().for_each(|way| one.touch(*way));
        assert_eq!(one.victim(), 2);
    }

    /// Filling whatever is the victim turns every bit on its path, so that a way under d of D levels of bits
    /// is displaced 2^(D − d) times in 2^D misses; where the ways are a power of two, all of them once.
    #[test]
    fn misses_alone_go_round() {
        for ways in [1usize, 2, 3, 6, 12, 16, 24, 64, 100, 128, 1024] {
            let mut one = One::new(ways);
            let round = ways.next_power_of_two();
            let mut seen = vec![0; ways];
            (0..round).for_each(|_| seen[one.replace()] += 1);
            let depth = |way: usize| path_length(ways, way);
            let expected: Vec<_> = (0..ways).map(|way| round >> depth(way)).collect();
            assert_eq!(seen, expected);
        }
    }

    /// How many times `ways` can be halved until `way` is alone.
    fn path_length(ways: usize, way: usize) -> usize {
        let half = ways.div_ceil(2);
        match ways {
            1 => 0,
            _ if way < half => 1 + path_length(half, way),
            _ => 1 + path_length(ways - half, way - half),
        }
    }
}
