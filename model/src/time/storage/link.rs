//! A link that carries one transfer at a time, some of which are booked ahead.

use std::collections::VecDeque;

/// The transfers that are booked, in the order of their times; they do not overlap.
#[derive(Debug, Clone, Default)]
pub(super) struct Link {
    booked: VecDeque<(u64, u64)>,
}

impl Link {
    /// Books a transfer that takes `duration`, as early as it can begin from `earliest` on; returns its
    /// end. Nothing is asked for before `now` any more. Times are in picoseconds.
    pub fn book(&mut self, now: u64, earliest: u64, duration: u64) -> u64 {
        while self.booked.front().is_some_and(|(_, end)| *end <= now) {
            self.booked.pop_front();
        }
        let mut begin = earliest;
        let mut place = self.booked.partition_point(|(_, end)| *end <= earliest);
        while let Some((start, end)) = self.booked.get(place) {
            if begin.saturating_add(duration) <= *start {
                break;
            }
            begin = begin.max(*end);
            place += 1;
        }
        let end = begin.saturating_add(duration);
        self.booked.insert(place, (begin, end));
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_take_the_first_gap_that_they_fit_in() {
        let mut link = Link::default();
        assert_eq!(link.book(0, 80, 10), 90);
        assert_eq!(link.book(0, 0, 20), 20, "the link is idle until 80");
        assert_eq!(link.book(0, 75, 10), 100, "there is no room before 80");
        assert_eq!(link.book(0, 10, 60), 80, "exactly the gap");
        assert_eq!(link.book(0, 0, 1), 101);
        assert_eq!(link.book(1000, 1000, 5), 1005);
        assert_eq!(link.booked.len(), 1, "what is over is forgotten");
    }
}
