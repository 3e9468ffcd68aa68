//! Where records come from, seen from where they go.

use crate::batch::Batch;
use crate::error::TraceError;
use crate::metadata::Metadata;

/// A stream of records. A file reader, a workload and a live recorder are all this and nothing else.
pub trait Source: Send {
    /// Clears `batch` and fills it with the next records. Returns `false` when there were none left;
    /// a batch may hold fewer accesses than it has room for anywhere in the stream.
    ///
    /// # Errors
    /// Whatever is wrong with the input, with the record or byte where it was found. The stream has
    /// ended then.
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError>;

    /// How far the stream has come, as (done, total) in a unit of the source's own, where it knows.
    fn progress(&self) -> Option<(u64, u64)> {
        None
    }

    /// What the source says about itself, where it says anything.
    fn metadata(&self) -> Option<&Metadata> {
        None
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        (**self).fill(batch)
    }

    fn progress(&self) -> Option<(u64, u64)> {
        (**self).progress()
    }

    fn metadata(&self) -> Option<&Metadata> {
        (**self).metadata()
    }
}
