//! What a statistic is: something counted, a state, or a ratio of things counted.

/// A statistic's value. Its kind says what becomes of it where only a part of a run counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// Something counted: a part has the difference between its end and its start.
    Count(u64),
    /// A state, such as how many pages are resident: a part has what is so at its end.
    Level(u64),
    /// The highest state: it starts again from the state where a part starts.
    Peak(u64),
    /// A ratio or mean: a part has the ratio of the differences.
    Ratio(Ratio),
}

/// Two counts and a unit. The division comes last, in plain IEEE arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// What is divided.
    pub numerator: u128,
    /// By how many.
    pub denominator: u64,
    /// The numerator's unit in that of the statistic: 1000 for picoseconds told as nanoseconds.
    pub unit: u32,
}

impl Ratio {
    /// A ratio of counts in the statistic's own unit.
    pub fn of(numerator: impl Into<u128>, denominator: u64) -> Self {
        Self { numerator: numerator.into(), denominator, unit: 1 }
    }

    /// `count` for each thousand of `of`.
    pub fn per_thousand(count: u64, of: u64) -> Self {
        Self::of(u128::from(count) * 1000, of)
    }

    /// The quotient; 0 where nothing was counted.
    pub fn value(self) -> f64 {
        if self.denominator == 0 {
            return 0.0;
        }
        self.numerator as f64 / self.denominator as f64 / f64::from(self.unit)
    }
}

impl Value {
    /// The value as a real number.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Count(count) | Self::Level(count) | Self::Peak(count) => count as f64,
            Self::Ratio(ratio) => ratio.value(),
        }
    }

    /// What of it came after `base`, its value at an earlier time.
    fn since(self, base: Self) -> Self {
        match (self, base) {
            (Self::Count(now), Self::Count(then)) => Self::Count(now.saturating_sub(then)),
            (Self::Ratio(now), Self::Ratio(then)) => Self::Ratio(Ratio {
                numerator: now.numerator.saturating_sub(then.numerator),
                denominator: now.denominator.saturating_sub(then.denominator),
                unit: now.unit,
            }),
            (now, _) => now,
        }
    }

    /// Its value over an earlier part of the run and this one together.
    fn after(self, earlier: Self) -> Self {
        match (self, earlier) {
            (Self::Count(now), Self::Count(then)) => Self::Count(now.saturating_add(then)),
            (Self::Peak(now), Self::Peak(then)) => Self::Peak(now.max(then)),
            (Self::Ratio(now), Self::Ratio(then)) => Self::Ratio(Ratio {
                numerator: now.numerator.saturating_add(then.numerator),
                denominator: now.denominator.saturating_add(then.denominator),
                unit: now.unit,
            }),
            (now, _) => now,
        }
    }
}

impl super::Statistics {
    /// What of every statistic came after `base`, an earlier report of the same machine. Peaks must
    /// have been restarted then.
    pub fn since(self, base: &Self) -> Self {
        self.with(base, Value::since)
    }

    /// Every statistic over an earlier part of the run, and this later one.
    pub fn after(self, earlier: &Self) -> Self {
        self.with(earlier, Value::after)
    }

    fn with(mut self, other: &Self, combine: fn(Value, Value) -> Value) -> Self {
        for (at, entry) in self.entries.iter_mut().enumerate() {
            // A machine reports in one order.
            let same = other.entries.get(at).filter(|other| other.name == entry.name);
            let found =
                same.or_else(|| other.entries.iter().find(|other| other.name == entry.name));
            if let Some(other) = found {
                entry.value = combine(entry.value, other.value);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Statistics;

    fn report(count: u64, state: u64, ratio: Ratio) -> Statistics {
        let mut statistics = Statistics::default();
        statistics.count("a.count", "", "", count);
        statistics.level("a.level", "", "", state);
        statistics.peak("a.peak", "", "", state);
        statistics.ratio("a.ratio", "", "", ratio);
        statistics
    }

    fn values(statistics: &Statistics) -> Vec<f64> {
        statistics.iter().map(|entry| entry.value.as_f64()).collect()
    }

    #[test]
    fn a_part_has_differences_of_counts_and_ratios_and_its_own_states() {
        let early = report(3, 7, Ratio::of(10u64, 2));
        let late = report(5, 4, Ratio::of(100u64, 5));
        let part = late.since(&early);
        assert_eq!(values(&part), [2.0, 4.0, 4.0, 30.0]);
        assert_eq!(values(&part.after(&early)), [5.0, 4.0, 7.0, 20.0]);
        assert_eq!(values(&report(1, 1, Ratio::of(1u64, 0)))[3], 0.0);
    }
}
