//! The one place that turns a checkpoint's structures into bytes and back (bincode), compressed (zstd).
//!
//! Integers have their full length: most of a state is arrays of them, and compression sees the zeros.

use std::io::{Read, Write};

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::{Decode, Encode};

/// The most bytes that a state may claim when it is decoded: what is mapped of some 300 GiB of memory in
/// pages of 4 KiB takes as much. No length in a file makes the program ask for more.
const LIMIT: usize = if usize::BITS > 32 { 4 << 30 } else { 1 << 30 };

/// How hard zstd tries. Higher levels take several times as long for a tenth less.
const LEVEL: i32 = 1;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<LIMIT>> =
    bincode::config::standard().with_fixed_int_encoding().with_limit::<LIMIT>();

/// The same for what is said of a state: a machine's settings are some ten thousand bytes.
const SMALL: Configuration<LittleEndian, Fixint, Limit<{ 1 << 20 }>> =
    bincode::config::standard().with_fixed_int_encoding().with_limit::<{ 1 << 20 }>();

/// The bytes of a small `value`.
///
/// # Errors
/// A value that cannot be encoded.
pub fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, String> {
    bincode::encode_to_vec(value, SMALL).map_err(|error| error.to_string())
}

/// The small value that all of `bytes` stand for.
///
/// # Errors
/// They are not of that type.
pub fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, String> {
    match bincode::decode_from_slice(bytes, SMALL) {
        Ok((value, length)) if length == bytes.len() => Ok(value),
        Ok(_) => Err("there is more than it says".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Appends the compressed bytes of `value` to `out`.
///
/// # Errors
/// A value that cannot be encoded.
pub fn compress<T: Encode>(value: &T, out: &mut Vec<u8>) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut encoder = zstd::Encoder::new(out, LEVEL).map_err(failed)?;
    let mut buffered = std::io::BufWriter::with_capacity(1 << 16, &mut encoder);
    bincode::encode_into_std_write(value, &mut buffered, CONFIG)
        .map_err(|error| error.to_string())?;
    buffered.flush().map_err(failed)?;
    drop(buffered);
    encoder.finish().map(drop).map_err(failed)
}

/// The value that all of the compressed `bytes` stand for. They are never there as a whole.
///
/// # Errors
/// They are not of that type.
pub fn decompress<T: Decode<()>>(bytes: &[u8]) -> Result<T, String> {
    let failed = |error: std::io::Error| error.to_string();
    let decoder = zstd::Decoder::new(bytes).map_err(failed)?;
    let mut buffered = std::io::BufReader::with_capacity(1 << 16, decoder);
    let value =
        bincode::decode_from_std_read(&mut buffered, CONFIG).map_err(|error| error.to_string())?;
    match buffered.read(&mut [0]).map_err(failed)? {
        0 => Ok(value),
        _ => Err("there is more than it says".to_owned()),
    }
}
