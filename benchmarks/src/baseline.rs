//! The committed instruction counts, and how far others may be from them.

use std::collections::BTreeMap;
use std::fmt::Write;

/// How far a count may be from the baseline's, either way, in per cent of it. A count that falls leaves
/// room for a later rise that nobody would see, so that too moves the baseline. The same program on the
/// same kind of machine differs by under 0.1 %: hash maps with random seeds, and the length of paths.
pub const BAND: f64 = 3.0;

/// Counts by case.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Baseline {
    /// What kind of machine they were counted on: [`machine`].
    pub machine: String,
    /// Which compiler made the program that was counted.
    pub compiler: String,
    /// Instructions of one round.
    pub counts: BTreeMap<String, u64>,
}

/// The kind of this machine: counts of another kind do not compare, since code is chosen by what the
/// processor can do.
pub fn machine() -> String {
    #[cfg(target_arch = "x86_64")]
    let features = match std::arch::is_x86_feature_detected!("avx2") {
        true => " with AVX2",
        false => " without AVX2",
    };
    #[cfg(not(target_arch = "x86_64"))]
    let features = "";
    format!("{}-{}{features}", std::env::consts::ARCH, std::env::consts::OS)
}

impl Baseline {
    /// Reads what [`Self::to_text`] writes.
    ///
    /// # Errors
    /// The line that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut baseline = Self::default();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix('#') {
                match comment.split_once(':') {
                    Some((" machine", value)) => baseline.machine = value.trim().to_owned(),
                    Some((" compiler", value)) => baseline.compiler = value.trim().to_owned(),
                    _ => {}
                }
            } else if line != HEADER {
                let parsed = line.split_once(',').and_then(|(case, count)| {
                    Some((case.to_owned(), count.parse::<u64>().ok().filter(|&count| count > 0)?))
                });
                let (case, count) = parsed.ok_or_else(|| format!("not understood: {line:?}"))?;
                baseline.counts.insert(case, count);
            }
        }
        Ok(baseline)
    }

    /// As a file.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "# Instructions of one round of every case of `cargo bench --bench instructions`.\n\
             # machine: {}\n# compiler: {}\n{HEADER}\n",
            self.machine, self.compiler
        );
        for (case, count) in &self.counts {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{case},{count}");
        }
        text
    }

    /// What `count` is for `case`.
    pub fn verdict(&self, case: &str, count: u64) -> Verdict {
        let Some(&before) = self.counts.get(case) else { return Verdict::Unknown };
        // The difference first: a count at the very edge of the band is within it.
        let change = (count as f64 - before as f64) * 100.0 / before as f64;
        match change.abs() <= BAND {
            true => Verdict::Within(change),
            false => Verdict::Outside(change),
        }
    }
}

const HEADER: &str = "case,instructions";

/// A count beside the baseline. Changes are in per cent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Within the band.
    Within(f64),
    /// Outside it.
    Outside(f64),
    /// The baseline does not have the case.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        Baseline {
            machine: "x86_64-linux with AVX2".to_owned(),
            compiler: "rustc 1.95.0".to_owned(),
            counts: [("a/b".to_owned(), 1000), ("c".to_owned(), 7)].into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Baseline::parse(&baseline().to_text()), Ok(baseline()));
        for wrong in ["a", "a,", "a,-1", "a,0", "a,1,2"] {
            assert!(Baseline::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn counts_outside_the_band_are_told_either_way() {
        let baseline = baseline();
        assert!(matches!(baseline.verdict("a/b", 1030), Verdict::Within(_)));
        assert!(matches!(baseline.verdict("a/b", 970), Verdict::Within(_)));
        assert!(matches!(baseline.verdict("a/b", 1031), Verdict::Outside(change) if change > 3.0));
        assert!(matches!(baseline.verdict("a/b", 969), Verdict::Outside(change) if change < -3.0));
        assert_eq!(baseline.verdict("b", 1), Verdict::Unknown);
    }

    #[test]
    fn the_committed_baseline_has_every_case_and_no_other() {
        let text = include_str!("../instructions.csv");
        let committed = Baseline::parse(text).unwrap();
        let mut cases: Vec<_> = crate::cases::all().into_iter().map(|case| case.name).collect();
        cases.sort_unstable();
        assert_eq!(committed.counts.into_keys().collect::<Vec<_>>(), cases);
    }
}
