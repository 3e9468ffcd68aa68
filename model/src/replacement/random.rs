//! Random: any way is displaced, with equal chances.

use rand::Rng;
use rand_pcg::Pcg32;

use super::{Replacement, Shape};
use crate::config::choice::NoParameters;

/// The generator. The sets of a structure share it.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Random {
    #[bincode(with_serde)]
    generator: Pcg32,
    ways: u32,
}

/// PCG's default stream; sequences differ by their seeds.
pub(super) const STREAM: u64 = 0x0a02_bdbf_7bb3_c0a7;

impl Replacement for Random {
    type Settings = NoParameters;
    const FILL_IS_USE: bool = true;
    const REPEATS_ARE_IDLE: bool = true;

    fn check(_: &NoParameters, _: u32) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &NoParameters, shape: Shape, seed: u64) -> Self {
        Self { generator: Pcg32::new(seed, STREAM), ways: shape.ways as u32 }
    }

    #[inline]
    fn touch(&mut self, _: &mut u64, _: usize, _: usize) {}

    #[inline]
    fn fill(&mut self, _: &mut u64, _: usize, _: usize) {}

    /// ⌊draw × ways / 2^32⌋: chances differ by at most 2^-32.
    #[inline]
    fn replace(&mut self, _: &mut u64, _: usize) -> usize {
        ((u64::from(self.generator.next_u32()) * u64::from(self.ways)) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replacement::component_seed;

    fn draws(name: &str, run: u64, ways: usize) -> Vec<usize> {
        let shape = Shape { sets: 1, ways };
        let mut random = Random::new(&NoParameters {}, shape, component_seed(name, run));
        (0..8000).map(|_| random.replace(&mut 0, 0)).collect()
    }

    #[test]
    fn a_sequence_belongs_to_a_name_and_a_run() {
        assert_eq!(draws("l1d", 1, 8), draws("l1d", 1, 8));
        assert_ne!(draws("l1d", 1, 8), draws("l1i", 1, 8));
        assert_ne!(draws("l1d", 1, 8), draws("l1d", 2, 8));
    }

    /// 8000 draws of 8 (and of 12) ways: each way's count within five standard deviations.
    #[test]
    fn the_chances_are_equal() {
        for ways in [8usize, 12] {
            let mut counts = vec![0i64; ways];
            draws("l2", 7, ways).iter().for_each(|way| counts[*way] += 1);
            let mean = 8000 / ways as i64;
            assert!(counts.iter().all(|count| (count - mean).abs() < 160), "{counts:?}");
        }
    }
}
