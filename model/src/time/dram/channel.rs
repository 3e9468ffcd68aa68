//! One channel: its queue, its scheduler and its refreshes.
//!
//! First-ready, first-come: of the commands that serve the requests in the queue, the one that can issue
//! first does; at the same clock a column command goes before others, and an older request before a
//! younger one. A row with requests waiting for it is not closed for another. Reads are served first;
//! writes are when there are no reads, or from the time when they fill so much of the queue until they
//! fill no more than so little (by default Ramulator's watermarks, four fifths and one fifth). A read does
//! not look into the writes that wait.
//!
//! A line is served by one burst or by two, which are column commands of their own.
//!
//! A refresh that is due has its banks to itself: no other command issues to them, their rows are closed one
//! after another as soon as they may be, then they are refreshed.
//!
//! Clocks inside a channel have 32 bits and count from its epoch, which moves on with time.

use super::bank::{Bank, CLOSED, NOBODY};
use super::candidates::{Candidates, Key};
use super::checker::Issued;
use super::closing::Closing;
use super::constraint::{self, COMMANDS, Command};
use super::legal::{self, Legal};
use super::queue::{Queue, Request};
use super::reads::{Read, Reads};
use super::refresh::Refreshes;
use super::ring::Ring;
use super::settings::{Clocks, Dram, Organisation};
use crate::time::settings::InvalidSetting;

/// What happened, in events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// First commands of requests, by their number: the row was not open, another one was, it was open.
    pub first: [u64; 4],
    pub activates: u64,
    pub refreshes: u64,
}

impl Counts {
    /// Counts a command that serves `request`.
    #[inline]
    fn add(&mut self, command: Command, request: &mut Request) {
        let first = !std::mem::replace(&mut request.started, true);
        // A command that serves a request has a number below 4.
        self.first[command as usize & 3] += u64::from(first);
        self.activates += u64::from(command == Command::Activate);
    }
}

/// A channel with its own command and data bus.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) number: u32,
    /// The clock of the next event; `u64::MAX` where nothing will ever happen.
    next: u64,
    /// The clock at which the clocks below begin to count.
    pub(super) epoch: u64,
    /// The command bus carries one command a clock: the first that is free.
    pub(super) bus: i32,
    /// When the first request that waits has arrived; `i32::MAX` for none, without room for it in the
    /// queue, and when that is far away.
    pub(super) entry: i32,
    /// The next command, under the requests that are in the queue.
    pub(super) plan: Key,
    /// From when on a command may come that serves no request: since time 0 (`u64::MAX` for never), and as
    /// what goes before it in any case.
    pub(super) limit: (u64, Key),
    /// From a read command to its last beat.
    read_clocks: i32,
    /// Clocks of each command on the command bus.
    lengths: [i32; COMMANDS],
    /// Whether writes are being served; means nothing while the queue is empty.
    pub(super) serves_writes: bool,
    pub(super) draining: bool,
    /// How many writes begin and end the draining.
    pub(super) watermarks: [usize; 2],
    pub(super) candidates: Candidates,
    pub(super) legal: Legal,
    pub(super) banks: Vec<Bank>,
    pub(super) queue: Queue,
    /// In order of arrival; the first ones move into the queue when it has room.
    waiting: Ring<Request>,
    pub(super) closing: Closing,
    pub(super) refreshes: Refreshes,
    /// When rows were closed less when they were opened, added up modulo 2^64.
    pub(super) open: u64,
    pub counts: Counts,
    pub log: Option<Vec<Issued>>,
    pub(super) organisation: Organisation,
}

/// The epoch moves on before an event so late in it.
const LATE: i32 = 1 << 29;

/// Where in its epoch an event lies then: beyond anything that may still come before it, such as the last
/// refreshes of an idle channel.
const EARLY: u64 = 1 << 24;

impl Channel {
    /// An idle channel with all rows closed.
    ///
    /// # Errors
    /// As [`Dram::timeout`].
    pub fn new(
        number: u32,
        organisation: Organisation,
        t: &Clocks,
        settings: &Dram,
    ) -> Result<Self, InvalidSetting> {
        let banks = organisation.ranks * organisation.banks_a_rank();
        let legal = Legal::new(&organisation, t, &constraint::list(t, settings.refresh));
        let mut channel = Self {
            number,
            next: u64::MAX,
            epoch: 0,
            bus: 0,
            entry: i32::MAX,
            plan: Key::NONE,
            limit: (u64::MAX, Key::NONE),
            // The settings' ranges keep all of them far below 2^31.
            read_clocks: (t.column - 1 + t.cl + t.bl) as i32,
            lengths: Command::ALL.map(|command| command.clocks(t) as i32),
            serves_writes: false,
            draining: false,
            watermarks: settings.watermarks(),
            candidates: Candidates::new(),
            banks: (0..banks).map(|bank| Bank::new(bank, &organisation, &legal)).collect(),
            legal,
            queue: Queue::new(settings.queue, banks),
            waiting: Ring::new(),
            closing: Closing::new(settings.timeout(t)?, banks),
            refreshes: Refreshes::new(settings, t, &organisation),
            open: 0,
            counts: Counts::default(),
            log: None,
            organisation,
        };
        channel.find_limit();
        Ok(channel)
    }

