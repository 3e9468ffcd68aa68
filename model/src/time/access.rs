//! What an outcome goes through between dispatch and the arrival of its line.
//!
//! An entry runs ahead on its own (`cursor`) for as long as nothing that it does can be seen by others,
//! and waits for an event where it takes or gives back a shared unit or talks to memory. So a
//! look-up that hits costs no event.
//!
//! What needs no other entry is done here, on the entry and the units that all share.

use crate::config::{Config, InvalidSetting};
use crate::outcome::{OutcomeKind, ReferenceKind};
use crate::statistics::Histogram;

use super::controller::Controller;
use super::entry::{Entry, NOBODY, State, UNKNOWN};
use super::events::Events;
use super::latencies::{Latencies, too_long};
use super::pool::Pool;
use super::ports::Memory;
use super::references::References;

/// What was counted about walks, in slots.
#[derive(Debug, Default)]
pub(super) struct WalkTimes {
    /// Walkers at work.
    pub(super) busy: u64,
    /// Walks waiting for a walker.
    pub(super) queued: u64,
}

/// What the entries of a window share.
#[derive(Debug)]
pub(super) struct Units<M: Memory> {
    pub(super) now: u64,
    pub(super) latencies: Latencies,
    pub(super) controller: Controller<M>,
    pub(super) events: Events,
    mshrs: Vec<Pool>,
    walkers: Pool,
    /// References of outcomes in flight: of each its walk's reads, then its writes to memory.
    pub(super) references: References,
    pub(super) walk_times: WalkTimes,
    /// Cycles of an access's part.
    pub(super) access_cycles: Histogram,
    /// Cycles of a walk once it has a walker.
    pub(super) walk_cycles: Histogram,
}

/// What an entry comes to that the window has to see to.
pub(super) enum Next {
    /// Nothing: something will wake it.
    Wait,
    /// It may have to wait for another outcome's walk, then goes on.
    OtherWalk,
    /// Its translation is known, for which others may wait; it goes on.
    Translated,
    /// It may have to wait for another outcome's fill, then goes on.
    OtherFill,
    /// Its line is there, for which others may wait.
    Filled,
}

/// How an entry goes on.
enum Step {
    /// It looks for the line of its current request.
    LookUp,
    /// It has found that.
    Answered,
    /// For now not.
    Stop(Next),
}

impl<M: Memory> Units<M> {
    /// All free, over `memory`, for a window of so many entries.
    pub(super) fn new(config: &Config, memory: M, entries: usize) -> Result<Self, InvalidSetting> {
        let latencies = Latencies::new(config)?;
        let clock = latencies.clock;
        let latency = config.dram.controller_latency.picoseconds(config.core.frequency);
        if clock.span(config.dram.controller_latency).is_none() {
            return Err(too_long("dram.controller_latency"));
        }
        Ok(Self {
            now: 0,
            controller: Controller::new(memory, clock, latency, latencies.line, entries),
            events: Events::new(),
            mshrs: latencies.mshrs.iter().map(|mshrs| Pool::new(*mshrs)).collect(),
            walkers: Pool::new(config.mmu.walker.count),
            references: References::new(),
            walk_times: WalkTimes::default(),
            access_cycles: Histogram::default(),
            walk_cycles: Histogram::default(),
            latencies,
        })
    }

    /// Carries an entry on.
    #[inline(always)]
    pub(super) fn go_on(&mut self, entry: &mut Entry, slot: u16) -> Next {
        let mut step = match entry.state {
            State::Translate => self.translate(entry, slot),
            State::Walk => self.want_walker(entry, slot),
            State::Walker => self.begin_walk(entry, slot),
            State::EndWalk => self.end_walk(entry, slot),
            State::Data => self.data(entry, slot),
            State::Lookup => Step::LookUp,
            State::Register => self.registered(entry),
            State::Ask => self.ask(entry, slot),
            State::Memory => self.back_from_memory(entry),
            State::Answer => Step::Answered,
            State::Fill => self.fill(entry, slot),
            State::Ancestor | State::OtherWalk | State::OtherFill | State::Done => {
                Step::Stop(Next::Wait)
            }
        };
        loop {
            step = match step {
                Step::LookUp => self.look_up(entry, slot),
                Step::Answered => self.answered(entry, slot),
                Step::Stop(next) => return next,
            }
        }
    }

