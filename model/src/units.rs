//! Quantities as a configuration writes them: sizes, times and frequencies.
//!
//! Sizes have binary units ("32KiB"); decimal ones ("32KB") are refused as ambiguous. Times are "80ns",
//! "12us" or "4cycles". Inside the model time is an integer: core cycles in the window, picoseconds
//! outside it; [`Frequency::cycles`] is the one rounding rule between them (up).

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A size in bytes: an integer, or a string such as `"32KiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A clock frequency in hertz, such as `"3.7GHz"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frequency(pub u64);

/// A span of time as it is configured: in time or in core cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// Picoseconds.
    Picoseconds(u64),
    /// Core cycles.
    Cycles(u64),
}

impl Frequency {
    /// Core cycles that cover `ps` picoseconds, rounded up.
    pub fn cycles(self, ps: u64) -> u64 {
        u64::try_from((u128::from(ps) * u128::from(self.0)).div_ceil(1_000_000_000_000))
            .unwrap_or(u64::MAX)
    }
    /// Picoseconds that `cycles` core cycles take, rounded up.
    pub fn picoseconds(self, cycles: u64) -> u64 {
        u64::try_from((u128::from(cycles) * 1_000_000_000_000).div_ceil(u128::from(self.0.max(1))))
            .unwrap_or(u64::MAX)
    }
}

impl Span {
    /// The span in core cycles at `frequency`, rounded up.
    pub fn cycles(self, frequency: Frequency) -> u64 {
        match self {
            Self::Picoseconds(ps) => frequency.cycles(ps),
            Self::Cycles(cycles) => cycles,
        }
    }
    /// The span in picoseconds at `frequency`, rounded up.
    pub fn picoseconds(self, frequency: Frequency) -> u64 {
        match self {
            Self::Picoseconds(ps) => ps,
            Self::Cycles(cycles) => frequency.picoseconds(cycles),
        }
    }
}

/// Splits `text` into a number (underscores allowed, one decimal point allowed) and its unit.
fn split(text: &str) -> Option<(&str, &str)> {
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (!number.is_empty()).then_some((number, unit.trim()))
}

/// `number` × `scale`, exactly: an error where the product is not a whole number or does not fit.
fn scaled(number: &str, scale: u64) -> Result<u64, String> {
    let digits = number.replace('_', "");
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let bad = || format!("`{number}` is not a number");
    let joined: u128 = format!("{whole}{fraction}").parse().map_err(|_| bad())?;
    let places = u32::try_from(fraction.len()).map_err(|_| bad())?;
    let divisor = 10u128.checked_pow(places).ok_or_else(bad)?;
    let product = joined.checked_mul(u128::from(scale)).ok_or("the number is too large")?;
    if product % divisor != 0 {
        return Err(format!("`{number}` is not a whole number of the smallest unit"));
    }
    u64::try_from(product / divisor).map_err(|_| "the number is too large".to_owned())
}

/// What a quantity of this type looks like, and how to read it.
trait Quantity: Sized {
    const EXPECTED: &'static str;
    fn from_integer(value: u64) -> Result<Self, String>;
    fn from_text(text: &str) -> Result<Self, String>;
}

fn parse<Q: Quantity>(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let (number, unit) =
        split(text).ok_or_else(|| format!("expected {}, found `{text}`", Q::EXPECTED))?;
    match units.iter().find(|(name, _)| *name == unit) {
        Some((_, scale)) => scaled(number, *scale),
        None => {
            let known: Vec<_> =
                units.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
            Err(format!(
                "expected {}, found unit `{unit}`; units are {}",
                Q::EXPECTED,
                known.join(", ")
            ))
        }
    }
}

const SIZES: [(&str, u64); 7] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
];
const TIMES: [(&str, u64); 5] =
    [("ps", 1), ("ns", 1_000), ("us", 1_000_000), ("ms", 1_000_000_000), ("s", 1_000_000_000_000)];
const FREQUENCIES: [(&str, u64); 4] =
    [("Hz", 1), ("kHz", 1_000), ("MHz", 1_000_000), ("GHz", 1_000_000_000)];

impl Quantity for ByteSize {
    const EXPECTED: &'static str = "a size such as \"32KiB\" or a number of bytes";
    fn from_integer(value: u64) -> Result<Self, String> {
        Ok(Self(value))
    }
    fn from_text(text: &str) -> Result<Self, String> {
        for decimal in ["KB", "kB", "MB", "GB", "TB", "K", "M", "G"] {
            if split(text).is_some_and(|(_, unit)| unit == decimal) {
                let binary = format!("{}iB", decimal[..1].to_uppercase());
                return Err(format!(
                    "`{decimal}` may mean a power of ten or of two; write `{binary}`"
                ));
            }
        }
        parse::<Self>(text, &SIZES).map(Self)
    }
}

