//! DDR5-4800B: a channel is two subchannels of 32 bits, whose bandwidth together is that of the channel.
//!
//! Timing: JESD79-5, as in Ramulator 2 (`ddr5.py`) and gem5 (`DDR5_4400_4x8`, from the Micron DDR5 core
//! data sheet), but for the bin and what is marked. Organisation: JESD79-5, 16 Gb x8 addressing.
//! Currents: Micron 16 Gb DDR5 die revision A data sheet, x8, by Ramulator 2's power scripts.
//!
//! The same-bank refresh needs the fine-granularity mode, in which twice as many refreshes of half the
//! rows are due.

use super::{NONE, Power, Share, Standard};
use crate::time::dram::settings::Timing;
use crate::units::Span;

pub(super) const STANDARD: Standard = Standard {
    subchannels: 2, // d
    width: 32,      // d
    burst: 16,      // d BL16
    beats: 2,       // d two beats a clock
    parts: 4,
    ranks: 1,
    bank_groups: 8,               // d
    banks: 4,                     // d
    rows: 1 << 16,                // d
    columns: 1 << 10,             // d 1 KiB pages a part
    share: Some(Share::SameBank), // d REFsb
    activate_clocks: 2,           // d two-cycle commands
    column_clocks: 2,             // d
    timing: Timing {
        tck: Some(Span::Picoseconds(416)), // d tCK(avg) min 0.416 ns
        cl: Some(40),                      // r speed bin B: 40-39-39
        rcd: Some(39),                     // r 16 ns
        rp: Some(39),                      // r 16 ns
        ras: Some(77),                     // d 32 ns
        cwl: Some(38),                     // d CL - 2
        ccd_s: Some(8),                    // d 8 nCK
        ccd_l: Some(12),                   // d max(8 nCK, 5 ns)
        ccd_l_w: Some(24),                 // r tCCD_L_WR2 of x8 parts: max(16 nCK, 10 ns)
        rrd_s: Some(8),                    // d 8 nCK
        rrd_l: Some(12),                   // d max(8 nCK, 5 ns)
        faw: Some(32),                     // d 1 KiB page: max(32 nCK, 13.333 ns)
        wr: Some(72),                      // d 30 ns
        wtr_s: Some(6),                    // d max(4 nCK, 2.5 ns)
        wtr_l: Some(24),                   // d max(16 nCK, 10 ns)
        rtp: Some(18),                     // d max(12 nCK, 7.5 ns)
        rtw: Some(4),                      // d CL - CWL + RBL/2 + 2 tCK + 2 tCK
        rtrs: Some(2),                     // a
        ppd: Some(2),                      // d 2 nCK
        refi: Some(9375),                  // d 3.9 us up to 85 °C
        rfc: Some(710),                    // d tRFC1, 16 Gb: 295 ns
        refi_pb: Some(1171),               // r tREFI2 / 4 banks: 487.5 ns
        rfc_pb: Some(313),                 // r tRFCsb, 16 Gb: 130 ns
        pbr_pbr: Some(73),                 // r tREFSBRD: 30 ns
        pbr_act: Some(73),                 // r tREFSBRD: 30 ns
        ..NONE
    },
    power: Power {
        vdd: 1100,      // d
        idd0: 103_000,  // d
        idd2n: 92_000,  // d
        idd3n: 142_000, // d
        idd4r: 318_000, // d
        idd4w: 345_000, // d
        idd5b: 277_000, // d
    },
};
