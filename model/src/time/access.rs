//! What an outcome goes through between dispatch and the arrival of its line.
//!
//! An entry runs ahead on its own (`cursor`) for as long as nothing that it does can be seen by others,
//! and waits for an event where it takes or gives back a shared unit or talks to memory. So a
//! look-up that hits costs no event.
//!
//! What needs no other entry is done here, on the entry, the units of its CPU and those that all share.

use crate::config::{Config, InvalidSetting};
use crate::outcome::{OutcomeKind, ReferenceKind};
use crate::statistics::Histogram;

use super::controller::Controller;
use super::entry::{Anyone, CPUS, ENTRIES, Entry, Meeting, NOBODY, State, UNKNOWN};
use super::events::Events;
use super::ideal::Component;
use super::latencies::{Latencies, too_long};
use super::pool::Pool;
use super::ports::Memory;
use super::references::References;
use super::route::Route;

/// What was counted about walks, in slots.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct WalkTimes {
    /// Walkers at work.
    pub(super) busy: u64,
    /// Walks waiting for a walker.
    pub(super) queued: u64,
}

/// What all CPUs share.
#[derive(Debug)]
pub(super) struct Shared<M: Memory> {
    pub(super) now: u64,
    pub(super) latencies: Latencies,
    pub(super) controller: Controller<M>,
    pub(super) events: Events,
    /// Of every cache, one CPU's after another's: shared caches use the first one's.
    mshrs: Vec<Pool>,
    /// When the link of each cache is free again, in the same order.
    links: Vec<u64>,
}

impl<M: Memory> Shared<M> {
    /// All free, over `memory`, where one component may be perfect.
    pub(super) fn new(
        config: &Config,
        memory: M,
        perfect: Option<Component>,
    ) -> Result<Self, InvalidSetting> {
        let cpus = usize::from(config.core.count);
        if !(1..=CPUS).contains(&cpus) {
            return Err(InvalidSetting::new("core.count", format!("expected 1 to {CPUS}")));
        }
        let latencies = Latencies::new(config, perfect)?;
        let clock = latencies.clock;
        let latency = config.dram.controller_latency.picoseconds(config.core.frequency);
        if clock.span(config.dram.controller_latency).is_none() {
            return Err(too_long("dram.controller_latency"));
        }
        let all = latencies.mshrs.iter().cycle().take(latencies.mshrs.len() * cpus);
        Ok(Self {
            now: 0,
            controller: Controller::new(memory, clock, latency, latencies.line, cpus * ENTRIES),
            events: Events::new(),
            mshrs: all.map(|mshrs| Pool::new(*mshrs)).collect(),
            links: vec![0; latencies.mshrs.len() * cpus],
            latencies,
        })
    }
}

/// What the entries of a window share.
#[derive(Debug)]
pub(super) struct Units {
    /// Its first entry among those of all CPUs.
    first: Anyone,
    /// Where its caches begin among those of all CPUs.
    caches: u16,
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
    /// It may have to wait for what a prefetcher has under way, with the registers that it holds.
    Prefetched,
    /// It may have to wait for another outcome's fill, then goes on.
    OtherFill,
    /// Its line is there, for which others may wait.
    Filled,
}

impl Units {
    /// Those of a CPU, all free.
    pub(super) fn new(config: &Config, cpu: usize) -> Self {
        let caches = config.cache.len();
        Self {
            // There are at most 64 CPUs and 253 caches.
            first: (cpu * ENTRIES) as Anyone,
            caches: (cpu * caches) as u16,
            walkers: Pool::new(config.mmu.walker.count),
            references: References::new(),
            walk_times: WalkTimes::default(),
            access_cycles: Histogram::default(),
            walk_cycles: Histogram::default(),
            late_prefetches: vec![0; caches],
        }
    }

    /// The entry at a place of the window, among those of all CPUs.
    #[inline(always)]
    pub(super) fn name(&self, slot: u16) -> Anyone {
        self.first + Anyone::from(slot)
    }

    /// Carries an entry on.
    #[inline(always)]
    pub(super) fn go_on<M: Memory>(
        &mut self,
        shared: &mut Shared<M>,
        entry: &mut Entry,
        slot: u16,
    ) -> Next {
        let answered = match entry.state {
            State::Translate | State::Walk | State::Walker => {
                match self.translate(shared, entry, slot) {
                    Some(next) => return next,
                    None => false,
                }
            }
            State::EndWalk => match self.end_walk(shared, entry, slot) {
                Some(next) => return next,
                None => false,
            },
            State::Data => match self.data(shared, entry, slot) {
                Some(next) => return next,
                None => false,
            },
            State::Lookup => false,
            State::Register => {
                let wanted = entry.cursor + shared.latencies.routes.stop(entry.stop).after;
                entry.cursor += shared.now.saturating_sub(wanted);
                entry.pass();
                false
            }
            State::Memory => {
                entry.cursor = shared.now;
                true
            }
            State::Answer => true,
            State::Ask => {
                self.ask(shared, entry, slot);
                return Next::Wait;
            }
            State::Fill => return self.fill(shared, entry, slot),
            State::Ancestor | State::OtherWalk | State::OtherFill | State::Held | State::Done => {
                return Next::Wait;
            }
        };
        if !answered && !self.look_up(shared, entry, slot) {
            return Next::Wait;
        }
        self.answered(shared, entry, slot)
    }

