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

/// Converts between slots, cycles and picoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    frequency: Frequency,
    slots: Frequency,
    width: u64,
    /// Picoseconds of a slot where that is a whole number, else 0: division of 128 bits is slow.
    period: u64,
}

impl Clock {
    /// The time base of a core. A width of 0 counts as 1.
    pub(super) fn new(frequency: Frequency, width: u32) -> Self {
        let width = u64::from(width.max(1));
        let slots = Frequency(frequency.0.max(1).saturating_mul(width));
        let second = 1_000_000_000_000u64;
        let period = if second.is_multiple_of(slots.0) { second / slots.0 } else { 0 };
        Self { frequency: Frequency(frequency.0.max(1)), slots, width, period }
    }

    /// Slots a cycle.
    pub(super) fn width(&self) -> u64 {
        self.width
    }

    /// Picoseconds from the start to the beginning of slot `slots`, rounded up.
    pub(super) fn picoseconds(&self, slots: u64) -> u64 {
        match self.period {
            0 => self.slots.picoseconds(slots),
            period => slots.saturating_mul(period),
        }
    }

    /// The first slot that begins no earlier than `ps`.
    pub(super) fn slots(&self, ps: u64) -> u64 {
        match self.period {
            0 => self.slots.cycles(ps),
            period => ps.div_ceil(period),
        }
    }

    /// Cycles that cover `slots`.
    pub(super) fn cycles(&self, slots: u64) -> u64 {
        slots.div_ceil(self.width)
    }

    /// A configured span in slots: whole cycles, as a clocked component takes; `None` above [`LONGEST`].
    pub(super) fn span(&self, span: Span) -> Option<u64> {
        let cycles = span.cycles(self.frequency);
        (self.frequency.picoseconds(cycles) <= LONGEST.saturating_add(self.period.max(1_000_000)))
            .then(|| cycles.saturating_mul(self.width))
    }
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
                for value in [0, 1, 7, 250, 1_000, 80_001, 123_456_789_012] {
                    assert_eq!(clock.picoseconds(value), rule.picoseconds(value));
                    assert_eq!(clock.slots(value), rule.cycles(value));
                    assert!(clock.picoseconds(clock.slots(value)) >= value);
                }
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
