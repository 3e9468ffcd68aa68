//! Timing constraints as data: a command may follow another in the same bank, bank group or rank, or in
//! another rank of the channel, only so many clocks later. A refresh goes to all banks of a rank.

use super::BURST_CLOCKS;
use super::settings::Clocks;

/// What a controller tells a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Command {
    /// Opens a row.
    Activate,
    /// Closes a bank's row.
    Precharge,
    /// Reads a burst from the open row.
    Read,
    /// Writes a burst to the open row.
    Write,
    /// Refreshes a rank, all of whose rows are closed.
    Refresh,
}

/// How many commands there are.
pub(super) const COMMANDS: usize = 5;

impl Command {
    /// Every command, in the order of their numbers.
    pub(super) const ALL: [Self; COMMANDS] =
        [Self::Activate, Self::Precharge, Self::Read, Self::Write, Self::Refresh];
}

/// Where the later command meets the constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Bank,
    BankGroup,
    Rank,
    /// The rank, counted from the fourth activation back.
    FourActivations,
    OtherRanks,
}

/// `after` comes at least `clocks` after `before`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Constraint {
    pub scope: Scope,
    pub before: Command,
    pub after: Command,
    pub clocks: u64,
}

/// The constraints of DDR4 (JESD79-4, command descriptions and operation).
pub(super) fn ddr4(t: &Clocks) -> Vec<Constraint> {
    use Command::{Activate, Precharge, Read, Refresh, Write};
    use Scope::{Bank, BankGroup, FourActivations, OtherRanks, Rank};
    let written = t.cwl + BURST_CLOCKS;
    let list = [
        (Bank, Activate, Read, t.rcd),
        (Bank, Activate, Write, t.rcd),
        (Bank, Activate, Precharge, t.ras),
        (Bank, Activate, Activate, t.rc),
        (Bank, Precharge, Activate, t.rp),
        (Bank, Read, Precharge, t.rtp),
        (Bank, Write, Precharge, written + t.wr),
        (BankGroup, Activate, Activate, t.rrd_l),
        (BankGroup, Read, Read, t.ccd_l),
        (BankGroup, Write, Write, t.ccd_l),
        (BankGroup, Write, Read, written + t.wtr_l),
        (Rank, Activate, Activate, t.rrd_s),
        (FourActivations, Activate, Activate, t.faw),
        (Rank, Read, Read, t.ccd_s),
        (Rank, Write, Write, t.ccd_s),
        (Rank, Write, Read, written + t.wtr_s),
        (Rank, Read, Write, (t.cl + BURST_CLOCKS + t.rtw).saturating_sub(t.cwl)),
        (Rank, Activate, Refresh, t.rc),
        (Rank, Precharge, Refresh, t.rp),
        (Rank, Refresh, Activate, t.rfc),
        (Rank, Refresh, Refresh, t.rfc),
        (OtherRanks, Read, Read, BURST_CLOCKS + t.rtrs),
        (OtherRanks, Write, Write, BURST_CLOCKS + t.rtrs),
        (OtherRanks, Read, Write, (t.cl + BURST_CLOCKS + t.rtrs).saturating_sub(t.cwl)),
        (OtherRanks, Write, Read, (written + t.rtrs).saturating_sub(t.cl)),
    ];
    list.into_iter()
        .map(|(scope, before, after, clocks)| Constraint { scope, before, after, clocks })
        .collect()
}
