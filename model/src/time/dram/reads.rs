//! The reads that were issued, until their last beat.

use super::RequestId;
use super::period::Period;
use super::ring::Ring;
use crate::statistics::Histogram;

/// A read whose last beat is on its way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Read {
    pub id: RequestId,
    /// The clock at which it reached its channel.
    pub arrival: u64,
    /// The clock of its last beat.
    pub done: u64,
    pub channel: u32,
}

/// Reads that were issued.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    period: Period,
    /// By their last beat; at the same clock by channel.
    in_flight: Ring<Read>,
    /// From their arrival to the last beat, in picoseconds.
    pub times: Histogram,
}

impl Reads {
    /// None, by a clock of period `period`.
    pub fn new(period: Period) -> Self {
        Self { period, in_flight: Ring::new(), times: Histogram::default() }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// The first one's last beat; `u64::MAX` for none.
    #[inline]
    pub fn next(&self) -> u64 {
        self.in_flight.front().map_or(u64::MAX, |read| read.done)
    }

    /// Takes in a read.
    #[inline]
    pub fn issue(&mut self, read: Read) {
        self.times.add(self.period.time(read.done - read.arrival), 1);
        // Another channel may have been simulated further.
        let key = |read: &Read| (read.done, read.channel);
        self.in_flight.insert(read, |other| key(other) > key(&read));
    }

    /// Takes out the first read if its last beat is no later than `until` in picoseconds. Returns the clock
    /// and the time of that too.
    #[inline]
    pub fn pop(&mut self, until: u64) -> Option<(RequestId, u64, u64)> {
        let read = self.in_flight.front()?;
        let (id, done, time) = (read.id, read.done, self.period.time(read.done));
        if time > until {
            return None;
        }
        self.in_flight.pop_front();
        Some((id, done, time))
    }
}
