//! Which part of a run counts.

use tracegen::batch::Mark;

use super::Statistics;

/// The statistics of the counted parts of a run, from reports of the whole machine at its marks. A
/// component counts from the start and knows nothing of parts, so that none can be forgotten. A
/// simulator is kept before the first mark only, where there is nothing in it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    paused: bool,
    /// The report where the current part started; nothing for the start of the run.
    base: Option<Statistics>,
    /// The parts before.
    closed: Option<Statistics>,
}
crate::scratch::scratch!(Tally);

impl Tally {
    /// Nothing counts before the first mark.
    pub fn paused() -> Self {
        Self { paused: true, base: None, closed: Some(Statistics::default()) }
    }

    /// Whether no mark has been passed.
    pub fn is_untouched(&self) -> bool {
        !self.paused && self.base.is_none() && self.closed.is_none()
    }

    /// Whether what happens is counted.
    pub fn counts(&self) -> bool {
        !self.paused
    }

    /// Passes a mark, where the machine reports `now`.
    pub fn pass(&mut self, mark: Mark, now: Statistics) {
        match mark {
            Mark::Count => {
                // Without a pause before it, what was counted was a warm-up.
                self.base = Some(now);
                self.paused = false;
            }
            Mark::Pause if self.paused => {}
            Mark::Pause => {
                self.closed = Some(self.total(now));
                self.paused = true;
            }
        }
    }

    /// The counted parts together, where the machine reports `now`.
    pub fn total(&self, now: Statistics) -> Statistics {
        if let (true, Some(closed)) = (self.paused, &self.closed) {
            return closed.clone();
        }
        let part = match &self.base {
            Some(base) => now.since(base),
            None => now,
        };
        match &self.closed {
            Some(closed) => part.after(closed),
            None => part,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(count: u64) -> Statistics {
        let mut statistics = Statistics::default();
        statistics.count("a.count", "", "", count);
        statistics
    }

    fn total(tally: &Tally, now: u64) -> f64 {
        tally.total(report(now)).get("a.count").unwrap().as_f64()
    }

    #[test]
    fn parts_add_up_and_a_warm_up_does_not_count() {
        let mut tally = Tally::default();
        assert_eq!(total(&tally, 9), 9.0);
        tally.pass(Mark::Count, report(10));
        assert_eq!(total(&tally, 14), 4.0);
        tally.pass(Mark::Pause, report(15));
        tally.pass(Mark::Pause, report(17));
        assert!(!tally.counts());
        assert_eq!(total(&tally, 20), 5.0);
        tally.pass(Mark::Count, report(30));
        assert_eq!(total(&tally, 37), 12.0);
    }
}
