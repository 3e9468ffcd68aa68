//! Several CPUs: one order of events, in which the CPU with the smallest clock goes on.
//!
//! Outcomes come in the order of the trace and wait for their CPU. Nothing goes on while a CPU has done all of
//! its own that have come, unless [`WAITING`] of the others' wait: so that whatever the CPUs do, they do in
//! the order of their times, and none is further ahead of the trace than that. A CPU that had to be left
//! behind has been idle when its next outcome comes. Whether to go on does not depend on how many outcomes
//! are there to be read, so how the stream is cut makes no difference.
//!
//! What a CPU does next, and what it waits for until then, is a [`Stage`].

use std::collections::VecDeque;

use tracegen::batch::Mark;

use crate::outcome::{Outcome, OutcomeKind, Reference, Work};

use super::access::Shared;
use super::cpu::Cpu;
use super::dispatch::Entrance;
use super::entry::{ENTRIES, UNKNOWN};
use super::ideal::Component;
use super::kernel::Job;
use super::parts::{Part, Passed};
use super::ports::{Backing, Memory};
use super::stack;
use super::window::{Awaited, Wait, Window};

/// Outcomes that wait for their CPUs at most.
pub(super) const WAITING: usize = 4096;

/// What all CPUs have together.
pub(super) struct Machine<'a, M: Memory, B: Backing> {
    pub(super) shared: &'a mut Shared<M>,
    pub(super) backing: &'a mut B,
    pub(super) perfect: Option<Component>,
}

/// The CPUs' outcomes, and what each is about to do.
#[derive(Debug)]
pub(super) struct Several {
    seats: Vec<Seat>,
    /// Outcomes that wait.
    waiting: usize,
    /// CPUs that have nothing to do until their next outcome comes.
    lacking: usize,
    /// How often the machine went on while some CPU lacked an outcome.
    left_behind: u64,
    /// Nothing more comes.
    closed: bool,
    references: Vec<Reference>,
}

/// What a CPU does next. Times are when it does.
#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Takes its next outcome, when there is one and a place in the window.
    Next,
    /// Finds out when the outcome may enter.
    Wants(u16),
    /// Lets it enter.
    Enters(u16, Entrance),
    /// Begins a fetch.
    Begins(u16, u64),
    /// Waits for the answer to a fetch that began.
    Fetches(u16, u64),
    /// Lets its instruction enter.
    Fetched(u16, u64),
    /// Waits for the condition of a mispredicted branch.
    Branches(u16),
    /// Waits until the outcome has retired.
    Drains(u16),
    /// Does the kernel's work.
    Works(Job),
    /// Asks the device for what that needs.
    Asks(Job),
}

/// One CPU's place.
#[derive(Debug)]
struct Seat {
    /// Outcomes that wait, and since when their CPU has waited for those that it was left behind by.
    outcomes: VecDeque<(Outcome, Option<u64>)>,
    references: VecDeque<Reference>,
    work: VecDeque<Work>,
    /// The outcome that is on its way in, and its work.
    current: Outcome,
    current_work: Vec<Work>,
    /// When it came, if the CPU had been left behind.
    came: Option<u64>,
    /// It costs nothing but its instructions.
    passes: bool,
    stage: Stage,
    /// When the CPU acts; [`UNKNOWN`] while it waits for something.
    when: u64,
    awaited: Awaited,
    /// Nothing more is to come.
    ended: bool,
    /// Whether it counts as lacking, and [`Several::left_behind`] when it began to.
    lacks: bool,
    lacks_since: u64,
    /// What came before the marks that it has passed.
    passed: VecDeque<(Mark, Part)>,
}

/// Waits for what an event makes known.
struct Polling<'a> {
    now: u64,
    awaited: &'a mut Awaited,
}

impl Wait for Polling<'_> {
    fn until(&mut self, window: &mut Window, awaited: Awaited) -> Option<u64> {
        let known = window.known(awaited);
        if known.is_none() {
            *self.awaited = awaited;
        }
        known
    }

    fn now(&self) -> u64 {
        self.now
    }
}

