//! The order in which the requests that wait for a disk are served.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheduler {
    /// As they came.
    Fifo,
    /// Up and down again: onwards in the direction of the last one while there is any.
    Look,
    /// Upwards, then from the lowest again (Seaman, Lind and Wilson, "On teleprocessing system design",
    /// IBM Systems Journal 5(3), 1966; the one-way elevator of Linux's deadline scheduler).
    #[default]
    CLook,
}

/// A request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub arrival: u64,
    pub first_byte: u64,
    pub bytes: u64,
    pub write: bool,
}

/// The requests that wait, in the order of their arrival.
#[derive(Debug, Clone)]
pub(super) struct Elevator {
    scheduler: Scheduler,
    upwards: bool,
    waiting: Vec<Request>,
}

impl Elevator {
    pub fn new(scheduler: Scheduler) -> Self {
        Self { scheduler, upwards: true, waiting: Vec::new() }
    }

    /// One more waits. Arrivals do not decrease.
    pub fn add(&mut self, request: Request) {
        self.waiting.push(request);
    }

    /// When the first of them arrived.
    pub fn earliest(&self) -> Option<u64> {
        self.waiting.first().map(|request| request.arrival)
    }

    /// Writes that wait.
    pub fn writes(&self) -> usize {
        self.waiting.iter().filter(|request| request.write).count()
    }

    /// Takes the next one out of those that have arrived by `now`, where the head is at `byte`.
    pub fn next(&mut self, now: u64, byte: u64) -> Option<Request> {
        let arrived = self.waiting.partition_point(|request| request.arrival <= now);
        let candidates = &self.waiting[..arrived];
        let ahead = |request: &Request| request.first_byte >= byte;
        let indexed = || candidates.iter().enumerate().map(|(at, request)| (request, at));
        // Among equals the one that came first.
        let above = || {
            let above = indexed().filter(|(request, _)| ahead(request));
            above.min_by_key(|(request, at)| (request.first_byte, *at))
        };
        let below = || {
            let below = indexed().filter(|(request, _)| !ahead(request));
            below.min_by_key(|(request, at)| (u64::MAX - request.first_byte, *at))
        };
        let lowest = || indexed().min_by_key(|(request, at)| (request.first_byte, *at));
        let chosen = match self.scheduler {
            Scheduler::Fifo => indexed().next(),
            Scheduler::CLook => above().or_else(lowest),
            Scheduler::Look if self.upwards => above().or_else(below),
            Scheduler::Look => below().or_else(above),
        };
        let at = chosen.map(|(request, at)| {
            self.upwards = ahead(request);
            at
        })?;
        Some(self.waiting.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook queue (Silberschatz, Galvin and Gagne, Operating System Concepts, "Disk scheduling"):
    /// 98 183 37 122 14 124 65 67 with the head at 53.
    fn order(scheduler: Scheduler, upwards: bool) -> Vec<u64> {
        let mut elevator = Elevator { upwards, ..Elevator::new(scheduler) };
        for first_byte in [98, 183, 37, 122, 14, 124, 65, 67] {
            elevator.add(Request { arrival: 0, first_byte, bytes: 1, write: false });
        }
        let mut at = 53;
        let mut order = Vec::new();
        while let Some(request) = elevator.next(0, at) {
            at = request.first_byte;
            order.push(at);
        }
        order
    }

    #[test]
    fn the_textbook_queue_is_served_as_in_the_textbook() {
        assert_eq!(order(Scheduler::Fifo, true), [98, 183, 37, 122, 14, 124, 65, 67]);
        assert_eq!(order(Scheduler::CLook, true), [65, 67, 98, 122, 124, 183, 14, 37]);
        assert_eq!(order(Scheduler::Look, true), [65, 67, 98, 122, 124, 183, 37, 14]);
        assert_eq!(order(Scheduler::Look, false), [37, 14, 65, 67, 98, 122, 124, 183]);
    }

    #[test]
    fn who_has_not_arrived_is_not_served() {
        let mut elevator = Elevator::new(Scheduler::CLook);
        let request = |arrival, first_byte| Request { arrival, first_byte, bytes: 1, write: true };
        for request in [request(0, 90), request(5, 60), request(5, 60)] {
            elevator.add(request);
        }
        assert_eq!((elevator.earliest(), elevator.writes()), (Some(0), 3));
        assert_eq!(elevator.next(4, 50), Some(request(0, 90)));
        assert_eq!(elevator.next(4, 90), None);
        assert_eq!(elevator.next(5, 90), Some(request(5, 60)));
    }
}
