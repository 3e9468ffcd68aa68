//! A part of a trace, by record numbers from 0.

use crate::batch::Batch;
use crate::error::TraceError;
use crate::metadata::Metadata;
use crate::source::Source;

/// The records `start .. start + count` of a source, as they are: what happened before (areas, the
/// process of each CPU) is not carried over.
pub struct Slice {
    inner: Box<dyn Source>,
    whole: Batch,
    skip: u64,
    left: u64,
}

impl Slice {
    /// Skips `skip` records of `inner` and ends after `count` more.
    pub fn new(inner: Box<dyn Source>, skip: u64, count: u64) -> Self {
        Self { inner, whole: Batch::new(), skip, left: count }
    }

    fn cut(&mut self, batch: &mut Batch) {
        let records = self.whole.records() as u64;
        if self.skip == 0 && records <= self.left {
            std::mem::swap(batch, &mut self.whole);
        } else {
            // `skip` fits in usize where it is below the number of records in memory.
            let skip = self.skip.min(records) as usize;
            let take = (records - skip as u64).min(self.left) as usize;
            self.whole.iter().skip(skip).take(take).for_each(|record| batch.push(record));
        }
        self.skip = self.skip.saturating_sub(records);
        self.left -= batch.records() as u64;
    }
}

impl Source for Slice {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        batch.clear();
        while self.left > 0 && batch.is_empty() {
            let result = self.inner.fill(&mut self.whole);
            self.cut(batch);
            if !result? {
                break;
            }
        }
        Ok(!batch.is_empty())
    }

    fn progress(&self) -> Option<(u64, u64)> {
        self.inner.progress()
    }

    fn metadata(&self) -> Option<&Metadata> {
        self.inner.metadata()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Access, Event, Record};

    /// Batches of ten accesses with an event in front.
    struct Tens(u64);

    impl Source for Tens {
        fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
            batch.clear();
            self.0 += 1;
            if self.0 <= 5 {
                batch.push_event(0, Event::Phase { id: self.0 as u32 });
                (0..10).for_each(|i| {
                    batch.push_access(Access { addr: self.0 * 100 + i, ..Access::default() });
                });
            }
            Ok(!batch.is_empty())
        }
    }

    fn all(mut source: impl Source) -> Vec<Record> {
        let (mut batch, mut records) = (Batch::new(), Vec::new());
        while source.fill(&mut batch).unwrap() {
            records.extend(batch.iter());
        }
        records
    }

    #[test]
    fn slices_are_those_of_a_list() {
        let whole = all(Tens(0));
        assert_eq!(whole.len(), 55);
        for (start, count) in [(0, 55), (0, 0), (3, 30), (11, 11), (54, 9), (60, 1), (12, u64::MAX)]
        {
            let end = (start + count.min(100)).min(55) as usize;
            let wanted = whole.get(start as usize..end).unwrap_or_default();
            assert_eq!(all(Slice::new(Box::new(Tens(0)), start, count)), wanted, "{start} {count}");
        }
    }
}
