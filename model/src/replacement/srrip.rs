//! Static re-reference interval prediction with hit priority (Jaleel, Theobald, Steely and Emer, ISCA
//! 2010, section 4.1).
//!
//! Every way has a prediction of `bits` bits. A fill predicts a long interval (2^bits − 2), a hit a
//! near-immediate one (0); the victim is the lowest way whose prediction is distant (2^bits − 1), and
//! where there is none, all grow by one until there is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rrip::{BITS, Predictions};
use super::{Replacement, Shape};

/// Parameters of SRRIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Bits of a way's prediction; 2 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 7))]
    pub bits: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { bits: BITS }
    }
}

/// The prediction of every way.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Srrip {
    predictions: Predictions,
}

impl Replacement for Srrip {
    type Settings = Settings;
    // What is new is not expected back as soon as what has been used again, so that a fill is no use.
    const REPEATS_ARE_IDLE: bool = true;

    fn check(settings: &Settings, _: u32) -> Result<(), String> {
        Predictions::check("srrip", settings.bits)
    }

    fn new(settings: &Settings, shape: Shape, _: u64) -> Self {
        Self { predictions: Predictions::new(settings.bits, shape) }
    }

    #[inline]
    fn touch(&mut self, _: &mut u64, set: usize, way: usize) {
        self.predictions.set(set, way, 0);
    }

    #[inline]
    fn fill(&mut self, _: &mut u64, set: usize, way: usize) {
        self.predictions.set(set, way, self.predictions.long());
    }

    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let way = self.predictions.victim(set);
        self.fill(word, set, way);
        way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srrip(bits: u8) -> Srrip {
        Srrip::new(&Settings { bits }, Shape { sets: 1, ways: 4 }, 0)
    }

    /// The example of the paper's figure 2 (c): a1 a2 a2 a1 b1 b2 b3 b4 a1 a2 with 2 bits over an empty
    /// set of four. The scan b1..b4 displaces b1 and b2 and leaves a1 and a2, which then hit.
    #[test]
    fn the_papers_example() {
        let mut set = srrip(2);
        set.fill(&mut 0, 0, 0);
        set.fill(&mut 0, 0, 1);
        assert_eq!(set.predictions.of(0), [2, 2, 0, 0]);
        set.touch(&mut 0, 0, 1);
        set.touch(&mut 0, 0, 0);
        set.fill(&mut 0, 0, 2);
        set.fill(&mut 0, 0, 3);
        assert_eq!(set.predictions.of(0), [0, 0, 2, 2]);
        assert_eq!(set.predictions.victim(0), 2);
        assert_eq!(set.predictions.of(0), [1, 1, 3, 3]);
        set.fill(&mut 0, 0, 2);
        assert_eq!(set.predictions.victim(0), 3);
        set.fill(&mut 0, 0, 3);
        assert_eq!(set.predictions.of(0), [1, 1, 2, 2]);
        set.touch(&mut 0, 0, 0);
        set.touch(&mut 0, 0, 1);
        assert_eq!(set.predictions.of(0), [0, 0, 2, 2]);
    }

    /// With one bit it is NRU: a fill predicts 0 as a hit does (the paper's section 3).
    #[test]
    fn one_bit_is_nru() {
        let mut set = srrip(1);
        (0..4).for_each(|way| set.fill(&mut 0, 0, way));
        assert_eq!(set.predictions.victim(0), 0);
        set.fill(&mut 0, 0, 0);
        assert_eq!(set.predictions.of(0), [0, 1, 1, 1]);
        set.touch(&mut 0, 0, 1);
        assert_eq!(set.predictions.victim(0), 2);
    }

    #[test]
    fn bits_are_bounded() {
        assert!(Srrip::check(&Settings { bits: 0 }, 4).is_err());
        assert!(Srrip::check(&Settings { bits: 8 }, 4).is_err());
        assert!(Srrip::check(&Settings { bits: 7 }, 4).is_ok());
    }
}
