//! DRAM standards as data: a file each, and a line below.
//!
//! Times that a standard gives in nanoseconds are rounded up to clocks by its own rule (a fortieth of a
//! clock more does not count); average refresh intervals are rounded down.
//!
//! Every figure says where it is from: *d* documented, in the source that the head of the file names for
//! it; *r* recalled from the standard, and not checked against its tables; *a* assumed, for want of a
//! public figure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::Timing;

/// Takes in the standards: their file, their name in code and in settings, and what part they describe.
macro_rules! standards {
    ($($file:ident $variant:ident $name:literal $doc:literal)*) => {
        $(mod $file;)*

        /// DRAM standards, with the organisation and timing of a common part.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum DramPreset {
            $(#[doc = $doc] #[serde(rename = $name)] $variant,)*
        }

        impl DramPreset {
            /// Every standard.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in settings.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }

        impl Standard {
            /// The standard called `preset`.
            pub fn of(preset: DramPreset) -> &'static Self {
                match preset { $(DramPreset::$variant => &$file::STANDARD,)* }
            }
        }
    };
}

standards! {
    ddr4_2400 Ddr4_2400 "ddr4-2400" "DDR4-2400R, 16-16-16, one rank of 8 Gb x8 parts."
    ddr4_3200 Ddr4_3200 "ddr4-3200" "DDR4-3200AA, 22-22-22, one rank of 8 Gb x8 parts."
    ddr5_4800 Ddr5_4800 "ddr5-4800" "DDR5-4800B, 40-39-39, two 32-bit subchannels a channel, one rank of 16 Gb x8 parts."
    lpddr5_6400 Lpddr5_6400 "lpddr5-6400" "LPDDR5-6400, one 16-bit channel of a 16 Gb part in bank-group mode."
    hbm2e Hbm2e "hbm2e" "HBM2E at 3.2 Gb/s, two 64-bit pseudo-channels a channel, of which a stack has eight."
    gddr6 Gddr6 "gddr6" "GDDR6 at 14 Gb/s, one 8 Gb part of two 16-bit channels as a channel."
}

/// The organisation and timing that a preset stands for.
pub(super) struct Standard {
    /// Independent parts of what is sold as a channel, each with its own command and data bus.
    pub subchannels: u32,
    /// Data bits of each of them.
    pub width: u32,
    /// Beats of a burst, and how many of them a clock has.
    pub burst: u32,
    pub beats: u32,
    /// Parts that share the width of a rank.
    pub parts: u64,
    pub ranks: u32,
    pub bank_groups: u32,
    pub banks: u32,
    pub rows: u32,
    /// Columns a row, each as wide as a subchannel.
    pub columns: u32,
    /// What a refresh of less than a rank covers, if there is one.
    pub share: Option<Share>,
    /// Clocks that an activation takes on the command bus. What it asks for begins with the last of them.
    pub activate_clocks: u64,
    /// As `activate_clocks`, of reads and writes.
    pub column_clocks: u64,
    pub timing: Timing,
    pub power: Power,
}

/// The part of a rank that is refreshed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// The banks of the same number, one in each bank group.
    SameBank,
    /// So many banks, spread evenly over the rank.
    Banks(u32),
}

/// What a part draws, as data sheets measure it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Power {
    /// Supply in millivolts. Currents are in microamperes.
    pub vdd: u64,
    /// One bank is activated and precharged every row cycle.
    pub idd0: u64,
    /// Standby with all banks closed.
    pub idd2n: u64,
    /// Standby with all banks open.
    pub idd3n: u64,
    /// Reads without a gap, all banks open.
    pub idd4r: u64,
    /// Writes without a gap, all banks open.
    pub idd4w: u64,
    /// Refreshes without a gap.
    pub idd5b: u64,
}

/// What a timing table leaves out: a default, or what the standard does not have.
const NONE: Timing = Timing {
    tck: None,
    cl: None,
    rcd: None,
    rcd_w: None,
    rp: None,
    ras: None,
    rc: None,
    cwl: None,
    ccd_s: None,
    ccd_l: None,
    ccd_l_w: None,
    rrd_s: None,
    rrd_l: None,
    faw: None,
    wr: None,
    wtr_s: None,
    wtr_l: None,
    rtp: None,
    rtw: None,
    rtrs: None,
    ppd: None,
    refi: None,
    rfc: None,
    refi_pb: None,
    rfc_pb: None,
    pbr_pbr: None,
    pbr_act: None,
};
