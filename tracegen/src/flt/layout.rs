//! The frame of a file: header, block heads, index, trailer, as `docs/flt.md` lays them out.

use xxhash_rust::xxh3::xxh3_64;

use crate::record::AccessKind;

/// The first bytes of every file. As in PNG, the high bit and the line ends tell a file that was mangled
/// as text.
pub const MAGIC: [u8; 8] = *b"\x89FLT\r\n\x1a\n";
/// The last bytes of every file.
pub const END_MAGIC: [u8; 8] = *b"FLTEND\r\n";
/// The version of the format that this reads and writes.
pub const VERSION: u16 = 1;
/// The byte-order mark. Its bytes are FF FE in a little-endian file, the only kind that is written.
pub const BYTE_ORDER: u16 = 0xfeff;
/// What starts a block.
pub const BLOCK_TAG: [u8; 4] = *b"BLCK";
/// What starts the index.
pub const INDEX_TAG: [u8; 4] = *b"INDX";

/// Bytes of the header before its metadata.
pub const HEADER_BYTES: usize = 16;
/// Bytes of a block's head.
pub const HEAD_BYTES: usize = 64;
/// Bytes of an index entry.
pub const ENTRY_BYTES: usize = 24;
/// Bytes of the trailer.
pub const TRAILER_BYTES: usize = 40;

/// The most records of a block.
pub const BLOCK_RECORDS: usize = 1 << 16;
/// The most bytes of a block's payload, compressed or not: more than any block of as many records needs.
pub const PAYLOAD_LIMIT: usize = 8 << 20;

/// The little-endian integer in the first bytes of `bytes` from `at`; callers slice by constants.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().copied().map_or(0, u32::from_le_bytes)
}

/// As [`u32_at`].
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().copied().map_or(0, u64::from_le_bytes)
}

/// The header of a file with this coded metadata.
pub fn header(metadata: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(BYTE_ORDER.to_le_bytes());
    // The codec's limit is far below 4 GiB.
    bytes.extend((metadata.len() as u32).to_le_bytes());
    bytes.extend(metadata);
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    bytes
}

/// The length of the metadata that follows the fixed part of a header.
///
/// # Errors
/// It is not the header of a file that can be read: where it is wrong, and how.
pub fn metadata_length(fixed: &[u8; HEADER_BYTES]) -> Result<usize, (u64, String)> {
    if fixed[..8] != MAGIC {
        return Err((0, "expected the first bytes of an .flt file, found others".to_owned()));
    }
    let version = u16::from_le_bytes([fixed[8], fixed[9]]);
    if version != VERSION {
        return Err((8, format!("expected version {VERSION} of the format, found {version}")));
    }
    match u16::from_le_bytes([fixed[10], fixed[11]]) {
        BYTE_ORDER => {}
        0xfffe => return Err((10, "the file is big-endian, which is not read".to_owned())),
        other => return Err((10, format!("expected the byte-order mark, found {other:#06x}"))),
    }
    let length = u32_at(fixed, 12) as usize;
    if length > crate::codec::LIMIT {
        let limit = crate::codec::LIMIT;
        return Err((12, format!("expected at most {limit} bytes of metadata, found {length}")));
    }
    Ok(length)
}

/// The head of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Bytes of the compressed payload, which follows.
    pub stored: u32,
    /// Bytes of the payload once it is decompressed.
    pub raw: u32,
    /// The number of its first record in the file.
    pub first: u64,
    /// Accesses by [`AccessKind`].
    pub kinds: [u32; 4],
    /// Branches.
    pub branches: u32,
    /// Events.
    pub events: u32,
    /// xxh3-64 of the compressed payload.
    pub payload: u64,
}

impl Head {
    /// Number of accesses.
    pub fn accesses(&self) -> usize {
        self.kinds.iter().map(|count| *count as usize).sum()
    }

    /// Number of branches and events.
    pub fn asides(&self) -> usize {
        self.branches as usize + self.events as usize
    }

    /// Number of records.
    pub fn records(&self) -> usize {
        self.accesses() + self.asides()
    }

    /// Counts an access.
    pub fn count(&mut self, kind: AccessKind) {
        self.kinds[kind as usize] += 1;
    }

