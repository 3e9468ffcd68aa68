//! One channel: its queue, its scheduler and its refreshes.
//!
//! First-ready, first-come: of the commands that serve the requests in the queue, the one that can issue
//! first does; at the same clock a column command goes before others, and an older request before a
//! younger one. A row with requests waiting for it is not closed for another. Reads are served first;
//! writes are when there are no reads, or from the time when they fill four fifths of the queue until
//! they fill one fifth of it (Ramulator's watermarks). A read does not look into the writes that wait.
//!
//! A refresh that is due has the rank to itself: no other command issues, its rows are closed one after
//! another as soon as they may be, then it is refreshed.

use std::collections::VecDeque;

use super::checker::Issued;
use super::constraint::{self, Command};
use super::settings::{Clocks, Organisation};
use super::state::{State, Target};
use super::{BURST_CLOCKS, RequestId};

/// A read or write of one burst.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub id: RequestId,
    /// The clock edge at which it reached the channel.
    pub arrival: u64,
    pub write: bool,
    pub target: Target,
    pub row: u32,
    /// Whether a command was issued for it.
    pub started: bool,
}

/// A read whose last beat is on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Completion {
    pub id: RequestId,
    pub arrival: u64,
    pub done: u64,
}

/// What happened, in events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub row_hits: u64,
    pub row_misses: u64,
    pub row_conflicts: u64,
    pub activates: u64,
    pub refreshes: u64,
}

/// The next command, under the requests that are in the queue.
#[derive(Debug, Clone, Copy)]
struct Plan {
    clock: u64,
    command: Command,
    target: Target,
    row: u32,
    /// The request's place in the list that is being served; `None` for a refresh.
    request: Option<usize>,
}

/// A channel with its own command and data bus.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    number: u32,
    state: State,
    /// From a read command to its last beat.
    read_clocks: u64,
    /// In order of arrival; the first ones move into the queue when it has room.
    waiting: VecDeque<Request>,
    reads: Vec<Request>,
    writes: Vec<Request>,
    capacity: usize,
    draining: bool,
    plan: Option<Plan>,
    /// For each bank the number of the last plan that saw a request for its open row, and for another.
    seen: Vec<(u64, u64)>,
    plans: u64,
    /// Clocks between refreshes; `None` without refresh.
    refresh_interval: Option<u64>,
    refresh_due: Vec<u64>,
    pub counts: Counts,
    pub log: Option<Vec<Issued>>,
    organisation: Organisation,
}

impl Channel {
    pub fn new(
        number: u32,
        organisation: Organisation,
        t: &Clocks,
        queue: u32,
        refresh: bool,
    ) -> Self {
        let banks = organisation.ranks * organisation.banks_a_rank();
        let ranks = u64::from(organisation.ranks);
        Self {
            number,
            state: State::new(&organisation, constraint::ddr4(t)),
            read_clocks: t.cl + BURST_CLOCKS,
            waiting: VecDeque::new(),
            reads: Vec::with_capacity(queue as usize),
            writes: Vec::with_capacity(queue as usize),
            capacity: queue as usize,
            draining: false,
            plan: None,
            seen: vec![(0, 0); banks as usize],
            plans: 0,
            refresh_interval: refresh.then_some(t.refi),
            // Ranks take turns, so that they are not all away at once.
            refresh_due: (0..ranks).map(|rank| t.refi + t.refi * rank / ranks).collect(),
            counts: Counts::default(),
            log: None,
            organisation,
        }
    }

    /// Whether no request waits.
    pub fn idle(&self) -> bool {
        self.waiting.is_empty() && self.reads.is_empty() && self.writes.is_empty()
    }

    /// Takes a request. Every event before the clock `settled` has happened on all channels.
    pub fn submit(&mut self, request: Request, settled: u64) {
        let was_idle = self.idle();
        let place = self.waiting.partition_point(|other| other.arrival <= request.arrival);
        self.waiting.insert(place, request);
        if was_idle {
            self.catch_up(settled);
            self.plan();
        }
    }

    /// The clock of the next event; `None` where nothing will ever happen.
    pub fn next(&self) -> Option<u64> {
        let command = self.plan.map(|plan| plan.clock);
        match (self.admission(), command) {
            (Some(admission), Some(command)) => Some(admission.min(command)),
            (admission, command) => admission.or(command),
        }
    }

