//! SIEVE (Zhang, Yang, Yue, Vigfusson and Rashmi, NSDI 2024): a queue over which a hand moves from the oldest
//! page to the newest. It clears the visited bits that it finds set and takes the first page whose bit is
//! clear; unlike with a clock, a page that is spared keeps its place, and a new one goes to the queue's end,
//! not behind the hand. Behind the newest page the hand starts again at the oldest.

use super::list::List;
use super::{Page, Reclaim, Touch, Victim};
use crate::config::choice::NoParameters;
use crate::os::frames::grow;

/// SIEVE.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Sieve {
    /// The oldest page first.
    list: List,
    visited: Vec<bool>,
    /// Where the hand is; `None` for the oldest page, whichever that then is.
    hand: Option<u32>,
}

impl Sieve {
    fn take(&mut self, frame: u32) {
        if self.hand == Some(frame) {
            self.hand = self.list.after(frame);
        }
        self.list.remove(frame);
    }
}

impl Reclaim for Sieve {
    type Settings = NoParameters;

    fn new(_: &NoParameters, _: usize) -> Self {
        Self::default()
    }
    fn insert(&mut self, frame: u32, _: Page) {
        self.list.push(frame);
        let index = frame as usize;
        grow(&mut self.visited, index, false);
        self.visited[index] = false;
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        // The use that brought the page in does not count as a visit.
        if let Some(bit) = self.visited.get_mut(frame as usize).filter(|_| !touch.retry) {
            *bit = true;
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let mut scanned = 1;
        loop {
            let frame = self.hand.or_else(|| self.list.first())?;
            if !std::mem::take(&mut self.visited[frame as usize]) {
                self.hand = Some(frame);
                self.take(frame);
                return Some(Victim { frame, scanned });
            }
            scanned += 1;
            self.hand = self.list.after(frame);
        }
    }
    fn remove(&mut self, frame: u32) {
        if self.list.contains(frame) {
            self.take(frame);
        }
    }
    fn len(&self) -> usize {
        self.list.len()
    }
    fn host_bytes(&self) -> usize {
        self.list.host_bytes() + self.visited.capacity()
    }
}
