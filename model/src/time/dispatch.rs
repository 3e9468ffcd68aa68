//! Dispatch: when an instruction may enter the window, and what enters otherwise.

use crate::outcome::OutcomeKind;

use super::access::Shared;
use super::entry::{Entry, NOBODY, State, UNKNOWN};
use super::ports::Memory;
use super::stack;
use super::window::{Awaited, Wait, Window};

/// When an outcome may enter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entrance {
    pub(super) at: u64,
    /// When the front end and the reorder buffer let it.
    pub(super) front: u64,
    /// When the load or store queue does, and the place of the outcome that it waits for then.
    pub(super) room: u64,
    holder: Option<u16>,
}

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

    /// Who had the next entry last.
    #[inline]
    fn holder(&self) -> Option<u64> {
        let before = self.outcomes[self.at];
        (before != UNKNOWN).then_some(before)
    }

    /// Gives the next entry to `outcome`.
    #[inline]
    fn pass_on(&mut self, outcome: u64) {
        self.outcomes[self.at] = outcome;
        self.at = if self.at + 1 < self.outcomes.len() { self.at + 1 } else { 0 };
    }
}

impl Window {
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
    #[inline(always)]
    fn reorder_buffer(&mut self, slot: u16, wait: &mut impl Wait) -> Option<u64> {
        let instruction = self.ring[usize::from(slot)].instruction;
        while self.rob_next < self.next {
            let older = self.slot_of(self.rob_next);
            if self.ring[usize::from(older)].instruction + self.rob > instruction {
                break;
            }
            wait.until(self, Awaited::Retired(older))?;
            self.pass_rob(self.rob_next);
        }
        let (oldest, retired) = self.rob_anchor;
        Some(match instruction.checked_sub(self.rob) {
            Some(bound) if self.rob_next > 0 => retired + bound.saturating_sub(oldest),
            _ => 0,
        })
    }

    /// Moves the reorder buffer's mark past an outcome that has retired.
    #[inline]
    pub(super) fn pass_rob(&mut self, outcome: u64) {
        let entry = &self.ring[usize::from(self.slot_of(outcome))];
        self.rob_anchor = (entry.instruction, entry.retired);
        self.rob_next = outcome + 1;
    }

    /// When the load or store queue has an entry for it, and the place of the outcome that it then waited for.
    #[inline(always)]
    fn queue(&mut self, slot: u16, wait: &mut impl Wait) -> Option<(u64, Option<u16>)> {
        const AT_ONCE: (u64, Option<u16>) = (0, None);
        let store = match self.ring[usize::from(slot)].kind {
            OutcomeKind::Load | OutcomeKind::Prefetch => false,
            OutcomeKind::Store => true,
            _ => return Some(AT_ONCE),
        };
        let queue = if store { &mut self.stores } else { &mut self.loads };
        let holder = queue.holder().filter(|oldest| oldest + self.ring.len() as u64 > self.next);
        let Some(oldest) = holder else {
            queue.pass_on(self.next);
            return Some(AT_ONCE);
        };
        let older = self.slot_of(oldest);
        let released = wait.until(self, Awaited::Released(older))?;
        let queue = if store { &mut self.stores } else { &mut self.loads };
        queue.pass_on(self.next);
        queue.released = queue.released.max(released);
        Some((queue.released, Some(older)))
    }

    /// When the entry may enter, in order.
    #[inline(always)]
    pub(super) fn entrance(&mut self, slot: u16, wait: &mut impl Wait) -> Option<Entrance> {
        let front = self.front_end(slot).max(self.reorder_buffer(slot, wait)?);
        let (room, holder) = self.queue(slot, wait)?;
        Some(Entrance { at: front.max(room).max(wait.now()), front, room, holder })
    }

    /// Lets the entry in.
    #[inline(always)]
    pub(super) fn admit<M: Memory>(
        &mut self,
        shared: &mut Shared<M>,
        slot: u16,
        entrance: &Entrance,
    ) {
        self.enter(shared, slot, entrance.at);
        if let Some(older) = entrance.holder.filter(|_| entrance.room > entrance.front) {
            let holder = &self.ring[usize::from(older)];
            self.entry(slot).late =
                if holder.upgrades { stack::PEERS } else { stack::source(holder.served) };
            if let Some(attribution) = &mut self.attribution {
                attribution.waited(slot, older);
            }
        }
    }

