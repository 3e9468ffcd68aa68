//! A file or standard input as bytes, decompressed on the way where its first bytes say so.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::TraceError;
use crate::formats::Input;
use crate::formats::compression::{Compression, MAGIC};

/// How many bytes are read at once.
const CHUNK: usize = 128 << 10;

/// A decompressed stream of fewer bytes than this is no bomb, whatever it came from.
const HARMLESS: u64 = 64 << 20;

/// Bytes of an [`Input`], decompressed.
pub struct Stream {
    input: Input,
    reader: Box<dyn Read + Send>,
    compression: Option<Compression>,
    /// Bytes that were looked at before they were read, and how many of them have been read since.
    head: Vec<u8>,
    head_read: usize,
    /// Bytes that have been read, and bytes that have been decompressed for that.
    produced: u64,
    pulled: u64,
    consumed: Arc<AtomicU64>,
    length: Option<u64>,
    /// How many decompressed bytes a compressed one may stand for.
    expansion: u64,
}

impl Stream {
    /// Opens `input` and looks at its first bytes.
    ///
    /// # Errors
    /// It cannot be opened or read.
    pub fn open(input: &Input) -> Result<Self, TraceError> {
        let failed = |source| TraceError::Io { path: input.path(), source };
        match input {
            Input::Path(path) => {
                let file = File::open(path).map_err(failed)?;
                let metadata = file.metadata().map_err(failed)?;
                Self::over(input, file, metadata.is_file().then_some(metadata.len()))
            }
            Input::Stdin => Self::over(input, std::io::stdin(), None),
        }
    }

    /// The bytes of `raw`, which is `length` long where that is known; messages call it `input`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn over(
        input: &Input,
        mut raw: impl Read + Send + 'static,
        length: Option<u64>,
    ) -> Result<Self, TraceError> {
        let failed = |source| TraceError::Io { path: input.path(), source };
        let mut magic = Vec::new();
        raw.by_ref().take(MAGIC as u64).read_to_end(&mut magic).map_err(failed)?;
        let compression = Compression::of(&magic);
        let consumed = Arc::new(AtomicU64::new(0));
        let whole = Counted { inner: Cursor::new(magic).chain(raw), count: Arc::clone(&consumed) };
        let reader: Box<dyn Read + Send> = match compression {
            None => Box::new(whole),
            Some(compression) => {
                compression.undo(BufReader::with_capacity(CHUNK, whole)).map_err(failed)?
            }
        };
        let input = input.clone();
        Ok(Self {
            input,
            reader,
            compression,
            head: Vec::new(),
            head_read: 0,
            produced: 0,
            pulled: 0,
            consumed,
            length,
            expansion: compression.map_or(u64::MAX, Compression::usual_expansion),
        })
    }

    /// Where the bytes come from.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// The compression that is being undone.
    pub fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// Lets a compressed byte stand for at most `most` decompressed ones, instead of what its compression
    /// usually stays below.
    pub fn limit_expansion(&mut self, most: u64) {
        self.expansion = most;
    }

    /// How many decompressed bytes have been read.
    pub fn position(&self) -> u64 {
        self.produced
    }

    /// How many of the file's bytes have been consumed, and how many there are, where that is known.
    pub fn progress(&self) -> Option<(u64, u64)> {
        self.length.map(|length| (self.consumed.load(Ordering::Relaxed), length))
    }

    /// Fills the front of `buffer`; returns how many bytes, 0 only at the end.
    ///
    /// # Errors
    /// A failure to read, or a compressed stream that is damaged or cut off.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, TraceError> {
        let waiting = &self.head[self.head_read..];
        let count = if waiting.is_empty() {
            self.pull(buffer)?
        } else {
            let count = waiting.len().min(buffer.len());
            buffer[..count].copy_from_slice(&waiting[..count]);
            self.head_read += count;
            count
        };
        self.produced += count as u64;
        Ok(count)
    }

    /// Fills all of `buffer` unless the end comes first; returns how many bytes.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_full(&mut self, buffer: &mut [u8]) -> Result<usize, TraceError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// The first `count` bytes, or all if there are fewer, without reading them. To be called before
    /// the first read.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn peek(&mut self, count: usize) -> Result<&[u8], TraceError> {
        let mut filled = self.head.len();
        if filled < count {
            let mut head = std::mem::take(&mut self.head);
            head.resize(count, 0);
            while filled < count {
                match self.pull(&mut head[filled..])? {
                    0 => break,
                    read => filled += read,
                }
            }
            head.truncate(filled);
            self.head = head;
        }
        Ok(&self.head[..count.min(filled)])
    }

    fn pull(&mut self, buffer: &mut [u8]) -> Result<usize, TraceError> {
        loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
                Ok(count) => {
                    self.pulled += count as u64;
                    self.expanded()?;
                    return Ok(count);
                }
            }
        }
    }

    /// Refuses a stream that decompresses to far more than it is.
    fn expanded(&self) -> Result<(), TraceError> {
        let Some(compression) = self.compression else { return Ok(()) };
        let consumed = self.consumed.load(Ordering::Relaxed);
        if self.pulled < HARMLESS || self.pulled / consumed.max(1) < self.expansion {
            return Ok(());
        }
        Err(TraceError::Binary {
            path: self.input.path(),
            offset: consumed,
            message: format!(
                "the {} stream decompresses to over {} times its size, as one made to waste time and \
                 space does; if it is a trace, raise the limit with --max-expansion",
                compression.name(),
                self.expansion
            ),
        })
    }

    fn failed(&self, source: std::io::Error) -> TraceError {
        let path = self.input.path();
        match self.compression {
            // Errors of the system carry its number; those of a decoder do not.
            Some(compression) if source.raw_os_error().is_none() => TraceError::Binary {
                path,
                offset: self.consumed.load(Ordering::Relaxed),
                message: format!(
                    "the {} stream is damaged or cut off, after {} decompressed bytes: {source}",
                    compression.name(),
                    self.produced
                ),
            },
            _ => TraceError::Io { path, source },
        }
    }
}

/// Counts what passes through.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
