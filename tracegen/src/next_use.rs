//! When every page is touched next: what Belady's policy has to know of the future.
//!
//! A trace is read once to spool the pages that it touches to a temporary file, the file is gone through
//! backwards to find each touch's successor, and a second reading of the trace is given the result batch
//! by batch. Memory is proportional to the distinct pages, not to the trace.

/// The numbers of the pages of 2^`shift` bytes that an access of `size` bytes at `addr` touches.
pub fn pages(addr: u64, size: u32, shift: u8) -> std::ops::RangeInclusive<u64> {
    let last = addr.saturating_add(u64::from(size.max(1)) - 1);
    addr >> shift..=last >> shift
}
