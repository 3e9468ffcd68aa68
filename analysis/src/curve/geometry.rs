//! Every number of sets and ways in one pass (all-associativity simulation; Hill and Smith 1989).
//!
//! With LRU, w ways of a set hold the w latest of what falls into it: one list in order of recency for
//! each set gives the misses of every number of ways. And where one number of sets divides another, each
//! set of the second is a part of a set of the first: what is the latest in the coarse set is the latest
//! in the fine one, where nothing has to be looked up or changed then.

use model::replacement::SetIndex;

/// The most numbers of sets in one pass.
pub const MOST_SETS: usize = 64;

/// One number of sets.
#[derive(Debug)]
struct Sets {
    index: SetIndex,
    /// The slots in each set, the latest first, one more than the slot; 0 where there is none.
    rows: Vec<u32>,
    /// References by the place where they were found.
    found: Vec<u64>,
    /// Which numbers of sets, by their place, divide this one.
    divisors: u64,
}

impl Sets {
    /// Makes `key` the latest of its set and returns its place there before.
    #[inline]
    fn touch(&mut self, number: u64, key: u32) -> Option<usize> {
        let ways = self.found.len();
        let (set, _) = self.index.split(number);
        let row = &mut self.rows[set * ways..][..ways];
        let mut carried = key;
        for (place, entry) in row.iter_mut().enumerate() {
            std::mem::swap(entry, &mut carried);
            if carried == key {
                return Some(place);
            }
        }
        None
    }
}

/// LRU memories of some numbers of sets and every number of ways up to a bound.
#[derive(Debug)]
pub struct Geometries {
    all: Vec<Sets>,
    references: u64,
}

/// What one geometry missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Sets.
    pub sets: u32,
    /// Entries of a set.
    pub ways: u32,
    /// References that were not there.
    pub misses: u64,
}

impl Geometries {
    /// Empty memories of each of `sets`, at most [`MOST_SETS`], with up to `ways` ways.
    pub fn new(sets: &[u32], ways: u32) -> Self {
        let mut sets: Vec<u32> = sets.iter().copied().filter(|sets| *sets > 0).collect();
        sets.sort_unstable();
        sets.dedup();
        sets.truncate(MOST_SETS);
        let ways = ways.max(1) as usize;
        let all = sets.iter().enumerate().map(|(place, own)| Sets {
            index: SetIndex::new(*own),
            rows: vec![0; *own as usize * ways],
            found: vec![0; ways],
            divisors: (0..place)
                .filter(|other| own.is_multiple_of(sets[*other]))
                .fold(0, |all, other| all | 1 << other),
        });
        Self { all: all.collect(), references: 0 }
    }

    /// Uses the pages or lines with these numbers and slots.
    pub fn touch(&mut self, numbers: &[u64], slots: &[u32]) {
        self.references += numbers.len() as u64;
        for (&number, &slot) in numbers.iter().zip(slots) {
            let mut latest = 0u64;
            for (place, sets) in self.all.iter_mut().enumerate() {
                if latest & sets.divisors != 0 {
                    sets.found[0] += 1;
                    continue;
                }
                if let Some(depth) = sets.touch(number, slot + 1) {
                    sets.found[depth] += 1;
                    latest |= u64::from(depth == 0) << place;
                }
            }
        }
    }

    /// The misses of every geometry.
    pub fn misses(&self) -> Vec<Geometry> {
        let mut all = Vec::new();
        for sets in &self.all {
            let mut misses = self.references;
            for (way, found) in sets.found.iter().enumerate() {
                misses -= found;
                let ways = way as u32 + 1;
                // At most 2^32 − 1, as it was given.
                all.push(Geometry { sets: sets.index.sets() as u32, ways, misses });
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::stack::Naive;

    #[test]
    fn every_geometry_misses_what_its_sets_miss() {
        let sets = [1, 2, 3, 4, 6, 8, 12, 64];
        let mut geometries = Geometries::new(&sets, 7);
        let mut naive: Vec<Vec<Naive<u64>>> =
            sets.iter().map(|sets| (0..*sets).map(|_| Naive::default()).collect()).collect();
        let mut expected = vec![[0u64; 7]; sets.len()];
        let mut state = 3u64;
        for at in 0..20_000u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = if at % 5 < 3 { state >> 59 } else { state >> 55 } + 1000;
            geometries.touch(&[number], &[number as u32]);
            for (lists, misses) in naive.iter_mut().zip(&mut expected) {
                let set = (number % lists.len() as u64) as usize;
                let distance = lists[set].touch(number).unwrap_or(u32::MAX) as usize;
                misses.iter_mut().enumerate().for_each(|(way, m)| *m += u64::from(distance > way));
            }
        }
        let found: Vec<u64> = geometries.misses().iter().map(|one| one.misses).collect();
        assert_eq!(found, expected.concat());
        let shapes = geometries.misses();
        assert_eq!((shapes[7].sets, shapes[7].ways), (2, 1));
    }
}
