//! Reads `.flt` files from front to back, checking every byte.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::batch::Batch;
use crate::codec;
use crate::error::TraceError;
use crate::flt::decode::Block;
use crate::flt::index;
use crate::flt::layout::{
    self, BLOCK_TAG, ENTRY_BYTES, Entry, HEAD_BYTES, HEADER_BYTES, Head, INDEX_TAG, TRAILER_BYTES,
    Trailer, u64_at,
};
use crate::formats::Input;
use crate::formats::stream::Stream;
use crate::metadata::Metadata;
use crate::source::Source;

/// A file that is being read. Memory is constant: one block.
pub struct Reader {
    stream: Stream,
    metadata: Metadata,
    decompressor: zstd::bulk::Decompressor<'static>,
    stored: Vec<u8>,
    block: Block,
    /// Where the stream's first byte lies in the file.
    base: u64,
    /// What the blocks so far say of themselves: the index must say the same.
    index: Xxh3,
    blocks: u32,
    records: u64,
    accesses: u64,
    ended: bool,
}

impl Reader {
    /// Starts reading `stream`.
    ///
    /// # Errors
    /// It cannot be read, or does not start with the header of such a file.
    pub fn new(mut stream: Stream) -> Result<Self, TraceError> {
        let metadata = header(&mut stream)?;
        let source = |source| TraceError::Io { path: stream.input().path(), source };
        let decompressor = zstd::bulk::Decompressor::new().map_err(source)?;
        Ok(Self {
            stream,
            metadata,
            decompressor,
            stored: Vec::new(),
            block: Block::default(),
            base: 0,
            index: Xxh3::new(),
            blocks: 0,
            records: 0,
            accesses: 0,
            ended: false,
        })
    }

    /// Opens the file at `path` at the block that holds `record`; also returns the number of that block's
    /// first record. What is read from there on is checked as ever, and so are header, index and trailer.
    ///
    /// # Errors
    /// The file cannot be read, is not such a file, or is damaged in one of those.
    pub fn open_at(path: &Path, record: u64) -> Result<(Self, u64), TraceError> {
        let input = Input::of(path);
        let failed = |source| TraceError::Io { path: path.to_owned(), source };
        let mut reader = Self::new(Stream::open(&input)?)?;
        let index = index::read(path)?;
        let block = index::block_of(&index, record);
        let Some(entry) = index.get(block) else { return Ok((reader, 0)) };
        index.iter().take(block).for_each(|entry| reader.index_entry(entry));
        if reader.records != entry.first {
            return reader.damaged(entry.offset, "the index does not add up");
        }
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        file.seek(SeekFrom::Start(entry.offset)).map_err(failed)?;
        reader.stream = Stream::over(&input, file, Some(length))?;
        reader.base = entry.offset;
        Ok((reader, entry.first))
    }

    fn position(&self) -> u64 {
        self.base.saturating_add(self.stream.position())
    }

    fn damaged<T>(&self, offset: u64, message: impl Into<String>) -> Result<T, TraceError> {
        damaged(&self.stream.input().path(), offset, message)
    }

    /// Reads all of `bytes`, which start at `offset` and belong to `what`.
    fn exactly(&mut self, bytes: &mut [u8], what: &str) -> Result<(), TraceError> {
        let offset = self.position();
        exactly(&mut self.stream, offset, bytes, what)
    }

    /// Reads the next block, or checks the end of the file; `false` then.
    fn advance(&mut self) -> Result<bool, TraceError> {
        let offset = self.position();
        let mut tag = [0; 4];
        self.exactly(&mut tag, "the next block or the index")?;
        match tag {
            BLOCK_TAG => self.read_block(offset).map(|()| true),
            INDEX_TAG => self.check_end(offset).map(|()| false),
            _ => self.damaged(
                offset,
                format!("expected block {} or the index, found neither", self.blocks),
            ),
        }
    }

