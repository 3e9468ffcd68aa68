//! What backs a swap area: a device by name, or a table with its `kind` and what differs from the device
//! of that name.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::flash::Flash;
use super::hdd::Hdd;
use super::zram::Zram;
use super::{nvme, optane, sata_ssd};
use crate::config::InvalidSetting;
use crate::units::{ByteSize, Span};

/// Swap devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schemars(transform = name_or_table)]
pub enum Device {
    /// No swap: memory that is full of dirty pages is an error.
    None,
    /// A hard disk.
    Hdd(Hdd),
    /// A solid-state drive behind SATA.
    SataSsd(Flash),
    /// A solid-state drive behind PCIe.
    Nvme(Flash),
    /// A drive of phase-change memory behind PCIe.
    Optane(Flash),
    /// Compressed pages in memory.
    Zram(Zram),
}

impl Device {
    /// What the operating system has to know of it, as a word: devices of one class differ in time alone.
    pub fn class(kind: &str) -> &str {
        match kind {
            "none" | "zram" => kind,
            _ => "block",
        }
    }
}

impl Default for Device {
    fn default() -> Self {
        Kind::default().device()
    }
}

/// What `kind` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    None,
    Hdd,
    SataSsd,
    #[default]
    Nvme,
    Optane,
    Zram,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::None, Self::Hdd, Self::SataSsd, Self::Nvme, Self::Optane, Self::Zram];

    /// The device of that name.
    fn device(self) -> Device {
        match self {
            Self::None => Device::None,
            Self::Hdd => Device::Hdd(Hdd::default()),
            Self::SataSsd => Device::SataSsd(sata_ssd::DEFAULT),
            Self::Nvme => Device::Nvme(nvme::DEFAULT),
            Self::Optane => Device::Optane(optane::DEFAULT),
            Self::Zram => Device::Zram(Zram::default()),
        }
    }
}

/// The numbers of `default` with those of `given` in their place.
fn described<T>(default: T, given: &Map<String, Value>) -> Result<T, String>
where
    T: Serialize + DeserializeOwned + JsonSchema,
{
    let schema = schemars::schema_for!(T).to_value();
    let known = schema["properties"].as_object();
    let Ok(Value::Object(mut all)) = serde_json::to_value(default) else {
        return Err("cannot be described".to_owned());
    };
    for (key, value) in given {
        if known.is_none_or(|known| !known.contains_key(key)) {
            let names = known.into_iter().flat_map(Map::keys).map(|name| format!("`{name}`"));
            let names = names.collect::<Vec<_>>().join(", ");
            return Err(format!("unknown field `{key}`, expected one of {names}"));
        }
        all.insert(key.clone(), value.clone());
    }
    let wrong = |error: serde_path_to_error::Error<serde_json::Error>| {
        format!("`{}`: {}", error.path(), error.inner())
    };
    serde_path_to_error::deserialize(Value::Object(all)).map_err(wrong)
}

/// The device of a table without its `kind`.
fn device(kind: Kind, given: &Map<String, Value>) -> Result<Device, String> {
    Ok(match kind.device() {
        Device::None => match given.keys().next() {
            Some(key) => return Err(format!("no device has no `{key}`")),
            None => Device::None,
        },
        Device::Hdd(hdd) => Device::Hdd(described(hdd, given)?),
        Device::SataSsd(flash) => Device::SataSsd(described(flash, given)?),
        Device::Nvme(flash) => Device::Nvme(described(flash, given)?),
        Device::Optane(flash) => Device::Optane(described(flash, given)?),
        Device::Zram(zram) => Device::Zram(described(zram, given)?),
    })
}

struct DeviceVisitor;

impl<'de> Visitor<'de> for DeviceVisitor {
    type Value = Device;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device such as \"nvme\", or a table with its `kind`")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Device, E> {
        Ok(Kind::deserialize(StrDeserializer::new(text))?.device())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Device, A::Error> {
        let mut table = Map::deserialize(MapAccessDeserializer::new(map))?;
        // Without a name it is the device that there is where nothing is said.
        let kind = match table.remove("kind") {
            None => Kind::default(),
            Some(Value::String(name)) => Kind::deserialize(StrDeserializer::new(&name))?,
            Some(_) => return Err(A::Error::custom("`kind` is the name of a device")),
        };
        device(kind, &table).map_err(A::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DeviceVisitor)
    }
}

