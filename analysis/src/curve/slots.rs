//! From pages and lines to small numbers that arrays are indexed by.

use tracegen::record::ProcessId;

/// log2 of the neighbouring pages or lines whose slots lie together: programs touch neighbours, and one
/// look-up in a table that stays small serves 32 of them.
const CHUNK_BITS: u32 = 5;
/// Slots of a chunk.
const CHUNK: usize = 1 << CHUNK_BITS;
/// An index that no chunk has.
const VACANT: u32 = u32::MAX;

/// A place of the table.
#[derive(Debug, Clone, Copy)]
struct Place {
    chunk: u64,
    process: ProcessId,
    /// The chunk's index, or [`VACANT`].
    index: u32,
}

const EMPTY: Place = Place { chunk: 0, process: 0, index: VACANT };

/// Gives every page or line of every process a slot: a number of its own, small where neighbours are
/// touched. An open-addressed table of chunks with linear probing, at most half full.
#[derive(Debug)]
pub struct Slots {
    table: Vec<Place>,
    /// 64 − log2 of the table's length.
    shift: u32,
    chunks: u32,
    /// The latest chunk.
    latest: Place,
}

impl Default for Slots {
    fn default() -> Self {
        const BITS: u32 = 6;
        Self { table: vec![EMPTY; 1 << BITS], shift: 64 - BITS, chunks: 0, latest: EMPTY }
    }
}

/// Spreads what differs in any bit over the upper bits.
#[inline]
fn spread(chunk: u64, process: ProcessId) -> u64 {
    // 2^64 / φ, and a multiplier of Steele and Vigna (2021); the shift brings the upper bits down again.
    let mixed = (chunk ^ u64::from(process).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 32).wrapping_mul(0xd134_2543_de82_ef95)
}

impl Slots {
    /// The slot of a page or line.
    #[inline]
    pub fn of(&mut self, process: ProcessId, number: u64) -> usize {
        let chunk = number >> CHUNK_BITS;
        let latest = self.latest;
        let index = if latest.chunk == chunk && latest.process == process && latest.index != VACANT
        {
            latest.index
        } else {
            self.find(process, chunk)
        };
        index as usize * CHUNK + (number as usize & (CHUNK - 1))
    }

    /// A number above every slot that was given out.
    pub fn end(&self) -> usize {
        self.chunks as usize * CHUNK
    }

    #[inline]
    fn find(&mut self, process: ProcessId, chunk: u64) -> u32 {
        let mask = self.table.len() - 1;
        let mut at = (spread(chunk, process) >> self.shift) as usize & mask;
        loop {
            let place = self.table[at];
            if place.index == VACANT {
                return self.add(process, chunk, at);
            }
            if place.chunk == chunk && place.process == process {
                self.latest = place;
                return place.index;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn add(&mut self, process: ProcessId, chunk: u64, at: usize) -> u32 {
        let place = Place { chunk, process, index: self.chunks };
        self.table[at] = place;
        self.latest = place;
        self.chunks += 1;
        if self.chunks as usize * 2 > self.table.len() {
            self.grow();
        }
        place.index
    }

    fn grow(&mut self) {
        let length = self.table.len() * 2;
        let old = std::mem::replace(&mut self.table, vec![EMPTY; length]);
        self.shift -= 1;
        for place in old.into_iter().filter(|place| place.index != VACANT) {
            let mut at = (spread(place.chunk, place.process) >> self.shift) as usize & (length - 1);
            while self.table[at].index != VACANT {
                at = (at + 1) & (length - 1);
            }
            self.table[at] = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn every_key_keeps_a_slot_of_its_own() {
        let mut slots = Slots::default();
        let mut known: HashMap<(ProcessId, u64), usize> = HashMap::new();
        let numbers = [0, 1, 31, 32, 1 << 20, 1 << 52, u64::MAX, u64::MAX - 32];
        for round in 0..3u64 {
            for process in [0, 1, 77, u32::MAX] {
                for base in 0..200u64 {
                    for number in numbers {
                        let number = number.wrapping_add(base * 4099 * (1 + round % 2));
                        let slot = slots.of(process, number);
                        assert!(slot < slots.end());
                        assert_eq!(*known.entry((process, number)).or_insert(slot), slot);
                    }
                }
            }
        }
        let distinct: HashSet<usize> = known.values().copied().collect();
        assert_eq!(distinct.len(), known.len());
    }

    #[test]
    fn neighbours_lie_together() {
        let mut slots = Slots::default();
        let first = slots.of(3, 64);
        assert!((64..96).all(|number| slots.of(3, number) == first + (number as usize - 64)));
        assert_eq!(slots.end(), 32);
    }
}
