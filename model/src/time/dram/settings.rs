//! Settings of main memory: `[dram]`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::standard::Standard;
use crate::time::settings::InvalidSetting;
use crate::units::Span;

/// Main memory. A field that is left out has the value of `preset`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dram {
    /// The standard that every other field starts from.
    #[schemars(extend("x-effect" = "timing"))]
    pub preset: DramPreset,
    /// Independent channels of 64 bits; a power of two.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 64))]
    pub channels: u32,
    /// Ranks a channel; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 16))]
    pub ranks: Option<u32>,
    /// Bank groups a rank; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 16))]
    pub bank_groups: Option<u32>,
    /// Banks a bank group; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 16))]
    pub banks: Option<u32>,
    /// Rows a bank; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 16_777_216))]
    pub rows: Option<u32>,
    /// Columns a row, each as wide as the channel; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"), range(min = 8, max = 65_536))]
    pub columns: Option<u32>,
    /// Timing constraints.
    pub timing: Timing,
    /// Physical address fields, most significant first: Ro(w), Ra(nk), Ba(nk), Bg for the bank group,
    /// Co(lumn), Ch(annel). The bits of a burst lie below them all.
    #[schemars(extend("x-effect" = "timing"), regex(pattern = "^((Ro|Ra|Ba|Bg|Co|Ch)){6}$"))]
    pub mapping: String,
    /// What happens to a row after use.
    #[schemars(extend("x-effect" = "timing"))]
    pub page: RowPolicy,
    /// Requests, reads and writes together, that a channel's scheduler sees; others wait outside.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 1024))]
    pub queue: u32,
    /// Time outside the channel, added once each way.
    #[schemars(extend("x-effect" = "timing"))]
    pub controller_latency: Span,
    /// Whether rows are refreshed.
    #[schemars(extend("x-effect" = "timing"))]
    pub refresh: bool,
}

impl Default for Dram {
    fn default() -> Self {
        Self {
            preset: DramPreset::Ddr4_3200,
            channels: 1,
            ranks: None,
            bank_groups: None,
            banks: None,
            rows: None,
            columns: None,
            timing: Timing::default(),
            mapping: "RoRaBaBgCoCh".to_owned(),
            page: RowPolicy::Open,
            queue: 32,
            controller_latency: Span::Picoseconds(10_000),
            refresh: true,
        }
    }
}

/// DRAM standards, with the organisation and timing of a common part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DramPreset {
    /// DDR4-2400R, 16-16-16, one rank of 8 Gb x8 parts.
    #[serde(rename = "ddr4-2400")]
    Ddr4_2400,
    /// DDR4-3200AA, 22-22-22, one rank of 8 Gb x8 parts.
    #[serde(rename = "ddr4-3200")]
    Ddr4_3200,
}

/// What happens to a row after use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowPolicy {
    /// It stays open until another is wanted or the rank is refreshed.
    #[default]
    Open,
}

impl<'de> Deserialize<'de> for RowPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// What a configuration may say, modelled or not.
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Named {
            Open,
            Closed,
            Timeout(serde::de::IgnoredAny),
        }
        let refused = |name| {
            Err(Error::custom(format!(
                "the row policy `{name}` is not modelled yet; expected `open`"
            )))
        };
        match Named::deserialize(deserializer)? {
            Named::Open => Ok(Self::Open),
            Named::Closed => refused("closed"),
            Named::Timeout(_) => refused("timeout"),
        }
    }
}

impl JsonSchema for RowPolicy {
    fn schema_name() -> Cow<'static, str> {
        "RowPolicy".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What happens to a row after use: it stays open until another is wanted or the rank is refreshed.",
            "type": "string",
            "enum": ["open"],
        })
    }
}

