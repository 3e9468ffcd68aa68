//! The spatial prefetcher: a miss asks for the other line of its aligned pair (Intel 64 and IA-32
//! Architectures Optimization Reference Manual, "Data Prefetching", L2 spatial prefetcher: the pair line
//! that completes a 128-byte aligned chunk).

use super::{NoParameters, Prefetch, Seen, Wanted};

/// Parameters of `adjacent-line`.
pub type Settings = NoParameters;

/// The prefetcher.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct AdjacentLine;

impl Prefetch for AdjacentLine {
    type Settings = Settings;

    fn check(_: &Settings) -> Result<(), String> {
        Ok(())
    }

    fn new(_: &Settings, _: u32) -> Self {
        Self
    }

    fn see(&mut self, seen: Seen, wanted: &mut Wanted) {
        if !seen.hit {
            wanted.line(seen.line ^ 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::after_misses;

    #[test]
    fn a_pair_is_aligned() {
        let wanted = after_misses("\"adjacent-line\"", &[6, 7, 63]);
        assert_eq!(wanted, [[7], [6], [62]]);
    }
}
