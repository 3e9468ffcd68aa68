//! The setting that names a policy: `"lru"`, or `{ policy = "srrip", bits = 2 }`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Replacement, for_each_policy};

/// Policies that configurations may name and that are not modelled yet.
const LATER: [&str; 1] = ["opt"];

macro_rules! policy {
    ($($(#[doc = $doc:literal])* $name:literal $module:ident $Type:ident)*) => {
        /// A replacement policy with its parameters.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Policy {
            $($(#[doc = $doc])* $Type(super::$module::Settings),)*
        }

        impl Policy {
            /// The names of the policies.
            pub const NAMES: &[&str] = &[$($name),*];

            /// The policy's name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$Type(_) => $name,)*
                }
            }

            /// Whether the policy can rank that many ways.
            ///
            /// # Errors
            /// What is wrong with the parameters or the number of ways.
            pub fn check(&self, ways: u32) -> Result<(), String> {
                match self {
                    $(Self::$Type(settings) => super::$module::$Type::check(settings, ways),)*
                }
            }

            /// Whether a way that has just been filled ranks as one that has just been used.
            pub fn fill_is_use(&self) -> bool {
                match self {
                    $(Self::$Type(_) => super::$module::$Type::FILL_IS_USE,)*
                }
            }

            /// Whether using a way again at once changes nothing.
            pub fn repeats_are_idle(&self) -> bool {
                match self {
                    $(Self::$Type(_) => super::$module::$Type::REPEATS_ARE_IDLE,)*
                }
            }

            /// Whether the policy has to be told the site of every access.
            pub fn asks_site(&self) -> bool {
                match self {
                    $(Self::$Type(_) => super::$module::$Type::ASKS_SITE,)*
                }
            }

            fn from_parts<E: Error>(name: &str, parameters: Map<String, Value>) -> Result<Self, E> {
                match name {
                    $($name => parse(name, parameters).map(Self::$Type),)*
                    _ => Err(E::custom(unknown(name))),
                }
            }

            fn parameters(&self) -> Result<Value, serde_json::Error> {
                match self {
                    $(Self::$Type(settings) => serde_json::to_value(settings),)*
                }
            }
        }

        impl JsonSchema for Policy {
            fn schema_name() -> Cow<'static, str> {
                "ReplacementPolicy".into()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let mut forms = vec![json_schema!({ "type": "string", "enum": Policy::NAMES })];
                $(
                    let mut form = <super::$module::Settings as JsonSchema>::json_schema(generator);
                    let object = form.ensure_object();
                    object.insert("description".into(), concat!($($doc),*).trim().into());
                    object.insert("required".into(), Value::from(vec!["policy"]));
                    if let Some(properties) = object
                        .entry("properties")
                        .or_insert_with(|| Value::Object(Map::new()))
                        .as_object_mut()
                    {
                        let name = serde_json::json!({ "const": $name });
                        properties.insert("policy".into(), name);
                    }
                    forms.push(form);
                )*
                json_schema!({ "anyOf": forms })
            }
        }
    };
}

for_each_policy!(policy);

impl Default for Policy {
    fn default() -> Self {
        Self::Lru(super::lru::Settings::default())
    }
}

/// The settings of the policy called `name` from the rest of its table.
fn parse<S: DeserializeOwned, E: Error>(
    name: &str,
    parameters: Map<String, Value>,
) -> Result<S, E> {
    S::deserialize(MapDeserializer::new(parameters.into_iter())).map_err(
        |error: serde_json::Error| E::custom(format!("replacement policy `{name}`: {error}")),
    )
}

fn unknown(name: &str) -> String {
    let known = Policy::NAMES.join(", ");
    if LATER.contains(&name) {
        return format!("replacement policy `{name}` is not modelled yet; modelled are {known}");
    }
    let nearest = Policy::NAMES
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    match nearest.filter(|near| strsim::jaro_winkler(near, name) > 0.6) {
        Some(near) => format!("unknown replacement policy `{name}`; did you mean `{near}`?"),
        None => format!("unknown replacement policy `{name}`; there are {known}"),
    }
}

struct PolicyVisitor;

impl<'de> Visitor<'de> for PolicyVisitor {
    type Value = Policy;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a replacement policy such as \"lru\", or { policy = \"srrip\", bits = 2 }")
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<Policy, E> {
        Policy::from_parts(name, Map::new())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Policy, A::Error> {
        let mut table = Map::new();
        while let Some((key, value)) = access.next_entry::<String, Value>()? {
            table.insert(key, value);
        }
        match table.remove("policy") {
            Some(Value::String(name)) => Policy::from_parts(&name, table),
            Some(_) => Err(A::Error::custom("`policy` must be the name of a replacement policy")),
            None => Err(A::Error::missing_field("policy")),
        }
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PolicyVisitor)
    }
}

impl Serialize for Policy {
    /// The name alone where there are no parameters, else the table with all of them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.parameters().map_err(serde::ser::Error::custom)? {
            Value::Object(parameters) if !parameters.is_empty() => {
                let name = ("policy".to_owned(), Value::from(self.name()));
                serializer.collect_map(std::iter::once(name).chain(parameters))
            }
            _ => serializer.serialize_str(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        replacement: Policy,
    }

    fn read(text: &str) -> Result<Policy, String> {
        toml::from_str::<Holder>(&format!("replacement = {text}"))
            .map(|holder| holder.replacement)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_name_or_a_table() {
        assert_eq!(read("\"lru\""), Ok(Policy::default()));
        let srrip = |bits| Ok(Policy::Srrip(super::super::srrip::Settings { bits }));
        assert_eq!(read("\"srrip\""), srrip(2));
        assert_eq!(read("{ policy = \"srrip\", bits = 3 }"), srrip(3));
        assert_eq!(read("{ policy = \"srrip\" }"), srrip(2));
    }

    #[test]
    fn every_policy_survives_being_written() {
        for name in Policy::NAMES {
            let holder = Holder { replacement: read(&format!("\"{name}\"")).unwrap() };
            let text = toml::to_string(&holder).unwrap();
            assert_eq!(toml::from_str::<Holder>(&text).unwrap(), holder, "{text}");
        }
    }

    #[test]
    fn refusals_say_why() {
        for name in LATER {
            let message = read(&format!("\"{name}\"")).unwrap_err();
            assert!(message.contains("is not modelled yet"), "{message}");
        }
        assert!(read("\"lruu\"").unwrap_err().contains("did you mean `lru`"));
        assert!(read("\"?\"").unwrap_err().contains("there are lru, fifo"));
        assert!(read("{ policy = \"srrip\", bit = 3 }").unwrap_err().contains("`bits`"));
        assert!(read("{ policy = \"lru\", bits = 3 }").unwrap_err().contains("`bits`"));
        assert!(read("{ bits = 3 }").unwrap_err().contains("policy"));
        assert!(read("{ policy = \"srrip\", bits = \"x\" }").is_err());
        assert!(read("7").is_err());
    }

    #[test]
    fn the_schema_has_every_name_and_parameter() {
        let text = schemars::schema_for!(Policy).to_value().to_string();
        for name in Policy::NAMES {
            assert!(text.contains(name));
        }
        assert!(text.contains("\"bits\""));
    }
}
