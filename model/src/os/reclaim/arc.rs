//! ARC (Megiddo and Modha, FAST 2003, figure 4): pages that were used once lately, T1, and those that were
//! used more often, T2, both kept by recency, and what went from either, B1 and B2, remembered. A page that is
//! wanted while it is in B1 makes the share p that T1 is meant to have larger, one in B2 makes it smaller. p
//! is a real number.

use super::adaptive::{Adaptive, B1, B2};
use super::list::List;
use super::{Page, Reclaim, Touch, Victim};
use crate::config::choice::NoParameters;
use crate::os::frames::grow;

/// Adaptive replacement cache.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Arc {
    /// T1, the least recently used page first.
    once: List,
    /// T2.
    often: List,
    gone: Adaptive,
    pages: Vec<Page>,
    /// The page that is about to come in, and the queue that it was remembered in.
    coming: Option<(Page, Option<usize>)>,
}

impl Arc {
    /// Whether REPLACE takes a page of T1.
    fn takes_once(&self, came_from: Option<usize>) -> bool {
        let t1 = self.once.len() as f64;
        self.often.len() == 0
            || self.once.len() > 0
                && (t1 > self.gone.p || t1 == self.gone.p && came_from == Some(B2))
    }
}

impl Reclaim for Arc {
    type Settings = NoParameters;
    const REMEMBERS: bool = true;

    fn new(_: &NoParameters, capacity: usize) -> Self {
        let (once, often, pages) = Default::default();
        Self { once, often, gone: Adaptive::new(capacity), pages, coming: None }
    }
    fn resize(&mut self, pages: usize) {
        self.gone.capacity = pages;
    }
    fn admit(&mut self, page: Page) {
        let found = self.gone.recall(page);
        if found.is_none() {
            self.gone.make_room(self.once.len(), self.often.len());
        }
        self.coming = Some((page, found));
    }
    fn insert(&mut self, frame: u32, page: Page) {
        if self.coming.is_none_or(|(coming, _)| coming != page) {
            self.admit(page);
        }
        match self.coming.take() {
            Some((_, Some(_))) => self.often.push(frame),
            _ => self.once.push(frame),
        }
        grow(&mut self.pages, frame as usize, Page::default());
        self.pages[frame as usize] = page;
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        if self.often.contains(frame) {
            self.often.move_to_end(frame);
        } else if self.once.contains(frame) && !touch.retry {
            // The use that brought the page in is the first one.
            self.once.remove(frame);
            self.often.push(frame);
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let came_from = self.coming.and_then(|(_, queue)| queue);
        // Where T1 has all of memory, a new page leaves no room for a ghost.
        let remembered = came_from.is_some() || self.once.len() < self.gone.capacity;
        let (list, queue) = match self.takes_once(came_from) {
            true => (&mut self.once, B1),
            false => (&mut self.often, B2),
        };
        let frame = list.first()?;
        list.remove(frame);
        if remembered {
            self.gone.ghosts.push(queue, self.pages[frame as usize]);
        }
        Some(Victim { frame, scanned: 1 })
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
    fn near(&self, frame: u32) -> u64 {
        self.once.near(frame) ^ self.often.near(frame)
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
            + self.gone.ghosts.host_bytes()
            + self.pages.capacity() * size_of::<Page>()
    }
}
