//! A memory and a device whose every answer takes the same time.

use std::collections::VecDeque;

use crate::address::PhysAddr;

use super::ports::{Backing, Memory};
use super::storage::Run;

/// Answers every request after the same time, any number at once.
#[derive(Debug)]
pub(super) struct FixedLatency {
    latency: u64,
    requests: u64,
    reads: VecDeque<(u64, u64)>,
    reached: u64,
    /// When the write to the device that is under way is done.
    writing_until: u64,
    pub(super) writes: Vec<(u64, PhysAddr)>,
}

impl FixedLatency {
    /// `latency` in picoseconds.
    pub(super) fn new(latency: u64) -> Self {
        Self {
            latency,
            requests: 0,
            reads: VecDeque::new(),
            reached: 0,
            writing_until: 0,
            writes: Vec::new(),
        }
    }

    /// How many reads were asked for.
    pub(super) fn reads(&self) -> u64 {
        self.requests - self.writes.len() as u64
    }
}

impl Memory for FixedLatency {
    fn submit(&mut self, arrival: u64, addr: PhysAddr, write: bool) -> u64 {
        assert!(arrival >= self.reached, "{arrival} is before {}", self.reached);
        self.requests += 1;
        if write {
            self.writes.push((arrival, addr));
        } else {
            self.reads.push_back((self.requests, arrival + self.latency));
        }
        self.requests
    }
    fn touch(&mut self, _: u64, _: PhysAddr) {}
    fn advance(&mut self, until: u64) -> Option<(u64, u64)> {
        match self.reads.front() {
            Some((_, finish)) if *finish <= until => {
                self.reached = self.reached.max(*finish);
                self.reads.pop_front()
            }
            _ => {
                self.reached = if until == u64::MAX { self.reached } else { until };
                None
            }
        }
    }
}

impl Backing for FixedLatency {
    fn read(&mut self, arrival: u64, _: &[Run]) -> u64 {
        assert!(arrival >= self.reached);
        self.reached = arrival;
        arrival + self.latency
    }
    /// A queue of one place.
    fn write(&mut self, arrival: u64, _: Run) -> u64 {
        let taken = arrival.max(self.writing_until);
        self.writing_until = taken + self.latency;
        taken
    }
    /// Slots from 1000 on are in memory.
    fn is_synchronous(&self, run: &Run) -> bool {
        run.first.0 >= 1000
    }
}
