//! The buddy system (Knowlton 1965; Linux mm/page_alloc.c): free memory as blocks of 2^order frames,
//! split in halves on demand and merged with their buddy when both are free.
//!
//! Memory that was never handed out is one ascending range and costs the host nothing.

use std::collections::BTreeSet;

/// Orders 0 to 10, as Linux has: blocks of 1 to 1024 frames.
pub const ORDERS: usize = 11;

/// The frame allocator. Of the free blocks of an order, the lowest is taken first.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Buddy {
    frames: u64,
    /// Frames from here on were never handed out.
    virgin: u64,
    lists: [BTreeSet<u32>; ORDERS],
    /// The part of a split block that is free: from its first frame up to the block's end. It stands for
    /// the blocks that splitting for the lowest frame again and again leaves, which are in no list.
    split: Option<(u32, u64)>,
    free: u64,
    /// Frames that were in use from the start.
    reserved: u64,
    splits: u64,
    merges: u64,
}

impl Buddy {
    /// `frames` free frames, at most 2^32.
    pub fn new(frames: u64) -> Self {
        let frames = frames.min(1 << 32);
        let lists = Default::default();
        let (reserved, splits, merges) = (0, 0, 0);
        Self { frames, virgin: 0, lists, split: None, free: frames, reserved, splits, merges }
    }

    /// `frames` frames of which these blocks (first frame and order) are free, aligned and apart, and the
    /// others are in use for good.
    pub fn of_blocks(frames: u64, blocks: &[(u32, usize)]) -> Self {
        let mut buddy = Self::new(frames);
        (buddy.virgin, buddy.free) = (buddy.frames, 0);
        for (first, order) in blocks {
            buddy.lists[*order].insert(*first);
            buddy.free += 1 << order;
        }
        buddy.reserved = buddy.frames.saturating_sub(buddy.free);
        buddy
    }

    /// Frames that were in use from the start.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Per mille of the free frames that are of no use for a block of 2^`order`: the unusable free space
    /// index (Gorman and Whitcroft, "The what, the why and the where to of anti-fragmentation", OLS 2006,
    /// section 3). 0 where nothing is free.
    pub fn unusable(&self, order: usize) -> u64 {
        unusable(self.free, &self.free_blocks(), order)
    }

    /// A block of 2^`order` frames: its first frame.
    pub fn allocate(&mut self, order: usize) -> Option<u32> {
        if order >= ORDERS {
            return None;
        }
        if order > 0 {
            self.spread();
        } else if let Some(frame) = self.next_of_split() {
            return Some(frame);
        }
        let from = loop {
            match (order..ORDERS).find(|order| !self.lists[*order].is_empty()) {
                Some(from) => break from,
                None => self.materialise()?,
            }
        };
        let first = self.lists[from].pop_first()?;
        self.splits += (from - order) as u64;
        if order == 0 && from > 0 && self.split.is_none() {
            self.split = Some((first + 1, u64::from(first) + (1 << from)));
        } else {
            for half in order..from {
                self.lists[half].insert(first + (1 << half));
            }
        }
        self.free -= 1 << order;
        Some(first)
    }

    /// The first frame of the split block, unless a list has a smaller free block or a lower one of the
    /// same size.
    #[inline]
    fn next_of_split(&mut self) -> Option<u32> {
        let (first, end) = self.split?;
        // The block that starts here is as large as its alignment allows.
        let order = (first.trailing_zeros() as usize).min(ORDERS - 1);
        let equal = self.lists[order].first().is_some_and(|other| *other < first);
        if equal || self.lists[..order].iter().any(|list| !list.is_empty()) {
            return None;
        }
        let next = first + 1;
        self.split = (u64::from(next) < end).then_some((next, end));
        self.splits += order as u64;
        self.free -= 1;
        Some(first)
    }

    /// Puts the free blocks of the split block into their lists.
    fn spread(&mut self) {
        for (first, order) in self.blocks_of_split() {
            self.lists[order].insert(first);
        }
        self.split = None;
    }

