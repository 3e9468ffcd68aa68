//! The index of a file on disk, for starting in its middle.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::TraceError;
use crate::flt::layout::{ENTRY_BYTES, Entry, INDEX_TAG, TRAILER_BYTES, Trailer, u64_at};

/// Reads and checks the index of the file at `path`. Memory is that of the index, which is part of the
/// file.
///
/// # Errors
/// The file cannot be read, is cut off, or its index or trailer fails its checksum.
pub fn read(path: &Path) -> Result<Vec<Entry>, TraceError> {
    let failed = |source| TraceError::Io { path: path.to_owned(), source };
    let damaged = |offset: u64, message: &str| TraceError::Binary {
        path: path.to_owned(),
        offset,
        message: message.to_owned(),
    };
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let cut = || damaged(length, "expected the trailer, found the end of the file: it was cut off");
    let trailer_at = length.checked_sub(TRAILER_BYTES as u64).ok_or_else(cut)?;
    let mut bytes = [0; TRAILER_BYTES];
    file.seek(SeekFrom::Start(trailer_at)).map_err(failed)?;
    file.read_exact(&mut bytes).map_err(failed)?;
    let trailer = Trailer::parse(&bytes).map_err(|message| damaged(trailer_at, &message))?;
    let size =
        trailer_at.checked_sub(trailer.index).filter(|size| *size >= 16).ok_or_else(|| {
            damaged(trailer_at, "the trailer's index does not lie before the trailer")
        })?;
    let mut index = Vec::new();
    file.seek(SeekFrom::Start(trailer.index)).map_err(failed)?;
    file.take(size).read_to_end(&mut index).map_err(failed)?;
    let wrong = |message| damaged(trailer.index, message);
    let sum_at = index.len().checked_sub(8).ok_or_else(|| wrong("the index is cut off"))?;
    if xxh3_64(&index[..sum_at]) != u64_at(&index, sum_at) {
        return Err(wrong("the index fails its checksum"));
    }
    let body = index[..sum_at].strip_prefix(&INDEX_TAG).and_then(|rest| rest.split_first_chunk());
    let Some((count, entries)) = body else { return Err(wrong("the index is cut off")) };
    let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() || entries.len() != u32::from_le_bytes(*count) as usize {
        return Err(wrong("the index is not as long as it says"));
    }
    Ok(entries.iter().map(Entry::parse).collect())
}

/// The block of `index` that holds `record`, or the last one before it; 0 if there is none.
pub fn block_of(index: &[Entry], record: u64) -> usize {
    index.partition_point(|entry| entry.first <= record).saturating_sub(1)
}
