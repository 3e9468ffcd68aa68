//! Bit pseudo-LRU: an MRU bit a way.
//!
//! A hit or a fill sets the way's bit; where that would leave no bit clear, it clears all others. The
//! victim is the lowest way whose bit is clear. (Malamy, Patel and Hayes, US patent 5,353,425, 1994;
//! "PLRUm" in Al-Zoubi, Milenkovic and Milenkovic, ACM-SE 2004.)

use super::bits::Bits;
use super::{Replacement, Shape};
use crate::config::choice::NoParameters;

/// The MRU bits of every set.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct BitPlru {
    used: Bits,
}

impl Replacement for BitPlru {
    type Settings = NoParameters;
    const FILL_IS_USE: bool = true;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(_: &NoParameters, _: u32) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &NoParameters, shape: Shape, _: u64) -> Self {
        Self { used: Bits::new(shape) }
    }

    #[inline]
    fn touch(&mut self, word: &mut u64, set: usize, way: usize) {
        self.used.set(word, set, way);
        if self.used.first_clear(word, set).is_none() {
            self.used.clear(word, set);
            self.used.set(word, set, way);
        }
    }

    #[inline]
    fn fill(&mut self, word: &mut u64, set: usize, way: usize) {
        self.touch(word, set, way);
    }

    /// A bit is always clear but where there is one way.
    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let way = self.used.first_clear(word, set).unwrap_or(0);
        self.touch(word, set, way);
        way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, four ways: 0, 1, 2 leave way 3 as the victim; touching 3 clears the others' bits, so that 0
    /// is next, then 1; a touch of 2 spares it, and filling 0 and 1 clears them again but for 1's.
    #[test]
    fn a_worked_sequence_of_four_ways() {
        let mut policy = BitPlru::new(&NoParameters {}, Shape { sets: 1, ways: 4 }, 0);
        let mut word = 0;
        (0..3).for_each(|way| policy.fill(&mut word, 0, way));
        assert_eq!((word, policy.replace(&mut word.clone(), 0)), (0b0111, 3));
        policy.touch(&mut word, 0, 3);
        assert_eq!(word, 0b1000);
        policy.touch(&mut word, 0, 2);
        assert_eq!(policy.replace(&mut word, 0), 0);
        assert_eq!(word, 0b1101);
        assert_eq!(policy.replace(&mut word, 0), 1);
        assert_eq!(word, 0b0010);
        assert_eq!(policy.replace(&mut word, 0), 0);
    }

    /// The way used last is never the victim, which is what tells it from NRU: there the last use may have
    /// been forgotten with all others.
    #[test]
    fn the_latest_use_is_safe() {
        for ways in [2usize, 3, 12, 64, 65, 130] {
            let mut policy = BitPlru::new(&NoParameters {}, Shape { sets: 1, ways }, 0);
            let (mut word, mut state) = (0, 3u32);
            for _ in 0..4 * ways {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let way = (state >> 16) as usize % ways;
                policy.touch(&mut word, 0, way);
                assert_ne!(policy.used.first_clear(&word, 0), Some(way));
                assert!(policy.used.first_clear(&word, 0).is_some());
            }
        }
    }

    #[test]
    fn one_way_is_the_victim() {
        let mut policy = BitPlru::new(&NoParameters {}, Shape { sets: 1, ways: 1 }, 0);
        let mut word = 0;
        policy.fill(&mut word, 0, 0);
        assert_eq!(policy.replace(&mut word, 0), 0);
    }
}
