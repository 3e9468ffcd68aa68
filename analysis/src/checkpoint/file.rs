//! The file: magic, version, the length of the origin, the origin, the compressed state, and a checksum
//! over everything before it.
//!
//! Nothing is decoded before the checksum is right, so that damage is told as such, and takes no more
//! memory than the file. A checksum is no signature: who computes it over a state of his own making can
//! have the program stop.

use bincode::{Decode, Encode};
use xxhash_rust::xxh3::xxh3_128;

use super::Origin;
use super::codec;

/// First bytes of every file; the high bit and the line ends tell one that was mangled as text.
const MAGIC: [u8; 8] = *b"\x89FLC\r\n\x1a\n";
/// The layout of what follows. Files of another version are not read.
const VERSION: u32 = 1;
/// Magic, version, length of the origin.
const HEAD: usize = 8 + 4 + 4;
/// The checksum.
const TAIL: usize = 16;

/// Why a file is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It does not start as one.
    #[error("it is not a checkpoint")]
    Foreign,
    /// It comes from another version.
    #[error("it has version {0} of the format, this program reads {VERSION}")]
    Version(u32),
    /// A bit has changed, or the end is missing.
    #[error("it is damaged or cut off: its checksum is wrong")]
    Checksum,
    /// The checksum is right and the content makes no sense.
    #[error("its content cannot be decoded: {0}")]
    Content(String),
}

/// The file of a state and what it comes from.
///
/// # Errors
/// What cannot be encoded.
pub fn seal<T: Encode>(origin: &Origin, state: &T) -> Result<Vec<u8>, String> {
    let coded = codec::encode(origin)?;
    let length = u32::try_from(coded.len()).map_err(|error| error.to_string())?;
    let mut bytes = Vec::with_capacity(HEAD + coded.len());
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(coded);
    codec::compress(state, &mut bytes)?;
    bytes.extend(xxh3_128(&bytes).to_le_bytes());
    Ok(bytes)
}

/// The coded origin and the compressed state in the file `bytes`.
fn parts(bytes: &[u8]) -> Result<(&[u8], &[u8]), Broken> {
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(Broken::Foreign)?;
    if *magic != MAGIC {
        return Err(Broken::Foreign);
    }
    let (version, rest) = rest.split_first_chunk::<4>().ok_or(Broken::Checksum)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(Broken::Version(version));
    }
    let (length, body) = rest.split_first_chunk::<4>().ok_or(Broken::Checksum)?;
    let (body, _) = body.split_last_chunk::<TAIL>().ok_or(Broken::Checksum)?;
    let length = u32::from_le_bytes(*length) as usize;
    body.split_at_checked(length).ok_or(Broken::Checksum)
}

/// What the state in the file `bytes` comes from. The whole file is checked.
///
/// # Errors
/// Anything that [`seal`] would not have written.
pub fn origin(bytes: &[u8]) -> Result<Origin, Broken> {
    let (origin, _) = parts(bytes)?;
    let sum = bytes.split_last_chunk::<TAIL>();
    let right = |(all, sum): (&[u8], &[u8; TAIL])| u128::from_le_bytes(*sum) == xxh3_128(all);
    if !sum.is_some_and(right) {
        return Err(Broken::Checksum);
    }
    codec::decode(origin).map_err(Broken::Content)
}

/// The state in the file `bytes`, which [`origin`] has accepted.
///
/// # Errors
/// It is not of that type.
pub fn state<T: Decode<()>>(bytes: &[u8]) -> Result<T, Broken> {
    let (_, state) = parts(bytes)?;
    codec::decompress(state).map_err(Broken::Content)
}
