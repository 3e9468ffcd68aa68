//! Tags as an array stores them, and how they are found.

use std::hash::{Hash, Hasher};

/// A tag as it is stored: never [`Default`], which stands for an empty way.
pub trait Tag: Copy + Eq + Hash + Default {
    /// How many bits of tag and context fit.
    const BITS: u32;
    /// The stored form of `tag` and `context`.
    fn pack(tag: u64, context: u32, context_bits: u32) -> Self;
    /// What [`pack`](Self::pack) was given.
    fn unpack(self, context_bits: u32) -> (u64, u32);
}

macro_rules! tag {
    ($word:ty) => {
        impl Tag for $word {
            const BITS: u32 = <$word>::BITS - 1;
            #[inline]
            fn pack(tag: u64, context: u32, context_bits: u32) -> Self {
                let tag = (tag as $word).wrapping_shl(context_bits);
                (tag | context as $word).wrapping_add(1)
            }
            #[inline]
            fn unpack(self, context_bits: u32) -> (u64, u32) {
                let packed = self.wrapping_sub(1);
                let tag = packed.wrapping_shr(context_bits) as u64;
                (tag, (packed & ((1 as $word) << context_bits).wrapping_sub(1)) as u32)
            }
        }
    };
}
tag!(u32);
tag!(u64);
tag!(u128);

/// A hasher for numbers: one multiplication a word. Where it puts a number shows nowhere, as the index
/// is never iterated over.
#[derive(Default)]
pub(super) struct Multiply(u64);

impl Hasher for Multiply {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
    #[inline]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0.rotate_left(26) ^ word) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// The place of `tag` in `tags`, which is of one of the strides of [`Array::new`]. All are compared, so
/// that the compiler can do it at once.
#[inline]
pub(super) fn position<T: Tag>(tags: &[T], tag: T) -> Option<usize> {
    #[inline]
    fn matches<T: Tag, const N: usize>(tags: &[T; N], tag: T) -> Option<usize> {
        let mut mask = 0u32;
        for (way, stored) in tags.iter().enumerate() {
            mask |= u32::from(*stored == tag) << way;
        }
        (mask != 0).then(|| mask.trailing_zeros() as usize)
    }
    if let Ok(eight) = <&[T; 8]>::try_from(tags) {
        return matches(eight, tag);
    }
    if let Ok(four) = <&[T; 4]>::try_from(tags) {
        return matches(four, tag);
    }
    if let [only] = tags {
        return (*only == tag).then_some(0);
    }
    let (eights, _) = tags.as_chunks::<8>();
    eights.iter().enumerate().find_map(|(k, eight)| matches(eight, tag).map(|way| 8 * k + way))
}
