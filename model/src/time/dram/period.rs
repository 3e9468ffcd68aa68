//! The memory's clock against time: exact conversions without a division.

/// The period of the memory's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period {
    picoseconds: u64,
    /// Of 2^64 picoseconds, rounded down: how many periods they are.
    reciprocal: u64,
}

impl Period {
    /// A period of so many picoseconds, at least 1.
    pub fn new(picoseconds: u64) -> Self {
        let picoseconds = picoseconds.max(1);
        Self { picoseconds, reciprocal: u64::MAX / picoseconds }
    }

    /// The first clock edge at or after `time` in picoseconds.
    #[inline]
    pub fn edge(self, time: u64) -> u64 {
        // The product is the quotient or one less, so that less than two periods are left.
        let below = ((u128::from(time) * u128::from(self.reciprocal)) >> 64) as u64;
        let rest = time - below * self.picoseconds;
        below + u64::from(rest > 0) + u64::from(rest > self.picoseconds)
    }

    /// The time of clock edge `edge`, or how long so many clocks take, in picoseconds: at most `u64::MAX`.
    #[inline]
    pub fn time(self, edge: u64) -> u64 {
        edge.saturating_mul(self.picoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges_are_rounded_up_at_the_ends_of_the_range() {
        for period in [1, 2, 3, 625, 833, 1 << 20, 1_000_000, u64::MAX / 2, u64::MAX] {
            let clock = Period::new(period);
            let near =
                |at: u64| (0..3).flat_map(move |by| [at.saturating_sub(by), at.saturating_add(by)]);
            let last = u64::MAX / period * period;
            for time in
                [0, period, 5_u64.saturating_mul(period), last, u64::MAX].into_iter().flat_map(near)
            {
                assert_eq!(clock.edge(time), time.div_ceil(period), "{time} / {period}");
            }
        }
    }

    proptest! {
        #[test]
        fn edges_are_quotients_rounded_up(time: u64, bits in 0..64u32, period in 1..2_000_000u64) {
            let time = time >> bits;
            prop_assert_eq!(Period::new(period).edge(time), time.div_ceil(period));
        }
    }
}
