//! Policies that remember what left a queue.

use std::collections::VecDeque;

use super::Policy;
use crate::os::reclaim::{Page, Touch, s3fifo, two_queues};

/// A page in memory, and how often it was used.
#[derive(Debug, Clone, Copy)]
struct Resident {
    frame: u64,
    page: Page,
    uses: u64,
}

type Queue = VecDeque<Resident>;

/// A share of memory, rounded down.
fn share(of: f64, pages: u64) -> u64 {
    (of * pages as f64).floor() as u64
}

fn remove(queue: &mut Queue, frame: u64) {
    queue.retain(|resident| resident.frame != frame);
}

/// 2Q: A1in, Am and A1out, the oldest first.
#[derive(Debug)]
pub struct TwoQueues {
    setting: two_queues::Settings,
    capacity: u64,
    a1_in: Queue,
    am: Queue,
    a1_out: VecDeque<Page>,
}

impl TwoQueues {
    /// Without pages.
    pub fn new(setting: two_queues::Settings, capacity: u64) -> Self {
        let (a1_in, am, a1_out) = Default::default();
        Self { setting, capacity, a1_in, am, a1_out }
    }
}

impl Policy for TwoQueues {
    fn insert(&mut self, frame: u64, page: Page) {
        let resident = Resident { frame, page, uses: 0 };
        if self.a1_out.contains(&page) {
            self.a1_out.retain(|other| *other != page);
            self.am.push_back(resident);
        } else {
            self.a1_in.push_back(resident);
        }
        while self.a1_out.len() as u64 > share(self.setting.kout, self.capacity) {
            self.a1_out.pop_front();
        }
    }

    fn touch(&mut self, frame: u64, _: Touch) {
        if let Some(place) = self.am.iter().position(|resident| resident.frame == frame) {
            let resident = self.am.remove(place);
            self.am.extend(resident);
        }
    }

    fn evict(&mut self) -> Option<(u64, u64)> {
        let too_many = self.a1_in.len() as u64 > share(self.setting.kin, self.capacity);
        if !too_many && let Some(victim) = self.am.pop_front() {
            return Some((victim.frame, 1));
        }
        let victim = self.a1_in.pop_front()?;
        self.a1_out.retain(|other| *other != victim.page);
        self.a1_out.push_back(victim.page);
        Some((victim.frame, 1))
    }

    fn remove(&mut self, frame: u64) {
        remove(&mut self.a1_in, frame);
        remove(&mut self.am, frame);
    }

    fn resize(&mut self, pages: u64) {
        self.capacity = pages;
    }

    fn forget(&mut self, page: Page) {
        self.a1_out.retain(|other| *other != page);
    }
}

/// S3-FIFO: the small, the main and the ghost queue, the oldest first.
#[derive(Debug)]
pub struct S3Fifo {
    setting: s3fifo::Settings,
    capacity: u64,
    small: Queue,
    main: Queue,
    ghost: VecDeque<Page>,
    evicted: bool,
}

impl S3Fifo {
    /// Without pages.
    pub fn new(setting: s3fifo::Settings, capacity: u64) -> Self {
        let (small, main, ghost) = Default::default();
        Self { setting, capacity, small, main, ghost, evicted: false }
    }
}

impl Policy for S3Fifo {
    fn insert(&mut self, frame: u64, page: Page) {
        let resident = Resident { frame, page, uses: 0 };
        if self.ghost.contains(&page) {
            self.ghost.retain(|other| *other != page);
            self.main.push_back(resident);
        } else if self.setting.fill_main
            && !self.evicted
            && self.small.len() as u64 >= share(self.setting.small, self.capacity)
        {
            self.main.push_back(resident);
        } else {
            self.small.push_back(resident);
        }
        while self.ghost.len() as u64 > share(self.setting.ghost, self.capacity) {
            self.ghost.pop_front();
        }
    }

    fn touch(&mut self, frame: u64, touch: Touch) {
        let mut all = self.small.iter_mut().chain(&mut self.main);
        if let Some(resident) = all.find(|resident| resident.frame == frame && !touch.retry) {
            resident.uses += 1;
        }
    }

    fn evict(&mut self) -> Option<(u64, u64)> {
        let room = self.capacity - share(self.setting.small, self.capacity);
        let from_main = self.main.len() as u64 > room;
        self.evicted = true;
        for looked_at in 1.. {
            if from_main || self.small.is_empty() {
                let mut oldest = self.main.pop_front()?;
                if oldest.uses == 0 {
                    return Some((oldest.frame, looked_at));
                }
                oldest.uses = oldest.uses.min(3) - 1;
                self.main.push_back(oldest);
            } else {
                let oldest = self.small.pop_front()?;
                if oldest.uses < u64::from(self.setting.threshold) {
                    self.ghost.retain(|other| *other != oldest.page);
                    self.ghost.push_back(oldest.page);
                    return Some((oldest.frame, looked_at));
                }
                self.main.push_back(Resident { uses: 0, ..oldest });
            }
        }
        None
    }

    fn remove(&mut self, frame: u64) {
        remove(&mut self.small, frame);
        remove(&mut self.main, frame);
    }

    fn resize(&mut self, pages: u64) {
        self.capacity = pages;
    }

    fn forget(&mut self, page: Page) {
        self.ghost.retain(|other| *other != page);
    }
}
