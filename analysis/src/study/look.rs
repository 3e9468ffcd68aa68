//! A short look at a trace before it is simulated: how long it is, how many pages it touches, and some
//! stretches of it, evenly spread, for estimating what a simulation costs.

use std::collections::HashMap;

use tracegen::batch::Batch;
use tracegen::source::Source;

use super::clock::CpuClock;
use super::plan::{Plan, PlannedTrace};
use crate::error::Error;

/// Stretches that are kept.
const STRETCHES: u64 = 8;
/// Batches of a stretch.
const LENGTH: u64 = 2;
/// Accesses that are read past at most.
const FARTHEST: u64 = 50_000_000;

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Accesses of the whole trace, up to the study's limit.
    pub accesses: u64,
    /// Whether the whole trace is in the stretches.
    pub complete: bool,
    /// Distinct pages of 4 KiB that the whole trace touches: an estimate unless it is complete.
    pub pages: u64,
    /// The stretches.
    pub stretches: Vec<Vec<Batch>>,
    /// CPU seconds that reading takes, for each access.
    pub read_seconds: f64,
}

impl Look {
    /// Looks at `trace`.
    ///
    /// # Errors
    /// The trace cannot be read.
    pub fn at(plan: &Plan, trace: &PlannedTrace) -> Result<Self, Error> {
        let known = trace.accesses_within(plan.limit);
        let distance = known.unwrap_or(0).min(FARTHEST) / STRETCHES;
        let mut source = trace.spec.open(plan.seed, false)?;
        let (mut look, clock) = (Self::default(), CpuClock::start());
        let (mut read, mut due, mut wanted, mut ended) = (0u64, 0u64, 0, false);
        loop {
            let mut batch = Batch::new();
            let full = plan.limit.is_some_and(|limit| read >= limit);
            if full || !source.fill(&mut batch)? {
                ended = true;
                break;
            }
            let start = read;
            read += batch.accesses() as u64;
            if wanted == 0 && look.stretches.len() as u64 == STRETCHES {
                break;
            }
            if wanted == 0 && start >= due {
                look.stretches.push(Vec::new());
                (due, wanted) = (start + distance, LENGTH);
            }
            if wanted > 0
                && let Some(latest) = look.stretches.last_mut()
            {
                wanted -= 1;
                latest.push(batch);
            }
        }
        look.read_seconds = clock.seconds() / read.max(1) as f64;
        look.complete = ended && look.kept() == read;
        look.accesses = match source.progress() {
            _ if ended => plan.limit.map_or(read, |limit| read.min(limit)),
            // Bytes or records: what was read of them stands for the whole.
            Some((done, total)) if known.is_none() && done > 0 => {
                (read as f64 * total as f64 / done as f64) as u64
            }
            _ => known.unwrap_or(read),
        };
        look.pages = look.estimate_pages();
        Ok(look)
    }

    /// Accesses in the stretches.
    pub fn kept(&self) -> u64 {
        self.stretches.iter().flatten().map(|batch| batch.accesses() as u64).sum()
    }

    /// After A. Chao, "Estimating the population size for capture-recapture data with unequal
    /// catchability", Biometrics 43 (1987): from how many pages were seen in one stretch and in two. A trace
    /// that never comes back touches pages in proportion to its length; no estimate is above that.
    fn estimate_pages(&self) -> u64 {
        let mut seen: HashMap<u64, (usize, u64)> = HashMap::new();
        for (index, stretch) in self.stretches.iter().enumerate() {
            for addr in stretch.iter().flat_map(|batch| &batch.addr) {
                let (latest, count) = seen.entry(addr >> 12).or_insert((usize::MAX, 0));
                if *latest != index {
                    (*latest, *count) = (index, *count + 1);
                }
            }
        }
        let distinct = seen.len() as f64;
        if self.complete {
            return seen.len() as u64;
        }
        let times = |wanted| seen.values().filter(|(_, count)| *count == wanted).count() as f64;
        // Where no page came back, there is no end in sight: division by zero is right.
        let unseen = times(1).powi(2) / (2.0 * times(2));
        let longest = distinct * self.accesses as f64 / self.kept().max(1) as f64;
        (distinct + unseen).min(longest.max(distinct)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::Text;
    use super::super::plan::Overrides;
    use super::*;
    use std::path::Path;

    fn look(workload: &str, limit: &str) -> Look {
        let text =
            format!("name = \"s\"\nmachine = \"skylake\"\n{limit}\n[[workload]]\n{workload}");
        let text = Text { name: "s.toml", text: &text };
        let plan = Plan::new(text, Path::new(""), &Overrides::default()).unwrap();
        Look::at(&plan, &plan.traces[0]).unwrap()
    }

    #[test]
    fn a_short_trace_is_seen_whole() {
        let set = "name = \"sequential\"\nset = { footprint = \"64KiB\" }";
        let whole = look(set, "");
        assert!(whole.complete);
        assert_eq!((whole.kept(), whole.pages), (whole.accesses, 16));
        assert_eq!(look(set, "limit = 1000").accesses, 1000);
    }

    #[test]
    fn random_and_sequential_footprints_are_estimated() {
        let random = look("name = \"gups\"\nset = { table = \"64MiB\", updates = 500_000 }", "");
        assert!(!random.complete && random.accesses == 1_000_000);
        let pages = random.pages as f64 / 16384.0;
        assert!((0.8..1.25).contains(&pages), "{pages} of the pages");
        let stream = look("name = \"sequential\"\nset = { footprint = \"64MiB\" }", "");
        let pages = stream.pages as f64 / 16384.0;
        assert!((0.8..1.25).contains(&pages), "{pages} of the pages");
    }
}
