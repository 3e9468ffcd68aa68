//! DRAM standards as data.
//!
//! The organisation is one rank of 8 Gb x8 parts on a 64-bit channel (JESD79-4, 8 Gb addressing: 4 bank
//! groups of 4 banks, 64 Ki rows, 1 Ki columns, 1 KiB pages a part). Times that the standard gives in
//! nanoseconds are rounded up to clocks by its own rule (a fortieth of a clock more does not count); the
//! average refresh interval is rounded down.
//!
//! The figures are recalled from the standard and its parts' data sheets and have not been checked
//! against their tables, but for those that published read times pin down (CL, RCD, RP, the burst).

use super::settings::{DramPreset, Timing};
use crate::units::Span;

/// The organisation and timing that a preset stands for.
pub(super) struct Standard {
    pub ranks: u32,
    pub bank_groups: u32,
    pub banks: u32,
    pub rows: u32,
    pub columns: u32,
    pub timing: Timing,
}

impl Standard {
    /// The standard called `preset`.
    pub fn of(preset: DramPreset) -> &'static Self {
        match preset {
            DramPreset::Ddr4_2400 => &DDR4_2400,
            DramPreset::Ddr4_3200 => &DDR4_3200,
        }
    }
}

/// DDR4-2400R: JESD79-4, speed bins and timing parameters by speed grade.
const DDR4_2400: Standard = Standard {
    ranks: 1,
    bank_groups: 4,
    banks: 4,
    rows: 1 << 16,
    columns: 1 << 10,
    timing: Timing {
        tck: Some(Span::Picoseconds(833)), // tCK(avg) min 0.833 ns
        cl: Some(16),                      // speed bin R: 16-16-16
        rcd: Some(16),
        rp: Some(16),
        ras: Some(39),    // 32 ns
        rc: None,         // tRAS + tRP
        cwl: Some(12),    // first set, 1 tCK write preamble
        ccd_s: Some(4),   // 4 nCK
        ccd_l: Some(6),   // max(5 nCK, 5 ns)
        rrd_s: Some(4),   // 1 KiB page: max(4 nCK, 3.3 ns)
        rrd_l: Some(6),   // 1 KiB page: max(4 nCK, 4.9 ns)
        faw: Some(26),    // 1 KiB page: max(20 nCK, 21 ns)
        wr: Some(18),     // 15 ns
        wtr_s: Some(3),   // max(2 nCK, 2.5 ns)
        wtr_l: Some(9),   // max(4 nCK, 7.5 ns)
        rtp: Some(9),     // max(4 nCK, 7.5 ns)
        rtw: Some(2),     // read to write: RL + BL/2 - WL + 2 tCK
        rtrs: Some(2),    // postamble and preamble of another rank, 1 tCK each
        refi: Some(9363), // 7.8 us up to 85 °C
        rfc: Some(421),   // tRFC1, 8 Gb: 350 ns
    },
};

/// DDR4-3200AA: JESD79-4, speed bins and timing parameters by speed grade.
const DDR4_3200: Standard = Standard {
    ranks: 1,
    bank_groups: 4,
    banks: 4,
    rows: 1 << 16,
    columns: 1 << 10,
    timing: Timing {
        tck: Some(Span::Picoseconds(625)), // tCK(avg) min 0.625 ns
        cl: Some(22),                      // speed bin AA: 22-22-22
        rcd: Some(22),
        rp: Some(22),
        ras: Some(52),     // 32 ns
        rc: None,          // tRAS + tRP
        cwl: Some(16),     // first set, 1 tCK write preamble
        ccd_s: Some(4),    // 4 nCK
        ccd_l: Some(8),    // max(5 nCK, 5 ns)
        rrd_s: Some(4),    // 1 KiB page: max(4 nCK, 2.5 ns)
        rrd_l: Some(8),    // 1 KiB page: max(4 nCK, 4.9 ns)
        faw: Some(34),     // 1 KiB page: max(20 nCK, 21 ns)
        wr: Some(24),      // 15 ns
        wtr_s: Some(4),    // max(2 nCK, 2.5 ns)
        wtr_l: Some(12),   // max(4 nCK, 7.5 ns)
        rtp: Some(12),     // max(4 nCK, 7.5 ns)
        rtw: Some(2),      // read to write: RL + BL/2 - WL + 2 tCK
        rtrs: Some(2),     // postamble and preamble of another rank, 1 tCK each
        refi: Some(12480), // 7.8 us up to 85 °C
        rfc: Some(560),    // tRFC1, 8 Gb: 350 ns
    },
};
