//! A workload's parameters: declaration, spelling, ranges.

use std::fmt;

use super::Entry;
use crate::error::TraceError;

/// A parameter that a workload declares.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Type and range.
    pub kind: Kind,
    /// What it is when nobody sets it.
    pub default: Default,
    /// What it means, in a line.
    pub doc: &'static str,
}

/// A parameter's type and range; both ends are included.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "min and max are the ends of the range")]
pub enum Kind {
    /// A whole number.
    Integer { min: u64, max: u64 },
    /// A number of bytes.
    Size { min: u64, max: u64 },
    /// A real number.
    Float { min: f64, max: f64 },
    /// `true` or `false`.
    Boolean,
    /// One of these names.
    Name(&'static [&'static str]),
    /// A file that the workload reads.
    File,
}

/// A parameter's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// A value, spelled as a user would.
    Value(&'static str),
    /// Computed from other parameters; the text says how.
    Derived(&'static str),
    /// There is none: it has to be set.
    Required,
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(u64),
    /// A number of bytes.
    Size(u64),
    /// A real number.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A name.
    Name(&'static str),
    /// A file's path.
    File(String),
}

/// Binary units, largest first.
const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Size(0) => f.write_str("0B"),
            Self::Size(value) => {
                let (unit, bytes) =
                    UNITS.into_iter().find(|(_, bytes)| value % bytes == 0).unwrap_or(("B", 1));
                write!(f, "{}{unit}", value / bytes)
            }
            Self::Float(value) => value.fmt(f),
            Self::Boolean(value) => value.fmt(f),
            Self::Name(value) => value.fmt(f),
            Self::File(value) => value.fmt(f),
        }
    }
}

impl fmt::Display for Default {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value(text) | Self::Derived(text) => text,
            Self::Required => "none: it has to be set",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer { min, max: u64::MAX } => write!(f, "an integer from {min}"),
            Self::Integer { min, max } => write!(f, "an integer from {min} to {max}"),
            Self::Size { min, max } => {
                write!(f, "a size from {} to {}", Value::Size(*min), Value::Size(*max))
            }
            Self::Float { min, max } => write!(f, "a number from {min} to {max}"),
            Self::Boolean => f.write_str("true or false"),
            Self::Name(names) => f.write_str(&names.join(", ")),
            Self::File => f.write_str("a file"),
        }
    }
}

impl Kind {
    /// The type's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer { .. } => "integer",
            Self::Size { .. } => "size",
            Self::Float { .. } => "float",
            Self::Boolean => "boolean",
            Self::Name(_) => "name",
            Self::File => "file",
        }
    }

    /// The unit of a bare number, where it has one.
    pub fn unit(self) -> Option<&'static str> {
        matches!(self, Self::Size { .. }).then_some("bytes")
    }

    /// Reads a value of this kind; `None` if `text` is not one or is out of range.
    fn parse(self, text: &str) -> Option<Value> {
        let text = text.trim();
        let bare = match text.as_bytes() {
            [b'"', .., b'"'] | [b'\'', .., b'\''] => text.get(1..text.len() - 1)?,
            _ => text,
        };
        match self {
            Self::Integer { min, max } => {
                integer(text).filter(|value| (min..=max).contains(value)).map(Value::Integer)
            }
            Self::Size { min, max } => {
                size(bare).filter(|value| (min..=max).contains(value)).map(Value::Size)
            }
            Self::Float { min, max } => {
                let digits = without_underscores(text)?;
                let value = digits.parse().ok().filter(|value| (min..=max).contains(value))?;
                Some(Value::Float(value))
            }
            Self::Boolean => text.parse().ok().map(Value::Boolean),
            Self::Name(names) => names.iter().find(|name| **name == bare).map(|n| Value::Name(n)),
            Self::File => (!bare.is_empty()).then(|| Value::File(bare.to_owned())),
        }
    }
}

/// The digits of a TOML number: underscores stand between two digits only.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let lonely = |at: usize| at == 0 || !digit(at - 1) || !digit(at + 1);
    let bad = bytes.iter().enumerate().any(|(at, byte)| *byte == b'_' && lonely(at));
    (!bad).then(|| text.replace('_', ""))
}

