//! LPDDR5-6400, one x16 channel in bank-group mode.
//!
//! Timing: JESD209-5B by Ramulator 2 (`lpddr5.py`, which names its tables), and gem5
//! (`LPDDR5_6400_1x16_BG_BL16`). Organisation: JESD209-5B, 16 Gb x16.
//! Currents: no public data sheet has those of LPDDR5. Assumed are Micron's of LPDDR4-3200 (DRAMSys'
//! `MICRON_6Gb_LPDDR4-3200_32bit_A`), with VDD1's share as if it came from VDD2, and reads and writes
//! drawing as much a bit.
//!
//! The clock is CK at 800 MHz, to which WCK runs at four times the rate: eight beats a clock. WCK is taken
//! to be always on, so that no command has to wait for its synchronisation. A line of 64 bytes takes two
//! bursts of 16, as a burst of 32 does in bank-group mode: between its halves another bank group may
//! have one. An activation is two commands (ACT-1, ACT-2) back to back. A per-bank refresh takes two
//! banks at once, as it does in bank-group mode.

use super::{NONE, Power, Share, Standard};
use crate::time::dram::settings::Timing;
use crate::units::Span;

pub(super) const STANDARD: Standard = Standard {
    subchannels: 1,
    width: 16, // d
    burst: 16, // d BL16
    beats: 8,  // d WCK:CK of 4:1, two beats a WCK
    parts: 1,
    ranks: 1,
    bank_groups: 4,               // d bank-group mode
    banks: 4,                     // d
    rows: 1 << 16,                // d
    columns: 1 << 10,             // d 2 KiB pages
    share: Some(Share::Banks(2)), // r REFpb refreshes a pair
    activate_clocks: 2,           // d ACT-1, ACT-2
    column_clocks: 1,             // d
    timing: Timing {
        tck: Some(Span::Picoseconds(1250)), // d CK at 800 MHz
        cl: Some(17),                       // d RL
        rcd: Some(15),                      // d 18 ns
        rp: Some(15),                       // d tRPpb, 18 ns
        ras: Some(34),                      // d 42 ns
        rc: Some(49),                       // d tRAS + tRPpb
        cwl: Some(9),                       // d WL, set A
        ccd_s: Some(2),                     // d BL/n_min
        ccd_l: Some(4),                     // d BL/n_max
        rrd_s: Some(4),                     // d 5 ns
        rrd_l: Some(4),                     // d 5 ns
        faw: Some(16),                      // d 20 ns
        wr: Some(28),                       // d 34 ns
        wtr_s: Some(5),                     // d 6.25 ns
        wtr_l: Some(12),                    // d 12 ns, and BL/n_max - BL/n_min
        rtp: Some(8),                       // d BL/n + nRBTP
        rtw: Some(2),                       // d RL + BL/n_min + 2 - WL
        rtrs: Some(2),                      // a
        ppd: Some(2),                       // d 2 nCK
        refi: Some(3124),                   // d 3.906 us
        rfc: Some(224),                     // d tRFCab, 16 Gb: 280 ns
        refi_pb: Some(390),                 // d tREFIpb: 488 ns
        rfc_pb: Some(112),                  // d tRFCpb, 16 Gb: 140 ns
        pbr_pbr: Some(72),                  // d tpbR2pbR: 90 ns
        pbr_act: Some(6),                   // d tpbR2act: 7.5 ns
        ..NONE
    },
    power: Power {
        vdd: 1100,      // a
        idd0: 50_700,   // a
        idd2n: 30_300,  // a
        idd3n: 33_700,  // a
        idd4r: 523_700, // a
        idd4w: 393_700, // a
        idd5b: 106_400, // a
    },
};
