//! Which CPUs have what in their private caches: a directory beside the caches, so that a store asks those
//! alone that may have its line.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A set of CPUs, one bit each.
pub type CpuSet = u64;

/// Multiplies: block numbers are short and differ in their low bits.
#[derive(Debug, Clone, Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(24);
    }
}

/// The CPUs that have a line of each block. One that has none left is taken out when its last line goes, so
/// that there are no more blocks here than lines in the private caches.
#[derive(Debug, Clone, Default)]
pub struct Sharers {
    blocks: HashMap<u64, CpuSet, BuildHasherDefault<Multiply>>,
}

impl Sharers {
    /// The CPUs that may have a line of `block`.
    #[inline]
    pub fn of(&self, block: u64) -> CpuSet {
        self.blocks.get(&block).copied().unwrap_or(0)
    }

    /// `cpu` has a line of `block`.
    #[inline]
    pub fn add(&mut self, block: u64, cpu: u16) {
        *self.blocks.entry(block).or_default() |= 1 << cpu;
    }

    /// `cpu` has no line of `block`.
    pub fn remove(&mut self, block: u64, cpu: u16) {
        if let Some(cpus) = self.blocks.get_mut(&block) {
            *cpus &= !(1 << cpu);
            if *cpus == 0 {
                self.blocks.remove(&block);
            }
        }
    }
}

/// The CPUs of a set, ascending.
pub fn cpus(set: CpuSet) -> impl Iterator<Item = u16> {
    let mut left = set;
    std::iter::from_fn(move || {
        let cpu = (left != 0).then(|| left.trailing_zeros() as u16)?;
        left &= left - 1;
        Some(cpu)
    })
}

// Encoded in the order of the blocks, so that equal directories have equal bytes.
impl bincode::Encode for Sharers {
    fn encode<E: bincode::enc::Encoder>(
        &self,
        encoder: &mut E,
    ) -> Result<(), bincode::error::EncodeError> {
        let mut all: Vec<(u64, CpuSet)> = self.blocks.iter().map(|(k, v)| (*k, *v)).collect();
        all.sort_unstable();
        all.encode(encoder)
    }
}

impl<Context> bincode::Decode<Context> for Sharers {
    fn decode<D: bincode::de::Decoder<Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, bincode::error::DecodeError> {
        let all = Vec::<(u64, CpuSet)>::decode(decoder)?;
        Ok(Self { blocks: all.into_iter().collect() })
    }
}
bincode::impl_borrow_decode!(Sharers);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_without_a_cpu_are_forgotten() {
        let mut sharers = Sharers::default();
        sharers.add(7, 0);
        sharers.add(7, 63);
        assert_eq!(cpus(sharers.of(7)).collect::<Vec<_>>(), [0, 63]);
        sharers.remove(7, 0);
        sharers.remove(8, 0);
        assert_eq!((sharers.of(7), sharers.of(8)), (1 << 63, 0));
        sharers.remove(7, 63);
        assert!(sharers.blocks.is_empty());
    }
}
