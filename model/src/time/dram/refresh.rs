//! A channel's refreshes: of a whole rank, or of a part of it at a time.
//!
//! The banks of a rank are refreshed in turns: all of them in the only one, or those whose number, modulo
//! the number of turns, is the turn's.

use super::bank::CLOSED;
use super::candidates::Key;
use super::channel::{Channel, exact};
use super::constraint::Command;
use super::settings::{Clocks, Dram, Organisation, Refresh};

/// When the ranks of a channel are refreshed.
#[derive(Debug, Clone)]
pub(super) struct Refreshes {
    /// Clocks between those of a rank; `None` without refresh.
    interval: Option<u64>,
    command: Command,
    /// When each rank's next one is, since time 0; never without refresh.
    due: Vec<u64>,
    /// Whose turn it is then.
    turn: Vec<u32>,
}

impl Refreshes {
    /// Those of `settings`, whose constraints are `t`; ranks take turns, so that they are not all away at once.
    pub fn new(settings: &Dram, t: &Clocks, organisation: &Organisation) -> Self {
        let ranks = u64::from(organisation.ranks);
        let interval = settings.refresh_interval(t);
        let whole = settings.refresh != Refresh::PerBank;
        let first = |rank| interval.map_or(u64::MAX, |every| every + every * rank / ranks);
        Self {
            interval,
            command: if whole { Command::Refresh } else { Command::RefreshBank },
            due: (0..ranks).map(first).collect(),
            turn: vec![0; organisation.ranks as usize],
        }
    }

    /// The first that is due; `u64::MAX` for never.
    pub fn first_due(&self) -> u64 {
        self.due.iter().copied().min().unwrap_or(u64::MAX)
    }
}

/// A command towards a refresh.
#[derive(Debug, Clone, Copy)]
struct Step {
    command: Command,
    /// The bank to be closed, or the first of those to be refreshed.
    bank: usize,
    clock: i32,
}

impl Channel {
    /// The first request of an idle channel has come, when something may come before it.
    #[inline(never)]
    pub(super) fn wake(&mut self, settled: u64) {
        self.catch_up(settled);
        self.keep_epoch(settled);
        self.plan = self.plan_all();
    }

    /// The next command, where one may come that serves no request.
    #[inline(never)]
    pub(super) fn plan_all(&self) -> Key {
        let keys = self.candidates.keys().map(|key| exact(key, &self.banks, &self.legal, self.bus));
        let mut plan = keys.filter(|key| self.may_issue(*key)).fold(Key::NONE, Key::min);
        plan = plan.min(self.first_closing(|key| self.may_issue(key)));
        for rank in 0..self.refreshes.due.len() {
            if let Some(step) = self.refresh_key(rank).filter(|step| step.clock() <= plan.clock()) {
                plan = step;
            }
        }
        plan
    }

    /// Whether a command may go before the refresh of its rank: to a bank that is to be refreshed, if it can
    /// issue before that is due; to another, unless it opens a row after those to be refreshed are closed.
    pub(super) fn may_issue(&self, key: Key) -> bool {
        let index = key.bank();
        let bank = &self.banks[index];
        let rank = usize::from(bank.rank);
        if key.clock() < self.tick(self.refreshes.due[rank]) {
            return true;
        }
        let turns = self.organisation.turns as usize;
        if index % turns == self.refreshes.turn[rank] as usize {
            return false;
        }
        key.is_closing()
            || bank.command != Command::Activate
            || self.refresh_step(rank).command == Command::Precharge
    }

    /// The next step towards the next refresh of a rank, if ranks are refreshed.
    pub(super) fn refresh_key(&self, rank: usize) -> Option<Key> {
        self.refreshes.interval?;
        let step = self.refresh_step(rank);
        Some(Key::refresh(step.clock, step.bank))
    }

    /// The banks that the next refresh of a rank is for.
    fn refreshed(&self, rank: usize) -> impl Iterator<Item = usize> + use<> {
        let banks = self.organisation.banks_a_rank() as usize;
        let first = rank * banks + self.refreshes.turn[rank] as usize;
        (first..(rank + 1) * banks).step_by(self.organisation.turns as usize)
    }

    /// The next command towards the next refresh of a rank: the banks that are open are closed in the order
    /// in which they may be.
    fn refresh_step(&self, rank: usize) -> Step {
        let due = self.tick(self.refreshes.due[rank]).max(self.bus);
        let precharge = Command::Precharge as usize;
        let open = self.refreshed(rank).filter(|&bank| self.banks[bank].row != CLOSED);
        match open.min_by_key(|&bank| self.banks[bank].legal[precharge]) {
            Some(index) => {
                let bank = &self.banks[index];
                let clock = self.legal.earliest(Command::Precharge, bank).max(due);
                Step { command: Command::Precharge, bank: index, clock }
            }
            None => {
                let command = self.refreshes.command;
                let first = rank * self.organisation.banks_a_rank() as usize
                    + self.refreshes.turn[rank] as usize;
                let mut clock = self.legal.refresh(rank).max(due);
                if command == Command::RefreshBank {
                    let legal = self.refreshed(rank).map(|bank| &self.banks[bank]);
                    clock =
                        legal.fold(clock, |clock, bank| clock.max(self.legal.refresh_bank(bank)));
                }
                Step { command, bank: first, clock }
            }
        }
    }

