//! What an outcome goes through between dispatch and the arrival of its line.
//!
//! An entry runs ahead on its own (`cursor`) for as long as nothing that it does can be seen by others,
//! and waits for an event where it takes or gives back a shared unit or talks to memory. So a
//! look-up that hits costs no event.
//!
//! A miss register is held from the miss to the fill, at every level that the miss passes: at the first
//! from when the request begins, further down from when it has looked there in vain. Latencies are
//! load-to-use from the first level, so a level's own time is not added to the next one's.

use crate::outcome::{OutcomeKind, ReferenceKind, WALKED};

use super::entry::{Entry, NOBODY, State, UNKNOWN};
use super::latencies::Path;
use super::ports::Memory;
use super::stack;
use super::window::{Window, writes_memory};

/// Whether an entry can go on at once.
enum Next {
    /// It can.
    On,
    /// Something will wake it.
    Wait,
}

impl<M: Memory> Window<M> {
    /// Carries an entry on until it has to wait.
    pub(super) fn run(&mut self, slot: u16) {
        loop {
            let next = match self.ring[usize::from(slot)].state {
                State::Ancestor => self.ancestor(slot),
                State::Translate => self.translate(slot),
                State::OtherWalk => self.other_walk(slot),
                State::Walk => self.want_walker(slot),
                State::Walker => self.begin_walk(slot),
                State::Step => self.walk_step(slot),
                State::Data => self.data(slot),
                State::Lookup => self.look_up(slot),
                State::Register => self.registered(slot),
                State::Ask => self.ask(slot),
                State::Memory => self.back_from_memory(slot),
                State::Answer => self.answered(slot),
                State::OtherFill => self.other_fill(slot),
                State::Fill => self.filled(slot),
                State::Done => Next::Wait,
            };
            if let Next::Wait = next {
                return;
            }
        }
    }

    /// Whether the entry has run ahead of time; if so it is woken when time has caught up.
    fn is_ahead(&mut self, slot: u16) -> bool {
        let cursor = self.ring[usize::from(slot)].cursor;
        if cursor > self.now {
            self.events.push(cursor, slot);
        }
        cursor > self.now
    }

    /// The caches that its current request passes: the data path's if it is a walk's.
    fn path(&self, entry: &Entry) -> &Path {
        let fetches = entry.is_fetch() && !entry.walking;
        if fetches { &self.latencies.fetch } else { &self.latencies.data }
    }

    fn ancestor(&mut self, slot: u16) -> Next {
        let older = self.ring[usize::from(slot)].step;
        if older != NOBODY && self.ring[usize::from(older)].fill == UNKNOWN {
            let next = std::mem::replace(&mut self.entry(older).fill_waiters, slot);
            self.entry(slot).next_waiter = next;
            return Next::Wait;
        }
        let ready = self.chain_end(slot);
        let entry = self.entry(slot);
        entry.cursor = ready;
        entry.state = State::Translate;
        Next::On
    }

    fn translate(&mut self, slot: u16) -> Next {
        let entry = &self.ring[usize::from(slot)];
        let start = entry.cursor.max(entry.dispatched);
        let translated = start + self.latencies.translation(entry.is_fetch(), entry.tlb);
        let entry = self.entry(slot);
        entry.step = 0;
        entry.start = start;
        entry.translated = translated;
        entry.cursor = translated;
        entry.state = State::OtherWalk;
        Next::On
    }

    fn other_walk(&mut self, slot: u16) -> Next {
        let entry = &self.ring[usize::from(slot)];
        if let Some(older) = self.back(entry.number, entry.translation_fill) {
            let walked = self.ring[usize::from(older)].walked;
            if walked == UNKNOWN {
                let next = std::mem::replace(&mut self.entry(older).walk_waiters, slot);
                self.entry(slot).next_waiter = next;
                return Next::Wait;
            }
            let entry = self.entry(slot);
            entry.cursor = entry.cursor.max(walked);
        }
        self.entry(slot).state = State::Walk;
        Next::On
    }

    fn want_walker(&mut self, slot: u16) -> Next {
        let entry = &self.ring[usize::from(slot)];
        if entry.walk_reads == 0 && (entry.tlb != WALKED || entry.translation_fill > 0) {
            let entry = self.entry(slot);
            entry.walked = entry.cursor;
            entry.state = State::Data;
            return self.translation_known(slot);
        }
        if self.is_ahead(slot) {
            return Next::Wait;
        }
        self.entry(slot).state = State::Walker;
        if self.walkers.take(slot) { Next::On } else { Next::Wait }
    }

