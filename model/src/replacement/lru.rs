//! Least recently used: a hit and a fill make a way the most recent, the least recent is displaced.

use super::order::{Order, PACKED, Packed};
use super::{Replacement, Shape};
use crate::config::choice::NoParameters;

/// The ways of each set by recency.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Lru {
    recency: Order,
}

impl Replacement for Lru {
    type Settings = NoParameters;
    const FILL_IS_USE: bool = true;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(_: &NoParameters, _: u32) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &NoParameters, shape: Shape, _: u64) -> Self {
        Self { recency: Order::new(shape) }
    }

    fn start(&self) -> u64 {
        Packed::START
    }

    #[inline]
    fn touch(&mut self, word: &mut u64, set: usize, way: usize) {
        self.recency.promote(word, set, way);
    }

    #[inline]
    fn fill(&mut self, word: &mut u64, set: usize, way: usize) {
        self.recency.promote(word, set, way);
    }

    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        self.recency.recycle(word, set)
    }
}

/// LRU of up to 16 ways, for arrays of its own: the order is the set's word.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Few {
    recency: Packed,
}

impl Replacement for Few {
    type Settings = NoParameters;

    fn check(_: &NoParameters, ways: u32) -> Result<(), String> {
        if ways as usize <= PACKED {
            Ok(())
        } else {
            Err(format!("a word orders up to {PACKED} ways, and there are {ways}"))
        }
    }

    fn new(_: &NoParameters, shape: Shape, _: u64) -> Self {
        Self { recency: Packed::new(shape.ways) }
    }

    fn start(&self) -> u64 {
        Packed::START
    }

    #[inline(always)]
    fn touch(&mut self, word: &mut u64, _: usize, way: usize) {
        self.recency.promote(word, way);
    }

    #[inline(always)]
    fn fill(&mut self, word: &mut u64, _: usize, way: usize) {
        self.recency.promote(word, way);
    }

    #[inline(always)]
    fn replace(&mut self, word: &mut u64, _: usize) -> usize {
        self.recency.recycle(word)
    }
}
