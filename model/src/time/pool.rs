//! A number of equal units that are handed out first come, first served: miss-status holding
//! registers (Kroft 1981), page walkers.

use std::collections::VecDeque;

use super::entry::Anyone;

/// The free units, and who waits for one.
#[derive(Debug)]
pub(super) struct Pool {
    free: u32,
    waiting: VecDeque<Anyone>,
}

impl Pool {
    /// `units` free units; at least one.
    pub(super) fn new(units: u32) -> Self {
        Self { free: units.max(1), waiting: VecDeque::new() }
    }

    /// Takes a unit for `slot` or, where none is free, queues it.
    pub(super) fn take(&mut self, slot: Anyone) -> bool {
        if self.free > 0 {
            self.free -= 1;
            return true;
        }
        self.waiting.push_back(slot);
        false
    }

    /// Gives a unit back; it belongs at once to the first in the queue, who is returned.
    pub(super) fn give(&mut self) -> Option<Anyone> {
        let next = self.waiting.pop_front();
        if next.is_none() {
            self.free += 1;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_served() {
        let mut pool = Pool::new(2);
        assert!(pool.take(1) && pool.take(2));
        assert!(!pool.take(3) && !pool.take(4));
        assert_eq!((pool.give(), pool.give(), pool.give()), (Some(3), Some(4), None));
        assert!(pool.take(5));
        assert!(!pool.take(6));
    }
}
