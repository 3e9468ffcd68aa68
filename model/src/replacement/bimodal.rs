//! The chance by which bimodal insertion gives a new entry the better place.

use rand::Rng;
use rand_pcg::Pcg32;

use super::random::STREAM;

/// One in so many entries, as the papers have it.
pub(super) const THROTTLE: u32 = 32;

/// One in `throttle` insertions is a lucky one. The sets of a structure share the generator. (Chances, and
/// not every so-manyth insertion, which would always be the same sets' in a strided stream.)
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Bimodal {
    #[bincode(with_serde)]
    generator: Pcg32,
    throttle: u32,
}

impl Bimodal {
    pub fn new(throttle: u32, seed: u64) -> Self {
        Self { generator: Pcg32::new(seed, STREAM), throttle: throttle.max(1) }
    }

    /// What is wrong with a throttle, as the end of a sentence about the structure's `replacement`.
    pub fn check(throttle: u32) -> Result<(), String> {
        if throttle > 0 { Ok(()) } else { Err("`throttle` is at least 1".to_owned()) }
    }

    /// Whether this insertion is a lucky one.
    #[inline]
    pub fn lucky(&mut self) -> bool {
        (u64::from(self.generator.next_u32()) * u64::from(self.throttle)) >> 32 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 64,000 draws of 1/32: 2000 expected, within five standard deviations of 44; of 1, all.
    #[test]
    fn one_in_so_many_is_lucky() {
        let mut bimodal = Bimodal::new(THROTTLE, 7);
        let lucky = (0..64_000).filter(|_| bimodal.lucky()).count();
        assert!((1780..2220).contains(&lucky), "{lucky}");
        let mut always = Bimodal::new(1, 7);
        assert!((0..100).all(|_| always.lucky()));
        assert!(Bimodal::check(0).is_err() && Bimodal::check(1).is_ok());
    }
}
