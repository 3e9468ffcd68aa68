//! A TOML document as a tree in which every key and value knows the layer and the place that it was
//! written at, also after layers were merged.

use std::ops::Range;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;

/// How deep tables and arrays may nest; a machine needs six.
pub const DEPTH: usize = 32;

/// Where something was written: a layer by its index, and bytes of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Index of the layer.
    pub layer: usize,
    /// Bytes of the layer's text.
    pub span: Range<usize>,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it was written last.
    pub place: Place,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A string, number, boolean or date.
    Scalar(Value),
    /// An array.
    Array(Vec<Node>),
    /// A table in the order of writing.
    Table(Vec<Entry>),
}

/// A key of a table and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key was written.
    pub key_place: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// An empty table.
    pub fn table(place: Place) -> Self {
        Self { kind: Kind::Table(Vec::new()), place }
    }

    /// The value under `key`, if this is a table that has it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.kind {
            Kind::Table(entries) => {
                let entry = entries.iter_mut().find(|entry| entry.key == key)?;
                Some(&mut entry.value)
            }
            _ => None,
        }
    }

    /// The value of a key of a table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of `key`, if this is a table that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Table(entries) => entries.iter().find(|entry| entry.key == key),
            Kind::Scalar(_) | Kind::Array(_) => None,
        }
    }

    /// Takes `key` out of this table.
    pub fn take(&mut self, key: &str) -> Option<Entry> {
        match &mut self.kind {
            Kind::Table(entries) => {
                let at = entries.iter().position(|entry| entry.key == key)?;
                Some(entries.remove(at))
            }
            Kind::Scalar(_) | Kind::Array(_) => None,
        }
    }

    /// Puts a value under `key` of this table.
    pub fn put(&mut self, key: &str, key_place: Place, value: Node) {
        self.take(key);
        if let Kind::Table(entries) = &mut self.kind {
            entries.push(Entry { key: key.to_owned(), key_place, value });
        }
    }

    /// The text that this is, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(value) => value.as_str(),
            Kind::Array(_) | Kind::Table(_) => None,
        }
    }

    /// The plain value, without places.
    pub fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Array(items) => Value::Array(items.iter().map(Self::value).collect()),
            Kind::Table(entries) => Value::Table(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.value())).collect(),
            ),
        }
    }
}

/// Parses the text of `layer`. Places are shifted left by `shift` bytes, for text that stands behind a
/// prefix of so many bytes.
///
/// # Errors
/// The first syntax error, an integer that does not fit 64 bits, or nesting deeper than [`DEPTH`].
pub fn parse(text: &str, layer: usize, shift: usize) -> Result<Node, Diagnostic> {
    let converter = Converter { layer, shift };
    let table = DeTable::parse(text).map_err(|error| {
        let place = error.span().map(|span| converter.place(span));
        Diagnostic::new(error.message().trim_end(), place)
    })?;
    let span = table.span();
    converter.table(table.into_inner(), span, 0)
}

struct Converter {
    layer: usize,
    shift: usize,
}

impl Converter {
    fn place(&self, span: Range<usize>) -> Place {
        let shifted = |at: usize| at.saturating_sub(self.shift);
        Place { layer: self.layer, span: shifted(span.start)..shifted(span.end) }
    }

    fn table(
        &self,
        table: DeTable<'_>,
        span: Range<usize>,
        depth: usize,
    ) -> Result<Node, Diagnostic> {
        let mut entries = Vec::new();
        for (key, value) in table {
            let key_place = self.place(key.span());
            let span = if value.span().is_empty() { key.span() } else { value.span() };
            entries.push(Entry {
                key: key.into_inner().into_owned(),
                key_place,
                value: self.value(value.into_inner(), span, depth + 1)?,
            });
        }
        Ok(Node { kind: Kind::Table(entries), place: self.place(span) })
    }

    fn value(
        &self,
        value: DeValue<'_>,
        span: Range<usize>,
        depth: usize,
    ) -> Result<Node, Diagnostic> {
        let place = self.place(span.clone());
        if depth > DEPTH {
            let message = format!("nested deeper than {DEPTH} levels");
            return Err(Diagnostic::new(message, Some(place)));
        }
        let scalar = match value {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Integer(digits) => {
                match i64::from_str_radix(digits.as_str(), digits.radix()) {
                    Ok(integer) => Value::Integer(integer),
                    Err(_) => {
                        return Err(Diagnostic::new("the number is too large", Some(place)));
                    }
                }
            }
            DeValue::Float(digits) => match digits.as_str().parse() {
                Ok(float) => Value::Float(float),
                Err(_) => return Err(Diagnostic::new("not a number", Some(place))),
            },
            DeValue::Boolean(value) => Value::Boolean(value),
            DeValue::Datetime(value) => Value::Datetime(value),
            DeValue::Array(items) => {
                let items = items.into_iter().map(|item| {
                    let span = item.span();
                    self.value(item.into_inner(), span, depth + 1)
                });
                let kind = Kind::Array(items.collect::<Result<_, _>>()?);
                return Ok(Node { kind, place });
            }
            DeValue::Table(table) => return self.table(table, span, depth),
        };
        Ok(Node { kind: Kind::Scalar(scalar), place })
    }
}
