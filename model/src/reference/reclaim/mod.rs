//! Page replacement over plain lists.

mod adaptive;
mod clock_pro;
mod counted;
mod lirs;
mod queues;
mod rings;
mod simple;

use crate::os::reclaim::{Page, ReclaimPolicy, Touch};

/// A policy. What the calls mean is what [`Reclaim`](crate::os::reclaim::Reclaim) says.
pub trait Policy: std::fmt::Debug {
    /// A page now lies in `frame`.
    fn insert(&mut self, frame: u64, page: Page);
    /// The page in `frame` was used.
    fn touch(&mut self, frame: u64, touch: Touch);
    /// Chooses a page and forgets it: its frame, and how many pages were looked at.
    fn evict(&mut self) -> Option<(u64, u64)>;
    /// Forgets the page in `frame`, if there is one.
    fn remove(&mut self, frame: u64);
    /// Memory is full with so many pages.
    fn resize(&mut self, _pages: u64) {}
    /// A page will be brought in.
    fn admit(&mut self, _page: Page) {}
    /// A page that is not in memory is gone for good.
    fn forget(&mut self, _page: Page) {}
    /// The page in `frame` was stored to.
    fn dirtied(&mut self, _frame: u64) {}
}

/// The policy that a setting names, for a memory of `capacity` pages.
pub fn policy(setting: ReclaimPolicy, capacity: u64) -> Box<dyn Policy> {
    match setting {
        ReclaimPolicy::Lfu(_) => Box::new(counted::Counted::lfu()),
        ReclaimPolicy::Nfu(setting) => Box::new(counted::Counted::nfu(setting.tick)),
        ReclaimPolicy::Aging(setting) => {
            Box::new(counted::Counted::aging(setting.tick, setting.bits))
        }
        ReclaimPolicy::WsClock(setting) => Box::new(rings::WsClock::new(setting.tau, capacity)),
        ReclaimPolicy::Sieve(_) => Box::new(rings::Sieve::default()),
        ReclaimPolicy::TwoQueues(setting) => Box::new(queues::TwoQueues::new(setting, capacity)),
        ReclaimPolicy::S3Fifo(setting) => Box::new(queues::S3Fifo::new(setting, capacity)),
        ReclaimPolicy::Arc(_) => Box::new(adaptive::Arc::new(capacity)),
        ReclaimPolicy::Car(_) => Box::new(adaptive::Car::new(capacity)),
        ReclaimPolicy::Lirs(setting) => Box::new(lirs::Lirs::new(setting.hir, capacity)),
        ReclaimPolicy::ClockPro(_) => Box::new(clock_pro::ClockPro::new(capacity)),
        _ => Box::new(simple::Simple::new(setting)),
    }
}
