//! How many pages are read from swap at once. The window follows how useful the last one was: Linux
//! mm/swap_state.c, `swapin_nr_pages` and `swap_cluster_readahead`.

use std::ops::RangeInclusive;

/// The window of readahead by slot.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Readahead {
    most: u32,
    hits: u32,
    previous: u32,
    last_window: u32,
}

impl Readahead {
    /// Windows of up to 2^`cluster` pages (Linux's page-cluster).
    pub fn new(cluster: u8) -> Self {
        // Linux starts as if four pages had been useful.
        Self { most: 1 << cluster.min(16), hits: 4, previous: 0, last_window: 0 }
    }

    /// A page that was read ahead is wanted.
    pub fn hit(&mut self) {
        self.hits += 1;
    }

    /// The slots to read for a fault on `slot`: an aligned window around it.
    pub fn window(&mut self, slot: u32) -> RangeInclusive<u32> {
        if self.most <= 1 {
            return slot..=slot;
        }
        let hits = std::mem::take(&mut self.hits);
        let beside = slot.abs_diff(self.previous) == 1;
        let wanted = match hits {
            0 if beside => 2,
            0 => 1,
            hits => (hits + 2).next_power_of_two().max(4),
        };
        // It shrinks by half at most.
        let pages = wanted.min(self.most).max(self.last_window / 2).max(1);
        if hits == 0 {
            self.previous = slot;
        }
        self.last_window = pages;
        let mask = pages - 1;
        // Slot 0 is the swap area's header.
        (slot & !mask).max(1)..=(slot | mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_open_the_window_and_silence_closes_it_by_halves() {
        let mut readahead = Readahead::new(3);
        assert_eq!(readahead.window(100), 96..=103);
        assert_eq!(readahead.window(200), 200..=203, "half of 8");
        assert_eq!(readahead.window(300), 300..=301);
        assert_eq!(readahead.window(400), 400..=400);
        assert_eq!(readahead.window(401), 400..=401, "neighbours read two");
        readahead.hit();
        assert_eq!(readahead.window(3), 1..=3, "one hit reads four, without the header");
        (0..7).for_each(|_| readahead.hit());
        assert_eq!(readahead.window(17), 16..=23);
    }

    #[test]
    fn cluster_zero_reads_only_what_is_wanted() {
        let mut readahead = Readahead::new(0);
        readahead.hit();
        assert_eq!(readahead.window(5), 5..=5);
    }
}