    /// When a fetch may begin.
    pub(super) fn fetch_begin(&self, slot: u16, now: u64) -> u64 {
        self.front_end(slot).max(now)
    }

    /// Lets a fetch begin.
    pub(super) fn begin_fetch<M: Memory>(&mut self, shared: &mut Shared<M>, slot: u16, begin: u64) {
        shared.now = begin;
        self.entry(slot).dispatched = begin;
        self.start(shared, slot);
    }

    /// When the instruction of a fetch that began at `begin` may enter.
    pub(super) fn fetched(&mut self, slot: u16, begin: u64, wait: &mut impl Wait) -> Option<u64> {
        let answered = wait.until(self, Awaited::Filled(slot))?;
        let room = self.reorder_buffer(slot, wait)?;
        Some(begin.max(answered).max(room).max(wait.now()))
    }

    /// Lets the instruction of a fetch in.
    pub(super) fn end_fetch<M: Memory>(&mut self, shared: &mut Shared<M>, slot: u16, at: u64) {
        self.enter(shared, slot, at);
        let entry = self.entry(slot);
        entry.ready = entry.slot_end();
    }

    #[inline]
    fn enter<M: Memory>(&mut self, shared: &mut Shared<M>, slot: u16, at: u64) {
        shared.now = at;
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
    pub(super) fn pass<M: Memory>(&mut self, shared: &mut Shared<M>, slot: u16) {
        let done = self.entry(slot).slot_end();
        let now = shared.now;
        self.finish_at(shared, slot, now, done);
    }

    /// Whether the condition of a mispredicted branch is known, until when nothing dispatches.
    pub(super) fn condition(&mut self, slot: u16, wait: &mut impl Wait) -> Option<()> {
        let Entry { state, step: older, .. } = self.ring[usize::from(slot)];
        if state == State::Ancestor && older != NOBODY {
            wait.until(self, Awaited::Filled(older))?;
        }
        Some(())
    }

    /// The condition of a mispredicted branch is known.
    pub(super) fn resolve<M: Memory>(&mut self, shared: &mut Shared<M>, slot: u16) {
        let known = self.chain_end(shared, slot);
        let done = known.max(self.entry(slot).slot_end());
        self.finish_at(shared, slot, done, done);
        self.retire(shared);
        self.free_slot = self.free_slot.max(done + shared.latencies.mispredict);
        self.last_slot = self.last_slot.max(done + shared.latencies.mispredict);
        self.late = stack::BRANCH;
        if let Some(attribution) = &mut self.attribution {
            attribution.mispredicted(slot);
        }
    }

    /// An outcome that accesses nothing is known about at `known` and over at `done`.
    fn finish_at<M: Memory>(&mut self, shared: &mut Shared<M>, slot: u16, known: u64, done: u64) {
        let cursor = done.max(shared.now);
        let entry = self.entry(slot);
        (entry.start, entry.translated, entry.walked, entry.issued) = (known, known, known, known);
        (entry.fill, entry.ready, entry.cursor) = (done, done, cursor);
        entry.state = State::Fill;
        self.run(shared, slot);
    }

    /// When the chain of hits between the ancestor and this entry ends. A chain without an ancestor
    /// began with the run of instructions that the outcome ends.
    #[inline]
    pub(super) fn chain_end<M: Memory>(&self, shared: &Shared<M>, slot: u16) -> u64 {
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
        let hits = u64::from(entry.chain) * shared.latencies.first_hit[0];
        entry.dispatched.max(begin + hits)
    }

    /// The kernel had the CPU until `until`; dispatch resumes.
    pub(super) fn resume(&mut self, until: u64) {
        self.retired_at = until;
        self.free_slot = self.free_slot.max(until);
        self.last_slot = self.last_slot.max(until);
    }
}
