//! Signature-based hit prediction, by program counter: SRRIP that predicts a distant re-reference for a
//! new entry whose site has brought in entries that were not hit (Wu, Jaleel, Hasenplaugh, Martonosi,
//! Steely and Emer, MICRO 2011, "SHiP-PC": 16 Ki counters of 3 bits, in 2-bit SRRIP).
//!
//! A site's signature picks a counter. A hit raises the counter of the signature that brought its entry
//! in; an entry that is displaced without a hit lowers it. A new entry whose counter is zero is predicted
//! distant (2^bits − 1), any other long (2^bits − 2). The paper leaves open what counters start at: here
//! at 1, so that the first entry of a site gets its chance. The signature is the site folded by exclusive
//! or. A page-table read has the site of the access that walks, and so has a translation; what the level
//! above writes back has none: it is predicted long and trains nothing, as in ChampSim.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rrip::{BITS, Predictions};
use super::{Replacement, Shape};

/// The most counters.
const MOST: u32 = 1 << 24;

/// What counters start at.
const START: u8 = 1;

/// Parameters of SHiP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Bits of a way's prediction; 2 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 7))]
    pub bits: u8,
    /// Counters of the signature history table, a power of two; 16384 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = MOST))]
    pub counters: u32,
    /// Bits of a counter; 3 in the paper.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 8))]
    pub counter_bits: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { bits: BITS, counters: 16 << 10, counter_bits: 3 }
    }
}

/// What a way remembers of its entry.
#[derive(Debug, Clone, Copy, Default, bincode::Encode, bincode::Decode)]
struct Line {
    /// The signature that brought it in; `None` for what was written back.
    signature: Option<u32>,
    /// It has been hit.
    outcome: bool,
}

/// The prediction and the signature of every way, and the counters of the signatures.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Ship {
    predictions: Predictions,
    lines: Vec<Line>,
    ways: usize,
    counters: Vec<u8>,
    /// The largest count.
    largest: u8,
    /// log2 of the number of counters.
    signature_bits: u32,
    /// That of the access that goes on.
    signature: u32,
    /// The next fill is a line that the level above writes back.
    written: bool,
}

/// `site` in `bits` bits.
fn fold(site: u64, bits: u32) -> u32 {
    let (mut rest, mut folded) = (site, 0);
    while rest != 0 && bits != 0 {
        folded ^= rest & ((1 << bits) - 1);
        rest >>= bits;
    }
    // At most 24 bits.
    folded as u32
}

impl Replacement for Ship {
    type Settings = Settings;
    // A hit counts, one after the other on the same way too.
    const REPEATS_ARE_IDLE: bool = false;
    const ASKS_SITE: bool = true;

    fn check(settings: &Settings, _: u32) -> Result<(), String> {
        Predictions::check("ship", settings.bits)?;
        let Settings { counters, counter_bits, .. } = *settings;
        if !counters.is_power_of_two() || counters > MOST {
            return Err(format!("`counters` is a power of two up to {MOST}, not {counters}"));
        }
        if !(1..=8).contains(&counter_bits) {
            return Err(format!("`counter_bits` is from 1 to 8, not {counter_bits}"));
        }
        Ok(())
    }

    fn new(settings: &Settings, shape: Shape, _: u64) -> Self {
        Self {
            predictions: Predictions::new(settings.bits, shape),
            lines: vec![Line::default(); shape.sets * shape.ways],
            ways: shape.ways,
            counters: vec![START; settings.counters as usize],
            largest: u8::MAX >> (8 - settings.counter_bits.clamp(1, 8)),
            signature_bits: settings.counters.trailing_zeros(),
            signature: 0,
            written: false,
        }
    }

    fn touch(&mut self, _: &mut u64, set: usize, way: usize) {
        self.predictions.set(set, way, 0);
        let line = &mut self.lines[set * self.ways + way];
        line.outcome = true;
        if let Some(signature) = line.signature {
            let counter = &mut self.counters[signature as usize];
            *counter = (*counter + u8::from(*counter < self.largest)).min(self.largest);
        }
    }

    fn fill(&mut self, _: &mut u64, set: usize, way: usize) {
        let signature = (!std::mem::take(&mut self.written)).then_some(self.signature);
        self.lines[set * self.ways + way] = Line { signature, outcome: false };
        let hopeless = signature.is_some_and(|signature| self.counters[signature as usize] == 0);
        self.predictions.set(set, way, self.predictions.distant - u8::from(!hopeless));
    }

    fn replace(&mut self, word: &mut u64, set: usize) -> usize {
        let way = self.predictions.victim(set);
        if let Line { signature: Some(signature), outcome: false } =
            self.lines[set * self.ways + way]
        {
            let counter = &mut self.counters[signature as usize];
            *counter = counter.saturating_sub(1);
        }
        self.fill(word, set, way);
        way
    }

    fn site(&mut self, site: u64) {
        self.signature = fold(site, self.signature_bits);
    }

