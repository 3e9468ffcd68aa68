//! What the ranks of a channel are up to: open rows, and from when on each command is legal.

use crate::time::dram::constraint::{COMMANDS, Command, Constraint, Scope};
use crate::time::dram::settings::{Clocks, Organisation};

/// No row is open.
const CLOSED: u32 = u32::MAX;

/// A bank, as indices into the flat lists of its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub rank: u32,
    /// Over all ranks.
    pub group: u32,
    /// Over all ranks.
    pub bank: u32,
}

/// The first clock at which each command is legal.
type Legal = [u64; COMMANDS];

/// The state of one channel's ranks.
#[derive(Debug, Clone)]
pub(super) struct State {
    rules: Vec<Constraint>,
    /// Where the rules of each command begin; one more for the end.
    first_rule: [usize; COMMANDS + 1],
    clocks: Clocks,
    banks_a_rank: u32,
    turns: u32,
    rows: Vec<u32>,
    /// When each bank was last read or written.
    used: Vec<u64>,
    banks: Vec<Legal>,
    groups: Vec<Legal>,
    ranks: Vec<Legal>,
    /// The last four activations of each rank, and which of them is the oldest.
    activations: Vec<([u64; 4], usize)>,
    /// The command bus carries one command a clock.
    bus: u64,
}

impl State {
    /// All rows closed and every command legal from clock 0.
    pub fn new(organisation: &Organisation, clocks: &Clocks, mut rules: Vec<Constraint>) -> Self {
        rules.retain(|rule| rule.scope != Scope::OtherRanks || organisation.ranks > 1);
        rules.sort_by_key(|rule| rule.before as usize);
        let first_rule = std::array::from_fn(|command| {
            rules.partition_point(|rule| (rule.before as usize) < command)
        });
        let ranks = organisation.ranks as usize;
        let banks_a_rank = organisation.banks_a_rank();
        let banks = ranks * banks_a_rank as usize;
        Self {
            rules,
            first_rule,
            clocks: *clocks,
            banks_a_rank,
            turns: organisation.turns,
            rows: vec![CLOSED; banks],
            used: vec![0; banks],
            banks: vec![[0; COMMANDS]; banks],
            groups: vec![[0; COMMANDS]; ranks * organisation.bank_groups as usize],
            ranks: vec![[0; COMMANDS]; ranks],
            activations: vec![([0; 4], 0); ranks],
            bus: 0,
        }
    }

    /// The open row of a bank.
    #[inline]
    pub fn row(&self, bank: u32) -> Option<u32> {
        Some(self.rows[bank as usize]).filter(|&row| row != CLOSED)
    }

    /// When a bank was last read or written.
    pub fn used(&self, bank: u32) -> u64 {
        self.used[bank as usize]
    }

    /// The banks of a rank that are refreshed together, over all ranks.
    pub fn together(&self, rank: u32, turn: u32) -> impl Iterator<Item = u32> + use<> {
        let (banks, turns) = (self.banks_a_rank, self.turns);
        (rank * banks..(rank + 1) * banks).filter(move |bank| bank % turns == turn)
    }

    /// Of the open banks that are refreshed together the one that may be closed first; `None` where all are
    /// closed.
    pub fn first_to_close(&self, rank: u32, turn: u32) -> Option<u32> {
        let open = self.together(rank, turn).filter(|&bank| self.rows[bank as usize] != CLOSED);
        open.min_by_key(|&bank| self.banks[bank as usize][Command::Precharge as usize])
    }

    /// Nothing issues before `clock`.
    pub fn wait(&mut self, clock: u64) {
        self.bus = self.bus.max(clock);
    }

    /// The first clock that is free on the command bus.
    pub fn bus(&self) -> u64 {
        self.bus
    }

    /// The first clock at which `command` may go to a bank, or a refresh to its rank.
    #[inline]
    pub fn earliest(&self, command: Command, target: Target) -> u64 {
        let command = command as usize;
        self.banks[target.bank as usize][command]
            .max(self.groups[target.group as usize][command])
            .max(self.ranks[target.rank as usize][command])
            .max(self.bus)
    }

    /// Does what `command` does at `clock`. A refresh may name any bank of its rank.
    pub fn issue(&mut self, command: Command, target: Target, row: u32, clock: u64) {
        self.move_rows(command, target, row);
        if matches!(command, Command::Read | Command::Write) {
            self.used[target.bank as usize] = clock;
        }
        self.bus = clock + command.clocks(&self.clocks);
        let rank = target.rank as usize;
        let rules = self.first_rule[command as usize]..self.first_rule[command as usize + 1];
        for rule in &self.rules[rules] {
            let (after, from) = (rule.after as usize, clock + rule.clocks);
            let raise = |legal: &mut Legal| legal[after] = legal[after].max(from);
            match rule.scope {
                Scope::Bank if command == Command::RefreshBank => {
                    let turn = target.bank % self.turns;
                    for bank in self.together(target.rank, turn) {
                        raise(&mut self.banks[bank as usize]);
                    }
                }
                Scope::Bank => raise(&mut self.banks[target.bank as usize]),
                Scope::BankGroup => raise(&mut self.groups[target.group as usize]),
                Scope::Rank => raise(&mut self.ranks[rank]),
                Scope::FourActivations => {
                    let (times, oldest) = &mut self.activations[rank];
                    times[*oldest] = from;
                    *oldest = (*oldest + 1) % times.len();
                    let legal = &mut self.ranks[rank][after];
                    *legal = (*legal).max(times[*oldest]);
                }
                Scope::OtherRanks => {
                    let others = self.ranks.iter_mut().enumerate();
                    others.filter(|(other, _)| *other != rank).for_each(|(_, legal)| raise(legal));
                }
            }
        }
    }

    fn move_rows(&mut self, command: Command, target: Target, row: u32) {
        match command {
            Command::Activate => self.rows[target.bank as usize] = row,
            Command::Precharge => self.rows[target.bank as usize] = CLOSED,
            Command::Read | Command::Write | Command::Refresh | Command::RefreshBank => {}
        }
    }
}
