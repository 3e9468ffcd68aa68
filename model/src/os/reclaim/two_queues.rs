//! 2Q, the full version (Johnson and Shasha, VLDB 1994): a page comes into a queue, A1in. What leaves it is
//! remembered in another queue, A1out; a page that is wanted while it is there goes into the main list, Am,
//! which is kept by recency. A hit in A1in changes nothing.
//!
//! A page is taken from A1in where that holds more than `kin` of memory, else from Am (and, where that is
//! empty, from A1in all the same). A1out remembers `kout` of memory's pages. Both are rounded down. A page
//! leaves A1out before room is made for it, so that its going in does not cost another its place there; the
//! paper leaves the order open, and libCacheSim does the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ghosts::Ghosts;
use super::list::List;
use super::{Page, Reclaim, Touch, Victim, share};
use crate::os::frames::grow;

/// Parameters of `2q`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Serialize,
    Deserialize,
    JsonSchema,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The share of memory that the queue of new pages may have before it gives up pages.
    #[schemars(range(min = 0, max = 1))]
    pub kin: f64,
    /// How many pages that left the queue of new pages are remembered, in proportion to memory.
    #[schemars(range(min = 0, max = 100))]
    pub kout: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { kin: 0.25, kout: 0.5 }
    }
}

/// The one queue of pages that are gone.
const OUT: usize = 0;

/// 2Q.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct TwoQueues {
    /// A1in.
    recent: List,
    /// Am, the least recently used first.
    main: List,
    /// A1out.
    out: Ghosts<1>,
    pages: Vec<Page>,
    setting: Settings,
    capacity: usize,
}

impl Reclaim for TwoQueues {
    type Settings = Settings;
    const REMEMBERS: bool = true;

    fn new(settings: &Settings, capacity: usize) -> Self {
        let (recent, main, out, pages) = Default::default();
        Self { recent, main, out, pages, setting: *settings, capacity }
    }
    fn resize(&mut self, pages: usize) {
        self.capacity = pages;
    }
    fn insert(&mut self, frame: u32, page: Page) {
        grow(&mut self.pages, frame as usize, Page::default());
        self.pages[frame as usize] = page;
        match self.out.remove(page) {
            Some(_) => self.main.push(frame),
            None => self.recent.push(frame),
        }
        let most = share(self.setting.kout, self.capacity);
        while self.out.len(OUT) > most {
            self.out.pop(OUT);
        }
    }
    fn touch(&mut self, frame: u32, _: Touch) {
        if self.main.contains(frame) {
            self.main.move_to_end(frame);
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let recent = self.recent.len() > share(self.setting.kin, self.capacity);
        let frame = match self.main.first() {
            Some(frame) if !recent => {
                self.main.remove(frame);
                frame
            }
            _ => {
                let frame = self.recent.first()?;
                self.recent.remove(frame);
                self.out.push(OUT, self.pages[frame as usize]);
                frame
            }
        };
        Some(Victim { frame, scanned: 1 })
    }
    fn remove(&mut self, frame: u32) {
        for list in [&mut self.recent, &mut self.main] {
            if list.contains(frame) {
                list.remove(frame);
            }
        }
    }
    fn forget(&mut self, page: Page) {
        self.out.remove(page);
    }
    fn near(&self, frame: u32) -> u64 {
        self.main.near(frame)
    }
    fn near_page(&self, page: Page) -> u64 {
        self.out.near(page)
    }
    fn len(&self) -> usize {
        self.recent.len() + self.main.len()
    }
    fn host_bytes(&self) -> usize {
        self.recent.host_bytes()
            + self.main.host_bytes()
            + self.out.host_bytes()
            + self.pages.capacity() * size_of::<Page>()
    }
}
