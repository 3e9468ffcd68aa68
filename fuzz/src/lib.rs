//! What every target does: read bytes as a trace to its end or to the first error.

use std::io::Cursor;

use tracegen::batch::{BATCH_ACCESSES, Batch};
use tracegen::formats::stream::Stream;
use tracegen::formats::{Format, Input, OpenOptions, open_stream};

/// Reads `bytes` in `format`, or in the one that their content tells. To panic, to hang or to take memory
/// out of proportion is the defect that a fuzzer looks for; to refuse them is not.
pub fn read(format: Option<Format>, bytes: &[u8]) {
    let options = OpenOptions { format, cpus: Some(4), ..OpenOptions::default() };
    let raw = Cursor::new(bytes.to_vec());
    let Ok(stream) = Stream::over(&Input::Stdin, raw, None) else { return };
    let Ok((_, mut source)) = open_stream(stream, &options) else { return };
    let mut batch = Batch::new();
    while source.fill(&mut batch).unwrap_or(false) {
        assert!(batch.accesses() <= BATCH_ACCESSES);
    }
}