    /// The free blocks of the split block: first frame and order.
    fn blocks_of_split(&self) -> impl Iterator<Item = (u32, usize)> + use<> {
        let (mut first, end) = self.split.map_or((0, 0), |(first, end)| (u64::from(first), end));
        std::iter::from_fn(move || {
            // Aligned to less than the block that was split, so that it ends within it.
            let order = first.trailing_zeros() as usize;
            (first < end).then(|| {
                let block = (first as u32, order);
                first += 1 << order;
                block
            })
        })
    }

    /// Moves the next virgin block, as large as alignment and the end of memory allow, to its list.
    fn materialise(&mut self) -> Option<()> {
        let left = self.frames - self.virgin;
        if left == 0 {
            return None;
        }
        let aligned =
            if self.virgin == 0 { ORDERS - 1 } else { self.virgin.trailing_zeros() as usize };
        let order = aligned.min(left.ilog2() as usize).min(ORDERS - 1);
        // `virgin` is below `frames`, which is at most 2^32.
        self.lists[order].insert(self.virgin as u32);
        self.virgin += 1 << order;
        Some(())
    }

    /// Takes one particular free frame; returns whether it was free.
    pub fn take(&mut self, frame: u32) -> bool {
        self.spread();
        while u64::from(frame) >= self.virgin {
            if self.materialise().is_none() {
                return false;
            }
        }
        let block = |order: usize| frame & !((1u32 << order) - 1);
        let Some(from) = (0..ORDERS).find(|order| self.lists[*order].contains(&block(*order)))
        else {
            return false;
        };
        self.lists[from].remove(&block(from));
        for half in (0..from).rev() {
            self.lists[half].insert(block(half) ^ (1 << half));
            self.splits += 1;
        }
        self.free -= 1;
        true
    }

    /// A frame whose number has the remainder `colour` by `colours`: of the free blocks that have one the
    /// lowest of the smallest, and in it the first. `None` where no free block has one.
    pub fn allocate_coloured(&mut self, colours: u64, colour: u64) -> Option<u32> {
        self.spread();
        let frame = loop {
            let mut blocks = self
                .lists
                .iter()
                .enumerate()
                .flat_map(|(order, list)| list.iter().map(move |first| (*first, order)));
            let found = blocks.find_map(|(first, order)| {
                let first = u64::from(first);
                let ahead = (colour + colours - first % colours) % colours;
                (ahead < 1 << order).then_some(first + ahead)
            });
            match found {
                // Frames have numbers below 2^32.
                Some(frame) => break frame as u32,
                None => self.materialise()?,
            }
        };
        self.take(frame).then_some(frame)
    }

    /// Gives back a block that [`Self::allocate`] handed out.
    pub fn release(&mut self, first: u32, order: usize) {
        self.spread();
        self.free += 1 << order;
        let (mut first, mut order) = (first, order);
        while order + 1 < ORDERS && self.lists[order].remove(&(first ^ (1 << order))) {
            first &= !(1 << order);
            order += 1;
            self.merges += 1;
        }
        self.lists[order].insert(first);
    }

    /// As [`Self::allocate`], also for runs of the largest blocks: the lowest aligned one (Linux
    /// mm/page_alloc.c, `alloc_contig_pages`).
    pub fn allocate_run(&mut self, order: u8) -> Option<u32> {
        let order = usize::from(order);
        if order < ORDERS {
            return self.allocate(order);
        }
        self.spread();
        let (size, block) = (1u64.checked_shl(order as u32)?, 1u64 << (ORDERS - 1));
        let ends = |first: &u64| first + size <= self.frames;
        let mut runs = (0..).step_by(usize::try_from(size).ok()?).take_while(ends);
        let whole = &self.lists[ORDERS - 1];
        let free = |first: u64| first >= self.virgin || whole.contains(&(first as u32));
        let run = runs.find(|run| (*run..run + size).step_by(block as usize).all(free))?;
        // A run ends within memory, so that there is more to hand out until it is reached.
        while self.virgin < run + size {
            self.materialise()?;
        }
        for first in (run..run + size).step_by(block as usize) {
            self.lists[ORDERS - 1].remove(&(first as u32));
        }
        self.free -= size;
        Some(run as u32)
    }

