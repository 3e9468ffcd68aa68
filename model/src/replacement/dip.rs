//! Dynamic insertion policy: LRU or BIP, whichever misses less in the sets that always have it (Qureshi,
//! Jaleel, Patt, Steely and Emer, ISCA 2007, section 5; "DIP-SD" with 32 leaders a policy and a selector
//! of 10 bits). See `duel.rs` for the leaders.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bimodal::{Bimodal, THROTTLE};
use super::duel::{Duel, LEADERS, PSEL_BITS, Winner};
use super::order::{Order, Packed};
use super::{Replacement, Shape};

/// Parameters of DIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where BIP is followed, one new entry in so many, by chance, is inserted as the most recent; 32 in
    /// the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1))]
    pub throttle: u32,
    /// Sets that always follow LRU, and as many that always follow BIP; where sets are few, a quarter of
    /// them. 32 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1))]
    pub leaders: u32,
    /// Bits of the counter that says which of the two misses less; 10 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 16))]
    pub psel_bits: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { throttle: THROTTLE, leaders: LEADERS, psel_bits: PSEL_BITS }
    }
}

/// The ways of each set by recency, and the duel.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Dip {
    recency: Order,
    bimodal: Bimodal,
    duel: Duel,
}

impl Replacement for Dip {
    type Settings = Settings;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(settings: &Settings, _: u32) -> Result<(), String> {
        Bimodal::check(settings.throttle)?;
        Duel::check(settings.leaders, settings.psel_bits)
    }

    fn new(settings: &Settings, shape: Shape, seed: u64) -> Self {
        Self {
            recency: Order::new(shape),
            bimodal: Bimodal::new(settings.throttle, seed),
            duel: Duel::new(shape, settings.leaders, settings.psel_bits),
        }
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
        let recent = match self.duel.filled(set) {
            Winner::First => true,
            Winner::Second => self.bimodal.lucky(),
        };
        self.recency.insert(word, set, way, recent);
    }

    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let way = self.recency.back(word, set);
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

    /// Over cycles that thrash LRU the followers come to follow BIP, over cycles that fit they keep LRU: DIP
    /// is near the better one in both (64 sets, 16 of them lead for each).
    #[test]
    fn it_follows_the_better_one() {
        let hits = |policy: &Policy, lines| hits_of_cycles(policy, 64, 8, lines, 200);
        let (lru, bip) = (Policy::default(), Policy::Bip(Default::default()));
        let dip = Policy::Dip(Settings::default());
        let all = 64 * 12 * 200;
        assert_eq!(hits(&lru, 12), 0);
        let (bip_hits, dip_hits) = (hits(&bip, 12), hits(&dip, 12));
        // A quarter of the sets leads for LRU, which never hits.
        assert!(dip_hits > bip_hits * 7 / 10, "{dip_hits} of {all}, BIP {bip_hits}");
        assert_eq!(hits(&dip, 8), hits(&lru, 8));
    }

    /// With one set there is no duel: it leads for LRU.
    #[test]
    fn one_set_is_lru() {
        let dip = Policy::Dip(Settings::default());
        assert_eq!(hits_of_cycles(&dip, 1, 8, 9, 100), 0);
        assert_eq!(hits_of_cycles(&dip, 1, 8, 8, 100), 99 * 8);
    }
}
