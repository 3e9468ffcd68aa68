//! Swap areas side by side: which one a page goes to, and what compressed ones take.
//!
//! Slots of all areas are numbered through. Linux (mm/swapfile.c) goes on in the cluster that it took last;
//! where that is used up it asks the areas in the order of their priority, and those of equal priority in
//! turn.

use super::Slots;
use crate::os::swap::Readahead;
use crate::statistics::Statistics;
use crate::time::settings::{Device, Swap};

/// The compressed pages of an area in memory. They are packed without loss: zsmalloc, which keeps them in
/// Linux, loses some percent.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
struct Pool {
    /// How many pages fit where one was, where nothing is known of them.
    ratio: u32,
    /// What is kept for each slot, in bytes.
    sizes: Vec<u32>,
    bytes: u64,
}

impl Pool {
    /// Keeps `bytes` for a slot, instead of what was kept before.
    fn keep(&mut self, slot: u32, bytes: u32) {
        let at = slot as usize;
        if at >= self.sizes.len() {
            self.sizes.resize(at + 1, 0);
        }
        let before = std::mem::replace(&mut self.sizes[at], bytes);
        self.bytes = self.bytes + u64::from(bytes) - u64::from(before);
    }
}

/// A swap area.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
struct Area {
    name: String,
    /// Its first slot among those of all areas.
    first: u32,
    rank: i32,
    slots: Slots,
    pool: Option<Pool>,
    reads: u64,
    writes: u64,
}

/// All swap areas.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct SwapSpace {
    /// In the order of their slots.
    areas: Vec<Area>,
    /// The order in which they are asked.
    order: Vec<usize>,
    /// Where the last slot was found.
    current: Option<usize>,
    capacity: u64,
    used: u32,
    page_bytes: u64,
}

impl SwapSpace {
    /// One unlimited area, for a machine that is given in frames.
    pub fn unlimited() -> Self {
        let mut space = Self::new(&Swap { device: Device::None, ..Swap::default() }, 1);
        space.add(String::new(), 0, 0, u32::MAX, None);
        space
    }

    /// The areas of a machine with pages of `page_bytes`, which have less than 2^32 slots together.
    pub fn new(swap: &Swap, page_bytes: u64) -> Self {
        let (areas, order) = Default::default();
        let mut space = Self { areas, order, current: None, capacity: 0, used: 0, page_bytes };
        for area in swap.areas(page_bytes) {
            let ratio = match area.device {
                Device::Zram(zram) => Some(zram.ratio),
                _ => None,
            };
            let (first, slots) = (area.first as u32, area.slots as u32);
            space.add(area.name.to_owned(), first, area.rank, slots, ratio);
        }
        space
    }

    fn add(&mut self, name: String, first: u32, rank: i32, slots: u32, ratio: Option<u32>) {
        let pool = ratio.map(|ratio| Pool { ratio, sizes: Vec::new(), bytes: 0 });
        let area = Area { name, first, rank, slots: Slots::new(slots), pool, reads: 0, writes: 0 };
        self.areas.push(area);
        self.capacity += u64::from(slots);
        self.enqueue(self.areas.len() - 1);
    }

    /// Puts an area behind those of its priority.
    fn enqueue(&mut self, at: usize) {
        self.order.retain(|other| *other != at);
        let rank = self.areas[at].rank;
        let place = self.order.partition_point(|other| self.areas[*other].rank >= rank);
        self.order.insert(place, at);
    }

    /// The area of a slot, and the slot's number in it.
    fn locate(&self, slot: u32) -> Option<(usize, u32)> {
        let at = match self.areas.len() {
            1 => 0,
            _ => self.areas.partition_point(|area| area.first <= slot).checked_sub(1)?,
        };
        Some((at, slot - self.areas[at].first))
    }

