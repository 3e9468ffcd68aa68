//! LRU from a sample of pages or lines (SHARDS; Waldspurger, Park, Garthwaite and Ahmad, FAST 2015).
//!
//! A page is in the sample if its hash is below a threshold: every reference to it is seen, and none to
//! another. Distances within the sample are smaller than the true ones by the rate, and each reference
//! stands for 1/rate of them. At a fixed rate the threshold stays; with a fixed size it falls to the
//! largest hash of the sample whenever that has one page more than it may.
//!
//! Where the paper divides by the references that were sampled and corrects for what they should have
//! been (SHARDS-adj), the references are all counted here, which comes to the same. References to what
//! the one before touched hit at every size; they are counted and not sampled.
//!
//! The pages of the sample are split into groups by other bits of their hash. Each has a stack of its
//! own, at its own part of the rate, and gives an estimate that is independent of the others': how far
//! they differ says how far the whole may be from the truth.

use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use tracegen::record::ProcessId;

use super::estimate::{GROUPS, Misses, Sizes, half_width};
use super::hash::{limit, mix, rate, salt};
use super::keys::{Consumer, SECTION};
use super::stack::{MOST, Stack};

/// How a sample is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// The share of pages or lines that is sampled, above 0 and at most 1; at the start, where the size
    /// is fixed.
    pub rate: f64,
    /// Pages or lines in the sample, at most.
    pub size: Option<usize>,
}

/// Takes a part of the key's hash, which is well mixed, as its hash.
#[derive(Debug, Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, hash: u64) {
        // The upper bits of a sampled hash are zeros, and the table looks at them.
        self.0 = hash.rotate_left(32) ^ hash;
    }
    fn write_u32(&mut self, process: u32) {
        self.0 ^= u64::from(process).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A page or line: its hash under its process's salt, which is a bijection, and its process.
type Key = (u64, ProcessId);

/// A stack whose slots are given back.
#[derive(Debug, Default)]
struct Pool {
    stack: Stack,
    free: Vec<u32>,
    end: u32,
}

impl Pool {
    fn add(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.end += 1;
            self.stack.reserve(self.end as usize);
            self.end - 1
        })
    }

    fn remove(&mut self, slot: u32) {
        self.stack.remove(slot);
        self.free.push(slot);
    }
}

/// A sampled LRU stack.
#[derive(Debug)]
pub struct Sampled {
    seed: u64,
    limit: u64,
    size: Option<usize>,
    sizes: Sizes,
    /// The slots of each key: among all, and in its group.
    slots: HashMap<Key, (u32, u32), BuildHasherDefault<Mixed>>,
    /// The keys by hash, the largest first, where the size is fixed.
    order: BinaryHeap<Key>,
    all: Pool,
    misses: Misses,
    /// None as long as everything is in the sample.
    groups: Vec<(Pool, Misses)>,
    /// Hashes of a section that are in the sample.
    chosen: Box<[u64; SECTION]>,
}

/// What a sample says.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimates {
    /// The rate; the last one where it fell.
    pub rate: f64,
    /// Pages or lines in the sample at the end.
    pub keys: usize,
    /// About how many pages or lines there are.
    pub footprint: f64,
    /// Misses at every size, and half the width of the 95 % interval around them.
    pub misses: Vec<(f64, f64)>,
}

impl Sampled {
    /// A sample of nothing so far. `sizes`, which ascend, are those at which misses are estimated.
    pub fn new(sampling: Sampling, sizes: &[u64], seed: u64) -> Self {
        let mut sampled = Self {
            seed,
            limit: u64::MAX,
            size: sampling.size,
            sizes: Sizes::new(sizes),
            slots: HashMap::default(),
            order: BinaryHeap::new(),
            all: Pool::default(),
            misses: Misses::new(sizes.len()),
            groups: Vec::new(),
            chosen: Box::new([0; SECTION]),
        };
        sampled.lower(limit(sampling.rate));
        sampled
    }

    /// Lowers the threshold. What is above it has left the sample.
    fn lower(&mut self, limit: u64) {
        self.limit = limit;
        self.sizes.rescale(rate(limit));
        if limit < u64::MAX && self.groups.is_empty() {
            self.split();
        }
    }

    /// Makes the groups, each with its part of the stack. Up to here nothing is an estimate, so that each
    /// would have come to the same.
    fn split(&mut self) {
        self.groups.resize_with(GROUPS, || (Pool::default(), self.misses.clone()));
        let mut keys: HashMap<u32, Key> =
            self.slots.iter().map(|(key, own)| (own.0, *key)).collect();
        for slot in self.all.stack.ascending() {
            let Some(key) = keys.remove(&slot) else { continue };
            let (pool, _) = &mut self.groups[key.0 as usize % GROUPS];
            let own = pool.add();
            pool.stack.touch(own);
            self.slots.insert(key, (slot, own));
        }
    }

    fn reference(&mut self, key: Key) {
        let group = key.0 as usize % GROUPS;
        let (slot, own) = match self.slots.get(&key) {
            Some(known) => *known,
            None => {
                let own = self.groups.get_mut(group).map_or(0, |(pool, _)| pool.add());
                let slots = (self.all.add(), own);
                self.slots.insert(key, slots);
                if self.size.is_some() {
                    self.order.push(key);
                }
                slots
            }
        };
        let weight = 1.0 / self.sizes.rate();
        let distance = self.all.stack.touch(slot);
        self.misses.add(distance, 1.0, &self.sizes, weight);
        if let Some((pool, misses)) = self.groups.get_mut(group) {
            let parts = GROUPS as f64;
            misses.add(pool.stack.touch(own), parts, &self.sizes, weight * parts);
        }
        if self.size.is_some_and(|size| self.slots.len() > size) {
            self.shrink();
        }
    }

