//! The channel's plan against one that looks at every request. The tests make the comparison after every
//! event.

use super::bank::CLOSED;
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
            if clock < self.tick(self.refresh_due[usize::from(bank.rank)]) {
                plan = plan.min(Key::new(clock, command, request.age, index));
            }
        }
        for rank in 0..self.refresh_due.len() {
            if let Some(step) = self.refresh_key(rank).filter(|step| step.clock() <= plan.clock()) {
                plan = step;
            }
        }
        plan
    }
}
