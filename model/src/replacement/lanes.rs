//! Comparing the tags of a set at once.

/// Bit k is set where tag k of `tags` is `tag`.
#[inline]
pub(super) fn equal<const N: usize>(tags: &[u16; N], tag: u16) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if let Some(mask) = sse2::equal(tags, tag) {
        return mask;
    }
    one_by_one(tags, tag)
}

/// The same for any number of tags on any host.
#[inline]
fn one_by_one<const N: usize>(tags: &[u16; N], tag: u16) -> u32 {
    let lanes = tags.iter().enumerate();
    lanes.fold(0, |mask, (lane, held)| mask | u32::from(*held == tag) << lane)
}

/// SSE2 is part of every x86-64. Its byte mask takes 9 instructions for 16 tags and 7 for 8; what the
/// compiler makes of [`one_by_one`] takes 45 and 33, with a dozen sets compared for an access that
/// misses everywhere. `tests::arrays_under_valgrind` watches its reads.
#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi16, _mm_loadl_epi64, _mm_loadu_si128, _mm_movemask_epi8,
        _mm_packs_epi16, _mm_set1_epi16, _mm_setzero_si128,
    };

    /// `None` where `N` is neither half a vector, nor one, nor two.
    #[inline]
    pub fn equal<const N: usize>(tags: &[u16; N], tag: u16) -> Option<u32> {
        let vectors = tags.as_ptr().cast::<__m128i>();
        // SAFETY: the target has SSE2. The loads need no alignment and read no more than the 8, 16 or 32
        // bytes of `tags`, as N says: `loadl` reads 8 bytes, `loadu` reads 16.
        let (low, high) = unsafe {
            match N {
                4 => (_mm_loadl_epi64(vectors), _mm_setzero_si128()),
                8 => (_mm_loadu_si128(vectors), _mm_setzero_si128()),
                16 => (_mm_loadu_si128(vectors), _mm_loadu_si128(vectors.add(1))),
                _ => return None,
            }
        };
        // SAFETY: the target has SSE2.
        let mask = unsafe {
            let tag = _mm_set1_epi16(tag as i16);
            let (low, high) = (_mm_cmpeq_epi16(low, tag), _mm_cmpeq_epi16(high, tag));
            _mm_movemask_epi8(_mm_packs_epi16(low, high))
        };
        // Lanes beyond N have a zero, which may be the tag.
        Some(mask as u32 & ((1 << N) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Few values, so that several lanes match.
        #[test]
        fn both_ways_find_the_same(
            tags: [u8; 16], tag: u8, high in prop_oneof![Just(0u16), Just(0x7f00), Just(0xff00)],
        ) {
            let tags = tags.map(|tag| u16::from(tag % 4) | high);
            for tag in [u16::from(tag % 4) | high, u16::from(tag), 0xffff, 0x8000, 0] {
                prop_assert_eq!(equal(&tags, tag), one_by_one(&tags, tag));
                let (eight, four) = (tags.first_chunk::<8>(), tags.first_chunk::<4>());
                let low = one_by_one(&tags, tag);
                prop_assert_eq!(eight.map(|tags| equal(tags, tag)), Some(low & 0xff));
                prop_assert_eq!(four.map(|tags| equal(tags, tag)), Some(low & 0xf));
            }
        }
    }

    #[test]
    fn every_lane_has_its_bit() {
        for lane in 0..16 {
            let mut tags = [0x1234u16; 16];
            tags[lane] = 0x8000;
            assert_eq!(equal(&tags, 0x8000), 1 << lane);
        }
    }
}
