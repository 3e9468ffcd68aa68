//! The settings of a machine as data: paths, types, defaults, ranges and documentation, all from the
//! declarations of the components' settings structs by way of their JSON Schema.

use std::fmt::Write as _;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::merge::key_of;
use super::{Config, InvalidSetting};
use crate::time::settings::Device;

/// Which half of the model a setting affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// What happens to accesses.
    Function,
    /// What it costs.
    Timing,
    /// Neither.
    None,
}

/// A setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its dotted path, with `<name>` or `<level>` for the element of an array: `mmu.tlb.<name>.ways`.
    pub path: String,
    /// What values it takes.
    pub kind: String,
    /// Its default, where it has one that depends on nothing.
    pub default: Option<Value>,
    /// The least integer.
    pub minimum: Option<i64>,
    /// The largest integer.
    pub maximum: Option<i64>,
    /// What it means.
    pub doc: String,
    /// What it affects, if it is declared.
    pub effect: Option<Effect>,
}

/// A setting of a machine with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Its dotted path.
    pub path: String,
    /// The path of its declaration.
    pub setting: String,
    /// Its value.
    pub value: Value,
}

/// The JSON Schema of a machine's TOML.
pub fn schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// Every setting, sorted by path within each table.
pub fn settings() -> &'static [Setting] {
    static SETTINGS: OnceLock<Vec<Setting>> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let root = schema();
        let mut walk = Walk { root: &root, found: Vec::new() };
        walk.table(&root, "");
        walk.found
    })
}

struct Walk<'a> {
    root: &'a Value,
    found: Vec<Setting>,
}

impl<'a> Walk<'a> {
    /// The definition that a schema refers to, or itself. An alternative to null is left out.
    fn target(&self, schema: &'a Value) -> &'a Value {
        let only = schema["anyOf"].as_array().and_then(|any| {
            let mut real = any.iter().filter(|one| one["type"] != "null");
            real.next().filter(|_| real.next().is_none())
        });
        let schema = only.unwrap_or(schema);
        let name = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| &self.root["$defs"][name])
    }

    fn table(&mut self, schema: &'a Value, path: &str) {
        let Some(properties) = schema["properties"].as_object() else { return };
        for (key, property) in properties {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let target = self.target(property);
            let items = self.target(&target["items"]);
            if target["properties"].is_object() {
                self.table(target, &path);
            } else if let Some(kinds) = kinds(target) {
                self.kinds(property, &kinds, &path);
            } else if items["properties"].is_object() {
                let element = element_of(&path);
                self.table(items, &format!("{path}{element}"));
            } else {
                self.leaf(property, path);
            }
        }
    }

