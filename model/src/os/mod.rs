//! The operating system's memory manager: address spaces, page tables, frames, reclaim and swap.

pub mod reclaim;
pub mod settings;