    /// Gives back what [`Self::allocate_run`] handed out.
    pub fn release_run(&mut self, first: u32, order: u8) {
        let order = usize::from(order);
        let part = order.min(ORDERS - 1);
        // A run lies in memory, which has at most 2^32 frames.
        for number in 0..1u32 << (order - part) {
            self.release(first + (number << part), part);
        }
    }

    /// All frames.
    pub fn frames(&self) -> u64 {
        self.frames
    }
    /// Free frames.
    pub fn free(&self) -> u64 {
        self.free
    }
    /// How often a block was split in halves.
    pub fn splits(&self) -> u64 {
        self.splits
    }
    /// How often two buddies were merged.
    pub fn merges(&self) -> u64 {
        self.merges
    }

    /// Free blocks of each order. The part that was never handed out counts as the largest blocks.
    pub fn free_blocks(&self) -> [u64; ORDERS] {
        let mut blocks = [0; ORDERS];
        for (order, list) in self.lists.iter().enumerate() {
            blocks[order] = list.len() as u64;
        }
        self.blocks_of_split().for_each(|(_, order)| blocks[order] += 1);
        let left = self.frames - self.virgin;
        blocks[ORDERS - 1] += left >> (ORDERS - 1);
        for (order, count) in blocks.iter_mut().enumerate().take(ORDERS - 1) {
            *count += left >> order & 1;
        }
        blocks
    }

    /// Whether the lists add up, do not overlap, and hold no two buddies that should be one.
    pub fn check(&self) -> Result<(), String> {
        let mut blocks: Vec<(u64, u64)> = Vec::new();
        let mut whole = self.clone();
        whole.spread();
        for (order, list) in whole.lists.iter().enumerate() {
            for &first in list {
                if order + 1 < ORDERS && list.contains(&(first ^ (1 << order))) {
                    return Err(format!("buddies {first} of order {order} are both free"));
                }
                blocks.push((u64::from(first), u64::from(first) + (1 << order)));
            }
        }
        blocks.push((self.virgin, self.frames));
        blocks.sort_unstable();
        if blocks.windows(2).any(|pair| pair[0].1 > pair[1].0) {
            return Err("free blocks overlap".to_owned());
        }
        let sum: u64 = blocks.iter().map(|(first, end)| end - first).sum();
        if sum == self.free {
            Ok(())
        } else {
            Err(format!("{sum} free frames in lists, {} counted", self.free))
        }
    }
}

