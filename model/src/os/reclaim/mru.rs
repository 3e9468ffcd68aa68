//! The most recently touched page goes first: the policy of choice for a loop that is larger than memory
//! (Chou and DeWitt, VLDB 1985).

use super::list::List;
use super::{Page, Reclaim, Touch, Victim};
use crate::config::choice::NoParameters;

/// Most recently used.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Mru {
    list: List,
}

impl Reclaim for Mru {
    type Settings = NoParameters;

    fn new(_: &NoParameters, _: usize) -> Self {
        Self::default()
    }
    fn insert(&mut self, frame: u32, _: Page) {
        self.list.push(frame);
    }
    fn touch(&mut self, frame: u32, _: Touch) {
        if self.list.contains(frame) {
            self.list.move_to_end(frame);
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let frame = self.list.last()?;
        self.list.remove(frame);
        Some(Victim { frame, scanned: 1 })
    }
    fn remove(&mut self, frame: u32) {
        if self.list.contains(frame) {
            self.list.remove(frame);
        }
    }
    fn near(&self, frame: u32) -> u64 {
        self.list.near(frame)
    }
    fn len(&self) -> usize {
        self.list.len()
    }
    fn host_bytes(&self) -> usize {
        self.list.host_bytes()
    }
}
