//! A file or standard input as bytes, decompressed on the way where its first bytes say so.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::TraceError;
use crate::formats::Input;

/// What an xz stream's dictionary may cost. `xz -9` needs 65 MiB; a damaged or hostile header may ask
/// for 4 GiB.
const XZ_MEMORY: u64 = 256 << 20;
/// How many bytes are read at once.
const CHUNK: usize = 128 << 10;

/// A compression that is undone on reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952; members may follow each other.
    Gzip,
    /// The .xz format; streams may follow each other.
    Xz,
    /// RFC 8878; frames may follow each other.
    Zstandard,
}

impl Compression {
    /// The compression whose files start with `magic`.
    fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstandard),
            _ => None,
        }
    }

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstandard => "zstd",
        }
    }
}

/// Bytes of an [`Input`], decompressed.
pub struct Stream {
    input: Input,
    reader: Box<dyn Read + Send>,
    compression: Option<Compression>,
    /// Bytes that were looked at before they were read, and how many of them have been read since.
    head: Vec<u8>,
    head_read: usize,
    produced: u64,
    consumed: Arc<AtomicU64>,
    length: Option<u64>,
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
        raw.by_ref().take(6).read_to_end(&mut magic).map_err(failed)?;
        let compression = Compression::of(&magic);
        let consumed = Arc::new(AtomicU64::new(0));
        let whole = Counted { inner: Cursor::new(magic).chain(raw), count: Arc::clone(&consumed) };
        let reader: Box<dyn Read + Send> = match compression {
            None => Box::new(whole),
            Some(compression) => {
                decompress(BufReader::with_capacity(CHUNK, whole), compression).map_err(failed)?
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
            consumed,
            length,
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
                result => return result.map_err(|error| self.failed(error)),
            }
        }
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

fn decompress<R: BufRead + Send + 'static>(
    reader: R,
    compression: Compression,
) -> std::io::Result<Box<dyn Read + Send>> {
    Ok(match compression {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Compression::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(
                XZ_MEMORY,
                liblzma::stream::CONCATENATED,
            )?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(reader, stream))
        }
        // The decoder's own bound on the window is 128 MiB.
        Compression::Zstandard => Box::new(zstd::stream::read::Decoder::with_buffer(reader)?),
    })
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
