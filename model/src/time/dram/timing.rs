//! Timing constraints as settings, and resolved.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::in_range;
use super::standard::Standard;
use crate::time::settings::InvalidSetting;
use crate::units::Span;

/// The value of an optional constraint that a standard does not have.
const ABSENT: u64 = 0;

/// The longest constraint in clocks.
const LONGEST: u32 = 1_000_000;

/// Declares the timing constraints once: the settings, their defaults and their resolved values. The last
/// group are those that not every standard has.
macro_rules! timing {
    ({ $($(#[$doc:meta])* $name:ident,)* } { $($(#[$some_doc:meta])* $some:ident,)* }) => {
        /// Timing constraints of a DRAM, in its clocks but for `tck` (JEDEC JESD79-4 for DDR4). One that
        /// is left out has the value of the preset. Where that has none, `rc` is `ras` + `rp`, `rcd_w` is
        /// `rcd`, `ccd_l_w` is `ccd_l`, and `ppd` is 1.
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
            $(
                $(#[$some_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                #[schemars(extend("x-effect" = "timing"), range(min = 1, max = 1_000_000))]
                pub $some: Option<u32>,
            )*
        }

        /// Every timing constraint in clocks (0 for one that the standard does not have), and the clock in
        /// picoseconds.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "documented as settings")]
        pub struct Clocks {
            pub tck: u64,
            $(pub $name: u64,)*
            $(pub $some: u64,)*
            /// A burst on the data bus.
            pub bl: u64,
            /// An activation on the command bus.
            pub activate: u64,
            /// A read or write on the command bus.
            pub column: u64,
        }

        impl Timing {
            /// These values, and those of `other` where there are none.
            pub(super) fn or(&self, other: &Self) -> Self {
                Self {
                    tck: self.tck.or(other.tck),
                    $($name: self.$name.or(other.$name),)*
                    $($some: self.$some.or(other.$some),)*
                }
            }

            /// The values as numbers, for a part of `standard`.
            pub(super) fn clocks(&self, standard: &Standard) -> Result<Clocks, InvalidSetting> {
                Ok(Clocks {
                    tck: picoseconds(self.tck)?,
                    $($name: in_range(concat!("dram.timing.", stringify!($name)), self.$name, 1, LONGEST)?,)*
                    $($some: match self.$some {
                        None => ABSENT,
                        some => in_range(concat!("dram.timing.", stringify!($some)), some, 1, LONGEST)?,
                    },)*
                    bl: u64::from(standard.burst / standard.beats),
                    activate: standard.activate_clocks,
                    column: standard.column_clocks,
                })
            }
        }
    };
}

timing! { {
    /// CAS latency: from a read command to its first beat.
    cl,
    /// RAS-to-CAS delay: from an activation to a column command.
    rcd,
    /// As `rcd`, to a write.
    rcd_w,
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
    /// As `ccd_l`, between writes.
    ccd_l_w,
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
    /// Between precharges of a rank.
    ppd,
    /// Average interval between refreshes of a rank.
    refi,
    /// Refresh cycle: from a refresh to an activation.
    rfc,
} {
    /// Average interval between per-bank refreshes of a rank.
    refi_pb,
    /// Per-bank refresh cycle: from a per-bank refresh to an activation of what it refreshes.
    rfc_pb,
    /// Between per-bank refreshes of a rank.
    pbr_pbr,
    /// From a per-bank refresh to an activation of another bank of the rank.
    pbr_act,
} }

impl Timing {
    /// The same constraints with those filled in that follow from others.
    pub(super) fn completed(mut self) -> Self {
        self.rc = self.rc.or(self.ras.zip(self.rp).map(|(ras, rp)| ras.saturating_add(rp)));
        self.rcd_w = self.rcd_w.or(self.rcd);
        self.ccd_l_w = self.ccd_l_w.or(self.ccd_l);
        self.ppd = self.ppd.or(Some(1));
        self
    }
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
