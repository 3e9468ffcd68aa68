//! A compressed block device in memory: the CPU compresses what is written and decompresses what is read,
//! and nothing is waited for (Linux drivers/block/zram, which is a synchronous device).
//!
//! Where the compressed pages lie is the operating system's to know: they take its frames. A ratio of 3:1
//! and 2 to 6 us of CPU a page of 4 KiB are commonly quoted for lzo-rle and lz4: assumed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Operation;
use super::device::picoseconds;
use crate::config::InvalidSetting;
use crate::units::Span;

/// A compressed device in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Zram {
    /// How many pages fit where one was, for pages of which the trace says nothing; 1: pages are kept as
    /// they are.
    #[schemars(extend("x-effect" = "function"), range(min = 1, max = 4096))]
    pub ratio: u32,
    /// CPU time to compress 4 KiB.
    #[schemars(extend("x-effect" = "timing"))]
    pub compress: Span,
    /// CPU time to decompress 4 KiB.
    #[schemars(extend("x-effect" = "timing"))]
    pub decompress: Span,
}

impl Default for Zram {
    fn default() -> Self {
        Self {
            ratio: 3,
            compress: Span::Picoseconds(5_000_000),
            decompress: Span::Picoseconds(2_000_000),
        }
    }
}

/// What the CPU takes, in picoseconds a page of 4 KiB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compressor {
    compress: u64,
    decompress: u64,
}

impl Compressor {
    pub fn new(zram: &Zram) -> Result<Self, InvalidSetting> {
        Ok(Self {
            compress: picoseconds("compress", zram.compress)?,
            decompress: picoseconds("decompress", zram.decompress)?,
        })
    }

    /// CPU time for `bytes`, rounded up.
    pub fn time(&self, operation: Operation, bytes: u64) -> u64 {
        let page = match operation {
            Operation::Read => self.decompress,
            Operation::Write => self.compress,
        };
        let time = (u128::from(page) * u128::from(bytes)).div_ceil(4096);
        u64::try_from(time).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_takes_its_time_a_page() {
        let compressor = Compressor::new(&Zram::default()).unwrap();
        assert_eq!(compressor.time(Operation::Read, 8 * 4096), 16_000_000);
        assert_eq!(compressor.time(Operation::Write, 1), 1221);
        let wrong = Zram { compress: Span::Cycles(1), ..Zram::default() };
        assert_eq!(Compressor::new(&wrong).unwrap_err().key, "swap.device.compress");
    }
}
