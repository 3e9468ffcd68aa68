//! The files that a study keeps its results in: a header that says what it is and how long, a checksum,
//! and the value. Written at once or not at all.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use bincode::{Decode, Encode};
use xxhash_rust::xxh3::xxh3_128;

use crate::error::Error;

/// First bytes of every file.
const MAGIC: [u8; 8] = *b"FLTRSLT\n";
/// The layout of what follows. Files of another version are not read.
pub const VERSION: u32 = 2;
/// Magic, version, length of the payload, checksum of the payload.
const HEADER: usize = 8 + 4 + 8 + 16;

/// Why a file is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It does not start as one.
    #[error("it is not a result file")]
    Foreign,
    /// It comes from another version.
    #[error("it has version {0}, this program reads {VERSION}")]
    Version(u32),
    /// It ends early or goes on.
    #[error("its length is wrong")]
    Length,
    /// A bit has changed.
    #[error("its checksum is wrong")]
    Checksum,
    /// The checksum is right and the content makes no sense.
    #[error("its content cannot be decoded")]
    Content,
}

/// `value` with its header.
///
/// # Errors
/// A value that cannot be encoded.
pub fn seal<T: Encode>(value: &T) -> Result<Vec<u8>, bincode::error::EncodeError> {
    let payload = bincode::encode_to_vec(value, bincode::config::standard())?;
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(xxh3_128(&payload).to_le_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

/// The value in `bytes`.
///
/// # Errors
/// Anything that [`seal`] would not have written.
pub fn unseal<T: Decode<()>>(bytes: &[u8]) -> Result<T, Broken> {
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(Broken::Foreign)?;
    if *magic != MAGIC {
        return Err(Broken::Foreign);
    }
    let (version, rest) = rest.split_first_chunk::<4>().ok_or(Broken::Length)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(Broken::Version(version));
    }
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(Broken::Length)?;
    let (checksum, payload) = rest.split_first_chunk::<16>().ok_or(Broken::Length)?;
    if u64::from_le_bytes(*length) != payload.len() as u64 {
        return Err(Broken::Length);
    }
    if u128::from_le_bytes(*checksum) != xxh3_128(payload) {
        return Err(Broken::Checksum);
    }
    let decoded = bincode::decode_from_slice(payload, bincode::config::standard());
    decoded.map(|(value, _)| value).map_err(|_| Broken::Content)
}

/// Distinguishes the temporary files of one process.
static WRITES: AtomicU64 = AtomicU64::new(0);

/// Writes `bytes` to `path` so that whoever looks sees all of them or what was there before.
///
/// # Errors
/// The file system's; nothing is left behind then.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.{number}.tmp", std::process::id()));
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        // The first failure is the one to tell.
        let _ = fs::remove_file(&temporary);
        Error::io(path)(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flip_and_every_truncation_is_seen() {
        let value = ("gups".to_owned(), vec![1u64, 2, 3], 0.1f64);
        let bytes = seal(&value).unwrap();
        assert_eq!(unseal::<(String, Vec<u64>, f64)>(&bytes), Ok(value));
        for at in 0..bytes.len() {
            assert!(unseal::<(String, Vec<u64>, f64)>(&bytes[..at]).is_err(), "cut at {at}");
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert!(unseal::<(String, Vec<u64>, f64)>(&flipped).is_err(), "flip at {at}");
        }
    }
}
