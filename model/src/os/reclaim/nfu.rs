//! Not frequently used (Tanenbaum, Modern Operating Systems, section 3.4.7): at every clock tick the
//! referenced bit of each page is added to its counter and cleared; the page with the lowest counter goes,
//! and of several the one that reached that number first (within a tick, the one referenced first).
//!
//! Time is counted in the uses that the policy sees: a tick follows every `tick` of them. With a tick after
//! each use it is least frequently used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::{Page, Reclaim, Touch, Victim};
use crate::os::frames::grow;

/// Parameters of `nfu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Uses between two clock ticks; those that the policy sees.
    #[schemars(range(min = 1))]
    pub tick: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tick: 1 }
    }
}

/// Not frequently used.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Nfu {
    counts: Counts,
    /// Frames in the order in which their bits were set. One whose bit has been cleared since stays.
    referenced: Vec<u32>,
    /// Of each frame, 1 more than its place there; 0 where its bit is clear.
    bits: Vec<u32>,
    tick: u64,
    until_tick: u64,
}

impl Nfu {
    fn take(&mut self, frame: u32) {
        self.counts.remove(frame);
        self.bits[frame as usize] = 0;
    }

    fn forget_cleared(&mut self) {
        let Self { referenced, bits, .. } = self;
        let (mut place, mut kept) = (0, 0);
        referenced.retain(|frame| {
            place += 1;
            let bit = &mut bits[*frame as usize];
            let set = *bit == place;
            if set {
                kept += 1;
                *bit = kept;
            }
            set
        });
    }

    fn tick(&mut self) {
        self.until_tick = self.tick;
        for (place, frame) in (1..).zip(self.referenced.drain(..)) {
            let bit = &mut self.bits[frame as usize];
            if *bit == place {
                *bit = 0;
                self.counts.raise(frame);
            }
        }
    }
}

impl Reclaim for Nfu {
    type Settings = Settings;

    fn new(settings: &Settings, _: usize) -> Self {
        let tick = settings.tick.max(1);
        let (counts, referenced, bits) = Default::default();
        Self { counts, referenced, bits, tick, until_tick: tick }
    }
    fn insert(&mut self, frame: u32, _: Page) {
        self.counts.insert(frame);
        grow(&mut self.bits, frame as usize, 0);
    }
    fn touch(&mut self, frame: u32, _: Touch) {
        if self.counts.contains(frame) && self.bits[frame as usize] == 0 {
            if self.referenced.len() > 2 * self.counts.len() + 64 {
                self.forget_cleared();
            }
            self.referenced.push(frame);
            // Below three times the number of frames.
            self.bits[frame as usize] = self.referenced.len() as u32;
        }
        self.until_tick -= 1;
        if self.until_tick == 0 {
            self.tick();
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let frame = self.counts.first()?;
        self.take(frame);
        Some(Victim { frame, scanned: 1 })
    }
    fn remove(&mut self, frame: u32) {
        if self.counts.contains(frame) {
            self.take(frame);
        }
    }
    fn near(&self, frame: u32) -> u64 {
        self.counts.near(frame)
    }
    fn len(&self) -> usize {
        self.counts.len()
    }
    fn host_bytes(&self) -> usize {
        self.counts.host_bytes()
            + (self.referenced.capacity() + self.bits.capacity()) * size_of::<u32>()
    }
}
