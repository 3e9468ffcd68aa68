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
use super::queue::{Candidate, Queue};
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
    /// As [`Candidate::order`]; 0 where it is a step towards a refresh.
    order: u64,
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
    reads: Queue,
    writes: Queue,
    capacity: usize,
    draining: bool,
    plan: Option<Plan>,
    /// Clocks between refreshes; `None` without refresh.
    refresh_interval: Option<u64>,
    /// When each rank's next one is; never without refresh.
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
            reads: Queue::new(Command::Read, banks),
            writes: Queue::new(Command::Write, banks),
            capacity: queue as usize,
            draining: false,
            plan: None,
            refresh_interval: refresh.then_some(t.refi),
            // Ranks take turns, so that they are not all away at once.
            refresh_due: (0..ranks)
                .map(|rank| if refresh { t.refi + t.refi * rank / ranks } else { u64::MAX })
                .collect(),
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
            // The request enters the empty queue before any refresh is due, or else after it.
            let entry = self.admission().unwrap_or(u64::MAX);
            if self.refresh_due.iter().any(|due| *due <= entry) {
                self.plan();
            }
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
                #[cfg(test)]
                self.check_plan();
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
        let open = self.state.row(request.target.bank);
        let list = if request.write { &mut self.writes } else { &mut self.reads };
        let candidate = list.push(request, open);
        let first = list.len() == 1;
        // A request in the queue is seen one clock later.
        self.state.wait(clock + 1);
        self.choose_direction();
        if first || self.serves_writes() != served_writes {
            self.plan();
        } else if request.write == served_writes
            && let Some(candidate) = candidate
        {
            self.amend(candidate);
        }
        #[cfg(test)]
        self.check_plan();
    }

    /// Brings the plan up to date with a new candidate in the list that is being served.
    fn amend(&mut self, candidate: Candidate) {
        // It may keep open the row that was about to be closed.
        if self.plan.is_some_and(|plan| plan.order > 0 && plan.target == candidate.target) {
            return self.plan();
        }
        if let Some(plan) = self.propose(&candidate)
            && self.plan.is_none_or(|other| (plan.clock, plan.order) < (other.clock, other.order))
        {
            self.plan = Some(plan);
        }
    }

    fn serves_writes(&self) -> bool {
        self.draining || self.reads.is_empty()
    }

    fn execute(&mut self, plan: Plan) -> Option<Completion> {
        let Plan { clock, command, target, row, order } = plan;
        let list = if self.serves_writes() { &mut self.writes } else { &mut self.reads };
        let request = if order > 0 { list.chosen(target.bank) } else { None };
        let Some(request) = request else {
            self.issue(command, target, row, clock);
            return None;
        };
        if !std::mem::replace(&mut request.started, true) {
            match command {
                Command::Activate => self.counts.row_misses += 1,
                Command::Precharge => self.counts.row_conflicts += 1,
                _ => self.counts.row_hits += 1,
            }
        }
        let Request { id, arrival, write, .. } = *request;
        let column = matches!(command, Command::Read | Command::Write);
        if column {
            list.remove(target.bank, Some(row));
        }
        self.issue(command, target, row, clock);
        (column && !write).then_some(Completion { id, arrival, done: clock + self.read_clocks })
    }

    fn issue(&mut self, command: Command, target: Target, row: u32, clock: u64) {
        self.state.issue(command, target, row, clock);
        if matches!(command, Command::Activate | Command::Precharge) {
            let open = self.state.row(target.bank);
            self.reads.choose(target.bank, open);
            self.writes.choose(target.bank, open);
        }
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
        let list = if self.serves_writes() { &self.writes } else { &self.reads };
        let plans = list.candidates().iter().filter_map(|candidate| self.propose(candidate));
        self.plan = plans.min_by_key(|plan| (plan.clock, plan.order));
        self.plan_refreshes();
    }

    /// What a candidate comes to, if it can issue before the next refresh.
    #[inline]
    fn propose(&self, candidate: &Candidate) -> Option<Plan> {
        let Candidate { target, row, command, order, .. } = *candidate;
        let clock = self.state.earliest(command, target);
        let refreshed = clock >= self.refresh_due[target.rank as usize];
        (!refreshed).then_some(Plan { clock, command, target, row, order })
    }

    /// The next command towards the next refresh of a rank.
    fn refresh_step(&self, rank: u32) -> Plan {
        let open = self.state.first_to_close(rank);
        let command = if open.is_some() { Command::Precharge } else { Command::Refresh };
        let bank = open.unwrap_or(rank * self.organisation.banks_a_rank());
        let target = Target { rank, group: bank / self.organisation.banks, bank };
        let legal = self.state.earliest(command, target);
        let clock = legal.max(self.refresh_due[rank as usize]);
        Plan { clock, command, target, row: 0, order: 0 }
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

#[cfg(test)]
mod tests {
    use super::*;

    impl Channel {
        /// Compares the plan with one that looks at every request.
        pub(super) fn check_plan(&self) {
            let searched = self.search();
            let name = |plan: Plan| (plan.clock, plan.command, plan.target, plan.row);
            assert_eq!(self.plan.map(name), searched.map(name));
        }

        fn search(&self) -> Option<Plan> {
            if self.idle() {
                return None;
            }
            let list = if self.serves_writes() { &self.writes } else { &self.reads };
            let mut requests: Vec<_> = list.requests().copied().collect();
            requests.sort_by_key(|(age, _)| *age);
            let mut best: Option<((u64, bool, u64), Plan)> = None;
            for (age, request) in &requests {
                let Request { target, row, write, .. } = *request;
                let open = self.state.row(target.bank);
                let hits = |other: &&(u64, Request)| {
                    other.1.target.bank == target.bank && Some(other.1.row) == open
                };
                let command = match open {
                    Some(open) if open == row && write => Command::Write,
                    Some(open) if open == row => Command::Read,
                    _ if requests.iter().any(|other| hits(&other)) => continue,
                    Some(_) => Command::Precharge,
                    None => Command::Activate,
                };
                let clock = self.state.earliest(command, target);
                let due = self.refresh_due[target.rank as usize];
                let row_command = matches!(command, Command::Activate | Command::Precharge);
                let key = (clock, row_command, *age);
                if (self.refresh_interval.is_none() || clock < due)
                    && best.is_none_or(|(other, _)| key < other)
                {
                    best = Some((key, Plan { clock, command, target, row, order: *age }));
                }
            }
            let mut plan = best.map(|(_, plan)| plan);
            for rank in 0..self.organisation.ranks {
                if self.refresh_interval.is_some() {
                    let step = self.refresh_step(rank);
                    if plan.is_none_or(|plan| step.clock <= plan.clock) {
                        plan = Some(step);
                    }
                }
            }
            plan
        }
    }
}
