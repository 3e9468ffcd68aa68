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
use super::ideal::Component;
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
    /// Accesses that had to wait for what a prefetcher had under way, by the cache that it is of.
    pub(super) late_prefetches: Vec<u64>,
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

impl<M: Memory> Units<M> {
    /// All free, over `memory`, for a window of so many entries, where one component may be perfect.
    pub(super) fn new(
        config: &Config,
        memory: M,
        entries: usize,
        perfect: Option<Component>,
    ) -> Result<Self, InvalidSetting> {
        let latencies = Latencies::new(config, perfect)?;
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
            late_prefetches: vec![0; config.cache.len()],
            latencies,
        })
    }

    /// Carries an entry on.
    #[inline(always)]
    pub(super) fn go_on(&mut self, entry: &mut Entry, slot: u16) -> Next {
        let answered = match entry.state {
            State::Translate | State::Walk | State::Walker => match self.translate(entry, slot) {
                Some(next) => return next,
                None => false,
            },
            State::EndWalk => match self.end_walk(entry, slot) {
                Some(next) => return next,
                None => false,
            },
            State::Data => match self.data(entry, slot) {
                Some(next) => return next,
                None => false,
            },
            State::Lookup => false,
            State::Register => {
                let wanted = entry.cursor + self.latencies.routes.stop(entry.stop).after;
                entry.cursor += self.now.saturating_sub(wanted);
                entry.pass();
                false
            }
            State::Memory => {
                entry.cursor = self.now;
                true
            }
            State::Answer => true,
            State::Ask => {
                self.ask(entry, slot);
                return Next::Wait;
            }
            State::Fill => return self.fill(entry, slot),
            State::Ancestor | State::OtherWalk | State::OtherFill | State::Done => {
                return Next::Wait;
            }
        };
        if !answered && !self.look_up(entry, slot) {
            return Next::Wait;
        }
        self.answered(entry, slot)
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

    /// Finds out the translation as far as that goes; `None` if the entry then looks for a line.
    #[inline(always)]
    fn translate(&mut self, entry: &mut Entry, slot: u16) -> Option<Next> {
        if entry.state == State::Translate {
            entry.start = entry.cursor.max(entry.dispatched);
            entry.cursor = entry.start + self.latencies.translation(entry.is_fetch(), entry.tlb);
            entry.translated = entry.cursor;
            entry.step = 0;
            if entry.translation_fill > 0 {
                return Some(Next::OtherWalk);
            }
        }
        if entry.state != State::Walker {
            if !entry.walks {
                return self.translation_known(entry, slot);
            }
            if self.is_ahead(entry, slot, State::Walk) {
                return Some(Next::Wait);
            }
            if !self.walkers.take(slot) {
                entry.state = State::Walker;
                return Some(Next::Wait);
            }
        }
        self.walk_times.queued += self.now - entry.cursor.min(self.now);
        entry.asked = self.now;
        entry.cursor = self.now + self.latencies.pwc;
        entry.walking = true;
        if entry.walk_reads == 0 {
            return self.end_walk(entry, slot);
        }
        self.next_read(entry);
        None
    }

    #[inline(always)]
    fn next_read(&mut self, entry: &mut Entry) {
        let reference = self.references.get(entry.references_at + u64::from(entry.step));
        entry.step += 1;
        entry.addr_now = reference.addr;
        entry.request =
            *self.latencies.routes.get(self.latencies.routes.walk.route(reference.served));
        entry.stop = entry.request.stops.0;
    }

    #[inline]
    fn end_walk(&mut self, entry: &mut Entry, slot: u16) -> Option<Next> {
        if self.is_ahead(entry, slot, State::EndWalk) {
            return Some(Next::Wait);
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
    #[inline(always)]
    fn translation_known(&mut self, entry: &mut Entry, slot: u16) -> Option<Next> {
        entry.walked = entry.cursor;
        let is_store = entry.kind == OutcomeKind::Store;
        if is_store {
            entry.ready = entry.walked.max(entry.slot_end());
        }
        if is_store || entry.walk_waiters != NOBODY {
            entry.state = State::Data;
            return Some(Next::Translated);
        }
        self.data(entry, slot)
    }

    #[inline(always)]
    fn data(&mut self, entry: &mut Entry, slot: u16) -> Option<Next> {
        let routes = &self.latencies.routes;
        let route = match entry.kind {
            OutcomeKind::Fault(_) => return Some(self.fill(entry, slot)),
            OutcomeKind::Fetch => routes.fetch.route(entry.served),
            OutcomeKind::HardwarePrefetch { into } => routes.prefetch(into, entry.served),
            _ => routes.data.route(entry.served),
        };
        entry.request = *routes.get(route);
        entry.addr_now = entry.addr;
        entry.stop = entry.request.stops.0;
        if !entry.request.stops_at_once {
            entry.issued = entry.cursor;
        }
        None
    }

    /// Looks for the line of the current request; whether that is there.
    #[inline(always)]
    fn look_up(&mut self, entry: &mut Entry, slot: u16) -> bool {
        while entry.stop < entry.request.stops.1 {
            let stop = self.latencies.routes.stop(entry.stop);
            let when = entry.cursor + stop.after;
            if when > self.now {
                entry.state = State::Lookup;
                self.events.push(self.now, when, slot);
                return false;
            }
            if !self.mshrs[usize::from(stop.cache)].take(slot) {
                entry.state = State::Register;
                return false;
            }
            entry.pass();
        }
        entry.cursor += entry.request.latency;
        if !entry.walking {
            entry.asked = entry.cursor;
        }
        if entry.request.to_memory {
            self.ask(entry, slot);
        }
        !entry.request.to_memory
    }

    #[inline]
    fn ask(&mut self, entry: &mut Entry, slot: u16) {
        if !self.is_ahead(entry, slot, State::Ask) {
            entry.state = State::Memory;
            self.controller.read(self.now, entry.addr_now, slot);
        }
    }

    /// The current request has its line; so have those that follow, until one has not.
    #[inline(always)]
    fn answered(&mut self, entry: &mut Entry, slot: u16) -> Next {
        loop {
            if !self.give_registers(entry, slot) {
                return Next::Wait;
            }
            if !entry.walking {
                break;
            }
            if entry.step < entry.walk_reads {
                self.next_read(entry);
            } else if let Some(next) = self.end_walk(entry, slot) {
                return next;
            }
            if !self.look_up(entry, slot) {
                return Next::Wait;
            }
        }
        entry.answered = entry.cursor;
        if entry.line_fill > 0 { Next::OtherFill } else { self.fill(entry, slot) }
    }

    /// Gives the current request's registers back; `false` if it is not time yet.
    #[inline(always)]
    fn give_registers(&mut self, entry: &mut Entry, slot: u16) -> bool {
        let (first, end) = entry.request.stops;
        if first == end {
            return true;
        }
        if self.is_ahead(entry, slot, State::Answer) {
            return false;
        }
        for stop in first..end {
            let cache = self.latencies.routes.stop(stop).cache;
            if let Some(next) = self.mshrs[usize::from(cache)].give() {
                self.events.push(self.now, self.now, next);
            }
        }
        true
    }

    /// The line is there.
    #[inline]
    fn fill(&mut self, entry: &mut Entry, slot: u16) -> Next {
        if entry.writes {
            if self.is_ahead(entry, slot, State::Fill) {
                return Next::Wait;
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
        Next::Filled
    }

    /// Sends the entry's writes to memory. A page-table entry's, where walks go through caches, stays
    /// in the one that they enter, and its line is read first.
    fn write(&mut self, entry: &Entry) {
        let kept = entry.references_at..entry.references_at + u64::from(entry.references);
        for number in kept.skip(usize::from(entry.walk_reads)) {
            let reference = self.references.get(number);
            let whole = reference.kind == ReferenceKind::Writeback;
            if self.latencies.walks_are_cached && reference.kind == ReferenceKind::TableWrite {
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
