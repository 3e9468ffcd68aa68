//! What the binary formats share: records of a fixed size, and the places of errors.

use crate::error::TraceError;
use crate::formats::stream::Stream;

/// How many bytes are read at once, about.
const CHUNK: usize = 64 << 10;

/// Records of `N` bytes each of a stream, in bounded memory.
pub struct Records<const N: usize> {
    stream: Stream,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    /// Offset in the stream of the buffer's first byte.
    start: u64,
}

impl<const N: usize> Records<N> {
    /// The records of `stream`.
    pub fn new(stream: Stream) -> Self {
        let start = stream.position();
        Self { stream, buffer: vec![0; CHUNK / N * N], at: 0, end: 0, start }
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// The stream cannot be read, or ends within a record.
    #[inline]
    pub fn record(&mut self) -> Result<Option<&[u8; N]>, TraceError> {
        if self.at == self.end && !self.refill()? {
            return Ok(None);
        }
        let record = self.buffer[self.at..self.end].first_chunk();
        self.at += N;
        Ok(record)
    }

    /// Takes the record that was read last back: it is the next one again. To be called once a record.
    pub fn again(&mut self) {
        self.at = self.at.saturating_sub(N);
    }

    fn refill(&mut self) -> Result<bool, TraceError> {
        self.start += self.end as u64;
        (self.at, self.end) = (0, 0);
        let filled = self.stream.read_full(&mut self.buffer)?;
        let rest = filled % N;
        if rest != 0 {
            let offset = self.start + (filled - rest) as u64;
            let message = format!("expected a record of {N} bytes, found {rest} and the end");
            return Err(TraceError::Binary { path: self.stream.input().path(), offset, message });
        }
        self.end = filled;
        Ok(filled > 0)
    }

    /// The error that the record that was read last is not what was `expected`.
    pub fn fault(&self, message: String) -> TraceError {
        let offset = self.start + self.at.saturating_sub(N) as u64;
        TraceError::Binary { path: self.stream.input().path(), offset, message }
    }

    /// How far the stream has come.
    pub fn progress(&self) -> Option<(u64, u64)> {
        self.stream.progress()
    }
}
