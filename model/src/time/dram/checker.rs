//! An independent check of a command list against the standard, plainly and slowly: every pair of
//! commands that is near enough in time to matter, every row's state, every refresh. It shares nothing
//! with the scheduler but the numbers.
//!
//! Constraints hold from where a command takes effect, its last clock on the command bus, to where the other
//! does.

use super::Command;
use super::settings::{Clocks, Dram, Organisation, Refresh};
use crate::time::settings::InvalidSetting;

/// A command as it went over a channel's command bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issued {
    /// The channel.
    pub channel: u32,
    /// The memory's clock, the first of the command's.
    pub clock: u64,
    /// What was commanded.
    pub command: Command,
    /// The rank in the channel.
    pub rank: u32,
    /// The bank group in the rank; means nothing for a refresh.
    pub bank_group: u32,
    /// The bank in the bank group; means nothing for a refresh of the rank. That of some banks names the
    /// first of them.
    pub bank: u32,
    /// The row of an activation, and the one that a read or write expects to be open.
    pub row: u32,
}

/// What is wrong with a command list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The settings describe no memory.
    #[error(transparent)]
    Settings(#[from] InvalidSetting),
    /// A command came too early after another.
    #[error("{rule}: {later:?} follows {earlier:?} by less than {clocks} clocks")]
    TooEarly {
        /// The constraint.
        rule: &'static str,
        /// What it asks for.
        clocks: u64,
        /// The first command.
        earlier: Issued,
        /// The second command.
        later: Issued,
    },
    /// A command met a bank in the wrong state.
    #[error("{problem}: {command:?}")]
    State {
        /// What is wrong.
        problem: &'static str,
        /// The command.
        command: Issued,
    },
}

/// Checks the commands in `log`, in any order, against `settings`.
///
/// # Errors
/// The first violation of each channel's list in time order.
pub fn check(settings: &Dram, log: &[Issued]) -> Result<(), Violation> {
    let (organisation, clocks) = (settings.organisation()?, settings.clocks()?);
    for channel in 0..organisation.channels {
        let mut list: Vec<Issued> =
            log.iter().copied().filter(|issued| issued.channel == channel).collect();
        list.sort_by_key(|issued| issued.clock);
        check_pairs(&clocks, &organisation, &list)?;
        check_activation_window(&clocks, &organisation, &list)?;
        check_rows(&organisation, &list)?;
        match settings.refresh {
            Refresh::None => {}
            Refresh::AllBank => check_refreshes(&clocks, &organisation, &list)?,
            Refresh::PerBank => check_turns(&clocks, &organisation, &list)?,
        }
    }
    Ok(())
}

/// Every command against each earlier one within the reach of the longest constraint.
fn check_pairs(t: &Clocks, organisation: &Organisation, list: &[Issued]) -> Result<(), Violation> {
    let refreshes = t.rfc + t.rfc_pb + t.pbr_pbr + t.pbr_act;
    let columns = t.cl + t.cwl + t.wr + t.rtp + t.ccd_l + t.ccd_l_w + t.wtr_l + t.rtw + t.rtrs;
    let reach = refreshes + columns + t.rc + t.ras + t.rcd + t.rcd_w + t.rp + t.ppd + t.rrd_l + 64;
    for (index, later) in list.iter().enumerate() {
        for earlier in list[..index].iter().rev() {
            if later.clock - earlier.clock > reach {
                break;
            }
            for (rule, clocks) in rules(t, organisation, earlier, later) {
                if effect(t, later) < effect(t, earlier) + clocks {
                    return Err(Violation::TooEarly {
                        rule,
                        clocks,
                        earlier: *earlier,
                        later: *later,
                    });
                }
            }
        }
    }
    Ok(())
}

/// Clocks that a command is on the command bus.
fn length(t: &Clocks, command: Command) -> u64 {
    match command {
        Command::Activate => t.activate,
        Command::Read | Command::Write => t.column,
        Command::Precharge | Command::Refresh | Command::RefreshBank => 1,
    }
}

/// The clock at which a command takes effect.
fn effect(t: &Clocks, issued: &Issued) -> u64 {
    issued.clock + length(t, issued.command) - 1
}