/// An unsigned TOML integer: decimal, 0x, 0o or 0b.
fn integer(text: &str) -> Option<u64> {
    let digits = without_underscores(text)?;
    let (digits, radix) = match digits.get(..2) {
        Some("0x") => (&digits[2..], 16),
        Some("0o") => (&digits[2..], 8),
        Some("0b") => (&digits[2..], 2),
        _ => (&digits[..], 10),
    };
    // `from_str_radix` takes a sign, TOML takes none after a prefix.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// Bytes: an integer, or an integer with a binary unit.
fn size(text: &str) -> Option<u64> {
    for (unit, bytes) in UNITS {
        if let Some(number) = text.strip_suffix(unit) {
            return integer(number.trim_end())?.checked_mul(bytes);
        }
    }
    integer(text)
}

/// A workload's parameters with their values.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    workload: &'static str,
    values: Vec<(&'static str, Option<Value>)>,
}

impl Settings {
    /// The values that `given` and the defaults of `entry` make.
    pub(super) fn resolve(
        entry: &'static Entry,
        given: &[(String, String)],
    ) -> Result<Self, TraceError> {
        let name = entry.name;
        for (key, _) in given {
            if !entry.all_parameters().any(|parameter| parameter.name == key) {
                let near = nearest(key, entry.all_parameters().map(|parameter| parameter.name));
                let message = format!("{name} has no parameter {key:?}{near}");
                return Err(TraceError::Workload(message));
            }
        }
        let mut values = Vec::new();
        for parameter in entry.all_parameters() {
            let set = given.iter().rev().find(|(key, _)| key == parameter.name);
            let text = match (set, parameter.default) {
                (Some((_, text)), _) => text.as_str(),
                (None, Default::Value(text)) => text,
                (None, Default::Derived(_)) => {
                    values.push((parameter.name, None));
                    continue;
                }
                (None, Default::Required) => {
                    let message = format!(
                        "{name}: {} is not set: expected {}",
                        parameter.name, parameter.kind
                    );
                    return Err(TraceError::Workload(message));
                }
            };
            let value = parameter.kind.parse(text).ok_or_else(|| {
                let near = match parameter.kind {
                    Kind::Name(names) => nearest(text, names.iter().copied()),
                    _ => String::new(),
                };
                TraceError::Workload(format!(
                    "{name}: {} = {text}: expected {}{near}",
                    parameter.name, parameter.kind
                ))
            })?;
            values.push((parameter.name, Some(value)));
        }
        Ok(Self { workload: name, values })
    }

    /// The workload's name.
    pub fn workload(&self) -> &'static str {
        self.workload
    }

    /// Every parameter with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.values.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?)))
    }

    /// The integer or size `name`.
    ///
    /// # Errors
    /// It is not declared, is of another type, or has no value yet.
    pub fn integer(&self, name: &str) -> Result<u64, TraceError> {
        match self.get(name) {
            Some(Value::Integer(value) | Value::Size(value)) => Ok(*value),
            _ => Err(self.undeclared(name)),
        }
    }

    /// The integer or size `name`; where nobody set it, it becomes `default`.
    ///
    /// # Errors
    /// It is not declared or of another type.
    pub fn integer_or(&mut self, name: &str, default: u64) -> Result<u64, TraceError> {
        if let Some((_, value @ None)) = self.values.iter_mut().find(|(own, _)| *own == name) {
            *value = Some(Value::Integer(default));
        }
        self.integer(name)
    }

    /// The number `name`.
    ///
    /// # Errors
    /// It is not declared or of another type.
    pub fn float(&self, name: &str) -> Result<f64, TraceError> {
        match self.get(name) {
            Some(Value::Float(value)) => Ok(*value),
            _ => Err(self.undeclared(name)),
        }
    }

    /// The boolean `name`.
    ///
    /// # Errors
    /// It is not declared or of another type.
    pub fn boolean(&self, name: &str) -> Result<bool, TraceError> {
        match self.get(name) {
            Some(Value::Boolean(value)) => Ok(*value),
            _ => Err(self.undeclared(name)),
        }
    }

    /// The name that `name` is set to.
    ///
    /// # Errors
    /// It is not declared or of another type.
    pub fn name(&self, name: &str) -> Result<&'static str, TraceError> {
        match self.get(name) {
            Some(Value::Name(value)) => Ok(value),
            _ => Err(self.undeclared(name)),
        }
    }

    /// The name that `name` is set to; where nobody set it, it becomes `default`.
    ///
    /// # Errors
    /// It is not declared or of another type.
    pub fn name_or(
        &mut self,
        name: &str,
        default: &'static str,
    ) -> Result<&'static str, TraceError> {
        if let Some((_, value @ None)) = self.values.iter_mut().find(|(own, _)| *own == name) {
            *value = Some(Value::Name(default));
        }
        self.name(name)
    }

    /// The path of the file that `name` is set to.
    ///
    /// # Errors
    /// It is not declared or of another type.
    pub fn file(&self, name: &str) -> Result<&str, TraceError> {
        match self.get(name) {
            Some(Value::File(path)) => Ok(path),
            _ => Err(self.undeclared(name)),
        }
    }

    /// Whether `name` has a value.
    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The error of a value that does not fit for a reason that its range cannot say.
    pub fn refuse(&self, name: &str, expected: &str) -> TraceError {
        let value = self.get(name).map(ToString::to_string).unwrap_or_default();
        TraceError::Workload(format!("{}: {name} = {value}: expected {expected}", self.workload))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// A workload asked for what it did not declare.
    fn undeclared(&self, name: &str) -> TraceError {
        TraceError::Workload(format!("{} declares no such parameter {name:?}", self.workload))
    }
}

