//! From values to pixels, with ticks at round numbers.

use super::text::number;

/// A mapping of values to pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    from: i32,
    to: i32,
}

impl Scale {
    /// 0 to `high` or the next round number, linearly over the pixels `from` to `to`.
    pub fn linear(high: f64, from: i32, to: i32) -> Self {
        let step = round_step(high, 5);
        let high = if high > 0.0 { (high / step).ceil() * step } else { 1.0 };
        Self { low: 0.0, high, logarithmic: false, from, to }
    }

    /// 0 to exactly `high`, for data whose ends carry their values.
    pub fn exact(high: f64, from: i32, to: i32) -> Self {
        Self { high: if high > 0.0 { high } else { 1.0 }, ..Self::linear(high, from, to) }
    }

    /// `low` to `high`, both above 0, by ratio.
    pub fn logarithmic(low: f64, high: f64, from: i32, to: i32) -> Self {
        let low = low.max(f64::MIN_POSITIVE);
        Self { low, high: high.max(low * 2.0), logarithmic: true, from, to }
    }

    /// The pixel of `value`, kept within the scale.
    pub fn place(&self, value: f64) -> i32 {
        let value = value.clamp(self.low, self.high);
        let share = if self.logarithmic {
            (value / self.low).log2() / (self.high / self.low).log2()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + (f64::from(self.to - self.from) * share).round() as i32
    }

    /// Whether `value` lies within it.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Round values with their labels: about five on a linear scale, powers of ten (or of two over a
    /// short range) on a logarithmic one.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        if !self.logarithmic {
            let step = round_step(self.high, 5);
            let count = (self.high / step + 1e-6).floor() as i32;
            return (0..=count)
                .map(|index| f64::from(index) * step)
                .map(|value| (value, number(value)))
                .collect();
        }
        let ratio = if self.high / self.low > 500.0 { 10.0 } else { 2.0 };
        let mut value = 1.0;
        while value < self.low {
            value *= ratio;
        }
        let mut ticks = Vec::new();
        while value <= self.high {
            ticks.push((value, number(value)));
            value *= ratio;
        }
        ticks
    }
}

/// A step of 1, 2 or 5 times a power of ten that divides `high` into about `parts`.
fn round_step(high: f64, parts: u32) -> f64 {
    if high.is_nan() || high <= 0.0 {
        return 1.0;
    }
    let rough = high / f64::from(parts);
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough);
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_ticks_are_round_and_cover() {
        let scale = Scale::linear(87.0, 0, 100);
        let labels: Vec<_> = scale.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0", "20", "40", "60", "80", "100"]);
        assert_eq!((scale.place(0.0), scale.place(50.0), scale.place(1e9)), (0, 50, 100));
        assert_eq!(Scale::linear(0.0, 0, 100).place(0.0), 0);
    }

    #[test]
    fn logarithmic_places_by_ratio() {
        let scale = Scale::logarithmic(1.0, 10_000.0, 0, 400);
        assert_eq!((scale.place(1.0), scale.place(100.0), scale.place(10_000.0)), (0, 200, 400));
        assert_eq!(scale.ticks().len(), 5);
    }
}
