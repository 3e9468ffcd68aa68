//! Random choices whose bytes are the same on every platform and with every version of a library.

pub mod elementary;
mod kronecker;
mod zipf;

pub use kronecker::Kronecker;
pub use zipf::Zipf;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use xxhash_rust::xxh3::xxh3_128;

/// Mixes 64 bits: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014; Stafford's variant 13).
#[inline]
pub fn mix(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// A stream of random numbers: PCG XSL-RR 128/64 (O'Neill, Harvey Mudd College HMC-CS-2014-0905),
/// seeded by the name of whoever draws from it and the user's seed.
#[derive(Debug, Clone)]
pub struct Random(Pcg64);

impl Random {
    /// The stream of `name` under `seed`.
    pub fn new(name: &str, seed: u64) -> Self {
        let mut bytes = name.as_bytes().to_vec();
        bytes.extend_from_slice(&seed.to_le_bytes());
        let state = xxh3_128(&bytes).to_le_bytes();
        bytes.push(1);
        let stream = xxh3_128(&bytes).to_le_bytes();
        let mut whole = [0; 32];
        whole[..16].copy_from_slice(&state);
        whole[16..].copy_from_slice(&stream);
        Self(Pcg64::from_seed(whole))
    }

    /// 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform number below `bound` (0 if `bound` is 0), without bias: Lemire's multiplication
    /// (ACM TOMACS 29(1), 2019).
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut product = u128::from(self.bits()) * u128::from(bound);
        if (product as u64) < bound {
            // 2^64 mod bound; bound is not 0 here.
            let threshold = bound.wrapping_neg() % bound;
            while (product as u64) < threshold {
                product = u128::from(self.bits()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// A uniform number from 0 up to, without, 1: a multiple of 2^-53.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A uniformly random order (Fisher and Yates; Knuth's algorithm P).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use statrs::distribution::{ChiSquared, ContinuousCDF};

    use super::*;

    /// The probability of a chi-square statistic at least as large as that of `observed`.
    pub fn chi_square(observed: &[u64], expected: &[f64]) -> f64 {
        let terms = observed.iter().zip(expected).map(|(o, e)| (*o as f64 - e).powi(2) / e);
        let freedom = (observed.len() - 1) as f64;
        1.0 - ChiSquared::new(freedom).unwrap().cdf(terms.sum())
    }

    #[test]
    fn numbers_below_a_bound_are_uniform() {
        let mut random = Random::new("uniform", 7);
        for bound in [2u64, 7, 100] {
            let mut counts = vec![0; bound as usize];
            (0..100_000).for_each(|_| counts[random.below(bound) as usize] += 1);
            let expected = vec![100_000.0 / bound as f64; bound as usize];
            assert!(chi_square(&counts, &expected) > 1e-4, "{bound}: {counts:?}");
        }
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn every_order_of_four_is_as_likely() {
        let mut random = Random::new("shuffle", 7);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..24_000 {
            let mut items = [0, 1, 2, 3];
            random.shuffle(&mut items);
            *counts.entry(items).or_insert(0u64) += 1;
        }
        let counts: Vec<u64> = counts.into_values().collect();
        assert_eq!(counts.len(), 24);
        assert!(chi_square(&counts, &[1000.0; 24]) > 1e-4);
    }

    #[test]
    fn streams_differ_by_name_and_by_seed() {
        let first = |name, seed| Random::new(name, seed).bits();
        assert_eq!(first("a", 1), first("a", 1));
        assert_ne!(first("a", 1), first("a", 2));
        assert_ne!(first("a", 1), first("b", 1));
    }

    #[test]
    fn units_are_below_one_and_average_a_half() {
        let mut random = Random::new("unit", 7);
        let units: Vec<f64> = (0..100_000).map(|_| random.unit()).collect();
        assert!(units.iter().all(|unit| (0.0..1.0).contains(unit)));
        // Six standard deviations of the mean of 100,000 uniform numbers.
        let mean = units.iter().sum::<f64>() / 1e5;
        assert!((mean - 0.5).abs() < 6.0 / (12e5f64).sqrt(), "{mean}");
    }
}