/// Declares the timing constraints once: the settings, their defaults and their resolved values.
macro_rules! timing {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Timing constraints of a DRAM, in its clocks but for `tck` (JEDEC JESD79-4 for DDR4). One that
        /// is left out has the value of the preset; `rc` that of `ras` + `rp`.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct Timing {
            /// Clock period, as a time.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(extend("x-effect" = "timing"))]
            pub tck: Option<Span>,
            $(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 1_000_000))]
                pub $name: Option<u32>,
            )*
        }

        /// Every timing constraint in clocks, and the clock in picoseconds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "documented as settings")]
        pub struct Clocks {
            pub tck: u64,
            $(pub $name: u64,)*
        }

        impl Timing {
            /// These values, and those of `other` where there are none.
            fn or(&self, other: &Self) -> Self {
                Self { tck: self.tck.or(other.tck), $($name: self.$name.or(other.$name),)* }
            }

            /// The values as numbers.
            fn clocks(&self) -> Result<Clocks, InvalidSetting> {
                Ok(Clocks {
                    tck: picoseconds(self.tck)?,
                    $($name: in_range(concat!("dram.timing.", stringify!($name)), self.$name, 1, 1_000_000)?,)*
                })
            }
        }
    };
}

timing! {
    /// CAS latency: from a read command to its first beat.
    cl,
    /// RAS-to-CAS delay: from an activation to a column command.
    rcd,
    /// Row precharge: from a precharge to an activation.
    rp,
    /// Row active time: from an activation to a precharge.
    ras,
    /// Row cycle: from an activation to the next one of the same bank.
    rc,
    /// CAS write latency: from a write command to its first beat.
    cwl,
    /// Between column commands to different bank groups.
    ccd_s,
    /// Between column commands to the same bank group.
    ccd_l,
    /// Between activations in different bank groups.
    rrd_s,
    /// Between activations in the same bank group.
    rrd_l,
    /// The window in which a rank takes at most four activations.
    faw,
    /// Write recovery: from a write's last beat to a precharge.
    wr,
    /// From a write's last beat to a read in another bank group of the rank.
    wtr_s,
    /// From a write's last beat to a read in the same bank group.
    wtr_l,
    /// From a read to a precharge.
    rtp,
    /// Clocks that the data bus idles between a read's last beat and a write's first in the same rank.
    rtw,
    /// Clocks that the data bus idles between bursts of different ranks.
    rtrs,
    /// Average interval between refreshes of a rank.
    refi,
    /// Refresh cycle: from a refresh to an activation.
    rfc,
}

/// The value of `key`, within `min`..=`max`.
fn in_range(key: &str, value: Option<u32>, min: u32, max: u32) -> Result<u64, InvalidSetting> {
    match value {
        Some(value) if (min..=max).contains(&value) => Ok(u64::from(value)),
        Some(value) => {
            Err(InvalidSetting::new(key, format!("must be {min} to {max}, not {value}")))
        }
        None => Err(InvalidSetting::new(key, "has no value in the preset")),
    }
}

/// As [`in_range`], and a power of two.
fn power_of_two(key: &str, value: Option<u32>, min: u32, max: u32) -> Result<u32, InvalidSetting> {
    let value = in_range(key, value, min, max)? as u32;
    if value.is_power_of_two() {
        return Ok(value);
    }
    Err(InvalidSetting::new(key, format!("must be a power of two, not {value}")))
}

/// The clock period in picoseconds.
fn picoseconds(tck: Option<Span>) -> Result<u64, InvalidSetting> {
    match tck {
        Some(Span::Picoseconds(ps)) if (100..=1_000_000).contains(&ps) => Ok(ps),
        Some(Span::Picoseconds(_)) => {
            Err(InvalidSetting::new("dram.timing.tck", "must be 100ps to 1us"))
        }
        _ => Err(InvalidSetting::new(
            "dram.timing.tck",
            "must be a time such as \"625ps\", since core cycles are not the memory's clock",
        )),
    }
}

/// How many of everything there is; powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented as settings")]
pub struct Organisation {
    pub channels: u32,
    pub ranks: u32,
    pub bank_groups: u32,
    pub banks: u32,
    pub rows: u32,
    pub columns: u32,
}

impl Organisation {
    /// Banks a rank.
    pub fn banks_a_rank(&self) -> u32 {
        self.bank_groups * self.banks
    }
}

impl Dram {
    /// The same memory with every field of the preset filled in.
    pub fn resolved(&self) -> Self {
        let standard = Standard::of(self.preset);
        let mut timing = self.timing.or(&standard.timing);
        timing.rc = timing.rc.or(timing.ras.zip(timing.rp).map(|(ras, rp)| ras.saturating_add(rp)));
        Self {
            ranks: self.ranks.or(Some(standard.ranks)),
            bank_groups: self.bank_groups.or(Some(standard.bank_groups)),
            banks: self.banks.or(Some(standard.banks)),
            rows: self.rows.or(Some(standard.rows)),
            columns: self.columns.or(Some(standard.columns)),
            timing,
            ..self.clone()
        }
    }

