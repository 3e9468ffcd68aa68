//! `os.reclaim`: a policy's name, or a table with its parameters.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A reclaim policy with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReclaimPolicy {
    /// First in, first out.
    Fifo,
    /// The least recently touched page.
    #[default]
    Lru,
    /// A hand over a circular list with referenced bits.
    Clock(ClockSetting),
    /// A queue whose referenced pages go to its end.
    SecondChance(SecondChanceSetting),
    /// Any page.
    Random,
    /// The page that is used again last.
    Opt,
}

/// Parameters of `clock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSetting {
    /// Whether a new page's referenced bit is set.
    pub insert_referenced: bool,
    /// Bits of a page's use counter, 1 to 8.
    pub bits: u8,
}

impl Default for ClockSetting {
    fn default() -> Self {
        Self { insert_referenced: true, bits: 1 }
    }
}

/// Parameters of `second-chance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondChanceSetting {
    /// Whether a new page's referenced bit is set.
    pub insert_referenced: bool,
}

impl Default for SecondChanceSetting {
    fn default() -> Self {
        Self { insert_referenced: true }
    }
}

const KNOWN: [&str; 6] = ["fifo", "lru", "clock", "second-chance", "random", "opt"];
const LATER: [&str; 14] = [
    "linux-lru",
    "mglru",
    "arc",
    "car",
    "2q",
    "lirs",
    "lfu",
    "nfu",
    "aging",
    "wsclock",
    "clock-pro",
    "s3fifo",
    "sieve",
    "mru",
];

impl ReclaimPolicy {
    /// The policy's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Lru => "lru",
            Self::Clock(_) => "clock",
            Self::SecondChance(_) => "second-chance",
            Self::Random => "random",
            Self::Opt => "opt",
        }
    }

    /// Whether the policy needs to know when a page is used next.
    pub fn needs_next_use(&self) -> bool {
        matches!(self, Self::Opt)
    }

    fn named(name: &str) -> Result<Self, String> {
        match name {
            "fifo" => Ok(Self::Fifo),
            "lru" => Ok(Self::Lru),
            "clock" => Ok(Self::Clock(ClockSetting::default())),
            "second-chance" => Ok(Self::SecondChance(SecondChanceSetting::default())),
            "random" => Ok(Self::Random),
            "opt" => Ok(Self::Opt),
            _ if LATER.contains(&name) => {
                Err(format!("reclaim policy `{name}` is not modelled yet"))
            }
            _ => {
                let all = KNOWN.iter().chain(&LATER);
                let nearest = all.max_by(|a, b| {
                    strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name))
                });
                Err(format!(
                    "unknown reclaim policy `{name}`; did you mean `{}`? Known are {}",
                    nearest.unwrap_or(&"lru"),
                    KNOWN.join(", ")
                ))
            }
        }
    }

    /// Sets a parameter; an error names those that there are.
    fn set(&mut self, key: &str, value: &toml::Value) -> Result<(), String> {
        let flag = || value.as_bool().ok_or_else(|| format!("`{key}` must be true or false"));
        match (&mut *self, key) {
            (Self::Clock(setting), "insert_referenced") => setting.insert_referenced = flag()?,
            (Self::SecondChance(setting), "insert_referenced") => {
                setting.insert_referenced = flag()?
            }
            (Self::Clock(setting), "bits") => {
                let bits = value.as_integer().filter(|bits| (1..=8).contains(bits));
                setting.bits = bits.ok_or("`bits` must be a number from 1 to 8")? as u8;
            }
            _ => {
                let known = match self {
                    Self::Clock(_) => "insert_referenced, bits",
                    Self::SecondChance(_) => "insert_referenced",
                    _ => "none",
                };
                return Err(format!(
                    "`{}` has no parameter `{key}`; its parameters: {known}",
                    self.name()
                ));
            }
        }
        Ok(())
    }
}

struct PolicyVisitor;

impl<'de> Visitor<'de> for PolicyVisitor {
    type Value = ReclaimPolicy;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reclaim policy's name, or a table such as { policy = \"clock\", bits = 1 }")
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<ReclaimPolicy, E> {
        ReclaimPolicy::named(name).map_err(E::custom)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReclaimPolicy, A::Error> {
        let (mut policy, mut parameters) = (None, Vec::new());
        while let Some(key) = map.next_key::<String>()? {
            if key == "policy" {
                let name: String = map.next_value()?;
                policy = Some(ReclaimPolicy::named(&name).map_err(A::Error::custom)?);
            } else {
                parameters.push((key, map.next_value::<toml::Value>()?));
            }
        }
        let mut policy = policy.ok_or_else(|| A::Error::missing_field("policy"))?;
        for (key, value) in parameters {
            policy.set(&key, &value).map_err(A::Error::custom)?;
        }
        Ok(policy)
    }
}

impl<'de> Deserialize<'de> for ReclaimPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PolicyVisitor)
    }
}

impl Serialize for ReclaimPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Clock(setting) => {
                let mut table = serializer.serialize_struct("ReclaimPolicy", 3)?;
                table.serialize_field("policy", self.name())?;
                table.serialize_field("insert_referenced", &setting.insert_referenced)?;
                table.serialize_field("bits", &setting.bits)?;
                table.end()
            }
            Self::SecondChance(setting) => {
                let mut table = serializer.serialize_struct("ReclaimPolicy", 2)?;
                table.serialize_field("policy", self.name())?;
                table.serialize_field("insert_referenced", &setting.insert_referenced)?;
                table.end()
            }
            _ => serializer.serialize_str(self.name()),
        }
    }
}

impl JsonSchema for ReclaimPolicy {
    fn schema_name() -> Cow<'static, str> {
        "ReclaimPolicy".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [
            { "enum": KNOWN },
            { "type": "object", "additionalProperties": false, "required": ["policy"], "properties": {
                "policy": { "enum": KNOWN },
                "insert_referenced": {
                    "description": "clock, second-chance: whether a new page's referenced bit is set",
                    "type": "boolean", "default": true
                },
                "bits": {
                    "description": "clock: bits of a page's use counter",
                    "type": "integer", "minimum": 1, "maximum": 8, "default": 1
                }
            } }
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Wrapper {
        reclaim: ReclaimPolicy,
    }

    fn read(text: &str) -> Result<ReclaimPolicy, String> {
        toml::from_str::<Wrapper>(&format!("reclaim = {text}"))
            .map(|w| w.reclaim)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn a_name_or_a_table() {
        assert_eq!(
            read("\"second-chance\""),
            Ok(ReclaimPolicy::SecondChance(SecondChanceSetting::default()))
        );
        let setting = ClockSetting { insert_referenced: false, bits: 2 };
        let clock = read("{ bits = 2, policy = \"clock\", insert_referenced = false }");
        assert_eq!(clock, Ok(ReclaimPolicy::Clock(setting)));
        for policy in [ReclaimPolicy::Opt, ReclaimPolicy::Clock(setting)] {
            let text = toml::to_string(&Wrapper { reclaim: policy }).unwrap();
            assert_eq!(toml::from_str::<Wrapper>(&text).unwrap().reclaim, policy);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(read("\"mglru\"").unwrap_err().contains("not modelled yet"));
        assert!(read("\"clok\"").unwrap_err().contains("`clock`"));
        assert!(
            read("{ policy = \"lru\", bits = 1 }").unwrap_err().contains("no parameter `bits`")
        );
        assert!(read("{ policy = \"clock\", bits = 9 }").unwrap_err().contains("1 to 8"));
        assert!(read("{ bits = 1 }").unwrap_err().contains("policy"));
    }
}