    /// The settings of a table that is one of several kinds: `kind` itself, then what any of them has.
    fn kinds(&mut self, property: &'a Value, kinds: &[&'a Value], path: &str) {
        self.leaf(property, format!("{path}.kind"));
        if let Some(kind) = self.found.last_mut() {
            let names = kinds.iter().map(|one| one["properties"]["kind"]["const"].to_string());
            kind.kind = names.collect::<Vec<_>>().join(", ");
            kind.default = property["default"].get("kind").cloned();
        }
        let first = self.found.len();
        for one in kinds {
            let Some(fields) = self.target(one)["properties"].as_object() else { continue };
            let name = one["properties"]["kind"]["const"].as_str().unwrap_or_default();
            for (key, field) in fields.iter().filter(|(key, _)| *key != "kind") {
                let path = format!("{path}.{key}");
                let known = self.found[first..].iter().position(|setting| setting.path == path);
                let at = known.map_or(self.found.len(), |at| first + at);
                if known.is_none() {
                    self.leaf(field, path);
                    self.found[at].default = None;
                }
                if let Some(default) = one["default"].get(key) {
                    let all =
                        self.found[at].default.get_or_insert_with(|| Value::Object(Map::new()));
                    all[name] = default.clone();
                }
            }
        }
    }

    fn leaf(&mut self, property: &'a Value, path: String) {
        let target = self.target(property);
        let bound = |key: &str| property[key].as_i64().or_else(|| target[key].as_i64());
        let effect = match property["x-effect"].as_str() {
            Some("function") => Some(Effect::Function),
            Some("timing") => Some(Effect::Timing),
            Some("none") => Some(Effect::None),
            _ => None,
        };
        self.found.push(Setting {
            kind: self.kind(property),
            default: property.get("default").filter(|value| !value.is_null()).cloned(),
            minimum: bound("minimum"),
            maximum: bound("maximum"),
            doc: property["description"].as_str().unwrap_or_default().replace('\n', " "),
            effect,
            path,
        });
    }

    /// What values a schema allows, in words.
    fn kind(&self, property: &'a Value) -> String {
        let target = self.target(property);
        let alternatives = target["oneOf"].as_array().or_else(|| target["anyOf"].as_array());
        if let Some(names) = target["enum"].as_array() {
            return names.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
        }
        if let Some(alternatives) = alternatives {
            // The forms of choices have a table of their own in the manual.
            let key = target["x-key"].as_str();
            let is_form =
                |one: &&Value| key.is_some_and(|key| one["properties"][key]["const"].is_string());
            let forms = alternatives.iter().filter(is_form).count();
            let kinds = alternatives.iter().filter(|one| !is_form(one)).map(|one| {
                match (&one["const"], &one["properties"]) {
                    (Value::Null, Value::Object(keys)) => {
                        format!("{{ {} }}", keys.keys().cloned().collect::<Vec<_>>().join(", "))
                    }
                    (Value::Null, _) => self.kind(one),
                    (constant, _) => constant.to_string(),
                }
            });
            let form = key.map(|key| format!("{{ {key}, its parameters }}"));
            return kinds.chain(form.filter(|_| forms > 0)).collect::<Vec<_>>().join(", ");
        }
        match target["type"].as_str().or_else(|| target["type"][0].as_str()) {
            Some("array") => format!("array of: {}", self.kind(&target["items"])),
            Some("integer") => "integer".to_owned(),
            Some("boolean") => "true, false".to_owned(),
            // Quantities say what they look like.
            Some("string") => match (&target["pattern"], target["description"].as_str()) {
                (Value::String(_), Some(looks)) if property["pattern"].is_null() => {
                    looks.to_owned()
                }
                _ => "string".to_owned(),
            },
            Some(other) => other.to_owned(),
            None => "any".to_owned(),
        }
    }
}

/// The alternatives of a table that says by `kind` which one it is.
fn kinds(schema: &Value) -> Option<Vec<&Value>> {
    let alternatives = schema["oneOf"].as_array()?.iter();
    let tables: Vec<_> =
        alternatives.filter(|one| one["properties"]["kind"]["const"].is_string()).collect();
    (!tables.is_empty()).then_some(tables)
}

/// How a path goes on from an array to its elements.
fn element_of(array: &str) -> String {
    key_of(array).map_or("[]".to_owned(), |key| format!(".<{key}>"))
}

impl Config {
    /// Every setting of the machine with its value; a resolved machine has them all.
    pub fn leaves(&self) -> Vec<Leaf> {
        let mut leaves = Vec::new();
        // The settings are plain data: writing them as JSON does not fail.
        flatten(serde_json::to_value(self).unwrap_or_default(), "", "", &mut leaves);
        leaves
    }

    /// What decides the functional half: the values of the settings that affect it, sorted by path. Machines with the same key share one functional pass.
    pub fn functional_key(&self) -> String {
        let mut key = String::new();
        for leaf in self.leaves() {
            let function = setting(&leaf.setting).and_then(|setting| setting.effect);
            if function == Some(Effect::Function) {
                let value = match leaf.value.as_str() {
                    // Which device backs swap is a matter of time; of which class it is is not.
                    Some(kind) if leaf.setting.ends_with("device.kind") => {
                        Device::class(kind).into()
                    }
                    _ => leaf.value,
                };
                // Writing to a string does not fail.
                let _ = writeln!(key, "{} = {value}", leaf.path);
            }
        }
        key
    }

