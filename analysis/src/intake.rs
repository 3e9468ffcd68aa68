//! The source's end of a pass: batches from a source, counted, and cut where the pass is to stop.

use std::sync::atomic::Ordering;

use tracegen::batch::{Aside, Batch};
use tracegen::record::AccessKind;
use tracegen::source::Source;

use crate::error::Error;
use crate::pipeline::{Drive, Passed};

/// The source's end of a pass: fills batches, counts, cuts at the limit.
pub struct Intake<'a, S> {
    source: S,
    drive: &'a Drive<'a>,
    passed: Passed,
    accesses: u64,
    ended: bool,
}

impl<'a, S: Source> Intake<'a, S> {
    /// The intake of a pass that starts.
    pub fn new(source: S, drive: &'a Drive<'a>) -> Self {
        Self { source, drive, passed: Passed::default(), accesses: 0, ended: false }
    }

    /// What the pass has learnt about its trace.
    pub fn into_passed(self) -> Passed {
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
        if self.ended || !self.source.fill(batch)? {
            return Ok(false);
        }
        if let Some(limit) = self.drive.limit {
            let left = limit - self.accesses;
            if batch.accesses() as u64 >= left {
                truncate(batch, left as usize);
                self.ended = true;
            }
        }
        self.accesses += batch.accesses() as u64;
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

/// Keeps the first `accesses` accesses of `batch` and what lies before them.
fn truncate(batch: &mut Batch, accesses: usize) {
    batch.addr.truncate(accesses);
    batch.kind.truncate(accesses);
    batch.size.truncate(accesses);
    batch.cpu.truncate(accesses);
    batch.site.truncate(accesses);
    batch.gap.truncate(accesses);
    batch.dep.truncate(accesses);
    batch.asides.retain(|(before, _)| (*before as usize) < accesses);
}
