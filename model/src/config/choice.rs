//! A setting that is a name, or a table with the name and its parameters: `"stride"`, or
//! `{ prefetcher = "stride", degree = 4 }`.

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Error};
use serde_json::{Map, Value};

/// What can be chosen, and how messages speak of it.
pub struct Kind {
    /// The key that has the name in a table.
    pub key: &'static str,
    /// What it is, such as "prefetcher".
    pub what: &'static str,
    /// The names.
    pub names: &'static [&'static str],
}

impl Kind {
    /// The parameters of the choice called `name`, from the rest of its table.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parameters<S: DeserializeOwned, E: Error>(
        &self,
        name: &str,
        table: Map<String, Value>,
    ) -> Result<S, E> {
        S::deserialize(MapDeserializer::new(table.into_iter())).map_err(
            |error: serde_json::Error| E::custom(format!("{} `{name}`: {error}", self.what)),
        )
    }

    /// What to say of a name that there is not.
    pub fn unknown(&self, name: &str) -> String {
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

/// Declares an enum of choices with their parameters, each `"name" Variant(Settings)`, and how it is read,
/// written and described.
macro_rules! choice {
    (
        $(#[doc = $doc:literal])*
        $Choice:ident, $key:literal, $what:literal:
        $($(#[doc = $each:literal])* $name:literal $Variant:ident($Settings:ty))*
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $Choice {
            $($(#[doc = $each])* $Variant($Settings),)*
        }

        const _: () = {
            use serde::de::{Error, MapAccess, Visitor};
            use serde_json::{Map, Value};

            const KIND: $crate::config::choice::Kind =
                $crate::config::choice::Kind { key: $key, what: $what, names: &[$($name),*] };

            impl $Choice {
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
                    stringify!($Choice).into()
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
                    schemars::json_schema!({ "anyOf": forms })
                }
            }
        };
    };
}
pub(crate) use choice;