    /// The organisation.
    ///
    /// # Errors
    /// A number that is no power of two or out of range.
    pub fn organisation(&self) -> Result<Organisation, InvalidSetting> {
        let full = self.resolved();
        Ok(Organisation {
            channels: power_of_two("dram.channels", Some(full.channels), 1, 64)?,
            ranks: power_of_two("dram.ranks", full.ranks, 1, 16)?,
            bank_groups: power_of_two("dram.bank_groups", full.bank_groups, 1, 16)?,
            banks: power_of_two("dram.banks", full.banks, 1, 16)?,
            rows: power_of_two("dram.rows", full.rows, 1, 1 << 24)?,
            columns: power_of_two("dram.columns", full.columns, super::BURST, 1 << 16)?,
        })
    }

    /// The timing constraints.
    ///
    /// # Errors
    /// A number out of range, bursts that would overlap, refreshes that would leave no time.
    pub fn clocks(&self) -> Result<Clocks, InvalidSetting> {
        let clocks = self.resolved().timing.clocks()?;
        for (key, value) in [("ccd_s", clocks.ccd_s), ("ccd_l", clocks.ccd_l)] {
            if value < super::BURST_CLOCKS {
                let problem =
                    format!("must be at least {}, the clocks of a burst", super::BURST_CLOCKS);
                return Err(InvalidSetting::new(format!("dram.timing.{key}"), problem));
            }
        }
        if self.refresh && clocks.refi <= clocks.rfc + clocks.rc + clocks.rp {
            let problem =
                "must be above `rfc` + `rc` + `rp`: refreshes leave no time for anything else";
            return Err(InvalidSetting::new("dram.timing.refi", problem));
        }
        Ok(clocks)
    }

    /// Checks everything that [`Dram`](super::Dram) needs.
    ///
    /// # Errors
    /// As [`Self::organisation`] and [`Self::clocks`]; a mapping that does not name every field once; a
    /// queue out of range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        super::mapping::Mapping::new(&self.mapping, &self.organisation()?)?;
        self.clocks()?;
        in_range("dram.queue", Some(self.queue), 1, 1024)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_comes_from_the_preset() {
        let settings: Dram =
            toml::from_str("preset = \"ddr4-2400\"\ntiming = { cl = 17, ras = 40 }").unwrap();
        let full = settings.resolved();
        assert_eq!(
            (full.timing.cl, full.timing.rcd, full.timing.rc),
            (Some(17), Some(16), Some(56))
        );
        assert_eq!((full.ranks, full.rows), (Some(1), Some(1 << 16)));
        assert_eq!(full.resolved(), full);
        full.validate().unwrap();
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let key = |text: &str| toml::from_str::<Dram>(text).unwrap().validate().unwrap_err().key;
        assert_eq!(key("ranks = 3"), "dram.ranks");
        assert_eq!(key("channels = 0"), "dram.channels");
        assert_eq!(key("queue = 0"), "dram.queue");
        assert_eq!(key("timing = { tck = \"3cycles\" }"), "dram.timing.tck");
        assert_eq!(key("timing = { ccd_s = 3 }"), "dram.timing.ccd_s");
        assert_eq!(key("timing = { refi = 600 }"), "dram.timing.refi");
        assert_eq!(key("timing = { cl = 0 }"), "dram.timing.cl");
        assert_eq!(key("mapping = \"RoRaBaBgCo\""), "dram.mapping");
    }

    #[test]
    fn row_policies_that_are_not_modelled_are_refused_by_name() {
        for (text, name) in
            [("page = \"closed\"", "closed"), ("page = { timeout = \"100ns\" }", "timeout")]
        {
            let message = toml::from_str::<Dram>(text).unwrap_err().to_string();
            assert!(message.contains(&format!("`{name}` is not modelled yet")), "{message}");
        }
        assert!(
            toml::from_str::<Dram>("page = \"shut\"").unwrap_err().to_string().contains("shut")
        );
    }
}