    /// The clock at which a waiting request enters the queue.
    fn admission(&self) -> Option<u64> {
        let first = self.waiting.front()?;
        let room = self.reads.len() + self.writes.len() < self.capacity;
        // The bus is free from the clock after the command that made the room.
        room.then(|| first.arrival.max(self.state.bus().saturating_sub(1)))
    }

    /// Lets the next event happen; returns the read that it was, if so.
    pub fn step(&mut self) -> Option<Completion> {
        let admission = self.admission().unwrap_or(u64::MAX);
        match self.plan {
            Some(plan) if plan.clock <= admission => {
                let completion = self.execute(plan);
                self.plan();
                completion
            }
            _ => {
                self.admit(admission);
                None
            }
        }
    }

    fn admit(&mut self, clock: u64) {
        let Some(request) = self.waiting.pop_front() else { return };
        let served_writes = self.serves_writes();
        let list = if request.write { &mut self.writes } else { &mut self.reads };
        list.push(request);
        let (index, first) = (list.len() - 1, list.len() == 1);
        // A request in the queue is seen one clock later.
        self.state.wait(clock + 1);
        self.choose_direction();
        if first || self.serves_writes() != served_writes {
            self.plan();
        } else if request.write == served_writes {
            self.amend(index, &request);
        }
    }

    /// Brings the plan up to date with one more request in the list that is being served, the youngest.
    fn amend(&mut self, index: usize, request: &Request) {
        let bank = request.target.bank;
        let seen = &mut self.seen[bank as usize];
        match self.state.row(bank) {
            // It may keep open a row that was about to be closed, or issue before another's activation.
            Some(row) if row == request.row && seen.0 != self.plans => self.plan(),
            Some(row) if row == request.row => {}
            _ if seen.0 == self.plans || seen.1 == self.plans => {}
            open => {
                seen.1 = self.plans;
                let command = if open.is_some() { Command::Precharge } else { Command::Activate };
                self.propose(command, index, request);
            }
        }
    }

    fn serves_writes(&self) -> bool {
        self.draining || self.reads.is_empty()
    }

    fn execute(&mut self, plan: Plan) -> Option<Completion> {
        let Plan { clock, command, target, row, request } = plan;
        self.issue(command, target, row, clock);
        let list = if self.serves_writes() { &mut self.writes } else { &mut self.reads };
        let index = request?;
        let served = &mut list[index]; // `plan` found it there, and the list has not changed since.
        if !std::mem::replace(&mut served.started, true) {
            match command {
                Command::Activate => self.counts.row_misses += 1,
                Command::Precharge => self.counts.row_conflicts += 1,
                _ => self.counts.row_hits += 1,
            }
        }
        if !matches!(command, Command::Read | Command::Write) {
            return None;
        }
        let Request { id, arrival, write, .. } = list.remove(index);
        (!write).then_some(Completion { id, arrival, done: clock + self.read_clocks })
    }

    fn issue(&mut self, command: Command, target: Target, row: u32, clock: u64) {
        self.state.issue(command, target, row, clock);
        match (command, self.refresh_interval) {
            (Command::Activate, _) => self.counts.activates += 1,
            (Command::Refresh, Some(interval)) => {
                self.counts.refreshes += 1;
                self.refresh_due[target.rank as usize] += interval;
            }
            _ => {}
        }
        self.note(command, target, row, clock);
    }

    fn note(&mut self, command: Command, target: Target, row: u32, clock: u64) {
        let Some(log) = &mut self.log else { return };
        log.push(Issued {
            channel: self.number,
            clock,
            command,
            rank: target.rank,
            bank_group: target.group % self.organisation.bank_groups,
            bank: target.bank % self.organisation.banks,
            row,
        });
    }

    /// Starts or ends the draining of writes by how many there are.
    fn choose_direction(&mut self) {
        if self.writes.len() * 5 >= self.capacity * 4 {
            self.draining = true;
        } else if self.writes.len() * 5 <= self.capacity {
            self.draining = false;
        }
    }

