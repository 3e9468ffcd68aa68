//! Dynamic re-reference interval prediction: SRRIP or BRRIP, whichever misses less in the sets that always
//! have it (Jaleel, Theobald, Steely and Emer, ISCA 2010, section 4.3; 32 leaders a policy and a selector
//! of 10 bits). See `duel.rs` for the leaders.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bimodal::{Bimodal, THROTTLE};
use super::duel::{Duel, LEADERS, PSEL_BITS, Winner};
use super::rrip::{BITS, Predictions};
use super::{Replacement, Shape};

/// Parameters of DRRIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Bits of a way's prediction; 2 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 7))]
    pub bits: u8,
    /// Where BRRIP is followed, one new entry in so many, by chance, is predicted to come back after a
    /// long interval instead of a distant one; 32 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1))]
    pub throttle: u32,
    /// Sets that always follow SRRIP, and as many that always follow BRRIP; where sets are few, a quarter
    /// of them. 32 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1))]
    pub leaders: u32,
    /// Bits of the counter that says which of the two misses less; 10 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 16))]
    pub psel_bits: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { bits: BITS, throttle: THROTTLE, leaders: LEADERS, psel_bits: PSEL_BITS }
    }
}

/// The prediction of every way, and the duel.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Drrip {
    predictions: Predictions,
    bimodal: Bimodal,
    duel: Duel,
}

impl Replacement for Drrip {
    type Settings = Settings;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(settings: &Settings, _: u32) -> Result<(), String> {
        Predictions::check("drrip", settings.bits)?;
        Bimodal::check(settings.throttle)?;
        Duel::check(settings.leaders, settings.psel_bits)
    }

    fn new(settings: &Settings, shape: Shape, seed: u64) -> Self {
        Self {
            predictions: Predictions::new(settings.bits, shape),
            bimodal: Bimodal::new(settings.throttle, seed),
            duel: Duel::new(shape, settings.leaders, settings.psel_bits),
        }
    }

    #[inline]
    fn touch(&mut self, _: &mut u64, set: usize, way: usize) {
        self.predictions.set(set, way, 0);
    }

    #[inline]
    fn fill(&mut self, _: &mut u64, set: usize, way: usize) {
        let long = match self.duel.filled(set) {
            Winner::First => true,
            Winner::Second => self.bimodal.lucky(),
        };
        self.predictions.set(set, way, self.predictions.distant - u8::from(long));
    }

    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let way = self.predictions.victim(set);
        self.fill(word, set, way);
        way
    }

    #[inline]
    fn written(&mut self) {
        self.duel.written();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::hits_of_cycles;
    use super::*;
    use crate::replacement::Policy;

    /// Over cycles that thrash SRRIP the followers come to follow BRRIP; over cycles that fit, all three
    /// hit alike but for the first time round.
    #[test]
    fn it_follows_the_better_one() {
        let hits = |policy: &Policy, lines| hits_of_cycles(policy, 64, 8, lines, 200);
        let (srrip, brrip) = (Policy::Srrip(Default::default()), Policy::Brrip(Default::default()));
        let drrip = Policy::Drrip(Settings::default());
        assert_eq!(hits(&srrip, 16), 0);
        let (bimodal, dynamic) = (hits(&brrip, 16), hits(&drrip, 16));
        // A quarter of the sets leads for SRRIP, which never hits.
        assert!(dynamic > bimodal * 7 / 10, "{dynamic}, BRRIP {bimodal}");
        assert_eq!(hits(&drrip, 8), hits(&srrip, 8));
    }

    /// With one set there is no duel: it leads for SRRIP.
    #[test]
    fn one_set_is_srrip() {
        assert_eq!(hits_of_cycles(&Policy::Drrip(Settings::default()), 1, 8, 16, 100), 0);
    }
}