/// As [`Buddy::unusable`], of `free` frames in these blocks of each order.
pub(super) fn unusable(free: u64, blocks: &[u64; ORDERS], order: usize) -> u64 {
    let usable: u64 = (order..ORDERS).map(|order| blocks[order] << order).sum();
    let unusable = u128::from(free.saturating_sub(usable)) * 1000;
    (unusable / u128::from(free.max(1))) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Frames 1 and 2 are taken out of eight: of four colours the third is next at 6, and the second at 5.
    #[test]
    fn a_colour_is_taken_from_the_smallest_block_that_has_it() {
        let mut buddy = Buddy::new(8);
        assert_eq!(
            (buddy.allocate_coloured(4, 1), buddy.allocate_coloured(4, 2)),
            (Some(1), Some(2))
        );
        assert_eq!(buddy.free_blocks()[..3], [2, 0, 1], "0, 3, and 4 to 7");
        assert_eq!(
            (buddy.allocate_coloured(4, 2), buddy.allocate_coloured(4, 1)),
            (Some(6), Some(5))
        );
        assert_eq!((buddy.allocate_coloured(4, 1), buddy.free()), (None, 4));
        assert_eq!(buddy.allocate_coloured(3, 1), Some(4), "colours need not be a power of two");
        buddy.check().unwrap();
    }

    #[test]
    fn four_pages_of_eight_split_once_and_merge_back() {
        let mut buddy = Buddy::new(8);
        assert_eq!(buddy.free_blocks()[3], 1);
        let block = buddy.allocate(2).unwrap();
        assert_eq!((block, buddy.splits()), (0, 1));
        assert_eq!(buddy.free_blocks()[..4], [0, 0, 1, 0]);
        buddy.release(block, 2);
        assert_eq!((buddy.merges(), buddy.free_blocks()[3]), (1, 1));
    }

    #[test]
    fn any_number_of_frames_can_be_handed_out_to_the_last() {
        for frames in [1, 3, 100, 1023, 1025, 5000] {
            let mut buddy = Buddy::new(frames);
            let mut got: Vec<_> = std::iter::from_fn(|| buddy.allocate(0)).collect();
            got.sort_unstable();
            assert_eq!(got, (0..frames as u32).collect::<Vec<_>>());
            got.into_iter().for_each(|frame| buddy.release(frame, 0));
            assert_eq!(buddy.free(), frames);
            buddy.check().unwrap();
        }
    }

    #[test]
    fn untouched_memory_costs_nothing() {
        let mut buddy = Buddy::new(1 << 32);
        buddy.allocate(0);
        assert_eq!(buddy.lists.iter().map(BTreeSet::len).sum::<usize>(), 0);
        assert_eq!(buddy.free_blocks()[10], (1 << 22) - 1);
    }

    /// By hand: of 15 free frames 8 and 4 are in blocks for a page of four.
    #[test]
    fn the_unusable_index_counts_what_lies_in_smaller_blocks() {
        let buddy = Buddy::of_blocks(64, &[(0, 3), (16, 2), (32, 1), (48, 0)]);
        assert_eq!([0, 1, 2, 3, 4].map(|order| buddy.unusable(order)), [0, 66, 200, 466, 1000]);
        assert_eq!(Buddy::of_blocks(64, &[]).unusable(0), 0);
    }

    #[test]
    fn a_run_is_aligned_and_made_of_whole_blocks() {
        let mut buddy = Buddy::new(5 << 11);
        let low = buddy.allocate(0).unwrap();
        assert_eq!(
            (buddy.allocate_run(12), buddy.free()),
            (Some(1 << 12), (5 << 11) - 1 - (1 << 12))
        );
        assert_eq!((buddy.allocate_run(12), buddy.allocate_run(11)), (None, Some(1 << 11)));
        buddy.release_run(1 << 12, 12);
        buddy.release_run(1 << 11, 11);
        buddy.release(low, 0);
        assert_eq!((buddy.free(), buddy.check()), (5 << 11, Ok(())));
        assert_eq!(buddy.allocate_run(12), Some(0));
    }

    proptest! {
        /// Against a bitmap: blocks are aligned, disjoint and inside memory; an allocation fails only
        /// where no aligned free block exists.
        #[test]
        fn agrees_with_a_bitmap(
            frames in 1u64..200,
            operations in prop::collection::vec((any::<bool>(), 0usize..5, any::<prop::sample::Index>()), 1..80),
        ) {
            let mut buddy = Buddy::new(frames);
            // The same with every free block in a list.
            let mut listed = Buddy::new(frames);
            let mut bitmap = vec![false; frames as usize];
            let mut live: Vec<(u32, usize)> = Vec::new();
            for (allocate, order, which) in operations {
                if allocate || live.is_empty() {
                    let size = 1usize << order;
                    let allocated = buddy.allocate(order);
                    prop_assert_eq!(allocated, listed.allocate(order));
                    match allocated {
                        Some(first) => {
                            prop_assert_eq!(first as usize % size, 0);
                            for frame in &mut bitmap[first as usize..first as usize + size] {
                                prop_assert!(!std::mem::replace(frame, true));
                            }
                            live.push((first, order));
                        }
                        None => prop_assert!(bitmap.chunks_exact(size).all(|block| block.contains(&true))),
                    }
                } else {
                    let (first, order) = live.swap_remove(which.index(live.len()));
                    buddy.release(first, order);
                    listed.release(first, order);
                    bitmap[first as usize..first as usize + (1 << order)].fill(false);
                }
                prop_assert_eq!(buddy.free() as usize, bitmap.iter().filter(|used| !**used).count());
                prop_assert_eq!(buddy.check(), Ok(()));
                listed.spread();
                let counts = |buddy: &Buddy| (buddy.splits(), buddy.merges(), buddy.free_blocks());
                prop_assert_eq!(counts(&buddy), counts(&listed));
            }
        }
    }
}
