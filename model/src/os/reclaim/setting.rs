//! `os.reclaim`: a policy's name, or a table with its parameters.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value as Json, json};

use super::parameters::{Parameter, Value};

/// A reclaim policy with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ReclaimPolicy {
    /// First in, first out.
    Fifo,
    /// The least recently touched page.
    #[default]
    Lru,
    /// The most recently touched page.
    Mru,
    /// A hand over a circular list with referenced bits.
    Clock(ClockSetting),
    /// A queue whose referenced pages go to its end.
    SecondChance(SecondChanceSetting),
    /// The page with the fewest uses.
    Lfu,
    /// The page that was found used at the fewest clock ticks.
    Nfu(NfuSetting),
    /// Counters that are halved at every clock tick.
    Aging(AgingSetting),
    /// A clock that spares the working set.
    WsClock(WsClockSetting),
    /// A queue with a hand that moves from old to new.
    Sieve,
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

/// Parameters of `nfu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NfuSetting {
    /// Uses between two clock ticks.
    pub tick: u64,
}

impl Default for NfuSetting {
    fn default() -> Self {
        Self { tick: 1 }
    }
}

/// Parameters of `aging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgingSetting {
    /// Uses between two clock ticks.
    pub tick: u64,
    /// Bits of a counter, 1 to 16.
    pub bits: u8,
}

impl Default for AgingSetting {
    fn default() -> Self {
        Self { tick: 1, bits: 8 }
    }
}

/// Parameters of `wsclock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WsClockSetting {
    /// The working set's window in uses; `None` for as many as memory holds pages.
    pub tau: Option<u64>,
}

const KNOWN: [&str; 12] = [
    "fifo",
    "lru",
    "mru",
    "clock",
    "second-chance",
    "lfu",
    "nfu",
    "aging",
    "wsclock",
    "sieve",
    "random",
    "opt",
];
const LATER: [&str; 8] = ["linux-lru", "mglru", "arc", "car", "2q", "lirs", "clock-pro", "s3fifo"];

const TICK: &str = "Uses between two clock ticks; those that the policy sees.";

