//! CLOCK-Pro over one list of pages.

use super::Policy;
use crate::os::reclaim::{Page, Touch};

/// A page on the clock.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Tells it from every other.
    id: u64,
    page: Page,
    /// Where it is in memory.
    frame: Option<u64>,
    hot: bool,
    test: bool,
    bit: bool,
}

impl Entry {
    fn is_cold_in_memory(&self) -> bool {
        !self.hot && self.frame.is_some()
    }
}

/// CLOCK-Pro.
#[derive(Debug)]
pub struct ClockPro {
    /// The page under HANDhot first, and the list head last.
    clock: Vec<Entry>,
    hand_cold: Option<u64>,
    hand_test: Option<u64>,
    target: u64,
    capacity: u64,
    filling: bool,
    ids: u64,
}

impl ClockPro {
    /// Without pages.
    pub fn new(capacity: u64) -> Self {
        let target = ((0.05 * capacity as f64).floor() as u64).max(1);
        Self {
            clock: Vec::new(),
            hand_cold: None,
            hand_test: None,
            target,
            capacity,
            filling: true,
            ids: 0,
        }
    }

    fn place(&self, id: Option<u64>) -> Option<usize> {
        self.clock.iter().position(|entry| Some(entry.id) == id)
    }

    fn hot_pages(&self) -> u64 {
        self.clock.iter().filter(|entry| entry.hot).count() as u64
    }

    /// The first page after `place`, once around, that is one of those.
    fn next(&self, place: usize, which: impl Fn(&Entry) -> bool) -> Option<u64> {
        let (before, after) = self.clock.split_at(place + 1);
        let mut others = after.iter().chain(&before[..place]);
        others.find(|entry| which(entry)).map(|entry| entry.id)
    }

    /// Takes a page off the clock; hands on it go to the next.
    fn take(&mut self, place: usize) -> Entry {
        let id = Some(self.clock[place].id);
        if self.hand_cold == id {
            self.hand_cold = self.next(place, Entry::is_cold_in_memory);
        }
        if self.hand_test == id {
            self.hand_test = self.next(place, |_| true);
        }
        self.clock.remove(place)
    }

    fn put(&mut self, entry: Entry) {
        self.clock.push(entry);
        self.hand_test = self.hand_test.or(Some(entry.id));
        if entry.is_cold_in_memory() {
            self.hand_cold = self.hand_cold.or(Some(entry.id));
        }
    }

    fn lower_target(&mut self) {
        self.target = self.target.saturating_sub(1).max(1);
    }

    fn end_test(&mut self, place: usize) {
        let entry = &mut self.clock[place];
        let in_test = std::mem::take(&mut entry.test);
        if entry.frame.is_none() {
            self.take(place);
            self.lower_target();
        } else if in_test && !entry.bit {
            self.lower_target();
        }
    }

    fn run_hot(&mut self) -> u64 {
        let (mut looked_at, mut done) = (0, false);
        while !done || self.hot_pages() > 0 && !self.clock[0].hot {
            if !self.clock[0].hot {
                if self.clock[0].frame.is_none() {
                    self.end_test(0);
                } else {
                    self.end_test(0);
                    self.clock.rotate_left(1);
                }
                continue;
            }
            looked_at += 1;
            let entry = &mut self.clock[0];
            let id = entry.id;
            let spared = std::mem::take(&mut entry.bit);
            entry.hot = spared;
            self.clock.rotate_left(1);
            if !spared {
                done = true;
                self.hand_cold = self.hand_cold.or(Some(id));
            }
        }
        looked_at
    }

    fn run_test(&mut self) {
        while let Some(place) = self.place(self.hand_test) {
            self.hand_test = self.next(place, |_| true).or(self.hand_test);
            if !self.clock[place].hot {
                self.end_test(place);
                return;
            }
        }
    }

    fn promote(&mut self, entry: Entry) -> u64 {
        self.put(Entry { hot: true, test: false, bit: false, ..entry });
        self.target = (self.target + 1).min(self.capacity.max(1));
        let mut looked_at = 0;
        while self.hot_pages() > self.capacity.saturating_sub(self.target) {
            looked_at += self.run_hot();
        }
        looked_at
    }
}

impl Policy for ClockPro {
    fn insert(&mut self, frame: u64, page: Page) {
        let gone = |entry: &Entry| entry.page == page && entry.frame.is_none();
        if let Some(place) = self.clock.iter().position(gone) {
            let entry = self.take(place);
            self.promote(Entry { frame: Some(frame), ..entry });
            return;
        }
        self.ids += 1;
        let hot = self.filling && self.hot_pages() < self.capacity.saturating_sub(self.target);
        let entry = Entry { id: self.ids, page, frame: Some(frame), hot, test: !hot, bit: false };
        self.put(entry);
    }

    fn touch(&mut self, frame: u64, touch: Touch) {
        if let Some(entry) = self.clock.iter_mut().find(|entry| entry.frame == Some(frame)) {
            entry.bit |= !touch.retry;
        }
    }

    fn evict(&mut self) -> Option<(u64, u64)> {
        self.filling = false;
        let mut looked_at = 0;
        loop {
            let Some(place) = self.place(self.hand_cold) else {
                if self.hot_pages() == 0 {
                    return None;
                }
                looked_at += self.run_hot();
                continue;
            };
            looked_at += 1;
            let entry = self.clock[place];
            if entry.bit {
                self.take(place);
                if entry.test {
                    looked_at += self.promote(entry);
                } else {
                    self.put(Entry { test: true, bit: false, ..entry });
                }
                continue;
            }
            let frame = entry.frame?;
            if entry.test {
                self.forget(entry.page);
                let place = self.place(Some(entry.id))?;
                self.hand_cold = self.next(place, Entry::is_cold_in_memory);
                self.clock[place].frame = None;
                while self.clock.iter().filter(|e| e.frame.is_none()).count() as u64 > self.capacity
                {
                    self.run_test();
                }
            } else {
                self.take(place);
            }
            return Some((frame, looked_at));
        }
    }

    fn remove(&mut self, frame: u64) {
        if let Some(place) = self.clock.iter().position(|entry| entry.frame == Some(frame)) {
            self.take(place);
        }
    }

    fn resize(&mut self, pages: u64) {
        self.capacity = pages;
        self.target = self.target.min(pages.max(1));
    }

    fn forget(&mut self, page: Page) {
        let gone = |entry: &Entry| entry.page == page && entry.frame.is_none();
        if let Some(place) = self.clock.iter().position(gone) {
            self.take(place);
        }
    }
}
