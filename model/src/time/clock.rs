//! The core's time base: slots.
//!
//! A core that dispatches `width` instructions a cycle has `width` slots a cycle. The window counts in
//! slots throughout, so that the flow of instructions and the latencies of components are integers on
//! one axis; memory and storage count picoseconds. Between the two everything rounds up.
//!
//! 64 bits hold 2^64 ps, or 213 days of simulated time, and nine years of slots for a core of 4 GHz and
//! width 16. A configured span is at most [`LONGEST`], so that no single step comes near.

use crate::units::{Frequency, Span};

/// The longest latency that a configuration may ask for, in picoseconds: 1000 s.
pub(super) const LONGEST: u64 = 1_000_000_000_000_000;

/// A number to divide by again and again, which takes a multiplication.
#[derive(Debug, Clone, Copy)]
struct Divisor {
    number: u64,
    /// 2^63 divided by it, rounded up.
    reciprocal: u64,
    /// Dividends below this times the reciprocal's error, which is less than the divisor, stay below
    /// 2^63, so that the quotient is exact.
    limit: u64,
}

impl Divisor {
    /// Of a number above 0.
    fn new(number: u64) -> Self {
        Self { number, reciprocal: (1u64 << 63).div_ceil(number), limit: (1 << 63) / number }
    }

    /// `dividend` divided by it, rounded up.
    #[inline]
    fn ceiling(&self, dividend: u64) -> u64 {
        if dividend.wrapping_sub(1) >= self.limit {
            return dividend.div_ceil(self.number);
        }
        let product = u128::from(dividend - 1) * u128::from(self.reciprocal);
        (product >> 63) as u64 + 1
    }
}

/// Converts between slots, cycles and picoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    frequency: Frequency,
    slots: Frequency,
    width: Divisor,
    /// Picoseconds of so many slots, in lowest terms: 64 bits usually suffice for them.
    period: (Divisor, Divisor),
}

impl Clock {
    /// The time base of a core. A width of 0 counts as 1.
    pub(super) fn new(frequency: Frequency, width: u32) -> Self {
        let width = u64::from(width.max(1));
        let slots = Frequency(frequency.0.max(1).saturating_mul(width));
        let second = 1_000_000_000_000u64;
        let common = greatest_common_divisor(second, slots.0);
        let period = (Divisor::new(second / common), Divisor::new(slots.0 / common));
        let frequency = Frequency(frequency.0.max(1));
        Self { frequency, slots, width: Divisor::new(width), period }
    }

    /// Slots a cycle.
    pub(super) fn width(&self) -> u64 {
        self.width.number
    }

    /// Picoseconds from the start to the beginning of slot `slots`, rounded up.
    #[inline]
    pub(super) fn picoseconds(&self, slots: u64) -> u64 {
        let (ps, per) = &self.period;
        match slots.checked_mul(ps.number) {
            Some(product) => per.ceiling(product),
            None => self.slots.picoseconds(slots),
        }
    }

    /// The first slot that begins no earlier than `ps`.
    #[inline]
    pub(super) fn slots(&self, ps: u64) -> u64 {
        let (picoseconds, per) = &self.period;
        match ps.checked_mul(per.number) {
            Some(product) => picoseconds.ceiling(product),
            None => self.slots.cycles(ps),
        }
    }

    /// Cycles that cover `slots`.
    #[inline]
    pub(super) fn cycles(&self, slots: u64) -> u64 {
        self.width.ceiling(slots)
    }

    /// A configured span in slots: whole cycles, as a clocked component takes; `None` above [`LONGEST`].
    pub(super) fn span(&self, span: Span) -> Option<u64> {
        let cycles = span.cycles(self.frequency);
        (cycles <= self.frequency.cycles(LONGEST)).then(|| cycles.saturating_mul(self.width()))
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_cut_is_the_rule() {
        for hertz in [4_000_000_000, 3_700_000_000, 5_000_000_000, 1_000_000_000] {
            for width in [1, 3, 4, 16] {
                let clock = Clock::new(Frequency(hertz), width);
                let rule = Frequency(hertz * u64::from(width));
                for value in [0, 1, 7, 250, 1_000, 80_001, 123_456_789_012, 1 << 60] {
                    assert_eq!(clock.picoseconds(value), rule.picoseconds(value));
                    assert_eq!(clock.slots(value), rule.cycles(value));
                    assert!(clock.picoseconds(clock.slots(value)) >= value);
                }
            }
        }
    }

    #[test]
    fn a_divisor_divides() {
        for number in [1, 2, 3, 7, 16, 125, 625, 1 << 40, (1 << 62) + 1, 1 << 63, u64::MAX] {
            let divisor = Divisor::new(number);
            let limit = divisor.limit;
            let multiples = [1, 2, 1000, 123_457].map(|times| number.saturating_mul(times));
            let edges = multiples.into_iter().chain([0, 1, limit, u64::MAX, 1 << 57]);
            for edge in
                edges.flat_map(|edge| [edge.saturating_sub(1), edge, edge.saturating_add(1)])
            {
                assert_eq!(divisor.ceiling(edge), edge.div_ceil(number), "{edge} by {number}");
            }
        }
    }

    #[test]
    fn spans_are_whole_cycles() {
        let clock = Clock::new(Frequency(4_000_000_000), 4);
        assert_eq!(clock.span(Span::Picoseconds(251)), Some(8));
        assert_eq!(clock.span(Span::Cycles(3)), Some(12));
        assert_eq!(clock.span(Span::Picoseconds(u64::MAX)), None);
        assert_eq!(clock.span(Span::Cycles(u64::MAX)), None);
    }
}
