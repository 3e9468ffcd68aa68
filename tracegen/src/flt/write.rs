//! Writes `.flt` files.

use xxhash_rust::xxh3::xxh3_64;

use crate::batch::Batch;
use crate::codec;
use crate::error::TraceError;
use crate::flt::encode::Encoder;
use crate::flt::layout::{self, BLOCK_RECORDS, Entry, HEAD_BYTES, INDEX_TAG, Trailer};
use crate::formats::output::Output;
use crate::metadata::Metadata;
use crate::sink::Sink;

/// zstd's own default: higher levels cost the writer more than they save the reader.
const LEVEL: i32 = 3;

/// A file that is being written. Keeps one block and 24 bytes a written block in memory.
pub struct Writer {
    output: Output,
    pending: Batch,
    encoder: Encoder,
    compressor: zstd::bulk::Compressor<'static>,
    raw: Vec<u8>,
    offset: u64,
    records: u64,
    accesses: u64,
    index: Vec<Entry>,
}

impl Writer {
    /// Starts a file with `metadata`.
    ///
    /// # Errors
    /// A failure to write, or metadata that is too large.
    pub fn new(mut output: Output, metadata: &Metadata) -> Result<Self, TraceError> {
        let metadata = codec::encode(metadata)
            .map_err(|message| TraceError::Format { path: output.path().to_owned(), message })?;
        let header = layout::header(&metadata);
        output.with(|file| file.write_all(&header))?;
        let compressor = zstd::bulk::Compressor::new(LEVEL)
            .map_err(|source| TraceError::Io { path: output.path().to_owned(), source })?;
        Ok(Self {
            output,
            pending: Batch::default(),
            encoder: Encoder::default(),
            compressor,
            raw: Vec::new(),
            offset: header.len() as u64,
            records: 0,
            accesses: 0,
            index: Vec::new(),
        })
    }

    fn flush(&mut self) -> Result<(), TraceError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.raw.clear();
        let mut head = self.encoder.payload(&self.pending, &mut self.raw);
        let stored = self
            .compressor
            .compress(&self.raw)
            .map_err(|source| TraceError::Io { path: self.output.path().to_owned(), source })?;
        // Both are far below 4 GiB: a block has at most BLOCK_RECORDS records of a few dozen bytes.
        head.stored = stored.len() as u32;
        head.raw = self.raw.len() as u32;
        head.first = self.records;
        head.payload = xxh3_64(&stored);
        self.output.with(|file| {
            file.write_all(&head.bytes())?;
            file.write_all(&stored)
        })?;
        self.index.push(Entry::of(&head, self.offset));
        self.offset += (HEAD_BYTES + stored.len()) as u64;
        self.records += head.records() as u64;
        self.accesses += head.accesses() as u64;
        self.pending.clear();
        Ok(())
    }
}

impl Sink for Writer {
    fn write(&mut self, batch: &Batch) -> Result<(), TraceError> {
        if self.pending.records() + batch.records() > BLOCK_RECORDS {
            self.flush()?;
        }
        if batch.records() <= BLOCK_RECORDS {
            append(&mut self.pending, batch);
            return Ok(());
        }
        for record in batch.iter() {
            self.pending.push(record);
            if self.pending.records() == BLOCK_RECORDS {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.flush()?;
        let mut bytes = INDEX_TAG.to_vec();
        bytes.extend((self.index.len() as u32).to_le_bytes());
        self.index.iter().for_each(|entry| bytes.extend(entry.bytes()));
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        let trailer =
            Trailer { index: self.offset, records: self.records, accesses: self.accesses };
        bytes.extend(trailer.bytes());
        self.output.with(|file| file.write_all(&bytes))?;
        self.output.commit()
    }
}

/// Appends the records of `more`.
fn append(batch: &mut Batch, more: &Batch) {
    let accesses = batch.accesses() as u32;
    batch.asides.extend(more.asides.iter().map(|(at, aside)| (accesses + at, aside.clone())));
    batch.addr.extend_from_slice(&more.addr);
    batch.kind.extend_from_slice(&more.kind);
    batch.size.extend_from_slice(&more.size);
    batch.cpu.extend_from_slice(&more.cpu);
    batch.site.extend_from_slice(&more.site);
    batch.gap.extend_from_slice(&more.gap);
    batch.dep.extend_from_slice(&more.dep);
}
