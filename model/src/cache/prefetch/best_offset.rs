//! Best-offset prefetching (Michaud, "Best-Offset Hardware Prefetching", HPCA 2016).
//!
//! A miss or the first use of a prefetched line X asks for X + D. Which D is learnt in rounds: each such
//! access tests the next offset d of a list, which scores a point if X − d is among the recent requests.
//! When a score has reached its maximum or the rounds are over, the best offset becomes D, and nothing is
//! asked for where even that is bad. Recent requests are the bases of prefetches that have arrived (of
//! fills, while nothing is prefetched), in a direct-mapped table of partial tags.
//!
//! The paper inserts a base when its prefetch arrives, so that offsets too near to be in time score nothing.
//! Here, where nothing has a time, it arrives `delay` such accesses later.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Prefetch, Seen, Wanted};

/// Parameters of `best-offset`; the defaults are the paper's (table 2).
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Entries of the table of recent requests, a power of two.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 65536))]
    pub entries: u32,
    /// The score that ends learning.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 255))]
    pub score_max: u8,
    /// Rounds through the list that end it.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 1000))]
    pub round_max: u16,
    /// The best score with which nothing is prefetched.
    #[schemars(extend("x-effect" = "function"))]
    pub bad_score: u8,
    /// Misses and first uses of prefetched lines until a request counts as arrived.
    #[schemars(extend("x-effect" = "function"), range(min = 0, max = 256))]
    pub delay: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self { entries: 256, score_max: 31, round_max: 100, bad_score: 1, delay: 16 }
    }
}

/// The largest offset of the list.
const LARGEST: u16 = 256;

/// The offsets that are tried: those up to 256 with no prime factor above 5 (section 4.2), 52 of them.
fn offsets() -> Vec<u16> {
    let without = |mut number: u16, factor: u16| {
        while number.is_multiple_of(factor) {
            number /= factor;
        }
        number
    };
    let smooth = |number: &u16| [2, 3, 5].iter().fold(*number, |rest, f| without(rest, *f)) == 1;
    (1..=LARGEST).filter(smooth).collect()
}

/// The prefetcher.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct BestOffset {
    settings: Settings,
    offsets: Vec<u16>,
    scores: Vec<u8>,
    /// The offset to test next, and the round.
    testing: usize,
    round: u16,
    /// The offset in use; `None` while nothing is prefetched.
    offset: Option<u16>,
    /// Lines by their place in the table.
    recent: Vec<Option<u64>>,
    /// Requests under way.
    under_way: VecDeque<u64>,
}

impl BestOffset {
    fn place(&self, line: u64) -> usize {
        let entries = self.recent.len() as u64;
        ((line ^ line >> entries.trailing_zeros()) & (entries - 1)) as usize
    }

    /// Tests the next offset on an access to `line`.
    fn learn(&mut self, line: u64) {
        let tested = self.testing;
        let base = line.checked_sub(self.offsets[tested].into());
        if let Some(base) = base.filter(|base| self.recent[self.place(*base)] == Some(*base)) {
            debug_assert!(base < line);
            self.scores[tested] += 1;
        }
        let scored = self.scores[tested] >= self.settings.score_max;
        self.testing += 1;
        if self.testing == self.offsets.len() {
            (self.testing, self.round) = (0, self.round + 1);
        }
        if scored || self.round >= self.settings.round_max {
            self.choose();
        }
    }

    /// Ends learning: the first of the best offsets is used, and a new phase begins.
    fn choose(&mut self) {
        let scores = self.scores.iter().copied().zip(&self.offsets);
        let best = scores.fold(
            (0, 1),
            |best, (score, offset)| {
                if score > best.0 { (score, *offset) } else { best }
            },
        );
        self.offset = (best.0 > self.settings.bad_score).then_some(best.1);
        self.scores.fill(0);
        (self.testing, self.round) = (0, 0);
    }
}

impl Prefetch for BestOffset {
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        let Settings { entries, score_max, round_max, delay, .. } = settings;
        if !entries.is_power_of_two() || *entries > 65536 {
            return Err(format!("`entries` is a power of two up to 65536, not {entries}"));
        }
        if *score_max == 0 || *score_max == u8::MAX {
            return Err(format!("`score_max` is from 1 to 254, not {score_max}"));
        }
        if !(1..=1000).contains(round_max) {
            return Err(format!("`round_max` is from 1 to 1000, not {round_max}"));
        }
        if *delay > 256 {
            return Err(format!("`delay` is from 0 to 256, not {delay}"));
        }
        Ok(())
    }

    fn new(settings: &Settings, _: u32) -> Self {
        let offsets = offsets();
        Self {
            scores: vec![0; offsets.len()],
            offsets,
            testing: 0,
            round: 0,
            offset: Some(1),
            recent: vec![None; settings.entries as usize],
            under_way: VecDeque::new(),
            settings: settings.clone(),
        }
    }

    fn see(&mut self, seen: Seen, wanted: &mut Wanted) {
        if seen.hit && !seen.first_use {
            return;
        }
        self.learn(seen.line);
        self.under_way.push_back(seen.line);
        while self.under_way.len() > usize::from(self.settings.delay) {
            if let Some(line) = self.under_way.pop_front() {
                let place = self.place(line);
                self.recent[place] = Some(line);
            }
        }
        if let Some(offset) = self.offset {
            wanted.offset(offset.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::watcher;
    use super::*;

    fn miss(line: u64) -> Seen {
        Seen { addr: line << 6, line, site: 0, hit: false, first_use: false }
    }

    #[test]
    fn the_list_is_the_papers() {
        let list = offsets();
        assert_eq!(list.len(), 52);
        assert_eq!(list[..12], [1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16]);
        assert_eq!(list[51], 256);
    }

    /// Steps of 3 lines: of the offsets whose bases have arrived, multiples of 3 that are more than `delay`
    /// steps, the smallest is tested first in each round and reaches the maximum first.
    #[test]
    fn it_learns_the_stride_that_is_in_time() {
        for (delay, expected) in [(0, 3), (1, 6), (2, 9), (4, 15), (5, 18)] {
            let setting = format!("{{ prefetcher = \"best-offset\", delay = {delay} }}");
            // In pages large enough for no line to be in another.
            let setting = super::super::testing::read(&setting).unwrap();
            let mut watcher = super::super::Watcher::new(&setting, 6, 40).unwrap();
            let mut last = Vec::new();
            for step in 0..52 * 40u64 {
                last = watcher.see(miss(1_000_000 + 3 * step)).to_vec();
            }
            let line = 1_000_000 + 3 * (52 * 40 - 1);
            assert_eq!(last, [line + expected], "delay {delay}");
        }
    }

    #[test]
    fn random_misses_turn_it_off() {
        let mut watcher = watcher("\"best-offset\"");
        let line = |k: u64| k.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let asked = (0..52 * 100).map(|k| watcher.see(miss(line(k))).len()).sum::<usize>();
        assert!(asked > 0, "the offset is 1 at first");
        let asked = (52 * 100..52 * 150).map(|k| watcher.see(miss(line(k))).len()).sum::<usize>();
        assert_eq!(asked, 0);
    }
}
