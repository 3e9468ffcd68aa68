//! The branch predictor: gshare with two-bit counters (McFarling, WRL TN-36, 1993).
//!
//! Small on purpose: it serves to tell the branches that a core resolves late from those that cost
//! nothing, in traces that have branches at all.

use crate::statistics::Statistics;

const HISTORY_BITS: u32 = 14;

/// A gshare predictor of 2^14 counters.
#[derive(Debug, bincode::Encode, bincode::Decode)]
pub struct Predictor {
    counters: Box<[u8]>,
    history: u64,
    branches: u64,
    mispredicts: u64,
}

impl Default for Predictor {
    fn default() -> Self {
        // Weakly taken: most branches close loops.
        Self {
            counters: vec![2; 1 << HISTORY_BITS].into_boxed_slice(),
            history: 0,
            branches: 0,
            mispredicts: 0,
        }
    }
}

impl Predictor {
    /// Predicts the branch at `site`, learns that it went `taken`, and says whether it was right.
    pub fn predict(&mut self, site: u64, taken: bool) -> bool {
        let mask = (1 << HISTORY_BITS) - 1;
        let counter =
            &mut self.counters[((site ^ (site >> HISTORY_BITS) ^ self.history) & mask) as usize];
        let right = (*counter >= 2) == taken;
        *counter = if taken { (*counter + 1).min(3) } else { counter.saturating_sub(1) };
        self.history = (self.history << 1 | u64::from(taken)) & mask;
        self.branches += 1;
        self.mispredicts += u64::from(!right);
        right
    }

    /// Declares its statistics.
    pub fn report(&self, out: &mut Statistics) {
        out.count(
            "branch.branches",
            "branches",
            "conditional branches in the trace",
            self.branches,
        );
        out.count(
            "branch.mispredicts",
            "branches",
            "branches that the predictor got wrong",
            self.mispredicts,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_learnt_and_a_coin_is_not() {
        let mut predictor = Predictor::default();
        let wrong = (0..10_000).filter(|turn| !predictor.predict(0x40, turn % 5 != 4)).count();
        assert!(wrong < 100, "{wrong} of 10,000 in a loop of five");
        let mut predictor = Predictor::default();
        let mut state = 1u64;
        let wrong = (0..10_000)
            .filter(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                !predictor.predict(0x40, state >> 63 == 1)
            })
            .count();
        assert!((4_000..6_000).contains(&wrong), "{wrong} of 10,000 coin tosses");
    }
}
