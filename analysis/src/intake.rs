//! The source's end of a pass: batches from a source, counted.

use std::sync::atomic::Ordering;

use tracegen::batch::{Aside, Batch, Mark};
use tracegen::record::AccessKind;
use tracegen::source::Source;

use crate::error::Error;
use crate::pipeline::{Drive, Passed};

/// The source's end of a pass: fills batches and counts.
pub struct Intake<'a, S> {
    source: S,
    drive: &'a Drive<'a>,
    passed: Passed,
    accesses: u64,
    /// Whether what comes next counts.
    counting: bool,
    /// Accesses that count.
    counted: u64,
}

impl<'a, S: Source> Intake<'a, S> {
    /// The intake of a pass that starts.
    pub fn new(source: S, drive: &'a Drive<'a>) -> Self {
        Self { source, drive, passed: Passed::default(), accesses: 0, counting: true, counted: 0 }
    }

    /// Accesses so far.
    pub fn accesses(&self) -> u64 {
        self.accesses
    }

    /// What the pass has learnt about its trace.
    pub fn into_passed(mut self) -> Passed {
        self.passed.summary.uncounted = self.accesses - self.counted;
        self.passed
    }

    /// The next batch into `batch`; `false` when there is none.
    ///
    /// # Errors
    /// The source's, or the interruption.
    pub fn fill(&mut self, batch: &mut Batch) -> Result<bool, Error> {
        if self.drive.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        if !self.source.fill(batch)? {
            return Ok(false);
        }
        match batch.mark {
            Some(Mark::Count) if self.counting => self.counted = 0,
            Some(mark) => self.counting = mark == Mark::Count,
            None => {}
        }
        self.accesses += batch.accesses() as u64;
        if self.counting {
            self.counted += batch.accesses() as u64;
        }
        self.count(batch);
        self.passed.heat.observe(batch);
        (self.drive.progress)(self.source.progress(), self.accesses);
        Ok(true)
    }

    fn count(&mut self, batch: &Batch) {
        let summary = &mut self.passed.summary;
        // The compiler counts many accesses at once where it counts one kind at a time.
        let count = |kind| batch.kind.iter().filter(|&&other| other == kind).count() as u64;
        summary.loads += count(AccessKind::Load);
        summary.stores += count(AccessKind::Store);
        summary.fetches += count(AccessKind::Fetch);
        summary.prefetches += count(AccessKind::Prefetch);
        summary.records += batch.records() as u64;
        for (_, aside) in &batch.asides {
            match aside {
                Aside::Branch(_) => summary.branches += 1,
                Aside::Event(..) => summary.events += 1,
            }
        }
    }
}