impl ReclaimPolicy {
    /// The policy's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Lru => "lru",
            Self::Mru => "mru",
            Self::Clock(_) => "clock",
            Self::SecondChance(_) => "second-chance",
            Self::Lfu => "lfu",
            Self::Nfu(_) => "nfu",
            Self::Aging(_) => "aging",
            Self::WsClock(_) => "wsclock",
            Self::Sieve => "sieve",
            Self::Random => "random",
            Self::Opt => "opt",
        }
    }

    /// Whether the policy needs to know when a page is used next.
    pub fn needs_next_use(&self) -> bool {
        matches!(self, Self::Opt)
    }

    /// Whether the policy remembers pages that it has given up.
    pub fn remembers(&self) -> bool {
        false
    }

    /// The policy of that name, as it is without parameters.
    fn known(name: &str) -> Option<Self> {
        Some(match name {
            "fifo" => Self::Fifo,
            "lru" => Self::Lru,
            "mru" => Self::Mru,
            "clock" => Self::Clock(ClockSetting::default()),
            "second-chance" => Self::SecondChance(SecondChanceSetting::default()),
            "lfu" => Self::Lfu,
            "nfu" => Self::Nfu(NfuSetting::default()),
            "aging" => Self::Aging(AgingSetting::default()),
            "wsclock" => Self::WsClock(WsClockSetting::default()),
            "sieve" => Self::Sieve,
            "random" => Self::Random,
            "opt" => Self::Opt,
            _ => return None,
        })
    }

    /// The policy's parameters.
    fn parameters(&mut self) -> Vec<Parameter<'_>> {
        let parameter = |name, doc, value| Parameter { name, doc, value };
        let inserted = "Whether a new page's referenced bit is set.";
        match self {
            Self::Clock(ClockSetting { insert_referenced, bits }) => vec![
                parameter("insert_referenced", inserted, Value::Flag(insert_referenced)),
                parameter("bits", "Bits of a page's use counter.", Value::Small(bits, 1..=8)),
            ],
            Self::SecondChance(SecondChanceSetting { insert_referenced }) => {
                vec![parameter("insert_referenced", inserted, Value::Flag(insert_referenced))]
            }
            Self::Nfu(NfuSetting { tick }) => vec![parameter("tick", TICK, Value::Count(tick))],
            Self::Aging(AgingSetting { tick, bits }) => vec![
                parameter("tick", TICK, Value::Count(tick)),
                parameter("bits", "Bits of a counter.", Value::Small(bits, 1..=16)),
            ],
            Self::WsClock(WsClockSetting { tau }) => {
                let doc = "The working set's window in uses that the policy sees. Default: as many as \
                           memory holds pages.";
                vec![parameter("tau", doc, Value::Optional(tau))]
            }
            Self::Fifo
            | Self::Lru
            | Self::Mru
            | Self::Lfu
            | Self::Sieve
            | Self::Random
            | Self::Opt => Vec::new(),
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        if let Some(policy) = Self::known(name) {
            return Ok(policy);
        }
        if LATER.contains(&name) {
            return Err(format!("reclaim policy `{name}` is not modelled yet"));
        }
        let all = KNOWN.iter().chain(&LATER);
        let nearest = all
            .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
        Err(format!(
            "unknown reclaim policy `{name}`; did you mean `{}`? Known are {}",
            nearest.unwrap_or(&"lru"),
            KNOWN.join(", ")
        ))
    }

    /// Sets a parameter; an error names those that there are.
    fn set(&mut self, key: &str, value: &toml::Value) -> Result<(), String> {
        let name = self.name();
        let mut parameters = self.parameters();
        match parameters.iter_mut().find(|parameter| parameter.name == key) {
            Some(found) => {
                found.value.set(value).map_err(|allowed| format!("`{key}` must be {allowed}"))
            }
            None => {
                let known: Vec<_> = parameters.iter().map(|parameter| parameter.name).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(format!("`{name}` has no parameter `{key}`; its parameters: {known}"))
            }
        }
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
        let mut copy = *self;
        let parameters = copy.parameters();
        let given: Vec<_> =
            parameters.iter().filter_map(|p| Some((p.name, p.value.get()?))).collect();
        if given.is_empty() {
            return serializer.serialize_str(self.name());
        }
        let mut table = serializer.serialize_map(Some(1 + given.len()))?;
        table.serialize_entry("policy", self.name())?;
        for (name, value) in given {
            table.serialize_entry(name, &value)?;
        }
        table.end()
    }
}

impl JsonSchema for ReclaimPolicy {
    fn schema_name() -> Cow<'static, str> {
        "ReclaimPolicy".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let (mut plain, mut tables) = (Vec::new(), vec![json!({ "enum": KNOWN })]);
        let table = |properties: Json| {
            json!({
                "type": "object", "additionalProperties": false, "required": ["policy"],
                "properties": properties
            })
        };
        for name in KNOWN {
            let Some(mut policy) = Self::known(name) else { continue };
            let parameters = policy.parameters();
            if parameters.is_empty() {
                plain.push(name);
                continue;
            }
            let mut properties = json!({ "policy": { "const": name } });
            for parameter in parameters {
                properties[parameter.name] = parameter.schema();
            }
            tables.push(table(properties));
        }
        tables.push(table(json!({ "policy": { "enum": plain } })));
        json_schema!({ "oneOf": tables })
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
        let tau = ReclaimPolicy::WsClock(WsClockSetting { tau: Some(7) });
        let known = KNOWN.into_iter().map(|name| ReclaimPolicy::known(name).unwrap());
        for policy in known.chain([ReclaimPolicy::Clock(setting), tau]) {
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
