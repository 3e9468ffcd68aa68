//! Fills that may still be on their way when the next access to the same line or page comes.

use crate::outcome::HORIZON;

const SLOTS: usize = 1024;

#[derive(Debug, Clone, Copy)]
struct Fill {
    key: u64,
    instruction: u64,
    outcome: u64,
    blocking: bool,
}

/// A fill that an access meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// The outcome that fills, counted from 1 on its CPU.
    pub outcome: u64,
    /// Whether that outcome is a load, so that nothing younger retires before the fill.
    pub blocking: bool,
}

/// The latest fills of one CPU, by line or page number. A slot remembers the latest fill alone, so a
/// fill can be forgotten early; it is never invented.
#[derive(Debug)]
pub struct RecentFills {
    slots: Box<[Fill]>,
    /// Instruction of the latest fill: older than the horizon means that there is nothing to find.
    latest: Option<u64>,
}

impl Default for RecentFills {
    fn default() -> Self {
        let empty = Fill { key: u64::MAX, instruction: 0, outcome: 0, blocking: false };
        Self { slots: vec![empty; SLOTS].into_boxed_slice(), latest: None }
    }
}

impl RecentFills {
    fn slot(key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.ilog2())) as usize
    }

    /// The fill of `key` that may be under way at `instruction`.
    #[inline]
    pub fn find(&self, key: u64, instruction: u64) -> Option<Met> {
        if self.latest.is_none_or(|latest| instruction - latest >= HORIZON) {
            return None;
        }
        let fill = &self.slots[Self::slot(key)];
        (fill.key == key && fill.outcome != 0 && instruction - fill.instruction < HORIZON)
            .then_some(Met { outcome: fill.outcome, blocking: fill.blocking })
    }

    /// Remembers that `outcome` fills `key`.
    pub fn filled(&mut self, key: u64, instruction: u64, outcome: u64, blocking: bool) {
        self.slots[Self::slot(key)] = Fill { key, instruction, outcome, blocking };
        self.latest = Some(instruction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_is_met_until_the_horizon() {
        let mut fills = RecentFills::default();
        assert_eq!(fills.find(7, 0), None);
        fills.filled(7, 10, 3, true);
        assert_eq!(fills.find(7, 10), Some(Met { outcome: 3, blocking: true }));
        assert_eq!(fills.find(8, 10), None);
        assert_eq!(fills.find(7, 10 + HORIZON), None);
    }
}
