//! LRU exactly: every reference goes through the stack.

use tracegen::record::ProcessId;

use super::behind::{Filter, First};
use super::geometry::Geometries;
use super::keys::Consumer;
use super::slots::Slots;
use super::stack::{MOST, Stack};

/// Slots that are read together before they are used: few enough to stay in the host's first cache.
const AHEAD: usize = 32;

/// References by stack distance.
#[derive(Debug, Clone, Default)]
pub struct Distances {
    /// The references whose distance is the place.
    counts: Vec<u64>,
    /// First references, which have none.
    first: u64,
}

impl Distances {
    #[inline]
    fn add(&mut self, distance: Option<u32>) {
        match distance {
            Some(distance) => {
                let distance = distance as usize;
                if distance >= self.counts.len() {
                    self.counts.resize((distance + 1).next_power_of_two(), 0);
                }
                self.counts[distance] += 1;
            }
            None => self.first += 1,
        }
    }

    /// First references: the distinct pages or lines.
    pub fn footprint(&self) -> u64 {
        self.first
    }

    /// The misses of an LRU memory of each of `sizes`, which ascend.
    pub fn misses(&self, sizes: &[u64]) -> Vec<u64> {
        let mut from = self.counts.len();
        let mut misses = self.first;
        let mut all: Vec<u64> = sizes
            .iter()
            .rev()
            .map(|size| {
                let to = usize::try_from(*size).unwrap_or(usize::MAX).min(from);
                misses += self.counts[to..from].iter().sum::<u64>();
                from = to;
                misses
            })
            .collect();
        all.reverse();
        all
    }
}

/// The stack with what feeds it, and what else is asked for of the same references.
#[derive(Debug)]
pub struct Exact {
    slots: Slots,
    filter: Option<Filter>,
    geometries: Option<Geometries>,
    stack: Stack,
    distances: Distances,
    section: Vec<u32>,
}

impl Exact {
    /// An empty stack behind `first` where there is one, and `geometries` beside it.
    pub fn new(first: Option<First>, geometries: Option<Geometries>) -> Self {
        Self {
            slots: Slots::default(),
            filter: first.map(Filter::new),
            geometries,
            stack: Stack::default(),
            distances: Distances::default(),
            section: Vec::new(),
        }
    }

    /// References by distance.
    pub fn distances(&self) -> &Distances {
        &self.distances
    }

    /// The first level.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// The geometries.
    pub fn geometries(&self) -> Option<&Geometries> {
        self.geometries.as_ref()
    }
}

impl Consumer for Exact {
    fn take(&mut self, process: ProcessId, numbers: &[u64]) -> Result<(), String> {
        self.section.clear();
        // At most 2^32, which is looked at below.
        self.section.extend(numbers.iter().map(|number| self.slots.of(process, *number) as u32));
        let end = self.slots.end();
        if end > MOST as usize {
            let message = format!(
                "the trace touches more than can be told apart (about {end} pages or lines); sample it with --sample"
            );
            return Err(message);
        }
        let (numbers, slots) = match &mut self.filter {
            Some(filter) => filter.pass(numbers, &self.section, end),
            None => (numbers, self.section.as_slice()),
        };
        if let Some(geometries) = &mut self.geometries {
            geometries.touch(numbers, slots);
        }
        self.stack.reserve(end);
        for slots in slots.chunks(AHEAD) {
            self.stack.warm(slots);
            for slot in slots {
                let distance = self.stack.touch(*slot);
                self.distances.add(distance);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::stack::Naive;

    #[test]
    fn misses_are_those_of_a_list_of_that_size() {
        let mut exact = Exact::new(None, None);
        let mut naive = Naive::default();
        let sizes = [1, 2, 3, 7, 50, 300, 4000];
        let mut expected = [0u64; 7];
        let mut state = 5u64;
        for _ in 0..30_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (process, number) =
                ((state >> 62) as ProcessId, state >> (50 + (state >> 40) % 13));
            exact.take(process, &[number]).unwrap();
            let distance = naive.touch((process, number)).map_or(u64::MAX, u64::from);
            for (size, misses) in sizes.iter().zip(&mut expected) {
                *misses += u64::from(distance >= *size);
            }
        }
        assert_eq!(exact.distances().misses(&sizes), expected);
        assert_eq!(exact.distances().footprint(), naive.len() as u64);
        assert_eq!(exact.distances().misses(&[1 << 40]), [exact.distances().footprint()]);
        assert!(exact.distances().misses(&[]).is_empty());
    }
}
