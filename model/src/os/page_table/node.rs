//! How 512 entries of a table are kept on the host.

/// Entries above which a node is kept as a plain array: at most 32 bytes for an entry in use.
const DENSE: usize = 128;

/// The number of entries of a node.
pub const FANOUT: u32 = 512;

/// Up to 512 entries, of which those in use are kept: packed behind a bitmap while they are few, as an
/// array from then on. Zero is the absent entry.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Node {
    present: [u64; 8],
    /// While packed: entries before each word of the bitmap, at most [`DENSE`].
    before: [u8; 8],
    entries: Vec<u64>,
    count: u16,
}

impl Node {
    fn dense(&self) -> bool {
        self.entries.len() == FANOUT as usize
    }

    fn rank(&self, index: u32) -> usize {
        let (word, bit) = ((index / 64) as usize & 7, index % 64);
        let within = (self.present[word] & ((1 << bit) - 1)).count_ones();
        usize::from(self.before[word]) + within as usize
    }

    fn contains(&self, index: u32) -> bool {
        self.present[(index / 64) as usize & 7] >> (index % 64) & 1 != 0
    }

    /// The entry at `index`, 0 where there is none.
    pub fn get(&self, index: u32) -> u64 {
        if self.dense() {
            self.entries[index as usize & (FANOUT as usize - 1)]
        } else if self.contains(index) {
            // A set bit has an entry behind it.
            self.entries[self.rank(index)]
        } else {
            0
        }
    }

    /// Puts `value` at `index`; 0 removes.
    pub fn set(&mut self, index: u32, value: u64) {
        let index = index % FANOUT;
        let had = self.contains(index);
        if value == 0 {
            if had {
                self.remove(index);
            }
            return;
        }
        if !had {
            self.insert(index, value);
        } else if self.dense() {
            self.entries[index as usize] = value;
        } else {
            let rank = self.rank(index);
            self.entries[rank] = value;
        }
    }

    fn insert(&mut self, index: u32, value: u64) {
        if !self.dense() && self.entries.len() >= DENSE {
            let mut all = vec![0; FANOUT as usize];
            for (position, entry) in self.iter() {
                all[position as usize] = entry;
            }
            self.entries = all;
        }
        if self.dense() {
            self.entries[index as usize] = value;
        } else {
            let rank = self.rank(index);
            if self.entries.len() == self.entries.capacity() {
                let more = (self.entries.len() / 2).max(4);
                self.entries.reserve_exact(more);
            }
            self.entries.insert(rank, value);
            self.before[(index / 64) as usize + 1..].iter_mut().for_each(|count| *count += 1);
        }
        self.present[(index / 64) as usize] |= 1 << (index % 64);
        self.count += 1;
    }

    fn remove(&mut self, index: u32) {
        if self.dense() {
            self.entries[index as usize] = 0;
        } else {
            let rank = self.rank(index);
            self.entries.remove(rank);
            self.before[(index / 64) as usize + 1..].iter_mut().for_each(|count| *count -= 1);
        }
        self.present[(index / 64) as usize] &= !(1 << (index % 64));
        self.count -= 1;
    }

    /// How many entries are in use.
    pub fn len(&self) -> u16 {
        self.count
    }

    /// The first entry in use from `index` on.
    pub fn next(&self, index: u32) -> Option<(u32, u64)> {
        let mut word = index / 64;
        let mut mask = u64::MAX << (index % 64);
        while word < 8 {
            let bits = self.present[word as usize] & mask;
            if bits != 0 {
                let found = word * 64 + bits.trailing_zeros();
                return Some((found, self.get(found)));
            }
            word += 1;
            mask = u64::MAX;
        }
        None
    }

    /// Every entry in use with its index, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let (index, value) = self.next(from)?;
            from = index + 1;
            Some((index, value))
        })
    }

    /// Bytes on the host.
    pub fn host_bytes(&self) -> usize {
        size_of::<Self>() + self.entries.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_like_an_array(operations in prop::collection::vec((0u32..512, 0u64..3), 1..1200)) {
            let (mut node, mut plain) = (Node::default(), [0u64; 512]);
            for (index, value) in operations {
                node.set(index, value);
                plain[index as usize] = value;
                prop_assert_eq!(node.get(index), value);
            }
            prop_assert_eq!(usize::from(node.len()), plain.iter().filter(|v| **v != 0).count());
            prop_assert!(plain.iter().enumerate().all(|(i, v)| node.get(i as u32) == *v));
            prop_assert!(node.iter().all(|(i, v)| plain[i as usize] == v));
            prop_assert_eq!(node.iter().count(), usize::from(node.len()));
        }
    }

    #[test]
    fn an_eighth_full_costs_little() {
        let mut node = Node::default();
        (0..64).for_each(|index| node.set(index * 8, 1));
        assert!(node.host_bytes() / 64 <= 16, "{}", node.host_bytes());
    }
}
