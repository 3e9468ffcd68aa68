//! Fills that may still be on their way when the next access to the same line or page comes.

use crate::outcome::HORIZON;

const SLOTS: usize = 1024;

#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct Fill {
    key: u64,
    instruction: u64,
    /// Twice the outcome's number, of which there are fewer than 2^63, and one more if it is blocking.
    outcome: u64,
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
#[derive(Debug, bincode::Encode, bincode::Decode)]
pub struct RecentFills {
    slots: Box<[Fill]>,
    /// From this instruction on the latest fill is older than the horizon: there is nothing to find.
    quiet_from: u64,
}

impl Default for RecentFills {
    fn default() -> Self {
        let empty = Fill { key: u64::MAX, instruction: 0, outcome: 0 };
        Self { slots: vec![empty; SLOTS].into_boxed_slice(), quiet_from: 0 }
    }
}

impl RecentFills {
    fn slot(key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.ilog2())) as usize
    }

    /// The fill of `key` that may be under way at `instruction`, and the instruction from which on it no
    /// longer is; without one `u64::MAX`.
    #[inline]
    pub fn find(&self, key: u64, instruction: u64) -> (Option<Met>, u64) {
        const NOTHING: (Option<Met>, u64) = (None, u64::MAX);
        if instruction >= self.quiet_from {
            return NOTHING;
        }
        let fill = &self.slots[Self::slot(key)];
        if fill.key != key || fill.outcome == 0 || instruction - fill.instruction >= HORIZON {
            return NOTHING;
        }
        let met = Met { outcome: fill.outcome >> 1, blocking: fill.outcome & 1 != 0 };
        (Some(met), fill.instruction + HORIZON)
    }

    /// Remembers that `outcome` fills `key`.
    #[inline]
    pub fn filled(&mut self, key: u64, instruction: u64, outcome: u64, blocking: bool) {
        let outcome = outcome << 1 | u64::from(blocking);
        self.slots[Self::slot(key)] = Fill { key, instruction, outcome };
        self.quiet_from = instruction + HORIZON;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_is_met_until_the_horizon() {
        let mut fills = RecentFills::default();
        assert_eq!(fills.find(7, 0), (None, u64::MAX));
        fills.filled(7, 10, 3, true);
        let met = Met { outcome: 3, blocking: true };
        assert_eq!(fills.find(7, 10), (Some(met), 10 + HORIZON));
        assert_eq!(fills.find(8, 10), (None, u64::MAX));
        assert_eq!(fills.find(7, 9 + HORIZON).0, Some(met));
        assert_eq!(fills.find(7, 10 + HORIZON), (None, u64::MAX));
    }
}