    /// Whether no request waits.
    pub fn idle(&self) -> bool {
        self.waiting.is_empty() && self.queue.is_empty()
    }

    /// Takes a request. Every event before the clock `settled` has happened on all channels. Returns the
    /// clock of the next event.
    #[inline]
    pub fn submit(&mut self, request: Request, settled: u64) -> u64 {
        let (arrival, idle) = (request.arrival, self.idle());
        let first = self.waiting.insert(request, |other| other.arrival > arrival);
        if !first || self.queue.is_full() {
            return self.next;
        }
        self.entry = self.tick(arrival);
        let entry = self.admission(arrival);
        if idle && self.limit.0 <= entry {
            self.wake(settled);
            self.next = self.find_next();
        } else {
            self.next = self.next.min(entry);
        }
        self.next
    }

    /// The clock since time 0 at which a request that arrives at `arrival` enters the queue, if there is room.
    #[inline]
    fn admission(&self, arrival: u64) -> u64 {
        // The bus is free from the clock after the command that made the room.
        arrival.max(self.epoch + (self.bus - 1).max(0) as u64)
    }

    /// Finds out when the first request that waits has arrived.
    #[inline]
    fn await_entry(&mut self) {
        self.entry = match self.waiting.front() {
            Some(first) if !self.queue.is_full() => self.tick(first.arrival),
            _ => i32::MAX,
        };
    }

    /// The next event, since time 0.
    #[inline]
    fn find_next(&self) -> u64 {
        let entry = match self.waiting.front() {
            Some(first) if !self.queue.is_full() => self.admission(first.arrival),
            _ => u64::MAX,
        };
        if self.plan == Key::NONE {
            entry
        } else {
            entry.min(self.epoch + self.plan.clock() as u64)
        }
    }

    /// A clock since time 0 as one since the epoch: 0 if it lies before, `i32::MAX` if it lies far away.
    #[inline]
    pub(super) fn tick(&self, clock: u64) -> i32 {
        clock.saturating_sub(self.epoch).min(i32::MAX as u64) as i32
    }

    /// Lets everything happen, in order, that happens before `horizon` and before the last beat of the reads
    /// that it issues, which it puts into `reads`. Returns the clock of the next event.
    #[inline]
    pub fn run(&mut self, mut horizon: u64, reads: &mut Reads) -> u64 {
        loop {
            let mut end = self.tick(horizon).min(LATE);
            loop {
                let event = self.plan.clock().min(self.entry.max(self.bus - 1));
                if event >= end {
                    break;
                }
                let read = if self.plan.clock() <= self.entry {
                    let read = self.execute();
                    self.replan();
                    read
                } else if self.queue.is_empty() {
                    self.serve_alone(event, end)
                } else {
                    self.admit(event);
                    None
                };
                #[cfg(test)]
                self.check_plan();
                if let Some(read) = read {
                    horizon = horizon.min(read.done);
                    end = end.min(self.tick(read.done));
                    reads.issue(read);
                }
            }
            self.next = self.find_next();
            if self.next >= horizon {
                return self.next;
            }
            self.keep_epoch(self.next);
        }
    }

    /// Moves the first request that waits into the queue.
    #[inline]
    fn admit(&mut self, clock: i32) {
        let Some(request) = self.waiting.pop_front() else { return };
        // A request in the queue is seen one clock later.
        self.bus = clock + 1;
        self.enqueue(request);
    }

    /// Moves the first request that waits into the empty queue. As long as it is alone there, commands follow
    /// from one another: those before the clock `end` issue at once. Returns the read that it was, if so.
    #[inline]
    fn serve_alone(&mut self, clock: i32, end: i32) -> Option<Read> {
        let mut request = self.waiting.pop_front()?;
        self.bus = clock + 1;
        let Request { id, arrival, row, write, .. } = request;
        let index = usize::from(request.bank);
        self.choose_draining(usize::from(write));
        if self.closing.happens() {
            self.row_is_wanted(index, row);
        }
        // A command goes before an admission at the same clock.
        self.await_entry();
        let company =
            if self.queue.has_one_place() { i32::MAX } else { self.entry.saturating_add(1) };
        let end = end.min(company).min(self.limit.1.clock());
        loop {
            let bank = &self.banks[index];
            let command = bank.command_for(row, column(write));
            let clock = self.legal.earliest(command, bank).max(self.bus);
            if clock >= end {
                self.enqueue(request);
                return None;
            }
            self.counts.add(command, &mut request);
            self.issue(command, index, row, clock);
            if command == column(write) {
                request.left -= 1;
                if request.left > 0 {
                    continue;
                }
                if self.closing.happens() {
                    self.row_was_used(index, clock);
                }
                if !self.waiting.is_empty() {
                    self.choose_draining(0);
                }
                if self.rests() {
                    self.plan = Key::NONE;
                } else {
                    self.replan_apart();
                }
                let done = self.epoch + (clock + self.read_clocks) as u64;
                return (!write).then_some(Read { id, arrival, done, channel: self.number });
            }
        }
    }

