//! A setting that is a name, or a table with the name and its parameters: `"stride"`, or
//! `{ prefetcher = "stride", degree = 4 }`.

use schemars::JsonSchema;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::planned;

/// No parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// What can be chosen, and how messages speak of it.
pub struct Kind {
    /// The key that has the name in a table.
    pub key: &'static str,
    /// What it is, such as "prefetcher".
    pub what: &'static str,
    /// A setting that it is the value of, without the names of array elements.
    pub setting: &'static str,
    /// The names.
    pub names: &'static [&'static str],
}

impl Kind {
    /// The parameters of the choice called `name`, from the rest of its table. Which there are and in what
    /// ranges is what their schema says.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parameters<S: DeserializeOwned + JsonSchema, E: Error>(
        &self,
        name: &str,
        table: Map<String, Value>,
    ) -> Result<S, E> {
        let wrong = |message: String| E::custom(format!("{} `{name}`: {message}", self.what));
        if !table.is_empty() {
            let schema = schemars::schema_for!(S).to_value();
            let none = Map::new();
            let known = schema["properties"].as_object().unwrap_or(&none);
            for (key, value) in &table {
                check(known, key, value).map_err(wrong)?;
            }
        }
        S::deserialize(MapDeserializer::new(table.into_iter()))
            .map_err(|error: serde_json::Error| wrong(error.to_string()))
    }

    /// What to say of a name that there is not.
    pub fn unknown(&self, name: &str) -> String {
        if planned::names(self.setting, name) {
            let known = self.names.join(", ");
            return format!("{} `{name}` is not modelled yet; modelled are {known}", self.what);
        }
        let likeness = |known: &str| strsim::jaro_winkler(known, name);
        let nearest = self.names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        match nearest.filter(|near| likeness(near) > 0.6) {
            Some(near) => format!("unknown {} `{name}`; did you mean `{near}`?", self.what),
            None => format!("unknown {} `{name}`; there are {}", self.what, self.names.join(", ")),
        }
    }

    /// The name that a table has, and the rest of it.
    ///
    /// # Errors
    /// There is none.
    pub fn name_of<E: Error>(&self, table: &mut Map<String, Value>) -> Result<String, E> {
        match table.remove(self.key) {
            Some(Value::String(name)) => Ok(name),
            Some(_) => {
                Err(E::custom(format!("`{}` must be the name of a {}", self.key, self.what)))
            }
            None => Err(E::missing_field(self.key)),
        }
    }
}

/// Whether a parameter is among the `known` ones, and its value what the schema allows.
fn check(known: &Map<String, Value>, key: &str, value: &Value) -> Result<(), String> {
    let Some(schema) = known.get(key) else {
        let names: Vec<_> = known.keys().map(|name| format!("`{name}`")).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(format!("there is no parameter `{key}`; parameters: {names}"));
    };
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
    let (of_kind, what) = match kind {
        Some("integer") => (value.is_i64() || value.is_u64(), "a whole number"),
        Some("number") => (value.is_number(), "a number"),
        _ => return Ok(()),
    };
    let within = |number: f64| {
        least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most)
    };
    if of_kind && value.as_f64().is_some_and(within) {
        return Ok(());
    }
    let least = least.map_or(String::new(), |least| format!(" from {least}"));
    let most = most.map_or(String::new(), |most| format!(" to {most}"));
    Err(format!("`{key}` must be {what}{least}{most}"))
}

