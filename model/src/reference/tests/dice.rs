//! Random choices.

use rand::Rng;
use rand_pcg::Pcg32;

/// A sequence of choices.
pub struct Dice(Pcg32);

impl Dice {
    /// The sequence of a case.
    pub fn new(case: u64) -> Self {
        Self(Pcg32::new(case, 1))
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    /// A number from `low` to `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
