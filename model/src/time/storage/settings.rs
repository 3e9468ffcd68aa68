//! Settings of the swap device: `[swap]`.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::InvalidSetting;
use crate::units::{ByteSize, Span};

/// The swap device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Swap {
    /// A device by name ("none", "hdd", "nvme"), or a table that describes it: `kind` and what differs
    /// from the device of that name. Whether there is one at all decides what happens when memory is
    /// full; which one it is changes nothing but time.
    #[schemars(extend("x-effect" = "timing"))]
    pub device: Device,
    /// How much it holds.
    #[schemars(extend("x-effect" = "function"))]
    pub size: ByteSize,
    /// Which neighbours are read ahead.
    #[schemars(extend("x-effect" = "function"))]
    pub readahead_by: ReadaheadBy,
}

impl Default for Swap {
    fn default() -> Self {
        Self { device: Device::default(), size: ByteSize(8 << 30), readahead_by: ReadaheadBy::Slot }
    }
}

/// Which neighbours of a page are read ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReadaheadBy {
    /// Those beside it on the device.
    #[default]
    Slot,
}

/// Swap devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[schemars(transform = name_or_table)]
pub enum Device {
    /// No swap: memory that is full of dirty pages is an error.
    None,
    /// A hard disk.
    Hdd(Hdd),
    /// A PCIe solid-state drive.
    Nvme(Nvme),
}

impl Default for Device {
    fn default() -> Self {
        Self::Nvme(Nvme::default())
    }
}

/// A hard disk, by default a 7200 rpm desktop drive: 8 ms to seek and half a turn of 4.2 ms on average.
/// The swap area covers it from edge to edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Hdd {
    /// Seek to the next cylinder.
    #[schemars(extend("x-effect" = "timing"))]
    pub seek_min: Span,
    /// Seek from edge to edge.
    #[schemars(extend("x-effect" = "timing"))]
    pub seek_max: Span,
    /// Turns a minute.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 100_000))]
    pub rpm: u32,
    /// Bytes a second under the head.
    #[schemars(extend("x-effect" = "timing"))]
    pub transfer: ByteSize,
}

impl Default for Hdd {
    fn default() -> Self {
        Self {
            seek_min: Span::Picoseconds(1_000_000_000),
            // The mean over random pairs of cylinders is min + 8/15 (max - min) = 7.9 ms.
            seek_max: Span::Picoseconds(14_000_000_000),
            rpm: 7200,
            transfer: ByteSize(200_000_000),
        }
    }
}

/// An NVMe drive, by default one on four lanes of PCIe 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Nvme {
    /// Time from a read command to the page, on an idle drive.
    #[schemars(extend("x-effect" = "timing"))]
    pub read: Span,
    /// Time from a write command to its completion, on an idle drive.
    #[schemars(extend("x-effect" = "timing"))]
    pub write: Span,
    /// Pages that the drive works on at a time.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 4096))]
    pub channels: u32,
    /// Commands that the drive takes at a time; others wait in the host.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 65_535))]
    pub queue_depth: u32,
    /// Bytes a second over the bus.
    #[schemars(extend("x-effect" = "timing"))]
    pub bandwidth: ByteSize,
}

impl Default for Nvme {
    fn default() -> Self {
        Self {
            read: Span::Picoseconds(80_000_000),
            write: Span::Picoseconds(20_000_000),
            channels: 64,
            queue_depth: 1023,
            bandwidth: ByteSize(3_500_000_000),
        }
    }
}

/// What `kind` says.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    None,
    Hdd,
    Nvme,
    SataSsd,
    Optane,
    Zram,
}

impl Kind {
    /// The name of a device that is not modelled yet.
    fn unmodelled(self) -> Option<&'static str> {
        match self {
            Self::None | Self::Hdd | Self::Nvme => None,
            Self::SataSsd => Some("sata-ssd"),
            Self::Optane => Some("optane"),
            Self::Zram => Some("zram"),
        }
    }
}

/// A device as a table: the fields of every kind, since `kind` need not come first.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    kind: Kind,
    seek_min: Option<Span>,
    seek_max: Option<Span>,
    rpm: Option<u32>,
    transfer: Option<ByteSize>,
    read: Option<Span>,
    write: Option<Span>,
    channels: Option<u32>,
    queue_depth: Option<u32>,
    bandwidth: Option<ByteSize>,
}

impl Description {
    /// A device by its name alone.
    fn named(kind: Kind) -> Self {
        Self {
            kind,
            seek_min: None,
            seek_max: None,
            rpm: None,
            transfer: None,
            read: None,
            write: None,
            channels: None,
            queue_depth: None,
            bandwidth: None,
        }
    }

