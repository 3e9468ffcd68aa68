//! A set-associative array: tags that are compared together, a value beside each.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::tag::{Multiply, Tag, position};
use super::{Replacement, SetIndex, Shape};

/// Sets of more ways than this are searched through an index instead of tag by tag.
const COMPARED: usize = 32;

/// What an entry is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The page or line number; its remainder by the number of sets is the set.
    pub number: u64,
    /// What else must match: an address-space identifier and page size; 0 in a cache.
    pub context: u32,
}

/// The size of an array and of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Sets; at least 1.
    pub sets: u32,
    /// Ways; at least 1.
    pub ways: u32,
    /// Every number is below 2^`number_bits`; at most 64.
    pub number_bits: u32,
    /// Every context is below 2^`context_bits`; at most 32.
    pub context_bits: u32,
}

impl Geometry {
    /// The largest number that a key has.
    fn largest(self) -> u64 {
        u64::MAX >> (64 - self.number_bits.clamp(1, 64))
    }
}

/// What a fill displaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted<V> {
    /// Its key.
    pub key: Key,
    /// Its value.
    pub value: V,
}

/// Why an entry cannot be put where [`Array::place`] is told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// There is no such set.
    #[error("there is no set {set}: there are {sets}")]
    Set {
        /// The set asked for.
        set: usize,
        /// How many there are.
        sets: usize,
    },
    /// There is no such way.
    #[error("there is no way {way}: there are {ways}")]
    Way {
        /// The way asked for.
        way: usize,
        /// How many there are.
        ways: usize,
    },
    /// No address that the machine has gives this tag.
    #[error("tag {tag:#x} is larger than any address of the machine gives")]
    Tag {
        /// The tag.
        tag: u64,
    },
    /// The way is taken.
    #[error("set {set} way {way} is taken already")]
    Taken {
        /// The set.
        set: usize,
        /// The way.
        way: usize,
    },
    /// The set has the tag in another way.
    #[error("set {set} has tag {tag:#x} already")]
    Duplicate {
        /// The set.
        set: usize,
        /// The tag.
        tag: u64,
    },
}

type Index<T> = HashMap<(usize, T), usize, BuildHasherDefault<Multiply>>;

/// A set-associative array of values `V` under policy `P`, with tags stored as `T`.
///
/// Invalid ways are filled first, the lowest one first. Keys are within the [`Geometry`].
#[derive(Debug, Clone)]
pub struct Array<T, V, P> {
    index: SetIndex,
    /// The largest number that a key has.
    largest: u64,
    context_bits: u32,
    ways: usize,
    /// Tags a set: the ways, padded with empty ones to what is compared at once.
    stride: usize,
    tags: Vec<T>,
    values: Vec<V>,
    /// Valid ways of each set.
    valid: Vec<u32>,
    /// Where each tag is, for sets that are too large to compare.
    places: Option<Index<T>>,
    policy: P,
}

impl<T: Tag, V: Copy + Default, P: Replacement> Array<T, V, P> {
    /// Whether keys of this geometry fit tags of this type.
    pub(super) fn fits(geometry: Geometry) -> bool {
        let sets = u64::from(geometry.sets.max(1));
        let tag_bits = 64 - (geometry.largest() / sets).leading_zeros();
        tag_bits + geometry.context_bits <= T::BITS
    }

    /// An empty array. The policy's settings have been checked, and the keys [fit](Self::fits).
    pub(super) fn new(geometry: Geometry, settings: &P::Settings, seed: u64) -> Self {
        let ways = geometry.ways.max(1) as usize;
        let shape = Shape { sets: geometry.sets.max(1) as usize, ways };
        let stride = match ways {
            1 => 1,
            2..=4 => 4,
            _ if ways > COMPARED => ways,
            _ => ways.next_multiple_of(8),
        };
        Self {
            index: SetIndex::new(geometry.sets),
            largest: geometry.largest(),
            context_bits: geometry.context_bits,
            ways,
            stride,
            tags: vec![T::default(); shape.sets * stride],
            values: vec![V::default(); shape.sets * ways],
            valid: vec![0; shape.sets],
            places: (ways > COMPARED).then(Index::default),
            policy: P::new(settings, shape, seed),
        }
    }

