//! What happens next: a queue of (time, order of scheduling, window entry).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events in time order; those of one time in the order in which they were scheduled, so that a run
/// is the same every time. An event is one number: 64 bits of time, 48 of order (a year's worth at ten
/// million a second), 16 of entry.
#[derive(Debug, Default)]
pub(super) struct Events {
    heap: BinaryHeap<Reverse<u128>>,
    scheduled: u64,
}

impl Events {
    /// Wakes `slot` at `time`.
    pub(super) fn push(&mut self, time: u64, slot: u16) {
        let order = u128::from(self.scheduled & ((1 << 48) - 1));
        self.scheduled += 1;
        self.heap.push(Reverse(u128::from(time) << 64 | order << 16 | u128::from(slot)));
    }

    /// When the next event is; `u64::MAX` without one.
    pub(super) fn next_time(&self) -> u64 {
        self.heap.peek().map_or(u64::MAX, |Reverse(event)| (event >> 64) as u64)
    }

    /// Takes the next event.
    pub(super) fn pop(&mut self) -> Option<(u64, u16)> {
        self.heap.pop().map(|Reverse(event)| ((event >> 64) as u64, event as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_first_then_the_order_of_scheduling() {
        let mut events = Events::default();
        for (time, slot) in [(5, 1), (3, 9), (5, 0), (u64::MAX - 1, 7), (3, 2)] {
            events.push(time, slot);
        }
        assert_eq!(events.next_time(), 3);
        let order: Vec<_> = std::iter::from_fn(|| events.pop()).collect();
        assert_eq!(order, [(3, 9), (3, 2), (5, 1), (5, 0), (u64::MAX - 1, 7)]);
        assert_eq!(events.next_time(), u64::MAX);
    }
}