    fn begin_walk(&mut self, slot: u16) -> Next {
        let (now, pwc) = (self.now, self.latencies.pwc);
        let entry = self.entry(slot);
        let waited = now - entry.cursor.min(now);
        entry.granted = now;
        entry.cursor = now + pwc;
        entry.state = State::Step;
        self.walk_times.queued += waited;
        Next::On
    }

    fn walk_step(&mut self, slot: u16) -> Next {
        let entry = &self.ring[usize::from(slot)];
        if entry.step == entry.walk_reads {
            return self.end_walk(slot);
        }
        let index = entry.references_at - self.references_from + u64::from(entry.step);
        let Some(&reference) = self.references.get(index as usize) else {
            return self.end_walk(slot);
        };
        let first = self.latencies.walk_entry;
        let target = self.latencies.data.position(reference.served).max(first);
        let entry = self.entry(slot);
        entry.step += 1;
        entry.walking = true;
        entry.addr_now = reference.addr;
        (entry.first, entry.position, entry.target) = (first as u8, first as u8, target as u8);
        entry.state = State::Lookup;
        Next::On
    }

    fn end_walk(&mut self, slot: u16) -> Next {
        if self.is_ahead(slot) {
            return Next::Wait;
        }
        let entry = self.entry(slot);
        let busy = entry.cursor - entry.granted;
        entry.walking = false;
        entry.walked = entry.cursor;
        entry.state = State::Data;
        self.walk_times.busy += busy;
        self.walk_cycles.add(self.latencies.clock.cycles(busy), 1);
        if let Some(next) = self.walkers.give() {
            self.events.push(self.now, next);
        }
        self.translation_known(slot)
    }

    /// Others wait for the translation; a store may retire with it.
    fn translation_known(&mut self, slot: u16) -> Next {
        let entry = self.entry(slot);
        let walked = entry.walked;
        if entry.kind == OutcomeKind::Store {
            entry.ready = walked.max(entry.slot_end());
        }
        let waiting = std::mem::replace(&mut entry.walk_waiters, NOBODY);
        self.wake(waiting, walked);
        if self.ring[usize::from(slot)].kind == OutcomeKind::Store {
            self.retire();
        }
        Next::On
    }

    fn data(&mut self, slot: u16) -> Next {
        let entry = &self.ring[usize::from(slot)];
        if matches!(entry.kind, OutcomeKind::Fault(_)) {
            self.entry(slot).state = State::Fill;
            return Next::On;
        }
        let target = self.path(entry).position(entry.served);
        let entry = self.entry(slot);
        entry.addr_now = entry.addr;
        (entry.first, entry.position, entry.target) = (0, 0, target as u8);
        entry.state = State::Lookup;
        Next::On
    }

    fn look_up(&mut self, slot: u16) -> Next {
        let entry = &self.ring[usize::from(slot)];
        let position = usize::from(entry.position);
        let path = self.path(entry);
        if entry.position == entry.target {
            let latency = path.latency.get(position).copied();
            let miss = path.miss(usize::from(entry.first));
            let entry = self.entry(slot);
            if !entry.walking && entry.issued == UNKNOWN {
                entry.issued = entry.cursor;
            }
            entry.cursor += latency.unwrap_or(miss);
            entry.state = if latency.is_some() { State::Answer } else { State::Ask };
            entry.asked = entry.cursor;
            return Next::On;
        }
        if path.scarce[position] {
            let (when, cache) = (passes(entry, path), path.caches[position]);
            if when > self.now {
                self.events.push(when, slot);
                return Next::Wait;
            }
            if !self.mshrs[usize::from(cache)].take(slot) {
                self.entry(slot).state = State::Register;
                return Next::Wait;
            }
        }
        self.entry(slot).pass();
        Next::On
    }

    fn registered(&mut self, slot: u16) -> Next {
        let entry = &self.ring[usize::from(slot)];
        let waited = self.now.saturating_sub(passes(entry, self.path(entry)));
        let entry = self.entry(slot);
        entry.cursor += waited;
        entry.pass();
        entry.state = State::Lookup;
        Next::On
    }

    fn ask(&mut self, slot: u16) -> Next {
        if self.is_ahead(slot) {
            return Next::Wait;
        }
        let addr = self.ring[usize::from(slot)].addr_now;
        self.controller.read(self.now, addr, slot);
        self.entry(slot).state = State::Memory;
        Next::Wait
    }

    fn back_from_memory(&mut self, slot: u16) -> Next {
        let now = self.now;
        let entry = self.entry(slot);
        entry.cursor = now;
        entry.state = State::Answer;
        Next::On
    }