/// What the standard asks for between two commands.
fn rules(
    t: &Clocks,
    organisation: &Organisation,
    earlier: &Issued,
    later: &Issued,
) -> Vec<(&'static str, u64)> {
    // The later one begins when the earlier one is over, and takes effect with its last clock.
    let mut rules = vec![("command bus", length(t, later.command))];
    if earlier.rank != later.rank {
        rules.extend(data_bus(t, earlier.command, later.command, t.rtrs));
        return rules;
    }
    rules.extend(same_rank(t, earlier.command, later.command));
    if earlier.bank_group == later.bank_group {
        rules.extend(same_group(t, earlier.command, later.command));
    }
    if covered(organisation, earlier).any(|bank| covered(organisation, later).any(|b| b == bank)) {
        rules.extend(same_bank(t, earlier.command, later.command));
    }
    rules
}

/// The banks of its rank that a command is for.
fn covered(organisation: &Organisation, issued: &Issued) -> impl Iterator<Item = u32> + use<> {
    let banks = organisation.bank_groups * organisation.banks;
    let named = issued.bank_group * organisation.banks + issued.bank;
    let (first, step) = match issued.command {
        Command::Refresh => (0, 1),
        Command::RefreshBank => (named, organisation.turns as usize),
        _ => (named, banks as usize),
    };
    (first..banks).step_by(step)
}

/// Bursts do not overlap on the data bus, and leave `gap` clocks between them.
fn data_bus(t: &Clocks, earlier: Command, later: Command, gap: u64) -> Option<(&'static str, u64)> {
    let latency = |command| match command {
        Command::Read => Some(t.cl),
        Command::Write => Some(t.cwl),
        _ => None,
    };
    let end = latency(earlier)? + t.bl + gap;
    Some(("data bus", end.saturating_sub(latency(later)?)))
}

fn same_rank(t: &Clocks, earlier: Command, later: Command) -> Option<(&'static str, u64)> {
    match (earlier, later) {
        (Command::Activate, Command::Activate) => Some(("tRRD_S", t.rrd_s)),
        (Command::Read, Command::Read) | (Command::Write, Command::Write) => {
            Some(("tCCD_S", t.ccd_s))
        }
        (Command::Read, Command::Write) => data_bus(t, earlier, later, t.rtw),
        (Command::Write, Command::Read) => Some(("tWTR_S", t.cwl + t.bl + t.wtr_s)),
        (Command::Precharge, Command::Precharge) => Some(("tPPD", t.ppd)),
        (Command::Refresh, Command::Activate | Command::Refresh) => Some(("tRFC", t.rfc)),
        (Command::Activate, Command::RefreshBank) => Some(("activation to refresh", t.rrd_l)),
        (Command::RefreshBank, Command::RefreshBank) => Some(("tpbR2pbR", t.pbr_pbr)),
        (Command::RefreshBank, Command::Activate) => Some(("tpbR2act", t.pbr_act)),
        _ => None,
    }
}

fn same_group(t: &Clocks, earlier: Command, later: Command) -> Option<(&'static str, u64)> {
    match (earlier, later) {
        (Command::Activate, Command::Activate) => Some(("tRRD_L", t.rrd_l)),
        (Command::Read, Command::Read) => Some(("tCCD_L", t.ccd_l)),
        (Command::Write, Command::Write) => Some(("tCCD_L_WR", t.ccd_l_w)),
        (Command::Write, Command::Read) => Some(("tWTR_L", t.cwl + t.bl + t.wtr_l)),
        _ => None,
    }
}

/// Commands to the same bank, of which refreshes have several.
fn same_bank(t: &Clocks, earlier: Command, later: Command) -> Option<(&'static str, u64)> {
    use Command::{Activate, Precharge, Read, Refresh, RefreshBank, Write};
    match (earlier, later) {
        (Activate, Read) => Some(("tRCD", t.rcd)),
        (Activate, Write) => Some(("tRCD to a write", t.rcd_w)),
        (Activate, Precharge) => Some(("tRAS", t.ras)),
        (Activate, Activate | Refresh | RefreshBank) => Some(("tRC", t.rc)),
        (Precharge, Activate | Refresh | RefreshBank) => Some(("tRP", t.rp)),
        (RefreshBank, Activate | RefreshBank) => Some(("tRFCpb", t.rfc_pb)),
        (Read, Precharge) => Some(("tRTP", t.rtp)),
        (Write, Precharge) => Some(("tWR", t.cwl + t.bl + t.wr)),
        _ => None,
    }
}

