//! A set-associative array: tags that are compared together, a value beside each.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

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

/// A tag as it is stored: never [`Default`], which stands for an empty way.
pub trait Tag: Copy + Eq + Hash + Default {
    /// How many bits of tag and context fit.
    const BITS: u32;
    /// The stored form of `tag` and `context`.
    fn pack(tag: u64, context: u32, context_bits: u32) -> Self;
    /// What [`pack`](Self::pack) was given.
    fn unpack(self, context_bits: u32) -> (u64, u32);
}

macro_rules! tag {
    ($word:ty) => {
        impl Tag for $word {
            const BITS: u32 = <$word>::BITS - 1;
            #[inline]
            fn pack(tag: u64, context: u32, context_bits: u32) -> Self {
                let tag = (tag as $word).wrapping_shl(context_bits);
                (tag | context as $word).wrapping_add(1)
            }
            #[inline]
            fn unpack(self, context_bits: u32) -> (u64, u32) {
                let packed = self.wrapping_sub(1);
                let tag = packed.wrapping_shr(context_bits) as u64;
                (tag, (packed & ((1 as $word) << context_bits).wrapping_sub(1)) as u32)
            }
        }
    };
}
tag!(u32);
tag!(u64);
tag!(u128);

/// A hasher for numbers: one multiplication a word. Where it puts a number shows nowhere, as the index
/// is never iterated over.
#[derive(Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

type Index<T> = HashMap<(usize, T), usize, BuildHasherDefault<Multiply>>;

/// A set-associative array of values `V` under policy `P`, with tags stored as `T`.
///
/// Invalid ways are filled first, the lowest one first. Keys are within the [`Geometry`].
#[derive(Debug, Clone)]
pub struct Array<T, V, P> {
    index: SetIndex,
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
        let largest = u64::MAX >> (64 - geometry.number_bits.clamp(1, 64));
        let tag_bits = 64 - (largest / u64::from(geometry.sets.max(1))).leading_zeros();
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
        let stored = T::pack(tag, context, self.context_bits);
        let within = self.index.join(set, tag).is_some();
        if !within || stored.unpack(self.context_bits) != (tag, context) || stored == T::default() {
            return Err(PlaceError::Tag { tag });
        }
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

/// The place of `tag` in `tags`, which is of one of the strides of [`Array::new`]. All are compared, so
/// that the compiler can do it at once.
#[inline]
fn position<T: Tag>(tags: &[T], tag: T) -> Option<usize> {
    #[inline]
    fn matches<T: Tag, const N: usize>(tags: &[T; N], tag: T) -> Option<usize> {
        let mut mask = 0u32;
        for (way, stored) in tags.iter().enumerate() {
            mask |= u32::from(*stored == tag) << way;
        }
        (mask != 0).then(|| mask.trailing_zeros() as usize)
    }
    if let Ok(eight) = <&[T; 8]>::try_from(tags) {
        return matches(eight, tag);
    }
    if let Ok(four) = <&[T; 4]>::try_from(tags) {
        return matches(four, tag);
    }
    if let [only] = tags {
        return (*only == tag).then_some(0);
    }
    let (eights, _) = tags.as_chunks::<8>();
    eights.iter().enumerate().find_map(|(k, eight)| matches(eight, tag).map(|way| 8 * k + way))
}
