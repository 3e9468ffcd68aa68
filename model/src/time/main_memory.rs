//! Main memory as a whole: one, or in nodes.

use crate::address::PhysAddr;
use crate::config::{Config, InvalidSetting};
use crate::statistics::Statistics;

use super::dram::Dram;
use super::nodes::Nodes;
use super::ports::Memory;

/// A machine's main memory.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one a machine, and every read goes through it"
)]
pub(super) enum MainMemory {
    /// All alike.
    One(Dram),
    /// In nodes.
    Nodes(Nodes),
}

impl MainMemory {
    /// Idle, at time 0.
    ///
    /// # Errors
    /// As [`Dram::new`].
    pub(super) fn new(config: &Config) -> Result<Self, InvalidSetting> {
        if config.numa.node.is_empty() {
            Dram::new(&config.dram).map(Self::One)
        } else {
            Nodes::new(config).map(Self::Nodes)
        }
    }

    /// Declares the statistics.
    pub(super) fn report(&self, out: &mut Statistics) {
        match self {
            Self::One(dram) => dram.report(out),
            Self::Nodes(nodes) => nodes.report(out),
        }
    }
}

impl Memory for MainMemory {
    #[inline]
    fn submit(&mut self, arrival: u64, addr: PhysAddr, write: bool) -> u64 {
        match self {
            Self::One(dram) => dram.submit(arrival, addr, write).0,
            Self::Nodes(nodes) => nodes.submit(arrival, addr, write),
        }
    }
    #[inline]
    fn advance(&mut self, until: u64) -> Option<(u64, u64)> {
        match self {
            Self::One(dram) => dram.advance(until).map(|(id, finish)| (id.0, finish)),
            Self::Nodes(nodes) => nodes.advance(until),
        }
    }
    fn touch(&mut self, time: u64, addr: PhysAddr) {
        match self {
            Self::One(dram) => dram.touch(time, addr),
            Self::Nodes(nodes) => nodes.touch(time, addr),
        }
    }
}
