//! HBM2E at 3.2 Gb/s: a channel of 128 bits is two pseudo-channels of 64 bits.
//!
//! Timing: JESD235 by DRAMSys (`HBM2.json`, of a 2 Gb/s stack) and Ramulator 2 (`hbm2.py`), with what they
//! give in nanoseconds taken over to this clock. Organisation: JESD235, a 4-high stack of 16 Gb dies.
//! Currents: DRAMsim3's `HBM2_8Gb_x128`, halved for a pseudo-channel, reads and writes drawing as much a
//! bit as there.
//!
//! The pseudo-channels of a channel share its row and its column command bus. Each is taken to have
//! one bus of its own, for one command a clock, which bounds neither: a pseudo-channel can use a column
//! command every second clock. A line of 64 bytes takes two bursts.

use super::{NONE, Power, Share, Standard};
use crate::time::dram::settings::Timing;
use crate::units::Span;

pub(super) const STANDARD: Standard = Standard {
    subchannels: 2, // d pseudo-channels
    width: 64,      // d
    burst: 4,       // d BL4
    beats: 2,       // d two beats a clock
    parts: 1,
    ranks: 1,
    bank_groups: 4,               // d
    banks: 4,                     // d
    rows: 1 << 15,                // d
    columns: 1 << 7,              // d 1 KiB pages
    share: Some(Share::Banks(1)), // d REFSB
    activate_clocks: 1,           // a see above
    column_clocks: 1,             // d
    timing: Timing {
        tck: Some(Span::Picoseconds(625)), // d 1.6 GHz
        cl: Some(28),                      // a 17 ns
        rcd: Some(20),                     // a tRCDRD: 12 ns
        rcd_w: Some(10),                   // a tRCDWR: 6 ns
        rp: Some(23),                      // a 14 ns
        ras: Some(45),                     // a 28 ns
        cwl: Some(12),                     // a 7 ns
        ccd_s: Some(2),                    // d 2 nCK
        ccd_l: Some(4),                    // d 4 nCK
        rrd_s: Some(7),                    // d 4 ns
        rrd_l: Some(10),                   // d 6 ns
        faw: Some(26),                     // d 16 ns
        wr: Some(23),                      // a 14 ns
        wtr_s: Some(7),                    // a 4 ns
        wtr_l: Some(15),                   // a 9 ns
        rtp: Some(8),                      // a 5 ns
        rtw: Some(2),                      // d RL + BL/2 + 2 - WL
        rtrs: Some(2),                     // a
        refi: Some(6240),                  // d 3.9 us
        rfc: Some(560),                    // d 8 Gb: 350 ns
        refi_pb: Some(390),                // d tREFI / 16 banks
        rfc_pb: Some(256),                 // d tRFCSB: 160 ns
        pbr_pbr: Some(13),                 // a tRREFD
        pbr_act: Some(13),                 // d tRREFD: 8 ns
        ..NONE
    },
    power: Power {
        vdd: 1200,      // d
        idd0: 32_500,   // a
        idd2n: 20_000,  // a
        idd3n: 27_500,  // a
        idd4r: 295_500, // a
        idd4w: 383_500, // a
        idd5b: 125_000, // a
    },
};
