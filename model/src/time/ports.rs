//! What the window asks of memory and of the swap device. The traits keep it testable against a memory
//! whose every answer takes the same time.

use crate::address::{PhysAddr, SwapSlot};

use super::storage::Operation;

/// Main memory, behind its controller. Time is in picoseconds.
pub(super) trait Memory {
    /// Hands over a request for the line at `addr`; returns its number, one more than the last one's.
    /// Arrivals never lie before the last `until`, nor before the last answer.
    fn submit(&mut self, arrival: u64, addr: PhysAddr, write: bool) -> u64;
    /// Simulates up to `until`, or up to the first read that finishes by then, whose number is returned
    /// with its time. Nothing will arrive earlier than where this stops.
    fn advance(&mut self, until: u64) -> Option<(u64, u64)>;
}

/// A swap device.
pub(super) trait Backing {
    /// Transfers `pages` base pages from `slot` on; returns when it is done. Arrivals do not decrease.
    fn submit(&mut self, arrival: u64, operation: Operation, slot: SwapSlot, pages: u32) -> u64;
}
