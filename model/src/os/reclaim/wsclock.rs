//! WSClock (Carr and Hennessy, SOSP 1981; Tanenbaum, Modern Operating Systems, section 3.4.9): a hand sweeps
//! a circular list. Where it finds a referenced bit set, it clears it and notes the time. Where the bit is
//! clear and the time noted is more than `tau` ago, the page is out of the working set: if it is clean, it
//! goes; if it is dirty, its write is scheduled and the hand moves on. After a round without a victim, the
//! next clean page goes, one whose write has been scheduled included; without one, the page under the hand.
//!
//! A sweep over pages that are all in the working set would look at each of them. The pages whose bit it finds
//! set, those that are old and those that are clean are kept as sets of places on the circle instead, so that it
//! goes from one to the next; a page gets into the set of old ones when its time comes.
//!
//! Time is counted in the uses that the policy sees. A scheduled write is taken to be done when the hand
//! comes by again; the kernel writes a page when it evicts it, so that as many pages are written as without.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::marks::Marks;
use super::ring::Ring;
use super::{Page, Reclaim, Touch, Victim};
use crate::os::frames::grow;

/// Parameters of `wsclock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The working set's window in uses that the policy sees. Default: as many as memory holds pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub tau: Option<u64>,
}

/// WSClock.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct WsClock {
    ring: Ring,
    /// When each frame's page was last seen to have been used.
    used: Vec<u64>,
    sets: Sets,
    /// Pages whose bit is clear and that are not known to be old, by the time of their use. One that has been
    /// used since, or has gone, stays.
    waiting: VecDeque<(u32, u64)>,
    now: u64,
    /// `None` for as many uses as memory holds pages.
    tau: Option<u64>,
    capacity: usize,
}

/// Sets of places.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
struct Sets {
    referenced: Marks,
    clean: Marks,
    /// Pages whose bit is clear, last used longer ago than tau was when they were put here; clean ones.
    old_clean: Marks,
    /// The same, dirty ones.
    old_dirty: Marks,
}

impl Sets {
    fn all(&mut self) -> [&mut Marks; 4] {
        [&mut self.referenced, &mut self.clean, &mut self.old_clean, &mut self.old_dirty]
    }
}

impl WsClock {
    fn tau(&self) -> u64 {
        self.tau.unwrap_or(self.capacity as u64)
    }

    /// Puts pages that have become old among those.
    fn age(&mut self) {
        let tau = self.tau();
        while let Some(&(frame, used)) = self.waiting.front() {
            if self.now - used <= tau {
                break;
            }
            self.waiting.pop_front();
            if let Some(place) = self.waits(frame, used) {
                match self.sets.clean.contains(place) {
                    true => self.sets.old_clean.set(place),
                    false => self.sets.old_dirty.set(place),
                }
            }
        }
    }

    /// The place of a page that still waits as it did when it was last used at `used`.
    fn waits(&self, frame: u32, used: u64) -> Option<usize> {
        let place = self.ring.place(frame)?;
        let same = self.used[frame as usize] == used && !self.sets.referenced.contains(place);
        same.then_some(place)
    }

    fn wait(&mut self, frame: u32) {
        if self.waiting.len() > 2 * self.ring.len() + 64 {
            let waiting = std::mem::take(&mut self.waiting);
            let still = |(frame, used): &(u32, u64)| self.waits(*frame, *used).is_some();
            self.waiting = waiting.into_iter().filter(still).collect();
        }
        self.used[frame as usize] = self.now;
        self.waiting.push_back((frame, self.now));
    }

    /// What the hand does to the pages up to `end`, or to all: it clears bits that are set and notes the time,
    /// and has what is old and dirty written.
    fn sweep(&mut self, end: Option<usize>) {
        let tau = self.tau();
        for range in self.ring.swept(end) {
            let mut from = range.start;
            while let Some(place) = self.sets.old_dirty.next(from).filter(|at| *at < range.end) {
                if self.now - self.used[self.ring.frame(place) as usize] > tau {
                    self.sets.old_dirty.unset(place);
                    self.sets.old_clean.set(place);
                    self.sets.clean.set(place);
                }
                from = place + 1;
            }
            let mut from = range.start;
            while let Some(place) = self.sets.referenced.next(from).filter(|at| *at < range.end) {
                self.sets.referenced.unset(place);
                self.wait(self.ring.frame(place));
                from = place + 1;
            }
        }
    }

