//! Aging (Tanenbaum, Modern Operating Systems, section 3.4.7): at every clock tick each page's counter is
//! shifted right by one, its referenced bit goes in at the left, and the bit is cleared. The page with the
//! lowest counter goes, and of several the one that has been in memory longest.
//!
//! Time is counted in the uses that the policy sees: a tick follows every `tick` of them. A page comes in
//! with a counter of 0; the use that brought it in sets its bit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::arrivals::Arrivals;
use super::{Page, Reclaim, Touch, Victim};
use crate::os::frames::grow;

/// Parameters of `aging`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Uses between two clock ticks; those that the policy sees.
    #[schemars(range(min = 1))]
    pub tick: u64,
    /// Bits of a counter.
    #[schemars(range(min = 1, max = 16))]
    pub bits: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tick: 1, bits: 8 }
    }
}

const NONE: u32 = u32::MAX;

/// What is known of a frame's page.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct Age {
    counter: u16,
    referenced: bool,
    /// Its place among the young.
    place: u32,
}

const NEW: Age = Age { counter: 0, referenced: false, place: NONE };

/// Aging.
///
/// Most pages have a counter of 0 and no bit; nothing is done for them at a tick. The others, the young,
/// were used in the last few ticks.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Aging {
    /// All pages; a mark says that the counter is 0.
    arrivals: Arrivals,
    ages: Vec<Age>,
    young: Vec<u32>,
    highest: u16,
    tick: u64,
    until_tick: u64,
}

impl Aging {
    /// The counter of the page in `frame`; 0 where there is none.
    #[cfg(test)]
    pub(super) fn counter(&self, frame: u32) -> u16 {
        self.ages.get(frame as usize).map_or(0, |age| age.counter)
    }

    fn tick(&mut self) {
        self.until_tick = self.tick;
        let mut place = 0;
        while let Some(&frame) = self.young.get(place) {
            let age = &mut self.ages[frame as usize];
            let old = age.counter;
            age.counter = old >> 1 | if age.referenced { self.highest } else { 0 };
            age.referenced = false;
            if age.counter == 0 {
                self.arrivals.mark(frame, true);
                self.no_longer_young(frame);
                continue;
            }
            if old == 0 {
                self.arrivals.mark(frame, false);
            }
            place += 1;
        }
    }

    fn no_longer_young(&mut self, frame: u32) {
        let place = std::mem::replace(&mut self.ages[frame as usize].place, NONE);
        self.young.swap_remove(place as usize);
        if let Some(moved) = self.young.get(place as usize) {
            self.ages[*moved as usize].place = place;
        }
    }

    fn take(&mut self, frame: u32) {
        if self.ages[frame as usize].place != NONE {
            self.no_longer_young(frame);
        }
        self.arrivals.remove(frame);
    }
}

impl Reclaim for Aging {
    type Settings = Settings;

    fn new(settings: &Settings, _: usize) -> Self {
        let tick = settings.tick.max(1);
        let highest = 1 << (settings.bits.clamp(1, 16) - 1);
        let (arrivals, ages, young) = Default::default();
        Self { arrivals, ages, young, highest, tick, until_tick: tick }
    }
    fn insert(&mut self, frame: u32, _: Page) {
        let index = frame as usize;
        grow(&mut self.ages, index, NEW);
        self.ages[index] = NEW;
        self.arrivals.push(frame);
        self.arrivals.mark(frame, true);
    }
    fn touch(&mut self, frame: u32, _: Touch) {
        if self.arrivals.contains(frame) {
            let age = &mut self.ages[frame as usize];
            age.referenced = true;
            if age.place == NONE {
                age.place = self.young.len() as u32;
                self.young.push(frame);
            }
        }
        self.until_tick -= 1;
        if self.until_tick == 0 {
            self.tick();
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let frame = match self.arrivals.first_marked() {
            Some(frame) => frame,
            None => {
                let Self { arrivals, ages, young, .. } = self;
                let rank = |frame: &u32| (ages[*frame as usize].counter, arrivals.place(*frame));
                young.iter().copied().min_by_key(rank)?
            }
        };
        self.take(frame);
        Some(Victim { frame, scanned: 1 })
    }
    fn remove(&mut self, frame: u32) {
        if self.arrivals.contains(frame) {
            self.take(frame);
        }
    }
    fn near(&self, frame: u32) -> u64 {
        let age = self.ages.get(frame as usize).map_or(NONE, |age| age.place);
        u64::from(age) ^ self.arrivals.near(frame)
    }
    fn len(&self) -> usize {
        self.arrivals.len()
    }
    fn host_bytes(&self) -> usize {
        self.arrivals.host_bytes()
            + self.ages.capacity() * size_of::<Age>()
            + self.young.capacity() * size_of::<u32>()
    }
}
