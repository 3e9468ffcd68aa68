//! Which pages or lines are sampled: those whose hash is small enough.

use tracegen::record::ProcessId;

/// The hash of a page's or line's number under a process's `salt`: a bijection that mixes every bit into
/// every other (Stafford's variant 13 of the finaliser of MurmurHash3, as in SplitMix64).
#[inline]
pub fn mix(number: u64, salt: u64) -> u64 {
    let mut x = number ^ salt;
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// The salt of a process in a run with `seed`.
pub fn salt(seed: u64, process: ProcessId) -> u64 {
    mix(mix(seed, 0x9e37_79b9_7f4a_7c15), u64::from(process).wrapping_mul(0xd134_2543_de82_ef95))
}

/// The largest hash that a sample at `rate` (0 to 1) takes.
pub fn limit(rate: f64) -> u64 {
    ((rate.min(1.0) * TWO_64) as u128).saturating_sub(1) as u64
}

/// The rate at which a sample with `limit` takes hashes.
pub fn rate(limit: u64) -> f64 {
    if limit == u64::MAX { 1.0 } else { (limit as f64 + 1.0) / TWO_64 }
}

const TWO_64: f64 = 18_446_744_073_709_551_616.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_and_its_limit_are_one() {
        for exact in [1.0, 0.5, 0.01, 0.001, 1e-9] {
            assert!((rate(limit(exact)) / exact - 1.0).abs() < 1e-6, "{exact}");
        }
        assert_eq!(limit(1.0), u64::MAX);
    }

    /// Of pages in a row, of far apart ones, and of several processes a tenth is taken, within five
    /// standard deviations.
    #[test]
    fn a_share_is_taken_of_any_pattern() {
        let taken = |numbers: &mut dyn Iterator<Item = (ProcessId, u64)>| {
            numbers
                .filter(|(process, number)| mix(*number, salt(1, *process)) <= limit(0.1))
                .count()
        };
        let count = 10_000;
        for shift in [0, 9, 18, 40] {
            let found = taken(&mut (0..count).map(|at| (0, at << shift)));
            assert!(found.abs_diff(1000) < 150, "{shift}: {found}");
        }
        let found = taken(&mut (0..count).map(|at| (at as ProcessId, 77)));
        assert!(found.abs_diff(1000) < 150, "{found}");
    }
}