    /// Whether there is an area at all.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty()
    }

    /// Slots in use.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// Whether so much is used that a copy is not kept once it has been read (Linux's `vm_swap_full`).
    pub fn crowded(&self) -> bool {
        u64::from(self.used) > self.capacity / 2
    }

    /// A slot for the copy of `frame`; `None` where every area is full.
    pub fn allocate(&mut self, frame: u32) -> Option<u32> {
        let here = self.current.and_then(|at| {
            let area = &mut self.areas[at];
            area.slots.allocate_here(frame).map(|slot| area.first + slot)
        });
        let slot = match here {
            Some(slot) => slot,
            None => self.allocate_elsewhere(frame)?,
        };
        self.used += 1;
        Some(slot)
    }

    #[cold]
    fn allocate_elsewhere(&mut self, frame: u32) -> Option<u32> {
        for at in self.order.clone() {
            self.enqueue(at);
            let area = &mut self.areas[at];
            if let Some(slot) = area.slots.allocate(frame) {
                self.current = Some(at);
                return Some(area.first + slot);
            }
        }
        None
    }

    /// The frame with a copy of `slot`.
    pub fn frame(&self, slot: u32) -> Option<u32> {
        let (at, local) = self.locate(slot)?;
        self.areas[at].slots.frame(local)
    }

    /// Page-table entries that name `slot`.
    pub fn references(&self, slot: u32) -> u32 {
        self.locate(slot).map_or(0, |(at, local)| self.areas[at].slots.references(local))
    }

    /// Whether `slot` holds a page.
    pub fn in_use(&self, slot: u32) -> bool {
        self.locate(slot).is_some_and(|(at, local)| self.areas[at].slots.in_use(local))
    }

    /// `frame` is now a copy of `slot`.
    pub fn cache(&mut self, slot: u32, frame: u32) {
        if let Some((at, local)) = self.locate(slot) {
            self.areas[at].slots.cache(local, frame);
        }
    }

    /// No frame is a copy of `slot` any more; the slot is freed where nothing else wants it.
    pub fn uncache(&mut self, slot: u32) {
        if let Some((at, local)) = self.locate(slot) {
            let used = self.areas[at].slots.used();
            self.areas[at].slots.uncache(local);
            self.settle(at, local, used);
        }
    }

    /// One more entry names `slot`.
    pub fn refer(&mut self, slot: u32) {
        if let Some((at, local)) = self.locate(slot) {
            self.areas[at].slots.refer(local);
        }
    }

    /// One entry fewer names `slot`; returns how many are left.
    pub fn release(&mut self, slot: u32) -> u32 {
        let Some((at, local)) = self.locate(slot) else { return 0 };
        let used = self.areas[at].slots.used();
        let left = self.areas[at].slots.release(local);
        self.settle(at, local, used);
        left
    }

    /// Accounts for a slot that may have been freed, of an area that had `before` in use.
    fn settle(&mut self, at: usize, local: u32, before: u32) {
        let area = &mut self.areas[at];
        let freed = before - area.slots.used();
        self.used -= freed;
        if let Some(pool) = area.pool.as_mut().filter(|_| freed > 0) {
            pool.keep(local, 0);
        }
    }

    /// A slot whose only holder is a frame in memory, so that it could be given up; at or after `from`,
    /// else the first one.
    pub fn redundant(&self, from: u32) -> Option<(u32, u32)> {
        let (start, local) = self.locate(from)?;
        let later =
            self.areas[start..].iter().zip(std::iter::once(local).chain(std::iter::repeat(0)));
        let all = later.chain(self.areas.iter().zip(std::iter::repeat(0)));
        all.into_iter().find_map(|(area, from)| {
            let (slot, frame) = area.slots.redundant_from(from)?;
            Some((area.first + slot, frame))
        })
    }

    /// The slots to read for a fault on `slot`: those of `readahead`'s window that its area has.
    pub fn window(&self, slot: u32, readahead: &mut Readahead) -> std::ops::RangeInclusive<u32> {
        let Some((at, local)) = self.locate(slot) else { return slot..=slot };
        let area = &self.areas[at];
        let window = readahead.window(local);
        let last = (*window.end()).min(area.slots.capacity().saturating_sub(1));
        area.first + window.start()..=area.first + last
    }

    /// Whether the slot's device is synchronous: it is read at once, on the CPU.
    pub fn is_synchronous(&self, slot: u32) -> bool {
        self.locate(slot).is_some_and(|(at, _)| self.areas[at].pool.is_some())
    }

    /// A page is read from `slot`.
    pub fn count_read(&mut self, slot: u32) {
        if let Some((at, _)) = self.locate(slot) {
            self.areas[at].reads += 1;
        }
    }

    /// A page is written to `slot`, of which `ratio` fit where one was, if that is known.
    pub fn write(&mut self, slot: u32, ratio: Option<u32>) {
        let Some((at, local)) = self.locate(slot) else { return };
        let area = &mut self.areas[at];
        area.writes += 1;
        if let Some(pool) = &mut area.pool {
            let ratio = u64::from(ratio.unwrap_or(pool.ratio).max(1));
            // A page is below 4 GiB where slots are numbers of 32 bits.
            pool.keep(local, self.page_bytes.div_ceil(ratio).min(u32::MAX.into()) as u32);
        }
    }

    /// Whether some area is in memory.
    pub fn compresses(&self) -> bool {
        self.areas.iter().any(|area| area.pool.is_some())
    }

    /// Frames that the compressed pages take.
    pub fn pool_frames(&self) -> u64 {
        let pools = self.areas.iter().filter_map(|area| area.pool.as_ref());
        pools.map(|pool| pool.bytes.div_ceil(self.page_bytes)).sum()
    }

    /// Bytes on the host.
    pub fn host_bytes(&self) -> usize {
        let pool = |pool: &Pool| pool.sizes.capacity() * size_of::<u32>();
        let areas = self.areas.iter();
        areas.map(|area| area.slots.host_bytes() + area.pool.as_ref().map_or(0, pool)).sum()
    }

    /// Every slot in use: number, referring entries, frame.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, Option<u32>)> + '_ {
        let slots = |area: &Area| {
            let first = area.first;
            let slots: Vec<_> = area.slots.iter().collect();
            slots
                .into_iter()
                .map(move |(slot, references, frame)| (first + slot, references, frame))
        };
        self.areas.iter().flat_map(slots)
    }

    /// Whether the counts agree with the slots.
    pub fn check(&self) -> Result<(), String> {
        for area in &self.areas {
            area.slots.check()?;
            let Some(pool) = &area.pool else { continue };
            let kept: u64 = pool.sizes.iter().map(|bytes| u64::from(*bytes)).sum();
            let free = (0u32..).zip(&pool.sizes).filter(|(slot, _)| !area.slots.in_use(*slot));
            if kept != pool.bytes || free.into_iter().any(|(_, bytes)| *bytes > 0) {
                return Err(format!("{kept} bytes are kept, {} counted", pool.bytes));
            }
        }
        let used: u32 = self.areas.iter().map(|area| area.slots.used()).sum();
        if used == self.used { Ok(()) } else { Err(format!("{used} slots, {} counted", self.used)) }
    }

    /// Adds what each area is used for, where there are several, and what compressed pages take, where
    /// there are any.
    pub fn report(&self, out: &mut Statistics) {
        for Area { name, reads, writes, .. } in self.areas.iter().filter(|_| self.areas.len() > 1) {
            let name = |what: &str| format!("swap.area.{name}.{what}");
            out.count(name("reads"), "pages", "pages read from the area", *reads);
            out.count(name("writes"), "pages", "pages written to the area", *writes);
        }
        if self.compresses() {
            let bytes = self.areas.iter().filter_map(|area| area.pool.as_ref());
            let bytes = bytes.map(|pool| pool.bytes).sum();
            out.level("swap.zram.bytes", "bytes", "compressed pages, at the end", bytes);
            let frames = "frames that compressed pages take, at the end";
            out.level("swap.zram.frames", "pages", frames, self.pool_frames());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(text: &str) -> SwapSpace {
        SwapSpace::new(&toml::from_str(text).unwrap(), 4096)
    }

    const THREE: &str = "device = \"nvme\"\nsize = \"4MiB\"\npriority = 5\n\
        [[area]]\nname = \"first\"\ndevice = \"zram\"\nsize = \"2MiB\"\npriority = 9\n\
        [[area]]\nname = \"equal\"\ndevice = \"hdd\"\nsize = \"4MiB\"\npriority = 5\n";

    /// Area `first` has slots from 1024, `equal` from 1536.
    #[test]
    fn priorities_come_first_and_equals_take_turns_by_the_cluster() {
        let mut space = space(THREE);
        let slots: Vec<u32> = std::iter::from_fn(|| space.allocate(0)).collect();
        assert_eq!(slots.len(), 511 + 1023 + 1023);
        assert_eq!(slots[..511], (1025..1536).collect::<Vec<_>>());
        let clusters: Vec<u32> = slots[511..].iter().map(|slot| slot / 256).collect();
        let turns: Vec<_> = clusters.chunk_by(|a, b| a == b).map(|chunk| chunk[0]).collect();
        assert_eq!(turns, [0, 6, 1, 7, 2, 8, 3, 9]);
        assert_eq!(space.used() as usize, slots.len());
        // A slot that is freed in the best area is not gone back to before a cluster is used up.
        space.uncache(1030);
        space.check().unwrap();
        assert_eq!(space.allocate(0), Some(1030));
    }

    #[test]
    fn readahead_stays_in_its_area() {
        let space = space(THREE);
        let mut readahead = Readahead::new(3);
        assert_eq!(space.window(1024 + 510, &mut readahead), 1528..=1535);
        let mut readahead = Readahead::new(3);
        assert_eq!(space.window(1025, &mut readahead), 1025..=1031, "without the header");
    }

    #[test]
    fn compressed_pages_take_their_share_until_their_slot_is_free() {
        let mut space = space(THREE);
        let slots: Vec<u32> = (0..10).filter_map(|_| space.allocate(3)).collect();
        slots.iter().for_each(|slot| space.write(*slot, None));
        assert_eq!(space.pool_frames(), (10 * 1366u64).div_ceil(4096));
        space.write(slots[0], Some(1));
        space.write(slots[1], Some(4096));
        assert_eq!(space.pool_frames(), (8 * 1366 + 4096 + 1u64).div_ceil(4096));
        space.check().unwrap();
        slots.iter().for_each(|slot| space.uncache(*slot));
        assert_eq!((space.pool_frames(), space.used()), (0, 0));
        assert!(space.is_synchronous(1025) && !space.is_synchronous(1));
        space.check().unwrap();
    }

    #[test]
    fn the_first_redundant_slot_at_or_after_a_place_is_found_in_any_area() {
        let mut space = space(THREE);
        let slots: Vec<u32> = (0..600).filter_map(|frame| space.allocate(frame)).collect();
        let (low, high) = (slots[520], slots[9]);
        for slot in &slots {
            space.refer(*slot);
        }
        space.release(low);
        space.release(high);
        assert!(low < 1024 && high > 1024);
        assert_eq!(space.redundant(0), Some((low, 520)));
        assert_eq!(space.redundant(low + 1), Some((high, 9)));
        assert_eq!(space.redundant(high + 1), Some((low, 520)));
        assert_eq!(
            SwapSpace::new(&Swap { device: Device::None, ..Swap::default() }, 1).redundant(0),
            None
        );
    }
}