    fn set_dirty(&mut self, place: usize) {
        self.sets.clean.unset(place);
        if self.sets.old_clean.contains(place) {
            self.sets.old_clean.unset(place);
            self.sets.old_dirty.set(place);
        }
    }

    fn take(&mut self, frame: u32, place: usize) {
        self.sets.all().into_iter().for_each(|set| set.unset(place));
        self.ring.remove(frame);
    }

    fn make_room(&mut self) {
        let old = std::mem::take(&mut self.sets);
        let Self { ring, sets, .. } = self;
        ring.renumber(|from, to| {
            let pairs = [
                (&old.referenced, &mut sets.referenced),
                (&old.clean, &mut sets.clean),
                (&old.old_clean, &mut sets.old_clean),
                (&old.old_dirty, &mut sets.old_dirty),
            ];
            for (old, new) in pairs {
                if old.contains(from) {
                    new.set(to);
                }
            }
        });
    }
}

impl Reclaim for WsClock {
    type Settings = Settings;

    fn new(settings: &Settings, capacity: usize) -> Self {
        let (ring, used, sets, waiting) = Default::default();
        Self { ring, used, sets, waiting, now: 0, tau: settings.tau, capacity }
    }
    fn resize(&mut self, pages: usize) {
        self.capacity = pages;
    }
    fn insert(&mut self, frame: u32, _: Page) {
        // Behind the hand, which comes to it last.
        if !self.ring.has_room() {
            self.make_room();
        }
        let place = self.ring.insert(frame);
        self.sets.clean.set(place);
        grow(&mut self.used, frame as usize, 0);
        self.wait(frame);
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        self.now += 1;
        let Some(place) = self.ring.place(frame) else { return };
        if !self.sets.referenced.contains(place) {
            self.sets.referenced.set(place);
            self.sets.old_clean.unset(place);
            self.sets.old_dirty.unset(place);
        }
        if touch.write {
            self.set_dirty(place);
        }
    }
    fn dirtied(&mut self, frame: u32) {
        if let Some(place) = self.ring.place(frame) {
            self.set_dirty(place);
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let pages = self.ring.len() as u64;
        if pages == 0 {
            return None;
        }
        self.age();
        // tau may have grown since a page was put among the old ones.
        let tau = self.tau();
        let is_old = |frame: u32| self.now - self.used[frame as usize] > tau;
        let old = self.ring.find(&self.sets.old_clean, is_old);
        self.sweep(old);
        let (place, round) = match old {
            Some(place) => (place, 0),
            // The first clean page in another round, or the page under the hand after a third.
            None => match self.ring.find(&self.sets.clean, |_| true) {
                Some(place) => (place, pages),
                None => (self.ring.hand(), 2 * pages - 1),
            },
        };
        let scanned = round + self.ring.distance(place) + 1;
        let frame = self.ring.frame(place);
        self.ring.move_to(place);
        self.take(frame, place);
        Some(Victim { frame, scanned })
    }
    fn remove(&mut self, frame: u32) {
        if let Some(place) = self.ring.place(frame) {
            self.take(frame, place);
        }
    }
    fn len(&self) -> usize {
        self.ring.len()
    }
    fn host_bytes(&self) -> usize {
        let Sets { referenced, clean, old_clean, old_dirty } = &self.sets;
        let sets = [referenced, clean, old_clean, old_dirty];
        self.ring.host_bytes()
            + sets.into_iter().map(Marks::host_bytes).sum::<usize>()
            + self.used.capacity() * size_of::<u64>()
            + self.waiting.capacity() * size_of::<(u32, u64)>()
    }
}
