//! From when on each command is legal: what every command rules out, compiled from the constraints.
//!
//! A command is legal once it is in its bank ([`Bank::legal`]) and once its *gate* is open, which is
//! common to the banks of a bank group: it follows from the commands to the rest of the group, to the
//! rest of the rank and to other ranks. A constraint is applied when its earlier command issues, four
//! numbers at once: those of one bank for each command, or those of one command for four bank groups.

use super::bank::Bank;
use super::constraint::{COMMANDS, Command, Constraint, Scope};
use super::settings::{Clocks, Organisation};

/// How many commands serve requests. They have the lowest numbers.
const SERVING: usize = 4;

/// Clocks since a channel's epoch: of each command that serves requests, or of four bank groups.
pub(super) type Lanes = [i32; SERVING];

/// The last clock of an epoch at which a command may issue.
pub(super) const LAST: i32 = (1 << 29) + (1 << 24);

/// A clock long before the epoch, which rules nothing out.
pub(super) const PAST: i32 = -(1 << 29);

/// The delay of a constraint that there is not: any clock of an epoch with it lies before [`PAST`].
const FREE: i32 = PAST - LAST - 1;

/// What a command at `clock`, which is not after [`LAST`], rules out.
#[inline(always)]
fn raise(legal: &mut Lanes, clock: i32, delays: &Lanes) {
    // Not in place, so that all four are done at once.
    let (before, delays) = (*legal, *delays);
    *legal = std::array::from_fn(|lane| before[lane].max(clock + delays[lane]));
}

/// What a command does to gates.
#[derive(Debug, Clone, Copy, Default)]
struct Closing {
    /// The `Lanes` of a rank that hold the gates of the first command to the last that it affects.
    first: usize,
    count: usize,
    /// Where the delays of these begin, for each bank group that the command may go to.
    rows: usize,
    /// Where those in other ranks begin.
    others: usize,
}

/// What a rank remembers.
#[derive(Debug, Clone)]
struct Rank {
    /// When each command last issued.
    last: [i32; COMMANDS],
    /// The last four activations, and which is the oldest.
    activations: [i32; 4],
    oldest: u32,
}

/// The constraints and the gates of one channel.
#[derive(Debug, Clone)]
pub(super) struct Legal {
    /// What each command does to the bank that it names.
    banks: [Lanes; COMMANDS],
    /// What each command does to gates.
    closings: [Closing; COMMANDS],
    delays: Vec<Lanes>,
    /// What four activations do to the gates that an activation affects.
    window: Vec<Lanes>,
    /// What a rank waits for before it, or a part of it, is refreshed.
    refresh: Vec<Constraint>,
    /// How much later than its next activation a bank's refresh may come.
    refresh_lag: i32,
    /// By rank, command and bank group. The bank groups of a rank fill whole `Lanes`.
    gates: Vec<Lanes>,
    /// Gates of a command in a rank.
    lanes: usize,
    ranks: Vec<Rank>,
}

impl Legal {
    /// Every command legal from the epoch on, under `rules`.
    pub fn new(organisation: &Organisation, t: &Clocks, rules: &[Constraint]) -> Self {
        let ranks = organisation.ranks as usize;
        let lanes = (organisation.bank_groups as usize).next_multiple_of(SERVING);
        let mut legal = Self {
            banks: [[FREE; SERVING]; COMMANDS],
            closings: [Closing::default(); COMMANDS],
            delays: Vec::new(),
            window: Vec::new(),
            refresh: rules.iter().filter(|rule| is_refresh(rule)).copied().collect(),
            // Both wait for the same, but the activation is longer on the command bus.
            refresh_lag: t.activate as i32 - 1,
            gates: vec![[PAST; SERVING]; ranks * lanes],
            lanes,
            ranks: vec![Rank { last: [PAST; COMMANDS], activations: [PAST; 4], oldest: 0 }; ranks],
        };
        for before in Command::ALL {
            legal.compile(before, organisation, rules);
        }
        legal
    }

