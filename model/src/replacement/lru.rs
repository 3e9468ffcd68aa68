//! Least recently used: a hit and a fill make a way the most recent, the least recent is displaced.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::order::{Order, Packed};
use super::{Replacement, Shape};

/// LRU has no parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {}

/// The ways of each set by recency.
#[derive(Debug, Clone)]
pub struct Lru {
    recency: Order,
}

impl Replacement for Lru {
    type Settings = Settings;

    fn check(_: &Settings, _: u32) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &Settings, shape: Shape, _: u64) -> Self {
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
