//! Settings of main memory: `[dram]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::policy::{Hash, Refresh, RowPolicy};
pub use super::standard::DramPreset;
use super::standard::{Share, Standard};
pub use super::timing::{Clocks, Timing};
use crate::time::settings::InvalidSetting;
use crate::units::Span;

/// Main memory. A field that is left out has the value of `preset`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dram {
    /// The standard that every other field starts from.
    #[schemars(extend("x-effect" = "timing"))]
    pub preset: DramPreset,
    /// Independent channels; a power of two. One is what the standard calls so: 64 bits of DDR (two
    /// subchannels of DDR5), 16 bits of LPDDR5, two pseudo-channels of HBM, a part of GDDR6.
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
    /// Columns a row, each as wide as the channel or subchannel; a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-effect" = "timing"), range(min = 8, max = 65_536))]
    pub columns: Option<u32>,
    /// Timing constraints.
    pub timing: Timing,
    /// Physical address fields, most significant first: Ro(w), Ra(nk), Ba(nk), Bg for the bank group,
    /// Co(lumn), Ch(annel). The bits of 64 bytes lie below them all.
    #[schemars(extend("x-effect" = "timing"), regex(pattern = "^((Ro|Ra|Ba|Bg|Co|Ch)){6}$"))]
    pub mapping: String,
    /// How the bank follows from the row besides from its own bits.
    #[schemars(extend("x-effect" = "timing"))]
    pub hash: Hash,
    /// What happens to a row after use.
    #[schemars(extend("x-effect" = "timing"))]
    pub page: RowPolicy,
    /// Requests, reads and writes together, that a channel's scheduler sees; others wait outside.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 1024))]
    pub queue: u32,
    /// Writes are served before reads from when they take so much of the queue, in percent.
    #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 100))]
    pub write_high: u32,
    /// Reads are served first again when writes take no more of the queue than this, in percent; below
    /// `write_high`.
    #[schemars(extend("x-effect" = "timing"), range(min = 0, max = 99))]
    pub write_low: u32,
    /// Time outside the channel, added once each way.
    #[schemars(extend("x-effect" = "timing"))]
    pub controller_latency: Span,
    /// Whether and how rows are refreshed.
    #[schemars(extend("x-effect" = "timing"))]
    pub refresh: Refresh,
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
            hash: Hash::None,
            page: RowPolicy::Open,
            queue: 32,
            write_high: 80,
            write_low: 20,
            controller_latency: Span::Picoseconds(10_000),
            refresh: Refresh::AllBank,
        }
    }
}

