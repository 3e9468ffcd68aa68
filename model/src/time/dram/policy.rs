//! Choices of the controller: when rows are closed, how they are refreshed, how banks are spread.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::Span;

/// What happens to a row after use. A row that a request in the queue wants stays open whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowPolicy {
    /// It stays open until another is wanted or the bank is refreshed.
    #[default]
    Open,
    /// It is closed as soon as the timing constraints allow and the command bus is free.
    Closed,
    /// It is closed so long after the last read or write.
    Timeout(Span),
}

/// How rows are refreshed: `true` is "all-bank".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refresh {
    /// Not at all.
    None,
    /// A rank at once, for which all of its rows are closed.
    #[default]
    AllBank,
    /// In turns: one bank, or the few that the standard refreshes together.
    PerBank,
}

/// How a refresh may be spelled.
#[derive(Deserialize)]
#[serde(untagged)]
enum Spelled {
    Flag(bool),
    Name(String),
}

impl<'de> Deserialize<'de> for Refresh {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "expected true, false, \"all-bank\" or \"per-bank\"";
        let spelled = Spelled::deserialize(deserializer).map_err(|_| Error::custom(EXPECTED))?;
        match spelled {
            Spelled::Flag(false) => Ok(Self::None),
            Spelled::Flag(true) => Ok(Self::AllBank),
            Spelled::Name(name) if name == "all-bank" => Ok(Self::AllBank),
            Spelled::Name(name) if name == "per-bank" => Ok(Self::PerBank),
            Spelled::Name(name) => Err(Error::custom(format!("no refresh `{name}`: {EXPECTED}"))),
        }
    }
}

impl Serialize for Refresh {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_bool(false),
            Self::AllBank => serializer.serialize_bool(true),
            Self::PerBank => serializer.serialize_str("per-bank"),
        }
    }
}

impl JsonSchema for Refresh {
    fn schema_name() -> Cow<'static, str> {
        "Refresh".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How rows are refreshed: `true` is \"all-bank\".",
            "oneOf": [
                { "type": "boolean" },
                { "type": "string", "enum": ["all-bank", "per-bank"] },
            ],
        })
    }
}

/// How the bank is found besides from its own bits of the address. Rows of one bank that are used in turn
/// are spread over the banks, and a row stays in one bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// Not at all.
    #[default]
    None,
    /// The number of the bank in its rank is combined, by exclusive or, with as many of the lowest bits of
    /// the row (Zhang, Zhu and Zhang, MICRO 2000).
    Permutation,
    /// It is combined with all bits of the row, folded to its width: each bank bit is the parity of every
    /// so many bits, as in the functions found in processors (Pessl et al., USENIX Security 2016).
    Xor,
}

#[cfg(test)]
mod tests {
    use super::super::settings::Dram;
    use super::*;

    #[test]
    fn policies_are_read_and_written() {
        let read = |text: &str| toml::from_str::<Dram>(text).map_err(|error| error.to_string());
        for (text, page, refresh, hash) in [
            ("page = \"open\"\nrefresh = true", RowPolicy::Open, Refresh::AllBank, Hash::None),
            (
                "page = \"closed\"\nrefresh = false\nhash = \"xor\"",
                RowPolicy::Closed,
                Refresh::None,
                Hash::Xor,
            ),
            (
                "page = { timeout = \"100ns\" }\nrefresh = \"per-bank\"\nhash = \"permutation\"",
                RowPolicy::Timeout(Span::Picoseconds(100_000)),
                Refresh::PerBank,
                Hash::Permutation,
            ),
            ("refresh = \"all-bank\"", RowPolicy::Open, Refresh::AllBank, Hash::None),
        ] {
            let settings = read(text).unwrap();
            assert_eq!((settings.page, settings.refresh, settings.hash), (page, refresh, hash));
            assert_eq!(read(&toml::to_string(&settings).unwrap()), Ok(settings));
        }
        assert!(read("page = \"shut\"").unwrap_err().contains("shut"));
        assert!(read("refresh = \"some\"").unwrap_err().contains("`some`"));
        assert!(read("refresh = 3").unwrap_err().contains("expected true"));
    }
}
