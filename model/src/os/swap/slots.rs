//! A swap area: which slot is free, who refers to it, and which frame holds a copy of it.
//!
//! Slots are handed out as Linux does on a rotating disk (mm/swapfile.c): upwards within a cluster of
//! 256, then from the lowest cluster that is entirely free, and where there is none, the lowest free slot.

use std::collections::BTreeSet;

use crate::os::frames::NONE;

const CLUSTER: u32 = 256;

/// One slot in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
struct Slot {
    /// Page-table entries that name it.
    references: u32,
    /// The frame with a copy of it, [`NONE`] without.
    frame: u32,
}

impl Slot {
    fn is_redundant(&self) -> bool {
        self.references == 0 && self.frame != NONE
    }
}

const FREE: Slot = Slot { references: 0, frame: NONE };

/// The slots of the swap area. Slot 0 holds its header and is never handed out.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Slots {
    capacity: u32,
    slots: Vec<Slot>,
    taken: Vec<[u64; 4]>,
    used_in: Vec<u16>,
    empty: BTreeSet<u32>,
    partial: BTreeSet<u32>,
    /// Slots whose only holder is a frame in memory.
    redundant: BTreeSet<u32>,
    current: Option<u32>,
    cursor: u32,
    used: u32,
}

impl Slots {
    /// An area of `capacity` slots, the header included.
    pub fn new(capacity: u32) -> Self {
        Self {
            capacity,
            slots: Vec::new(),
            taken: Vec::new(),
            used_in: Vec::new(),
            empty: BTreeSet::new(),
            partial: BTreeSet::new(),
            redundant: BTreeSet::new(),
            current: None,
            cursor: 0,
            used: 0,
        }
    }