    /// How numbers are split into set and tag.
    pub fn index(&self) -> SetIndex {
        self.index
    }

    /// The number of ways.
    pub fn ways(&self) -> usize {
        self.ways
    }

    #[inline]
    fn locate(&self, key: Key) -> (usize, T) {
        let (set, tag) = self.index.split(key.number);
        (set, T::pack(tag, key.context, self.context_bits))
    }

    #[inline]
    fn find(&self, set: usize, tag: T) -> Option<usize> {
        if let Some(places) = &self.places {
            return places.get(&(set, tag)).copied();
        }
        position(&self.tags[set * self.stride..][..self.stride], tag)
    }

    /// The value of `key`, which becomes its set's latest use.
    #[inline]
    pub fn lookup(&mut self, key: Key) -> Option<&mut V> {
        let (set, tag) = self.locate(key);
        let way = self.find(set, tag)?;
        self.policy.touch(set, way);
        Some(&mut self.values[set * self.ways + way])
    }

    /// The value of `key`, without a use.
    #[inline]
    pub fn probe(&self, key: Key) -> Option<&V> {
        let (set, tag) = self.locate(key);
        let way = self.find(set, tag)?;
        Some(&self.values[set * self.ways + way])
    }

    /// The value of `key` to be changed, without a use.
    #[inline]
    pub fn probe_mut(&mut self, key: Key) -> Option<&mut V> {
        let (set, tag) = self.locate(key);
        let way = self.find(set, tag)?;
        Some(&mut self.values[set * self.ways + way])
    }

    /// Puts in `key`, which the caller knows is not there.
    #[inline]
    pub fn fill(&mut self, key: Key, value: V) -> Option<Evicted<V>> {
        let (set, tag) = self.locate(key);
        let (way, evicted) = if (self.valid[set] as usize) < self.ways {
            self.valid[set] += 1;
            let tags = &self.tags[set * self.stride..][..self.ways];
            // Fewer are valid than there are ways: one is empty.
            (tags.iter().position(|tag| *tag == T::default()).unwrap_or(0), None)
        } else {
            let way = self.policy.victim(set);
            let old = self.tags[set * self.stride + way];
            if let Some(places) = &mut self.places {
                places.remove(&(set, old));
            }
            let key = self.key_of(set, old);
            (way, Some(Evicted { key, value: self.values[set * self.ways + way] }))
        };
        self.put(set, way, tag, value);
        evicted
    }

    #[inline]
    fn put(&mut self, set: usize, way: usize, tag: T, value: V) {
        self.tags[set * self.stride + way] = tag;
        self.values[set * self.ways + way] = value;
        if let Some(places) = &mut self.places {
            places.insert((set, tag), way);
        }
        self.policy.fill(set, way);
    }

    #[inline]
    fn key_of(&self, set: usize, tag: T) -> Key {
        let (tag, context) = tag.unpack(self.context_bits);
        Key { number: tag.wrapping_mul(self.index.sets()).wrapping_add(set as u64), context }
    }

    /// Makes the way of `key` invalid.
    pub fn invalidate(&mut self, key: Key) -> Option<V> {
        let (set, tag) = self.locate(key);
        let way = self.find(set, tag)?;
        self.clear(set, way);
        Some(self.values[set * self.ways + way])
    }

    fn clear(&mut self, set: usize, way: usize) {
        let tag = std::mem::take(&mut self.tags[set * self.stride + way]);
        self.valid[set] -= 1;
        if let Some(places) = &mut self.places {
            places.remove(&(set, tag));
        }
    }

    /// Makes every way invalid whose key or value `keep` does not want; returns how many.
    pub fn retain(&mut self, mut keep: impl FnMut(Key, &V) -> bool) -> u64 {
        let mut cleared = 0;
        for set in 0..self.valid.len() {
            if self.valid[set] == 0 {
                continue;
            }
            for way in 0..self.ways {
                let tag = self.tags[set * self.stride + way];
                if tag != T::default()
                    && !keep(self.key_of(set, tag), &self.values[set * self.ways + way])
                {
                    self.clear(set, way);
                    cleared += 1;
                }
            }
        }
        cleared
    }

