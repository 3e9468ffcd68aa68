//! Dispatch: when an instruction may enter the window, and what enters otherwise.

use crate::outcome::OutcomeKind;

use super::entry::{NOBODY, State, UNKNOWN};
use super::ports::Memory;
use super::stack;
use super::window::{Awaited, Window};

/// A queue whose entries are handed out and given back in program order.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    /// The outcomes that got the last entries, `size` of them; the oldest comes round next.
    outcomes: Box<[u64]>,
    /// Where the next one goes.
    at: usize,
    /// When the last entry was given back.
    released: u64,
}

impl Queue {
    /// Empty, with `size` entries; at least one.
    pub(super) fn new(size: u32) -> Self {
        Self { outcomes: vec![UNKNOWN; size.max(1) as usize].into(), at: 0, released: 0 }
    }

    /// Gives an entry to `outcome`; returns who had it before.
    #[inline]
    fn pass_on(&mut self, outcome: u64) -> Option<u64> {
        let before = std::mem::replace(&mut self.outcomes[self.at], outcome);
        self.at = if self.at + 1 < self.outcomes.len() { self.at + 1 } else { 0 };
        (before != UNKNOWN).then_some(before)
    }
}

impl<M: Memory> Window<M> {
    /// When the instruction's slot comes, if nothing but the front end matters. An outcome without
    /// instructions of its own belongs to the instruction before.
    #[inline]
    fn front_end(&self, slot: u16) -> u64 {
        match u64::from(self.ring[usize::from(slot)].instructions) {
            0 => self.last_slot,
            instructions => self.free_slot + (instructions - 1),
        }
    }

    /// When the reorder buffer has room for the entry's instruction. Between outcomes instructions
    /// retire at full width, so only the last outcome that is a whole buffer older matters.
    #[inline]
    fn reorder_buffer(&mut self, slot: u16) -> u64 {
        let instruction = self.ring[usize::from(slot)].instruction;
        while self.rob_next < self.next {
            let older = self.slot_of(self.rob_next);
            if self.ring[usize::from(older)].instruction + self.rob > instruction {
                break;
            }
            self.wait_for(Awaited::Retired(older));
            self.pass_rob(self.rob_next);
        }
        let (oldest, retired) = self.rob_anchor;
        match instruction.checked_sub(self.rob) {
            Some(bound) if self.rob_next > 0 => retired + bound.saturating_sub(oldest),
            _ => 0,
        }
    }

    /// Moves the reorder buffer's mark past an outcome that has retired.
    #[inline]
    pub(super) fn pass_rob(&mut self, outcome: u64) {
        let entry = &self.ring[usize::from(self.slot_of(outcome))];
        self.rob_anchor = (entry.instruction, entry.retired);
        self.rob_next = outcome + 1;
    }

    /// When the load or store queue has an entry for it, and the component that it then waited for.
    #[inline]
    fn queue(&mut self, slot: u16) -> (u64, u8) {
        let store = match self.ring[usize::from(slot)].kind {
            OutcomeKind::Load | OutcomeKind::Prefetch => false,
            OutcomeKind::Store => true,
            _ => return (0, stack::BASE),
        };
        let queue = if store { &mut self.stores } else { &mut self.loads };
        let Some(oldest) = queue.pass_on(self.next) else { return (0, stack::BASE) };
        if oldest + self.ring.len() as u64 <= self.next {
            return (0, stack::BASE);
        }
        let older = self.slot_of(oldest);
        let released = self.wait_for(Awaited::Released(older));
        let queue = if store { &mut self.stores } else { &mut self.loads };
        queue.released = queue.released.max(released);
        (queue.released, stack::source(self.ring[usize::from(older)].served))
    }

    /// Lets the entry in, in order.
    #[inline]
    pub(super) fn dispatch(&mut self, slot: u16) {
        let front = self.front_end(slot).max(self.reorder_buffer(slot));
        let (room, component) = self.queue(slot);
        let at = front.max(room).max(self.units.now);
        self.simulate(at, Awaited::Nothing);
        self.enter(slot, at);
        if room > front {
            self.entry(slot).late = component;
        }
    }

    /// Lets a fetch be answered, then its instruction in.
    pub(super) fn fetch(&mut self, slot: u16) {
        let begin = self.front_end(slot).max(self.units.now);
        self.simulate(begin, Awaited::Nothing);
        self.units.now = begin;
        self.entry(slot).dispatched = begin;
        self.start(slot);
        let answered = self.wait_for(Awaited::Filled(slot));
        let at = begin.max(answered).max(self.reorder_buffer(slot)).max(self.units.now);
        self.simulate(at, Awaited::Nothing);
        self.enter(slot, at);
        let entry = self.entry(slot);
        entry.ready = entry.slot_end();
    }

    #[inline]
    fn enter(&mut self, slot: u16, at: u64) {
        self.units.now = at;
        self.last_slot = at;
        let entry = self.entry(slot);
        entry.dispatched = at;
        let end = entry.slot_end();
        if let OutcomeKind::Prefetch | OutcomeKind::HardwarePrefetch { .. } = entry.kind {
            entry.ready = end;
        }
        self.free_slot = self.free_slot.max(end);
    }

    /// An outcome that needs nothing but its place in the order.
    pub(super) fn pass(&mut self, slot: u16) {
        let done = self.entry(slot).slot_end();
        let now = self.units.now;
        self.finish_at(slot, now, done);
    }

    /// A mispredicted branch: nothing dispatches until its condition is known.
    pub(super) fn resolve(&mut self, slot: u16) {
        if self.entry(slot).state == State::Ancestor {
            let older = self.entry(slot).step;
            if older != NOBODY {
                self.wait_for(Awaited::Filled(older));
            }
        }
        let known = self.chain_end(slot);
        let done = known.max(self.entry(slot).slot_end());
        self.finish_at(slot, done, done);
        self.retire();
        self.free_slot = self.free_slot.max(done + self.units.latencies.mispredict);
        self.last_slot = self.last_slot.max(done + self.units.latencies.mispredict);
        self.late = stack::BRANCH;
    }

    /// An outcome that accesses nothing is known about at `known` and over at `done`.
    fn finish_at(&mut self, slot: u16, known: u64, done: u64) {
        let cursor = done.max(self.units.now);
        let entry = self.entry(slot);
        (entry.start, entry.translated, entry.walked, entry.issued) = (known, known, known, known);
        (entry.fill, entry.ready, entry.cursor) = (done, done, cursor);
        entry.state = State::Fill;
        self.run(slot);
    }

    /// When the chain of hits between the ancestor and this entry ends. A chain without an ancestor
    /// began with the run of instructions that the outcome ends.
    #[inline]
    pub(super) fn chain_end(&self, slot: u16) -> u64 {
        let entry = &self.ring[usize::from(slot)];
        if entry.state != State::Ancestor {
            return entry.dispatched;
        }
        let run = u64::from(entry.instructions.max(1)) - 1;
        let begin = match entry.step {
            NOBODY => entry.dispatched.saturating_sub(run),
            older => match self.ring[usize::from(older)].fill {
                UNKNOWN => entry.dispatched,
                fill => fill,
            },
        };
        let hits = u64::from(entry.chain) * self.units.latencies.first_hit[0];
        entry.dispatched.max(begin + hits)
    }

    /// The kernel had the CPU until `until`; dispatch resumes.
    pub(super) fn resume(&mut self, until: u64) {
        self.retired_at = until;
        self.free_slot = self.free_slot.max(until);
        self.last_slot = self.last_slot.max(until);
    }
}
