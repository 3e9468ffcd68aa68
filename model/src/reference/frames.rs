//! Physical memory: the buddy system over frames, and where page tables lie.

use super::counts::Counts;
use super::nodes::Frames;

/// The largest block has 2^10 frames.
const LARGEST: u32 = 10;

/// Free memory.
#[derive(Debug)]
pub struct Buddy {
    /// Free blocks of memory that has been handed out before: order and first frame.
    free: Vec<(u32, u64)>,
    /// Frames from here on were never handed out.
    untouched: u64,
    frames: u64,
    splits: u64,
    merges: u64,
}

/// The largest block that starts at `first` and ends at or before `end`, aligned to its own size.
fn block_at(first: u64, end: u64) -> Option<u32> {
    (0..=LARGEST)
        .rev()
        .find(|order| first.is_multiple_of(1 << order) && first + (1 << order) <= end)
}

impl Buddy {
    /// `frames` free frames.
    pub fn new(frames: u64) -> Self {
        Self { free: Vec::new(), untouched: 0, frames, splits: 0, merges: 0 }
    }

    /// These blocks are free and the other frames are not.
    pub fn of(frames: u64, blocks: &[(u32, usize)]) -> Self {
        let free = blocks.iter().map(|(first, order)| (*order as u32, u64::from(*first)));
        Self { free: free.collect(), untouched: frames, ..Self::new(frames) }
    }

    /// Takes a block: the lowest one of the smallest order that is large enough; where there is none,
    /// more of the untouched memory is cut into blocks. What is too much is given back half by half.
    pub fn take(&mut self, order: u32) -> Option<u64> {
        loop {
            let large_enough = self.free.iter().filter(|(free, _)| *free >= order);
            if let Some(block) = large_enough.min().copied() {
                self.free.retain(|other| *other != block);
                let (have, first) = block;
                for half in order..have {
                    self.free.push((half, first + (1 << half)));
                    self.splits += 1;
                }
                return Some(first);
            }
            let next = block_at(self.untouched, self.frames)?;
            self.free.push((next, self.untouched));
            self.untouched += 1 << next;
        }
    }

    /// Takes a frame that is `colour` modulo `colours`, the first one in the lowest block of the smallest
    /// order that has one; untouched memory is cut into blocks where no block has.
    pub fn take_coloured(&mut self, colours: u64, colour: u64) -> Option<u64> {
        loop {
            let mut blocks = self.free.clone();
            blocks.sort_unstable();
            let frames = |(order, first): (u32, u64)| first..first + (1 << order);
            let found = blocks.into_iter().find_map(|block| {
                let frame = frames(block).find(|frame| frame % colours == colour)?;
                Some((block, frame))
            });
            if let Some((block, frame)) = found {
                self.free.retain(|other| *other != block);
                let (mut order, mut first) = block;
                while order > 0 {
                    order -= 1;
                    self.splits += 1;
                    let upper = first + (1 << order);
                    if frame < upper {
                        self.free.push((order, upper));
                    } else {
                        self.free.push((order, first));
                        first = upper;
                    }
                }
                return Some(frame);
            }
            let next = block_at(self.untouched, self.frames)?;
            self.free.push((next, self.untouched));
            self.untouched += 1 << next;
        }
    }

    /// Takes a block that may be larger than any: the lowest aligned run of largest ones.
    pub fn take_run(&mut self, order: u32) -> Option<u64> {
        if order <= LARGEST {
            return self.take(order);
        }
        let (size, part) = (1u64 << order, 1u64 << LARGEST);
        let parts = |first: u64| (first..first + size).step_by(part as usize);
        let free = |at: u64| at >= self.untouched || self.free.contains(&(LARGEST, at));
        let mut runs = (0..self.frames / size).map(|run| run * size);
        let run = runs.find(|run| parts(*run).all(free))?;
        while self.untouched < run + size {
            self.free.push((LARGEST, self.untouched));
            self.untouched += part;
        }
        self.free.retain(|(order, first)| *order < LARGEST || !(run..run + size).contains(first));
        Some(run)
    }

    /// Gives back what [`take_run`](Self::take_run) took.
    pub fn give_run(&mut self, first: u64, order: u32) {
        let part = order.min(LARGEST);
        (0..1 << (order - part)).for_each(|k| self.give(first + (k << part), part));
    }

    /// Gives a block back. While its buddy is free too, the two are one block.
    pub fn give(&mut self, first: u64, order: u32) {
        let (mut first, mut order) = (first, order);
        while order < LARGEST {
            let buddy = (order, first ^ (1 << order));
            if !self.free.contains(&buddy) {
                break;
            }
            self.free.retain(|other| *other != buddy);
            first = first.min(buddy.1);
            order += 1;
            self.merges += 1;
        }
        self.free.push((order, first));
    }

    /// Free frames.
    pub fn free_frames(&self) -> u64 {
        let listed: u64 = self.free.iter().map(|(order, _)| 1 << order).sum();
        listed + self.frames - self.untouched
    }