    /// Every valid entry with its set and way, in that order.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize, Key, &V)> {
        (0..self.valid.len() * self.ways).filter_map(move |slot| {
            let (set, way) = (slot / self.ways, slot % self.ways);
            let tag = self.tags[set * self.stride + way];
            (tag != T::default()).then(|| (set, way, self.key_of(set, tag), &self.values[slot]))
        })
    }

    /// Puts an entry in a set and way of the caller's choice, as if it had just been filled.
    ///
    /// # Errors
    /// Where there is no such place, the place is taken, or no address of the machine has such a tag.
    pub fn place(
        &mut self,
        set: usize,
        way: usize,
        tag: u64,
        context: u32,
        value: V,
    ) -> Result<(), PlaceError> {
        let sets = self.valid.len();
        if set >= sets {
            return Err(PlaceError::Set { set, sets });
        }
        if way >= self.ways {
            return Err(PlaceError::Way { way, ways: self.ways });
        }
        if self.index.join(set, tag).is_none_or(|number| number > self.largest) {
            return Err(PlaceError::Tag { tag });
        }
        let stored = T::pack(tag, context, self.context_bits);
        if self.tags[set * self.stride + way] != T::default() {
            return Err(PlaceError::Taken { set, way });
        }
        if self.find(set, stored).is_some() {
            return Err(PlaceError::Duplicate { set, tag });
        }
        self.valid[set] += 1;
        self.put(set, way, stored, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SetAssociative, lru, plru, srrip};
    use super::*;
    use crate::replacement::{Policy, lru::Lru};

    fn geometry(sets: u32, ways: u32) -> Geometry {
        Geometry { sets, ways, number_bits: 64, context_bits: 16 }
    }

    fn key(number: u64) -> Key {
        Key { number, context: 0 }
    }

    fn lru(sets: u32, ways: u32) -> SetAssociative<u64> {
        SetAssociative::new(&Policy::default(), geometry(sets, ways), 0).unwrap()
    }

    /// Looks up, fills on a miss; whether it hit.
    fn access(array: &mut SetAssociative<u64>, key: Key) -> bool {
        let hit = array.lookup(key).is_some();
        if !hit {
            array.fill(key, key.number);
        }
        hit
    }

    /// A cyclic sweep over W pages a set of S sets misses S × W times in all if W ≤ associativity, and
    /// always if not (FACTS: closed forms).
    #[test]
    fn a_cyclic_sweep_fits_or_always_misses() {
        for (sets, ways) in [(1, 1), (16, 4), (128, 12), (5, 3), (1, 32), (1, 33), (3, 40), (7, 20)]
        {
            for over in [0, 1] {
                let mut array = lru(sets, ways);
                let pages = u64::from(sets) * u64::from(ways + over);
                let sweeps = 3;
                let misses = (0..sweeps * pages)
                    .filter(|k| !access(&mut array, key(k % pages)))
                    .count() as u64;
                let expected = if over == 0 { pages } else { sweeps * pages };
                assert_eq!(misses, expected, "{sets} sets of {ways} ways");
            }
        }
    }

    /// Direct-mapped, 4 sets of one-byte-tag lines of 2 bytes: the trace 0, 1, 7, 8, 0 of CS:APP section
    /// 6.4.2 misses, hits, misses, misses (8 displaces 0 in set 0) and misses.
    #[test]
    fn the_direct_mapped_example() {
        let mut array = lru(4, 1);
        let hits: Vec<bool> =
            [0u64, 1, 7, 8, 0].iter().map(|addr| access(&mut array, key(addr / 2))).collect();
        assert_eq!(hits, [false, true, false, false, false]);
    }

    /// Comparing tags and the index find the same, with tags of each width.
    #[test]
    fn widths_change_nothing() {
        let run = |number_bits| {
            let geometry = Geometry { sets: 3, ways: 6, number_bits, context_bits: 2 };
            let mut array = SetAssociative::new(&Policy::default(), geometry, 0).unwrap();
            let mut state = 1u64;
            (0..2000)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let key = Key { number: (state >> 40) % 40, context: (state >> 60) as u32 % 4 };
                    (array.lookup(key).is_none()).then(|| array.fill(key, key.number))
                })
                .collect::<Vec<_>>()
        };
        assert!(Array::<u32, u64, Lru>::fits(Geometry {
            sets: 3,
            ways: 6,
            number_bits: 10,
            context_bits: 2
        }));
        assert!(!Array::<u64, u64, Lru>::fits(Geometry {
            sets: 3,
            ways: 6,
            number_bits: 64,
            context_bits: 2
        }));
        assert_eq!(run(10), run(40));
        assert_eq!(run(10), run(64));
    }

    /// Keys at the ends of their range are told apart from each other and from an empty way.
    #[test]
    fn extreme_keys_are_keys() {
        for (number_bits, context_bits) in [(31, 0), (20, 11), (63, 0), (47, 16), (64, 32)] {
            let geometry = Geometry { sets: 1, ways: 4, number_bits, context_bits };
            let mut array = SetAssociative::new(&Policy::default(), geometry, 0).unwrap();
            let last = u64::MAX >> (64 - number_bits);
            let context = if context_bits == 0 { 0 } else { u32::MAX >> (32 - context_bits) };
            let keys = [(0, 0), (last, context), (last, 0), (0, context)];
            let mut known: Vec<Key> = Vec::new();
            for (number, context) in keys {
                let key = Key { number, context };
                assert_eq!(array.lookup(key).is_some(), known.contains(&key));
                if !known.contains(&key) {
                    array.fill(key, number);
                    known.push(key);
                }
            }
            let held: Vec<Key> = array.entries().map(|(_, _, key, _)| key).collect();
            assert_eq!(held, known);
        }
    }

    #[test]
    fn entries_can_be_placed() {
        let geometry = Geometry { sets: 4, ways: 2, number_bits: 10, context_bits: 0 };
        let mut array = SetAssociative::new(&Policy::default(), geometry, 0).unwrap();
        array.place(3, 1, 0x0d, 0, 7).unwrap();
        assert_eq!(array.probe(key(0x0d * 4 + 3)), Some(&7));
        assert_eq!(array.place(4, 0, 1, 0, 0), Err(PlaceError::Set { set: 4, sets: 4 }));
        assert_eq!(array.place(0, 2, 1, 0, 0), Err(PlaceError::Way { way: 2, ways: 2 }));
        assert_eq!(array.place(3, 1, 1, 0, 0), Err(PlaceError::Taken { set: 3, way: 1 }));
        assert_eq!(array.place(3, 0, 0x0d, 0, 0), Err(PlaceError::Duplicate { set: 3, tag: 0x0d }));
        assert_eq!(array.place(0, 0, u64::MAX, 0, 0), Err(PlaceError::Tag { tag: u64::MAX }));
        assert_eq!(array.place(0, 0, 1 << 40, 0, 0), Err(PlaceError::Tag { tag: 1 << 40 }));
        assert_eq!(array.place(0, 0, 1 << 8, 0, 0), Err(PlaceError::Tag { tag: 1 << 8 }));
        // The lowest invalid way of set 3 is filled before the placed one is displaced.
        assert_eq!(array.fill(key(3), 1), None);
        assert_eq!(array.fill(key(7), 2).map(|evicted| evicted.key), Some(key(0x37)));
    }

    #[test]
    fn what_a_policy_cannot_rank_is_refused() {
        let plru = Policy::Plru(plru::Settings::default());
        assert!(SetAssociative::<u64>::new(&plru, geometry(1, 12), 0).is_err());
        let srrip = Policy::Srrip(srrip::Settings { bits: 9 });
        assert!(SetAssociative::<u64>::new(&srrip, geometry(1, 12), 0).is_err());
        let lru = Policy::Lru(lru::Settings::default());
        assert!(SetAssociative::<u64>::new(&lru, geometry(3, 12), 0).is_ok());
    }
}
