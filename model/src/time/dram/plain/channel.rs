//! A channel that searches all of its requests for the next command, each time.

use super::state::{State, Target};
use crate::time::dram::checker::Issued;
use crate::time::dram::constraint::{self, Command};
use crate::time::dram::settings::{Clocks, Organisation};

#[derive(Clone, Copy)]
pub struct Request {
    pub number: u64,
    pub arrival: u64,
    pub write: bool,
    pub target: Target,
    pub row: u32,
    pub started: bool,
}

#[derive(Clone, Copy)]
struct Plan {
    clock: u64,
    command: Command,
    target: Target,
    row: u32,
    /// The number of the request that it serves; `None` for a step towards a refresh.
    request: Option<u64>,
}

pub struct Channel {
    organisation: Organisation,
    state: State,
    /// In order of arrival.
    waiting: Vec<Request>,
    /// In the order in which they entered.
    queue: Vec<Request>,
    capacity: usize,
    draining: bool,
    refresh_interval: Option<u64>,
    refresh_due: Vec<u64>,
    pub counts: [u64; 5],
    pub log: Vec<Issued>,
}

impl Channel {
    pub fn new(organisation: Organisation, t: &Clocks, queue: u32, refresh: bool) -> Self {
        let ranks = u64::from(organisation.ranks);
        Self {
            organisation,
            state: State::new(&organisation, constraint::ddr4(t)),
            waiting: Vec::new(),
            queue: Vec::new(),
            capacity: queue as usize,
            draining: false,
            refresh_interval: refresh.then_some(t.refi),
            refresh_due: (0..ranks).map(|rank| t.refi + t.refi * rank / ranks).collect(),
            counts: [0; 5],
            log: Vec::new(),
        }
    }

    fn idle(&self) -> bool {
        self.waiting.is_empty() && self.queue.is_empty()
    }

    pub fn submit(&mut self, request: Request, settled: u64) {
        let was_idle = self.idle();
        self.waiting.push(request);
        self.waiting.sort_by_key(|request| request.arrival);
        if was_idle {
            self.catch_up(settled);
        }
    }

    /// When the first request that waits enters the queue.
    fn admission(&self) -> Option<u64> {
        let first = self.waiting.first().filter(|_| self.queue.len() < self.capacity)?;
        Some(first.arrival.max(self.state.bus().saturating_sub(1)))
    }

    pub fn next(&self) -> Option<u64> {
        self.plan().map(|plan| plan.clock).into_iter().chain(self.admission()).min()
    }

    /// Lets the next event happen; returns the read that it was, if so.
    pub fn step(&mut self) -> Option<Request> {
        let admission = self.admission();
        match self.plan() {
            Some(plan) if admission.is_none_or(|admission| plan.clock <= admission) => {
                self.execute(plan)
            }
            _ => {
                self.queue.push(self.waiting.remove(0));
                self.state.wait(admission? + 1);
                self.choose_draining();
                None
            }
        }
    }

    fn choose_draining(&mut self) {
        let writes = self.queue.iter().filter(|request| request.write).count();
        if writes * 5 >= self.capacity * 4 {
            self.draining = true;
        } else if writes * 5 <= self.capacity {
            self.draining = false;
        }
    }

    fn execute(&mut self, plan: Plan) -> Option<Request> {
        self.issue(plan.command, plan.target, plan.row, plan.clock);
        let number = plan.request?;
        let place = self.queue.iter().position(|request| request.number == number)?;
        let request = &mut self.queue[place];
        if !std::mem::replace(&mut request.started, true) {
            self.counts[match plan.command {
                Command::Activate => 1,
                Command::Precharge => 2,
                _ => 0,
            }] += 1;
        }
        if !matches!(plan.command, Command::Read | Command::Write) {
            return None;
        }
        let request = self.queue.remove(place);
        if !self.idle() {
            self.choose_draining();
        }
        (!request.write).then_some(request)
    }

    fn issue(&mut self, command: Command, target: Target, row: u32, clock: u64) {
        self.state.issue(command, target, row, clock);
        match (command, self.refresh_interval) {
            (Command::Activate, _) => self.counts[3] += 1,
            (Command::Refresh, Some(interval)) => {
                self.counts[4] += 1;
                self.refresh_due[target.rank as usize] += interval;
            }
            _ => {}
        }
        self.note(command, target, row, clock);
    }

    fn note(&mut self, command: Command, target: Target, row: u32, clock: u64) {
        self.log.push(Issued {
            channel: 0,
            clock,
            command,
            rank: target.rank,
            bank_group: target.group % self.organisation.bank_groups,
            bank: target.bank % self.organisation.banks,
            row,
        });
    }

    /// The next command, under the requests that are in the queue.
    fn plan(&self) -> Option<Plan> {
        if self.idle() {
            return None;
        }
        let reads = self.queue.iter().filter(|request| !request.write).count();
        let write = self.draining || reads == 0;
        let requests = || self.queue.iter().filter(move |request| request.write == write);
        let mut best: Option<((u64, bool, usize), Plan)> = None;
        for (age, request) in requests().enumerate() {
            let Request { number, target, row, .. } = *request;
            let open = self.state.row(target.bank);
            let command = match open {
                Some(open) if open == row && write => Command::Write,
                Some(open) if open == row => Command::Read,
                None => Command::Activate,
                _ if requests()
                    .any(|other| other.target.bank == target.bank && Some(other.row) == open) =>
                {
                    continue;
                }
                Some(_) => Command::Precharge,
            };
            let clock = self.state.earliest(command, target);
            let row_command = matches!(command, Command::Activate | Command::Precharge);
            let key = (clock, row_command, age);
            let refreshed =
                self.refresh_interval.is_some() && clock >= self.refresh_due[target.rank as usize];
            if !refreshed && best.is_none_or(|(other, _)| key < other) {
                best = Some((key, Plan { clock, command, target, row, request: Some(number) }));
            }
        }
        let mut plan = best.map(|(_, plan)| plan);
        for rank in (0..self.organisation.ranks).filter(|_| self.refresh_interval.is_some()) {
            let step = self.refresh_step(rank);
            if plan.is_none_or(|plan| step.clock <= plan.clock) {
                plan = Some(step);
            }
        }
        plan
    }

    fn refresh_step(&self, rank: u32) -> Plan {
        let open = self.state.first_to_close(rank);
        let command = if open.is_some() { Command::Precharge } else { Command::Refresh };
        let bank = open.unwrap_or(rank * self.organisation.banks_a_rank());
        let target = Target { rank, group: bank / self.organisation.banks, bank };
        let legal = self.state.earliest(command, target);
        let clock = legal.max(self.refresh_due[rank as usize]);
        Plan { clock, command, target, row: 0, request: None }
    }

    /// Makes up for the refreshes of an idle channel, all that were due long before `settled` at once.
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
            while self.refresh_due[rank as usize] + interval <= settled {
                let target = self.refresh_step(rank).target;
                self.note(Command::Refresh, target, 0, self.refresh_due[rank as usize]);
                self.counts[4] += 1;
                self.refresh_due[rank as usize] += interval;
            }
        }
    }
}
