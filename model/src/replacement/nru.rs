//! Not recently used: a referenced bit a way.
//!
//! A hit or a fill sets the way's bit; the victim is the lowest way whose bit is clear, and where there is
//! none, all are cleared first. (As in Jaleel, Theobald, Steely and Emer, ISCA 2010, section 3, whose bit
//! is the inverse: re-reference interval prediction with one bit.)

use super::bits::Bits;
use super::{Replacement, Shape};
use crate::config::choice::NoParameters;

/// The referenced bits of every set.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Nru {
    referenced: Bits,
}

impl Replacement for Nru {
    type Settings = NoParameters;
    const FILL_IS_USE: bool = true;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(_: &NoParameters, _: u32) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &NoParameters, shape: Shape, _: u64) -> Self {
        Self { referenced: Bits::new(shape) }
    }

    #[inline]
    fn touch(&mut self, word: &mut u64, set: usize, way: usize) {
        self.referenced.set(word, set, way);
    }

    #[inline]
    fn fill(&mut self, word: &mut u64, set: usize, way: usize) {
        self.touch(word, set, way);
    }

    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let way = self.referenced.first_clear(word, set).unwrap_or_else(|| {
            self.referenced.clear(word, set);
            0
        });
        self.touch(word, set, way);
        way
    }
}

#[cfg(test)]
mod tests {
    use super::super::srrip::{self, Srrip};
    use super::*;

    /// The paper's figure 2 (b): a1 a2 a2 a1 b1 b2 b3 b4 a1 a2 over four ways, empty at first. b3 finds
    /// every bit set, clears them and displaces a1; b4 displaces a2; a1 and a2 then displace b1 and b2.
    #[test]
    fn the_papers_example() {
        let mut nru = Nru::new(&NoParameters {}, Shape { sets: 1, ways: 4 }, 0);
        let mut word = 0;
        nru.fill(&mut word, 0, 0);
        nru.fill(&mut word, 0, 1);
        nru.touch(&mut word, 0, 1);
        nru.touch(&mut word, 0, 0);
        nru.fill(&mut word, 0, 2);
        nru.fill(&mut word, 0, 3);
        assert_eq!(word, 0b1111);
        let victims = [(); 4].map(|()| nru.replace(&mut word, 0));
        assert_eq!(victims, [0, 1, 2, 3]);
        assert_eq!(word, 0b1111);
    }

    /// SRRIP with one bit is another implementation of the same.
    #[test]
    fn it_is_srrip_of_one_bit() {
        for ways in [1usize, 2, 7, 16, 64, 65, 100] {
            let shape = Shape { sets: 1, ways };
            let mut nru = Nru::new(&NoParameters {}, shape, 0);
            let mut other = Srrip::new(&srrip::Settings { bits: 1 }, shape, 0);
            let (mut word, mut state) = (0, 5u32);
            for way in 0..ways {
                nru.fill(&mut word, 0, way);
                other.fill(&mut 0, 0, way);
            }
            for _ in 0..20 * ways {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if state >> 31 == 0 {
                    assert_eq!(nru.replace(&mut word, 0), other.replace(&mut 0, 0));
                } else {
                    let way = (state >> 8) as usize % ways;
                    nru.touch(&mut word, 0, way);
                    other.touch(&mut 0, 0, way);
                }
            }
        }
    }
}
