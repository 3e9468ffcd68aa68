//! Bimodal insertion policy: LIP, but one new entry in `throttle` becomes the most recent (Qureshi, Jaleel,
//! Patt, Steely and Emer, ISCA 2007, section 4; its ε is 1/`throttle`, 1/32).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bimodal::{Bimodal, THROTTLE};
use super::order::{Order, Packed};
use super::{Replacement, Shape};

/// Parameters of BIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// One new entry in so many, by chance, is inserted as the most recent; 32 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1))]
    pub throttle: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { throttle: THROTTLE }
    }
}

/// The ways of each set by recency.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Bip {
    recency: Order,
    bimodal: Bimodal,
}

impl Replacement for Bip {
    type Settings = Settings;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(settings: &Settings, _: u32) -> Result<(), String> {
        Bimodal::check(settings.throttle)
    }

    fn new(settings: &Settings, shape: Shape, seed: u64) -> Self {
        Self { recency: Order::new(shape), bimodal: Bimodal::new(settings.throttle, seed) }
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
        self.recency.insert(word, set, way, self.bimodal.lucky());
    }

    #[inline]
    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let way = self.recency.back(word, set);
        self.fill(word, set, way);
        way
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::hits_of_a_cycle;
    use super::*;
    use crate::replacement::Policy;

    /// A throttle of 1 is LRU.
    #[test]
    fn without_a_throttle_it_is_lru() {
        let bip = Policy::Bip(Settings { throttle: 1 });
        assert_eq!(hits_of_a_cycle(&bip, 8, 9, 100), 0);
        assert_eq!(hits_of_a_cycle(&bip, 8, 8, 100), 99 * 8);
    }

    /// The paper's section 4.1: of a cycle of T lines BIP keeps about (K − 1) · (1 − ε) … (K − 1) of K ways,
    /// and when the program goes over to another cycle, it lets go of the lines of the first, which LIP
    /// never does.
    #[test]
    fn it_thrashes_less_and_adapts() {
        let hits = |policy: &Policy| hits_of_a_cycle(policy, 16, 32, 1000);
        let (bip, lip) =
            (hits(&Policy::Bip(Settings::default())), hits(&Policy::Lip(Default::default())));
        assert_eq!(lip, 999 * 15);
        assert!(bip > lip * 3 / 4 && bip < lip, "{bip} of {lip}");
    }

    /// ε of the insertions end at the front: with every entry displaced at once, the order says which.
    #[test]
    fn one_in_thirty_two_becomes_the_most_recent() {
        let mut bip = Bip::new(&Settings::default(), Shape { sets: 1, ways: 8 }, 3);
        let mut word = bip.start();
        (0..8).for_each(|way| bip.fill(&mut word, 0, way));
        let promoted = (0..32_000).filter(|_| {
            let way = bip.replace(&mut word, 0);
            bip.recency.back(&word, 0) != way
        });
        // 1000 expected, within five standard deviations of 31.
        let promoted = promoted.count();
        assert!((845..1155).contains(&promoted), "{promoted}");
    }
}
