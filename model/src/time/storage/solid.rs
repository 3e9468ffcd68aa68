//! A drive without moving parts behind the block layer's queue, which bounds the writes under way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::flash::Drive;
use super::{Operation, WRITES};

/// A drive with its queue. Times are in picoseconds.
#[derive(Debug, Clone)]
pub(super) struct Solid {
    drive: Drive,
    /// When the writes under way are done.
    writes: BinaryHeap<Reverse<u64>>,
}

impl Solid {
    pub fn new(drive: Drive) -> Self {
        Self { drive, writes: BinaryHeap::new() }
    }

    /// The completion of a read of `pages`.
    pub fn read(&mut self, arrival: u64, pages: u32, page_bytes: u64) -> u64 {
        self.drive.submit(arrival, Operation::Read, pages, page_bytes)
    }

    /// When the queue takes a write of `pages`, and its completion.
    pub fn write(&mut self, arrival: u64, pages: u32, page_bytes: u64) -> (u64, u64) {
        while self.writes.peek().is_some_and(|Reverse(done)| *done <= arrival) {
            self.writes.pop();
        }
        let full = self.writes.len() >= WRITES;
        let freed = if full { self.writes.pop() } else { None };
        let taken = freed.map_or(arrival, |Reverse(done)| done);
        let done = self.drive.submit(taken, Operation::Write, pages, page_bytes);
        self.writes.push(Reverse(done));
        (taken, done)
    }
}