impl Quantity for Span {
    const EXPECTED: &'static str = "a time such as \"80ns\" or \"4cycles\"";
    fn from_integer(_: u64) -> Result<Self, String> {
        Err(format!("a time needs a unit: expected {}", Self::EXPECTED))
    }
    fn from_text(text: &str) -> Result<Self, String> {
        match split(text) {
            Some((number, "cycles" | "cycle")) => scaled(number, 1).map(Self::Cycles),
            _ => parse::<Self>(text, &TIMES).map(Self::Picoseconds),
        }
    }
}

impl Quantity for Frequency {
    const EXPECTED: &'static str = "a frequency such as \"3.7GHz\"";
    fn from_integer(_: u64) -> Result<Self, String> {
        Err(format!("a frequency needs a unit: expected {}", Self::EXPECTED))
    }
    fn from_text(text: &str) -> Result<Self, String> {
        match parse::<Self>(text, &FREQUENCIES)? {
            0 => Err("a frequency must be above 0".to_owned()),
            hertz => Ok(Self(hertz)),
        }
    }
}

/// The largest unit that `value` is a whole number of.
fn print(value: u64, units: &[(&str, u64)]) -> String {
    let best = units.iter().filter(|(name, scale)| {
        !name.is_empty() && value.is_multiple_of(*scale) && value >= *scale
    });
    let (name, scale) =
        best.max_by_key(|(_, scale)| *scale).unwrap_or(&units[units.len().min(2) - 1]);
    format!("{}{name}", value / scale)
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&if self.0 == 0 { "0B".to_owned() } else { print(self.0, &SIZES) })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycles(cycles) => write!(f, "{cycles}cycles"),
            Self::Picoseconds(0) => f.write_str("0ps"),
            Self::Picoseconds(ps) => f.write_str(&print(*ps, &TIMES)),
        }
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print(self.0, &FREQUENCIES))
    }
}

struct QuantityVisitor<Q>(std::marker::PhantomData<Q>);

impl<Q: Quantity> Visitor<'_> for QuantityVisitor<Q> {
    type Value = Q;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Q::EXPECTED)
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Q, E> {
        Q::from_integer(value).map_err(E::custom)
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Q, E> {
        let value = u64::try_from(value).map_err(|_| E::custom("must not be negative"))?;
        self.visit_u64(value)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Q, E> {
        Q::from_text(text).map_err(E::custom)
    }
}

macro_rules! quantity {
    ($name:ident, $schema_doc:literal, $pattern:literal) => {
        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::from_text(text)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(QuantityVisitor(std::marker::PhantomData))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "description": $schema_doc, "type": ["string", "integer"], "pattern": $pattern })
            }
        }
    };
}

quantity!(
    ByteSize,
    "a size such as \"32KiB\", or a number of bytes",
    r"^[0-9][0-9_.]*(B|KiB|MiB|GiB|TiB|PiB)?$"
);
quantity!(
    Span,
    "a time such as \"80ns\" or \"4cycles\"",
    r"^[0-9][0-9_.]*(ps|ns|us|ms|s|cycles?)$"
);
quantity!(Frequency, "a frequency such as \"3.7GHz\"", r"^[0-9][0-9_.]*(Hz|kHz|MHz|GHz)$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_and_exact() {
        assert_eq!("32KiB".parse(), Ok(ByteSize(32768)));
        assert_eq!("1.5MiB".parse(), Ok(ByteSize(3 << 19)));
        assert_eq!("1_000".parse(), Ok(ByteSize(1000)));
        assert!("32KB".parse::<ByteSize>().unwrap_err().contains("KiB"));
        assert!("0.3B".parse::<ByteSize>().is_err());
        assert!("99999999999PiB".parse::<ByteSize>().is_err());
        assert_eq!(ByteSize(48 << 10).to_string(), "48KiB");
    }

    #[test]
    fn times_are_spans_or_cycles() {
        assert_eq!("80ns".parse(), Ok(Span::Picoseconds(80_000)));
        assert_eq!("13.75ns".parse(), Ok(Span::Picoseconds(13_750)));
        assert_eq!("4cycles".parse(), Ok(Span::Cycles(4)));
        assert!("4".parse::<Span>().is_err());
        assert_eq!("3.7GHz".parse(), Ok(Frequency(3_700_000_000)));
        assert_eq!(Frequency(3_700_000_000).to_string(), "3700MHz");
        assert_eq!(Frequency(4_000_000_000).cycles(1), 1);
        assert_eq!(Frequency(4_000_000_000).cycles(80_000), 320);
    }
}
