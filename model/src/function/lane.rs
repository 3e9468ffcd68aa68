//! What the function half remembers of one CPU of the trace: which loads later addresses may have been
//! computed from, and how instructions are counted.

use tracegen::record::{Access, AccessKind, ProcessId};

use crate::outcome::HORIZON;

/// Loads that are remembered: no load further back can still be in flight.
pub const REMEMBERED: usize = HORIZON as usize;

/// Where a value comes from: the outcome that delivers it and the first-level hits after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// The outcome, counted from 1 on its machine CPU; 0 where no outcome has to be waited for.
    pub outcome: u64,
    /// First-level hits from there to the value, the value's own load included.
    pub chain: u8,
}

/// A load whose value may be waited for.
#[derive(Debug, Clone, Copy, Default, bincode::Encode, bincode::Decode)]
struct Producer {
    /// The origin's outcome, of which there are fewer than 2^56, above the eight bits of its chain.
    origin: u64,
    /// The instruction of the load, on its machine CPU.
    instruction: u64,
}

impl Producer {
    #[inline]
    fn new(origin: Origin, instruction: u64) -> Self {
        Self { origin: origin.outcome << 8 | u64::from(origin.chain), instruction }
    }

    #[inline]
    fn origin(self) -> Origin {
        Origin { outcome: self.origin >> 8, chain: self.origin as u8 }
    }
}

/// One CPU of the trace.
#[derive(Debug, Default, bincode::Encode, bincode::Decode)]
pub struct Lane {
    /// The process that it runs.
    pub process: ProcessId,
    /// Whether a fetch has been seen: then fetches count the instructions.
    pub has_fetches: bool,
    /// Fetches so far.
    pub fetches: u64,
    /// Accesses other than fetches, and the gaps of all records: instructions where nothing is fetched.
    pub accesses_and_gaps: u64,
    loads: u64,
    /// The latest loads, each at its number modulo [`REMEMBERED`]; none where no load has been seen, so
    /// that a CPU without any costs nothing.
    producers: Box<[Producer]>,
}

impl Lane {
    /// The instructions of an access other than a fetch that has `gap` before it.
    #[inline]
    pub fn instructions_of(gap: u32) -> u32 {
        gap.wrapping_add(1)
    }

    /// Counts the access's instructions and returns how many there are.
    #[inline]
    pub fn count(&mut self, access: &Access) -> u32 {
        if access.kind == AccessKind::Fetch {
            self.has_fetches = true;
            self.fetches += 1;
            return 1;
        }
        let instructions = Self::instructions_of(access.gap);
        self.accesses_and_gaps += u64::from(instructions);
        if self.has_fetches { 0 } else { instructions }
    }

    /// Counts instructions that access nothing.
    pub fn count_gap(&mut self, gap: u32) -> u32 {
        self.accesses_and_gaps += u64::from(gap);
        if self.has_fetches { 0 } else { gap }
    }

    /// Instructions so far: fetches where there are any, else accesses and gaps.
    pub fn instructions(&self) -> u64 {
        if self.has_fetches { self.fetches } else { self.accesses_and_gaps }
    }

    /// Where the value comes from that the load `dep` loads back delivered; nothing where `dep` is 0, or
    /// the load is too old at `instruction` to be waited for.
    #[inline]
    pub fn origin(&self, dep: u32, instruction: u64) -> Option<Origin> {
        let dep = u64::from(dep);
        if dep == 0 || dep > self.loads || dep > REMEMBERED as u64 {
            return None;
        }
        // Loads that nothing asks for are not remembered, and then there may be no ring at all.
        let producer = self.producers.get((self.loads - dep) as usize % REMEMBERED)?;
        (instruction - producer.instruction < HORIZON).then(|| producer.origin())
    }

    /// Remembers the load that has just been made at `instruction`.
    #[inline]
    pub fn produced(&mut self, origin: Origin, instruction: u64) {
        let place = self.loads as usize % REMEMBERED;
        match self.producers.get_mut(place) {
            Some(producer) => *producer = Producer::new(origin, instruction),
            None => return self.produced_in_a_row(1, origin, instruction, 0),
        }
        self.loads += 1;
    }

    /// Remembers `count` loads with values of the same origin: the first at `instruction`, each further
    /// one `step` instructions on.
    pub fn produced_in_a_row(&mut self, count: usize, origin: Origin, instruction: u64, step: u64) {
        if self.producers.is_empty() {
            self.producers = vec![Producer::default(); REMEMBERED].into_boxed_slice();
        }
        let producer = Producer::new(origin, instruction);
        for load in 0..count as u64 {
            let instruction = producer.instruction + load * step;
            self.producers[(self.loads + load) as usize % REMEMBERED] =
                Producer { instruction, ..producer };
        }
        self.loads += count as u64;
    }

    /// Passes over `count` loads that no later record asks for.
    #[inline]
    pub fn passed(&mut self, count: usize) {
        self.loads += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_found_by_its_distance_until_the_horizon() {
        let mut lane = Lane::default();
        for load in 0..3 {
            lane.produced(Origin { outcome: load + 1, chain: 0 }, load);
        }
        assert_eq!(lane.origin(1, 3).map(|origin| origin.outcome), Some(3));
        assert_eq!(lane.origin(3, 3).map(|origin| origin.outcome), Some(1));
        assert_eq!(lane.origin(4, 3), None);
        assert_eq!(lane.origin(0, 3), None);
        assert_eq!(lane.origin(1, 2 + HORIZON), None);
    }

    #[test]
    fn loads_in_a_row_are_found_one_by_one() {
        let (mut row, mut single) = (Lane::default(), Lane::default());
        let origin = Origin { outcome: 7, chain: 2 };
        row.passed(5);
        single.passed(5);
        row.produced_in_a_row(REMEMBERED, origin, 10, 3);
        (0..REMEMBERED as u64).for_each(|load| single.produced(origin, 10 + 3 * load));
        let now = 10 + 3 * REMEMBERED as u64;
        for dep in 0..=REMEMBERED as u32 + 1 {
            assert_eq!(row.origin(dep, now), single.origin(dep, now), "{dep} back");
        }
        assert_eq!(row.origin(1, now), Some(origin));
        assert_eq!(row.origin(342, now), None, "1024 instructions ago");
    }

    #[test]
    fn fetches_count_instructions_where_there_are_any() {
        let mut lane = Lane::default();
        let load = Access { gap: 4, ..Access::default() };
        assert_eq!(lane.count(&load), 5);
        assert_eq!(lane.count(&Access { kind: AccessKind::Fetch, ..load }), 1);
        assert_eq!(lane.count(&load), 0);
        assert_eq!(lane.instructions(), 1);
    }

    #[test]
    fn a_second_access_of_the_same_instruction_counts_none() {
        let mut lane = Lane::default();
        assert_eq!(lane.count(&Access { gap: u32::MAX, ..Access::default() }), 0);
    }
}