    /// Whether the entry has run ahead of time; if so it is woken when time has caught up, to go on
    /// with `state`.
    #[inline]
    fn is_ahead(&mut self, entry: &mut Entry, slot: u16, state: State) -> bool {
        let ahead = entry.cursor > self.now;
        if ahead {
            entry.state = state;
            self.events.push(self.now, entry.cursor, slot);
        }
        ahead
    }

    #[inline(always)]
    fn translate(&mut self, entry: &mut Entry, slot: u16) -> Step {
        let start = entry.cursor.max(entry.dispatched);
        let translated = start + self.latencies.translation(entry.is_fetch(), entry.tlb);
        entry.step = 0;
        entry.start = start;
        entry.translated = translated;
        entry.cursor = translated;
        if entry.translation_fill > 0 {
            return Step::Stop(Next::OtherWalk);
        }
        self.want_walker(entry, slot)
    }

    #[inline(always)]
    fn want_walker(&mut self, entry: &mut Entry, slot: u16) -> Step {
        if !entry.walks {
            return self.translation_known(entry, slot);
        }
        if self.is_ahead(entry, slot, State::Walk) {
            return Step::Stop(Next::Wait);
        }
        if self.walkers.take(slot) {
            return self.begin_walk(entry, slot);
        }
        entry.state = State::Walker;
        Step::Stop(Next::Wait)
    }

    #[inline]
    fn begin_walk(&mut self, entry: &mut Entry, slot: u16) -> Step {
        self.walk_times.queued += self.now - entry.cursor.min(self.now);
        entry.asked = self.now;
        entry.cursor = self.now + self.latencies.pwc;
        entry.walking = true;
        self.next_read(entry, slot)
    }

    #[inline]
    fn next_read(&mut self, entry: &mut Entry, slot: u16) -> Step {
        if entry.step == entry.walk_reads {
            return self.end_walk(entry, slot);
        }
        let reference = self.references.get(entry.references_at + u64::from(entry.step));
        let routes = &self.latencies.routes;
        entry.step += 1;
        entry.addr_now = reference.addr;
        entry.route = routes.walk.route(reference.served);
        entry.stop = routes.get(entry.route).stops.0;
        Step::LookUp
    }

    #[inline]
    fn end_walk(&mut self, entry: &mut Entry, slot: u16) -> Step {
        if self.is_ahead(entry, slot, State::EndWalk) {
            return Step::Stop(Next::Wait);
        }
        let busy = entry.cursor - entry.asked;
        entry.walking = false;
        self.walk_times.busy += busy;
        self.walk_cycles.add(self.latencies.clock.cycles(busy), 1);
        if let Some(next) = self.walkers.give() {
            self.events.push(self.now, self.now, next);
        }
        self.translation_known(entry, slot)
    }

    /// A store may retire with its translation.
    #[inline]
    fn translation_known(&mut self, entry: &mut Entry, slot: u16) -> Step {
        entry.walked = entry.cursor;
        let is_store = entry.kind == OutcomeKind::Store;
        if !is_store && entry.walk_waiters == NOBODY {
            return self.data(entry, slot);
        }
        if is_store {
            entry.ready = entry.walked.max(entry.slot_end());
        }
        entry.state = State::Data;
        Step::Stop(Next::Translated)
    }

    #[inline]
    fn data(&mut self, entry: &mut Entry, slot: u16) -> Step {
        let routes = &self.latencies.routes;
        entry.route = match entry.kind {
            OutcomeKind::Fault(_) => return self.fill(entry, slot),
            OutcomeKind::Fetch => routes.fetch.route(entry.served),
            _ => routes.data.route(entry.served),
        };
        let route = routes.get(entry.route);
        entry.addr_now = entry.addr;
        entry.stop = route.stops.0;
        if !route.stops_at_once {
            entry.issued = entry.cursor;
        }
        Step::LookUp
    }

