//! A hash index over pages that lie in an array.

use super::Page;

const EMPTY: u32 = u32::MAX;
/// 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming 3, section 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A place of the table.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct Place {
    hash: u32,
    /// [`EMPTY`] where there is none.
    number: u32,
}

const FREE: Place = Place { hash: 0, number: EMPTY };

/// Finds the number of a page in an array of pages, which the caller keeps. Open addressing with linear
/// probing: 12 to 24 bytes a page. Hashes lie in the table, so that hardly any page is looked at but the one
/// that is sought.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Index {
    /// A power of two of them.
    table: Vec<Place>,
    used: usize,
}

impl Index {
    pub fn host_bytes(&self) -> usize {
        self.table.capacity() * size_of::<Place>()
    }

    fn hash(page: Page) -> u32 {
        let process = u64::from(page.process).wrapping_mul(GOLDEN).rotate_left(32);
        let hash = (page.number() ^ process).wrapping_mul(GOLDEN);
        // The upper bits depend on all of the number's.
        (hash >> 32) as u32
    }

    /// Where the search for a page starts. The table is not empty.
    fn home(&self, hash: u32) -> usize {
        hash as usize & (self.table.len() - 1)
    }

    /// The place of a page, or the free one where the search for it ends.
    fn place(&self, page: Page, hash: u32, pages: &[Page]) -> usize {
        let mut at = self.home(hash);
        loop {
            let place = self.table[at];
            let found = place.hash == hash && pages.get(place.number as usize) == Some(&page);
            if place.number == EMPTY || found {
                return at;
            }
            at = (at + 1) & (self.table.len() - 1);
        }
    }

    /// Something of what looking for a page reads, to have it read: what is found where the search starts.
    #[inline]
    pub fn near(&self, page: Page) -> Option<u32> {
        if self.used == 0 {
            return None;
        }
        let hash = Self::hash(page);
        let place = self.table[self.home(hash)];
        Some(place.number).filter(|_| place.hash == hash && place.number != EMPTY)
    }

    /// The number of `page`.
    pub fn find(&self, page: Page, pages: &[Page]) -> Option<u32> {
        if self.used == 0 {
            return None;
        }
        let number = self.table[self.place(page, Self::hash(page), pages)].number;
        Some(number).filter(|number| *number != EMPTY)
    }

    /// Adds page `number` of `pages`, which is not there.
    pub fn insert(&mut self, number: u32, pages: &[Page]) {
        // At most two thirds are used.
        if 3 * (self.used + 1) > 2 * self.table.len() {
            let larger = vec![FREE; (2 * self.table.len()).max(16)];
            for place in std::mem::replace(&mut self.table, larger) {
                if place.number != EMPTY {
                    self.put(place);
                }
            }
        }
        self.put(Place { hash: Self::hash(pages[number as usize]), number });
        self.used += 1;
    }

    /// Puts what is not there into the first free place.
    fn put(&mut self, place: Place) {
        let mut at = self.home(place.hash);
        while self.table[at].number != EMPTY {
            at = (at + 1) & (self.table.len() - 1);
        }
        self.table[at] = place;
    }

    /// Takes out `page`; its number.
    pub fn remove(&mut self, page: Page, pages: &[Page]) -> Option<u32> {
        if self.used == 0 {
            return None;
        }
        let mask = self.table.len() - 1;
        let mut gap = self.place(page, Self::hash(page), pages);
        let number = Some(self.table[gap].number).filter(|number| *number != EMPTY)?;
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let other = self.table[at];
            if other.number == EMPTY {
                break;
            }
            // What would not be found behind the gap moves into it.
            let home = self.home(other.hash);
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(gap) & mask {
                self.table[gap] = other;
                gap = at;
            }
        }
        self.table[gap] = FREE;
        self.used -= 1;
        Some(number)
    }
}