    /// Free blocks, of memory that was never handed out too: order and first frame.
    fn blocks(&self) -> Vec<(u32, u64)> {
        let mut blocks = self.free.clone();
        let mut at = self.untouched;
        while let Some(order) = block_at(at, self.frames) {
            blocks.push((order, at));
            at += 1 << order;
        }
        blocks
    }

    /// What is free in blocks below an order, in frames.
    pub fn free_below(&self, measured: u32) -> u64 {
        let blocks = self.blocks().into_iter().filter(|(order, _)| *order < measured);
        blocks.map(|(order, _)| 1 << order).sum()
    }

    /// Adds free blocks, splits and merges.
    pub fn report(&self, counts: &mut Counts) {
        for (order, _) in self.blocks() {
            counts.add(&format!("os.buddy.free.{order}"), 1);
            counts.add("os.buddy.free_pages", 1 << order);
        }
        counts.add("os.buddy.splits", self.splits);
        counts.add("os.buddy.merges", self.merges);
    }
}

/// A page table's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: u64,
    bytes: u64,
}

/// Where page tables lie: a table smaller than a page shares a frame with others of its size, a larger
/// one takes a block. Flat tables, those larger than the largest block, and all tables of a machine
/// whose memory is given in frames, lie above memory and cost nothing.
#[derive(Debug)]
pub struct TablePlaces {
    page: u64,
    /// What tables are counted in.
    unit: u64,
    outside: bool,
    taken: Vec<Place>,
    /// Frames that tables of a size share.
    shared: Vec<(u64, u64)>,
    /// Where the region above memory goes on.
    above: u64,
    /// Places above memory that were given back.
    returned: Vec<Place>,
}

impl TablePlaces {
    /// For a machine of `frames` pages whose tables are counted in `unit`; `outside`: all lie above
    /// memory.
    pub fn new(page: u64, unit: u64, frames: u64, outside: bool) -> Self {
        let above = frames.saturating_mul(page).checked_next_multiple_of(unit).unwrap_or(u64::MAX);
        let (taken, shared, returned) = Default::default();
        Self { page, unit, outside, taken, shared, above, returned }
    }

    /// The order of the block for a table of so many bytes; `None` above memory.
    fn order(&self, bytes: u64) -> Option<u32> {
        let order = (0..=LARGEST).find(|order| self.page << order >= bytes)?;
        (!self.outside).then_some(order)
    }

    /// What a limit is charged for a table.
    pub fn charge(&self, bytes: u64) -> u64 {
        if self.order(bytes).is_some() { bytes } else { 0 }
    }

    /// What a limit is charged for all tables.
    pub fn charged(&self) -> u64 {
        self.taken.iter().map(|place| self.charge(place.bytes)).sum()
    }

    /// All tables in their unit, each rounded up.
    pub fn pages(&self) -> u64 {
        self.taken.iter().map(|place| place.bytes.div_ceil(self.unit)).sum()
    }

    /// A place for a table; `None` where no frame is free.
    pub fn take(&mut self, bytes: u64, buddy: &mut Frames) -> Option<u64> {
        let start = match self.order(bytes) {
            None => self.take_above(bytes),
            Some(_) if bytes < self.page => self.take_piece(bytes, buddy)?,
            Some(order) => buddy.take(order)? * self.page,
        };
        self.taken.push(Place { start, bytes });
        Some(start)
    }

    fn take_above(&mut self, bytes: u64) -> u64 {
        match self.returned.iter().rposition(|place| place.bytes == bytes) {
            Some(last) => self.returned.remove(last).start,
            None => {
                let start = self.above;
                self.above = (start + bytes).next_multiple_of(self.unit);
                start
            }
        }
    }

    /// The lowest free piece of a frame that is shared by tables of this size already, or of a new one.
    fn take_piece(&mut self, bytes: u64, buddy: &mut Frames) -> Option<u64> {
        let frames = self.shared.iter().filter(|(size, _)| *size == bytes);
        let pieces = frames.flat_map(|(_, frame)| self.pieces(bytes, *frame));
        let free = pieces.filter(|start| !self.taken.iter().any(|place| place.start == *start));
        if let Some(lowest) = free.min() {
            return Some(lowest);
        }
        let frame = buddy.take(0)?;
        self.shared.push((bytes, frame));
        Some(frame * self.page)
    }

    fn pieces(&self, bytes: u64, frame: u64) -> impl Iterator<Item = u64> + use<> {
        let start = frame * self.page;
        (start..start + self.page).step_by(bytes as usize)
    }

    /// Gives a table's place back.
    pub fn give(&mut self, start: u64, bytes: u64, buddy: &mut Frames) {
        self.taken.retain(|place| *place != Place { start, bytes });
        let frame = start / self.page;
        match self.order(bytes) {
            None => self.returned.push(Place { start, bytes }),
            Some(_) if bytes < self.page => {
                if !self.taken.iter().any(|place| place.start / self.page == frame) {
                    self.shared.retain(|shared| *shared != (bytes, frame));
                    buddy.give(frame, 0);
                }
            }
            Some(order) => buddy.give(frame, order),
        }
    }
}
