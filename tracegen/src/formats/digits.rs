//! Numbers in text, eight digits at a time in one register.
//!
//! A loop over digits costs a mispredicted branch where lengths vary; here the length is counted, not
//! tested.

/// Every byte of a word `value`.
const fn each(value: u8) -> u64 {
    u64::from_le_bytes([value; 8])
}

/// The top bit of each byte that lies in `low..=high`, all ASCII.
#[inline]
const fn within(word: u64, low: u8, high: u8) -> u64 {
    let at_least = (word | each(0x80)) - each(low);
    let at_most = each(0x80 | high) - (word & each(0x7f));
    at_least & at_most & !word & each(0x80)
}

/// How many bytes at the front have their top bit in `flags`.
#[inline]
const fn prefix(flags: u64) -> usize {
    ((!flags & each(0x80)).trailing_zeros() / 8) as usize
}

/// Moves the first `count` bytes (at most 8) to the end; zeros take their place.
#[inline]
const fn last(word: u64, count: usize) -> u64 {
    if count == 0 { 0 } else { word << (64 - 8 * count) }
}

/// The hexadecimal number at the start of `bytes`, and how many digits it has, at most 8.
#[inline]
const fn hexadecimal_word(bytes: [u8; 8]) -> (u64, usize) {
    let word = u64::from_le_bytes(bytes);
    let digits = within(word, b'0', b'9') | within(word | each(0x20), b'a', b'f');
    let count = prefix(digits);
    let nibbles = (word & each(0x0f)) + 9 * (word >> 6 & each(1));
    let digits = last(nibbles, count);
    let pairs = (digits << 4 | digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs << 8 | pairs >> 16) & 0x0000_ffff_0000_ffff;
    ((fours << 16 | fours >> 32) & 0xffff_ffff, count)
}

/// The decimal number at the start of `bytes`, and how many digits it has, at most 8.
#[inline]
const fn decimal_word(bytes: [u8; 8]) -> (u64, usize) {
    let word = u64::from_le_bytes(bytes);
    let count = prefix(within(word, b'0', b'9'));
    let digits = last(word & each(0x0f), count);
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    ((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff, count)
}

/// The hexadecimal number at the start of `bytes`, and how many digits it has: 16 for one that may have more.
#[inline]
pub fn hexadecimal(bytes: &[u8; 16]) -> (u64, usize) {
    let [first, second] = bytes.as_chunks().0 else { return (0, 0) };
    let (high, count) = hexadecimal_word(*first);
    if count < 8 || !second[0].is_ascii_hexdigit() {
        return (high, count);
    }
    let (low, more) = hexadecimal_word(*second);
    (high << (4 * more) | low, 8 + more)
}

/// The decimal number at the start of `bytes`, and how many digits it has: 16 for one that may have more.
#[inline]
pub fn decimal(bytes: &[u8; 16]) -> (u64, usize) {
    const POWERS: [u64; 9] =
        [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];
    let [first, second] = bytes.as_chunks().0 else { return (0, 0) };
    let (high, count) = decimal_word(*first);
    if count < 8 || !second[0].is_ascii_digit() {
        return (high, count);
    }
    let (low, more) = decimal_word(*second);
    (high * POWERS[more] + low, 8 + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padded(text: &str, pad: u8) -> [u8; 16] {
        let mut bytes = [pad; 16];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    }

    #[test]
    fn numbers_of_every_length_are_read() {
        let digits = "9876543210fEdCbA";
        for length in 0..=16 {
            for pad in [b',', b'\n', b'g', b'/', b':', b'@', b'`', 0, 0xb5, 0xff] {
                let text = &digits[..length];
                let wanted = u64::from_str_radix(text, 16).unwrap_or(0);
                assert_eq!(hexadecimal(&padded(text, pad)), (wanted, length), "{text} {pad}");
                let text = &"1234567890123456"[..length];
                let wanted = text.parse().unwrap_or(0);
                assert_eq!(decimal(&padded(text, pad)), (wanted, length), "{text} {pad}");
            }
        }
    }

    #[test]
    fn every_byte_is_a_digit_or_not() {
        for byte in 0..=u8::MAX {
            let (_, count) = hexadecimal(&[byte; 16]);
            assert_eq!(count, if byte.is_ascii_hexdigit() { 16 } else { 0 }, "{byte}");
            let (_, count) = decimal(&[byte; 16]);
            assert_eq!(count, if byte.is_ascii_digit() { 16 } else { 0 }, "{byte}");
        }
    }
}
