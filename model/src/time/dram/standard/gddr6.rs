//! GDDR6 at 14 Gb/s: a part is two channels of 16 bits.
//!
//! Timing: Samsung's 8 Gb data sheet by Ramulator 2 (`gddr6.py`, `GDDR6_14000_1350mV_double`).
//! Organisation: JESD250, 8 Gb x16. Currents: DRAMsim3's `GDDR6_8Gb_x16`, a channel at 12 Gb/s.
//!
//! The clock is CK at 1.75 GHz, eight beats each. A line of 64 bytes takes two bursts.

use super::{NONE, Power, Share, Standard};
use crate::time::dram::settings::Timing;
use crate::units::Span;

pub(super) const STANDARD: Standard = Standard {
    subchannels: 2, // d
    width: 16,      // d
    burst: 16,      // d BL16
    beats: 8,       // d
    parts: 1,
    ranks: 1,
    bank_groups: 4,               // d
    banks: 4,                     // d
    rows: 1 << 14,                // d
    columns: 1 << 10,             // d 2 KiB pages
    share: Some(Share::Banks(1)), // d REFpb
    activate_clocks: 1,           // d
    column_clocks: 1,             // d
    timing: Timing {
        tck: Some(Span::Picoseconds(571)), // d 1.75 GHz
        cl: Some(24),                      // d
        rcd: Some(27),                     // d tRCDRD
        rcd_w: Some(16),                   // d tRCDWR
        rp: Some(27),                      // d
        ras: Some(53),                     // d
        rc: Some(80),                      // d tRAS + tRP
        cwl: Some(6),                      // d
        ccd_s: Some(2),                    // d
        ccd_l: Some(4),                    // d
        rrd_s: Some(8),                    // d
        rrd_l: Some(8),                    // d
        faw: Some(29),                     // d
        wr: Some(27),                      // d
        wtr_s: Some(9),                    // d
        wtr_l: Some(11),                   // d
        rtp: Some(4),                      // d
        rtw: Some(5),                      // d so that a write follows a read by RL + 1
        rtrs: Some(2),                     // a
        refi: Some(3327),                  // d 1.9 us
        rfc: Some(211),                    // d tRFCab: 120 ns
        refi_pb: Some(207),                // d tREFI / 16 banks
        rfc_pb: Some(106),                 // d tRFCpb: 60 ns
        pbr_pbr: Some(15),                 // d tRREFD
        pbr_act: Some(15),                 // d tRREFD
        ..NONE
    },
    power: Power {
        vdd: 1350,      // d
        idd0: 71_000,   // d
        idd2n: 60_000,  // d
        idd3n: 61_000,  // d
        idd4r: 248_000, // d
        idd4w: 231_000, // d
        idd5b: 286_000, // d
    },
};
