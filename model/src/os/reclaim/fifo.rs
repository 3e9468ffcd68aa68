//! First in, first out: the page that came first goes first (Belady 1966).

use super::list::List;
use super::{Page, Reclaim, Touch, Victim};
use crate::config::choice::NoParameters;

/// First in, first out.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Fifo {
    list: List,
}

impl Reclaim for Fifo {
    type Settings = NoParameters;

    fn new(_: &NoParameters, _: usize) -> Self {
        Self::default()
    }
    fn insert(&mut self, frame: u32, _: Page) {
        self.list.push(frame);
    }
    fn touch(&mut self, _: u32, _: Touch) {}
    fn evict(&mut self) -> Option<Victim> {
        let frame = self.list.first()?;
        self.list.remove(frame);
        Some(Victim { frame, scanned: 1 })
    }
    fn remove(&mut self, frame: u32) {
        if self.list.contains(frame) {
            self.list.remove(frame);
        }
    }
    fn len(&self) -> usize {
        self.list.len()
    }
    fn host_bytes(&self) -> usize {
        self.list.host_bytes()
    }
}
