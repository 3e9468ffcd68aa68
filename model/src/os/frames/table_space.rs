//! Where page tables lie in physical memory.
//!
//! - A table smaller than a base page shares a frame with others of its size; a larger one takes a
//!   block of contiguous frames.
//! - A flat table, a table larger than the largest block, and every table of a machine whose memory is
//!   given in frames, cost no frames: they lie in a region of their own above memory.

use std::collections::{BTreeMap, BTreeSet};

use super::{Blocks, ORDERS};
use crate::address::{PageShift, Pfn, PhysAddr};

/// The allocator of page tables.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct TableSpace {
    page: PageShift,
    /// What tables are counted in.
    unit: PageShift,
    outside: bool,
    /// Where the region above memory goes on.
    next: u64,
    /// Freed tables of the region above memory, by size.
    returned: BTreeMap<u64, Vec<u64>>,
    /// Free pieces of shared frames, by size.
    pieces: BTreeMap<u64, BTreeSet<u64>>,
    /// Pieces in use of every shared frame.
    shared: BTreeMap<u32, u64>,
    frames: u64,
    bytes: u64,
    pages: u64,
}

impl TableSpace {
    /// For a machine of `frames` frames whose tables are counted in `unit`; `outside`: they never take
    /// frames.
    pub fn new(page: PageShift, unit: PageShift, frames: u64, outside: bool) -> Self {
        let above = frames.saturating_mul(page.bytes()).next_multiple_of(unit.bytes());
        Self {
            page,
            unit,
            outside,
            next: above,
            returned: BTreeMap::new(),
            pieces: BTreeMap::new(),
            shared: BTreeMap::new(),
            frames: 0,
            bytes: 0,
            pages: 0,
        }
    }

    /// The order of the block that a table takes; `None` where it lies above memory.
    fn order(&self, bytes: u64) -> Option<usize> {
        let order = bytes.div_ceil(self.page.bytes()).next_power_of_two().trailing_zeros() as usize;
        (!self.outside && order < ORDERS).then_some(order)
    }

    /// What a memory limit is charged for a table: nothing where it costs no frames.
    pub fn charge(&self, bytes: u64) -> u64 {
        if self.order(bytes).is_some() { bytes } else { 0 }
    }

    /// A table's place; `None` where no frame is free.
    pub fn allocate(&mut self, bytes: u64, buddy: &mut impl Blocks) -> Option<PhysAddr> {
        let place = match self.order(bytes) {
            None => self.above(bytes)?,
            Some(_) if bytes < self.page.bytes() => self.piece(bytes, buddy)?,
            Some(order) => {
                let first = buddy.allocate(order)?;
                self.frames += 1 << order;
                Pfn(first.into()).start(self.page).0
            }
        };
        self.bytes += self.charge(bytes);
        self.pages = self.pages.saturating_add(bytes.div_ceil(self.unit.bytes()));
        Some(PhysAddr(place))
    }

    fn above(&mut self, bytes: u64) -> Option<u64> {
        if let Some(place) = self.returned.get_mut(&bytes).and_then(Vec::pop) {
            return Some(place);
        }
        let place = self.next;
        self.next = place.checked_add(bytes)?.checked_next_multiple_of(self.unit.bytes())?;
        Some(place)
    }

    fn piece(&mut self, bytes: u64, buddy: &mut impl Blocks) -> Option<u64> {
        let pieces = self.pieces.entry(bytes).or_default();
        if pieces.is_empty() {
            let frame = buddy.allocate(0)?;
            let start = Pfn(frame.into()).start(self.page).0;
            pieces.extend((0..self.page.bytes() / bytes).map(|index| start + index * bytes));
            self.frames += 1;
        }
        let place = pieces.pop_first()?;
        *self.shared.entry((place >> self.page.0) as u32).or_default() += 1;
        Some(place)
    }

    /// Gives a table's place back.
    pub fn release(&mut self, place: PhysAddr, bytes: u64, buddy: &mut impl Blocks) {
        self.bytes -= self.charge(bytes);
        self.pages = self.pages.saturating_sub(bytes.div_ceil(self.unit.bytes()));
        let frame = (place.0 >> self.page.0) as u32;
        match self.order(bytes) {
            None => self.returned.entry(bytes).or_default().push(place.0),
            Some(_) if bytes < self.page.bytes() => {
                let pieces = self.pieces.entry(bytes).or_default();
                pieces.insert(place.0);
                let used = self.shared.entry(frame).or_default();
                *used = used.saturating_sub(1);
                if *used == 0 {
                    self.shared.remove(&frame);
                    pieces.retain(|piece| (piece >> self.page.0) as u32 != frame);
                    buddy.release(frame, 0);
                    self.frames -= 1;
                }
            }
            Some(order) => {
                buddy.release(frame, order);
                self.frames -= 1 << order;
            }
        }
    }

    /// Frames that tables take.
    pub fn frames(&self) -> u64 {
        self.frames
    }
    /// Bytes of tables that a limit is charged for.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
    /// Size of all tables in their unit, a smaller one counting as one.
    pub fn pages(&self) -> u64 {
        self.pages
    }
}

#[cfg(test)]
mod tests {
    use super::super::Buddy;
    use super::*;

    #[test]
    fn tables_share_large_frames_and_span_small_ones() {
        let mut buddy = Buddy::new(4);
        let mut large = TableSpace::new(PageShift(21), PageShift(12), 4, false);
        let tables: Vec<_> = (0..513).map(|_| large.allocate(4096, &mut buddy).unwrap()).collect();
        assert_eq!((buddy.free(), large.frames(), large.pages()), (2, 2, 513));
        tables.into_iter().for_each(|place| large.release(place, 4096, &mut buddy));
        assert_eq!((buddy.free(), large.frames(), large.bytes()), (4, 0, 0));

        let mut buddy = Buddy::new(128);
        let mut small = TableSpace::new(PageShift(6), PageShift(12), 128, false);
        assert_eq!(small.allocate(4096, &mut buddy), Some(PhysAddr(0)));
        assert_eq!(small.allocate(4096, &mut buddy), Some(PhysAddr(4096)));
        assert_eq!(small.allocate(4096, &mut buddy), None);
    }

    #[test]
    fn a_flat_table_lies_above_memory() {
        let mut buddy = Buddy::new(16);
        let mut space = TableSpace::new(PageShift(12), PageShift(12), 16, true);
        let place = space.allocate(512 << 30, &mut buddy).unwrap();
        assert_eq!((place, space.pages(), space.bytes()), (PhysAddr(16 << 12), 1 << 27, 0));
    }
}