    /// Whether the entry has run ahead of time; if so it is woken when time has caught up, to go on
    /// with `state`.
    #[inline]
    fn is_ahead<M: Memory>(
        &mut self,
        shared: &mut Shared<M>,
        entry: &mut Entry,
        slot: u16,
        state: State,
    ) -> bool {
        let ahead = entry.cursor > shared.now;
        if ahead {
            entry.state = state;
            shared.events.push(shared.now, entry.cursor, self.name(slot));
        }
        ahead
    }

    /// Finds out the translation as far as that goes; `None` if the entry then looks for a line.
    #[inline(always)]
    fn translate<M: Memory>(
        &mut self,
        shared: &mut Shared<M>,
        entry: &mut Entry,
        slot: u16,
    ) -> Option<Next> {
        if entry.state == State::Translate {
            entry.start = entry.cursor.max(entry.dispatched);
            entry.cursor = entry.start + shared.latencies.translation(entry.is_fetch(), entry.tlb);
            entry.translated = entry.cursor;
            entry.step = 0;
            if entry.translation_fill > 0 {
                return Some(Next::OtherWalk);
            }
        }
        if entry.state != State::Walker {
            if !entry.walks {
                return self.translation_known(shared, entry, slot);
            }
            if self.is_ahead(shared, entry, slot, State::Walk) {
                return Some(Next::Wait);
            }
            if !self.walkers.take(self.name(slot)) {
                entry.state = State::Walker;
                return Some(Next::Wait);
            }
        }
        self.walk_times.queued += shared.now - entry.cursor.min(shared.now);
        entry.asked = shared.now;
        entry.cursor = shared.now + shared.latencies.pwc;
        entry.walking = true;
        if entry.walk_reads == 0 {
            return self.end_walk(shared, entry, slot);
        }
        self.next_read(shared, entry);
        None
    }

    #[inline(always)]
    fn next_read<M: Memory>(&mut self, shared: &mut Shared<M>, entry: &mut Entry) {
        let reference = self.references.get(entry.references_at + u64::from(entry.step));
        entry.step += 1;
        entry.addr_now = reference.addr;
        entry.request =
            *shared.latencies.routes.get(shared.latencies.routes.walk.route(reference.served));
        entry.stop = entry.request.stops.0;
    }

    #[inline]
    fn end_walk<M: Memory>(
        &mut self,
        shared: &mut Shared<M>,
        entry: &mut Entry,
        slot: u16,
    ) -> Option<Next> {
        if self.is_ahead(shared, entry, slot, State::EndWalk) {
            return Some(Next::Wait);
        }
        let busy = entry.cursor - entry.asked;
        entry.walking = false;
        self.walk_times.busy += busy;
        self.walk_cycles.add(shared.latencies.clock.cycles(busy), 1);
        if let Some(next) = self.walkers.give() {
            shared.events.push(shared.now, shared.now, next);
        }
        self.translation_known(shared, entry, slot)
    }

    /// A store may retire with its translation.
    #[inline(always)]
    fn translation_known<M: Memory>(
        &mut self,
        shared: &mut Shared<M>,
        entry: &mut Entry,
        slot: u16,
    ) -> Option<Next> {
        entry.walked = entry.cursor;
        let is_store = entry.kind == OutcomeKind::Store;
        if is_store {
            entry.ready = entry.walked.max(entry.slot_end());
        }
        if is_store || entry.walk_waiters != NOBODY {
            entry.state = State::Data;
            return Some(Next::Translated);
        }
        self.data(shared, entry, slot)
    }

