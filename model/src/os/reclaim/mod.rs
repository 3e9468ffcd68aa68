//! Page replacement, one policy a file.
//!
//! A policy holds the pages that may be evicted, by frame. It never sees page tables or time: what it
//! knows is what it is told through [`Reclaim`].

mod clock;
mod fifo;
mod list;
mod lru;
mod opt;
mod random;
mod second_chance;
mod setting;

pub use clock::Clock;
pub use fifo::Fifo;
pub use lru::Lru;
pub use opt::Opt;
pub use random::Random;
pub use second_chance::SecondChance;
pub use setting::{ClockSetting, ReclaimPolicy, SecondChanceSetting};

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
pub trait Reclaim {
    /// Page `page` now lies in `frame`. The caller guarantees that the policy does not hold the frame.
    fn insert(&mut self, frame: u32, page: u64);
    /// The page in `frame` was used. A frame that the policy does not hold is ignored.
    fn touch(&mut self, frame: u32, touch: Touch);
    /// Chooses a page, and forgets it; `None` where it holds none.
    fn evict(&mut self) -> Option<Victim>;
    /// Forgets the page in `frame`, which went for another reason. A frame that the policy does not
    /// hold is ignored.
    fn remove(&mut self, frame: u32);
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
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each is its setting's policy")]
pub enum Policy {
    Fifo(Fifo),
    Lru(Lru),
    Clock(Clock),
    SecondChance(SecondChance),
    Random(Random),
    Opt(Opt),
}

impl Policy {
    /// The policy that a setting names.
    pub fn new(setting: &ReclaimPolicy) -> Self {
        match setting {
            ReclaimPolicy::Fifo => Self::Fifo(Fifo::default()),
            ReclaimPolicy::Lru => Self::Lru(Lru::default()),
            ReclaimPolicy::Clock(setting) => Self::Clock(Clock::new(*setting)),
            ReclaimPolicy::SecondChance(setting) => Self::SecondChance(SecondChance::new(*setting)),
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
            Policy::Clock($policy) => $call,
            Policy::SecondChance($policy) => $call,
            Policy::Random($policy) => $call,
            Policy::Opt($policy) => $call,
        }
    };
}

impl Reclaim for Policy {
    fn insert(&mut self, frame: u32, page: u64) {
        each!(self, policy => policy.insert(frame, page));
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        each!(self, policy => policy.touch(frame, touch));
    }
    fn evict(&mut self) -> Option<Victim> {
        each!(self, policy => policy.evict())
    }
    fn remove(&mut self, frame: u32) {
        each!(self, policy => policy.remove(frame));
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