impl Several {
    /// `cpus` CPUs that have done nothing yet.
    pub(super) fn new(cpus: usize) -> Self {
        Self {
            seats: (0..cpus).map(|_| Seat::new()).collect(),
            waiting: 0,
            lacking: cpus,
            left_behind: 0,
            closed: false,
            references: Vec::new(),
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether that has been said.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Goes on for as long as the outcomes suffice, or until every CPU has passed a mark.
    pub(super) fn process<'a, M: Memory, B: Backing>(
        &mut self,
        cpus: &mut [Cpu],
        machine: &mut Machine<'_, M, B>,
        outcomes: &mut impl Iterator<Item = (&'a Outcome, &'a [Reference], &'a [Work])>,
    ) -> Option<Passed> {
        loop {
            if let Some(passed) = self.passed() {
                return Some(passed);
            }
            let wants = self.lacking > 0 && self.waiting < WAITING && !self.closed;
            if wants || !self.step(cpus, machine) {
                let (outcome, references, work) = outcomes.next()?;
                self.queue(cpus, machine, outcome, references, work);
            }
        }
    }

    /// A mark that all have passed.
    fn passed(&mut self) -> Option<Passed> {
        if self.seats.iter().any(|seat| seat.passed.is_empty()) {
            return None;
        }
        let all: Vec<_> =
            self.seats.iter_mut().filter_map(|seat| seat.passed.pop_front()).collect();
        let mark = all.first()?.0;
        Some(Passed { mark, parts: all.into_iter().map(|(_, part)| part).collect() })
    }

    /// An outcome comes.
    fn queue<M: Memory, B: Backing>(
        &mut self,
        cpus: &mut [Cpu],
        machine: &mut Machine<'_, M, B>,
        outcome: &Outcome,
        references: &[Reference],
        work: &[Work],
    ) {
        let number = usize::from(outcome.cpu) % cpus.len();
        let seat = &mut self.seats[number];
        let left_behind = seat.lacks && self.left_behind > seat.lacks_since;
        seat.outcomes.push_back((*outcome, left_behind.then_some(machine.shared.now)));
        seat.references.extend(references);
        seat.work.extend(work);
        seat.ended = outcome.kind == OutcomeKind::End;
        self.waiting += 1;
        if seat.outcomes.len() == 1 && matches!(seat.stage, Stage::Next) {
            self.go_on(number, &mut cpus[number], machine);
        }
    }

    /// Lets the next thing happen; false if there is none.
    fn step<M: Memory, B: Backing>(
        &mut self,
        cpus: &mut [Cpu],
        machine: &mut Machine<'_, M, B>,
    ) -> bool {
        self.left_behind += u64::from(self.lacking > 0);
        let (mut at, mut number) = (UNKNOWN, 0);
        for (index, seat) in self.seats.iter().enumerate() {
            if seat.when < at {
                (at, number) = (seat.when, index);
            }
        }
        let shared = &mut *machine.shared;
        let time = shared.events.next_time();
        if let Some((entry, back)) = shared.controller.poll(time.min(at)) {
            shared.events.push(shared.now, back.max(shared.now), entry);
            return true;
        }
        if time <= at {
            let Some(entry) = shared.events.pop() else { return false };
            shared.now = time;
            // An entry's name holds the CPU's number and the place in its window.
            let (number, slot) = (entry as usize / ENTRIES, (entry as usize % ENTRIES) as u16);
            let cpu = &mut cpus[number];
            cpu.window.run(shared, slot);
            let seat = &mut self.seats[number];
            seat.take_laps(cpu, shared);
            if cpu.window.known(seat.awaited).is_some() {
                self.go_on(number, cpu, machine);
            }
        } else {
            shared.now = at;
            self.seats[number].act(&mut cpus[number], machine);
            self.go_on(number, &mut cpus[number], machine);
        }
        true
    }

    /// Lets a CPU go on until it has to wait.
    fn go_on<M: Memory, B: Backing>(
        &mut self,
        number: usize,
        cpu: &mut Cpu,
        machine: &mut Machine<'_, M, B>,
    ) {
        let seat = &mut self.seats[number];
        let before = seat.outcomes.len();
        seat.advance(cpu, machine, &mut self.references);
        self.waiting -= before - seat.outcomes.len();
        let lacks = matches!(seat.stage, Stage::Next) && seat.outcomes.is_empty() && !seat.ended;
        if lacks && !seat.lacks {
            seat.lacks_since = self.left_behind;
        }
        self.lacking = self.lacking + usize::from(lacks) - usize::from(seat.lacks);
        seat.lacks = lacks;
    }
}

impl Seat {
    fn new() -> Self {
        Self {
            outcomes: VecDeque::new(),
            references: VecDeque::new(),
            work: VecDeque::new(),
            current: Outcome::default(),
            current_work: Vec::new(),
            came: None,
            passes: false,
            stage: Stage::Next,
            when: UNKNOWN,
            awaited: Awaited::Nothing,
            ended: false,
            lacks: true,
            lacks_since: 0,
            passed: VecDeque::new(),
        }
    }

    /// Goes on until an event or the CPU's own time has to come.
    fn advance<M: Memory, B: Backing>(
        &mut self,
        cpu: &mut Cpu,
        machine: &mut Machine<'_, M, B>,
        references: &mut Vec<Reference>,
    ) {
        (self.when, self.awaited) = (UNKNOWN, Awaited::Nothing);
        while let Some(stage) = self.next_stage(cpu, machine, references) {
            self.stage = stage;
            self.when = match stage {
                Stage::Enters(_, Entrance { at, .. })
                | Stage::Begins(_, at)
                | Stage::Fetched(_, at) => at,
                Stage::Asks(job) => job.now,
                _ => continue,
            };
            return;
        }
    }

    /// What follows the present stage, which is one that waits; nothing while what it waits for is not known.
    fn next_stage<M: Memory, B: Backing>(
        &mut self,
        cpu: &mut Cpu,
        machine: &mut Machine<'_, M, B>,
        references: &mut Vec<Reference>,
    ) -> Option<Stage> {
        self.take_laps(cpu, machine.shared);
        let mut wait = Polling { now: machine.shared.now, awaited: &mut self.awaited };
        let window = &mut cpu.window;
        Some(match self.stage {
            Stage::Next if self.outcomes.is_empty() => return None,
            Stage::Next => {
                let slot = window.make_room(&mut wait)?;
                self.take(window, machine, slot, references)?
            }
            Stage::Wants(slot) => Stage::Enters(slot, window.entrance(slot, &mut wait)?),
            Stage::Fetches(slot, begin) => {
                Stage::Fetched(slot, window.fetched(slot, begin, &mut wait)?)
            }
            Stage::Branches(slot) => {
                window.condition(slot, &mut wait)?;
                window.resolve(machine.shared, slot);
                window.retire(machine.shared);
                Stage::Next
            }
            Stage::Drains(slot) => {
                wait.until(window, Awaited::Retired(slot))?;
                window.retire(machine.shared);
                let kind = self.current.kind;
                let works = !self.current_work.is_empty() || matches!(kind, OutcomeKind::Fault(_));
                match works {
                    true => Stage::Works(Job::new(kind, window.retired_at, &self.current_work)),
                    false => Stage::Next,
                }
            }
            Stage::Works(mut job) => {
                let (work, stack) = (&self.current_work, &mut window.stack);
                if cpu.kernel.work(&mut job, work, machine.backing, stack) {
                    Stage::Asks(job)
                } else {
                    window.resume(cpu.kernel.end(&job));
                    Stage::Next
                }
            }
            Stage::Enters(..) | Stage::Begins(..) | Stage::Fetched(..) | Stage::Asks(_) => {
                return None;
            }
        })
    }

    /// Takes the next outcome into a place of the window.
    fn take<M: Memory, B: Backing>(
        &mut self,
        window: &mut Window,
        machine: &Machine<'_, M, B>,
        slot: u16,
        references: &mut Vec<Reference>,
    ) -> Option<Stage> {
        let (outcome, came) = self.outcomes.pop_front()?;
        references.clear();
        references.extend(self.references.drain(..usize::from(outcome.references)));
        self.current_work.clear();
        self.current_work.extend(self.work.drain(..usize::from(outcome.work)));
        (self.current, self.came) = (outcome, came);
        self.passes = machine
            .perfect
            .is_some_and(|perfect| perfect.is_all_of(outcome.kind, &self.current_work));
        if self.passes {
            self.current = outcome.without_effect();
            references.clear();
        }
        window.keep(&machine.shared.latencies, slot, &self.current, references);
        if outcome.kind != OutcomeKind::Fetch {
            return Some(Stage::Wants(slot));
        }
        let begin = window.fetch_begin(slot, machine.shared.now);
        if came.is_some_and(|came| came > window.fetch_begin(slot, 0)) {
            window.entry(slot).late = stack::IDLE;
        }
        Some(Stage::Begins(slot, begin))
    }

    /// Its time has come.
    fn act<M: Memory, B: Backing>(&mut self, cpu: &mut Cpu, machine: &mut Machine<'_, M, B>) {
        let (window, shared) = (&mut cpu.window, &mut *machine.shared);
        self.stage = match self.stage {
            Stage::Begins(slot, begin) => {
                window.begin_fetch(shared, slot, begin);
                Stage::Fetches(slot, begin)
            }
            Stage::Enters(slot, entrance) => {
                window.admit(shared, slot, &entrance);
                if self.came.is_some_and(|came| came > entrance.front.max(entrance.room)) {
                    window.entry(slot).late = stack::IDLE;
                }
                self.begin(window, shared, slot)
            }
            Stage::Fetched(slot, at) => {
                window.end_fetch(shared, slot, at);
                self.begin(window, shared, slot)
            }
            Stage::Asks(mut job) => {
                let (work, stack) = (&self.current_work, &mut window.stack);
                cpu.kernel.ask(&mut job, work, machine.backing, stack);
                Stage::Works(job)
            }
            waits => waits,
        };
    }

    /// The outcome has entered.
    fn begin<M: Memory>(
        &mut self,
        window: &mut Window,
        shared: &mut Shared<M>,
        slot: u16,
    ) -> Stage {
        let outcome = &self.current;
        if self.passes {
            window.count_in(outcome);
            window.pass(shared, slot);
        } else if window.begin(shared, slot, outcome) {
            return Stage::Drains(slot);
        } else if outcome.kind == OutcomeKind::Mispredict {
            return Stage::Branches(slot);
        }
        window.retire(shared);
        Stage::Next
    }

    /// Sets aside what came before the marks that have retired.
    fn take_laps<M: Memory>(&mut self, cpu: &mut Cpu, shared: &Shared<M>) {
        while let Some(lap) = cpu.window.laps.pop_front() {
            cpu.window.count_hits(shared);
            self.passed.push_back((lap.mark, cpu.pass(lap)));
        }
    }
}