    /// Issues a command towards a refresh of `rank`.
    fn take_step(&mut self, rank: usize, Step { command, bank, clock }: Step) {
        self.issue(command, bank, 0, clock);
        if command == Command::Precharge {
            return;
        }
        if command == Command::RefreshBank {
            for other in self.refreshed(rank).skip(1) {
                self.legal.occupy(command, &mut self.banks[other], clock);
            }
        }
        self.counts.refreshes += 1;
        self.pass_turns(rank, 1);
        self.find_limit();
    }

    /// So many refreshes of a rank have been.
    fn pass_turns(&mut self, rank: usize, count: u64) {
        let turns = u64::from(self.organisation.turns);
        self.refreshes.due[rank] += count * self.refreshes.interval.unwrap_or_default();
        let turn = &mut self.refreshes.turn[rank];
        *turn = ((u64::from(*turn) + count) % turns) as u32;
    }

    /// Issues the planned command to `bank`, which is one towards a refresh.
    #[inline(never)]
    pub(super) fn step_towards_refresh(&mut self, bank: usize, clock: i32) {
        let open = self.banks[bank].row != CLOSED;
        let command = if open { Command::Precharge } else { self.refreshes.command };
        self.take_step(usize::from(self.banks[bank].rank), Step { command, bank, clock });
        if open {
            self.choose_anew(bank);
        }
    }

    /// A request for `row` of bank `index` was served at `clock`, since time 0, without being simulated.
    #[inline]
    pub fn touch(&mut self, clock: u64, index: u32, row: u32) {
        // What is closed after use lasts too short to matter later.
        if !self.idle() || self.closing.happens() {
            return;
        }
        let index = index as usize;
        let rank = usize::from(self.banks[index].rank);
        if self.refreshes.due[rank] <= clock {
            self.refresh_unseen(rank, clock);
        }
        let bank = &mut self.banks[index];
        if bank.row == CLOSED {
            self.open = self.open.wrapping_sub(clock);
        }
        bank.row = row;
    }

    /// What was due up to `clock` of a rank without requests is over, and held up nobody.
    #[cold]
    fn refresh_unseen(&mut self, rank: usize, clock: u64) {
        let Some(interval) = self.refreshes.interval else { return };
        let count = (clock - self.refreshes.due[rank]) / interval + 1;
        let closing = count.min(u64::from(self.organisation.turns));
        for _ in 0..closing {
            let due = self.refreshes.due[rank];
            for index in self.refreshed(rank) {
                let bank = &mut self.banks[index];
                if bank.row != CLOSED {
                    bank.row = CLOSED;
                    self.open = self.open.wrapping_add(due);
                }
            }
            self.pass_turns(rank, 1);
        }
        self.pass_turns(rank, count - closing);
        self.counts.refreshes += count;
        self.find_limit();
    }

    /// What a channel without requests has put off happens when the next request comes: all that was due
    /// long before `settled`, at once.
    fn catch_up(&mut self, settled: u64) {
        let turns = u64::from(self.organisation.turns);
        let interval = self.refreshes.interval.unwrap_or(u64::MAX);
        let long = interval.saturating_mul(turns + 3);
        let overdue = |due: &u64| settled.saturating_sub(*due) >= long;
        let mut left: Vec<u64> =
            self.refreshes.due.iter().map(|due| u64::from(overdue(due)) * turns).collect();
        // Each bank of an overdue rank once, so that every row is closed; then the rest.
        let first = |left: &[u64], due: &[u64]| {
            (0..left.len()).filter(|&rank| left[rank] > 0).min_by_key(|&rank| due[rank])
        };
        while let Some(rank) = first(&left, &self.refreshes.due) {
            let due = self.refreshes.due[rank];
            self.close_rows_before(due);
            while self.refreshes.due[rank] == due {
                self.take_step(rank, self.refresh_step(rank));
            }
            left[rank] -= 1;
            if left[rank] == 0 {
                self.skip_refreshes(rank, settled, interval);
            }
        }
        self.close_rows_before(settled.min(self.refreshes.first_due()));
        self.find_limit();
    }

    /// Counts the refreshes of `rank` up to `settled`, all of whose rows are closed, but for the last of each
    /// bank, which may still matter.
    fn skip_refreshes(&mut self, rank: usize, settled: u64, interval: u64) {
        let turns = u64::from(self.organisation.turns);
        let due = self.refreshes.due[rank];
        let missed = (settled.saturating_sub(due) / interval).saturating_sub(turns - 1);
        if self.log.is_some() {
            for past in 0..missed {
                let turn = (u64::from(self.refreshes.turn[rank]) + past) % turns;
                let bank = rank * self.organisation.banks_a_rank() as usize + turn as usize;
                self.note(self.refreshes.command, bank, 0, due + past * interval);
            }
        }
        self.counts.refreshes += missed;
        self.pass_turns(rank, missed);
    }

    /// When the open row of bank `index` is closed at the latest if no request comes: since time 0.
    pub(super) fn closed_by_refresh(&self, index: usize) -> u64 {
        let Some(interval) = self.refreshes.interval else { return u64::MAX };
        let rank = usize::from(self.banks[index].rank);
        let turns = self.organisation.turns;
        let ahead = (index as u32 % turns + turns - self.refreshes.turn[rank]) % turns;
        self.refreshes.due[rank] + u64::from(ahead) * interval
    }
}