    #[inline(always)]
    fn data<M: Memory>(
        &mut self,
        shared: &mut Shared<M>,
        entry: &mut Entry,
        slot: u16,
    ) -> Option<Next> {
        let routes = &shared.latencies.routes;
        let route = match entry.kind {
            OutcomeKind::Fault(_) => return Some(self.fill(shared, entry, slot)),
            OutcomeKind::Fetch => routes.fetch.route(entry.served),
            OutcomeKind::HardwarePrefetch { into } => routes.prefetch(into, entry.served),
            _ if entry.upgrades => routes.upgrade.route(entry.served),
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
    fn look_up<M: Memory>(&mut self, shared: &mut Shared<M>, entry: &mut Entry, slot: u16) -> bool {
        while entry.stop < entry.request.stops.1 {
            let stop = shared.latencies.routes.stop(entry.stop);
            let when = entry.cursor + stop.after;
            if when > shared.now {
                entry.state = State::Lookup;
                shared.events.push(shared.now, when, self.name(slot));
                return false;
            }
            if !shared.mshrs[stop.place.of(self.caches)].take(self.name(slot)) {
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
            self.ask(shared, entry, slot);
        }
        !entry.request.to_memory
    }

    #[inline(always)]
    fn ask<M: Memory>(&mut self, shared: &mut Shared<M>, entry: &mut Entry, slot: u16) {
        if !self.is_ahead(shared, entry, slot, State::Ask) {
            entry.state = State::Memory;
            shared.controller.read(shared.now, entry.addr_now, self.name(slot));
        }
    }

    /// The current request has its line; so have those that follow, until one has not.
    #[inline(always)]
    fn answered<M: Memory>(
        &mut self,
        shared: &mut Shared<M>,
        entry: &mut Entry,
        slot: u16,
    ) -> Next {
        loop {
            if let Some(next) = self.come_back(shared, entry, slot) {
                return next;
            }
            if !entry.walking {
                break;
            }
            if entry.step < entry.walk_reads {
                self.next_read(shared, entry);
            } else if let Some(next) = self.end_walk(shared, entry, slot) {
                return next;
            }
            if !self.look_up(shared, entry, slot) {
                return Next::Wait;
            }
        }
        if entry.meeting != Meeting::Held {
            entry.answered = entry.cursor;
        }
        if entry.line_fill > 0 { Next::OtherFill } else { self.fill(shared, entry, slot) }
    }

    /// Brings the line of the current request up and gives its registers back, unless that is to be waited
    /// for.
    #[inline(always)]
    fn come_back<M: Memory>(
        &mut self,
        shared: &mut Shared<M>,
        entry: &mut Entry,
        slot: u16,
    ) -> Option<Next> {
        let Route { stops: (first, end), links: (top, bottom), .. } = entry.request;
        if first == end && top == bottom {
            return None;
        }
        if self.is_ahead(shared, entry, slot, State::Answer) {
            return Some(Next::Wait);
        }
        let asks = entry.line_fill > 0 && entry.meeting == Meeting::Unasked && !entry.walking;
        if asks && shared.latencies.prefetches {
            return Some(Next::Prefetched);
        }
        if top != bottom && !self.cross(shared, entry, slot) {
            return Some(Next::Wait);
        }
        for stop in first..end {
            let place = shared.latencies.routes.stop(stop).place;
            if let Some(next) = shared.mshrs[place.of(self.caches)].give() {
                shared.events.push(shared.now, shared.now, next);
            }
        }
        None
    }

    /// Takes the line over the links that are left of its way; `false` if it waits for one, to go on from there.
    fn cross<M: Memory>(&mut self, shared: &mut Shared<M>, entry: &mut Entry, slot: u16) -> bool {
        while entry.request.links.0 < entry.request.links.1 {
            entry.request.links.1 -= 1;
            let link = shared.latencies.routes.link(entry.request.links.1);
            let free = &mut shared.links[link.place.of(self.caches)];
            entry.cursor = entry.cursor.max(*free);
            *free = entry.cursor + link.slots;
            if self.is_ahead(shared, entry, slot, State::Answer) {
                return false;
            }
        }
        true
    }

    /// The line is there.
    #[inline]
    fn fill<M: Memory>(&mut self, shared: &mut Shared<M>, entry: &mut Entry, slot: u16) -> Next {
        if entry.writes {
            if self.is_ahead(shared, entry, slot, State::Fill) {
                return Next::Wait;
            }
            self.write(shared, entry);
        }
        entry.fill = entry.cursor;
        entry.state = State::Done;
        if let OutcomeKind::Load | OutcomeKind::Fault(_) = entry.kind {
            entry.ready = entry.fill.max(entry.slot_end());
        }
        if let OutcomeKind::Load | OutcomeKind::Store | OutcomeKind::Prefetch | OutcomeKind::Fetch =
            entry.kind
        {
            self.access_cycles.add(shared.latencies.clock.cycles(entry.fill - entry.start), 1);
        }
        Next::Filled
    }

    /// Sends the entry's writes to memory. A page-table entry's, where walks go through caches, stays
    /// in the one that they enter, and its line is read first.
    fn write<M: Memory>(&self, shared: &mut Shared<M>, entry: &Entry) {
        let kept = entry.references_at..entry.references_at + u64::from(entry.references);
        for number in kept.skip(usize::from(entry.walk_reads)) {
            let reference = self.references.get(number);
            let whole = reference.kind == ReferenceKind::Writeback;
            if shared.latencies.walks_are_cached && reference.kind == ReferenceKind::TableWrite {
                shared.controller.fetch(shared.now, reference.addr);
            } else {
                shared.controller.write(shared.now, reference.addr, whole);
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
