//! An estimate of the energy that memory takes, from the currents of its parts' data sheets.
//!
//! It follows Micron's TN-40-07 (*Calculating memory power for DDR4 SDRAM*): what a command adds to the
//! standby current, for as long as the data sheet measures it. Standby with all banks open (`idd3n`) is
//! shared out over the banks that are open, as in DRAMPower's bank-wise model (Jung et al., 2016) with
//! ρ = 0, so that one bank's row cycles are `idd0` by construction. A per-bank refresh takes the part of
//! the rank's refresh that it replaces. Interfaces, terminations, the wordline supply and power-down
//! states are left out.

use super::settings::{Clocks, Organisation, Refresh};
use super::standard::{Power, Standard};
use crate::statistics::Statistics;

/// What commands, clocks and open banks take, in zeptojoules, for the parts of a rank together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Energy {
    /// An activation and the precharge that follows it.
    row: u128,
    /// A burst.
    read: u128,
    write: u128,
    refresh: u128,
    /// A clock of a rank whose banks are closed.
    standby: u128,
    /// A clock of a rank with all banks open, besides.
    open: u128,
    banks: u128,
}

/// What there was of each, over all channels and ranks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Events {
    pub activates: u64,
    pub reads: u64,
    pub writes: u64,
    pub refreshes: u64,
    /// Clocks times ranks.
    pub rank_clocks: u128,
    /// Clocks times open banks.
    pub open_clocks: u128,
}

/// Zeptojoules in a nanojoule.
const NANO: u128 = 1_000_000_000_000;

impl Energy {
    /// That of the parts of `standard` under the constraints `t`.
    pub fn new(
        standard: &Standard,
        organisation: &Organisation,
        t: &Clocks,
        refresh: Refresh,
    ) -> Self {
        let Power { vdd, idd0, idd2n, idd3n, idd4r, idd4w, idd5b } = standard.power;
        // Millivolts, microamperes and picoseconds make zeptojoules.
        let each = u128::from(vdd) * u128::from(t.tck) * u128::from(standard.parts);
        let banks = u64::from(organisation.banks_a_rank());
        let above = |current: u64, base: u64, clocks: u64| {
            each * u128::from(current.saturating_sub(base)) * u128::from(clocks)
        };
        let row = above(idd0, idd2n, t.rc);
        let whole = above(idd5b, idd2n, t.rfc);
        Self {
            row: row.saturating_sub(above(idd3n, idd2n, t.ras) / u128::from(banks)),
            read: above(idd4r, idd3n, t.bl),
            write: above(idd4w, idd3n, t.bl),
            refresh: match refresh {
                Refresh::PerBank => whole * u128::from(t.refi_pb) / u128::from(t.refi),
                Refresh::None | Refresh::AllBank => whole,
            },
            standby: above(idd2n, 0, 1),
            open: above(idd3n, idd2n, 1),
            banks: u128::from(banks),
        }
    }

    /// Declares the statistics.
    pub fn report(&self, events: &Events, out: &mut Statistics) {
        let times = |count: u64, each: u128| u128::from(count) * each / NANO;
        let background = (events.rank_clocks * self.standby
            + events.open_clocks * self.open / self.banks)
            / NANO;
        let parts = [
            (
                "dram.energy.activate_nj",
                "Estimated energy of opening and closing rows, from data-sheet currents",
                times(events.activates, self.row),
            ),
            (
                "dram.energy.read_nj",
                "Estimated energy of reading, without the interface",
                times(events.reads, self.read),
            ),
            (
                "dram.energy.write_nj",
                "Estimated energy of writing, without the interface",
                times(events.writes, self.write),
            ),
            (
                "dram.energy.refresh_nj",
                "Estimated energy of refreshes",
                times(events.refreshes, self.refresh),
            ),
            (
                "dram.energy.background_nj",
                "Estimated energy of standby, up to the last time that memory heard of",
                background,
            ),
        ];
        let count = |energy: u128| u64::try_from(energy).unwrap_or(u64::MAX);
        for (name, doc, energy) in parts {
            out.count(name, "nJ", doc, count(energy));
        }
        let total = parts.iter().map(|(.., energy)| energy).sum();
        let doc = "Estimated energy of memory without its interface, the sum of its parts";
        out.count("dram.energy.total_nj", "nJ", doc, count(total));
    }

    /// What `command` takes for each burst, row or refresh, in zeptojoules.
    #[cfg(test)]
    pub fn of(&self, command: super::Command) -> u128 {
        use super::Command;
        match command {
            Command::Activate => self.row,
            Command::Precharge => 0,
            Command::Read => self.read,
            Command::Write => self.write,
            Command::Refresh | Command::RefreshBank => self.refresh,
        }
    }
}