    /// The first field that only hard disks have, if there is one.
    fn of_a_disk(&self) -> Option<&'static str> {
        let present = [
            ("seek_min", self.seek_min.is_some()),
            ("seek_max", self.seek_max.is_some()),
            ("rpm", self.rpm.is_some()),
            ("transfer", self.transfer.is_some()),
        ];
        present.into_iter().find_map(|(name, given)| given.then_some(name))
    }

    /// The first field that only NVMe drives have, if there is one.
    fn of_a_drive(&self) -> Option<&'static str> {
        let present = [
            ("read", self.read.is_some()),
            ("write", self.write.is_some()),
            ("channels", self.channels.is_some()),
            ("queue_depth", self.queue_depth.is_some()),
            ("bandwidth", self.bandwidth.is_some()),
        ];
        present.into_iter().find_map(|(name, given)| given.then_some(name))
    }

    fn device(self) -> Result<Device, String> {
        let foreign = match self.kind {
            Kind::Hdd => self.of_a_drive(),
            Kind::Nvme => self.of_a_disk(),
            _ => self.of_a_disk().or_else(|| self.of_a_drive()),
        };
        if let Some(name) = self.kind.unmodelled() {
            return Err(format!(
                "the device `{name}` is not modelled yet; expected `none`, `hdd` or `nvme`"
            ));
        }
        if let Some(field) = foreign {
            return Err(format!("a device of this kind has no `{field}`"));
        }
        let (hdd, nvme) = (Hdd::default(), Nvme::default());
        Ok(match self.kind {
            Kind::Hdd => Device::Hdd(Hdd {
                seek_min: self.seek_min.unwrap_or(hdd.seek_min),
                seek_max: self.seek_max.unwrap_or(hdd.seek_max),
                rpm: self.rpm.unwrap_or(hdd.rpm),
                transfer: self.transfer.unwrap_or(hdd.transfer),
            }),
            Kind::Nvme => Device::Nvme(Nvme {
                read: self.read.unwrap_or(nvme.read),
                write: self.write.unwrap_or(nvme.write),
                channels: self.channels.unwrap_or(nvme.channels),
                queue_depth: self.queue_depth.unwrap_or(nvme.queue_depth),
                bandwidth: self.bandwidth.unwrap_or(nvme.bandwidth),
            }),
            _ => Device::None,
        })
    }
}

struct DeviceVisitor;

impl<'de> Visitor<'de> for DeviceVisitor {
    type Value = Device;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a device such as \"nvme\", or a table with its `kind`")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Device, E> {
        let kind = Kind::deserialize(StrDeserializer::new(text))?;
        Description::named(kind).device().map_err(E::custom)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Device, A::Error> {
        let description = Description::deserialize(MapAccessDeserializer::new(map))?;
        description.device().map_err(A::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DeviceVisitor)
    }
}

/// Adds the names alone to the tables that the schema is derived from.
fn name_or_table(schema: &mut schemars::Schema) {
    let names = serde_json::json!({ "type": "string", "enum": ["none", "hdd", "nvme"] });
    if let Some(alternatives) = schema.get_mut("oneOf").and_then(|value| value.as_array_mut()) {
        alternatives.insert(0, names);
    }
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
    use super::*;

    fn device(text: &str) -> Result<Device, String> {
        toml::from_str::<Swap>(text).map(|swap| swap.device).map_err(|error| error.to_string())
    }

    #[test]
    fn a_device_is_a_name_or_a_description() {
        assert_eq!(device("device = \"none\""), Ok(Device::None));
        assert_eq!(device("device = \"hdd\""), Ok(Device::Hdd(Hdd::default())));
        let fast = Nvme { read: Span::Picoseconds(10_000_000), ..Nvme::default() };
        assert_eq!(device("device = { read = \"10us\", kind = \"nvme\" }"), Ok(Device::Nvme(fast)));
        for device in [Device::None, Device::Hdd(Hdd::default()), Device::Nvme(fast)] {
            let swap = Swap { device, ..Swap::default() };
            let text = toml::to_string(&swap).unwrap();
            assert_eq!(toml::from_str(&text), Ok(swap), "{text}");
        }
    }

    #[test]
    fn what_is_not_modelled_or_does_not_belong_is_refused_by_name() {
        let message = |text| device(text).unwrap_err();
        assert!(message("device = \"optane\"").contains("`optane` is not modelled yet"));
        assert!(message("device = { kind = \"zram\" }").contains("`zram` is not modelled yet"));
        assert!(message("device = \"floppy\"").contains("floppy"));
        assert!(message("device = { kind = \"nvme\", rpm = 5400 }").contains("no `rpm`"));
        assert!(message("device = { kind = \"hdd\", heads = 2 }").contains("heads"));
        assert!(message("device = { rpm = 5400 }").contains("kind"));
    }
}
