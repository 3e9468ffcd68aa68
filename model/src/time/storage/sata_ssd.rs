//! A SATA solid-state drive.
//!
//! 550 MB/s read and 520 MB/s written are what data sheets of such drives rate (Samsung 860 EVO; recalled,
//! check before citing): what is left of SATA 3's 600 MB/s, which carry one direction at a time. The queue
//! is the 32 commands of native command queueing (Serial ATA revision 3). A read of 90 us at queue depth 1
//! is commonly measured; a write is done when the drive's cache has it: 30 us, assumed. Sixteen channels are
//! as many as 550 MB/s take at that latency, rounded up to a power of two: assumed.

use super::flash::Flash;
use crate::units::{ByteSize, Span};

/// The drive that `sata-ssd` names.
pub(super) const DEFAULT: Flash = Flash {
    read: Span::Picoseconds(90_000_000),
    write: Span::Picoseconds(30_000_000),
    channels: 16,
    queue_depth: 32,
    bandwidth: ByteSize(550_000_000),
    write_bandwidth: ByteSize(520_000_000),
};

#[cfg(test)]
mod tests {
    use super::super::Operation;
    use super::super::flash::tests::{MICROSECOND, rate_at};
    use super::super::flash::{Drive, Duplex};
    use super::*;

    /// One at a time 90 us; 32 at a time, the link is full before the channels are.
    #[test]
    fn it_is_quick_alone_and_saturates_at_its_link() {
        let mut drive = Drive::new(&DEFAULT, Duplex::Half).unwrap();
        assert_eq!(drive.submit(0, Operation::Read, 1, 4096), 90 * MICROSECOND);
        let mut drive = Drive::new(&DEFAULT, Duplex::Half).unwrap();
        let rate = rate_at(&mut drive, 32, Operation::Read);
        assert!((rate / (550e6 / 4096.0) - 1.0).abs() < 0.01, "{rate}");
        // Four at a time keep four channels busy.
        let mut drive = Drive::new(&DEFAULT, Duplex::Half).unwrap();
        let rate = rate_at(&mut drive, 4, Operation::Read);
        assert!((rate / (4.0 / 90e-6) - 1.0).abs() < 0.01, "{rate}");
    }

    /// Long commands run at the rate of the link.
    #[test]
    fn streams_run_at_its_rated_bandwidth() {
        let mut drive = Drive::new(&DEFAULT, Duplex::Half).unwrap();
        let (mut now, mut ends) = (0, Vec::new());
        for _ in 0..200 {
            ends.push(drive.submit(now, Operation::Read, 256, 4096));
            now = ends[ends.len().saturating_sub(4)];
        }
        let rate = 200.0 * 256.0 * 4096.0 / ends[199] as f64 * 1e12;
        assert!((rate / 550e6 - 1.0).abs() < 0.02, "{rate} B/s");
    }
}