    #[inline(always)]
    fn look_up(&mut self, entry: &mut Entry, slot: u16) -> Step {
        let route = self.latencies.routes.get(entry.route);
        while entry.stop < route.stops.1 {
            let stop = self.latencies.routes.stop(entry.stop);
            let when = entry.cursor + stop.after;
            if when > self.now {
                entry.state = State::Lookup;
                self.events.push(self.now, when, slot);
                return Step::Stop(Next::Wait);
            }
            if !self.mshrs[usize::from(stop.cache)].take(slot) {
                entry.state = State::Register;
                return Step::Stop(Next::Wait);
            }
            entry.pass();
        }
        entry.cursor += route.latency;
        if !entry.walking {
            entry.asked = entry.cursor;
        }
        if route.to_memory { self.ask(entry, slot) } else { Step::Answered }
    }

    #[inline(always)]
    fn registered(&mut self, entry: &mut Entry) -> Step {
        let wanted = entry.cursor + self.latencies.routes.stop(entry.stop).after;
        entry.cursor += self.now.saturating_sub(wanted);
        entry.pass();
        Step::LookUp
    }

    #[inline]
    fn ask(&mut self, entry: &mut Entry, slot: u16) -> Step {
        if !self.is_ahead(entry, slot, State::Ask) {
            entry.state = State::Memory;
            self.controller.read(self.now, entry.addr_now, slot);
        }
        Step::Stop(Next::Wait)
    }

    #[inline(always)]
    fn back_from_memory(&mut self, entry: &mut Entry) -> Step {
        entry.cursor = self.now;
        Step::Answered
    }

    /// The current request has its line and gives its registers back.
    #[inline(always)]
    fn answered(&mut self, entry: &mut Entry, slot: u16) -> Step {
        let (first, end) = self.latencies.routes.get(entry.route).stops;
        if first < end {
            if self.is_ahead(entry, slot, State::Answer) {
                return Step::Stop(Next::Wait);
            }
            for stop in first..end {
                let cache = self.latencies.routes.stop(stop).cache;
                if let Some(next) = self.mshrs[usize::from(cache)].give() {
                    self.events.push(self.now, self.now, next);
                }
            }
        }
        if entry.walking {
            return self.next_read(entry, slot);
        }
        entry.answered = entry.cursor;
        if entry.line_fill > 0 {
            return Step::Stop(Next::OtherFill);
        }
        self.fill(entry, slot)
    }

    /// The line is there.
    #[inline]
    fn fill(&mut self, entry: &mut Entry, slot: u16) -> Step {
        if entry.writes {
            if self.is_ahead(entry, slot, State::Fill) {
                return Step::Stop(Next::Wait);
            }
            self.write(entry);
        }
        entry.fill = entry.cursor;
        entry.state = State::Done;
        if let OutcomeKind::Load | OutcomeKind::Fault(_) = entry.kind {
            entry.ready = entry.fill.max(entry.slot_end());
        }
        if let OutcomeKind::Load | OutcomeKind::Store | OutcomeKind::Prefetch | OutcomeKind::Fetch =
            entry.kind
        {
            self.access_cycles.add(self.latencies.clock.cycles(entry.fill - entry.start), 1);
        }
        Step::Stop(Next::Filled)
    }

    /// Sends the entry's writes to memory. A page-table entry's, where walks go through caches, stays
    /// in the one that they enter, and its line is read first.
    fn write(&mut self, entry: &Entry) {
        let kept = entry.references_at..entry.references_at + u64::from(entry.references);
        for number in kept.skip(usize::from(entry.walk_reads)) {
            let reference = self.references.get(number);
            let whole = reference.kind == ReferenceKind::Writeback;
            if self.latencies.walks_are_cached && !whole {
                self.controller.fetch(self.now, reference.addr);
            } else {
                self.controller.write(self.now, reference.addr, whole);
            }
        }
    }
}

impl Entry {
    /// Has the register of the stop that it is at.
    #[inline]
    fn pass(&mut self) {
        if !self.walking && self.issued == UNKNOWN {
            self.issued = self.cursor;
        }
        self.stop += 1;
    }
}
