//! Bimodal re-reference interval prediction: SRRIP, but a new entry is predicted to be re-referenced in
//! the distant future, and one in `throttle` after a long interval (Jaleel, Theobald, Steely and Emer,
//! ISCA 2010, section 4.2; its ε is 1/`throttle`, 1/32).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bimodal::{Bimodal, THROTTLE};
use super::rrip::{BITS, Predictions};
use super::{Replacement, Shape};

/// Parameters of BRRIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Bits of a way's prediction; 2 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 7))]
    pub bits: u8,
    /// One new entry in so many, by chance, is predicted to come back after a long interval instead of a
    /// distant one; 32 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1))]
    pub throttle: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { bits: BITS, throttle: THROTTLE }
    }
}

/// The prediction of every way.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Brrip {
    predictions: Predictions,
    bimodal: Bimodal,
}

impl Replacement for Brrip {
    type Settings = Settings;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(settings: &Settings, _: u32) -> Result<(), String> {
        Predictions::check("brrip", settings.bits)?;
        Bimodal::check(settings.throttle)
    }

    fn new(settings: &Settings, shape: Shape, seed: u64) -> Self {
        Self {
            predictions: Predictions::new(settings.bits, shape),
            bimodal: Bimodal::new(settings.throttle, seed),
        }
    }

    #[inline]
    fn touch(&mut self, _: &mut u64, set: usize, way: usize) {
        self.predictions.set(set, way, 0);
    }

    #[inline]
    fn fill(&mut self, _: &mut u64, set: usize, way: usize) {
        let distant = self.predictions.distant - u8::from(self.bimodal.lucky());
        self.predictions.set(set, way, distant);
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
    use super::super::tests::hits_of_a_cycle;
    use super::*;
    use crate::replacement::Policy;

    /// The paper's section 4.2: a cycle larger than the set thrashes SRRIP, and BRRIP keeps a part of it, K
    /// − 1 of K ways but for the lucky ones.
    #[test]
    fn a_cycle_does_not_thrash() {
        let brrip = hits_of_a_cycle(&Policy::Brrip(Settings::default()), 16, 32, 1000);
        let srrip = hits_of_a_cycle(&Policy::Srrip(Default::default()), 16, 32, 1000);
        assert_eq!(srrip, 0);
        assert!(brrip > 999 * 15 * 3 / 4 && brrip <= 999 * 15, "{brrip}");
    }

    /// A throttle of 1 is SRRIP.
    #[test]
    fn without_a_throttle_it_is_srrip() {
        for lines in [7, 8, 9, 20] {
            let brrip = Policy::Brrip(Settings { throttle: 1, ..Settings::default() });
            let srrip = Policy::Srrip(Default::default());
            let hits = |policy: &Policy| hits_of_a_cycle(policy, 8, lines, 100);
            assert_eq!(hits(&brrip), hits(&srrip));
        }
    }

    /// One insertion in 32 is predicted long, the others distant.
    #[test]
    fn most_insertions_are_distant() {
        let mut brrip = Brrip::new(&Settings::default(), Shape { sets: 1, ways: 1 }, 5);
        let long = (0..32_000).filter(|_| {
            brrip.replace(&mut 0, 0);
            brrip.predictions.of(0) == [2]
        });
        // 1000 expected, within five standard deviations of 31.
        assert!((845..1155).contains(&long.count()));
    }
}
