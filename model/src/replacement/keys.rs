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

/// Tags in one word: the tag below, the context above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packing {
    /// How many bits a tag and its context have together.
    pub bits: u32,
    /// Where the context starts.
    shift: u32,
}

impl Packing {
    fn new(tag_bits: u32, context_bits: u32) -> Self {
        Self { bits: tag_bits + context_bits, shift: tag_bits.min(63) }
    }

    /// The word of a tag. Where they have more than 64 bits together, the lower 63 bits of the tag are
    /// right and the context's are not all there.
    #[inline]
    pub fn pack(self, tag: Tag) -> u64 {
        tag.tag | u64::from(tag.context) << self.shift
    }

    /// What [`pack`](Self::pack) was given, where that has at most 63 bits.
    #[inline]
    pub fn unpack(self, word: u64) -> Tag {
        Tag { tag: word & ((1 << self.shift) - 1), context: (word >> self.shift) as u32 }
    }
}

/// How keys become sets and tags, and back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    /// How numbers are split.
    pub index: SetIndex,
    /// The largest number that a key has.
    largest: u64,
    /// How tags are packed.
    pub packing: Packing,
}

impl Keys {
    pub fn new(geometry: Geometry) -> Self {
        let index = SetIndex::new(geometry.sets);
        let largest = u64::MAX >> (64 - geometry.number_bits.clamp(1, 64));
        let tag_bits = 64 - (largest / index.sets()).leading_zeros();
        Self { index, largest, packing: Packing::new(tag_bits, geometry.context_bits) }
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
