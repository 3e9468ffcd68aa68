//! An NVMe drive of TLC flash on four lanes of PCIe 3.
//!
//! 3.5 GB/s read and 3.0 GB/s written are what data sheets of such drives rate, rounded (Samsung 970 EVO
//! Plus: 3,500 and 3,300 MB/s; recalled, check before citing). A read of 80 us at queue depth 1 is commonly
//! measured. A write is done when the drive's cache has it: 20 us, assumed. 64 channels stand for eight
//! buses of eight dies: assumed. 1,023 commands are Linux's queue (drivers/nvme/host/pci.c: 1,024 entries,
//! one of which keeps full and empty apart).

use super::flash::Flash;
use crate::units::{ByteSize, Span};

/// The drive that `nvme` names.
pub(super) const DEFAULT: Flash = Flash {
    read: Span::Picoseconds(80_000_000),
    write: Span::Picoseconds(20_000_000),
    channels: 64,
    queue_depth: 1023,
    bandwidth: ByteSize(3_500_000_000),
    write_bandwidth: ByteSize(3_000_000_000),
};

#[cfg(test)]
mod tests {
    use super::super::Operation;
    use super::super::flash::tests::{MICROSECOND, rate_at};
    use super::super::flash::{Drive, Duplex};
    use super::*;

    #[test]
    fn one_read_at_a_time_takes_80_us() {
        let mut drive = Drive::new(&DEFAULT, Duplex::Full).unwrap();
        let mut now = 5;
        for _ in 0..100 {
            let done = drive.submit(now, Operation::Read, 1, 4096);
            assert_eq!(done - now, 80 * MICROSECOND);
            now = done;
        }
        assert_eq!(drive.submit(now, Operation::Write, 1, 4096) - now, 20 * MICROSECOND);
    }

    /// 800,000 reads a second before the link is full: 64 channels of 80 us each.
    #[test]
    fn its_channels_saturate_before_its_link() {
        let mut drive = Drive::new(&DEFAULT, Duplex::Full).unwrap();
        let rate = rate_at(&mut drive, 512, Operation::Read);
        assert!((rate / 800_000.0 - 1.0).abs() < 0.01, "{rate}");
    }
}
