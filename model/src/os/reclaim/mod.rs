//! Page replacement, one policy a file.
//!
//! A policy holds the pages that may be evicted, by frame. It never sees page tables or time: what it
//! knows is what it is told through [`Reclaim`]. A new policy is a file with its settings and its
//! [`Reclaim`], its `mod` line, and its line in `policies!`.

mod adaptive;
mod arrivals;
mod counts;
mod ghosts;
mod index;
mod list;
mod marks;
mod policy;
mod ring;

pub mod aging;
pub mod arc;
pub mod car;
pub mod clock;
pub mod clock_pro;
pub mod fifo;
pub mod lfu;
pub mod lirs;
pub mod lru;
pub mod mru;
pub mod nfu;
pub mod opt;
pub mod random;
pub mod s3fifo;
pub mod second_chance;
pub mod sieve;
pub mod two_queues;
pub mod wsclock;

use tracegen::record::ProcessId;

pub use policy::{Policy, ReclaimPolicy};

/// What tells a page from all others, in memory or not. 12 bytes: policies remember pages that are gone.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    bincode::Encode,
    bincode::Decode,
)]
pub struct Page {
    process: ProcessId,
    /// Its number in the process's address space, low half first.
    number: [u32; 2],
}

impl Page {
    /// Page `number` of `process`.
    pub fn new(process: ProcessId, number: u64) -> Self {
        Self { process, number: [number as u32, (number >> 32) as u32] }
    }

    /// Its number in the process's address space.
    pub fn number(self) -> u64 {
        u64::from(self.number[1]) << 32 | u64::from(self.number[0])
    }
}

/// What a policy is told of a use of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Touch {
    /// The use is a store.
    pub write: bool,
    /// It is the access whose fault brought the page in, tried again.
    pub retry: bool,
    /// When the page is used next; `None` for never. Only policies that need it look at it.
    pub next_use: Option<u64>,
}

/// A page that a policy gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Victim {
    /// Its frame.
    pub frame: u32,
    /// How many pages were looked at to find it.
    pub scanned: u64,
}

/// A page replacement policy. Frames are small integers: policies may keep arrays indexed by them.
///
/// A fault is told in this order: [`admit`](Self::admit), as many [`evict`](Self::evict) as it takes, with
/// [`resize`](Self::resize) before the first, [`insert`](Self::insert), and the [`touch`](Self::touch) of
/// the access tried again.
pub trait Reclaim: Sized {
    /// The policy's parameters.
    type Settings;

    /// Whether it needs to know when a page is used next.
    const NEEDS_NEXT_USE: bool = false;

    /// Whether it remembers pages that it has given up.
    const REMEMBERS: bool = false;

    /// Whether the size of memory makes a difference before memory is full.
    fn fills_by_size(_settings: &Self::Settings) -> bool {
        false
    }

    /// No pages, in a memory for `capacity`.
    fn new(settings: &Self::Settings, capacity: usize) -> Self;
    /// Memory is full with `pages` pages. Before the first time, a policy takes it to hold what it was made
    /// for. How many they are changes where page tables or a limit have a share in memory.
    fn resize(&mut self, _pages: usize) {}
    /// `page` is about to be brought in; room may have to be made for it.
    fn admit(&mut self, _page: Page) {}
    /// Page `page` now lies in `frame`. The caller guarantees that the policy does not hold the frame.
    fn insert(&mut self, frame: u32, page: Page);
    /// The page in `frame` was used. A frame that the policy does not hold is ignored.
    fn touch(&mut self, frame: u32, touch: Touch);
    /// The page in `frame` is no longer what the backing store has, by a store that is no touch. A frame
    /// that the policy does not hold is ignored.
    fn dirtied(&mut self, _frame: u32) {}
    /// Chooses a page, and forgets it; `None` where it holds none.
    fn evict(&mut self) -> Option<Victim>;
    /// Forgets the page in `frame`, which went for another reason. A frame that the policy does not
    /// hold is ignored.
    fn remove(&mut self, frame: u32);
    /// `page`, which is not in memory, is gone for good.
    fn forget(&mut self, _page: Page) {}
    /// Something of what a use of `frame` reads, to have it read: who knows several uses ahead asks for all
    /// of them, and the host waits for them together.
    fn near(&self, _frame: u32) -> u64 {
        0
    }
    /// The same of what bringing in `page` reads.
    fn near_page(&self, _page: Page) -> u64 {
        0
    }
    /// How many pages it holds.
    fn len(&self) -> usize;
    /// Bytes on the host.
    fn host_bytes(&self) -> usize;
    /// Whether it holds no page.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A share of `pages`, rounded down.
fn share(of: f64, pages: usize) -> usize {
    (pages as f64 * of) as usize
}

#[cfg(test)]
mod tests;