    /// Slots in use.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// All slots, the header included.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    fn clusters(&self) -> u32 {
        self.capacity.div_ceil(CLUSTER)
    }

    /// The first free slot of a cluster from `from` on.
    fn free_in(&self, cluster: u32, from: u32) -> Option<u32> {
        let bits = self.taken.get(cluster as usize)?;
        let slot =
            (from..CLUSTER).find(|slot| bits[(slot / 64) as usize & 3] >> (slot % 64) & 1 == 0)?;
        Some(cluster * CLUSTER + slot).filter(|slot| *slot < self.capacity)
    }

    /// A slot for the copy of `frame`; `None` where the area is full.
    pub fn allocate(&mut self, frame: u32) -> Option<u32> {
        match self.allocate_here(frame) {
            Some(slot) => Some(slot),
            None => self.next_cluster().map(|slot| self.take(slot, frame)),
        }
    }

    /// A slot for the copy of `frame` behind the last one, in the same cluster.
    pub fn allocate_here(&mut self, frame: u32) -> Option<u32> {
        let slot = self.current.and_then(|cluster| self.free_in(cluster, self.cursor))?;
        Some(self.take(slot, frame))
    }

    fn take(&mut self, slot: u32, frame: u32) -> u32 {
        let (cluster, bit) = (slot / CLUSTER, slot % CLUSTER);
        (self.current, self.cursor) = (Some(cluster), bit + 1);
        self.mark(slot, true);
        self.change(slot, |state| *state = Slot { references: 0, frame });
        self.used += 1;
        slot
    }

    fn next_cluster(&mut self) -> Option<u32> {
        if let Some(&cluster) = self.empty.first() {
            return self.free_in(cluster, 0);
        }
        // Below 2^32 / 256.
        let fresh = self.taken.len() as u32;
        if fresh < self.clusters() {
            self.taken.push([0; 4]);
            self.used_in.push(0);
            self.slots.resize(self.slots.len() + CLUSTER as usize, FREE);
            if fresh == 0 {
                self.mark(0, true);
            }
            if let Some(slot) = self.free_in(fresh, 0) {
                return Some(slot);
            }
        }
        let candidates = self.partial.iter();
        candidates.filter_map(|cluster| self.free_in(*cluster, 0)).next()
    }

    fn mark(&mut self, slot: u32, taken: bool) {
        let (cluster, bit) = (slot / CLUSTER, slot % CLUSTER);
        let word = &mut self.taken[cluster as usize][(bit / 64) as usize];
        let used = &mut self.used_in[cluster as usize];
        if taken {
            *word |= 1 << (bit % 64);
            *used += 1;
        } else {
            *word &= !(1 << (bit % 64));
            *used -= 1;
        }
        let used = u32::from(*used);
        self.empty.remove(&cluster);
        self.partial.remove(&cluster);
        match used {
            0 => self.empty.insert(cluster),
            CLUSTER => false,
            _ => self.partial.insert(cluster),
        };
    }

    fn get(&self, slot: u32) -> Slot {
        self.slots.get(slot as usize).copied().unwrap_or(FREE)
    }

    /// The frame with a copy of `slot`.
    pub fn frame(&self, slot: u32) -> Option<u32> {
        Some(self.get(slot).frame).filter(|frame| *frame != NONE)
    }

    /// Page-table entries that name `slot`.
    pub fn references(&self, slot: u32) -> u32 {
        self.get(slot).references
    }

    /// Whether `slot` holds a page.
    pub fn in_use(&self, slot: u32) -> bool {
        self.get(slot) != FREE
    }

    fn change(&mut self, slot: u32, change: impl FnOnce(&mut Slot)) {
        let Some(state) = self.slots.get_mut(slot as usize) else { return };
        let before = state.is_redundant();
        change(state);
        match (before, state.is_redundant()) {
            (false, true) => self.redundant.insert(slot),
            (true, false) => self.redundant.remove(&slot),
            _ => false,
        };
    }

    /// `frame` is now a copy of `slot`.
    pub fn cache(&mut self, slot: u32, frame: u32) {
        self.change(slot, |state| state.frame = frame);
    }

    /// No frame is a copy of `slot` any more; the slot is freed where nothing else wants it.
    pub fn uncache(&mut self, slot: u32) {
        self.cache(slot, NONE);
        self.settle(slot);
    }

    /// One more entry names `slot`.
    pub fn refer(&mut self, slot: u32) {
        self.change(slot, |state| state.references += 1);
    }

    /// One entry fewer names `slot`; returns how many are left.
    pub fn release(&mut self, slot: u32) -> u32 {
        self.change(slot, |state| state.references = state.references.saturating_sub(1));
        self.settle(slot);
        self.references(slot)
    }

    fn settle(&mut self, slot: u32) {
        if self.get(slot) == FREE && (slot as usize) < self.slots.len() {
            self.mark(slot, false);
            self.used -= 1;
        }
    }

    /// The first slot from `from` on whose only holder is a frame in memory, so that it could be given up.
    pub fn redundant_from(&self, from: u32) -> Option<(u32, u32)> {
        let slot = *self.redundant.range(from..).next()?;
        Some((slot, self.get(slot).frame))
    }

    /// Bytes on the host.
    pub fn host_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.taken.capacity() * size_of::<[u64; 4]>()
            + self.redundant.len() * size_of::<u64>()
    }

    /// Every slot in use: number, referring entries, frame.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, Option<u32>)> + '_ {
        (0u32..).zip(&self.slots).filter(|(_, slot)| **slot != FREE).map(|(index, slot)| {
            (index, slot.references, Some(slot.frame).filter(|frame| *frame != NONE))
        })
    }

    /// Whether the counts agree with the slots.
    pub fn check(&self) -> Result<(), String> {
        let used = self.slots.iter().filter(|slot| **slot != FREE).count();
        let header = usize::from(!self.taken.is_empty());
        let bits: usize = self.taken.iter().flatten().map(|word| word.count_ones() as usize).sum();
        if used != self.used as usize || bits != used + header {
            return Err(format!("{used} slots in use, {} counted, {bits} bits", self.used));
        }
        let redundant = (0u32..).zip(&self.slots).filter(|(_, slot)| slot.is_redundant());
        if !redundant.map(|(slot, _)| slot).eq(self.redundant.iter().copied()) {
            return Err(
                "slots are taken for redundant that are not, or the other way around".into()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_handed_out_in_a_row_and_free_clusters_come_first() {
        let mut slots = Slots::new(1024);
        assert_eq!(
            (1..300).map(|_| slots.allocate(0)).collect::<Option<Vec<_>>>(),
            Some((1..300).collect())
        );
        (10..20).for_each(|slot| slots.uncache(slot));
        assert_eq!(slots.allocate(0), Some(300), "the cluster is used up before holes are");
        (1..256).for_each(|slot| {
            if !(10..20).contains(&slot) {
                slots.uncache(slot)
            }
        });
        assert_eq!((300..511).filter_map(|_| slots.allocate(0)).last(), Some(511));
        slots.check().unwrap();
    }

    #[test]
    fn the_area_fills_to_its_last_slot() {
        let mut slots = Slots::new(300);
        let got: Vec<_> = std::iter::from_fn(|| slots.allocate(7)).collect();
        assert_eq!(got, (1..300).collect::<Vec<_>>());
        slots.uncache(42);
        assert_eq!((slots.allocate(7), slots.allocate(7)), (Some(42), None));
        assert_eq!(Slots::new(0).allocate(0), None);
        slots.check().unwrap();
    }

    #[test]
    fn a_redundant_slot_is_found_from_anywhere() {
        let mut slots = Slots::new(1024);
        let all: Vec<u32> = (0..600).filter_map(|frame| slots.allocate(frame)).collect();
        all.iter().for_each(|slot| slots.refer(*slot));
        assert_eq!(slots.redundant_from(0), None);
        assert_eq!([9, 500].map(|index| slots.release(all[index])), [0, 0]);
        let found = [0, 11, all[500], all[500] + 1].map(|from| slots.redundant_from(from));
        let (low, high) = (Some((all[9], 9)), Some((all[500], 500)));
        assert_eq!(found, [low, high, high, None]);
        slots.uncache(all[9]);
        assert_eq!(slots.redundant_from(0), high);
        slots.check().unwrap();
    }

    #[test]
    fn a_slot_lives_as_long_as_somebody_wants_it() {
        let mut slots = Slots::new(16);
        let slot = slots.allocate(3).unwrap();
        slots.refer(slot);
        slots.refer(slot);
        slots.uncache(slot);
        assert_eq!((slots.release(slot), slots.in_use(slot)), (1, true));
        assert_eq!((slots.release(slot), slots.in_use(slot), slots.used()), (0, false, 0));
    }
}