/// Adds the names alone to the tables that the schema is derived from, and to each table what the device
/// of its name is.
fn name_or_table(schema: &mut schemars::Schema) {
    let defaults: Vec<Value> = Kind::ALL
        .iter()
        .map(|kind| serde_json::to_value(kind.device()).unwrap_or_default())
        .collect();
    let Some(tables) = schema.get_mut("oneOf").and_then(Value::as_array_mut) else { return };
    for table in tables.iter_mut() {
        let kind = table["properties"]["kind"]["const"].clone();
        if let Some(default) = defaults.iter().find(|default| default["kind"] == kind) {
            table["default"] = default.clone();
        }
    }
    let names: Vec<_> = defaults.iter().map(|default| default["kind"].clone()).collect();
    tables.insert(0, serde_json::json!({ "type": "string", "enum": names }));
}

/// A time in picoseconds, above 0 and at most a minute.
pub(super) fn picoseconds(key: &str, span: Span) -> Result<u64, InvalidSetting> {
    let key = format!("swap.device.{key}");
    match span {
        Span::Picoseconds(ps) if (1..=60_000_000_000_000).contains(&ps) => Ok(ps),
        Span::Picoseconds(_) => Err(InvalidSetting::new(key, "must be above 0 and at most 60s")),
        Span::Cycles(_) => Err(InvalidSetting::new(
            key,
            "must be a time such as \"80us\", since a device knows no core cycles",
        )),
    }
}

/// A rate in bytes a second, at least 1 KiB and at most 1 PiB.
pub(super) fn rate(key: &str, bytes: ByteSize) -> Result<u64, InvalidSetting> {
    if (1 << 10..=1 << 50).contains(&bytes.0) {
        return Ok(bytes.0);
    }
    Err(InvalidSetting::new(format!("swap.device.{key}"), "must be 1KiB to 1PiB a second"))
}

/// A count from 1 to `max`.
pub(super) fn count(key: &str, value: u32, max: u32) -> Result<u32, InvalidSetting> {
    if (1..=max).contains(&value) {
        return Ok(value);
    }
    Err(InvalidSetting::new(
        format!("swap.device.{key}"),
        format!("must be 1 to {max}, not {value}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::settings::Swap;
    use super::*;

    fn read(text: &str) -> Result<Device, String> {
        toml::from_str::<Swap>(text).map(|swap| swap.device).map_err(|error| error.to_string())
    }

    #[test]
    fn a_device_is_a_name_or_a_description() {
        assert_eq!(read("device = \"none\""), Ok(Device::None));
        assert_eq!(read("device = \"hdd\""), Ok(Device::Hdd(Hdd::default())));
        let fast = Flash { read: Span::Picoseconds(10_000_000), ..nvme::DEFAULT };
        assert_eq!(read("device = { read = \"10us\", kind = \"nvme\" }"), Ok(Device::Nvme(fast)));
        for device in Kind::ALL.map(Kind::device).into_iter().chain([Device::Nvme(fast)]) {
            let swap = Swap { device, ..Swap::default() };
            let text = toml::to_string(&swap).unwrap();
            assert_eq!(toml::from_str(&text), Ok(swap), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_device_or_does_not_belong_is_refused_by_name() {
        let message = |text| read(text).unwrap_err();
        assert!(message("device = \"floppy\"").contains("floppy"));
        assert!(message("device = { kind = \"nvme\", rpm = 5400 }").contains("field `rpm`"));
        assert!(message("device = { kind = \"hdd\", arms = 2 }").contains("arms"));
        assert!(message("device = { kind = \"none\", read = \"1us\" }").contains("read"));
        assert!(message("device = { kind = \"hdd\", rpm = \"fast\" }").contains("`rpm`: invalid"));
        assert!(message("device = { rpm = 5400 }").contains("field `rpm`"), "of the default kind");
        assert!(message("device = { kind = 3 }").contains("kind"));
    }
}
