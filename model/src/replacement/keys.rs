//! What entries are looked up by, and how that is split into set and tag.

use super::SetIndex;

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

/// What tells an entry from the others of its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tag {
    /// The key's number by the number of sets.
    pub tag: u64,
    /// The key's context.
    pub context: u32,
}

/// Where a tag and its context lie in a word.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct Packing {
    /// The bits of the tag.
    tag: u64,
    /// Where the context starts, if it has any bits.
    shift: u32,
}

/// How keys become sets and tags, and back.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
pub(super) struct Keys {
    /// How numbers are split.
    pub index: SetIndex,
    /// The largest number that a key has.
    largest: u64,
    /// How many bits a tag and its context have together.
    pub tag_bits: u32,
    packing: Packing,
}

impl Keys {
    pub fn new(geometry: Geometry) -> Self {
        let index = SetIndex::new(geometry.sets);
        let largest = u64::MAX >> (64 - geometry.number_bits.clamp(1, 64));
        let bits = 64 - (largest / index.sets()).leading_zeros();
        let tag = u64::MAX.checked_shr(64 - bits).unwrap_or(0);
        let packing = Packing { tag, shift: bits.min(63) };
        Self { index, largest, tag_bits: bits + geometry.context_bits, packing }
    }

    /// A tag as one word, where it has at most 64 bits: the tag below, the context above.
    #[inline(always)]
    pub fn pack(&self, tag: Tag) -> u64 {
        tag.tag | u64::from(tag.context) << self.packing.shift
    }

    /// What [`pack`](Self::pack) was given.
    #[inline]
    pub fn unpack(&self, word: u64) -> Tag {
        let Packing { tag, shift } = self.packing;
        Tag { tag: word & tag, context: ((word & !tag) >> shift) as u32 }
    }

    #[inline]
    pub fn split(&self, key: Key) -> (usize, Tag) {
        let (set, tag) = self.index.split(key.number);
        (set, Tag { tag, context: key.context })
    }

    /// The key that [`split`](Self::split) takes apart.
    #[inline]
    pub fn join(&self, set: usize, tag: Tag) -> Key {
        let number = tag.tag.wrapping_mul(self.index.sets()).wrapping_add(set as u64);
        Key { number, context: tag.context }
    }

    /// Whether any key has this tag in this set.
    pub fn exists(&self, set: usize, tag: u64) -> bool {
        self.index.join(set, tag).is_some_and(|number| number <= self.largest)
    }
}