    /// Takes in the constraints on what follows `before`.
    fn compile(&mut self, before: Command, organisation: &Organisation, rules: &[Constraint]) {
        let delays = |scope| -> Lanes {
            let rules = rules.iter().filter(|rule| rule.scope == scope && rule.before == before);
            std::array::from_fn(|after| {
                let same = rules.clone().filter(|rule| rule.after as usize == after);
                // The settings' ranges keep the clocks of a constraint below 2^23.
                same.map(|rule| rule.clocks as i32).max().unwrap_or(FREE)
            })
        };
        let most = |a: Lanes, b: Lanes| std::array::from_fn(|after| a[after].max(b[after]));
        let (bank, group) = (delays(Scope::Bank), delays(Scope::BankGroup));
        let (mut rank, window) = (delays(Scope::Rank), delays(Scope::FourActivations));
        let others =
            if organisation.ranks > 1 { delays(Scope::OtherRanks) } else { [FREE; SERVING] };
        if before == Command::Refresh {
            rank = most(rank, most(group, bank));
        } else {
            self.banks[before as usize] = bank;
        }
        let group = most(group, rank);

        let affects = |after: &usize| [group[*after], others[*after], window[*after]] != [FREE; 3];
        let (Some(first), Some(last)) = ((0..SERVING).find(affects), (0..SERVING).rfind(affects))
        else {
            return;
        };
        let width = self.lanes / SERVING;
        // One row of lanes for each affected command, with what its delay is in each bank group.
        let rows = |delay: &dyn Fn(usize, usize) -> i32| -> Vec<Lanes> {
            let row = |at: usize| {
                std::array::from_fn(|lane| delay(first + at / width, at % width * SERVING + lane))
            };
            (0..(last + 1 - first) * width).map(row).collect()
        };
        let begin = self.delays.len();
        for own in 0..organisation.bank_groups as usize {
            let of = |after: usize, other| if other == own { group[after] } else { rank[after] };
            self.delays.extend(rows(&of));
        }
        self.closings[before as usize] = Closing {
            first: first * width,
            count: (last + 1 - first) * width,
            rows: begin,
            others: self.delays.len(),
        };
        self.delays.extend(rows(&|after, _| others[after]));
        if before == Command::Activate {
            self.window = rows(&|after, _| window[after]);
        }
    }

    /// Where the gates of the bank group `group` of `rank` lie, for [`Bank::gates`].
    pub fn place(&self, rank: u32, group: u32) -> u16 {
        // The settings' ranges keep them below 2^16.
        (rank as usize * SERVING * self.lanes) as u16 + group as u16
    }

    /// The first clock at which `command`, which serves a request, may go to `bank`.
    #[inline]
    pub fn earliest(&self, command: Command, bank: &Bank) -> i32 {
        let gate = usize::from(bank.gates) + command as usize * self.lanes;
        bank.legal[command as usize & 3].max(self.gates.as_flattened()[gate])
    }

    /// Does what `command` to `bank` does at `clock`, which is not before the epoch. A refresh may name
    /// any bank of its rank.
    #[inline(always)]
    pub fn issue(&mut self, command: Command, bank: &mut Bank, clock: i32) {
        raise(&mut bank.legal, clock, &self.banks[command as usize]);
        let number = usize::from(bank.rank);
        let Closing { first, count, rows, others } = self.closings[command as usize];
        let rank = &mut self.ranks[number];
        rank.last[command as usize] = clock;
        if count == 0 {
            return;
        }
        // A rank has this many gates for each of four commands, four in one of `Lanes`.
        let a_rank = self.lanes;
        let gates = &mut self.gates[number * a_rank + first..][..count];
        let delays = &self.delays[rows + usize::from(bank.group) * count..][..count];
        gates.iter_mut().zip(delays).for_each(|(gates, delays)| raise(gates, clock, delays));
        if command == Command::Activate {
            rank.activations[rank.oldest as usize & 3] = clock;
            rank.oldest = (rank.oldest + 1) & 3;
            let fourth = rank.activations[rank.oldest as usize];
            gates
                .iter_mut()
                .zip(&self.window)
                .for_each(|(gates, delays)| raise(gates, fourth, delays));
        }
        if self.ranks.len() > 1 {
            let delays = &self.delays[others..][..count];
            for (other, gates) in self.gates.chunks_exact_mut(a_rank).enumerate() {
                if other != number {
                    let gates = gates[first..][..count].iter_mut();
                    gates.zip(delays).for_each(|(gates, delays)| raise(gates, clock, delays));
                }
            }
        }
    }

