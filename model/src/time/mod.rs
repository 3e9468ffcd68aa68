//! The time half: what the outcomes cost.
//!
//! ```text
//! outcomes ──► window ──► access ──► walkers, miss registers ──► controller ──► dram
//!                │
//!                └──► kernel ──► storage
//! ```
//! [`Timing`] takes the function half's outcomes in order and lets them flow through a window of
//! instructions in flight (`window`), each along its own way from address to data (`access`), through
//! units of which there are only so many (`pool`), to memory, which answers late ([`dram`]). Faults
//! drain the window and hand the CPU to the kernel (`kernel`), which may wait for the swap device
//! ([`storage`]). Every slot of the CPU is charged to one component (`stack`).

mod access;
mod clock;
pub mod dram;
mod entry;
mod events;
mod kernel;
mod latencies;
mod pool;
mod ports;
pub mod settings;
mod simulation;
mod stack;
pub mod storage;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod window;
