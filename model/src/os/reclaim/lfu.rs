//! Least frequently used: the page with the fewest uses since it came in goes, and of several the one that
//! reached that number first. A page that has gone is forgotten: it starts anew.
//!
//! The access that brings a page in is its first use. A page that was only read ahead has none.

use super::counts::Counts;
use super::{Page, Reclaim, Touch, Victim};
use crate::config::choice::NoParameters;

/// Least frequently used.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Lfu {
    counts: Counts,
}

impl Reclaim for Lfu {
    type Settings = NoParameters;

    fn new(_: &NoParameters, _: usize) -> Self {
        Self::default()
    }
    fn insert(&mut self, frame: u32, _: Page) {
        self.counts.insert(frame);
    }
    fn touch(&mut self, frame: u32, _: Touch) {
        if self.counts.contains(frame) {
            self.counts.raise(frame);
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let frame = self.counts.first()?;
        self.counts.remove(frame);
        Some(Victim { frame, scanned: 1 })
    }
    fn remove(&mut self, frame: u32) {
        if self.counts.contains(frame) {
            self.counts.remove(frame);
        }
    }
    fn near(&self, frame: u32) -> u64 {
        self.counts.near(frame)
    }
    fn len(&self) -> usize {
        self.counts.len()
    }
    fn host_bytes(&self) -> usize {
        self.counts.host_bytes()
    }
}
