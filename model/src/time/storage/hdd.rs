//! A hard disk: a head that seeks, a platter that turns, one request at a time.
//!
//! A seek takes a + b·√distance, the usual law for distances over which the arm mostly accelerates and
//! brakes (Ruemmler and Wilkes, "An introduction to disk drive modeling", IEEE Computer 1994). The
//! platter's angle follows from the time. A request that goes on where the last one ended streams at the
//! transfer rate: the drive has it in its track buffer, or takes it there.

use super::settings::{Hdd, count, picoseconds, rate};
use super::transfer_time;
use crate::config::InvalidSetting;

/// Picoseconds in a minute.
const MINUTE: u64 = 60_000_000_000_000;

/// A disk whose cylinders hold a track each, covered by the swap area from edge to edge.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    seek_min: u64,
    /// What a seek from edge to edge takes beyond `seek_min`.
    seek_range: u64,
    turn: u64,
    rate: u64,
    track_bytes: u64,
    /// The distance from edge to edge.
    full_stroke: u64,
    cylinder: u64,
    /// The byte after the last request.
    next_byte: u64,
    free: u64,
}

impl Disk {
    pub fn new(hdd: &Hdd, size: u64) -> Result<Self, InvalidSetting> {
        let seek_min = picoseconds("seek_min", hdd.seek_min)?;
        let seek_max = picoseconds("seek_max", hdd.seek_max)?;
        let turn = MINUTE / u64::from(count("rpm", hdd.rpm, 100_000)?);
        let rate = rate("transfer", hdd.transfer)?;
        let Some(seek_range) = seek_max.checked_sub(seek_min) else {
            let problem = "must be at least `seek_min`";
            return Err(InvalidSetting::new("swap.device.seek_max", problem));
        };
        let track_bytes = u128::from(rate) * u128::from(turn) / 1_000_000_000_000;
        let track_bytes = u64::try_from(track_bytes).unwrap_or(u64::MAX).max(1);
        let full_stroke = size.saturating_sub(1) / track_bytes;
        Ok(Self {
            seek_min,
            seek_range,
            turn,
            rate,
            track_bytes,
            full_stroke,
            cylinder: 0,
            next_byte: 0,
            free: 0,
        })
    }

    /// The completion of a request that arrives at `arrival`, in picoseconds.
    pub fn submit(&mut self, arrival: u64, first_byte: u64, bytes: u64) -> u64 {
        let start = arrival.max(self.free);
        let wait = if first_byte == self.next_byte { 0 } else { self.position(start, first_byte) };
        let end = first_byte.saturating_add(bytes);
        self.cylinder = end.saturating_sub(1) / self.track_bytes;
        self.next_byte = end;
        self.free = start.saturating_add(wait).saturating_add(transfer_time(bytes, self.rate));
        self.free
    }

    /// How long it takes from `start` until `byte` is under the head.
    fn position(&self, start: u64, byte: u64) -> u64 {
        let seek = self.seek((byte / self.track_bytes).abs_diff(self.cylinder));
        let angle = start.saturating_add(seek) % self.turn;
        let wanted = u128::from(byte % self.track_bytes) * u128::from(self.turn)
            / u128::from(self.track_bytes);
        // Below a turn, since the remainder is below a track.
        let wanted = wanted as u64;
        let wait = if wanted >= angle { wanted - angle } else { self.turn - angle + wanted };
        seek + wait
    }

    /// The time of a seek over `distance` cylinders.
    fn seek(&self, distance: u64) -> u64 {
        if distance == 0 || self.full_stroke == 0 {
            return 0;
        }
        // √(distance / full stroke) with 16 binary places.
        let share = u128::from(distance.min(self.full_stroke)) << 32;
        let root = (share / u128::from(self.full_stroke)).isqrt();
        let extra = (u128::from(self.seek_range) * root) >> 16;
        self.seek_min + extra as u64 // At most `seek_range`: the root is at most 2^16.
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;
    use crate::units::Span;

    const SIZE: u64 = 8 << 30;
    const MILLISECOND: u64 = 1_000_000_000;

    fn disk() -> Disk {
        Disk::new(&Hdd::default(), SIZE).unwrap()
    }

    /// 1 ms + 8/15 × 13 ms of seek, half a turn of 8.33 ms, 20 us of transfer: 12.1 ms.
    #[test]
    fn a_random_page_takes_12_ms() {
        let mut disk = disk();
        let mut rng = Pcg64Mcg::seed_from_u64(3);
        let mut now = 0;
        let reads = 20_000;
        for _ in 0..reads {
            now = disk.submit(now, rng.random_range(0..SIZE / 4096) * 4096, 4096);
        }
        let mean = now as f64 / f64::from(reads) / MILLISECOND as f64;
        assert!((mean - 12.12).abs() < 0.1, "{mean} ms");
    }

    #[test]
    fn consecutive_pages_stream_at_the_transfer_rate() {
        let mut disk = disk();
        let mut now = disk.submit(0, 0, 4096);
        let start = now;
        for page in 1..=10_000 {
            now = disk.submit(now, page * 4096, 4096);
        }
        let rate = 10_000.0 * 4096.0 / (now - start) as f64 * 1e12;
        assert!((rate / 200e6 - 1.0).abs() < 1e-3, "{rate} B/s");
    }

    #[test]
    fn seeks_grow_with_the_root_of_the_distance() {
        let disk = disk();
        let milliseconds =
            |share: u64| disk.seek(disk.full_stroke / share) as f64 / MILLISECOND as f64;
        assert_eq!(disk.seek(0), 0);
        assert_eq!(disk.seek(disk.full_stroke), 14 * MILLISECOND);
        assert!((milliseconds(4) - 7.5).abs() < 0.01);
        assert!((milliseconds(100) - 2.3).abs() < 0.01);
    }

    /// On one track only the platter moves: half a turn away is half a turn later.
    #[test]
    fn the_platter_turns_with_time() {
        let mut disk = disk();
        let half = disk.track_bytes / 2;
        let (turn, transfer) = (disk.turn, transfer_time(1, disk.rate));
        let first = disk.submit(0, half, 1);
        assert!(first.abs_diff(turn / 2 + transfer) <= turn / 1_000_000);
        let second = disk.submit(10 * turn, half, 1);
        assert!(second.abs_diff(10 * turn + turn / 2 + transfer) <= turn / 1_000_000);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let key = |hdd: Hdd| Disk::new(&hdd, SIZE).unwrap_err().key;
        assert_eq!(key(Hdd { rpm: 0, ..Hdd::default() }), "swap.device.rpm");
        let slow = Span::Picoseconds(20 * MILLISECOND);
        assert_eq!(key(Hdd { seek_min: slow, ..Hdd::default() }), "swap.device.seek_max");
        assert_eq!(
            key(Hdd { seek_min: Span::Cycles(1), ..Hdd::default() }),
            "swap.device.seek_min"
        );
    }
}