/// `; did you mean …?` with the nearest of `names`, or a list of them if none is near.
pub(super) fn nearest(wrong: &str, names: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.iter().min_by_key(|name| distance(wrong, name)) {
        Some(name) if distance(wrong, name) <= 1 + name.len() / 3 => {
            format!("; did you mean {name:?}?")
        }
        _ => format!("; there are {}", names.join(", ")),
    }
}

/// Levenshtein's edit distance (Soviet Physics Doklady 10, 1966), row by row.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        row[0] = left;
        for (to, above) in b.iter().zip(&mut row[1..]) {
            left = (diagonal + usize::from(from != *to)).min(left + 1).min(*above + 1);
            diagonal = std::mem::replace(above, left);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::{open, registry};

    #[test]
    fn values_are_spelled_as_in_toml() {
        let sizes = Kind::Size { min: 0, max: u64::MAX };
        assert_eq!(sizes.parse("\"1GiB\""), Some(Value::Size(1 << 30)));
        assert_eq!(sizes.parse("64KiB"), Some(Value::Size(64 << 10)));
        assert_eq!(sizes.parse("4_096"), Some(Value::Size(4096)));
        for bad in ["64KB", "64 K", "-1", "1.5GiB", "", "_1", "1_", "1__0", "99999999TiB"] {
            assert_eq!(sizes.parse(bad), None, "{bad}");
        }
        let integers = Kind::Integer { min: 1, max: 1000 };
        assert_eq!(integers.parse("1_000"), Some(Value::Integer(1000)));
        assert_eq!(integers.parse("0x10"), Some(Value::Integer(16)));
        for bad in ["0", "1001", "+5", "0x+5", "5.0", "\"5\""] {
            assert_eq!(integers.parse(bad), None, "{bad}");
        }
        let floats = Kind::Float { min: 0.0, max: 1.0 };
        assert_eq!(floats.parse("0.95"), Some(Value::Float(0.95)));
        for bad in ["nan", "inf", "1.01", "x"] {
            assert_eq!(floats.parse(bad), None, "{bad}");
        }
        assert_eq!(Kind::Boolean.parse("true"), Some(Value::Boolean(true)));
        assert_eq!(Kind::Name(&["a", "b"]).parse("'b'"), Some(Value::Name("b")));
    }

    #[test]
    fn sizes_print_as_they_are_written() {
        for text in ["64MiB", "1GiB", "100B", "3KiB", "0B"] {
            assert_eq!(Value::Size(size(text).unwrap()).to_string(), text);
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_kind() {
        for entry in registry() {
            for parameter in entry.all_parameters() {
                if let Default::Value(text) = parameter.default {
                    assert!(
                        parameter.kind.parse(text).is_some(),
                        "{}.{}",
                        entry.name,
                        parameter.name
                    );
                }
            }
        }
    }

    #[test]
    fn wrong_names_and_values_get_the_nearest_valid_one() {
        let error = |name: &str, key: &str, value: &str| {
            open(name, &[(key.into(), value.into())], 0).err().unwrap().to_string()
        };
        assert!(error("gusp", "seed", "1").contains("did you mean \"gups\"?"));
        assert!(error("gups", "tabel", "1").contains("did you mean \"table\"?"));
        let message = error("gups", "table", "12KB");
        assert!(message.contains("gups: table = 12KB: expected a size from"), "{message}");
        let message = error("gups", "table", "12KiB");
        assert!(message.contains("power of two"), "{message}");
    }

    #[test]
    fn edit_distances_are_levenshteins() {
        // The usual textbook pairs.
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("saturday", "sunday"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}
