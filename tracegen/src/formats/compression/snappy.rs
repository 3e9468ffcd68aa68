//! Snappy's framing format (google/snappy, framing_format.txt), with the two chunk types that DynamoRIO
//! adds for data without a checksum (clients/drcachesim/common/snappy_consts.h).

use std::io::{BufRead, Error, ErrorKind, Read};

use super::crc32c;

const COMPRESSED: u8 = 0;
const UNCOMPRESSED: u8 = 1;
const COMPRESSED_UNCHECKED: u8 = 2;
const UNCOMPRESSED_UNCHECKED: u8 = 3;
const IDENTIFIER: u8 = 0xff;
/// Chunks from here on may be skipped.
const SKIPPABLE: u8 = 0x80;
/// What the identifier chunk holds.
const NAME: &[u8] = b"sNaPpY";
/// The most bytes that a chunk of data decompresses to.
const LARGEST: usize = 1 << 16;
const CHECKSUM: usize = 4;

/// Reads what `reader` decompresses to.
pub struct Snappy<R> {
    reader: R,
    decoder: snap::raw::Decoder,
    chunk: Vec<u8>,
    block: Vec<u8>,
    /// How much of `block` has been read.
    at: usize,
}

impl<R: BufRead> Snappy<R> {
    /// Over `reader`.
    pub fn new(reader: R) -> Self {
        let decoder = snap::raw::Decoder::new();
        Self { reader, decoder, chunk: Vec::new(), block: Vec::new(), at: 0 }
    }

    /// Reads one chunk; `false` at the end.
    fn chunk(&mut self) -> std::io::Result<bool> {
        if self.reader.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let mut header = [0; 4];
        self.reader.read_exact(&mut header)?;
        let [kind, sizes @ ..] = header;
        let size = u32::from_le_bytes([sizes[0], sizes[1], sizes[2], 0]) as usize;
        match kind {
            COMPRESSED | UNCOMPRESSED | COMPRESSED_UNCHECKED | UNCOMPRESSED_UNCHECKED => {
                self.data(kind, size)?;
            }
            IDENTIFIER if size == NAME.len() => {
                self.load(size)?;
                if self.chunk != NAME {
                    return Err(damaged("an identifier chunk that is not sNaPpY".to_owned()));
                }
            }
            SKIPPABLE..IDENTIFIER => {
                let size = size as u64;
                let skipped =
                    std::io::copy(&mut self.reader.by_ref().take(size), &mut std::io::sink())?;
                if skipped < size {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            _ => return Err(damaged(format!("a chunk of type {kind} and {size} bytes"))),
        }
        Ok(true)
    }

    fn load(&mut self, size: usize) -> std::io::Result<()> {
        self.chunk.resize(size, 0);
        self.reader.read_exact(&mut self.chunk)
    }

    fn data(&mut self, kind: u8, size: usize) -> std::io::Result<()> {
        let checked = matches!(kind, COMPRESSED | UNCOMPRESSED);
        let before = if checked { CHECKSUM } else { 0 };
        // The format keeps compressed chunks no longer than what they stand for; snappy itself can reach
        // 32 + n + n/6 bytes.
        if size < before || size - before > LARGEST + LARGEST / 6 + 32 {
            return Err(damaged(format!("a chunk of {size} bytes")));
        }
        self.load(size)?;
        let (checksum, body) = self.chunk.split_at(before);
        self.block.clear();
        self.at = 0;
        if matches!(kind, COMPRESSED | COMPRESSED_UNCHECKED) {
            let length =
                snap::raw::decompress_len(body).map_err(|error| damaged(error.to_string()))?;
            if length > LARGEST {
                return Err(damaged(format!("a chunk of {length} bytes decompressed")));
            }
            self.block.resize(length, 0);
            self.decoder
                .decompress(body, &mut self.block)
                .map_err(|error| damaged(error.to_string()))?;
        } else if body.len() > LARGEST {
            return Err(damaged(format!("a chunk of {size} bytes")));
        } else {
            self.block.extend_from_slice(body);
        }
        if checked && checksum != crc32c::masked(&self.block).to_le_bytes() {
            return Err(damaged("a chunk that fails its checksum".to_owned()));
        }
        Ok(())
    }
}

fn damaged(what: String) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

impl<R: BufRead> Read for Snappy<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.block.len() {
            if !self.chunk()? {
                return Ok(0);
            }
        }
        let count = buffer.len().min(self.block.len() - self.at);
        buffer[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
