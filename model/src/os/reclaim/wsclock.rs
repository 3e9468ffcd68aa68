//! WSClock (Carr and Hennessy, SOSP 1981; Tanenbaum, Modern Operating Systems, section 3.4.9): a hand sweeps
//! a circular list. Where it finds a referenced bit set, it clears it and notes the time. Where the bit is
//! clear and the time noted is more than `tau` ago, the page is out of the working set: if it is clean, it
//! goes; if it is dirty, its write is scheduled and the hand moves on. After a round without a victim, the
//! next clean page goes, one whose write has been scheduled included; without one, the page under the hand.
//!
//! Time is counted in the uses that the policy sees. A scheduled write is taken to be done when the hand
//! comes by again; the kernel writes a page when it evicts it, so that as many pages are written as without.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::list::List;
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

/// What is known of a frame's page.
#[derive(Debug, Clone, Copy, Default, bincode::Encode, bincode::Decode)]
struct State {
    referenced: bool,
    dirty: bool,
    /// When it was last seen to have been used.
    used: u64,
}

/// WSClock.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct WsClock {
    list: List,
    hand: Option<u32>,
    states: Vec<State>,
    now: u64,
    /// `None` for as many uses as memory holds pages.
    tau: Option<u64>,
    capacity: usize,
}

impl WsClock {
    fn around(&self, frame: u32) -> Option<u32> {
        self.list.after(frame).or_else(|| self.list.first())
    }

    fn take(&mut self, frame: u32) {
        if self.hand == Some(frame) {
            self.hand = self.around(frame).filter(|next| *next != frame);
        }
        self.list.remove(frame);
    }

    /// A round that stops at the first old and clean page. Of an old and dirty one the write is scheduled.
    fn look_for_old(&mut self) -> Option<Victim> {
        let tau = self.tau.unwrap_or(self.capacity as u64);
        for scanned in 1..=self.list.len() as u64 {
            let frame = self.hand?;
            let state = &mut self.states[frame as usize];
            if state.referenced {
                state.referenced = false;
                state.used = self.now;
            } else if self.now - state.used > tau {
                if !state.dirty {
                    return Some(Victim { frame, scanned });
                }
                state.dirty = false;
            }
            self.hand = self.around(frame);
        }
        None
    }

    /// The first clean page in a round, or the page under the hand.
    fn look_for_clean(&mut self) -> Option<Victim> {
        let pages = self.list.len() as u64;
        for scanned in 1..=pages {
            let frame = self.hand?;
            if !self.states[frame as usize].dirty {
                return Some(Victim { frame, scanned: pages + scanned });
            }
            self.hand = self.around(frame);
        }
        Some(Victim { frame: self.hand?, scanned: 2 * pages })
    }
}

impl Reclaim for WsClock {
    type Settings = Settings;

    fn new(settings: &Settings, capacity: usize) -> Self {
        let (list, hand, states) = Default::default();
        Self { list, hand, states, now: 0, tau: settings.tau, capacity }
    }
    fn resize(&mut self, pages: usize) {
        self.capacity = pages;
    }
    fn insert(&mut self, frame: u32, _: Page) {
        // Behind the hand, which comes to it last.
        self.list.insert_before(frame, self.hand);
        self.hand = self.hand.or(Some(frame));
        let index = frame as usize;
        grow(&mut self.states, index, State::default());
        self.states[index] = State { used: self.now, ..State::default() };
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        self.now += 1;
        if let Some(state) = self.states.get_mut(frame as usize) {
            state.referenced = true;
            state.dirty |= touch.write;
        }
    }
    fn dirtied(&mut self, frame: u32) {
        if let Some(state) = self.states.get_mut(frame as usize) {
            state.dirty = true;
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let victim = self.look_for_old().or_else(|| self.look_for_clean())?;
        self.take(victim.frame);
        Some(victim)
    }
    fn remove(&mut self, frame: u32) {
        if self.list.contains(frame) {
            self.take(frame);
        }
    }
    fn len(&self) -> usize {
        self.list.len()
    }
    fn host_bytes(&self) -> usize {
        self.list.host_bytes() + self.states.capacity() * size_of::<State>()
    }
}
