//! The swap areas, and how far to read ahead.

use std::collections::BTreeMap;

use crate::time::settings::{Device, Swap};

const CLUSTER: u64 = 256;

/// A swap area, whose slot 0 is its header.
#[derive(Debug)]
pub struct Area {
    pub name: String,
    /// Its first slot among those of all areas.
    pub first: u64,
    pub capacity: u64,
    rank: i32,
    /// The slot that was handed out last.
    last: Option<u64>,
    /// How many compressed pages fit where one was, on a device in memory.
    ratio: Option<u64>,
}

/// The slots in use, each with the frame that has a copy of it, if one has.
#[derive(Debug)]
pub struct Slots {
    pub used: BTreeMap<u64, Option<u64>>,
    pub areas: Vec<Area>,
    /// The order in which areas are asked: by priority, and the one asked last behind its equals.
    order: Vec<usize>,
    current: Option<usize>,
    /// Bytes that the pages on devices in memory take.
    pub compressed: BTreeMap<u64, u64>,
    page: u64,
}

impl Slots {
    /// The areas of a machine; one without an end where memory is given in frames.
    pub fn new(swap: &Swap, page: u64, textbook: bool) -> Self {
        let mut areas = Vec::new();
        if textbook {
            let (name, capacity) = (String::new(), u64::from(u32::MAX));
            areas.push(Area { name, first: 0, capacity, rank: 0, last: None, ratio: None });
        } else {
            for placed in swap.areas(page) {
                let ratio = match placed.device {
                    Device::Zram(zram) => Some(u64::from(zram.ratio)),
                    _ => None,
                };
                areas.push(Area {
                    name: placed.name.to_owned(),
                    first: placed.first,
                    capacity: placed.slots,
                    rank: placed.rank,
                    last: None,
                    ratio,
                });
            }
        }
        let mut order: Vec<usize> = (0..areas.len()).collect();
        order.sort_by_key(|at| -areas[*at].rank);
        let (used, compressed) = Default::default();
        Self { used, areas, order, current: None, compressed, page }
    }

    /// The next free slot in the cluster of the area's last one.
    fn in_cluster(&self, area: &Area) -> Option<u64> {
        let last = area.last?;
        (last + 1..(last / CLUSTER + 1) * CLUSTER).find(|slot| self.is_free(area, *slot))
    }

    fn is_free(&self, area: &Area, slot: u64) -> bool {
        slot < area.capacity && !self.used.contains_key(&(area.first + slot))
    }

    /// What the area gives: the next free slot in the cluster of the last one; else the first one of the
    /// lowest cluster that is free as a whole; else the lowest free one.
    fn in_area(&self, area: &Area) -> Option<u64> {
        let whole = || {
            let is_whole = |cluster: &u64| {
                let first = area.first + cluster * CLUSTER;
                let end = area.first + ((cluster + 1) * CLUSTER).min(area.capacity);
                self.used.range(first..end).next().is_none()
            };
            let mut clusters = 1..area.capacity.div_ceil(CLUSTER);
            clusters.find(is_whole).map(|cluster| cluster * CLUSTER)
        };
        if area.last.is_none() {
            return Some(1).filter(|slot| self.is_free(area, *slot));
        }
        let lowest = || (1..area.capacity).find(|slot| self.is_free(area, *slot));
        self.in_cluster(area).or_else(whole).or_else(lowest)
    }

    /// A slot for the page in `frame`: in the cluster of the last one, else in the first area that has one.
    pub fn take(&mut self, frame: u64) -> Option<u64> {
        let here = self.current.and_then(|at| Some((at, self.in_cluster(&self.areas[at])?)));
        let (at, slot) = here.or_else(|| self.elsewhere())?;
        self.current = Some(at);
        self.areas[at].last = Some(slot);
        let slot = self.areas[at].first + slot;
        self.used.insert(slot, Some(frame));
        Some(slot)
    }

    fn elsewhere(&mut self) -> Option<(usize, u64)> {
        for at in self.order.clone() {
            self.order.retain(|other| *other != at);
            self.order.push(at);
            self.order.sort_by_key(|at| -self.areas[*at].rank);
            if let Some(slot) = self.in_area(&self.areas[at]) {
                return Some((at, slot));
            }
        }
        None
    }

    /// The area of a slot.
    pub fn area(&self, slot: u64) -> Option<&Area> {
        self.areas.iter().find(|area| (area.first..area.first + area.capacity).contains(&slot))
    }

    /// Whether a slot is on a device in memory.
    pub fn in_memory(&self, slot: u64) -> bool {
        self.area(slot).is_some_and(|area| area.ratio.is_some())
    }

    /// Whether some device is in memory.
    pub fn compresses(&self) -> bool {
        self.areas.iter().any(|area| area.ratio.is_some())
    }

    /// A page is written to a slot; `ratio` of it fit where one was, if that is known.
    pub fn write(&mut self, slot: u64, ratio: Option<u32>) {
        if let Some(usual) = self.area(slot).and_then(|area| area.ratio) {
            let ratio = ratio.map_or(usual, u64::from);
            self.compressed.insert(slot, self.page.div_ceil(ratio));
        }
    }

    /// Frames that compressed pages take: those of each area lie together.
    pub fn pool(&self) -> u64 {
        let bytes = |area: &Area| -> u64 {
            let end = area.first + area.capacity;
            self.compressed.range(area.first..end).map(|(_, bytes)| bytes).sum()
        };
        self.areas.iter().map(|area| bytes(area).div_ceil(self.page)).sum()
    }

    /// The frame with a copy of a slot.
    pub fn frame(&self, slot: u64) -> Option<u64> {
        self.used.get(&slot).copied().flatten()
    }

    /// Whether more than half is used: then a copy is given up once it has been read.
    pub fn crowded(&self) -> bool {
        let all: u64 = self.areas.iter().map(|area| area.capacity).sum();
        self.used.len() as u64 > all / 2
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