    /// Plans the next command.
    fn plan(&mut self) {
        self.plan = None;
        if self.idle() {
            return;
        }
        self.choose_direction();
        self.plans += 1;
        // Taken out for the time of planning, since that changes the rest of the channel.
        let writes = self.serves_writes();
        let list = std::mem::take(if writes { &mut self.writes } else { &mut self.reads });
        if self.plan_columns(&list) {
            self.plan_rows(&list);
        }
        *(if writes { &mut self.writes } else { &mut self.reads }) = list;
        self.plan_refreshes();
    }

    /// Makes `command` for a request the plan if it can issue before it and before the next refresh.
    fn propose(&mut self, command: Command, index: usize, request: &Request) {
        let clock = self.state.earliest(command, request.target);
        let refreshed = self.refresh_interval.is_some()
            && clock >= self.refresh_due[request.target.rank as usize];
        if refreshed || self.plan.is_some_and(|plan| plan.clock <= clock) {
            return;
        }
        let Request { target, row, .. } = *request;
        self.plan = Some(Plan { clock, command, target, row, request: Some(index) });
    }

    /// Whether the plan issues as soon as the bus is free, so that no other can come before it.
    fn at_once(&self) -> bool {
        self.plan.is_some_and(|plan| plan.clock == self.state.bus())
    }

    /// Plans among the requests whose row is open; says whether there are others.
    fn plan_columns(&mut self, list: &[Request]) -> bool {
        let mut others = false;
        for (index, request) in list.iter().enumerate() {
            let bank = request.target.bank;
            if self.state.row(bank) != Some(request.row) {
                others = true;
            } else if self.at_once() {
                return false;
            } else if self.seen[bank as usize].0 != self.plans {
                // Younger requests for the same row can issue no earlier.
                self.seen[bank as usize].0 = self.plans;
                let command = if request.write { Command::Write } else { Command::Read };
                self.propose(command, index, request);
            }
        }
        others
    }

    /// Plans among the requests whose row is not open.
    fn plan_rows(&mut self, list: &[Request]) {
        for (index, request) in list.iter().enumerate() {
            if self.at_once() {
                return;
            }
            let seen = &mut self.seen[request.target.bank as usize];
            if seen.0 == self.plans || seen.1 == self.plans {
                continue;
            }
            seen.1 = self.plans;
            let command = match self.state.row(request.target.bank) {
                Some(_) => Command::Precharge,
                None => Command::Activate,
            };
            self.propose(command, index, request);
        }
    }

    /// The next command towards the next refresh of a rank.
    fn refresh_step(&self, rank: u32) -> Plan {
        let open = self.state.first_to_close(rank);
        let command = if open.is_some() { Command::Precharge } else { Command::Refresh };
        let bank = open.unwrap_or(rank * self.organisation.banks_a_rank());
        let target = Target { rank, group: bank / self.organisation.banks, bank };
        let legal = self.state.earliest(command, target);
        let clock = legal.max(self.refresh_due[rank as usize]);
        Plan { clock, command, target, row: 0, request: None }
    }

    fn plan_refreshes(&mut self) {
        if self.refresh_interval.is_none() {
            return;
        }
        for rank in 0..self.organisation.ranks {
            let due = self.refresh_due[rank as usize];
            if self.plan.is_some_and(|plan| plan.clock < due) {
                continue;
            }
            let step = self.refresh_step(rank);
            if self.plan.is_none_or(|plan| step.clock <= plan.clock) {
                self.plan = Some(step);
            }
        }
    }

    /// Refreshes of a channel without requests happen when the next request comes: all that were due
    /// long before `settled`, at once.
    fn catch_up(&mut self, settled: u64) {
        let Some(interval) = self.refresh_interval else { return };
        for rank in 0..self.organisation.ranks {
            let due = self.refresh_due[rank as usize];
            if settled.saturating_sub(due) < 4 * interval {
                continue;
            }
            while self.refresh_due[rank as usize] == due {
                let Plan { clock, command, target, row, .. } = self.refresh_step(rank);
                self.issue(command, target, row, clock);
            }
            let missed = (settled - self.refresh_due[rank as usize]) / interval;
            if self.log.is_some() {
                let target = self.refresh_step(rank).target;
                for turn in 0..missed {
                    self.note(Command::Refresh, target, 0, due + (turn + 1) * interval);
                }
            }
            self.counts.refreshes += missed;
            self.refresh_due[rank as usize] += missed * interval;
        }
    }
}
