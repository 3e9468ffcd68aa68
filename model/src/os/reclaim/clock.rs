//! Clock (Corbató 1968): a hand sweeps a circular list, clears the referenced bits that it finds set,
//! and takes the first page whose bit is clear. A new page goes in behind the hand, so that the hand
//! comes to it last.
//!
//! With more than one bit it is the generalised clock (Smith 1978): a use adds one up to the largest
//! number that the bits hold, the hand takes one away.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::list::List;
use super::{Page, Reclaim, Touch, Victim};
use crate::os::frames::grow;

/// Parameters of `clock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether a new page's referenced bit is set.
    pub insert_referenced: bool,
    /// Bits of a page's use counter.
    #[schemars(range(min = 1, max = 8))]
    pub bits: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { insert_referenced: true, bits: 1 }
    }
}

/// Clock.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Clock {
    list: List,
    hand: Option<u32>,
    uses: Vec<u8>,
    most: u8,
    first: u8,
}

impl Clock {
    fn around(&self, frame: u32) -> Option<u32> {
        self.list.after(frame).or_else(|| self.list.first())
    }

    fn take(&mut self, frame: u32) {
        let next = self.around(frame).filter(|next| *next != frame);
        if self.hand == Some(frame) {
            self.hand = next;
        }
        self.list.remove(frame);
    }
}

impl Reclaim for Clock {
    type Settings = Settings;

    fn new(settings: &Settings, _: usize) -> Self {
        Self {
            list: List::default(),
            hand: None,
            uses: Vec::new(),
            most: u8::MAX >> (8 - settings.bits.clamp(1, 8)),
            first: settings.insert_referenced.into(),
        }
    }
    fn insert(&mut self, frame: u32, _: Page) {
        self.list.insert_before(frame, self.hand);
        self.hand = self.hand.or(Some(frame));
        let index = frame as usize;
        grow(&mut self.uses, index, 0);
        self.uses[index] = self.first;
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        // The use that brought the page in is what it was inserted with.
        if let Some(uses) = self.uses.get_mut(frame as usize).filter(|_| !touch.retry) {
            *uses = uses.saturating_add(1).min(self.most);
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let mut scanned = 1;
        loop {
            let frame = self.hand?;
            let uses = &mut self.uses[frame as usize];
            if *uses == 0 {
                self.take(frame);
                return Some(Victim { frame, scanned });
            }
            *uses -= 1;
            scanned += 1;
            self.hand = self.around(frame);
        }
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
        self.list.host_bytes() + self.uses.capacity()
    }
}
