//! DDR4-3200AA.
//!
//! Timing: JESD79-4, speed bins and timing parameters by speed grade, as in DRAMsim3's
//! `DDR4_8Gb_x8_3200`. Organisation: JESD79-4, 8 Gb addressing. Currents: Micron MT40A1G8 data sheet, by
//! DRAMsim3.

use super::{NONE, Power, Standard};
use crate::time::dram::settings::Timing;
use crate::units::Span;

pub(super) const STANDARD: Standard = Standard {
    subchannels: 1,
    width: 64,
    burst: 8, // d BL8
    beats: 2, // d two beats a clock
    parts: 8,
    ranks: 1,
    bank_groups: 4,   // d
    banks: 4,         // d
    rows: 1 << 16,    // d
    columns: 1 << 10, // d 1 KiB pages a part
    share: None,      // d all-bank refresh alone
    activate_clocks: 1,
    column_clocks: 1,
    timing: Timing {
        tck: Some(Span::Picoseconds(625)), // d tCK(avg) min 0.625 ns
        cl: Some(22),                      // d speed bin AA: 22-22-22
        rcd: Some(22),                     // d
        rp: Some(22),                      // d
        ras: Some(52),                     // d 32 ns
        cwl: Some(16),                     // d first set, 1 tCK write preamble
        ccd_s: Some(4),                    // d 4 nCK
        ccd_l: Some(8),                    // d max(5 nCK, 5 ns)
        rrd_s: Some(4),                    // d 1 KiB page: max(4 nCK, 2.5 ns)
        rrd_l: Some(8),                    // d 1 KiB page: max(4 nCK, 4.9 ns)
        faw: Some(34),                     // d 1 KiB page: max(20 nCK, 21 ns)
        wr: Some(24),                      // d 15 ns
        wtr_s: Some(4),                    // d max(2 nCK, 2.5 ns)
        wtr_l: Some(12),                   // d max(4 nCK, 7.5 ns)
        rtp: Some(12),                     // d max(4 nCK, 7.5 ns)
        rtw: Some(2),                      // r read to write: RL + BL/2 - WL + 2 tCK
        rtrs: Some(2),                     // a postamble and preamble of another rank, 1 tCK each
        refi: Some(12480),                 // d 7.8 us up to 85 °C
        rfc: Some(560),                    // d tRFC1, 8 Gb: 350 ns
        ..NONE
    },
    power: Power {
        vdd: 1200,      // d
        idd0: 57_000,   // d
        idd2n: 37_000,  // d
        idd3n: 52_000,  // d
        idd4r: 168_000, // d
        idd4w: 150_000, // d
        idd5b: 250_000, // d
    },
};
