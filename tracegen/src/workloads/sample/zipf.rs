//! Zipf's distribution over any number of ranks in constant memory.

use super::Random;
use super::elementary::{exp, exp_m1_over, ln, ln_1p_over, pow};

/// Draws rank k of 1…n with a probability proportional to k^−q, by rejection-inversion (Hörmann and
/// Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", ACM
/// TOMACS 6(3), 1996): a point under the density's integral H is inverted and rounded to a rank, and
/// rejected where the rank's bar is lower than the curve; at most one draw in four is.
#[derive(Debug, Clone)]
pub struct Zipf {
    ranks: u64,
    exponent: f64,
    /// The integral's ends: at 3/2 less the first bar, and at n + 1/2.
    low: f64,
    high: f64,
    /// A point this close below its rank is always under the bar.
    squeeze: f64,
}

impl Zipf {
    /// The distribution over `ranks` (at least 1 is assumed) with the exponent `exponent` ≥ 0; 0 is the
    /// uniform one.
    pub fn new(ranks: u64, exponent: f64) -> Self {
        let ranks = ranks.max(1);
        let mut zipf = Self { ranks, exponent, low: 0.0, high: 0.0, squeeze: 0.0 };
        zipf.low = zipf.integral(1.5) - 1.0;
        zipf.high = zipf.integral(ranks as f64 + 0.5);
        zipf.squeeze = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.density(2.0));
        zipf
    }

    /// A rank from 0: the most frequent first.
    #[inline]
    pub fn draw(&self, random: &mut Random) -> u64 {
        loop {
            let under = self.high + random.unit() * (self.low - self.high);
            let x = self.inverse(under);
            let rank = ((x + 0.5) as u64).clamp(1, self.ranks);
            let k = rank as f64;
            if k - x <= self.squeeze || under >= self.integral(k + 0.5) - self.density(k) {
                return rank - 1;
            }
        }
    }

    /// The probability of the rank `rank`, from 0; takes time in proportion to the number of ranks.
    pub fn probability(&self, rank: u64) -> f64 {
        let total: f64 = (1..=self.ranks).rev().map(|k| self.density(k as f64)).sum();
        self.density(rank as f64 + 1.0) / total
    }

    /// x^−q.
    fn density(&self, x: f64) -> f64 {
        pow(x, -self.exponent)
    }

    /// The integral of the density from 1 to x: (x^(1−q) − 1) / (1 − q), or ln x where q is 1.
    fn integral(&self, x: f64) -> f64 {
        let ln_x = ln(x);
        ln_x * exp_m1_over((1.0 - self.exponent) * ln_x)
    }

    /// Where the integral has the value `y`.
    fn inverse(&self, y: f64) -> f64 {
        // (1 − q) y is above −1 up to rounding wherever y is a value of the integral.
        let t = ((1.0 - self.exponent) * y).max(-1.0 + f64::EPSILON);
        exp(y * ln_1p_over(t))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::sample::tests::chi_square;

    #[test]
    fn draws_follow_the_distribution() {
        for (ranks, exponent) in [(1, 0.99), (10, 0.0), (10, 0.5), (50, 0.99), (50, 1.0), (20, 2.5)]
        {
            let zipf = Zipf::new(ranks, exponent);
            let mut random = Random::new("zipf", 7);
            let mut counts = vec![0u64; ranks as usize];
            (0..200_000).for_each(|_| counts[zipf.draw(&mut random) as usize] += 1);
            if ranks == 1 {
                continue;
            }
            // The platform's powf makes the expectation independent of our own.
            let weights: Vec<f64> = (1..=ranks).map(|k| (k as f64).powf(-exponent)).collect();
            let total: f64 = weights.iter().sum();
            let expected: Vec<f64> = weights.iter().map(|w| 200_000.0 * w / total).collect();
            let p = chi_square(&counts, &expected);
            assert!(p > 1e-4, "{ranks} ranks, exponent {exponent}: p = {p}");
        }
    }

    #[test]
    fn a_huge_range_has_the_right_head() {
        let zipf = Zipf::new(1 << 40, 0.99);
        let mut random = Random::new("zipf", 7);
        let firsts = (0..200_000).filter(|_| zipf.draw(&mut random) == 0).count() as f64;
        // The sum of k^-q over 1…n by Euler and Maclaurin: zeta-like head plus the integral.
        let (n, q) = ((1u64 << 40) as f64, 0.99f64);
        let head: f64 = (1..1000).map(|k| f64::from(k).powf(-q)).sum();
        let tail = (n.powf(1.0 - q) - 1000f64.powf(1.0 - q)) / (1.0 - q) + 1000f64.powf(-q) / 2.0;
        let expected = 200_000.0 / (head + tail);
        assert!((firsts - expected).abs() < 6.0 * expected.sqrt(), "{firsts} for {expected}");
    }
}
