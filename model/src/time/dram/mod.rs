//! Main memory.

mod mapping;
pub mod settings;
mod standard;

/// Beats of a burst (BL8): columns that one read or write moves.
const BURST: u32 = 8;

/// Clocks that a burst occupies the data bus: two beats a clock.
const BURST_CLOCKS: u64 = BURST as u64 / 2;

/// Bytes of a burst on a 64-bit channel.
const BURST_BYTES: u64 = BURST as u64 * 8;
