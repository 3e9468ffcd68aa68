//! What the window asks of memory and of the swap device. The traits keep it testable against a memory
//! whose every answer takes the same time.

use crate::address::{PhysAddr, SwapSlot};

use super::clock::Clock;
use super::entry::NOBODY;
use super::storage::Operation;

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
    fn submit(&mut self, arrival: u64, operation: Operation, slot: SwapSlot, pages: u32) -> u64;
}

/// The CPU's side of the memory controller: reads under way, and how far memory has been simulated.
#[derive(Debug)]
pub(super) struct Controller<M: Memory> {
    pub(super) memory: M,
    clock: Clock,
    /// Picoseconds between the last-level cache and memory's queue, each way.
    latency: u64,
    /// Bytes of a line of the last-level cache.
    line: u64,
    /// Bursts that are still to come, and who waits for them.
    reads: Vec<(M::Id, u16)>,
    /// No read that is under way is back before this slot.
    quiet_until: u64,
    /// Requests since memory was last advanced.
    fresh: u32,
}

/// Bytes that memory moves at once: BL8 on a 64-bit channel (JEDEC JESD79-4).
const BURST: u64 = 64;

/// The bursts of the line of `line` bytes (a power of two) that holds `addr`.
fn bursts(addr: PhysAddr, line: u64) -> impl Iterator<Item = PhysAddr> {
    let first = if line > BURST { addr.0 & !(line - 1) } else { addr.0 };
    (0..line / BURST).map(move |burst| PhysAddr(first + burst * BURST))
}

/// Requests that may pile up in memory before it is made to work through them.
const FRESH: u32 = 256;

impl<M: Memory> Controller<M> {
    pub(super) fn new(memory: M, clock: Clock, latency: u64, line: u64) -> Self {
        let line = line.max(BURST);
        Self { memory, clock, latency, line, reads: Vec::new(), quiet_until: 0, fresh: 0 }
    }

    /// Reads a line for `slot`, which leaves the core's side at `now`: as many bursts as it is long.
    pub(super) fn read(&mut self, now: u64, addr: PhysAddr, slot: u16) {
        let arrival = self.arrival(now);
        for burst in bursts(addr, self.line) {
            let id = self.memory.submit(arrival, burst, false);
            self.fresh += 1;
            self.reads.push((id, slot));
        }
    }

    /// Reads a line that nothing waits for.
    pub(super) fn fetch(&mut self, now: u64, addr: PhysAddr) {
        self.read(now, addr, NOBODY);
    }

    /// Writes a line, or what is less; nothing waits for it.
    pub(super) fn write(&mut self, now: u64, addr: PhysAddr, whole_line: bool) {
        let arrival = self.arrival(now);
        for burst in bursts(addr, if whole_line { self.line } else { BURST }) {
            self.memory.submit(arrival, burst, true);
            self.fresh += 1;
        }
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

    /// Simulates memory until a read has its last burst, or as far as `horizon` allows.
    fn advance(&mut self, horizon: u64) -> Option<(u16, u64)> {
        self.fresh = 0;
        let until = if horizon == u64::MAX { u64::MAX } else { self.arrival(horizon) };
        loop {
            let answer = self.memory.advance(until);
            let stopped = answer.map_or(until, |(_, finish)| finish);
            self.quiet_until = self.clock.slots(stopped.saturating_add(self.latency));
            let (id, _) = answer?;
            let index = self.reads.iter().position(|(read, _)| *read == id)?;
            let (_, slot) = self.reads.swap_remove(index);
            if slot == NOBODY {
                continue;
            }
            if self.line == BURST || self.reads.iter().all(|(_, other)| *other != slot) {
                return Some((slot, self.quiet_until));
            }
        }
    }

    /// Lets memory finish everything. Only when the core asks for nothing more.
    pub(super) fn drain(&mut self) {
        while self.memory.advance(u64::MAX).is_some() {}
        self.reads.clear();
    }
}
