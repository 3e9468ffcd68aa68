//! Parameters of policies: where their values are, what they may be, and what they mean.

use std::ops::RangeInclusive;

use serde_json::{Value as Json, json};

/// A parameter of a policy.
pub(super) struct Parameter<'a> {
    pub name: &'static str,
    pub doc: &'static str,
    pub value: Value<'a>,
}

/// Where the value is, and what it may be.
pub(super) enum Value<'a> {
    Flag(&'a mut bool),
    Small(&'a mut u8, RangeInclusive<u8>),
    Count(&'a mut u64),
    /// May be left out.
    Optional(&'a mut Option<u64>),
    Share(&'a mut f64, RangeInclusive<f64>),
}

impl Value<'_> {
    /// Sets it; an error says what it may be.
    pub fn set(&mut self, given: &toml::Value) -> Result<(), String> {
        let count = || given.as_integer().and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
        match self {
            Self::Flag(flag) => **flag = given.as_bool().ok_or("true or false")?,
            Self::Small(small, range) => {
                let number = given.as_integer().and_then(|number| u8::try_from(number).ok());
                **small = number
                    .filter(|number| range.contains(number))
                    .ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))?;
            }
            Self::Count(number) => **number = count().ok_or("a number from 1")?,
            Self::Optional(number) => **number = Some(count().ok_or("a number from 1")?),
            Self::Share(share, range) => {
                let number = given.as_float().or_else(|| given.as_integer().map(|n| n as f64));
                **share = number
                    .filter(|number| range.contains(number))
                    .ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))?;
            }
        }
        Ok(())
    }

    /// As JSON; `None` where it is left out.
    pub fn get(&self) -> Option<Json> {
        match self {
            Self::Flag(flag) => Some(json!(flag)),
            Self::Small(small, _) => Some(json!(small)),
            Self::Count(number) => Some(json!(number)),
            Self::Optional(number) => number.map(|number| json!(number)),
            Self::Share(share, _) => Some(json!(share)),
        }
    }
}

impl Parameter<'_> {
    /// Its JSON Schema; the value that it has is the default.
    pub fn schema(&self) -> Json {
        let mut schema = match &self.value {
            Value::Flag(_) => json!({ "type": "boolean" }),
            Value::Small(_, range) => {
                json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
            }
            Value::Count(_) | Value::Optional(_) => json!({ "type": "integer", "minimum": 1 }),
            Value::Share(_, range) => {
                json!({ "type": "number", "minimum": range.start(), "maximum": range.end() })
            }
        };
        schema["description"] = json!(self.doc);
        if let Some(default) = self.value.get() {
            schema["default"] = default;
        }
        schema
    }
}

/// A share of `pages`, rounded down.
pub(super) fn share(of: f64, pages: usize) -> usize {
    (pages as f64 * of) as usize
}