/// At most four activations of a rank in any tFAW.
fn check_activation_window(
    t: &Clocks,
    organisation: &Organisation,
    list: &[Issued],
) -> Result<(), Violation> {
    for rank in 0..organisation.ranks {
        let activations: Vec<&Issued> = list
            .iter()
            .filter(|issued| issued.rank == rank && issued.command == Command::Activate)
            .collect();
        for five in activations.windows(5) {
            if let [earlier, .., later] = five
                && later.clock < earlier.clock + t.faw
            {
                return Err(Violation::TooEarly {
                    rule: "tFAW",
                    clocks: t.faw,
                    earlier: **earlier,
                    later: **later,
                });
            }
        }
    }
    Ok(())
}

/// Reads and writes go to the open row, activations to closed banks, refreshes to closed ranks.
fn check_rows(organisation: &Organisation, list: &[Issued]) -> Result<(), Violation> {
    let banks = organisation.banks_a_rank() as usize;
    let mut open: Vec<Option<u32>> = vec![None; organisation.ranks as usize * banks];
    for command in list {
        let first = command.rank as usize * banks;
        let bank = first + (command.bank_group * organisation.banks + command.bank) as usize;
        let wrong = |problem| Err(Violation::State { problem, command: *command });
        match command.command {
            Command::Activate if open[bank].is_some() => return wrong("a row is open already"),
            Command::Activate => open[bank] = Some(command.row),
            Command::Precharge => open[bank] = None,
            Command::Read | Command::Write if open[bank] != Some(command.row) => {
                return wrong("the row is not open");
            }
            Command::Refresh | Command::RefreshBank
                if covered(organisation, command)
                    .any(|bank| open[first + bank as usize].is_some()) =>
            {
                return wrong("a row is open");
            }
            Command::Read | Command::Write | Command::Refresh | Command::RefreshBank => {}
        }
    }
    Ok(())
}

/// Between any two commands at most nine intervals pass without a refresh of the rank, and refreshes keep
/// up with time (JESD79-4: at most eight may be postponed).
fn check_refreshes(
    t: &Clocks,
    organisation: &Organisation,
    list: &[Issued],
) -> Result<(), Violation> {
    for rank in 0..organisation.ranks {
        let mut refreshes = 0;
        let mut last = 0;
        for command in list.iter().filter(|issued| issued.rank == rank) {
            if command.command == Command::Refresh {
                (refreshes, last) = (refreshes + 1, command.clock);
            } else if command.clock - last > 9 * t.refi || command.clock / t.refi > refreshes + 8 {
                return Err(Violation::State {
                    problem: "a refresh is overdue",
                    command: *command,
                });
            }
        }
    }
    Ok(())
}

