//! From a page or line number to its set.

/// Splits a number into its set and its tag: `number % sets` and `number / sets`, without a division.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct SetIndex {
    sets: u64,
    /// log2 of `sets` where that is a power of two.
    shift: u32,
    /// ⌊2^64 / sets⌋, or 0 where `sets` is a power of two.
    reciprocal: u64,
}

impl SetIndex {
    /// An index over `sets` sets, at least one (0 counts as 1).
    pub fn new(sets: u32) -> Self {
        let sets = u64::from(sets.max(1));
        if sets.is_power_of_two() {
            Self { sets, shift: sets.trailing_zeros(), reciprocal: 0 }
        } else {
            // `sets` does not divide 2^64, so that ⌊(2^64 − 1) / sets⌋ = ⌊2^64 / sets⌋.
            Self { sets, shift: 0, reciprocal: u64::MAX / sets }
        }
    }

    /// The number of sets.
    pub fn sets(self) -> u64 {
        self.sets
    }

    /// The set of `number`, and what is left of it as a tag.
    #[inline]
    pub fn split(self, number: u64) -> (usize, u64) {
        if self.reciprocal == 0 {
            return ((number & (self.sets - 1)) as usize, number >> self.shift);
        }
        // number / sets − 1 < number × reciprocal / 2^64 ≤ number / sets: at most one too few.
        let low = ((u128::from(number) * u128::from(self.reciprocal)) >> 64) as u64;
        let rest = number - low * self.sets;
        let more = rest >= self.sets;
        ((rest - if more { self.sets } else { 0 }) as usize, low + u64::from(more))
    }

    /// The number that [`split`](Self::split) takes apart into `set` and `tag`; `None` if there is none.
    pub fn join(self, set: usize, tag: u64) -> Option<u64> {
        let set = u64::try_from(set).ok().filter(|set| *set < self.sets)?;
        tag.checked_mul(self.sets)?.checked_add(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn splits_as_division_does(sets in 1u32.., number: u64) {
            let index = SetIndex::new(sets);
            let d = u64::from(sets);
            prop_assert_eq!(index.split(number), ((number % d) as usize, number / d));
            prop_assert_eq!(index.join((number % d) as usize, number / d), Some(number));
        }
    }

    #[test]
    fn the_extremes_are_exact() {
        for sets in [1, 2, 3, 5, 7, 127, 1 << 31, u32::MAX] {
            for number in [0, 1, u64::from(sets) - 1, u64::from(sets), u64::MAX - 1, u64::MAX] {
                let d = u64::from(sets);
                assert_eq!(SetIndex::new(sets).split(number), ((number % d) as usize, number / d));
            }
        }
        assert_eq!(SetIndex::new(3).join(3, 0), None);
        assert_eq!(SetIndex::new(3).join(0, u64::MAX), None);
    }
}