    fn written(&mut self) {
        self.written = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ship(ways: usize) -> Ship {
        Ship::new(&Settings::default(), Shape { sets: 1, ways }, 0)
    }

    #[test]
    fn a_signature_is_the_site_folded() {
        assert_eq!(fold(0x1234, 14), 0x1234);
        assert_eq!(fold(0x4000, 14), 1);
        assert_eq!(fold(0x4001, 14), 0);
        // Four times 14 ones cancel out, and eight are left.
        assert_eq!(fold(u64::MAX, 14), 0xff);
        assert_eq!(fold(u64::MAX, 0), 0);
    }

    /// The paper's algorithm, step by step: site 1's entries are hit, site 2's are not.
    #[test]
    fn sites_are_told_apart() {
        let mut ship = ship(2);
        ship.site(1);
        ship.fill(&mut 0, 0, 0);
        ship.touch(&mut 0, 0, 0);
        ship.touch(&mut 0, 0, 0);
        ship.site(2);
        ship.fill(&mut 0, 0, 1);
        assert_eq!((ship.counters[1], ship.counters[2]), (3, 1));
        assert_eq!(ship.predictions.of(0), [0, 2]);
        // Site 2's entry goes without a hit: its counter falls to zero, and its next entry is distant.
        assert_eq!(ship.replace(&mut 0, 0), 1);
        assert_eq!(ship.counters[2], 0);
        assert_eq!(ship.predictions.of(0), [1, 3]);
        // Which makes it the victim without anything growing older; a counter does not fall below zero.
        assert_eq!((ship.replace(&mut 0, 0), ship.counters[2]), (1, 0));
        assert_eq!(ship.predictions.of(0), [1, 3]);
        // A hit on such an entry redeems its site.
        ship.touch(&mut 0, 0, 1);
        assert_eq!(ship.counters[2], 1);
        // Site 1's are predicted long, however often it is hit: the counter stops at 7.
        (0..20).for_each(|_| ship.touch(&mut 0, 0, 0));
        assert_eq!(ship.counters[1], 7);
        ship.site(1);
        assert_eq!(ship.replace(&mut 0, 0), 0);
        assert_eq!(ship.counters[1], 7, "it had been hit");
        assert_eq!(ship.predictions.of(0), [2, 3]);
    }

    #[test]
    fn a_write_back_trains_nothing() {
        let mut ship = ship(1);
        ship.site(1);
        ship.written();
        ship.fill(&mut 0, 0, 0);
        ship.touch(&mut 0, 0, 0);
        assert_eq!((ship.counters[1], ship.predictions.of(0)), (1, &[0][..]));
        ship.written();
        assert_eq!(ship.replace(&mut 0, 0), 0);
        assert_eq!((ship.counters[1], ship.predictions.of(0)), (1, &[2][..]));
        assert_eq!(ship.replace(&mut 0, 0), 0);
        assert_eq!(ship.counters[1], 1, "what was displaced had no signature");
        assert_eq!(ship.replace(&mut 0, 0), 0);
        assert_eq!(ship.counters[1], 0, "what is displaced has been brought in by site 1");
    }

    /// What the paper is about: a working set that is hit, from one site, and scans from another. SRRIP
    /// loses the working set where a scan is longer than it bears; SHiP learns to let scans go.
    #[test]
    fn scans_of_a_site_do_not_displace_anothers_working_set() {
        let hits = |learns: bool| {
            let mut ship = ship(8);
            let mut held = [u64::MAX; 8];
            let mut hits = 0;
            for round in 0..200u64 {
                let scan = (0..24).map(|k| (2, 1000 + 24 * round + k));
                // The working set is used twice, so that it is known to be hit.
                let again = (0..12).map(|k| (1, k % 6));
                for (site, line) in again.chain(scan) {
                    ship.site(if learns { site } else { 1 });
                    if let Some(way) = held.iter().position(|held| *held == line) {
                        ship.touch(&mut 0, 0, way);
                        hits += 1;
                        continue;
                    }
                    let empty = held.iter().position(|held| *held == u64::MAX);
                    let way = match empty {
                        Some(way) => {
                            ship.fill(&mut 0, 0, way);
                            way
                        }
                        None => ship.replace(&mut 0, 0),
                    };
                    held[way] = line;
                }
            }
            hits
        };
        assert!(hits(true) >= 199 * 12, "{}", hits(true));
        // One signature for all is soon thought hopeless, for what is hit as well.
        assert!(hits(false) < 100, "{}", hits(false));
    }

    #[test]
    fn impossible_parameters_are_refused() {
        let check = |counters, counter_bits| {
            Ship::check(&Settings { counters, counter_bits, ..Settings::default() }, 4)
        };
        assert!(check(1000, 3).is_err() && check(0, 3).is_err() && check(1 << 25, 3).is_err());
        assert!(check(1 << 10, 0).is_err() && check(1 << 10, 9).is_err());
        assert!(check(1, 8).is_ok());
        assert!(Ship::check(&Settings { bits: 8, ..Settings::default() }, 4).is_err());
    }
}