    fn read_block(&mut self, offset: u64) -> Result<(), TraceError> {
        let number = self.blocks;
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&BLOCK_TAG);
        self.exactly(&mut bytes[4..], "a block's head")?;
        let head = match Head::parse(&bytes) {
            Ok(head) => head,
            Err(message) => return self.damaged(offset, format!("block {number}: {message}")),
        };
        if head.first != self.records {
            let (first, records) = (head.first, self.records);
            return self.damaged(
                offset,
                format!("block {number}: expected one from record {records}, found {first}"),
            );
        }
        let start = self.position();
        let mut stored = std::mem::take(&mut self.stored);
        stored.resize(head.stored as usize, 0);
        self.exactly(&mut stored, "a block's records")?;
        if xxh3_64(&stored) != head.payload {
            return self.damaged(start, format!("block {number}: its records fail their checksum"));
        }
        let raw = self.decompress(&head, &stored);
        self.stored = stored;
        if raw.and_then(|()| self.block.open(&head)).is_none() {
            return self.damaged(start, format!("block {number}: its records are malformed"));
        }
        self.index_entry(&Entry::of(&head, offset));
        Ok(())
    }

    fn decompress(&mut self, head: &Head, stored: &[u8]) -> Option<()> {
        let raw = &mut self.block.raw;
        raw.resize(head.raw as usize, 0);
        let count = self.decompressor.decompress_to_buffer(stored, &mut raw[..]).ok()?;
        (count == raw.len()).then_some(())
    }

    /// Takes note of a block.
    fn index_entry(&mut self, entry: &Entry) {
        self.index.update(&entry.bytes());
        self.blocks = self.blocks.saturating_add(1);
        // Block heads bound what is added; an index that lies about it fails its comparison.
        self.records = self.records.saturating_add(u64::from(entry.records));
        self.accesses = self.accesses.saturating_add(u64::from(entry.accesses));
    }

    fn check_end(&mut self, offset: u64) -> Result<(), TraceError> {
        let mut count = [0; 4];
        self.exactly(&mut count, "the index")?;
        let mut checksum = Xxh3::new();
        checksum.update(&INDEX_TAG);
        checksum.update(&count);
        let found = u32::from_le_bytes(count);
        if found != self.blocks {
            let expected = self.blocks;
            return self
                .damaged(offset, format!("the index has {found} blocks, the file {expected}"));
        }
        let mut entries = Xxh3::new();
        for _ in 0..found {
            let mut entry = [0; ENTRY_BYTES];
            self.exactly(&mut entry, "the index")?;
            entries.update(&entry);
            checksum.update(&entry);
        }
        let mut sum = [0; 8];
        self.exactly(&mut sum, "the index")?;
        if u64::from_le_bytes(sum) != checksum.digest() {
            return self.damaged(offset, "the index fails its checksum");
        }
        if entries.digest() != self.index.digest() {
            return self.damaged(offset, "the index differs from the blocks");
        }
        self.check_trailer(offset)
    }

    fn check_trailer(&mut self, index: u64) -> Result<(), TraceError> {
        let offset = self.position();
        let mut bytes = [0; TRAILER_BYTES];
        self.exactly(&mut bytes, "the trailer")?;
        let expected = Trailer { index, records: self.records, accesses: self.accesses };
        match Trailer::parse(&bytes) {
            Err(message) => return self.damaged(offset, message),
            Ok(trailer) if trailer != expected => {
                return self.damaged(offset, "the trailer differs from the blocks");
            }
            Ok(_) => {}
        }
        let end = self.position();
        if self.stream.read(&mut [0])? != 0 {
            return self.damaged(end, "expected the end of the file, found more");
        }
        Ok(())
    }
}

impl Source for Reader {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool, TraceError> {
        batch.clear();
        if self.ended {
            return Ok(false);
        }
        // Whatever goes wrong, the stream has ended then.
        self.ended = true;
        while self.block.is_done() {
            if !self.advance()? {
                return Ok(false);
            }
        }
        if self.block.fill(batch).is_none() {
            batch.clear();
            let (offset, last) = (self.position(), self.blocks.saturating_sub(1));
            return self
                .damaged(offset, format!("block {last}, before here: its records are malformed"));
        }
        self.ended = false;
        Ok(true)
    }

    fn progress(&self) -> Option<(u64, u64)> {
        self.stream.progress()
    }

    fn metadata(&self) -> Option<&Metadata> {
        Some(&self.metadata)
    }
}

fn damaged<T>(path: &Path, offset: u64, message: impl Into<String>) -> Result<T, TraceError> {
    Err(TraceError::Binary { path: path.to_owned(), offset, message: message.into() })
}

fn exactly(
    stream: &mut Stream,
    offset: u64,
    bytes: &mut [u8],
    what: &str,
) -> Result<(), TraceError> {
    let count = stream.read_full(bytes)?;
    if count == bytes.len() {
        return Ok(());
    }
    let end = offset.saturating_add(count as u64);
    let message = format!(
        "expected {what}, found the end of the file: it was cut off \
         (`faultline trace slice --salvage` keeps what comes before)"
    );
    damaged(&stream.input().path(), end, message)
}

/// Reads and checks the header.
fn header(stream: &mut Stream) -> Result<Metadata, TraceError> {
    let path = stream.input().path();
    let mut fixed = [0; HEADER_BYTES];
    exactly(stream, 0, &mut fixed, "the header of an .flt file")?;
    let length = match layout::metadata_length(&fixed) {
        Ok(length) => length,
        Err((offset, message)) => return damaged(&path, offset, message),
    };
    let mut bytes = fixed.to_vec();
    bytes.resize(HEADER_BYTES + length + 8, 0);
    exactly(stream, HEADER_BYTES as u64, &mut bytes[HEADER_BYTES..], "the header")?;
    let end = HEADER_BYTES + length;
    if xxh3_64(&bytes[..end]) != u64_at(&bytes, end) {
        return damaged(&path, 0, "the header fails its checksum");
    }
    match codec::decode(&bytes[HEADER_BYTES..end]) {
        Ok(metadata) => Ok(metadata),
        Err(message) => damaged(&path, HEADER_BYTES as u64, format!("the metadata: {message}")),
    }
}
