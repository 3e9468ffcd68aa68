//! A channel's refreshes.

use super::bank::CLOSED;
use super::candidates::Key;
use super::channel::{Channel, exact};
use super::constraint::Command;

/// A command towards a refresh.
#[derive(Debug, Clone, Copy)]
struct Step {
    command: Command,
    /// The bank to be closed, or any bank of the rank.
    bank: usize,
    clock: i32,
}

impl Channel {
    /// Finds out when the first refresh is due.
    pub(super) fn find_first_due(&mut self) {
        let first = self.refresh_due.iter().min();
        self.first_due = match self.refresh_interval.and(first) {
            Some(due) => (*due, Key::before(self.tick(*due))),
            None => (u64::MAX, Key::NONE),
        };
    }

    /// The first request of an idle channel has come, when a refresh may come before it.
    #[inline(never)]
    pub(super) fn wake(&mut self, settled: u64) {
        self.catch_up(settled);
        self.keep_epoch(settled);
        self.plan = self.plan_refreshes();
    }

    /// The next command, where a refresh may come before it: a candidate goes first only if it can issue
    /// before its rank's refresh is due.
    #[inline(never)]
    pub(super) fn plan_refreshes(&self) -> Key {
        let keys = self.candidates.keys().map(|key| exact(key, &self.banks, &self.legal, self.bus));
        let allowed = |key: &Key| {
            let rank = usize::from(self.banks[key.bank()].rank);
            key.clock() < self.tick(self.refresh_due[rank])
        };
        let mut plan = keys.filter(allowed).fold(Key::NONE, Key::min);
        for rank in 0..self.refresh_due.len() {
            if let Some(step) = self.refresh_key(rank).filter(|step| step.clock() <= plan.clock()) {
                plan = step;
            }
        }
        plan
    }

    /// The next step towards the next refresh of a rank, if ranks are refreshed.
    pub(super) fn refresh_key(&self, rank: usize) -> Option<Key> {
        self.refresh_interval?;
        let step = self.refresh_step(rank);
        Some(Key::refresh(step.clock, step.bank))
    }

    /// The next command towards the next refresh of a rank: its open banks are closed in the order in which
    /// they may be.
    fn refresh_step(&self, rank: usize) -> Step {
        let banks = self.organisation.banks_a_rank() as usize;
        let banks = rank * banks..(rank + 1) * banks;
        let first = banks.start;
        let due = self.tick(self.refresh_due[rank]).max(self.bus);
        let precharge = Command::Precharge as usize;
        let open = banks.filter(|&bank| self.banks[bank].row != CLOSED);
        match open.min_by_key(|&bank| self.banks[bank].legal[precharge]) {
            Some(index) => {
                let bank = &self.banks[index];
                let clock = self.legal.earliest(Command::Precharge, bank).max(due);
                Step { command: Command::Precharge, bank: index, clock }
            }
            None => {
                let clock = self.legal.refresh(rank).max(due);
                Step { command: Command::Refresh, bank: first, clock }
            }
        }
    }

    /// Issues a command towards a refresh.
    fn take_step(&mut self, Step { command, bank, clock }: Step) {
        self.issue(command, bank, 0, clock);
        if let (Command::Refresh, Some(interval)) = (command, self.refresh_interval) {
            self.counts.refreshes += 1;
            self.refresh_due[usize::from(self.banks[bank].rank)] += interval;
            self.find_first_due();
        }
    }

    /// Issues the planned command to `bank`, which is one towards a refresh.
    #[inline(never)]
    pub(super) fn step_towards_refresh(&mut self, bank: usize, clock: i32) {
        let open = self.banks[bank].row != CLOSED;
        let command = if open { Command::Precharge } else { Command::Refresh };
        self.take_step(Step { command, bank, clock });
        if open {
            self.choose_anew(bank);
        }
    }

    /// Refreshes of a channel without requests happen when the next request comes: all that were due
    /// long before `settled`, at once.
    fn catch_up(&mut self, settled: u64) {
        let Some(interval) = self.refresh_interval else { return };
        for rank in 0..self.refresh_due.len() {
            let due = self.refresh_due[rank];
            if settled.saturating_sub(due) < 4 * interval {
                continue;
            }
            while self.refresh_due[rank] == due {
                self.take_step(self.refresh_step(rank));
            }
            let missed = (settled - self.refresh_due[rank]) / interval;
            if self.log.is_some() {
                let bank = self.refresh_step(rank).bank;
                for turn in 0..missed {
                    self.note(Command::Refresh, bank, 0, due + (turn + 1) * interval);
                }
            }
            self.counts.refreshes += missed;
            self.refresh_due[rank] += missed * interval;
        }
        self.find_first_due();
    }
}
