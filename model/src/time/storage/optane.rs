//! An Optane drive: phase-change memory behind NVMe, whose reads and writes take the same time.
//!
//! 6 us is commonly quoted for a read; data sheets give a typical latency of 10 us for Intel's P4800X and 5
//! us for its P5800X, for reads and writes alike, and rate the P4800X at 2.4 GB/s read and 2.0 GB/s written
//! (recalled, check before citing). Seven channels are what its controller is reported to have. The queue
//! is that of any NVMe drive.

use super::flash::Flash;
use crate::units::{ByteSize, Span};

/// The drive that `optane` names.
pub(super) const DEFAULT: Flash = Flash {
    read: Span::Picoseconds(6_000_000),
    write: Span::Picoseconds(6_000_000),
    channels: 7,
    queue_depth: 1023,
    bandwidth: ByteSize(2_400_000_000),
    write_bandwidth: ByteSize(2_000_000_000),
};

#[cfg(test)]
mod tests {
    use super::super::Operation;
    use super::super::flash::tests::{MICROSECOND, rate_at};
    use super::super::flash::{Drive, Duplex};
    use super::*;

    /// Reads and writes alike at 6 us; 2.4 GB/s are 586,000 pages a second, which four outstanding reads
    /// reach.
    #[test]
    fn it_is_quick_both_ways_and_needs_no_deep_queue() {
        let mut drive = Drive::new(&DEFAULT, Duplex::Full).unwrap();
        assert_eq!(drive.submit(0, Operation::Read, 1, 4096), 6 * MICROSECOND);
        assert_eq!(drive.submit(0, Operation::Write, 1, 4096), 6 * MICROSECOND);
        let mut drive = Drive::new(&DEFAULT, Duplex::Full).unwrap();
        let rate = rate_at(&mut drive, 4, Operation::Read);
        assert!((rate / (2.4e9 / 4096.0) - 1.0).abs() < 0.01, "{rate}");
    }
}
