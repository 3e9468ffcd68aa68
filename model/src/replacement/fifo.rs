//! First in, first out: the way that was filled first is displaced; hits change nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::order::{Order, Packed};
use super::{Replacement, Shape};

/// FIFO has no parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {}

/// The ways of each set by age.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Fifo {
    age: Order,
}

impl Replacement for Fifo {
    type Settings = Settings;
    const FILL_IS_USE: bool = true;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(_: &Settings, _: u32) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &Settings, shape: Shape, _: u64) -> Self {
        Self { age: Order::new(shape) }
    }

    fn start(&self) -> u64 {
        Packed::START
    }

    #[inline]
    fn touch(&mut self, _: &mut u64, _: usize, _: usize) {}

    #[inline]
    fn fill(&mut self, word: &mut u64, set: usize, way: usize) {
        self.age.promote(word, set, way);
    }

    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        self.age.recycle(word, set)
    }
}
