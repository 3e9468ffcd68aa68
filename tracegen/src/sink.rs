//! Where records go.

use crate::batch::Batch;
use crate::error::TraceError;

/// Something that takes a stream of records: a file in some format.
///
/// A sink that is dropped before [`Sink::finish`] leaves nothing behind.
pub trait Sink: Send {
    /// Takes the next records.
    ///
    /// # Errors
    /// A failure to write. The sink is of no further use then.
    fn write(&mut self, batch: &Batch) -> Result<(), TraceError>;

    /// Completes the output and gives it its name. To be called once, after the last batch.
    ///
    /// # Errors
    /// A failure to write.
    fn finish(&mut self) -> Result<(), TraceError>;

    /// What the records said and the format cannot, one phrase each; empty if nothing was lost.
    fn losses(&self) -> Vec<String> {
        Vec::new()
    }
}
