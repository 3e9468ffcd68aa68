//! Where each tag of an array is, for sets that are too large to compare.

use super::keys::Tag;

/// A hash table of entry numbers with linear probing, at most half full. The tags themselves are the
/// array's.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Index {
    /// An entry's number plus one; 0 where there is none.
    slots: Vec<u32>,
    /// The slot that each entry would best be in.
    homes: Vec<u32>,
    /// 64 less log2 of the slots.
    shift: u32,
}

impl Index {
    /// An index of up to `entries` entries, fewer than 2^31.
    pub fn new(entries: usize) -> Self {
        let slots = (2 * entries).next_power_of_two().max(2);
        Self { slots: vec![0; slots], homes: vec![0; entries], shift: 64 - slots.trailing_zeros() }
    }

    /// The slot where the search for a tag starts.
    #[inline]
    fn home(&self, set: usize, tag: Tag) -> usize {
        let key = tag.tag ^ u64::from(tag.context).rotate_left(40) ^ (set as u64).rotate_left(20);
        let product = u128::from(key) * 0x9e37_79b9_7f4a_7c15;
        (((product >> 64) as u64 ^ product as u64) >> self.shift) as usize
    }

    #[inline]
    fn next(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    /// The entry that `is` accepts among those that may have the tag.
    #[inline]
    pub fn find(&self, set: usize, tag: Tag, is: impl Fn(usize) -> bool) -> Option<usize> {
        let mut slot = self.home(set, tag);
        // At least half of the slots are free, so that this ends.
        while let Some(entry) = (self.slots[slot] as usize).checked_sub(1) {
            if is(entry) {
                return Some(entry);
            }
            slot = self.next(slot);
        }
        None
    }

    /// Puts in an entry that is not there.
    #[inline]
    pub fn insert(&mut self, set: usize, tag: Tag, entry: usize) {
        let home = self.home(set, tag);
        self.homes[entry] = home as u32;
        let mut slot = home;
        while self.slots[slot] != 0 {
            slot = self.next(slot);
        }
        self.slots[slot] = entry as u32 + 1;
    }

    /// Takes out an entry that is there. Those behind it move up where they were kept from their homes.
    pub fn remove(&mut self, entry: usize) {
        let mut hole = self.homes[entry] as usize;
        while self.slots[hole] != entry as u32 + 1 {
            hole = self.next(hole);
        }
        let (mut slot, mask) = (hole, self.slots.len() - 1);
        loop {
            slot = self.next(slot);
            let Some(other) = (self.slots[slot] as usize).checked_sub(1) else { break };
            // As far from its home as the hole is from here, or further: the hole is on its way.
            let home = self.homes[other] as usize;
            if slot.wrapping_sub(home) & mask >= slot.wrapping_sub(hole) & mask {
                self.slots[hole] = other as u32 + 1;
                hole = slot;
            }
        }
        self.slots[hole] = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a map, full and with tags that share homes.
        #[test]
        fn it_is_a_map(actions in prop::collection::vec((0usize..24, 0usize..2, 0u64..40), 1..400)) {
            let (mut index, mut held) = (Index::new(24), HashMap::new());
            let tag_of = |tag| Tag { tag, context: 0 };
            for (entry, set, tag) in actions {
                if held.remove(&entry).is_some() {
                    index.remove(entry);
                } else if !held.values().any(|known| *known == (set, tag)) {
                    index.insert(set, tag_of(tag), entry);
                    held.insert(entry, (set, tag));
                }
                for set in 0..2 {
                    for tag in 0..40 {
                        let is = |entry| held.get(&entry) == Some(&(set, tag));
                        let expected = (0..24).find(|entry| is(*entry));
                        prop_assert_eq!(index.find(set, tag_of(tag), is), expected);
                    }
                }
            }
        }
    }
}
