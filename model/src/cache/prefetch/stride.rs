//! Stride prefetching by site: the reference prediction table of Baer and Chen ("An effective on-chip
//! preloading scheme to reduce data access penalty", Supercomputing 1991; Chen and Baer, IEEE Transactions
//! on Computers 44(5), 1995, figure 4).
//!
//! An entry of the table has a site's last address, its stride and a state. A step as predicted leads from
//! `initial` and `transient` to `steady` and from `irregular` to `transient`; another step from `steady` to
//! `initial`, which keeps the stride, and from `initial` to `transient` and from `transient` to `irregular`,
//! which take the new one. A steady site asks for what it accesses in its next steps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Prefetch, Seen, Wanted};

/// Parameters of `stride`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Entries of the table; a site has the entry of its remainder.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 65536))]
    pub entries: u32,
    /// Steps ahead that are asked for.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 64))]
    pub degree: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { entries: 256, degree: 2 }
    }
}

/// How sure a stride is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
enum State {
    #[default]
    Initial,
    Transient,
    Steady,
    Irregular,
}

impl State {
    /// The state after a step, and whether that step's length is the new stride.
    fn after(self, as_predicted: bool) -> (Self, bool) {
        match (self, as_predicted) {
            (Self::Initial | Self::Transient | Self::Steady, true) => (Self::Steady, false),
            (Self::Irregular, true) => (Self::Transient, false),
            (Self::Steady, false) => (Self::Initial, false),
            (Self::Initial, false) => (Self::Transient, true),
            (Self::Transient | Self::Irregular, false) => (Self::Irregular, true),
        }
    }
}

/// What is known of a site.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct Entry {
    site: u64,
    last: u64,
    stride: i64,
    state: State,
}

/// The prefetcher.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Stride {
    table: Vec<Option<Entry>>,
    degree: u8,
    line_shift: u32,
}

impl Prefetch for Stride {
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        if !(1..=65536).contains(&settings.entries) {
            return Err(format!("`entries` is from 1 to 65536, not {}", settings.entries));
        }
        super::degree(settings.degree)
    }

    fn new(settings: &Settings, line_shift: u32) -> Self {
        Self { table: vec![None; settings.entries as usize], degree: settings.degree, line_shift }
    }

    fn see(&mut self, seen: Seen, wanted: &mut Wanted) {
        let place = (seen.site % self.table.len() as u64) as usize;
        let entry = match &mut self.table[place] {
            Some(entry) if entry.site == seen.site => entry,
            other => {
                let (site, last) = (seen.site, seen.addr);
                *other = Some(Entry { site, last, stride: 0, state: State::Initial });
                return;
            }
        };
        let step = seen.addr.wrapping_sub(entry.last) as i64;
        let (state, is_new) = entry.state.after(step == entry.stride);
        (entry.state, entry.last) = (state, seen.addr);
        if is_new {
            entry.stride = step;
        }
        if entry.state == State::Steady {
            for ahead in 1..=i64::from(self.degree) {
                let target = entry.stride.checked_mul(ahead);
                if let Some(target) = target.and_then(|step| seen.addr.checked_add_signed(step)) {
                    wanted.line(target >> self.line_shift);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{after_misses, watcher};
    use super::*;

    #[test]
    fn the_third_equal_step_is_predicted() {
        // Initial with stride 0, transient with the stride, steady.
        let wanted = after_misses("\"stride\"", &[0, 3, 6, 9]);
        assert_eq!(wanted, [vec![], vec![], vec![9, 12], vec![12, 15]]);
    }

    #[test]
    fn one_odd_step_keeps_the_stride() {
        // 40 is not as predicted: initial, with the stride of 3, which 43 then confirms.
        let wanted = after_misses("\"stride\"", &[0, 3, 6, 40, 43]);
        assert_eq!(wanted[3..], [vec![], vec![46, 49]]);
    }

    /// Figure 4 of the paper: two odd steps in a row make a site irregular, and it takes two equal ones to
    /// come back.
    #[test]
    fn an_irregular_site_needs_two_equal_steps() {
        let wanted = after_misses("{ prefetcher = \"stride\", degree = 1 }", &[0, 3, 5, 6, 7, 8]);
        assert_eq!(wanted, [vec![], vec![], vec![], vec![], vec![], vec![9]]);
    }

    #[test]
    fn steps_within_a_line_ask_for_the_next_line_only() {
        let mut watcher = watcher("\"stride\"");
        let seen =
            |addr: u64, site| Seen { addr, line: addr >> 6, site, hit: true, first_use: false };
        // The second site has an entry of its own, the third displaces the first.
        let all: Vec<_> = (0..9)
            .map(|k| (watcher.see(seen(8 * k, 1)).to_vec(), watcher.see(seen(64 * k, 2)).len()))
            .collect();
        assert!(all[..6].iter().all(|(lines, _)| lines.is_empty()));
        assert_eq!(
            (all[6].0.clone(), all[7].0.clone(), all[8].0.clone()),
            (vec![1], vec![1], vec![])
        );
        assert_eq!(all[8].1, 2);
        watcher.see(seen(0, 257));
        assert!(watcher.see(seen(72, 1)).is_empty());
    }
}
