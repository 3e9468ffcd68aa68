//! The CPUs' side of the memory controller: reads under way, and how far memory has been simulated.

use crate::address::PhysAddr;

use super::clock::Clock;
use super::entry::{Anyone, NO_ONE};
use super::ports::Memory;

/// The CPUs' side of the memory controller.
#[derive(Debug)]
pub(super) struct Controller<M: Memory> {
    pub(super) memory: M,
    clock: Clock,
    /// Picoseconds between the last-level cache and memory's queue, each way.
    latency: u64,
    /// Bytes of a line of the last-level cache.
    line: u64,
    /// Bursts that are still to come, and who waits for them.
    reads: Reads,
    /// How many of its line's bursts each entry still waits for, where that is more than one.
    bursts: Vec<u32>,
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
    /// Of CPUs that have so many entries in their windows.
    pub(super) fn new(memory: M, clock: Clock, latency: u64, line: u64, entries: usize) -> Self {
        Self {
            memory,
            clock,
            latency,
            line: line.max(BURST),
            reads: Reads::new(),
            bursts: vec![0; if line > BURST { entries } else { 0 }],
            quiet_until: 0,
            fresh: 0,
        }
    }

    /// Reads a line for `slot`, which leaves the core's side at `now`: as many bursts as it is long.
    #[inline]
    pub(super) fn read(&mut self, now: u64, addr: PhysAddr, slot: Anyone) {
        let arrival = self.arrival(now);
        if self.line == BURST {
            return self.read_burst(arrival, addr, slot);
        }
        for burst in bursts(addr, self.line) {
            self.read_burst(arrival, burst, slot);
            if let Some(left) = self.bursts.get_mut(slot as usize) {
                *left += 1;
            }
        }
    }

    #[inline]
    fn read_burst(&mut self, arrival: u64, addr: PhysAddr, slot: Anyone) {
        let number = self.memory.submit(arrival, addr, false);
        self.reads.add(number, slot);
        self.fresh += 1;
    }

    /// Reads a line that nothing waits for.
    pub(super) fn fetch(&mut self, now: u64, addr: PhysAddr) {
        self.read(now, addr, NO_ONE);
    }

    /// Writes a line, or what is less; nothing waits for it.
    pub(super) fn write(&mut self, now: u64, addr: PhysAddr, whole_line: bool) {
        let arrival = self.arrival(now);
        for burst in bursts(addr, if whole_line { self.line } else { BURST }) {
            self.memory.submit(arrival, burst, true);
            self.fresh += 1;
        }
    }

    /// Memory has served a line at `now` that is not simulated. Ignored while reads are under way, which
    /// leave rows in an order of their own.
    pub(super) fn touch(&mut self, now: u64, addr: PhysAddr) {
        if self.reads.count > 0 {
            return;
        }
        let arrival = self.arrival(now);
        // Writes that have waited for reads to end are served first.
        self.memory.advance(arrival);
        for burst in bursts(addr, self.line) {
            self.memory.touch(arrival, burst);
        }
    }

    #[inline]
    fn arrival(&self, now: u64) -> u64 {
        self.clock.picoseconds(now).saturating_add(self.latency)
    }

    /// A read that may be back by `horizon` (slots), before which no core does anything: who waits for
    /// it, and when it is back. To be called until there is none.
    ///
    /// Whatever a core does at `horizon` reaches memory one controller latency later and the answer
    /// takes another, so one step of memory covers the cores' events of two latencies.
    #[inline]
    pub(super) fn poll(&mut self, horizon: u64) -> Option<(Anyone, u64)> {
        let wanted = horizon > self.quiet_until && self.reads.count > 0;
        if !wanted && (self.fresh < FRESH || horizon == u64::MAX) {
            return None;
        }
        self.advance(horizon)
    }

    /// Simulates memory until a read has its last burst, or as far as `horizon` allows.
    fn advance(&mut self, horizon: u64) -> Option<(Anyone, u64)> {
        self.fresh = 0;
        let until = if horizon == u64::MAX { u64::MAX } else { self.arrival(horizon) };
        loop {
            let answer = self.memory.advance(until);
            let stopped = answer.map_or(until, |(_, finish)| finish);
            self.quiet_until = self.clock.slots(stopped.saturating_add(self.latency));
            let slot = self.reads.take(answer?.0)?;
            if slot != NO_ONE && self.is_last_burst(slot) {
                return Some((slot, self.quiet_until));
            }
        }
    }

    /// Whether a burst for `slot` completes its line.
    #[inline]
    fn is_last_burst(&mut self, slot: Anyone) -> bool {
        match self.bursts.get_mut(slot as usize) {
            Some(left) => {
                *left -= 1;
                *left == 0
            }
            None => true,
        }
    }

    /// Lets memory finish everything. Only when no core asks for anything more.
    pub(super) fn drain(&mut self) {
        while self.memory.advance(u64::MAX).is_some() {}
        self.reads = Reads::new();
    }
}

/// Reads under way: who waits for each, by its number. Numbers rise, so that those under way lie close
/// together.
#[derive(Debug)]
struct Reads {
    count: usize,
    /// A read's place is its number modulo the length, a power of two.
    places: Vec<Read>,
}

#[derive(Debug, Clone, Copy)]
struct Read {
    /// [`NO_READ`] where there is none.
    number: u64,
    slot: Anyone,
}

const NO_READ: u64 = u64::MAX;

impl Reads {
    fn new() -> Self {
        Self { count: 0, places: Self::places(256) }
    }

    fn places(count: usize) -> Vec<Read> {
        vec![Read { number: NO_READ, slot: NO_ONE }; count]
    }

    #[inline]
    fn place(&mut self, number: u64) -> &mut Read {
        let mask = self.places.len() - 1;
        &mut self.places[number as usize & mask]
    }

    #[inline]
    fn add(&mut self, number: u64, slot: Anyone) {
        while self.place(number).number != NO_READ {
            self.grow();
        }
        *self.place(number) = Read { number, slot };
        self.count += 1;
    }

    /// Doubles the places. Those of different numbers stay different.
    #[cold]
    fn grow(&mut self) {
        let places = Self::places(2 * self.places.len());
        for read in std::mem::replace(&mut self.places, places) {
            if read.number != NO_READ {
                *self.place(read.number) = read;
            }
        }
    }

    /// Who waits for a read, which is over.
    #[inline]
    fn take(&mut self, number: u64) -> Option<Anyone> {
        let place = self.place(number);
        if place.number != number {
            return None;
        }
        let slot = place.slot;
        place.number = NO_READ;
        self.count -= 1;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_takes_long_stays_known() {
        let mut reads = Reads::new();
        reads.add(3, 30);
        for number in 4..10_000 {
            reads.add(number, number as Anyone);
            assert_eq!(reads.take(number), Some(number as Anyone));
            assert_eq!(reads.take(number), None);
            assert_eq!(reads.count, 1);
        }
        assert_eq!(reads.take(3), Some(30));
    }
}
