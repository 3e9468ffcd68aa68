//! What happens next: a queue of (time, order of scheduling, entry of a CPU's window).
//!
//! Nearly every event is less than [`SPAN`] slots ahead, so times are buckets of a wheel: scheduling and
//! taking an event is a few instructions, however many there are. Events further ahead wait aside until
//! the wheel has come round.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::entry::{Anyone, CPUS, ENTRIES, NO_ONE, UNKNOWN};

/// Slots that the wheel covers: four answers of memory that each take both ways of a slow controller.
const SPAN: usize = 2048;

/// Words of the map of buckets; no more than the bits of a word.
const WORDS: usize = SPAN / 64;

/// Entries of all windows.
const ALL: usize = CPUS * ENTRIES;

/// Events in time order; those of one time in the order in which they were scheduled, so that a run
/// is the same every time. An entry has at most one event.
#[derive(Debug)]
pub(super) struct Events {
    /// When the next event is; [`UNKNOWN`] without one.
    next: u64,
    /// The earliest of those aside.
    far: u64,
    /// Which words have a bucket that is not empty.
    summary: u64,
    /// Which buckets are not empty.
    buckets: [u64; WORDS],
    /// The last event of each bucket; [`NO_ONE`] without one.
    last: Box<[Anyone; SPAN]>,
    /// Every entry's follower in its bucket; the last one's is the first, so that a bucket is a circle.
    follower: Box<[Anyone; ALL]>,
    /// The events aside, each as one number: 64 bits of time, 44 of order (20 days' worth at ten million
    /// a second), 20 of entry.
    aside: BinaryHeap<Reverse<u128>>,
    scheduled: u64,
}

impl Events {
    /// None.
    pub(super) fn new() -> Self {
        // From zeroed memory, so that the places of CPUs that there are not take none.
        let follower = vec![0; ALL].into_boxed_slice().try_into();
        Self {
            next: UNKNOWN,
            far: UNKNOWN,
            summary: 0,
            buckets: [0; WORDS],
            last: Box::new([NO_ONE; SPAN]),
            follower: follower.unwrap_or_else(|_| Box::new([0; ALL])),
            aside: BinaryHeap::new(),
            scheduled: 0,
        }
    }

    /// Wakes `slot` at `time`, which is not before `now`, the time of the event taken last or later.
    #[inline]
    pub(super) fn push(&mut self, now: u64, time: u64, slot: Anyone) {
        debug_assert!(now <= time && time < UNKNOWN);
        self.next = self.next.min(time);
        if time - now >= SPAN as u64 || self.far <= time {
            self.push_far(now, time, slot);
        } else {
            self.link(time, slot);
        }
    }

    /// When the next event is; `u64::MAX` without one.
    #[inline]
    pub(super) fn next_time(&self) -> u64 {
        self.next
    }

