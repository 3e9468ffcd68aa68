//! Policies that count uses.

use super::Policy;
use crate::os::reclaim::{Page, Touch};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Lfu,
    Nfu,
    Aging { bits: u8 },
}

/// A page, with its count and since when it has had it.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    frame: u64,
    count: u64,
    since: u64,
    /// When the referenced bit was set.
    referenced: Option<u64>,
}

/// Pages in the order in which they came.
#[derive(Debug)]
pub struct Counted {
    kind: Kind,
    tick: u64,
    pages: Vec<Candidate>,
    /// Uses so far.
    uses: u64,
    /// Everything that happens has a number.
    now: u64,
}

impl Counted {
    /// Least frequently used.
    pub fn lfu() -> Self {
        Self::new(Kind::Lfu, 1)
    }

    /// Not frequently used.
    pub fn nfu(tick: u64) -> Self {
        Self::new(Kind::Nfu, tick)
    }

    /// Aging.
    pub fn aging(tick: u64, bits: u8) -> Self {
        Self::new(Kind::Aging { bits }, tick)
    }

    fn new(kind: Kind, tick: u64) -> Self {
        Self { kind, tick, pages: Vec::new(), uses: 0, now: 0 }
    }

    fn clock_tick(&mut self) {
        if let Kind::Aging { bits } = self.kind {
            for page in &mut self.pages {
                page.count /= 2;
                if page.referenced.take().is_some() {
                    page.count += 1 << (bits - 1);
                }
            }
            return;
        }
        let mut order: Vec<&mut Candidate> =
            self.pages.iter_mut().filter(|page| page.referenced.is_some()).collect();
        order.sort_by_key(|page| page.referenced);
        for page in order {
            self.now += 1;
            page.count += 1;
            page.since = self.now;
            page.referenced = None;
        }
    }
}

impl Policy for Counted {
    fn insert(&mut self, frame: u64, _: Page) {
        self.now += 1;
        self.pages.push(Candidate { frame, count: 0, since: self.now, referenced: None });
    }

    fn touch(&mut self, frame: u64, _: Touch) {
        self.now += 1;
        self.uses += 1;
        if let Some(page) = self.pages.iter_mut().find(|page| page.frame == frame) {
            if self.kind == Kind::Lfu {
                page.count += 1;
                page.since = self.now;
            } else {
                page.referenced = page.referenced.or(Some(self.now));
            }
        }
        if self.kind != Kind::Lfu && self.uses.is_multiple_of(self.tick) {
            self.clock_tick();
        }
    }

    fn evict(&mut self) -> Option<(u64, u64)> {
        let aging = matches!(self.kind, Kind::Aging { .. });
        // Of equals, the first in the list.
        let lowest = self
            .pages
            .iter()
            .min_by_key(|page| (page.count, if aging { 0 } else { page.since }))?;
        let frame = lowest.frame;
        self.remove(frame);
        Some((frame, 1))
    }

    fn remove(&mut self, frame: u64) {
        self.pages.retain(|page| page.frame != frame);
    }
}