/// The value of `key`, within `min`..=`max`.
pub(super) fn in_range(
    key: &str,
    value: Option<u32>,
    min: u32,
    max: u32,
) -> Result<u64, InvalidSetting> {
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

/// How many of everything there is; powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented as settings")]
pub struct Organisation {
    /// Of their own command and data bus: subchannels and pseudo-channels count.
    pub channels: u32,
    pub ranks: u32,
    pub bank_groups: u32,
    pub banks: u32,
    pub rows: u32,
    /// Lines of 64 bytes a row.
    pub lines: u32,
    /// Bursts a line.
    pub bursts: u32,
    /// Refreshes that a rank takes in turn until every bank has had one; 1 where it is refreshed as a whole.
    pub turns: u32,
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
        Self {
            ranks: self.ranks.or(Some(standard.ranks)),
            bank_groups: self.bank_groups.or(Some(standard.bank_groups)),
            banks: self.banks.or(Some(standard.banks)),
            rows: self.rows.or(Some(standard.rows)),
            columns: self.columns.or(Some(standard.columns)),
            timing: self.timing.or(&standard.timing).completed(),
            ..self.clone()
        }
    }

    /// The organisation.
    ///
    /// # Errors
    /// A number that is no power of two or out of range, a row that does not hold a line, a refresh that the
    /// standard does not have.
    pub fn organisation(&self) -> Result<Organisation, InvalidSetting> {
        let standard = Standard::of(self.preset);
        let full = self.resolved();
        let columns = power_of_two("dram.columns", full.columns, 8, 1 << 16)?;
        let lines = columns / (super::LINE_BYTES as u32 * 8 / standard.width);
        if lines == 0 {
            return Err(InvalidSetting::new("dram.columns", "must make a row of 64 bytes or more"));
        }
        let mut organisation = Organisation {
            channels: power_of_two("dram.channels", Some(full.channels), 1, 64)?
                * standard.subchannels,
            ranks: power_of_two("dram.ranks", full.ranks, 1, 16)?,
            bank_groups: power_of_two("dram.bank_groups", full.bank_groups, 1, 16)?,
            banks: power_of_two("dram.banks", full.banks, 1, 16)?,
            rows: power_of_two("dram.rows", full.rows, 1, 1 << 24)?,
            lines,
            bursts: super::LINE_BYTES as u32 * 8 / (standard.width * standard.burst),
            turns: 1,
        };
        if self.refresh == Refresh::PerBank {
            organisation.turns = match standard.share {
                Some(Share::SameBank) => organisation.banks,
                Some(Share::Banks(banks)) => (organisation.banks_a_rank() / banks).max(1),
                None => {
                    let problem =
                        format!("{} has no refresh of less than a rank", self.preset.name());
                    return Err(InvalidSetting::new("dram.refresh", problem));
                }
            };
        }
        Ok(organisation)
    }

    /// The timing constraints.
    ///
    /// # Errors
    /// A number out of range, bursts that would overlap, refreshes that would leave no time.
    pub fn clocks(&self) -> Result<Clocks, InvalidSetting> {
        let clocks = self.resolved().timing.clocks(Standard::of(self.preset))?;
        let columns =
            [("ccd_s", clocks.ccd_s), ("ccd_l", clocks.ccd_l), ("ccd_l_w", clocks.ccd_l_w)];
        for (key, value) in columns {
            if value < clocks.bl {
                let problem = format!("must be at least {}, the clocks of a burst", clocks.bl);
                return Err(InvalidSetting::new(format!("dram.timing.{key}"), problem));
            }
        }
        self.check_refresh(&clocks)?;
        Ok(clocks)
    }

    /// Checks that refreshes leave time for something else.
    fn check_refresh(&self, t: &Clocks) -> Result<(), InvalidSetting> {
        if self.refresh == Refresh::AllBank && t.refi <= t.rfc + t.rc + t.rp {
            let problem =
                "must be above `rfc` + `rc` + `rp`: refreshes leave no time for anything else";
            return Err(InvalidSetting::new("dram.timing.refi", problem));
        }
        if self.refresh == Refresh::PerBank {
            let turns = u64::from(self.organisation()?.turns);
            // Long enough to close a row after a write, and that every bank is used between its own.
            let row = t.rc + t.rp + t.rcd_w + t.cwl + t.bl + t.wr;
            if t.refi_pb <= t.pbr_pbr + row || t.refi_pb * turns <= t.rfc_pb + row {
                let problem = "is too short: refreshes leave no time for anything else";
                return Err(InvalidSetting::new("dram.timing.refi_pb", problem));
            }
            if t.refi_pb * turns > 1_000_000 {
                let problem = "must refresh every bank once in 1000000 clocks";
                return Err(InvalidSetting::new("dram.timing.refi_pb", problem));
            }
        }
        Ok(())
    }

    /// Clocks between refreshes of a rank, or of a part of it; `None` without refresh.
    pub(super) fn refresh_interval(&self, t: &Clocks) -> Option<u64> {
        match self.refresh {
            Refresh::None => None,
            Refresh::AllBank => Some(t.refi),
            Refresh::PerBank => Some(t.refi_pb),
        }
    }

    /// After how many clocks without a read or write a row is closed; `None` if it is left open.
    ///
    /// # Errors
    /// A time in core cycles, or one of more than a million clocks.
    pub(super) fn timeout(&self, t: &Clocks) -> Result<Option<u64>, InvalidSetting> {
        let bad = |problem: &str| Err(InvalidSetting::new("dram.page", problem));
        match self.page {
            RowPolicy::Open => Ok(None),
            RowPolicy::Closed => Ok(Some(0)),
            RowPolicy::Timeout(Span::Picoseconds(time)) if time.div_ceil(t.tck) <= 1_000_000 => {
                Ok(Some(time.div_ceil(t.tck)))
            }
            RowPolicy::Timeout(Span::Picoseconds(_)) => {
                bad("must time out within 1000000 of the memory's clocks")
            }
            RowPolicy::Timeout(_) => bad(
                "must time out after a time such as \"100ns\", since core cycles are not the memory's clock",
            ),
        }
    }

    /// How many writes in the queue begin and end the draining of writes.
    pub(super) fn watermarks(&self) -> [usize; 2] {
        let [queue, high, low] = [self.queue, self.write_high, self.write_low].map(|n| n as usize);
        [(queue * high).div_ceil(100), queue * low / 100]
    }

    /// Checks everything that [`Dram`](super::Dram) needs.
    ///
    /// # Errors
    /// As [`Self::organisation`] and [`Self::clocks`]; a mapping that does not name every field once; a
    /// queue or a timeout out of range, watermarks in the wrong order.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        super::mapping::Mapping::new(&self.mapping, self.hash, &self.organisation()?)?;
        self.timeout(&self.clocks()?)?;
        in_range("dram.queue", Some(self.queue), 1, 1024)?;
        in_range("dram.write_high", Some(self.write_high), 1, 100)?;
        if self.write_low >= self.write_high {
            return Err(InvalidSetting::new("dram.write_low", "must be below `write_high`"));
        }
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
    fn every_standard_is_one_by_its_name() {
        for &preset in DramPreset::ALL {
            let text = format!("preset = \"{}\"", preset.name());
            let settings: Dram = toml::from_str(&text).unwrap();
            assert_eq!(settings.preset, preset);
            settings.validate().unwrap();
            let refresh = Refresh::PerBank;
            let per_bank = Dram { refresh, ..settings }.validate();
            let ddr4 = matches!(preset, DramPreset::Ddr4_2400 | DramPreset::Ddr4_3200);
            assert_eq!(per_bank.is_err_and(|error| error.key == "dram.refresh"), ddr4, "{text}");
        }
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
        assert_eq!(key("write_high = 101"), "dram.write_high");
        assert_eq!(key("write_high = 20"), "dram.write_low");
        assert_eq!(key("page = { timeout = \"10ms\" }"), "dram.page");
        assert_eq!(key("page = { timeout = \"4cycles\" }"), "dram.page");
        assert_eq!(key("refresh = \"per-bank\""), "dram.refresh");
        assert_eq!(key("preset = \"lpddr5-6400\"\ncolumns = 16"), "dram.columns");
        let slow = "preset = \"hbm2e\"\nrefresh = \"per-bank\"\ntiming = { refi_pb = 100000 }";
        assert_eq!(key(slow), "dram.timing.refi_pb");
        assert_eq!(key(&slow.replace("100000", "100")), "dram.timing.refi_pb");
    }
}
