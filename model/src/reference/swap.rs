//! The swap area, and how far to read ahead.

use std::collections::BTreeMap;

const CLUSTER: u64 = 256;

/// The slots in use, each with the frame that has a copy of it, if one has. Slot 0 is the header.
#[derive(Debug)]
pub struct Slots {
    pub used: BTreeMap<u64, Option<u64>>,
    capacity: u64,
    /// The slot that was handed out last.
    last: Option<u64>,
}

impl Slots {
    /// An area of so many slots.
    pub fn new(capacity: u64) -> Self {
        Self { used: BTreeMap::new(), capacity, last: None }
    }

    /// A slot for the page in `frame`: the next free one in the cluster of the last one; else the first
    /// one of the lowest cluster that is free as a whole; else the lowest free one.
    pub fn take(&mut self, frame: u64) -> Option<u64> {
        let free = |slot: &u64| *slot < self.capacity && !self.used.contains_key(slot);
        let in_cluster = |last: u64| (last + 1..(last / CLUSTER + 1) * CLUSTER).find(free);
        let whole = || {
            let is_whole =
                |first: &u64| self.used.range(first..&(first + CLUSTER)).next().is_none();
            let clusters = (1..self.capacity.div_ceil(CLUSTER)).map(|cluster| cluster * CLUSTER);
            clusters.into_iter().find(is_whole)
        };
        let slot = match self.last {
            None => Some(1).filter(free),
            Some(last) => in_cluster(last).or_else(whole).or_else(|| (1..self.capacity).find(free)),
        }?;
        self.last = Some(slot);
        self.used.insert(slot, Some(frame));
        Some(slot)
    }

    /// The frame with a copy of a slot.
    pub fn frame(&self, slot: u64) -> Option<u64> {
        self.used.get(&slot).copied().flatten()
    }

    /// Whether more than half is used: then a copy is given up once it has been read.
    pub fn crowded(&self) -> bool {
        self.used.len() as u64 > self.capacity / 2
    }
}

/// Linux's window of swap readahead (mm/swap_state.c).
#[derive(Debug)]
pub struct Window {
    most: u64,
    /// Pages that were read ahead and then wanted, since the last window.
    pub hits: u64,
    previous: u64,
    last: u64,
}

impl Window {
    /// Windows of at most 2^`cluster` pages.
    pub fn new(cluster: u8) -> Self {
        Self { most: 1 << cluster, hits: 4, previous: 0, last: 0 }
    }

    /// The slots to read for a fault on `slot`: an aligned block of them.
    pub fn around(&mut self, slot: u64) -> Vec<u64> {
        if self.most == 1 {
            return vec![slot];
        }
        let beside = slot == self.previous + 1 || slot + 1 == self.previous;
        let wanted = match self.hits {
            0 if beside => 2,
            0 => 1,
            hits => (hits + 2).next_power_of_two().max(4),
        };
        if self.hits == 0 {
            self.previous = slot;
        }
        self.hits = 0;
        self.last = wanted.min(self.most).max(self.last / 2);
        let first = slot / self.last * self.last;
        (first.max(1)..first + self.last).collect()
    }
}
