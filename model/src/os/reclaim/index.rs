//! A hash index over pages that lie in an array.

use super::Page;

const EMPTY: u32 = u32::MAX;
/// 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming 3, section 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Finds the number of a page in an array of pages, which the caller keeps. Open addressing with linear
/// probing: 6 to 12 bytes a page.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Index {
    /// Numbers; a power of two of them.
    table: Vec<u32>,
    used: usize,
}

impl Index {
    pub fn host_bytes(&self) -> usize {
        self.table.capacity() * size_of::<u32>()
    }

    /// Where the search for a page starts. The table is not empty.
    fn home(&self, page: Page) -> usize {
        let process = u64::from(page.process).wrapping_mul(GOLDEN).rotate_left(32);
        let hash = (page.number() ^ process).wrapping_mul(GOLDEN);
        // The upper bits depend on all of the number's.
        (hash >> 32) as usize & (self.table.len() - 1)
    }

    /// The place of a page, or the free one where the search for it ends.
    fn place(&self, page: Page, pages: &[Page]) -> usize {
        let mut place = self.home(page);
        while self.table[place] != EMPTY && pages[self.table[place] as usize] != page {
            place = (place + 1) & (self.table.len() - 1);
        }
        place
    }

    /// The number of `page`.
    pub fn find(&self, page: Page, pages: &[Page]) -> Option<u32> {
        if self.used == 0 {
            return None;
        }
        Some(self.table[self.place(page, pages)]).filter(|number| *number != EMPTY)
    }

    /// Adds page `number` of `pages`, which is not there.
    pub fn insert(&mut self, number: u32, pages: &[Page]) {
        // At most two thirds are used.
        if 3 * (self.used + 1) > 2 * self.table.len() {
            let larger = vec![EMPTY; (2 * self.table.len()).max(16)];
            for number in std::mem::replace(&mut self.table, larger) {
                if number != EMPTY {
                    self.put(number, pages);
                }
            }
        }
        self.put(number, pages);
        self.used += 1;
    }

    fn put(&mut self, number: u32, pages: &[Page]) {
        let place = self.place(pages[number as usize], pages);
        self.table[place] = number;
    }

    /// Takes out `page`; its number.
    pub fn remove(&mut self, page: Page, pages: &[Page]) -> Option<u32> {
        let number = self.find(page, pages)?;
        let mask = self.table.len() - 1;
        let mut gap = self.place(page, pages);
        let mut place = gap;
        loop {
            place = (place + 1) & mask;
            let other = self.table[place];
            if other == EMPTY {
                break;
            }
            // What would not be found behind the gap moves into it.
            let home = self.home(pages[other as usize]);
            if place.wrapping_sub(home) & mask >= place.wrapping_sub(gap) & mask {
                self.table[gap] = other;
                gap = place;
            }
        }
        self.table[gap] = EMPTY;
        self.used -= 1;
        Some(number)
    }
}