    /// Checks every number against the range that its declaration gives.
    pub(super) fn check_ranges(&self) -> Result<(), InvalidSetting> {
        for leaf in self.leaves() {
            let (Some(value), Some(setting)) = (leaf.value.as_i64(), setting(&leaf.setting)) else {
                continue;
            };
            let least = setting.minimum.unwrap_or(i64::MIN);
            let most = setting.maximum.unwrap_or(i64::MAX);
            if value < least || value > most {
                let expected = match (setting.minimum, setting.maximum) {
                    (Some(least), Some(most)) if least == most => format!("{least}"),
                    (Some(least), Some(most)) => format!("{least} to {most}"),
                    (Some(least), None) => format!("at least {least}"),
                    (_, _) => format!("at most {most}"),
                };
                // Where there is one value alone, larger ones are to come.
                let message = if setting.minimum == setting.maximum && value > most {
                    format!("{value} is not modelled yet; expected {expected}")
                } else {
                    format!("expected {expected}, found {value}")
                };
                return Err(InvalidSetting::new(leaf.path, message));
            }
        }
        Ok(())
    }
}

fn setting(path: &str) -> Option<&'static Setting> {
    settings().iter().find(|setting| setting.path == path)
}

/// Whether some setting lies below the declaration `path`.
fn is_table(path: &str) -> bool {
    settings().iter().any(|setting| {
        setting.path.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
    })
}

fn flatten(value: Value, path: &str, declared: &str, leaves: &mut Vec<Leaf>) {
    if !declared.is_empty() && !is_table(declared) {
        leaves.push(Leaf { path: path.to_owned(), setting: declared.to_owned(), value });
        return;
    }
    let join = |path: &str, key: &str| {
        if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
    };
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                flatten(value, &join(path, &key), &join(declared, &key), leaves);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.into_iter().enumerate() {
                let name = key_of(declared).map(|key| match &item[key] {
                    Value::String(name) => name.clone(),
                    other => other.to_string(),
                });
                let path = match name {
                    Some(name) => format!("{path}.{name}"),
                    None => format!("{path}[{index}]"),
                };
                flatten(item, &path, &format!("{declared}{}", element_of(declared)), leaves);
            }
        }
        value => leaves.push(Leaf { path: path.to_owned(), setting: declared.to_owned(), value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::settings::Swap;
    use crate::units::{ByteSize, Frequency};

    #[test]
    fn every_setting_is_declared_functional_or_timing_and_documented() {
        for setting in settings() {
            assert!(setting.effect.is_some(), "{} declares no x-effect", setting.path);
            assert!(!setting.doc.is_empty(), "{} has no documentation", setting.path);
            assert_eq!(setting.effect == Some(Effect::None), setting.path == "name");
        }
        for path in ["mmu.tlb.<name>.entries", "mmu.pwc.<level>.ways", "dram.timing.tck"] {
            assert!(setting(path).is_some(), "{path}");
        }
    }

    #[test]
    fn only_functional_settings_change_the_functional_key() {
        let one = Config::default().resolve().unwrap();
        let mut other = one.clone();
        other.core.frequency = Frequency(1_000_000_000);
        other.name = "other".to_owned();
        assert_eq!(one.functional_key(), other.functional_key());
        other.swap.device = toml::from_str::<Swap>("device = \"hdd\"").unwrap().device;
        assert_eq!(one.functional_key(), other.functional_key());
        for device in ["none", "zram", "{ kind = \"zram\", ratio = 4 }"] {
            let mut other = one.clone();
            let text = format!(
                "device = {}",
                if device.starts_with('{') { device.to_owned() } else { format!("\"{device}\"") }
            );
            other.swap.device = toml::from_str::<Swap>(&text).unwrap().device;
            assert_ne!(one.functional_key(), other.functional_key(), "{device}");
        }
        other.mmu.page_size = Some(ByteSize(2 << 20));
        assert_ne!(one.functional_key(), other.functional_key());
    }
}
