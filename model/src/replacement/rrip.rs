//! Re-reference predictions: what the policies of Jaleel, Theobald, Steely and Emer (ISCA 2010) and
//! those on top of them keep of every way.

use super::Shape;

/// Bits of a prediction, as in the paper.
pub(super) const BITS: u8 = 2;

/// A prediction of a few bits for every way: from 0, re-referenced in the near-immediate future, to
/// 2^bits − 1, in the distant one.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Predictions {
    ways: Vec<u8>,
    each: usize,
    /// 2^bits − 1.
    pub distant: u8,
}

impl Predictions {
    /// `bits` are 1 to 7.
    pub fn new(bits: u8, shape: Shape) -> Self {
        let distant = (1u8 << bits.clamp(1, 7)) - 1;
        Self { ways: vec![0; shape.sets * shape.ways], each: shape.ways, distant }
    }

    /// What is wrong with a number of bits, as the end of a sentence about the structure's `replacement`.
    pub fn check(policy: &str, bits: u8) -> Result<(), String> {
        if (1..=7).contains(&bits) {
            Ok(())
        } else {
            Err(format!("{policy} has 1 to 7 bits, not {bits}"))
        }
    }

    /// 2^bits − 2: re-referenced after a long interval.
    #[inline]
    pub fn long(&self) -> u8 {
        self.distant - 1
    }

    #[inline]
    pub fn set(&mut self, set: usize, way: usize, prediction: u8) {
        self.ways[set * self.each + way] = prediction;
    }

    /// The lowest way whose prediction is distant; where there is none, all have grown by one until
    /// there is.
    #[inline]
    pub fn victim(&mut self, set: usize) -> usize {
        let ways = &mut self.ways[set * self.each..][..self.each];
        let (way, largest) = ways.iter().enumerate().fold((0, 0), |best, (way, prediction)| {
            if way == 0 || *prediction > best.1 { (way, *prediction) } else { best }
        });
        let growth = self.distant - largest;
        if growth > 0 {
            ways.iter_mut().for_each(|prediction| *prediction += growth);
        }
        way
    }

    /// Those of a set.
    #[cfg(test)]
    pub fn of(&self, set: usize) -> &[u8] {
        &self.ways[set * self.each..][..self.each]
    }
}
