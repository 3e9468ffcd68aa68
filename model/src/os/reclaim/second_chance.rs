//! Second chance: a queue whose first page goes, unless its referenced bit is set: then the bit is
//! cleared and the page goes to the end (Tanenbaum, Modern Operating Systems, section 3.4.4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::list::List;
use super::{Page, Reclaim, Touch, Victim};
use crate::os::frames::grow;

/// Parameters of `second-chance`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether a new page's referenced bit is set.
    pub insert_referenced: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { insert_referenced: true }
    }
}

/// Second chance.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct SecondChance {
    list: List,
    referenced: Vec<bool>,
    setting: Settings,
}

impl Reclaim for SecondChance {
    type Settings = Settings;

    fn new(settings: &Settings, _: usize) -> Self {
        Self { list: List::default(), referenced: Vec::new(), setting: *settings }
    }
    fn insert(&mut self, frame: u32, _: Page) {
        self.list.push(frame);
        let index = frame as usize;
        grow(&mut self.referenced, index, false);
        self.referenced[index] = self.setting.insert_referenced;
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        if let Some(bit) = self.referenced.get_mut(frame as usize).filter(|_| !touch.retry) {
            *bit = true;
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        let mut scanned = 1;
        loop {
            let frame = self.list.first()?;
            if !std::mem::take(&mut self.referenced[frame as usize]) {
                self.list.remove(frame);
                return Some(Victim { frame, scanned });
            }
            scanned += 1;
            self.list.move_to_end(frame);
        }
    }
    fn remove(&mut self, frame: u32) {
        if self.list.contains(frame) {
            self.list.remove(frame);
        }
    }
    fn len(&self) -> usize {
        self.list.len()
    }
    fn host_bytes(&self) -> usize {
        self.list.host_bytes() + self.referenced.capacity()
    }
}
