//! Where outcomes meet: waiting for another one's data, walk or fill, and being told.

use super::access::Shared;
use super::entry::{Entry, Meeting, NOBODY, State, UNKNOWN};
use super::ports::Memory;
use super::stack;
use super::window::Window;
use crate::outcome::OutcomeKind;

impl Window {
    /// Starts an entry on its way, or lets it wait for its ancestor.
    pub(super) fn start<M: Memory>(&mut self, shared: &mut Shared<M>, slot: u16) {
        let entry = &self.ring[usize::from(slot)];
        if entry.state == State::Ancestor {
            let older = entry.step;
            if older != NOBODY && self.ring[usize::from(older)].fill == UNKNOWN {
                let next = std::mem::replace(&mut self.entry(older).fill_waiters, slot);
                self.entry(slot).next_waiter = next;
                return;
            }
            let ready = self.chain_end(shared, slot);
            let entry = self.entry(slot);
            entry.cursor = ready;
            entry.state = State::Translate;
        }
        self.run(shared, slot);
    }

    /// Whether the entry need not wait for another's walk.
    pub(super) fn other_walk(&mut self, slot: u16) -> bool {
        let entry = &self.ring[usize::from(slot)];
        let mut known = entry.cursor;
        if let Some(older) = self.back(entry.number, entry.translation_fill) {
            let walked = self.ring[usize::from(older)].walked;
            if walked == UNKNOWN {
                let next = std::mem::replace(&mut self.entry(older).walk_waiters, slot);
                let entry = self.entry(slot);
                entry.next_waiter = next;
                entry.state = State::OtherWalk;
                return false;
            }
            known = known.max(walked);
        }
        let entry = self.entry(slot);
        entry.cursor = known;
        entry.state = State::Walk;
        true
    }

    /// An entry's translation is known. It goes on.
    pub(super) fn translated<M: Memory>(&mut self, shared: &mut Shared<M>, slot: u16) -> bool {
        let entry = self.entry(slot);
        let (walked, kind) = (entry.walked, entry.kind);
        let waiting = std::mem::replace(&mut entry.walk_waiters, NOBODY);
        self.wake(shared, waiting, walked);
        if kind == OutcomeKind::Store && self.retires_next(slot) {
            self.retire(shared);
        }
        true
    }

    /// An entry has found the line that it wants, and has still got its miss registers. Whether it can go on at
    /// once.
    ///
    /// Where a prefetcher has that line under way into the cache that has it by now, the registers of the levels
    /// above are held until it is there. What is under way needs registers of that cache and of those below
    /// alone, so that nobody waits for each other. A prefetch whose own walk is not over is not under way, as
    /// walks need registers of every level, nor is one that may still have to wait for another outcome's line.
    pub(super) fn prefetched(&mut self, slot: u16) -> bool {
        let entry = &self.ring[usize::from(slot)];
        let (served, cursor) = (entry.served, entry.cursor);
        let older = self.back(entry.number, entry.line_fill);
        let under_way = older.filter(|older| {
            let older = &self.ring[usize::from(*older)];
            older.kind == OutcomeKind::HardwarePrefetch { into: served }
                && older.walked != UNKNOWN
                && older.line_fill == 0
                && older.fill > cursor
        });
        let entry = self.entry(slot);
        entry.state = State::Answer;
        entry.meeting = Meeting::Alone;
        let Some(older) = under_way else { return true };
        self.units.late_prefetches[usize::from(served)] += 1;
        let Entry { fill, served, .. } = self.ring[usize::from(older)];
        let entry = self.entry(slot);
        entry.meeting = Meeting::Held;
        entry.answered = cursor;
        entry.tail = stack::source(served);
        entry.line_fill = 0;
        if fill == UNKNOWN {
            let next = std::mem::replace(&mut self.entry(older).fill_waiters, slot);
            let entry = self.entry(slot);
            entry.next_waiter = next;
            entry.state = State::Held;
            return false;
        }
        entry.cursor = fill;
        true
    }

    /// Whether the entry need not wait for another's fill.
    pub(super) fn other_fill(&mut self, slot: u16) -> bool {
        let entry = &self.ring[usize::from(slot)];
        let mut known = entry.cursor;
        if let Some(older) = self.back(entry.number, entry.line_fill) {
            let Entry { fill, served, kind, .. } = self.ring[usize::from(older)];
            if let OutcomeKind::HardwarePrefetch { into } = kind
                && fill > known
            {
                self.units.late_prefetches[usize::from(into)] += 1;
            }
            self.entry(slot).tail = stack::source(served);
            if fill == UNKNOWN {
                let next = std::mem::replace(&mut self.entry(older).fill_waiters, slot);
                let entry = self.entry(slot);
                entry.next_waiter = next;
                entry.state = State::OtherFill;
                return false;
            }
            known = known.max(fill);
        }
        let entry = self.entry(slot);
        entry.cursor = known;
        entry.state = State::Fill;
        true
    }

    /// An entry's line is there. Nothing is left for it but to retire.
    #[inline]
    pub(super) fn filled<M: Memory>(&mut self, shared: &mut Shared<M>, slot: u16) -> bool {
        let entry = self.entry(slot);
        let fill = entry.fill;
        let waiting = std::mem::replace(&mut entry.fill_waiters, NOBODY);
        if waiting != NOBODY {
            self.wake(shared, waiting, fill);
        }
        if self.retires_next(slot) {
            self.retire(shared);
        }
        false
    }

    /// Wakes everyone on a list, who waited for something that is there at `time`. The list is in the
    /// reverse of the order in which they came. What they waited for may have left the window when they
    /// go on, so they are told now.
    fn wake<M: Memory>(&mut self, shared: &mut Shared<M>, newest: u16, time: u64) {
        let (mut slot, mut oldest) = (newest, NOBODY);
        while slot != NOBODY {
            let next = std::mem::replace(&mut self.entry(slot).next_waiter, oldest);
            (oldest, slot) = (slot, next);
        }
        let now = shared.now;
        while oldest != NOBODY {
            let chain_end = self.chain_end(shared, oldest);
            let entry = &mut self.ring[usize::from(oldest)];
            let (when, next) = match entry.state {
                State::Ancestor => (chain_end, State::Translate),
                State::OtherWalk => (entry.cursor.max(time), State::Walk),
                State::Held => (entry.cursor.max(time), State::Answer),
                _ => (entry.cursor.max(time), State::Fill),
            };
            entry.cursor = when;
            entry.state = next;
            let waiter = std::mem::replace(&mut entry.next_waiter, NOBODY);
            shared.events.push(now, when.max(now), self.units.name(oldest));
            oldest = waiter;
        }
    }
}
