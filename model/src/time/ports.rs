//! What the window asks of memory and of the swap device. The traits keep it testable against a memory
//! whose every answer takes the same time.

use crate::address::{PhysAddr, SwapSlot};

use super::clock::Clock;

/// Main memory, behind its controller. Time is in picoseconds.
pub(super) trait Memory {
    /// Names a request until it is answered.
    type Id: Copy + PartialEq + std::fmt::Debug;
    /// Hands over a request for the line at `addr`. Arrivals never lie before the last `until`, nor
    /// before the last answer.
    fn submit(&mut self, arrival: u64, addr: PhysAddr, write: bool) -> Self::Id;
    /// Simulates up to `until`, or up to the first read that finishes by then, which is returned with
    /// its time. Nothing will arrive earlier than where this stops.
    fn advance(&mut self, until: u64) -> Option<(Self::Id, u64)>;
}

/// A swap device.
pub(super) trait Backing {
    /// Transfers `pages` base pages from `slot` on; returns when it is done. Arrivals do not decrease.
    fn submit(&mut self, arrival: u64, write: bool, slot: SwapSlot, pages: u32) -> u64;
}

/// The CPU's side of the memory controller: reads under way, and how far memory has been simulated.
#[derive(Debug)]
pub(super) struct Controller<M: Memory> {
    pub(super) memory: M,
    clock: Clock,
    /// Picoseconds between the last-level cache and memory's queue, each way.
    latency: u64,
    reads: Vec<(M::Id, u16)>,
    /// No read that is under way is back before this slot.
    quiet_until: u64,
    /// Requests since memory was last advanced.
    fresh: u32,
}

/// Requests that may pile up in memory before it is made to work through them.
const FRESH: u32 = 256;

impl<M: Memory> Controller<M> {
    pub(super) fn new(memory: M, clock: Clock, latency: u64) -> Self {
        Self { memory, clock, latency, reads: Vec::new(), quiet_until: 0, fresh: 0 }
    }

    /// Reads a line for `slot`, which leaves the core's side at `now`.
    pub(super) fn read(&mut self, now: u64, addr: PhysAddr, slot: u16) {
        let id = self.memory.submit(self.arrival(now), addr, false);
        self.fresh += 1;
        self.reads.push((id, slot));
    }

    /// Writes a line; nothing waits for it.
    pub(super) fn write(&mut self, now: u64, addr: PhysAddr) {
        self.memory.submit(self.arrival(now), addr, true);
        self.fresh += 1;
    }

    fn arrival(&self, now: u64) -> u64 {
        self.clock.picoseconds(now).saturating_add(self.latency)
    }

    /// A read that may be back by `horizon` (slots), before which the core does nothing: who waits for
    /// it, and when it is back. To be called until there is none.
    ///
    /// Whatever the core does at `horizon` reaches memory one controller latency later and the answer
    /// takes another, so one step of memory covers the core's events of two latencies.
    #[inline]
    pub(super) fn poll(&mut self, horizon: u64) -> Option<(u16, u64)> {
        let wanted = !self.reads.is_empty() && horizon > self.quiet_until;
        if !wanted && (self.fresh < FRESH || horizon == u64::MAX) {
            return None;
        }
        self.advance(horizon)
    }

    fn advance(&mut self, horizon: u64) -> Option<(u16, u64)> {
        self.fresh = 0;
        let until = if horizon == u64::MAX { u64::MAX } else { self.arrival(horizon) };
        let answer = self.memory.advance(until);
        let stopped = answer.map_or(until, |(_, finish)| finish);
        self.quiet_until = self.clock.slots(stopped.saturating_add(self.latency));
        let (id, _) = answer?;
        let index = self.reads.iter().position(|(read, _)| *read == id)?;
        let (_, slot) = self.reads.swap_remove(index);
        Some((slot, self.quiet_until))
    }

    /// Lets memory finish everything. Only when the core asks for nothing more.
    pub(super) fn drain(&mut self) {
        while self.memory.advance(u64::MAX).is_some() {}
        self.reads.clear();
    }
}