    /// Puts a request into the queue.
    fn enqueue(&mut self, request: Request) {
        if self.queue.ages_are_spent() {
            self.queue.renumber(&self.banks);
            self.choose_all();
            self.replan_apart();
        }
        let index = usize::from(request.bank);
        let before = self.queue.push(&mut self.banks[index], request);
        let stale = self.closing.happens() && self.row_is_wanted(index, request.row);
        self.await_entry();
        if self.turn() {
            return self.replan_apart();
        }
        if request.write == self.serves_writes {
            self.consider(index, before);
        }
        if stale {
            self.replan_apart();
        }
    }

    /// Takes account of a request for bank `index` in the direction that is served, the youngest, after the
    /// one in place `before`.
    #[inline]
    fn consider(&mut self, index: usize, before: u16) {
        let write = self.serves_writes;
        let bank = &mut self.banks[index];
        let place = bank.lists[usize::from(write)].last;
        let request = self.queue.get(place);
        let only = before == NOBODY;
        // A request for the open row keeps it open.
        if !only && (bank.row != request.row || bank.command != Command::Precharge) {
            return;
        }
        (bank.chosen, bank.before) = (place, before);
        bank.command = bank.command_for(request.row, column(write));
        let key = Key::new(0, bank.command, request.age, index);
        let key = exact(key, &self.banks, &self.legal, self.bus);
        if only {
            self.candidates.insert(key);
        } else {
            self.candidates.replace(key);
        }
        if !only || self.plan >= self.limit.1 {
            self.replan_apart();
        } else {
            self.plan = key.min(self.plan);
        }
    }

    /// As [`Self::replan`], where that happens rarely.
    #[inline(never)]
    pub(super) fn replan_apart(&mut self) {
        self.replan();
    }

    /// Plans the next command.
    #[inline(always)]
    fn replan(&mut self) {
        let first = self.candidates.first(|key| exact(key, &self.banks, &self.legal, self.bus));
        self.plan = if first < self.limit.1 { first } else { self.plan_beyond(first) };
    }

    /// Plans the next command, where the first that serves a request is `first`, and one may come before that
    /// serves none.
    #[inline(never)]
    fn plan_beyond(&mut self, first: Key) -> Key {
        if self.closing.happens() {
            self.find_limit();
            if first < self.limit.1 {
                return first;
            }
        }
        if self.rests() { Key::NONE } else { self.plan_all() }
    }

    /// Whether there is nothing to do before the next request enters the queue.
    #[inline]
    pub(super) fn rests(&self) -> bool {
        let others =
            !self.waiting.is_empty() && self.limit.1.clock() <= self.entry.max(self.bus - 1);
        self.queue.is_empty() && !others
    }

    /// Issues the planned command; returns the read that it was, if so. The next one has to be planned.
    #[inline]
    fn execute(&mut self) -> Option<Read> {
        let (index, clock) = (self.plan.bank(), self.plan.clock());
        if self.plan.serves_nobody() {
            if self.plan.is_closing() {
                self.close_row(index, clock);
            } else {
                self.step_towards_refresh(index, clock);
            }
            return None;
        }
        let bank = &mut self.banks[index];
        let (command, chosen) = (bank.command, bank.chosen);
        let request = self.queue.get_mut(chosen);
        self.counts.add(command, request);
        let Request { row, age, .. } = *request;
        let next = match command {
            Command::Activate => column(self.serves_writes),
            Command::Precharge => Command::Activate,
            _ => return self.access(index, chosen, clock),
        };
        if command == Command::Activate {
            bank.row = row;
            self.open = self.open.wrapping_sub(self.epoch + clock as u64);
            self.legal.issue(Command::Activate, bank, clock);
            self.bus = clock + self.lengths[Command::Activate as usize];
        } else {
            bank.row = CLOSED;
            self.open = self.open.wrapping_add(self.epoch + clock as u64);
            self.legal.issue(Command::Precharge, bank, clock);
            self.bus = clock + 1;
            if self.closing.happens() {
                self.closing.forget(index);
            }
        }
        bank.command = next;
        let key = Key::new(self.legal.earliest(next, bank).max(self.bus), next, age, index);
        self.candidates.replace(key);
        if self.log.is_some() {
            self.note(command, index, row, self.epoch + clock as u64);
        }
        None
    }

