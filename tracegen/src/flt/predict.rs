//! What a value of a column is expected to be, so that only the difference is kept.

use crate::record::AccessKind;

/// How the values of a column are told from the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Predictor {
    /// Not at all: the column holds the values.
    #[default]
    Direct = 0,
    /// By the value before. (A fetch's site by the fetch's own address.)
    Previous = 1,
    /// An address by the last one of its [`slot`].
    Site = 2,
}

impl Predictor {
    /// The predictor that `byte` names.
    pub fn parse(byte: u8) -> Option<Self> {
        [Self::Direct, Self::Previous, Self::Site].into_iter().find(|each| *each as u8 == byte)
    }
}

/// Number of slots that [`Predictor::Site`] keeps an address in.
pub const SLOTS: usize = 257;

/// The slot of an access: one for all fetches, the others by the site's hash (Fibonacci hashing, as in
/// Knuth, The Art of Computer Programming, 6.4).
#[inline]
pub fn slot(kind: AccessKind, site: u64) -> usize {
    match kind {
        AccessKind::Fetch => SLOTS - 1,
        _ => (site.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize,
    }
}

/// The difference from `before` to `value`, modulo 2^64, small in either direction.
#[inline]
pub fn difference(before: u64, value: u64) -> u64 {
    let delta = value.wrapping_sub(before);
    delta << 1 ^ ((delta as i64 >> 63) as u64)
}

/// The value that lies `difference` from `before`.
#[inline]
pub fn apply(before: u64, difference: u64) -> u64 {
    before.wrapping_add(difference >> 1 ^ 0_u64.wrapping_sub(difference & 1))
}

/// The value to start from, so that the first difference is the second one again and a column of equal
/// steps is a constant one.
pub fn start(mut values: impl Iterator<Item = u64>) -> u64 {
    let first = values.next().unwrap_or(0);
    let step = values.next().map_or(0, |second| second.wrapping_sub(first));
    first.wrapping_sub(step)
}
