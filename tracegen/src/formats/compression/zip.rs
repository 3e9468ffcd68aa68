//! PKZIP archives (PKWARE's APPNOTE.TXT 6.3) as one stream: the members one after another, in the order in
//! which they lie in the file.
//!
//! Members are read by their local headers alone, so that an archive needs no seeking and may come through
//! a pipe. Stored and deflated members are read; sizes and checksums are verified.

use std::io::{BufRead, Error, ErrorKind, Read, Take};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
/// What stands behind the last member: the central directory, its end records, or extra data before them.
const AFTER: [u32; 4] = [0x0201_4b50, 0x0605_4b50, 0x0606_4b50, 0x0806_4b50];
/// A size that stands in the extra field with this identifier, as 64 bits.
const LARGE: u64 = 0xffff_ffff;
const LARGE_ID: u16 = 1;

/// Reads what `reader` decompresses to.
pub struct Zip<R: BufRead> {
    place: Place<R>,
}

enum Place<R: BufRead> {
    /// Before a local header, or at the end.
    Between(R),
    Stored(Member, Take<R>),
    Deflated(Member, DeflateDecoder<Take<R>>),
    /// After an error, or behind the last member.
    Over,
}

/// What the header of a member says, and what has been read of it.
struct Member {
    crc: u32,
    compressed: u64,
    size: u64,
    /// Checksum and sizes stand behind the data.
    described: bool,
    read: Crc,
    produced: u64,
}

impl<R: BufRead> Zip<R> {
    /// Over `reader`.
    pub fn new(reader: R) -> Self {
        Self { place: Place::Between(reader) }
    }
}

impl<R: BufRead> Read for Zip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let (member, count) = match &mut self.place {
                Place::Stored(member, reader) => (member, reader.read(buffer)?),
                Place::Deflated(member, reader) => (member, reader.read(buffer)?),
                Place::Over => return Ok(0),
                Place::Between(_) => {
                    if let Place::Between(reader) = std::mem::replace(&mut self.place, Place::Over)
                    {
                        self.place = open(reader)?;
                    }
                    continue;
                }
            };
            if count > 0 || buffer.is_empty() {
                member.read.update(&buffer[..count]);
                member.produced += count as u64;
                return Ok(count);
            }
            self.place = match std::mem::replace(&mut self.place, Place::Over) {
                Place::Stored(member, reader) => {
                    let read = member.compressed - reader.limit();
                    Place::Between(member.close(read, reader.into_inner())?)
                }
                Place::Deflated(member, reader) => {
                    let read = reader.total_in();
                    Place::Between(member.close(read, reader.into_inner().into_inner())?)
                }
                place => place,
            };
        }
    }
}

/// The member whose header `reader` is before, or the end.
fn open<R: BufRead>(mut reader: R) -> std::io::Result<Place<R>> {
    let signature = u32::from_le_bytes(take(&mut reader)?);
    if AFTER.contains(&signature) {
        // The rest names the members again; a reader of the stream need not look at it.
        std::io::copy(&mut reader, &mut std::io::sink())?;
        return Ok(Place::Over);
    }
    if signature != LOCAL {
        return Err(damaged(format!("{signature:#010x} where a member's header should be")));
    }
    let header: [u8; 26] = take(&mut reader)?;
    let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
    let (flags, method) = (half(2), half(4));
    let (crc, compressed, size) = (word(10), u64::from(word(14)), u64::from(word(18)));
    skip(&mut reader, half(22))?;
    let mut extra = vec![0; usize::from(half(24))];
    reader.read_exact(&mut extra)?;
    let (size, compressed) = large(&extra, size, compressed);
    if flags & 1 != 0 {
        return Err(damaged("an encrypted member".to_owned()));
    }
    let described = flags & 8 != 0;
    let member = Member { crc, compressed, size, described, read: Crc::new(), produced: 0 };
    match (method, described) {
        (0, true) => Err(damaged("a stored member whose size stands behind it".to_owned())),
        (0, false) => Ok(Place::Stored(member, reader.take(compressed))),
        (8, _) => {
            let most = if described { u64::MAX } else { compressed };
            Ok(Place::Deflated(member, DeflateDecoder::new(reader.take(most))))
        }
        _ => Err(damaged(format!("compression method {method}; stored and deflated are read"))),
    }
}

/// Size and compressed size with what the extra field says of them.
fn large(mut extra: &[u8], mut size: u64, mut compressed: u64) -> (u64, u64) {
    while let [id0, id1, length0, length1, rest @ ..] = extra {
        let length = usize::from(u16::from_le_bytes([*length0, *length1])).min(rest.len());
        let (mut field, after) = rest.split_at(length);
        if u16::from_le_bytes([*id0, *id1]) == LARGE_ID {
            for value in [&mut size, &mut compressed] {
                if *value == LARGE
                    && let Some((bytes, more)) = field.split_first_chunk()
                {
                    *value = u64::from_le_bytes(*bytes);
                    field = more;
                }
            }
        }
        extra = after;
    }
    (size, compressed)
}

impl Member {
    /// Verifies the member, of which `read` compressed bytes were read, and gives the reader back.
    fn close<R: BufRead>(self, read: u64, mut reader: R) -> std::io::Result<R> {
        let (crc, compressed, size) = if self.described {
            self.descriptor(read, &mut reader)?
        } else {
            (self.crc, self.compressed, self.size)
        };
        if read < compressed && self.produced < size {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if (read, self.produced) != (compressed, size) {
            return Err(damaged(format!(
                "a member of {} bytes from {read}, which should have {size} from {compressed}",
                self.produced
            )));
        }
        if self.read.sum() != crc {
            return Err(damaged("a member that fails its checksum".to_owned()));
        }
        Ok(reader)
    }

    /// What stands behind the data: perhaps a signature, then the checksum and sizes of 32 or 64 bits.
    fn descriptor(&self, read: u64, reader: &mut impl BufRead) -> std::io::Result<(u32, u64, u64)> {
        let mut crc = u32::from_le_bytes(take(reader)?);
        if crc == DESCRIPTOR {
            crc = u32::from_le_bytes(take(reader)?);
        }
        let first: [u8; 8] = take(reader)?;
        let word = |at: usize| {
            u64::from(u32::from_le_bytes([first[at], first[at + 1], first[at + 2], first[at + 3]]))
        };
        if (word(0), word(4)) == (read & LARGE, self.produced & LARGE) {
            return Ok((crc, read, self.produced));
        }
        Ok((crc, u64::from_le_bytes(first), u64::from_le_bytes(take(reader)?)))
    }
}

fn take<const N: usize>(reader: &mut impl Read) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(reader: &mut impl Read, count: u16) -> std::io::Result<()> {
    let mut bytes = vec![0; usize::from(count)];
    reader.read_exact(&mut bytes)
}

fn damaged(what: String) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
