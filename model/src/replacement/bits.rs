//! One bit a way, set by set.

use super::Shape;

/// The most ways whose bits fit the set's word.
const IN_WORD: usize = 64;

/// A bit for every way of every set, clear at first: in the sets' words where they have room.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) enum Bits {
    /// Of up to [`IN_WORD`] ways, in the sets' words.
    Word {
        /// The bits that are ways.
        all: u64,
    },
    /// Of more; the sets' words are not used.
    Many {
        /// Words of 64 ways that start anew with each set.
        bits: Vec<u64>,
        /// How many each set has.
        words: usize,
        /// The bits of each set's last word that are ways.
        last: u64,
    },
}

impl Bits {
    pub fn new(shape: Shape) -> Self {
        let ways = shape.ways.max(1);
        let last = u64::MAX >> (IN_WORD - 1 - (ways - 1) % IN_WORD);
        if ways <= IN_WORD {
            return Self::Word { all: last };
        }
        let words = ways.div_ceil(IN_WORD);
        Self::Many { bits: vec![0; shape.sets * words], words, last }
    }

    /// Sets the bit of `way`.
    #[inline]
    pub fn set(&mut self, word: &mut u64, set: usize, way: usize) {
        match self {
            Self::Word { .. } => *word |= 1 << (way % IN_WORD),
            Self::Many { bits, words, .. } => {
                bits[set * *words + way / IN_WORD] |= 1 << (way % IN_WORD);
            }
        }
    }

    /// Clears every bit of the set.
    #[inline]
    pub fn clear(&mut self, word: &mut u64, set: usize) {
        match self {
            Self::Word { .. } => *word = 0,
            Self::Many { bits, words, .. } => bits[set * *words..][..*words].fill(0),
        }
    }

    /// The lowest way whose bit is clear.
    #[inline]
    pub fn first_clear(&self, word: &u64, set: usize) -> Option<usize> {
        match self {
            Self::Word { all } => {
                let clear = !*word & all;
                (clear != 0).then(|| clear.trailing_zeros() as usize)
            }
            Self::Many { bits, words, last } => {
                let mut ways = bits[set * words..][..*words].iter().enumerate();
                ways.find_map(|(k, bits)| {
                    let clear = !bits & if k + 1 == *words { *last } else { u64::MAX };
                    (clear != 0).then(|| k * IN_WORD + clear.trailing_zeros() as usize)
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_a_list_of_flags() {
        for ways in [1usize, 2, 5, 63, 64, 65, 128, 200] {
            let mut bits = Bits::new(Shape { sets: 3, ways });
            let (mut words, mut flags) = ([0u64; 3], vec![false; ways]);
            let mut state = 1u32;
            for step in 0..3 * ways {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let way = (state >> 16) as usize % ways;
                bits.set(&mut words[1], 1, way);
                flags[way] = true;
                let clear = flags.iter().position(|flag| !flag);
                assert_eq!(bits.first_clear(&words[1], 1), clear, "{ways} ways, step {step}");
                if clear.is_none() {
                    bits.clear(&mut words[1], 1);
                    flags.fill(false);
                }
                assert_eq!(bits.first_clear(&words[0], 0), Some(0), "another set");
                assert_eq!(bits.first_clear(&words[2], 2), Some(0), "another set");
            }
        }
    }
}