/// Declares an enum of choices with their parameters, each `"name" Variant(Settings)`, and how it is read,
/// written and described. `setting` is one that has it as its value, `schema` the name of its definition.
macro_rules! choice {
    (
        $(#[$meta:meta])*
        $Choice:ident { key: $key:literal, what: $what:literal, setting: $setting:literal, schema: $schema:literal }
        $($(#[doc = $each:literal])* $name:literal $Variant:ident($Settings:ty))*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $Choice {
            $($(#[doc = $each])* $Variant($Settings),)*
        }

        const _: () = {
            use serde::de::{Error, MapAccess, Visitor};
            use serde_json::{Map, Value};

            const KIND: $crate::config::choice::Kind = $crate::config::choice::Kind {
                key: $key,
                what: $what,
                setting: $setting,
                names: $Choice::NAMES,
            };

            impl $Choice {
                /// The names of all.
                pub const NAMES: &[&str] = &[$($name),*];

                /// The one of that name, with its parameters' defaults.
                pub fn named(name: &str) -> Option<Self> {
                    match name {
                        $($name => Some(Self::$Variant(Default::default())),)*
                        _ => None,
                    }
                }

                /// All of them, with their parameters' defaults.
                pub fn all() -> impl Iterator<Item = Self> {
                    Self::NAMES.iter().filter_map(|name| Self::named(name))
                }

                /// Its name.
                pub fn name(&self) -> &'static str {
                    match self {
                        $(Self::$Variant(_) => $name,)*
                    }
                }

                fn from_parts<E: Error>(name: &str, table: Map<String, Value>) -> Result<Self, E> {
                    match name {
                        $($name => KIND.parameters(name, table).map(Self::$Variant),)*
                        _ => Err(E::custom(KIND.unknown(name))),
                    }
                }
            }

            struct ChoiceVisitor;

            impl<'de> Visitor<'de> for ChoiceVisitor {
                type Value = $Choice;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(concat!("a ", $what, ", or a table { ", $key, " = …, … }"))
                }
                fn visit_str<E: Error>(self, name: &str) -> Result<$Choice, E> {
                    $Choice::from_parts(name, Map::new())
                }
                fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<$Choice, A::Error> {
                    let mut table = Map::new();
                    while let Some((key, value)) = access.next_entry::<String, Value>()? {
                        table.insert(key, value);
                    }
                    let name = KIND.name_of(&mut table)?;
                    $Choice::from_parts(&name, table)
                }
            }

            impl<'de> serde::Deserialize<'de> for $Choice {
                fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    from.deserialize_any(ChoiceVisitor)
                }
            }

            impl serde::Serialize for $Choice {
                /// The name alone where there are no parameters, else the table with all of them.
                fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                    let parameters = match self {
                        $(Self::$Variant(settings) => serde_json::to_value(settings),)*
                    };
                    match parameters.map_err(serde::ser::Error::custom)? {
                        Value::Object(parameters) if !parameters.is_empty() => {
                            let name = ($key.to_owned(), Value::from(self.name()));
                            to.collect_map(std::iter::once(name).chain(parameters))
                        }
                        _ => to.serialize_str(self.name()),
                    }
                }
            }

            impl schemars::JsonSchema for $Choice {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    $schema.into()
                }
                fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    let names = schemars::json_schema!({ "type": "string", "enum": KIND.names });
                    let mut forms = vec![names];
                    $(
                        let mut form = <$Settings as schemars::JsonSchema>::json_schema(generator);
                        let object = form.ensure_object();
                        object.insert("description".into(), concat!($($each),*).trim().into());
                        object.insert("required".into(), Value::from(vec![$key]));
                        let properties = object
                            .entry("properties")
                            .or_insert_with(|| Value::Object(Map::new()));
                        if let Some(properties) = properties.as_object_mut() {
                            properties.insert($key.into(), serde_json::json!({ "const": $name }));
                        }
                        forms.push(form);
                    )*
                    schemars::json_schema!({ "anyOf": forms, "x-key": $key })
                }
            }
        };
    };
}
pub(crate) use choice;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Settings {
        /// A count.
        #[schemars(range(min = 1, max = 8))]
        bits: u8,
        /// A share.
        #[schemars(range(min = 0, max = 1))]
        share: f64,
        /// May be left out.
        #[schemars(range(min = 1))]
        window: Option<u64>,
        /// A flag.
        flag: bool,
    }

    impl Default for Settings {
        fn default() -> Self {
            Self { bits: 2, share: 0.5, window: None, flag: true }
        }
    }

    const KIND: Kind =
        Kind { key: "policy", what: "policy", setting: "os.reclaim", names: &["one", "two"] };

    fn read(text: &str) -> Result<Settings, String> {
        let table: Map<String, Value> = toml::from_str(text).unwrap();
        KIND.parameters::<Settings, serde_json::Error>("one", table)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn parameters_are_held_to_the_ranges_that_they_are_declared_with() {
        assert_eq!(read(""), Ok(Settings::default()));
        let given = Settings { bits: 8, share: 1.0, window: Some(1), flag: false };
        assert_eq!(read("bits = 8\nshare = 1\nwindow = 1\nflag = false"), Ok(given));
        for (text, allowed) in [
            ("bits = 0", "`bits` must be a whole number from 1 to 8"),
            ("bits = 9", "from 1 to 8"),
            ("bits = -1", "from 1 to 8"),
            ("bits = 1.5", "from 1 to 8"),
            ("bits = true", "from 1 to 8"),
            ("share = 1.5", "`share` must be a number from 0 to 1"),
            ("share = nan", "from 0 to 1"),
            ("window = 0", "`window` must be a whole number from 1"),
            ("flag = 1", "expected a boolean"),
            ("bit = 1", "no parameter `bit`; parameters: `bits`, `flag`, `share`, `window`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains("policy `one`: ") && error.contains(allowed), "{text}: {error}");
        }
    }

    #[test]
    fn names_that_there_are_not_are_told_from_those_to_come() {
        assert!(KIND.unknown("mglru").contains("`mglru` is not modelled yet; modelled are one"));
        assert!(KIND.unknown("tw").contains("did you mean `two`"));
        assert!(KIND.unknown("?").contains("there are one, two"));
    }
}
