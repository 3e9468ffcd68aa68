//! Rows that are closed after use, and the first command that serves no request.

use super::bank::CLOSED;
use super::candidates::Key;
use super::channel::Channel;
use super::constraint::Command;
use super::set::BankSet;

/// The open rows that no request in the queue wants, where such are closed.
#[derive(Debug, Clone)]
pub(super) struct Closing {
    /// Clocks without a read or write after which a row is closed; `None` if it stays open.
    timeout: Option<i32>,
    rows: BankSet,
}

impl Closing {
    /// None of `banks` banks.
    pub fn new(timeout: Option<u64>, banks: u32) -> Self {
        // The settings keep it far below 2^31.
        Self { timeout: timeout.map(|clocks| clocks as i32), rows: BankSet::new(banks) }
    }

    /// Whether rows are closed after use.
    #[inline]
    pub fn happens(&self) -> bool {
        self.timeout.is_some()
    }

    /// Clocks without a read or write after which a row is closed, if it ever is.
    #[cfg(test)]
    pub fn timeout(&self) -> Option<i32> {
        self.timeout
    }

    /// The row of a bank is no longer open, or wanted again.
    pub fn forget(&mut self, bank: usize) {
        self.rows.remove(bank);
    }
}

impl Channel {
    /// The row of bank `index` was read or written at `clock`.
    #[inline(never)]
    pub(super) fn row_was_used(&mut self, index: usize, clock: i32) {
        self.banks[index].used = clock;
        if self.queue.wants_row(&self.banks[index]) {
            return;
        }
        self.closing.rows.insert(index);
        let closing = self.closing_key(index);
        let (at, _) = self.limit;
        self.set_limit(at.min(self.epoch + closing.clock() as u64));
    }

    /// A request for `row` of bank `index` has come into the queue. Returns whether the plan, which
    /// may be to close that row, has to be made again.
    #[inline(never)]
    pub(super) fn row_is_wanted(&mut self, index: usize, row: u32) -> bool {
        if self.banks[index].row == row {
            self.closing.forget(index);
            self.find_limit();
        }
        self.plan.serves_nobody()
    }

    /// The command that closes the row of bank `index`, at the first clock at which it may.
    fn closing_key(&self, index: usize) -> Key {
        let bank = &self.banks[index];
        let idle = bank.used + self.closing.timeout.unwrap_or_default();
        let clock = self.legal.earliest(Command::Precharge, bank).max(self.bus).max(idle);
        Key::closing(clock, index)
    }

    /// The first command that closes a row, of those that are `allowed`.
    pub(super) fn first_closing(&self, allowed: impl Fn(Key) -> bool) -> Key {
        let mut first = Key::NONE;
        if self.closing.happens() {
            self.closing.rows.visit(|index| {
                let key = self.closing_key(index);
                if key < first && allowed(key) {
                    first = key;
                }
            });
        }
        first
    }

    /// Finds out from when on a command may come that serves no request.
    pub(super) fn find_limit(&mut self) {
        let closing = match self.first_closing(|_| true) {
            Key::NONE => u64::MAX,
            first => self.epoch + first.clock() as u64,
        };
        self.set_limit(closing.min(self.refreshes.first_due()));
    }

    fn set_limit(&mut self, at: u64) {
        let key = if at == u64::MAX { Key::NONE } else { Key::before(self.tick(at)) };
        self.limit = (at, key);
    }

    /// Closes the row of bank `index`, as planned.
    #[inline(never)]
    pub(super) fn close_row(&mut self, index: usize, clock: i32) {
        self.issue(Command::Precharge, index, 0, clock);
        self.find_limit();
        self.choose_anew(index);
    }

    /// Closes, in order, the rows of a channel without requests that are to be closed before the clock
    /// `before` since time 0.
    pub(super) fn close_rows_before(&mut self, before: u64) {
        loop {
            let first = self.first_closing(|_| true);
            if first == Key::NONE || self.epoch + first.clock() as u64 >= before {
                return;
            }
            self.issue(Command::Precharge, first.bank(), 0, first.clock());
        }
    }

    /// How long banks have been open up to the clock `now` since time 0, in bank-clocks. Of a channel
    /// without requests, rows that are to be closed by then count as closed.
    pub(super) fn open_clocks(&self, now: u64) -> u64 {
        let now = now.max(self.epoch + self.bus as u64);
        let idle = self.idle();
        let mut clocks = self.open;
        let open = self.banks.iter().enumerate().filter(|(_, bank)| bank.row != CLOSED);
        for (index, _) in open {
            let mut end = now;
            if idle {
                end = end.min(self.closed_by_refresh(index).max(self.epoch + self.bus as u64));
                if self.closing.happens() {
                    end = end.min(self.epoch + self.closing_key(index).clock() as u64);
                }
            }
            clocks = clocks.wrapping_add(end);
        }
        clocks
    }
}
