//! What the window asks of memory and of the swap device. The traits keep it testable against a memory
//! whose every answer takes the same time.

use crate::address::PhysAddr;

use super::storage::Run;

/// Main memory, behind its controller. Time is in picoseconds.
pub(super) trait Memory {
    /// Hands over a request for the line at `addr`; returns its number, one more than the last one's.
    /// Arrivals never lie before the last `until`, nor before the last answer.
    fn submit(&mut self, arrival: u64, addr: PhysAddr, write: bool) -> u64;
    /// Simulates up to `until`, or up to the first read that finishes by then, whose number is returned
    /// with its time. Nothing will arrive earlier than where this stops.
    fn advance(&mut self, until: u64) -> Option<(u64, u64)>;
    /// A request for `addr` came and was served at `time` without being simulated: only what lasts of it,
    /// the open row, is kept. Times are as those of arrivals.
    fn touch(&mut self, time: u64, addr: PhysAddr);
}

/// A swap device. Time is in picoseconds; arrivals do not decrease.
pub(super) trait Backing {
    /// Reads runs of slots that are asked for together; returns when all are there.
    fn read(&mut self, arrival: u64, runs: &[Run]) -> u64;
    /// Hands over the write of a run; returns when the writer can go on.
    fn write(&mut self, arrival: u64, run: Run) -> u64;
    /// Whether the CPU itself does what is asked of a run, so that nobody sleeps.
    fn is_synchronous(&self, run: &Run) -> bool;
}
