//! How long the arm takes over so many cylinders: a + b·√d as long as it mostly accelerates and brakes,
//! c + d·distance once it coasts (Ruemmler and Wilkes, "An introduction to disk drive modeling", IEEE
//! Computer 27(3), 1994).

/// A curve through three points: the shortest seek, where the arm begins to coast, and the full stroke.
/// Times are in picoseconds, distances in cylinders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Curve {
    /// What the root begins at, just above distance 0.
    pub least: u64,
    /// Where the root ends and the line begins.
    pub knee: u64,
    /// The time there.
    pub at_knee: u64,
    /// The distance from edge to edge.
    pub stroke: u64,
    /// The time over it.
    pub most: u64,
}

impl Curve {
    /// The time of a seek over `distance` cylinders; 0 for none.
    pub fn time(&self, distance: u64) -> u64 {
        let distance = distance.min(self.stroke);
        if distance == 0 {
            return 0;
        }
        if distance <= self.knee {
            // √(distance / knee) with 16 binary places.
            let share = u128::from(distance) << 32;
            let root = (share / u128::from(self.knee)).isqrt();
            let range = self.at_knee.saturating_sub(self.least);
            // At most `range`: the root is at most 2^16.
            return self.least + ((u128::from(range) * root) >> 16) as u64;
        }
        let (past, coasting) = (distance - self.knee, self.stroke - self.knee);
        let range = u128::from(self.most.saturating_sub(self.at_knee));
        // At most the range, since `past` is at most `coasting`, which is above 0 here.
        self.at_knee + (range * u128::from(past) / u128::from(coasting.max(1))) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: f64 = 1e9;

    /// The HP 97560 of that paper's table 2: 3.24 + 0.400·√d ms up to 383 of its 1,962 cylinders, and
    /// 8.00 + 0.008·d ms beyond.
    #[test]
    fn the_hp_97560_takes_what_was_published() {
        let ps = |ms: f64| (ms * MILLISECOND) as u64;
        let (short, long) = (|d: f64| 3.24 + 0.4 * d.sqrt(), |d: f64| 8.0 + 0.008 * d);
        let curve = Curve {
            least: ps(3.24),
            knee: 383,
            at_knee: ps(long(383.0)),
            stroke: 1961,
            most: ps(long(1961.0)),
        };
        for distance in [1, 2, 10, 100, 200, 383, 384, 500, 1000, 1961] {
            let d = f64::from(distance);
            let wanted = if distance <= 383 { short(d) } else { long(d) };
            let time = curve.time(distance as u64) as f64 / MILLISECOND;
            assert!((time - wanted).abs() < 0.005, "{distance}: {time} not {wanted} ms");
        }
        assert_eq!(curve.time(0), 0);
        assert_eq!(curve.time(9999), curve.time(1961));
    }

    #[test]
    fn without_a_knee_the_root_goes_on_to_the_edge() {
        let curve = Curve { least: 1000, knee: 400, at_knee: 14_000, stroke: 400, most: 14_000 };
        // The root of 4 / 400 is rounded down at its 16th binary place.
        assert_eq!([0, 4, 100, 400].map(|d| curve.time(d)), [0, 2299, 7500, 14_000]);
        assert_eq!(Curve { knee: 0, stroke: 0, ..curve }.time(5), 0);
    }
}