    /// The first clock at which `bank` may be refreshed on its own, as far as it is concerned.
    pub fn refresh_bank(&self, bank: &Bank) -> i32 {
        bank.legal[Command::Activate as usize] + self.refresh_lag
    }

    /// Does what `command` at `clock` does to a bank besides the one that it names.
    pub fn occupy(&self, command: Command, bank: &mut Bank, clock: i32) {
        raise(&mut bank.legal, clock, &self.banks[command as usize]);
    }

    /// The first clock at which a rank or a part of it may be refreshed, as far as the rank is concerned, the
    /// rows being closed.
    pub fn refresh(&self, rank: usize) -> i32 {
        let last = |rule: &Constraint| {
            let state = &self.ranks[rank];
            let last = match rule.scope {
                Scope::Bank | Scope::BankGroup | Scope::Rank => state.last[rule.before as usize],
                Scope::FourActivations => state.activations[state.oldest as usize & 3],
                Scope::OtherRanks => {
                    let others = self.ranks.iter().enumerate().filter(|(other, _)| *other != rank);
                    others.map(|(_, other)| other.last[rule.before as usize]).max().unwrap_or(PAST)
                }
            };
            last + rule.clocks as i32
        };
        self.refresh.iter().map(last).max().unwrap_or(PAST)
    }

    /// Moves the epoch on by `clocks`.
    pub fn rebase(&mut self, clocks: u64) {
        let ranks = self.ranks.iter_mut();
        let ranks = ranks.flat_map(|rank| rank.last.iter_mut().chain(&mut rank.activations));
        ranks
            .chain(self.gates.as_flattened_mut())
            .for_each(|clock| *clock = rebased(*clock, clocks));
    }
}

/// Whether a rank has to heed a constraint before a refresh.
fn is_refresh(rule: &Constraint) -> bool {
    match rule.after {
        Command::Refresh => true,
        Command::RefreshBank => rule.scope != Scope::Bank,
        _ => false,
    }
}

/// `clock` seen from an epoch that is `clocks` later.
pub(super) fn rebased(clock: i32, clocks: u64) -> i32 {
    let clocks = i64::try_from(clocks).unwrap_or(i64::MAX);
    i64::from(clock).saturating_sub(clocks).max(i64::from(PAST)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::dram::constraint;
    use crate::time::dram::settings::{Dram, DramPreset, Refresh};

    /// Of a bank, its refresh and its next activation wait for the same: one clock is kept for both.
    #[test]
    fn a_bank_is_refreshed_when_it_might_be_activated() {
        for &preset in DramPreset::ALL {
            let settings = Dram { preset, ..Dram::default() };
            let t = settings.clocks().unwrap();
            let before = |after| {
                let rules = constraint::list(&t, Refresh::PerBank).into_iter();
                let own = rules.filter(|rule| rule.scope == Scope::Bank && rule.after == after);
                let mut rules: Vec<_> = own.map(|rule| (rule.before as u8, rule.clocks)).collect();
                rules.sort();
                rules
            };
            let later = |(before, clocks)| (before, clocks + t.activate - 1);
            let activations: Vec<_> = before(Command::Activate).into_iter().map(later).collect();
            assert_eq!(before(Command::RefreshBank), activations, "{preset:?}");
        }
    }
}