    /// Takes the next event.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Anyone> {
        let time = self.next;
        if time == UNKNOWN {
            return None;
        }
        if self.far <= time {
            self.come_round(time);
        }
        let bucket = time as usize % SPAN;
        let last = self.last[bucket];
        let first = *self.after(last);
        if first == last {
            let word = bucket / 64;
            self.last[bucket] = NO_ONE;
            self.buckets[word] &= !(1 << (bucket % 64));
            self.summary &= !(u64::from(self.buckets[word] == 0) << word);
            self.next = self.earliest(time).min(self.far);
        } else {
            *self.after(last) = *self.after(first);
        }
        Some(first)
    }

    #[inline]
    fn after(&mut self, slot: Anyone) -> &mut Anyone {
        &mut self.follower[slot as usize % ALL]
    }

    /// Appends an event to the bucket of its time.
    #[inline]
    fn link(&mut self, time: u64, slot: Anyone) {
        let bucket = time as usize % SPAN;
        let last = std::mem::replace(&mut self.last[bucket], slot);
        if last == NO_ONE {
            let word = bucket / 64;
            self.buckets[word] |= 1 << (bucket % 64);
            self.summary |= 1 << word;
            *self.after(slot) = slot;
        } else {
            *self.after(slot) = std::mem::replace(self.after(last), slot);
        }
    }

    /// The earliest event on the wheel, which has none before `from`.
    #[inline]
    fn earliest(&self, from: u64) -> u64 {
        let bucket = from as usize % SPAN;
        let here = self.buckets[bucket / 64] >> (bucket % 64);
        if here != 0 {
            return from + u64::from(here.trailing_zeros());
        }
        // The words that follow, this one at last: its other buckets are those of the next turn.
        let mut word = bucket / 64 + 1;
        let later = self.summary.checked_shr(word as u32).unwrap_or(0);
        if later != 0 {
            word += later.trailing_zeros() as usize;
        } else if self.summary != 0 {
            word = self.summary.trailing_zeros() as usize;
        } else {
            return UNKNOWN;
        }
        let found = word % WORDS * 64 + self.buckets[word % WORDS].trailing_zeros() as usize;
        from + (found.wrapping_sub(bucket) % SPAN) as u64
    }

    #[cold]
    fn push_far(&mut self, now: u64, time: u64, slot: Anyone) {
        self.come_round(now);
        if time - now < SPAN as u64 {
            return self.link(time, slot);
        }
        let order = u128::from(self.scheduled & ((1 << 44) - 1));
        self.scheduled += 1;
        self.aside.push(Reverse(u128::from(time) << 64 | order << 20 | u128::from(slot)));
        self.far = self.far.min(time);
    }

    /// Puts those aside on the wheel whose time it covers. They are older than whatever is scheduled for
    /// the same time from then on.
    #[cold]
    fn come_round(&mut self, now: u64) {
        while self.far < now.saturating_add(SPAN as u64)
            && let Some(Reverse(event)) = self.aside.pop()
        {
            self.link(self.far, event as Anyone & ((1 << 20) - 1));
            self.far = self.aside.peek().map_or(UNKNOWN, |Reverse(event)| (event >> 64) as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pop(events: &mut Events) -> Option<(u64, Anyone)> {
        let time = events.next_time();
        events.pop().map(|slot| (time, slot))
    }

    #[test]
    fn time_first_then_the_order_of_scheduling() {
        let mut events = Events::new();
        for (time, slot) in [(5, 1), (3, 9), (5, 0), (u64::MAX - 1, 7), (3, 2)] {
            events.push(0, time, slot);
        }
        assert_eq!(events.next_time(), 3);
        let order: Vec<_> = std::iter::from_fn(|| pop(&mut events)).collect();
        assert_eq!(order, [(3, 9), (3, 2), (5, 1), (5, 0), (u64::MAX - 1, 7)]);
        assert_eq!(events.next_time(), u64::MAX);
    }

    /// A step: how far ahead the next free entry's event is, or to take one, or to let time pass.
    #[derive(Debug, Clone)]
    enum Step {
        Push(u64),
        Pop,
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let ahead = prop_oneof![
            4 => 0..4u64,
            4 => 0..300u64,
            2 => Just(SPAN as u64),
            2 => 0..3 * SPAN as u64,
            1 => 0..1u64 << 40,
        ];
        let step = prop_oneof![
            4 => ahead.prop_map(Step::Push),
            3 => Just(Step::Pop),
            1 => (0..2 * SPAN as u64).prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 1..400)
    }

    proptest! {
        #[test]
        fn the_wheel_is_a_sorted_list(steps in steps()) {
            let (mut events, mut list) = (Events::new(), Vec::new());
            let mut now = 0;
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(ahead) => {
                        events.push(now, now + ahead, number as Anyone);
                        list.push((now + ahead, number as Anyone));
                        list.sort();
                    }
                    Step::Wait(slots) => {
                        let first = list.first().map_or(u64::MAX, |(time, _)| *time);
                        now = (now + slots).min(first);
                    }
                    Step::Pop => {
                        let expected = if list.is_empty() { None } else { Some(list.remove(0)) };
                        prop_assert_eq!(pop(&mut events), expected);
                        now = expected.map_or(now, |(time, _)| time);
                    }
                }
                let next = list.first().map_or(u64::MAX, |(time, _)| *time);
                prop_assert_eq!(events.next_time(), next);
            }
        }
    }
}
