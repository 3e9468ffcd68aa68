//! S3-FIFO (Yang, Zhang, Qiu, Yue and Rashmi, SOSP 2023): a page comes into a small queue. At its end it goes
//! to the main queue if it was used `threshold` times or more, with its count cleared, else it is evicted and
//! remembered in a ghost queue; a page that is wanted while it is there comes into the main queue. A page at
//! the end of the main queue goes if its count, which is 3 at most there, is 0; else that is lowered by one
//! and the page goes to the front.
//!
//! `small` is the small queue's share of memory, `ghost` the ghost queue's length in proportion to memory; both
//! are rounded down. The main queue gives up a page where it holds more than the rest of memory, or the
//! small queue is empty; else the small queue does. This is what the authors' simulator does (S3FIFOv0 of
//! libCacheSim); in the paper's algorithm 1 a move to a main queue that is full evicts a page in addition. With
//! `fill_main`, until the first eviction, pages come into the main queue where the small one has its share: so
//! does libCacheSim's later S3FIFO.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ghosts::Ghosts;
use super::list::List;
use super::{Page, Reclaim, Touch, Victim, share};
use crate::os::frames::grow;

/// Parameters of `s3fifo`.
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
    /// The small queue's share of memory.
    #[schemars(range(min = 0, max = 1))]
    pub small: f64,
    /// How many pages that left the queue of new pages are remembered, in proportion to memory.
    #[schemars(range(min = 0, max = 100))]
    pub ghost: f64,
    /// The uses that take a page from the small queue to the main one.
    #[schemars(range(min = 1))]
    pub threshold: u8,
    /// Whether pages come into the main queue while memory fills and the small one has its share.
    pub fill_main: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { small: 0.1, ghost: 0.9, threshold: 2, fill_main: false }
    }
}

/// The one queue of pages that are gone.
const GHOSTS: usize = 0;
/// The largest count in the main queue.
const MOST: u8 = 3;

/// S3-FIFO.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct S3Fifo {
    small: List,
    main: List,
    ghosts: Ghosts<1>,
    pages: Vec<Page>,
    /// Uses of each frame's page.
    uses: Vec<u8>,
    setting: Settings,
    capacity: usize,
    /// Nothing has been evicted yet.
    filling: bool,
}

impl S3Fifo {
    fn main_victim(&mut self, scanned: &mut u64) -> Option<u32> {
        loop {
            let frame = self.main.first()?;
            *scanned += 1;
            let uses = &mut self.uses[frame as usize];
            if *uses == 0 {
                self.main.remove(frame);
                return Some(frame);
            }
            *uses = (*uses).min(MOST) - 1;
            self.main.move_to_end(frame);
        }
    }

    /// `None` where all of the small queue's pages have gone to the main queue.
    fn small_victim(&mut self, scanned: &mut u64) -> Option<u32> {
        loop {
            let frame = self.small.first()?;
            *scanned += 1;
            self.small.remove(frame);
            let uses = &mut self.uses[frame as usize];
            if *uses < self.setting.threshold {
                self.ghosts.push(GHOSTS, self.pages[frame as usize]);
                return Some(frame);
            }
            *uses = 0;
            self.main.push(frame);
        }
    }
}

impl Reclaim for S3Fifo {
    type Settings = Settings;
    const REMEMBERS: bool = true;

    fn new(settings: &Settings, capacity: usize) -> Self {
        let (small, main, ghosts, pages, uses) = Default::default();
        Self { small, main, ghosts, pages, uses, setting: *settings, capacity, filling: true }
    }
    fn fills_by_size(settings: &Settings) -> bool {
        settings.fill_main
    }
    fn resize(&mut self, pages: usize) {
        self.capacity = pages;
    }
    fn insert(&mut self, frame: u32, page: Page) {
        let index = frame as usize;
        grow(&mut self.pages, index, Page::default());
        grow(&mut self.uses, index, 0);
        self.pages[index] = page;
        self.uses[index] = 0;
        let to_main = self.filling
            && self.setting.fill_main
            && self.small.len() >= share(self.setting.small, self.capacity);
        if self.ghosts.remove(page).is_some() || to_main {
            self.main.push(frame);
        } else {
            self.small.push(frame);
        }
        let most = share(self.setting.ghost, self.capacity);
        while self.ghosts.len(GHOSTS) > most {
            self.ghosts.pop(GHOSTS);
        }
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        // The use that brought the page in does not count.
        if let Some(uses) = self.uses.get_mut(frame as usize).filter(|_| !touch.retry) {
            *uses = uses.saturating_add(1);
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let most = self.capacity - share(self.setting.small, self.capacity);
        self.filling = false;
        let mut scanned = 0;
        loop {
            let frame = if self.main.len() > most || self.small.len() == 0 {
                Some(self.main_victim(&mut scanned)?)
            } else {
                self.small_victim(&mut scanned)
            };
            if let Some(frame) = frame {
                return Some(Victim { frame, scanned });
            }
        }
    }
    fn remove(&mut self, frame: u32) {
        for list in [&mut self.small, &mut self.main] {
            if list.contains(frame) {
                list.remove(frame);
            }
        }
    }
    fn forget(&mut self, page: Page) {
        self.ghosts.remove(page);
    }
    fn near_page(&self, page: Page) -> u64 {
        self.ghosts.near(page)
    }
    fn len(&self) -> usize {
        self.small.len() + self.main.len()
    }
    fn host_bytes(&self) -> usize {
        self.small.host_bytes()
            + self.main.host_bytes()
            + self.ghosts.host_bytes()
            + self.pages.capacity() * size_of::<Page>()
            + self.uses.capacity()
    }
}
