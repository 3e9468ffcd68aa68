//! Page replacement, one policy a file.
//!
//! A policy holds the pages that may be evicted, by frame. It never sees page tables or time: what it
//! knows is what it is told through [`Reclaim`].

mod adaptive;
mod aging;
mod arc;
mod arrivals;
mod car;
mod clock;
mod clock_pro;
mod counts;
mod fifo;
mod ghosts;
mod index;
mod lfu;
mod lirs;
mod list;
mod lru;
mod mru;
mod nfu;
mod opt;
mod parameters;
mod random;
mod s3fifo;
mod second_chance;
mod setting;
mod sieve;
mod two_queues;
mod wsclock;

use tracegen::record::ProcessId;

pub use aging::{Aging, AgingSetting};
pub use arc::Arc;
pub use car::Car;
pub use clock::{Clock, ClockSetting};
pub use clock_pro::ClockPro;
pub use fifo::Fifo;
pub use lfu::Lfu;
pub use lirs::{Lirs, LirsSetting};
pub use lru::Lru;
pub use mru::Mru;
pub use nfu::{Nfu, NfuSetting};
pub use opt::Opt;
pub use random::Random;
pub use s3fifo::{S3Fifo, S3FifoSetting};
pub use second_chance::{SecondChance, SecondChanceSetting};
pub use setting::ReclaimPolicy;
pub use sieve::Sieve;
pub use two_queues::{TwoQueues, TwoQueuesSetting};
pub use wsclock::{WsClock, WsClockSetting};

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
    /// When the page is used next; `None` for never. Only `opt` looks at it.
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
pub trait Reclaim {
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
    /// How many pages it holds.
    fn len(&self) -> usize;
    /// Bytes on the host.
    fn host_bytes(&self) -> usize;
    /// Whether it holds no page.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Every policy, matched once a call.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
#[allow(missing_docs, reason = "each is its setting's policy")]
pub enum Policy {
    Fifo(Fifo),
    Lru(Lru),
    Mru(Mru),
    Clock(Clock),
    SecondChance(SecondChance),
    Lfu(Lfu),
    Nfu(Nfu),
    Aging(Aging),
    WsClock(WsClock),
    TwoQueues(TwoQueues),
    S3Fifo(S3Fifo),
    Sieve(Sieve),
    Arc(Arc),
    Car(Car),
    Lirs(Lirs),
    ClockPro(ClockPro),
    Random(Random),
    Opt(Opt),
}

impl Policy {
    /// The policy that a setting names, for a memory of at most `capacity` pages.
    pub fn new(setting: &ReclaimPolicy, capacity: usize) -> Self {
        match setting {
            ReclaimPolicy::Fifo => Self::Fifo(Fifo::default()),
            ReclaimPolicy::Lru => Self::Lru(Lru::default()),
            ReclaimPolicy::Mru => Self::Mru(Mru::default()),
            ReclaimPolicy::Clock(setting) => Self::Clock(Clock::new(*setting)),
            ReclaimPolicy::SecondChance(setting) => Self::SecondChance(SecondChance::new(*setting)),
            ReclaimPolicy::Lfu => Self::Lfu(Lfu::default()),
            ReclaimPolicy::Nfu(setting) => Self::Nfu(Nfu::new(*setting)),
            ReclaimPolicy::Aging(setting) => Self::Aging(Aging::new(*setting)),
            ReclaimPolicy::WsClock(setting) => Self::WsClock(WsClock::new(*setting, capacity)),
            ReclaimPolicy::TwoQueues(setting) => {
                Self::TwoQueues(TwoQueues::new(*setting, capacity))
            }
            ReclaimPolicy::S3Fifo(setting) => Self::S3Fifo(S3Fifo::new(*setting, capacity)),
            ReclaimPolicy::Sieve => Self::Sieve(Sieve::default()),
            ReclaimPolicy::Arc => Self::Arc(Arc::new(capacity)),
            ReclaimPolicy::Car => Self::Car(Car::new(capacity)),
            ReclaimPolicy::Lirs(setting) => Self::Lirs(Lirs::new(*setting, capacity)),
            ReclaimPolicy::ClockPro => Self::ClockPro(ClockPro::new(capacity)),
            ReclaimPolicy::Random => Self::Random(Random::default()),
            ReclaimPolicy::Opt => Self::Opt(Opt::default()),
        }
    }
}

macro_rules! each {
    ($self:ident, $policy:ident => $call:expr) => {
        match $self {
            Policy::Fifo($policy) => $call,
            Policy::Lru($policy) => $call,
            Policy::Mru($policy) => $call,
            Policy::Clock($policy) => $call,
            Policy::SecondChance($policy) => $call,
            Policy::Lfu($policy) => $call,
            Policy::Nfu($policy) => $call,
            Policy::Aging($policy) => $call,
            Policy::WsClock($policy) => $call,
            Policy::TwoQueues($policy) => $call,
            Policy::S3Fifo($policy) => $call,
            Policy::Sieve($policy) => $call,
            Policy::Arc($policy) => $call,
            Policy::Car($policy) => $call,
            Policy::Lirs($policy) => $call,
            Policy::ClockPro($policy) => $call,
            Policy::Random($policy) => $call,
            Policy::Opt($policy) => $call,
        }
    };
}

impl Reclaim for Policy {
    fn resize(&mut self, pages: usize) {
        each!(self, policy => policy.resize(pages));
    }
    fn admit(&mut self, page: Page) {
        each!(self, policy => policy.admit(page));
    }
    fn insert(&mut self, frame: u32, page: Page) {
        each!(self, policy => policy.insert(frame, page));
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        each!(self, policy => policy.touch(frame, touch));
    }
    fn dirtied(&mut self, frame: u32) {
        each!(self, policy => policy.dirtied(frame));
    }
    fn evict(&mut self) -> Option<Victim> {
        each!(self, policy => policy.evict())
    }
    fn remove(&mut self, frame: u32) {
        each!(self, policy => policy.remove(frame));
    }
    fn forget(&mut self, page: Page) {
        each!(self, policy => policy.forget(page));
    }
    fn len(&self) -> usize {
        each!(self, policy => policy.len())
    }
    fn host_bytes(&self) -> usize {
        each!(self, policy => policy.host_bytes())
    }
}

#[cfg(test)]
mod tests;