    /// Reads or writes what the candidate of bank `index`, the request in place `chosen`, asks for.
    #[inline]
    fn access(&mut self, index: usize, chosen: u16, clock: i32) -> Option<Read> {
        let write = self.serves_writes;
        let command = column(write);
        let request = self.queue.get_mut(chosen);
        request.left -= 1;
        let Request { id, arrival, row, age, left, .. } = *request;
        let bank = &mut self.banks[index];
        self.legal.issue(command, bank, clock);
        self.bus = clock + self.lengths[Command::Read as usize];
        if left > 0 {
            let next = self.legal.earliest(command, bank).max(self.bus);
            self.candidates.replace(Key::new(next, command, age, index));
            if self.log.is_some() {
                self.note(command, index, row, self.epoch + clock as u64);
            }
            return None;
        }
        if self.queue.take(bank, index, write) {
            let next = self.queue.get(bank.chosen);
            bank.command = bank.command_for(next.row, command);
            let clock = self.legal.earliest(bank.command, bank).max(self.bus);
            self.candidates.replace(Key::new(clock, bank.command, next.age, index));
        } else {
            self.candidates.remove(index);
        }
        if self.log.is_some() {
            self.note(command, index, row, self.epoch + clock as u64);
        }
        if self.closing.happens() {
            self.row_was_used(index, clock);
        }
        if !self.idle() {
            self.turn();
            self.await_entry();
        }
        let done = self.epoch + (clock + self.read_clocks) as u64;
        (!write).then_some(Read { id, arrival, done, channel: self.number })
    }

    /// Does what `command` at `clock` does to the state of banks and ranks.
    #[inline(always)]
    pub(super) fn issue(&mut self, command: Command, index: usize, row: u32, clock: i32) {
        let bank = &mut self.banks[index];
        self.legal.issue(command, bank, clock);
        self.bus = clock + self.lengths[command as usize];
        match command {
            Command::Activate => {
                bank.row = row;
                self.open = self.open.wrapping_sub(self.epoch + clock as u64);
            }
            Command::Precharge => {
                bank.row = CLOSED;
                self.open = self.open.wrapping_add(self.epoch + clock as u64);
                if self.closing.happens() {
                    self.closing.forget(index);
                }
            }
            Command::Read | Command::Write | Command::Refresh | Command::RefreshBank => {}
        }
        if self.log.is_some() {
            self.note(command, index, row, self.epoch + clock as u64);
        }
    }

    /// Leaves so many ages of requests.
    #[cfg(test)]
    pub fn wear_out(&mut self, left: u32) {
        self.queue.wear_out(left);
    }

    /// Writes a command down.
    #[cold]
    pub(super) fn note(&mut self, command: Command, index: usize, row: u32, clock: u64) {
        let (channel, bank) = (self.number, &self.banks[index]);
        let (rank, bank_group) = (u32::from(bank.rank), u32::from(bank.group));
        let bank = index as u32 % self.organisation.banks;
        let issued = Issued { channel, clock, command, rank, bank_group, bank, row };
        self.log.get_or_insert_default().push(issued);
    }

    /// Moves the epoch on if `event`, a clock since time 0, lies late in it. Nothing happens from then on
    /// that is more than [`EARLY`] clocks before.
    #[cold]
    pub(super) fn keep_epoch(&mut self, event: u64) {
        if self.tick(event) < LATE {
            return;
        }
        let clocks = event - EARLY - self.epoch;
        self.epoch += clocks;
        // What rules out clocks before the epoch rules out nothing.
        self.bus = legal::rebased(self.bus, clocks).max(0);
        self.legal.rebase(clocks);
        let legal = self.banks.iter_mut().flat_map(|bank| &mut bank.legal);
        legal.for_each(|clock| *clock = legal::rebased(*clock, clocks));
        self.banks.iter_mut().for_each(|bank| bank.used = legal::rebased(bank.used, clocks));
        self.find_limit();
        self.await_entry();
        self.choose_all();
        self.replan_apart();
    }
}

/// The command that serves a request whose row is open.
#[inline]
pub(super) fn column(write: bool) -> Command {
    if write { Command::Write } else { Command::Read }
}

/// `key` at the clock at which its bank can have its next command, when the bus is free from `bus` on.
#[inline]
pub(super) fn exact(key: Key, banks: &[Bank], legal: &Legal, bus: i32) -> Key {
    let bank = &banks[key.bank()];
    key.at(legal.earliest(bank.command, bank).max(bus))
}