    fn answered(&mut self, slot: u16) -> Next {
        let entry = &self.ring[usize::from(slot)];
        let held = usize::from(entry.first)..usize::from(entry.position);
        if self.path(entry).scarce[held.clone()].contains(&true) {
            if self.is_ahead(slot) {
                return Next::Wait;
            }
            for position in held {
                self.give_register(slot, position);
            }
        }
        let entry = self.entry(slot);
        entry.answered = entry.cursor;
        entry.state = if entry.walking { State::Step } else { State::OtherFill };
        Next::On
    }

    fn give_register(&mut self, slot: u16, position: usize) {
        let path = self.path(&self.ring[usize::from(slot)]);
        if path.scarce[position] {
            let cache = usize::from(path.caches[position]);
            if let Some(next) = self.mshrs[cache].give() {
                self.events.push(self.now, next);
            }
        }
    }

    fn other_fill(&mut self, slot: u16) -> Next {
        let entry = &self.ring[usize::from(slot)];
        if let Some(older) = self.back(entry.number, entry.line_fill) {
            let Entry { fill, served, .. } = self.ring[usize::from(older)];
            self.entry(slot).tail = stack::source(served);
            if fill == UNKNOWN {
                let next = std::mem::replace(&mut self.entry(older).fill_waiters, slot);
                self.entry(slot).next_waiter = next;
                return Next::Wait;
            }
            let entry = self.entry(slot);
            entry.cursor = entry.cursor.max(fill);
        }
        self.entry(slot).state = State::Fill;
        Next::On
    }

    fn filled(&mut self, slot: u16) -> Next {
        if self.ring[usize::from(slot)].writes {
            if self.is_ahead(slot) {
                return Next::Wait;
            }
            self.write(slot);
        }
        let entry = &mut self.ring[usize::from(slot)];
        let fill = entry.cursor;
        entry.fill = fill;
        entry.state = State::Done;
        let waiting = std::mem::replace(&mut entry.fill_waiters, NOBODY);
        match entry.kind {
            OutcomeKind::Load | OutcomeKind::Fault(_) => entry.ready = fill.max(entry.slot_end()),
            _ => {}
        }
        if let OutcomeKind::Load | OutcomeKind::Store | OutcomeKind::Prefetch | OutcomeKind::Fetch =
            entry.kind
        {
            self.access_cycles.add(self.latencies.clock.cycles(fill - entry.start), 1);
        }
        self.wake(waiting, fill);
        self.retire();
        Next::Wait
    }

    /// Sends the entry's writes to memory. A page-table entry's, where walks go through caches, stays
    /// in the one that they enter, and its line is read first.
    fn write(&mut self, slot: u16) {
        let cached = self.latencies.walk_entry < self.latencies.data.caches.len();
        let entry = &self.ring[usize::from(slot)];
        let from = (entry.references_at - self.references_from) as usize;
        for index in from..from + usize::from(entry.references) {
            if let Some(reference) = self.references.get(index)
                && writes_memory(reference)
            {
                let whole = reference.kind == ReferenceKind::Writeback;
                if cached && !whole {
                    self.controller.fetch(self.now, reference.addr);
                } else {
                    self.controller.write(self.now, reference.addr, whole);
                }
            }
        }
    }

    /// Wakes everyone on a list, who waited for something that is there at `time`. The list is in the
    /// reverse of the order in which they came. What they waited for may have left the window when they
    /// go on, so they are told now.
    fn wake(&mut self, newest: u16, time: u64) {
        let (mut slot, mut oldest) = (newest, NOBODY);
        while slot != NOBODY {
            let next = std::mem::replace(&mut self.entry(slot).next_waiter, oldest);
            (oldest, slot) = (slot, next);
        }
        while oldest != NOBODY {
            let (when, next) = match self.ring[usize::from(oldest)].state {
                State::Ancestor => (self.chain_end(oldest), State::Translate),
                state => (self.ring[usize::from(oldest)].cursor.max(time), state),
            };
            let entry = self.entry(oldest);
            entry.cursor = when;
            entry.state = next;
            let waiter = std::mem::replace(&mut entry.next_waiter, NOBODY);
            self.events.push(when.max(self.now), oldest);
            oldest = waiter;
        }
    }
}

/// When a request has missed in the cache at its position.
fn passes(entry: &Entry, path: &Path) -> u64 {
    let latency =
        if entry.position == entry.first { 0 } else { path.latency[usize::from(entry.position)] };
    entry.cursor + latency
}

impl Entry {
    /// Moves on to the next cache of the path.
    fn pass(&mut self) {
        if !self.walking && self.issued == UNKNOWN {
            self.issued = self.cursor;
        }
        self.position += 1;
    }
}
