//! Optimal replacement: the way whose content the program accesses again last goes, at once what it never
//! does (Belady, IBM Systems Journal 5 (2), 1966); of several that it never does, the lowest.
//!
//! What counts is the next access *in the trace* to the page or line, by the same process at the same
//! virtual address, whether or not this structure will see it: a second level ranks by accesses that the
//! first may take. It is as good as can be for a structure that sees every access, and a bound that others
//! are compared with for the rest. Nothing is bypassed: what misses is put in. Page tables are not in the
//! trace: their lines rank as never accessed again. An entry of a paging-structure cache is accessed with
//! any byte that it maps.

use std::collections::BTreeMap;

use super::{Name, Replacement, Shape};
use crate::config::choice::NoParameters;

/// Never.
const NEVER: u64 = u64::MAX;

/// The next use of every way's content.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Opt {
    next: Vec<u64>,
    ways: usize,
    /// Of everything that is accessed again, for when it comes in. In an order, so that equal states are
    /// encoded equally.
    known: BTreeMap<Name, u64>,
    /// Of what is about to.
    entering: u64,
}

impl Replacement for Opt {
    type Settings = NoParameters;
    const ASKS_NEXT_USE: bool = true;

    fn check(_: &NoParameters, _: u32) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &NoParameters, shape: Shape, _: u64) -> Self {
        let next = vec![NEVER; shape.sets * shape.ways];
        Self { next, ways: shape.ways, known: BTreeMap::new(), entering: NEVER }
    }

    /// What is used has been foreseen.
    fn touch(&mut self, _: &mut u64, _: usize, _: usize) {}

    fn fill(&mut self, _: &mut u64, set: usize, way: usize) {
        self.next[set * self.ways + way] = self.entering;
    }

    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let next = &self.next[set * self.ways..][..self.ways];
        let last = |best, way: usize| if next[way] > next[best] { way } else { best };
        let way = (1..self.ways).fold(0, last);
        self.fill(word, set, way);
        way
    }

    fn foresee(&mut self, name: Name, way: Option<usize>, next: u64) {
        if next == NEVER {
            self.known.remove(&name);
        } else {
            self.known.insert(name, next);
        }
        if let Some(way) = way {
            self.next[name.set * self.ways + way] = next;
        }
    }

    fn entering(&mut self, name: Name) {
        self.entering = self.known.get(&name).copied().unwrap_or(NEVER);
    }
}

#[cfg(test)]
mod tests {
    use super::NEVER;
    use crate::config::choice::NoParameters;
    use crate::replacement::{Geometry, Key, Policy, Reached, SetAssociative};

    /// The misses of `lines` in one set.
    fn misses(lines: &[u64], ways: u32) -> usize {
        let geometry = Geometry { sets: 1, ways, number_bits: 40, context_bits: 0 };
        let policy = Policy::Opt(NoParameters {});
        let mut array = SetAssociative::new(&policy, geometry, 0).unwrap();
        let missed = (0..lines.len()).filter(|at| {
            let line = lines[*at];
            let later = (at + 1..lines.len()).find(|later| lines[*later] == line);
            let key = Key { number: line, context: 0 };
            array.foresee(key, later.map_or(NEVER, |later| later as u64));
            array.access(key, false) != Reached::Hit
        });
        missed.count()
    }

    /// The reference string of Silberschatz, Galvin and Gagne, figure 10.14: 9 faults with 3 frames.
    #[test]
    fn the_textbooks_example() {
        let string = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];
        assert_eq!(misses(&string, 3), 9);
    }

    /// A cycle of W + 1 lines over W ways misses once in W accesses when it is warm, where LRU always does.
    #[test]
    fn a_cycle_of_one_too_many_misses_once_in_as_many_as_there_are_ways() {
        for ways in [2u32, 4, 8, 16, 20] {
            let (each, cycles) = (u64::from(ways) + 1, 40 * u64::from(ways));
            let string: Vec<u64> = (0..each * cycles).map(|k| k % each).collect();
            let warm = string.len() - each as usize;
            let expected = each as usize + warm / ways as usize;
            let found = misses(&string, ways);
            // At the end what is never used again goes first, which saves a miss or none.
            assert!(found.abs_diff(expected) <= 1, "{ways} ways: {found}, not {expected}");
        }
    }

    /// No policy misses less, of every set that sees all accesses: all ways to choose victims are tried.
    #[test]
    fn nothing_misses_less() {
        fn least(lines: &[u64], held: Vec<u64>, ways: usize) -> usize {
            let Some((line, rest)) = lines.split_first() else { return 0 };
            if held.contains(line) {
                return least(rest, held, ways);
            }
            if held.len() < ways {
                let more = held.iter().copied().chain([*line]).collect();
                return 1 + least(rest, more, ways);
            }
            let choices = (0..ways).map(|victim| {
                let mut held = held.clone();
                held[victim] = *line;
                least(rest, held, ways)
            });
            1 + choices.min().unwrap_or(0)
        }
        let mut state = 1u64;
        for _ in 0..60 {
            let string: Vec<u64> = (0..14)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 40) % 5
                })
                .collect();
            for ways in [1u32, 2, 3] {
                let expected = least(&string, Vec::new(), ways as usize);
                assert_eq!(misses(&string, ways), expected, "{string:?}, {ways} ways");
            }
        }
    }
}
