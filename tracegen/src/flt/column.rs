//! How a column of integers is laid down: as one constant, in as few whole bytes a value as the range
//! needs, or in variable length, whichever is shortest. Fixed widths win ties, since they decode fastest.

use crate::record::AccessKind;

const CONSTANT: u8 = 0;
const FIXED: u8 = 1;
const VARIABLE: u8 = 2;

/// Appends `value` in seven-bit groups, the lowest first (LEB128).
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number at `at`, which moves on; `None` if the bytes end or the number has more than 64 bits.
#[inline]
pub fn get_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = *bytes.get(*at)?;
    *at += 1;
    if first < 0x80 {
        return Some(u64::from(first));
    }
    let mut value = u64::from(first & 0x7f);
    let mut shift = 7;
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
        shift += 7;
    }
}

/// Bytes of `value` in variable length.
fn varint_bytes(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// The smallest width in bytes that holds `range`.
fn width(range: u64) -> usize {
    match range {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    }
}

/// What a column is worth: least value, greatest value, bytes in variable length.
struct Extent {
    least: u64,
    greatest: u64,
    variable: usize,
}

impl Extent {
    fn of(values: impl Iterator<Item = u64>) -> Self {
        let start = Self { least: u64::MAX, greatest: 0, variable: 0 };
        values.fold(start, |extent, value| Self {
            least: extent.least.min(value),
            greatest: extent.greatest.max(value),
            variable: extent.variable + varint_bytes(value),
        })
    }
}

/// Bytes that [`put`] will need, less its few bytes of description.
pub fn cost(values: &[u64]) -> usize {
    let extent = Extent::of(values.iter().copied());
    if extent.least >= extent.greatest {
        return 0;
    }
    extent.variable.min(values.len() * width(extent.greatest - extent.least))
}

/// Appends a column.
pub fn put(out: &mut Vec<u8>, values: impl Iterator<Item = u64> + Clone) {
    let count = values.clone().count();
    let extent = Extent::of(values.clone());
    if extent.least >= extent.greatest {
        out.push(CONSTANT);
        // An empty column has no least value.
        put_varint(out, if count == 0 { 0 } else { extent.least });
        return;
    }
    let width = width(extent.greatest - extent.least);
    if width * count <= extent.variable {
        out.extend([FIXED, width as u8]);
        put_varint(out, extent.least);
        for value in values {
            out.extend(&(value - extent.least).to_le_bytes()[..width]);
        }
    } else {
        out.push(VARIABLE);
        put_varint(out, extent.variable as u64);
        values.for_each(|value| put_varint(out, value));
    }
}

/// A type that a column decodes to.
pub trait Value: Copy {
    /// The greatest number that is one.
    const GREATEST: u64;
    /// The value of a number up to [`Self::GREATEST`].
    fn of(number: u64) -> Self;
}

macro_rules! value {
    ($($type:ty),*) => { $(impl Value for $type {
        const GREATEST: u64 = <$type>::MAX as u64;
        #[inline]
        fn of(number: u64) -> Self {
            number as $type
        }
    })* };
}
value!(u8, u16, u32, u64);

impl Value for AccessKind {
    const GREATEST: u64 = 3;
    #[inline]
    fn of(number: u64) -> Self {
        match number & 3 {
            0 => Self::Load,
            1 => Self::Store,
            2 => Self::Fetch,
            _ => Self::Prefetch,
        }
    }
}

/// A place in a column.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor {
    mode: Mode,
    at: usize,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Constant(u64),
    Fixed { width: usize, least: u64 },
    Variable,
}

impl Default for Mode {
    fn default() -> Self {
        Self::Constant(0)
    }
}

impl Cursor {
    /// The start of the column of `count` values at `at`, which moves behind it. `None` if there is none.
    pub fn open(bytes: &[u8], at: &mut usize, count: usize) -> Option<Self> {
        let mode = *bytes.get(*at)?;
        *at += 1;
        match mode {
            CONSTANT => Some(Self { mode: Mode::Constant(get_varint(bytes, at)?), at: *at }),
            FIXED => {
                let width = usize::from(*bytes.get(*at)?);
                *at += 1;
                let least = get_varint(bytes, at)?;
                let start = *at;
                let end = start.checked_add(width.checked_mul(count)?)?;
                *at = end;
                (matches!(width, 1 | 2 | 4 | 8) && end <= bytes.len())
                    .then_some(Self { mode: Mode::Fixed { width, least }, at: start })
            }
            VARIABLE => {
                let length = usize::try_from(get_varint(bytes, at)?).ok()?;
                let start = *at;
                let end = start.checked_add(length)?;
                *at = end;
                (end <= bytes.len()).then_some(Self { mode: Mode::Variable, at: start })
            }
            _ => None,
        }
    }

