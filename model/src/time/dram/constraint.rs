//! Timing constraints as data: a command may follow another in the same bank, bank group or rank, or in
//! another rank of the channel, only so many clocks later. A refresh goes to all banks of a rank, a per-bank
//! refresh to those that take their turn together.

use super::settings::{Clocks, Refresh};

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
    /// Refreshes some banks of a rank, whose rows are closed.
    RefreshBank,
}

/// How many commands there are.
pub(super) const COMMANDS: usize = 6;

impl Command {
    /// Every command, in the order of their numbers.
    pub(super) const ALL: [Self; COMMANDS] = [
        Self::Activate,
        Self::Precharge,
        Self::Read,
        Self::Write,
        Self::Refresh,
        Self::RefreshBank,
    ];

    /// Clocks on the command bus.
    pub(super) fn clocks(self, t: &Clocks) -> u64 {
        match self {
            Self::Activate => t.activate,
            Self::Read | Self::Write => t.column,
            Self::Precharge | Self::Refresh | Self::RefreshBank => 1,
        }
    }
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

/// `after` comes at least `clocks` after `before`, first clock to first clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Constraint {
    pub scope: Scope,
    pub before: Command,
    pub after: Command,
    pub clocks: u64,
}

/// A constraint as standards give it: scope, earlier and later command, clocks.
type Rule = (Scope, Command, Command, u64);

/// The constraints of every standard (JESD79-4, command descriptions and operation; what others have besides is
/// absent from the values of those that have it not).
pub(super) fn list(t: &Clocks, refresh: Refresh) -> Vec<Constraint> {
    let mut rules = rows_and_columns(t).to_vec();
    if t.ppd > 1 {
        rules.push((Scope::Rank, Command::Precharge, Command::Precharge, t.ppd));
    }
    match refresh {
        Refresh::None => {}
        Refresh::AllBank => rules.extend(all_bank(t)),
        Refresh::PerBank => rules.extend(per_bank(t)),
    }
    let bound = |(scope, before, after, clocks): Rule| {
        // What a command asks for begins with its last clock.
        let clocks = (clocks + before.clocks(t)).saturating_sub(after.clocks(t));
        Constraint { scope, before, after, clocks }
    };
    rules.into_iter().map(bound).collect()
}

fn rows_and_columns(t: &Clocks) -> [Rule; 21] {
    use Command::{Activate, Precharge, Read, Write};
    use Scope::{Bank, BankGroup, FourActivations, OtherRanks, Rank};
    let written = t.cwl + t.bl;
    [
        (Bank, Activate, Read, t.rcd),
        (Bank, Activate, Write, t.rcd_w),
        (Bank, Activate, Precharge, t.ras),
        (Bank, Activate, Activate, t.rc),
        (Bank, Precharge, Activate, t.rp),
        (Bank, Read, Precharge, t.rtp),
        (Bank, Write, Precharge, written + t.wr),
        (BankGroup, Activate, Activate, t.rrd_l),
        (BankGroup, Read, Read, t.ccd_l),
        (BankGroup, Write, Write, t.ccd_l_w),
        (BankGroup, Write, Read, written + t.wtr_l),
        (Rank, Activate, Activate, t.rrd_s),
        (FourActivations, Activate, Activate, t.faw),
        (Rank, Read, Read, t.ccd_s),
        (Rank, Write, Write, t.ccd_s),
        (Rank, Write, Read, written + t.wtr_s),
        (Rank, Read, Write, (t.cl + t.bl + t.rtw).saturating_sub(t.cwl)),
        (OtherRanks, Read, Read, t.bl + t.rtrs),
        (OtherRanks, Write, Write, t.bl + t.rtrs),
        (OtherRanks, Read, Write, (t.cl + t.bl + t.rtrs).saturating_sub(t.cwl)),
        (OtherRanks, Write, Read, (written + t.rtrs).saturating_sub(t.cl)),
    ]
}

fn all_bank(t: &Clocks) -> [Rule; 4] {
    use Command::{Activate, Precharge, Refresh};
    [
        (Scope::Rank, Activate, Refresh, t.rc),
        (Scope::Rank, Precharge, Refresh, t.rp),
        (Scope::Rank, Refresh, Activate, t.rfc),
        (Scope::Rank, Refresh, Refresh, t.rfc),
    ]
}

/// To a bank that is not refreshed, a per-bank refresh is like an activation of its neighbour; to one that
/// is, it comes where its next activation could.
fn per_bank(t: &Clocks) -> [Rule; 7] {
    use Command::{Activate, Precharge, RefreshBank};
    [
        (Scope::Bank, Activate, RefreshBank, t.rc),
        (Scope::Bank, Precharge, RefreshBank, t.rp),
        (Scope::Bank, RefreshBank, Activate, t.rfc_pb),
        (Scope::Bank, RefreshBank, RefreshBank, t.rfc_pb),
        (Scope::Rank, Activate, RefreshBank, t.rrd_l),
        (Scope::Rank, RefreshBank, Activate, t.pbr_act),
        (Scope::Rank, RefreshBank, RefreshBank, t.pbr_pbr),
    ]
}
