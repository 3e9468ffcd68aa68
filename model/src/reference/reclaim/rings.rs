//! Policies with a hand.

use super::Policy;
use crate::os::reclaim::{Page, Touch};

/// SIEVE: pages from old to new, and the hand's place among them.
#[derive(Debug, Default)]
pub struct Sieve {
    pages: Vec<(u64, bool)>,
    hand: usize,
}

impl Policy for Sieve {
    fn insert(&mut self, frame: u64, _: Page) {
        if self.hand == self.pages.len() {
            // The hand is behind the last page, which is to say at the first.
            self.hand = 0;
        }
        self.pages.push((frame, false));
    }

    fn touch(&mut self, frame: u64, touch: Touch) {
        if let Some(page) = self.pages.iter_mut().find(|page| page.0 == frame) {
            page.1 |= !touch.retry;
        }
    }

    fn evict(&mut self) -> Option<(u64, u64)> {
        for looked_at in 1.. {
            if self.hand == self.pages.len() {
                self.hand = 0;
            }
            let page = self.pages.get_mut(self.hand)?;
            if !page.1 {
                return Some((self.pages.remove(self.hand).0, looked_at));
            }
            page.1 = false;
            self.hand += 1;
        }
        None
    }

    fn remove(&mut self, frame: u64) {
        if let Some(place) = self.pages.iter().position(|page| page.0 == frame) {
            self.pages.remove(place);
            self.hand -= usize::from(place < self.hand);
        }
    }
}

#[derive(Debug)]
struct Working {
    frame: u64,
    referenced: bool,
    dirty: bool,
    used: u64,
}

/// WSClock: the page under the hand first.
#[derive(Debug)]
pub struct WsClock {
    pages: Vec<Working>,
    tau: Option<u64>,
    capacity: u64,
    uses: u64,
}

impl WsClock {
    /// Without pages.
    pub fn new(tau: Option<u64>, capacity: u64) -> Self {
        Self { pages: Vec::new(), tau, capacity, uses: 0 }
    }
}

impl Policy for WsClock {
    fn insert(&mut self, frame: u64, _: Page) {
        self.pages.push(Working { frame, referenced: false, dirty: false, used: self.uses });
    }

    fn touch(&mut self, frame: u64, touch: Touch) {
        self.uses += 1;
        if let Some(page) = self.pages.iter_mut().find(|page| page.frame == frame) {
            page.referenced = true;
            page.dirty |= touch.write;
        }
    }

    fn evict(&mut self) -> Option<(u64, u64)> {
        if self.pages.is_empty() {
            return None;
        }
        let (count, tau) = (self.pages.len() as u64, self.tau.unwrap_or(self.capacity));
        for looked_at in 1..=2 * count {
            let page = &mut self.pages[0];
            let first_round = looked_at <= count;
            let old = !page.referenced && self.uses - page.used > tau;
            if !page.dirty && (old || !first_round) {
                return Some((self.pages.remove(0).frame, looked_at));
            }
            if page.referenced {
                page.referenced = false;
                page.used = self.uses;
            } else if first_round && old {
                page.dirty = false;
            }
            self.pages.rotate_left(1);
        }
        Some((self.pages.remove(0).frame, 2 * count))
    }

    fn remove(&mut self, frame: u64) {
        self.pages.retain(|page| page.frame != frame);
    }

    fn resize(&mut self, pages: u64) {
        self.capacity = pages;
    }

    fn dirtied(&mut self, frame: u64) {
        if let Some(page) = self.pages.iter_mut().find(|page| page.frame == frame) {
            page.dirty = true;
        }
    }
}