/// As [`check_refreshes`], of refreshes that the banks of a rank take in turn, eight for each postponed.
fn check_turns(t: &Clocks, organisation: &Organisation, list: &[Issued]) -> Result<(), Violation> {
    let turns = u64::from(organisation.turns);
    for rank in 0..organisation.ranks {
        let mut refreshes = 0;
        for command in list.iter().filter(|issued| issued.rank == rank) {
            let wrong = |problem| Err(Violation::State { problem, command: *command });
            if command.command == Command::RefreshBank {
                let named = command.bank_group * organisation.banks + command.bank;
                if u64::from(named) != refreshes % turns {
                    return wrong("another bank's turn");
                }
                refreshes += 1;
            } else if command.clock / t.refi_pb > refreshes + 8 * turns {
                return wrong("a refresh is overdue");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::dram::settings::Timing;

    fn issued(clock: u64, command: Command, bank: u32, row: u32) -> Issued {
        Issued { channel: 0, clock, command, rank: 0, bank_group: bank / 4, bank: bank % 4, row }
    }

    fn rule(log: &[Issued]) -> &'static str {
        match check(&Dram::default(), log) {
            Ok(()) => "none",
            Err(Violation::TooEarly { rule, .. }) => rule,
            Err(Violation::State { problem, .. }) => problem,
            Err(Violation::Settings(_)) => "settings",
        }
    }

    /// One list a rule, with the last command at the first legal clock (ddr4-3200) and one before it.
    #[test]
    fn a_command_one_clock_too_early_is_found() {
        use Command::{Activate, Precharge, Read, Refresh, Write};
        let open =
            [issued(0, Activate, 0, 7), issued(100, Activate, 1, 7), issued(200, Activate, 4, 7)];
        let cases: [(&str, &[Issued], Issued); 15] = [
            ("tRCD", &open[..1], issued(22, Read, 0, 7)),
            ("tRCD to a write", &open[..1], issued(22, Write, 0, 7)),
            ("tRAS", &open[..1], issued(52, Precharge, 0, 0)),
            ("tRTP", &[open[0], issued(80, Read, 0, 7)], issued(92, Precharge, 0, 0)),
            ("tWR", &[open[0], issued(80, Write, 0, 7)], issued(124, Precharge, 0, 0)),
            ("tRP", &[open[0], issued(60, Precharge, 0, 0)], issued(82, Activate, 0, 8)),
            ("tRP", &[open[0], issued(60, Precharge, 0, 0)], issued(82, Refresh, 0, 0)),
            ("tRP", &[open[0], issued(52, Precharge, 0, 0)], issued(74, Activate, 0, 8)),
            ("tRRD_L", &open[..1], issued(8, Activate, 1, 7)),
            ("tRRD_S", &open[..1], issued(4, Activate, 4, 7)),
            ("tCCD_L", &[open[0], open[1], issued(300, Read, 0, 7)], issued(308, Read, 1, 7)),
            ("tWTR_L", &[open[0], open[1], issued(300, Write, 0, 7)], issued(332, Read, 1, 7)),
            ("tWTR_S", &[open[0], open[2], issued(300, Write, 0, 7)], issued(324, Read, 4, 7)),
            ("data bus", &[open[0], open[2], issued(300, Read, 0, 7)], issued(312, Write, 4, 7)),
            ("tRFC", &[issued(0, Refresh, 0, 0)], issued(560, Activate, 0, 7)),
        ];
        for (name, before, last) in cases {
            let at = |clock| rule(&[before, &[Issued { clock, ..last }]].concat());
            assert_eq!((at(last.clock), at(last.clock - 1)), ("none", name), "{last:?}");
        }
    }

    #[test]
    fn five_activations_in_the_window_are_found() {
        let timing = Timing { faw: Some(90), ..Timing::default() };
        let settings = Dram { timing, ..Dram::default() };
        let log = |last| {
            let clocks = [0, 10, 20, 30, last];
            let acts = clocks.iter().zip([0, 4, 8, 12, 1]);
            acts.map(|(&clock, bank)| issued(clock, Command::Activate, bank, 7)).collect::<Vec<_>>()
        };
        assert_eq!(check(&settings, &log(90)), Ok(()));
        assert!(matches!(
            check(&settings, &log(89)),
            Err(Violation::TooEarly { rule: "tFAW", .. })
        ));
    }

    #[test]
    fn a_row_cycle_longer_than_its_parts_is_found() {
        let settings =
            Dram { timing: Timing { rc: Some(80), ..Timing::default() }, ..Dram::default() };
        let log = |last| {
            let commands =
                [(0, Command::Activate), (52, Command::Precharge), (last, Command::Activate)];
            commands.map(|(clock, command)| issued(clock, command, 0, 7))
        };
        assert_eq!(check(&settings, &log(80)), Ok(()));
        assert!(matches!(check(&settings, &log(79)), Err(Violation::TooEarly { rule: "tRC", .. })));
    }

    #[test]
    fn a_wrong_row_state_is_found() {
        use Command::{Activate, Read, Refresh};
        let open = issued(0, Activate, 0, 7);
        assert_eq!(rule(&[open, issued(100, Read, 0, 8)]), "the row is not open");
        assert_eq!(rule(&[open, issued(100, Activate, 0, 8)]), "a row is open already");
        assert_eq!(rule(&[open, issued(100, Refresh, 0, 0)]), "a row is open");
        assert_eq!(rule(&[open, issued(9 * 12480 + 1, Read, 0, 7)]), "a refresh is overdue");
    }
}