    /// Lowers the threshold to below the largest hash of the sample.
    fn shrink(&mut self) {
        let Some((largest, _)) = self.order.peek().copied() else { return };
        self.lower(largest.saturating_sub(1));
        while let Some(key) = self.order.peek().copied().filter(|key| key.0 == largest) {
            self.order.pop();
            if let Some((slot, own)) = self.slots.remove(&key) {
                self.all.remove(slot);
                self.groups[key.0 as usize % GROUPS].0.remove(own);
            }
        }
    }

    /// What the sample says.
    pub fn estimates(&self) -> Estimates {
        let rate = self.sizes.rate();
        let groups: Vec<Vec<f64>> = self.groups.iter().map(|(_, misses)| misses.totals()).collect();
        let misses = self.misses.totals().into_iter().enumerate().map(|(place, misses)| {
            if groups.is_empty() {
                return (misses, 0.0);
            }
            (misses, half_width(&std::array::from_fn(|group| groups[group][place]), rate))
        });
        Estimates {
            rate,
            keys: self.slots.len(),
            footprint: self.slots.len() as f64 / rate,
            misses: misses.collect(),
        }
    }
}

impl Consumer for Sampled {
    fn take(&mut self, process: ProcessId, numbers: &[u64]) -> Result<(), String> {
        let (salt, limit) = (salt(self.seed, process), self.limit);
        for numbers in numbers.chunks(SECTION) {
            let mut count = 0;
            for number in numbers {
                let hash = mix(*number, salt);
                // `count` is below SECTION: each number adds one at most.
                self.chosen[count & (SECTION - 1)] = hash;
                count += usize::from(hash <= limit);
            }
            for at in 0..count {
                let hash = self.chosen[at];
                // The threshold may have fallen since.
                if hash <= self.limit {
                    self.reference((hash, process));
                }
            }
        }
        if self.all.end > MOST {
            let message = "the sample holds more pages or lines than can be told apart; take a lower --sample rate or a --sample-size";
            return Err(message.to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::exact::Exact;
    use crate::curve::sizes::{FINE, grid};

    /// Numbers below `pages`, the lower ones much more often.
    fn skewed(pages: f64, count: usize) -> Vec<u64> {
        let mut state = 9u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let part = (state >> 11) as f64 / (1u64 << 53) as f64;
            (part * part * part * pages) as u64
        };
        (0..count).map(|_| next()).collect()
    }

    fn both(sampling: Sampling, numbers: &[u64], seed: u64) -> (Vec<u64>, Estimates) {
        let sizes = grid(FINE);
        let mut sampled = Sampled::new(sampling, &sizes, seed);
        let mut exact = Exact::new(None, None);
        for numbers in numbers.chunks(1000) {
            sampled.take(0, numbers).unwrap();
            exact.take(0, numbers).unwrap();
        }
        (exact.distances().misses(&sizes), sampled.estimates())
    }

    #[test]
    fn everything_sampled_is_exact() {
        let numbers = skewed(3000.0, 50_000);
        for size in [None, Some(3000)] {
            let (exact, estimates) = both(Sampling { rate: 1.0, size }, &numbers, 4);
            let exact: Vec<(f64, f64)> = exact.iter().map(|misses| (*misses as f64, 0.0)).collect();
            assert_eq!(estimates.misses, exact);
            assert_eq!(estimates.rate, 1.0);
        }
    }

    #[test]
    fn the_sample_never_holds_more_than_it_may() {
        let numbers = skewed(20_000.0, 60_000);
        let mut sampled = Sampled::new(Sampling { rate: 1.0, size: Some(500) }, &[1000], 1);
        for numbers in numbers.chunks(100) {
            sampled.take(0, numbers).unwrap();
            assert!(sampled.slots.len() <= 500);
            assert_eq!(sampled.all.stack.len() as usize, sampled.slots.len());
            let parts: u32 = sampled.groups.iter().map(|(group, _)| group.stack.len()).sum();
            let expected = if sampled.limit == u64::MAX { 0 } else { sampled.slots.len() };
            assert_eq!(parts as usize, expected);
        }
        assert!(sampled.all.end <= 501);
        let footprint = sampled.estimates().footprint;
        assert!((footprint / 19_000.0 - 1.0).abs() < 0.2, "{footprint}");
    }

    /// The estimate is near the truth, and 95 % of the intervals hold it, within what 40 seeds can tell.
    #[test]
    fn the_intervals_hold_the_truth() {
        let numbers = skewed(60_000.0, 300_000);
        let sizes = grid(FINE);
        for sampling in
            [Sampling { rate: 0.2, size: None }, Sampling { rate: 1.0, size: Some(8000) }]
        {
            let (mut held, mut all, mut error) = (0, 0, 0.0);
            for seed in 0..40 {
                let (exact, estimates) = both(sampling, &numbers, seed);
                let places =
                    sizes.iter().enumerate().filter(|(_, size)| (1000..50_000).contains(*size));
                for (place, _) in places.step_by(4) {
                    let (misses, half) = estimates.misses[place];
                    let off = (misses - exact[place] as f64).abs();
                    held += u32::from(off <= half);
                    all += 1;
                    error += off / numbers.len() as f64;
                }
            }
            let (held, error) = (f64::from(held) / f64::from(all), error / f64::from(all));
            assert!(held > 0.88, "{sampling:?}: {held} of the intervals");
            assert!(error < 0.01, "{sampling:?}: mean error {error}");
        }
    }
}
