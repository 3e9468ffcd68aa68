//! Distributions in constant memory: buckets that grow with the value.

use super::Ratio;

const SUB_BITS: u32 = 5;
const SUB: u64 = 1 << SUB_BITS;

/// A histogram of integers. Values below 64 have a bucket each; above, a bucket is at most 1/32 of
/// its value wide, so that a percentile is at most 3.2 % too high.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

/// What a histogram says in a few numbers. Percentiles are the upper end of their bucket, at most `max`.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Summary {
    pub count: u64,
    pub mean: f64,
    pub min: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
    pub max: u64,
    /// (lowest value, highest value, count) of every bucket that is not empty.
    pub buckets: Vec<(u64, u64, u64)>,
}

fn index_of(value: u64) -> usize {
    if value < 2 * SUB {
        return value as usize;
    }
    let shift = value.ilog2() - SUB_BITS;
    (u64::from(shift) * SUB + (value >> shift)) as usize
}

fn range_of(index: usize) -> (u64, u64) {
    let index = index as u64;
    if index < 2 * SUB {
        return (index, index);
    }
    let shift = index / SUB - 1;
    let low = (index % SUB + SUB) << shift;
    (low, low + ((1 << shift) - 1))
}

impl Histogram {
    /// Adds `times` observations of `value`.
    #[inline]
    pub fn add(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        let index = index_of(value);
        if index >= self.buckets.len() {
            self.extend(index);
        }
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.buckets[index] += times;
        self.count += times;
        self.sum += u128::from(value) * u128::from(times);
    }

    /// Extends the buckets up to `index`.
    #[cold]
    fn extend(&mut self, index: usize) {
        self.buckets.resize(index + 1, 0);
    }

    /// How many observations there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean; 0 without observations.
    pub fn mean(&self) -> f64 {
        self.ratio().value()
    }

    /// The mean as the sum and the number of the observations.
    pub fn ratio(&self) -> Ratio {
        Ratio::of(self.sum, self.count)
    }

    /// Adds the observations of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.buckets.resize(self.buckets.len().max(other.buckets.len()), 0);
        for (bucket, times) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += times;
        }
        self.count += other.count;
        self.sum += other.sum;
    }

    /// The smallest bucket bound that at least `per_mille` thousandths of the observations do not exceed.
    pub fn quantile(&self, per_mille: u64) -> u64 {
        let wanted = (u128::from(self.count) * u128::from(per_mille)).div_ceil(1000) as u64;
        let mut seen = 0;
        for (index, &times) in self.buckets.iter().enumerate() {
            seen += times;
            if seen >= wanted.max(1) {
                return range_of(index).1.min(self.max);
            }
        }
        self.max
    }

    /// The distribution in a few numbers.
    pub fn summary(&self) -> Summary {
        Summary {
            count: self.count,
            mean: self.mean(),
            min: self.min,
            p50: self.quantile(500),
            p90: self.quantile(900),
            p99: self.quantile(990),
            p99_9: self.quantile(999),
            max: self.max,
            buckets: self
                .buckets
                .iter()
                .enumerate()
                .filter(|(_, times)| **times > 0)
                .map(|(index, &times)| (range_of(index).0, range_of(index).1, times))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_and_buckets_are_narrow() {
        for value in (0..5000).chain((0..64).map(|bit| 1u64 << bit)).chain([u64::MAX]) {
            let (low, high) = range_of(index_of(value));
            assert!(low <= value && value <= high, "{value} in {low}..={high}");
            assert!(high - low <= low / 32, "{low}..={high}");
        }
    }

    #[test]
    fn percentiles_of_one_to_a_hundred() {
        let mut histogram = Histogram::default();
        (1..=100).for_each(|value| histogram.add(value, 1));
        assert_eq!((histogram.quantile(500), histogram.quantile(1000)), (50, 100));
        assert_eq!(histogram.mean(), 50.5);
    }

    #[test]
    fn merged_halves_are_the_whole() {
        let (mut whole, mut halves) =
            (Histogram::default(), [(); 2].map(|()| Histogram::default()));
        for value in (0..3000).map(|value| value * value % 4999) {
            whole.add(value, value % 3);
            halves[usize::from(value > 900)].add(value, value % 3);
        }
        let [mut merged, other] = halves;
        merged.merge(&other);
        merged.merge(&Histogram::default());
        assert_eq!(merged, whole);
        let mut copy = Histogram::default();
        copy.merge(&whole);
        assert_eq!(copy, whole);
    }
}