    /// Its bytes.
    pub fn bytes(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend(BLOCK_TAG);
        bytes.extend(self.stored.to_le_bytes());
        bytes.extend(self.raw.to_le_bytes());
        bytes.extend((self.records() as u32).to_le_bytes());
        bytes.extend(self.first.to_le_bytes());
        self.kinds.iter().for_each(|count| bytes.extend(count.to_le_bytes()));
        bytes.extend(self.branches.to_le_bytes());
        bytes.extend(self.events.to_le_bytes());
        bytes.extend(self.payload.to_le_bytes());
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        let mut head = [0; HEAD_BYTES];
        head.copy_from_slice(&bytes);
        head
    }

    /// The head in `bytes`.
    ///
    /// # Errors
    /// It fails its checksum, or claims more than a block can hold.
    pub fn parse(bytes: &[u8; HEAD_BYTES]) -> Result<Self, String> {
        if xxh3_64(&bytes[..HEAD_BYTES - 8]) != u64_at(bytes, HEAD_BYTES - 8) {
            return Err("the block's head fails its checksum".to_owned());
        }
        let head = Self {
            stored: u32_at(bytes, 4),
            raw: u32_at(bytes, 8),
            first: u64_at(bytes, 16),
            kinds: [24, 28, 32, 36].map(|at| u32_at(bytes, at)),
            branches: u32_at(bytes, 40),
            events: u32_at(bytes, 44),
            payload: u64_at(bytes, 48),
        };
        let fits = head.stored as usize <= PAYLOAD_LIMIT
            && head.raw as usize <= PAYLOAD_LIMIT
            && (1..=BLOCK_RECORDS).contains(&head.records())
            && head.records() == u32_at(bytes, 12) as usize
            && head.first.checked_add(BLOCK_RECORDS as u64).is_some();
        fits.then_some(head)
            .ok_or_else(|| "the block's head claims more than a block holds".to_owned())
    }
}

/// What the index says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where its head starts in the file.
    pub offset: u64,
    /// The number of its first record.
    pub first: u64,
    /// Its records.
    pub records: u32,
    /// Its accesses.
    pub accesses: u32,
}

impl Entry {
    /// The entry of the block with `head` at `offset`.
    pub fn of(head: &Head, offset: u64) -> Self {
        let (records, accesses) = (head.records() as u32, head.accesses() as u32);
        Self { offset, first: head.first, records, accesses }
    }

    /// Its bytes.
    pub fn bytes(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.records.to_le_bytes());
        bytes[20..].copy_from_slice(&self.accesses.to_le_bytes());
        bytes
    }

    /// The entry in `bytes`.
    pub fn parse(bytes: &[u8; ENTRY_BYTES]) -> Self {
        Self {
            offset: u64_at(bytes, 0),
            first: u64_at(bytes, 8),
            records: u32_at(bytes, 16),
            accesses: u32_at(bytes, 20),
        }
    }
}

/// The end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Where the index starts.
    pub index: u64,
    /// Records of the file.
    pub records: u64,
    /// Accesses of the file.
    pub accesses: u64,
}

impl Trailer {
    /// Its bytes.
    pub fn bytes(&self) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..8].copy_from_slice(&self.index.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.records.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.accesses.to_le_bytes());
        let checksum = xxh3_64(&bytes[..24]);
        bytes[24..32].copy_from_slice(&checksum.to_le_bytes());
        bytes[32..].copy_from_slice(&END_MAGIC);
        bytes
    }

    /// The trailer in `bytes`.
    ///
    /// # Errors
    /// It is none, or fails its checksum.
    pub fn parse(bytes: &[u8; TRAILER_BYTES]) -> Result<Self, String> {
        if bytes[32..] != END_MAGIC {
            return Err("expected the trailer, found something else".to_owned());
        }
        if xxh3_64(&bytes[..24]) != u64_at(bytes, 24) {
            return Err("the trailer fails its checksum".to_owned());
        }
        Ok(Self { index: u64_at(bytes, 0), records: u64_at(bytes, 8), accesses: u64_at(bytes, 16) })
    }
}