    /// Appends the next `count` values to `out`. `None` if the column ends or a value does not fit.
    pub fn read<T: Value>(&mut self, bytes: &[u8], count: usize, out: &mut Vec<T>) -> Option<()> {
        match self.mode {
            Mode::Constant(value) => {
                out.resize(out.len() + count, T::of(value));
                (value <= T::GREATEST).then_some(())
            }
            Mode::Fixed { width, least } => {
                let end = self.at.checked_add(width.checked_mul(count)?)?;
                let data = bytes.get(self.at..end)?;
                self.at = end;
                match width {
                    1 => fixed::<T, 1>(data, least, out),
                    2 => fixed::<T, 2>(data, least, out),
                    4 => fixed::<T, 4>(data, least, out),
                    _ => fixed::<T, 8>(data, least, out),
                }
            }
            Mode::Variable => self.variable(bytes, count, out),
        }
    }

    fn variable<T: Value>(&mut self, bytes: &[u8], count: usize, out: &mut Vec<T>) -> Option<()> {
        let mut at = self.at;
        let mut all = 0;
        out.reserve(count);
        let mut left = count;
        // Eight short numbers at once: small deltas are the rule.
        while left >= 8 {
            let Some(group) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) else {
                break;
            };
            if u64::from_le_bytes(*group) & 0x8080_8080_8080_8080 != 0 {
                for _ in 0..8 {
                    let value = get_varint(bytes, &mut at)?;
                    all |= value;
                    out.push(T::of(value));
                }
            } else {
                all |= u64::from(group.iter().fold(0, |all, byte| all | byte));
                out.extend(group.iter().map(|byte| T::of(u64::from(*byte))));
                at += 8;
            }
            left -= 8;
        }
        for _ in 0..left {
            let value = get_varint(bytes, &mut at)?;
            all |= value;
            out.push(T::of(value));
        }
        self.at = at;
        // All greatest values are one less than a power of two.
        (all <= T::GREATEST).then_some(())
    }
}

fn fixed<T: Value, const WIDTH: usize>(data: &[u8], least: u64, out: &mut Vec<T>) -> Option<()> {
    let mut greatest = 0;
    out.extend(data.chunks_exact(WIDTH).map(|chunk| {
        let mut bytes = [0; 8];
        bytes[..WIDTH].copy_from_slice(chunk);
        let number = u64::from_le_bytes(bytes);
        greatest = greatest.max(number);
        T::of(least.wrapping_add(number))
    }));
    least.checked_add(greatest).filter(|sum| *sum <= T::GREATEST).map(|_| ())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn columns_come_back(
            values in prop_oneof![
                prop::collection::vec(any::<u64>(), 0..60),
                prop::collection::vec(0..300_u64, 0..60),
                prop::collection::vec(prop_oneof![9 => 0..2_u64, 1 => any::<u64>()], 0..60),
                prop::collection::vec(Just(7_u64), 0..60),
            ],
            cut in 0..60_usize,
        ) {
            let mut bytes = Vec::new();
            put(&mut bytes, values.iter().copied());
            bytes.push(0xaa);
            let mut at = 0;
            let mut cursor = Cursor::open(&bytes, &mut at, values.len()).unwrap();
            prop_assert_eq!(at + 1, bytes.len());
            let first = cut.min(values.len());
            let mut read: Vec<u64> = Vec::new();
            cursor.read(&bytes, first, &mut read).unwrap();
            cursor.read(&bytes, values.len() - first, &mut read).unwrap();
            prop_assert_eq!(read, values);
        }
    }

    #[test]
    fn numbers_that_are_too_large_are_refused() {
        for values in [vec![0, 300], vec![300, 300], vec![0, 0, 0, 0, 0, 0, 0, 0, 1 << 40]] {
            let mut bytes = Vec::new();
            put(&mut bytes, values.iter().copied());
            let mut cursor = Cursor::open(&bytes, &mut 0, values.len()).unwrap();
            assert_eq!(cursor.read::<u8>(&bytes, values.len(), &mut Vec::new()), None);
        }
        assert_eq!(get_varint(&[0xff; 10], &mut 0), None);
        let mut at = 0;
        let mut bytes = Vec::new();
        put_varint(&mut bytes, u64::MAX);
        assert_eq!(get_varint(&bytes, &mut at), Some(u64::MAX));
        assert_eq!(varint_bytes(u64::MAX), 10);
        assert_eq!((varint_bytes(127), varint_bytes(128)), (1, 2));
    }
}
