//! The one place that turns metadata structures into bytes and back (bincode).
//!
//! Integers are little-endian and of variable length (bincode's specification of its standard
//! configuration). Hot data is not coded here.

use bincode::{Decode, Encode};

/// The most bytes that a structure may claim to need when it is decoded.
pub const LIMIT: usize = 1 << 20;

/// The bytes of `value`.
///
/// # Errors
/// It takes more than [`LIMIT`] bytes; the message says so.
pub fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, String> {
    let bytes = bincode::encode_to_vec(value, bincode::config::standard())
        .map_err(|error| error.to_string())?;
    if bytes.len() > LIMIT {
        return Err(format!("metadata of {} bytes, at most {LIMIT} are kept", bytes.len()));
    }
    Ok(bytes)
}

/// The value that all of `bytes` stand for.
///
/// # Errors
/// They are not of that type; the message says why.
pub fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, String> {
    let config = bincode::config::standard().with_limit::<LIMIT>();
    match bincode::decode_from_slice(bytes, config) {
        Ok((value, length)) if length == bytes.len() => Ok(value),
        Ok((_, length)) => Err(format!("{} bytes too many", bytes.len() - length)),
        Err(error) => Err(error.to_string()),
    }
}
