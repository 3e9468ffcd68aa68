//! `os.reclaim`: a policy's name, or a table with its parameters.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value as Json, json};

use super::parameters::{Parameter, Value};
use super::{
    AgingSetting, ClockSetting, LirsSetting, NfuSetting, S3FifoSetting, SecondChanceSetting,
    TwoQueuesSetting, WsClockSetting,
};

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
    /// A queue for what is new, and a list by recency for what came back.
    TwoQueues(TwoQueuesSetting),
    /// Two queues with counts.
    S3Fifo(S3FifoSetting),
    /// A queue with a hand that moves from old to new.
    Sieve,
    /// Two lists by recency, for pages used once and more often, whose sizes adapt.
    Arc,
    /// The same with two clocks.
    Car,
    /// Pages by the distance of their last two uses.
    Lirs(LirsSetting),
    /// The same with referenced bits, and shares that adapt.
    ClockPro,
    /// Any page.
    Random,
    /// The page that is used again last.
    Opt,
}

const KNOWN: [&str; 18] = [
    "fifo",
    "lru",
    "mru",
    "clock",
    "second-chance",
    "lfu",
    "nfu",
    "aging",
    "wsclock",
    "2q",
    "s3fifo",
    "sieve",
    "arc",
    "car",
    "lirs",
    "clock-pro",
    "random",
    "opt",
];
const LATER: [&str; 2] = ["linux-lru", "mglru"];

const GHOSTS: &str =
    "How many pages that left the queue of new pages are remembered, in proportion to memory.";
/// More than this many times memory is a mistake.
const MOST_GHOSTS: f64 = 100.0;
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
            Self::TwoQueues(_) => "2q",
            Self::S3Fifo(_) => "s3fifo",
            Self::Sieve => "sieve",
            Self::Arc => "arc",
            Self::Car => "car",
            Self::Lirs(_) => "lirs",
            Self::ClockPro => "clock-pro",
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
        matches!(
            self,
            Self::TwoQueues(_)
                | Self::S3Fifo(_)
                | Self::Arc
                | Self::Car
                | Self::Lirs(_)
                | Self::ClockPro
        )
    }

    /// Whether the size of memory makes a difference to the policy before memory is full.
    pub fn fills_by_size(&self) -> bool {
        match self {
            Self::S3Fifo(setting) => setting.fill_main,
            _ => matches!(self, Self::Lirs(_) | Self::ClockPro),
        }
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
            "2q" => Self::TwoQueues(TwoQueuesSetting::default()),
            "s3fifo" => Self::S3Fifo(S3FifoSetting::default()),
            "sieve" => Self::Sieve,
            "arc" => Self::Arc,
            "car" => Self::Car,
            "lirs" => Self::Lirs(LirsSetting::default()),
            "clock-pro" => Self::ClockPro,
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
            Self::TwoQueues(TwoQueuesSetting { kin, kout }) => {
                let doc = "The share of memory that the queue of new pages may have before it gives up pages.";
                vec![
                    parameter("kin", doc, Value::Share(kin, 0.0..=1.0)),
                    parameter("kout", GHOSTS, Value::Share(kout, 0.0..=MOST_GHOSTS)),
                ]
            }
            Self::S3Fifo(S3FifoSetting { small, ghost, threshold, fill_main }) => {
                let doc = "The uses that take a page from the small queue to the main one.";
                let fills = "Whether pages come into the main queue while memory fills and the \
                             small one has its share.";
                vec![
                    parameter(
                        "small",
                        "The small queue's share of memory.",
                        Value::Share(small, 0.0..=1.0),
                    ),
                    parameter("ghost", GHOSTS, Value::Share(ghost, 0.0..=MOST_GHOSTS)),
                    parameter("threshold", doc, Value::Small(threshold, 1..=255)),
                    parameter("fill_main", fills, Value::Flag(fill_main)),
                ]
            }
            Self::Lirs(LirsSetting { hir }) => {
                let doc = "The share of memory for HIR pages; one page at least.";
                vec![parameter("hir", doc, Value::Share(hir, 0.0..=1.0))]
            }
            Self::Fifo
            | Self::Lru
            | Self::Mru
            | Self::Lfu
            | Self::Sieve
            | Self::Arc
            | Self::Car
            | Self::ClockPro
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
    fn shares_may_be_whole_numbers() {
        let policy = read("{ policy = \"2q\", kin = 1, kout = 0.5 }");
        let setting = TwoQueuesSetting { kin: 1.0, kout: 0.5 };
        assert_eq!(policy, Ok(ReclaimPolicy::TwoQueues(setting)));
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
        assert!(read("{ policy = \"2q\", kin = 1.5 }").unwrap_err().contains("from 0 to 1"));
        assert!(read("{ policy = \"2q\", kin = nan }").unwrap_err().contains("from 0 to 1"));
        assert!(read("{ policy = \"aging\", tick = 0 }").unwrap_err().contains("from 1"));
        assert!(read("{ policy = \"arc\", p = 1 }").unwrap_err().contains("parameters: none"));
    }
}
