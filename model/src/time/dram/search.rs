//! The channel's plan against one that looks at every request. The tests make the comparison after every
//! event.

use super::bank::{Bank, CLOSED};
use super::candidates::Key;
use super::channel::{Channel, column};
use super::constraint::Command;

impl Channel {
    /// Checks that the plan is what a search of all requests finds.
    pub(super) fn check_plan(&self) {
        if self.idle() {
            return assert_eq!(self.plan, Key::NONE);
        }
        let searched = self.search();
        // A refresh after the next request has entered is not planned yet.
        if self.plan != Key::NONE || !self.rests() {
            assert_eq!(self.plan, searched);
        } else {
            assert!(searched.clock() > self.entry.max(self.bus - 1));
        }
    }

    fn search(&self) -> Key {
        let write = self.serves_writes;
        let mut requests = Vec::new();
        for bank in &self.banks {
            requests.extend(self.queue.of(bank, write));
        }
        requests.sort_by_key(|request| request.age);
        let mut plan = Key::NONE;
        for request in &requests {
            let index = usize::from(request.bank);
            let bank = &self.banks[index];
            let command = match bank.row {
                CLOSED => Command::Activate,
                open if open == request.row => column(write),
                open if requests
                    .iter()
                    .any(|other| (other.bank, other.row) == (request.bank, open)) =>
                {
                    continue;
                }
                _ => Command::Precharge,
            };
            let clock = self.legal.earliest(command, bank).max(self.bus);
            let key = Key::new(clock, command, request.age, index);
            if self.may_issue(key) {
                plan = plan.min(key);
            }
        }
        plan = plan.min(self.search_closings());
        for rank in 0..self.organisation.ranks as usize {
            if let Some(step) = self.refresh_key(rank).filter(|step| step.clock() <= plan.clock()) {
                plan = step;
            }
        }
        plan
    }

    /// As [`Channel::first_closing`], of all banks.
    fn search_closings(&self) -> Key {
        let wanted = |bank: &Bank| {
            [false, true]
                .iter()
                .any(|write| self.queue.of(bank, *write).any(|request| request.row == bank.row))
        };
        let unwanted = |(_, bank): &(usize, &Bank)| bank.row != CLOSED && !wanted(bank);
        let closings = self.banks.iter().enumerate().filter(unwanted);
        let Some(timeout) = self.closing.timeout() else { return Key::NONE };
        let keys = closings.map(|(index, bank)| {
            let clock = self.legal.earliest(Command::Precharge, bank);
            Key::closing(clock.max(self.bus).max(bank.used + timeout), index)
        });
        keys.filter(|key| self.may_issue(*key)).fold(Key::NONE, Key::min)
    }
}
