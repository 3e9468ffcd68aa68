//! A channel that searches all of its requests for the next command, each time.

use super::state::{State, Target};
use crate::time::dram::checker::Issued;
use crate::time::dram::constraint::{self, Command};
use crate::time::dram::settings::{Clocks, Dram, Organisation, Refresh};

#[derive(Clone, Copy)]
pub struct Request {
    pub number: u64,
    pub arrival: u64,
    pub write: bool,
    pub target: Target,
    pub row: u32,
    pub started: bool,
    /// Bursts that are still to be issued.
    pub left: u32,
}

#[derive(Clone, Copy)]
struct Plan {
    clock: u64,
    command: Command,
    target: Target,
    row: u32,
    /// The number of the request that it serves; `None` where it serves none.
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
    /// How much of the queue writes take when draining begins and ends, in percent.
    watermarks: [usize; 2],
    draining: bool,
    timeout: Option<u64>,
    refresh_interval: Option<u64>,
    refresh_due: Vec<u64>,
    refresh_turn: Vec<u32>,
    per_bank: bool,
    pub counts: [u64; 5],
    pub log: Vec<Issued>,
}

impl Channel {
    pub fn new(organisation: Organisation, t: &Clocks, settings: &Dram) -> Self {
        let interval = settings.refresh_interval(t);
        let ranks = u64::from(organisation.ranks);
        Self {
            organisation,
            state: State::new(&organisation, t, constraint::list(t, settings.refresh)),
            waiting: Vec::new(),
            queue: Vec::new(),
            capacity: settings.queue as usize,
            watermarks: [settings.write_high as usize, settings.write_low as usize],
            draining: false,
            timeout: settings.timeout(t).unwrap(),
            refresh_interval: interval,
            refresh_due: (0..ranks)
                .map(|rank| interval.map_or(u64::MAX, |every| every + every * rank / ranks))
                .collect(),
            refresh_turn: vec![0; ranks as usize],
            per_bank: settings.refresh == Refresh::PerBank,
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
        let [high, low] = self.watermarks;
        if writes * 100 >= self.capacity * high {
            self.draining = true;
        } else if writes * 100 <= self.capacity * low {
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
        request.left -= 1;
        if request.left > 0 {
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
            (Command::Refresh | Command::RefreshBank, Some(interval)) => {
                self.refresh_was(target.rank, interval);
            }
            _ => {}
        }
        self.note(command, target, row, clock);
    }

    fn refresh_was(&mut self, rank: u32, interval: u64) {
        self.counts[4] += 1;
        self.refresh_due[rank as usize] += interval;
        let turn = &mut self.refresh_turn[rank as usize];
        *turn = (*turn + 1) % self.organisation.turns;
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
        let mut consider = |plan: Plan, age: usize| {
            let row_command = matches!(plan.command, Command::Activate | Command::Precharge);
            let key = (plan.clock, row_command, age);
            let refreshed = self.waits_for_refresh(&plan);
            if !refreshed && best.is_none_or(|(other, _)| key < other) {
                best = Some((key, plan));
            }
        };
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
            consider(Plan { clock, command, target, row, request: Some(number) }, age);
        }
        self.closings().for_each(|plan| consider(plan, usize::MAX));
        let mut plan = best.map(|(_, plan)| plan);
        for rank in (0..self.organisation.ranks).filter(|_| self.refresh_interval.is_some()) {
            let step = self.refresh_step(rank);
            if plan.is_none_or(|plan| step.clock <= plan.clock) {
                plan = Some(step);
            }
        }
        plan
    }

    /// Whether a command has to wait until a refresh has been.
    fn waits_for_refresh(&self, plan: &Plan) -> bool {
        let Target { rank, bank, .. } = plan.target;
        let turn = self.refresh_turn[rank as usize];
        let due = self.refresh_interval.is_some() && plan.clock >= self.refresh_due[rank as usize];
        let its_own = bank % self.organisation.turns == turn;
        let closed = self.state.first_to_close(rank, turn).is_none();
        due && (its_own || (closed && plan.command == Command::Activate))
    }

    /// The commands that close rows which no request in the queue wants.
    fn closings(&self) -> impl Iterator<Item = Plan> {
        let banks = self.organisation.ranks * self.organisation.banks_a_rank();
        (0..banks).filter_map(|bank| {
            let (timeout, row) = (self.timeout?, self.state.row(bank)?);
            let wants = |request: &Request| request.target.bank == bank && request.row == row;
            if self.queue.iter().any(wants) {
                return None;
            }
            let target = self.target(bank);
            let legal = self.state.earliest(Command::Precharge, target);
            let clock = legal.max(self.state.used(bank) + timeout);
            Some(Plan { clock, command: Command::Precharge, target, row: 0, request: None })
        })
    }

    fn target(&self, bank: u32) -> Target {
        let rank = bank / self.organisation.banks_a_rank();
        Target { rank, group: bank / self.organisation.banks, bank }
    }

    fn refresh_step(&self, rank: u32) -> Plan {
        let turn = self.refresh_turn[rank as usize];
        let open = self.state.first_to_close(rank, turn);
        let command = match open {
            Some(_) => Command::Precharge,
            None if self.per_bank => Command::RefreshBank,
            None => Command::Refresh,
        };
        let first = rank * self.organisation.banks_a_rank() + turn;
        let target = self.target(open.unwrap_or(first));
        let mut clock = self.state.earliest(command, target).max(self.refresh_due[rank as usize]);
        if command == Command::RefreshBank {
            let all = self.state.together(rank, turn).map(|bank| self.target(bank));
            clock = all.fold(clock, |clock, bank| clock.max(self.state.earliest(command, bank)));
        }
        Plan { clock, command, target, row: 0, request: None }
    }

    /// Makes up for what an idle channel has put off: rows are closed and, of a rank whose refreshes were due
    /// long before `settled`, every bank is refreshed in the usual way, then the rest at once.
    fn catch_up(&mut self, settled: u64) {
        let turns = u64::from(self.organisation.turns);
        let Some(interval) = self.refresh_interval else { return self.close_rows_before(settled) };
        let long = (turns + 3) * interval;
        let mut left: Vec<u64> = Vec::new();
        for due in &self.refresh_due {
            left.push(if settled.saturating_sub(*due) >= long { turns } else { 0 });
        }
        loop {
            let ranks = (0..left.len()).filter(|&rank| left[rank] > 0);
            let Some(rank) = ranks.min_by_key(|&rank| self.refresh_due[rank]) else { break };
            let due = self.refresh_due[rank];
            self.close_rows_before(due);
            while self.refresh_due[rank] == due {
                let Plan { clock, command, target, row, .. } = self.refresh_step(rank as u32);
                self.issue(command, target, row, clock);
            }
            left[rank] -= 1;
            while left[rank] == 0 && self.refresh_due[rank] + turns * interval <= settled {
                let Plan { command, target, .. } = self.refresh_step(rank as u32);
                self.note(command, target, 0, self.refresh_due[rank]);
                self.refresh_was(rank as u32, interval);
            }
        }
        let due = self.refresh_due.iter().min().copied().unwrap_or(settled);
        self.close_rows_before(due.min(settled));
    }

    fn close_rows_before(&mut self, before: u64) {
        while let Some(Plan { clock, command, target, row, .. }) =
            self.closings().min_by_key(|plan| (plan.clock, plan.target.bank))
            && clock < before
        {
            self.issue(command, target, row, clock);
        }
    }
}
