//! First in, first out: the way that was filled first is displaced; hits change nothing.

use super::order::{Order, Packed};
use super::{Replacement, Shape};
use crate::config::choice::NoParameters;

/// The ways of each set by age.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Fifo {
    age: Order,
}

impl Replacement for Fifo {
    type Settings = NoParameters;
    const FILL_IS_USE: bool = true;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(_: &NoParameters, _: u32) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &NoParameters, shape: Shape, _: u64) -> Self {
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
