//! CAR (Bansal and Modha, FAST 2004, figure 2): ARC with clocks for T1 and T2. A use only sets a bit. The hand
//! of T1 takes a page whose bit is clear, and moves one whose bit is set to T2; that of T2 spares it. Unlike
//! with ARC, p changes after room has been made for the page. It is a real number here too.
//!
//! libCacheSim changes p before, divides integers, and forgets pages of B2 by another rule; this is the paper.

use super::adaptive::{Adaptive, B1, B2};
use super::list::List;
use super::{Page, Reclaim, Touch, Victim};
use crate::config::choice::NoParameters;
use crate::os::frames::grow;

/// Clock with adaptive replacement.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Car {
    /// T1: the page under the hand is the first.
    once: List,
    /// T2.
    often: List,
    referenced: Vec<bool>,
    gone: Adaptive,
    pages: Vec<Page>,
}

impl Reclaim for Car {
    type Settings = NoParameters;
    const REMEMBERS: bool = true;

    fn new(_: &NoParameters, capacity: usize) -> Self {
        let (once, often, referenced, pages) = Default::default();
        Self { once, often, referenced, gone: Adaptive::new(capacity), pages }
    }
    fn resize(&mut self, pages: usize) {
        self.gone.capacity = pages;
    }
    fn insert(&mut self, frame: u32, page: Page) {
        if self.gone.recall(page).is_some() {
            self.often.push(frame);
        } else {
            self.gone.make_room(self.once.len(), self.often.len());
            self.once.push(frame);
        }
        let index = frame as usize;
        grow(&mut self.pages, index, Page::default());
        grow(&mut self.referenced, index, false);
        self.pages[index] = page;
        self.referenced[index] = false;
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        // The use that brought the page in leaves its bit clear.
        if let Some(bit) = self.referenced.get_mut(frame as usize).filter(|_| !touch.retry) {
            *bit = true;
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        for scanned in 1.. {
            let enough = self.once.len() as f64 >= self.gone.p.max(1.0);
            let (list, queue) = match (self.once.first(), self.often.first()) {
                (Some(_), None) => (&mut self.once, B1),
                (Some(_), _) if enough => (&mut self.once, B1),
                _ => (&mut self.often, B2),
            };
            let frame = list.first()?;
            list.remove(frame);
            if !std::mem::take(&mut self.referenced[frame as usize]) {
                self.gone.ghosts.push(queue, self.pages[frame as usize]);
                return Some(Victim { frame, scanned });
            }
            self.often.push(frame);
        }
        None
    }
    fn remove(&mut self, frame: u32) {
        for list in [&mut self.once, &mut self.often] {
            if list.contains(frame) {
                list.remove(frame);
            }
        }
    }
    fn forget(&mut self, page: Page) {
        self.gone.ghosts.remove(page);
    }
    fn near_page(&self, page: Page) -> u64 {
        self.gone.ghosts.near(page)
    }
    fn len(&self) -> usize {
        self.once.len() + self.often.len()
    }
    fn host_bytes(&self) -> usize {
        self.once.host_bytes()
            + self.often.host_bytes()
            + self.referenced.capacity()
            + self.gone.ghosts.host_bytes()
            + self.pages.capacity() * size_of::<Page>()
    }
}
