//! LIRS over one stack of entries.

use super::Policy;
use crate::os::reclaim::{Page, Touch};

/// A page in the stack S or the queue Q.
#[derive(Debug, Clone, Copy)]
struct Entry {
    page: Page,
    /// Where it is in memory.
    frame: Option<u64>,
    lir: bool,
}

/// LIRS.
#[derive(Debug)]
pub struct Lirs {
    share: f64,
    capacity: u64,
    /// S, the bottom first. Everything in it is told by its page and frame.
    stack: Vec<Entry>,
    /// Q: HIR pages in memory, by frame, the next victim first.
    queue: Vec<(u64, Page)>,
}

impl Lirs {
    /// Without pages.
    pub fn new(share: f64, capacity: u64) -> Self {
        Self { share, capacity, stack: Vec::new(), queue: Vec::new() }
    }

    fn lir_pages(&self) -> u64 {
        self.stack.iter().filter(|entry| entry.lir).count() as u64
    }

    fn most_lir(&self) -> u64 {
        let hir = ((self.share * self.capacity as f64).floor() as u64).max(1);
        self.capacity.saturating_sub(hir)
    }

    fn prune(&mut self) {
        let bottom = self.stack.iter().position(|entry| entry.lir);
        self.stack.drain(..bottom.unwrap_or(self.stack.len()));
    }

    /// The LIR page at the bottom goes to the end of Q.
    fn demote(&mut self) {
        if !self.stack.is_empty() {
            let Entry { page, frame, .. } = self.stack.remove(0);
            self.queue.extend(frame.map(|frame| (frame, page)));
            self.prune();
        }
    }

    fn keep_to_limit(&mut self) {
        while self.lir_pages() > self.most_lir() {
            self.demote();
        }
    }

    /// Takes out of S what is in `frame`.
    fn take(&mut self, frame: u64) -> Option<Entry> {
        let place = self.stack.iter().position(|entry| entry.frame == Some(frame))?;
        Some(self.stack.remove(place))
    }
}

impl Policy for Lirs {
    fn insert(&mut self, frame: u64, page: Page) {
        let gone = |entry: &Entry| entry.page == page && entry.frame.is_none();
        let remembered = self.stack.iter().position(gone);
        if let Some(place) = remembered {
            self.stack.remove(place);
        }
        let lir = remembered.is_some() || self.lir_pages() < self.most_lir();
        self.stack.push(Entry { page, frame: Some(frame), lir });
        if !lir {
            self.queue.push((frame, page));
        }
        self.keep_to_limit();
        self.prune();
    }

    fn touch(&mut self, frame: u64, touch: Touch) {
        if touch.retry {
            return;
        }
        let in_queue = self.queue.iter().position(|other| other.0 == frame);
        match (self.take(frame), in_queue) {
            (Some(entry), None) => self.stack.push(entry),
            (Some(entry), Some(place)) => {
                self.queue.remove(place);
                self.stack.push(Entry { lir: true, ..entry });
            }
            (None, Some(place)) => {
                let (frame, page) = self.queue.remove(place);
                self.queue.push((frame, page));
                self.stack.push(Entry { page, frame: Some(frame), lir: false });
            }
            (None, None) => {}
        }
        self.keep_to_limit();
        self.prune();
    }

    fn evict(&mut self) -> Option<(u64, u64)> {
        self.keep_to_limit();
        if self.queue.is_empty() {
            self.demote();
        }
        if self.queue.is_empty() {
            return None;
        }
        let (frame, page) = self.queue.remove(0);
        if self.stack.iter().any(|entry| entry.frame == Some(frame)) {
            self.forget(page);
        }
        for entry in self.stack.iter_mut().filter(|entry| entry.frame == Some(frame)) {
            entry.frame = None;
        }
        Some((frame, 1))
    }

    fn remove(&mut self, frame: u64) {
        self.take(frame);
        self.queue.retain(|other| other.0 != frame);
        self.prune();
    }

    fn resize(&mut self, pages: u64) {
        self.capacity = pages;
    }

    fn forget(&mut self, page: Page) {
        self.stack.retain(|entry| entry.page != page || entry.frame.is_some());
    }
}
