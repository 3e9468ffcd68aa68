//! Where the bytes of a disk lie: zones of cylinders, the outer ones with longer tracks.
//!
//! Addresses run from the outermost cylinder inwards. Since the platter turns at one speed, a longer track
//! is a higher transfer rate (Ruemmler and Wilkes, "An introduction to disk drive modeling", IEEE Computer
//! 27(3), 1994: zoned bit recording).

/// Picoseconds in a second.
const SECOND: u128 = 1_000_000_000_000;

/// A run of cylinders that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Zone {
    first_byte: u64,
    first_cylinder: u64,
    track_bytes: u64,
    cylinder_bytes: u64,
    /// Bytes a second under the head.
    pub rate: u64,
}

/// A place on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub cylinder: u64,
    /// How far the platter has to turn from angle 0, in picoseconds of its turn.
    pub angle: u64,
}

/// The zones from the outermost one inwards; there is at least one.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    zones: Vec<Zone>,
    turn: u64,
    /// The cylinder of the last byte.
    pub last_cylinder: u64,
}

fn fit(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

impl Geometry {
    /// A disk of `capacity` bytes in `zones` zones of equally many cylinders of `heads` tracks, whose
    /// rates fall evenly from `outer` to `inner` bytes a second; a turn takes `turn` picoseconds.
    pub fn new(capacity: u64, zones: u32, heads: u32, [outer, inner]: [u64; 2], turn: u64) -> Self {
        let steps = u128::from(zones.saturating_sub(1).max(1));
        let rates = (0..u128::from(zones.max(1)))
            .map(|zone| outer - fit(u128::from(outer.saturating_sub(inner)) * zone / steps));
        let tracks: Vec<(u64, u64)> = rates
            .map(|rate| (rate, fit(u128::from(rate) * u128::from(turn) / SECOND).max(1)))
            .collect();
        let column: u128 =
            tracks.iter().map(|(_, track)| u128::from(*track) * u128::from(heads)).sum();
        let cylinders = u128::from(capacity).div_ceil(column.max(1)).max(1);
        let (mut byte, mut cylinder) = (0u128, 0u128);
        let mut list = Vec::with_capacity(tracks.len());
        for (rate, track_bytes) in tracks {
            let cylinder_bytes = fit(u128::from(track_bytes) * u128::from(heads.max(1)));
            let (first_byte, first_cylinder) = (fit(byte), fit(cylinder));
            list.push(Zone { first_byte, first_cylinder, track_bytes, cylinder_bytes, rate });
            byte += cylinders * u128::from(cylinder_bytes);
            cylinder += cylinders;
        }
        let mut geometry = Self { zones: list, turn, last_cylinder: 0 };
        geometry.last_cylinder = geometry.spot(capacity.saturating_sub(1)).cylinder;
        geometry
    }

    /// The zone of a byte.
    pub fn zone(&self, byte: u64) -> &Zone {
        let after = self.zones.partition_point(|zone| zone.first_byte <= byte);
        // The first zone starts at byte 0.
        &self.zones[after.saturating_sub(1)]
    }

    /// Where a byte lies.
    pub fn spot(&self, byte: u64) -> Spot {
        let zone = self.zone(byte);
        let within = byte - zone.first_byte;
        let cylinder = zone.first_cylinder + within / zone.cylinder_bytes;
        let angle = u128::from(within % zone.track_bytes) * u128::from(self.turn)
            / u128::from(zone.track_bytes);
        Spot { cylinder, angle: fit(angle) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two heads, a turn of 1 ms, zones of 3, 2 and 1 MB/s: tracks of 3,000, 2,000 and 1,000 bytes.
    #[test]
    fn cylinders_follow_from_the_zones_tracks() {
        let geometry = Geometry::new(120_000, 3, 2, [3_000_000, 1_000_000], 1_000_000_000);
        // 12,000 bytes a column of one cylinder from each zone: ten cylinders each.
        let cylinders = [0, 5_999, 6_000, 59_999, 60_000, 63_999, 64_000, 100_000, 119_999]
            .map(|byte| geometry.spot(byte).cylinder);
        assert_eq!(cylinders, [0, 0, 1, 9, 10, 10, 11, 20, 29]);
        assert_eq!(geometry.last_cylinder, 29);
        let rates = [0, 60_000, 100_000].map(|byte| geometry.zone(byte).rate);
        assert_eq!(rates, [3_000_000, 2_000_000, 1_000_000]);
        let angles = [1_500, 4_500, 61_000, 100_250].map(|byte| geometry.spot(byte).angle);
        assert_eq!(angles, [500_000_000, 500_000_000, 500_000_000, 250_000_000]);
    }

    #[test]
    fn out_of_all_proportion_is_still_a_disk() {
        let geometry = Geometry::new(1 << 50, 64, 64, [1 << 50, 1 << 10], 60 * 1_000_000_000_000);
        assert_eq!(geometry.last_cylinder, 0);
        assert_eq!(Geometry::new(0, 1, 1, [1 << 10; 2], 1).spot(7).cylinder, 7);
    }
}
