//! A set of page numbers, as a bitmap of what is near to each other.

use std::collections::HashMap;

/// Pages of one piece of the bitmap.
const PIECE: u64 = 512;

/// Pieces that are found without hashing, each in the one place that it can have.
const NEAR: usize = 64;

/// A set of page numbers. It takes 64 bytes for all pages of a piece of 512, where one is in it. Once the trace has
/// started there is none: pages that were noted are mapped.
#[derive(Debug, Default)]
pub struct PageSet {
    pieces: Vec<[u64; 8]>,
    /// The place of each piece, by the number of its first page in units of pieces.
    places: HashMap<u64, usize>,
    /// Pieces that were asked for last, with their places.
    near: Vec<(u64, usize)>,
}
crate::scratch::scratch!(PageSet);

impl PageSet {
    /// Adds a page.
    #[inline]
    pub fn insert(&mut self, page: u64) {
        let (number, index) = (page / PIECE, page % PIECE);
        let place = match self.near.get(number as usize % NEAR) {
            Some((known, place)) if *known == number => *place,
            _ => self.place(number),
        };
        self.pieces[place][(index / 64) as usize] |= 1 << (index % 64);
    }

    /// The place of a piece, which is made where there is none.
    fn place(&mut self, number: u64) -> usize {
        let place = *self.places.entry(number).or_insert_with(|| {
            self.pieces.push([0; 8]);
            self.pieces.len() - 1
        });
        if self.near.is_empty() {
            // No piece has this number.
            self.near = vec![(u64::MAX, 0); NEAR];
        }
        self.near[number as usize % NEAR] = (number, place);
        place
    }

    /// Every page, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let mut order: Vec<(u64, usize)> =
            self.places.iter().map(|(number, place)| (*number, *place)).collect();
        order.sort_unstable();
        order.into_iter().flat_map(move |(number, place)| {
            let piece = &self.pieces[place];
            (0..PIECE)
                .filter(move |index| piece[(index / 64) as usize] >> (index % 64) & 1 != 0)
                .map(move |index| number * PIECE + index)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn holds_what_was_put_in(pages in prop::collection::vec((0u64..2000, 0u32..48), 0..400)) {
            let (mut set, mut plain) = (PageSet::default(), BTreeSet::new());
            for (page, shift) in pages {
                set.insert(page << shift);
                plain.insert(page << shift);
            }
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), plain.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_last_page_there_is_can_be_in_it() {
        let mut set = PageSet::default();
        [u64::MAX, 0, u64::MAX].into_iter().for_each(|page| set.insert(page));
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, u64::MAX]);
    }
}
