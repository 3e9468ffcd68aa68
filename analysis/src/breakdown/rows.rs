//! Rows by what they are for.

use std::collections::HashMap;
use std::hash::Hash;

/// The row of what belongs to no record.
pub const REST: u32 = 0;
/// The row of everything for which there is no row of its own, because there are too many.
pub const OTHER: u32 = 1;
/// The most rows that a break-down has.
const MOST: usize = 1 << 18;
/// Keys of which the row is found without a search.
const RECENT: usize = 256;

/// A row for each key, in the order in which they come.
#[derive(Debug)]
pub struct Rows<K> {
    rows: HashMap<K, u32>,
    keys: Vec<K>,
    /// By a hash: a key and its row.
    recent: Vec<Option<(K, u32)>>,
}

impl<K: Copy + Eq + Hash> Rows<K> {
    /// None yet.
    pub fn new() -> Self {
        Self { rows: HashMap::new(), keys: Vec::new(), recent: vec![None; RECENT] }
    }

    /// The row of `key`; `hash` spreads keys.
    #[inline]
    pub fn of(&mut self, key: K, hash: u64) -> u32 {
        // The highest bits of a product depend on all bits of the number (Knuth, volume 3, 6.4).
        let place = (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize;
        match self.recent[place] {
            Some((known, row)) if known == key => row,
            _ => {
                let row = self.search(key);
                self.recent[place] = Some((key, row));
                row
            }
        }
    }

    fn search(&mut self, key: K) -> u32 {
        let next = OTHER + 1 + self.keys.len() as u32;
        if self.keys.len() >= MOST {
            return self.rows.get(&key).copied().unwrap_or(OTHER);
        }
        let row = *self.rows.entry(key).or_insert(next);
        if row == next {
            self.keys.push(key);
        }
        row
    }

    /// The keys, of which the first has the row after [`OTHER`].
    pub fn keys(&self) -> &[K] {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_row_and_there_are_only_so_many() {
        let mut rows = Rows::new();
        let first: Vec<u32> = [7u64, 9, 7, 9, 8].iter().map(|key| rows.of(*key, *key)).collect();
        assert_eq!(first, [2, 3, 2, 3, 4]);
        for key in 0..MOST as u64 + 10 {
            rows.of(key, key);
        }
        assert_eq!((rows.of(7, 7), rows.of(MOST as u64 + 9, 1)), (2, OTHER));
        assert_eq!(rows.keys().len(), MOST);
    }
}
