//! Where outcomes meet: waiting for another one's data, walk or fill, and being told.

use super::entry::{Entry, NOBODY, State, UNKNOWN};
use super::ports::Memory;
use super::stack;
use super::window::Window;
use crate::outcome::OutcomeKind;

impl<M: Memory> Window<M> {
    /// Starts an entry on its way, or lets it wait for its ancestor.
    pub(super) fn start(&mut self, slot: u16) {
        let entry = &self.ring[usize::from(slot)];
        if entry.state == State::Ancestor {
            let older = entry.step;
            if older != NOBODY && self.ring[usize::from(older)].fill == UNKNOWN {
                let next = std::mem::replace(&mut self.entry(older).fill_waiters, slot);
                self.entry(slot).next_waiter = next;
                return;
            }
            let ready = self.chain_end(slot);
            let entry = self.entry(slot);
            entry.cursor = ready;
            entry.state = State::Translate;
        }
        self.run(slot);
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
    pub(super) fn translated(&mut self, slot: u16) -> bool {
        let entry = self.entry(slot);
        let (walked, kind) = (entry.walked, entry.kind);
        let waiting = std::mem::replace(&mut entry.walk_waiters, NOBODY);
        self.wake(waiting, walked);
        if kind == OutcomeKind::Store && self.retires_next(slot) {
            self.retire();
        }
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
    pub(super) fn filled(&mut self, slot: u16) -> bool {
        let entry = self.entry(slot);
        let fill = entry.fill;
        let waiting = std::mem::replace(&mut entry.fill_waiters, NOBODY);
        if waiting != NOBODY {
            self.wake(waiting, fill);
        }
        if self.retires_next(slot) {
            self.retire();
        }
        false
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
        let now = self.units.now;
        while oldest != NOBODY {
            let chain_end = self.chain_end(oldest);
            let entry = &mut self.ring[usize::from(oldest)];
            let (when, next) = match entry.state {
                State::Ancestor => (chain_end, State::Translate),
                State::OtherWalk => (entry.cursor.max(time), State::Walk),
                _ => (entry.cursor.max(time), State::Fill),
            };
            entry.cursor = when;
            entry.state = next;
            let waiter = std::mem::replace(&mut entry.next_waiter, NOBODY);
            self.units.events.push(now, when.max(now), oldest);
            oldest = waiter;
        }
    }
}
