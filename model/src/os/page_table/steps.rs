//! The record of a walk, without allocation.

use super::MAX_LEVELS;
use crate::address::PhysAddr;

/// One entry that a walker reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WalkStep {
    /// The level, 1 being the last.
    pub level: u8,
    /// The index in the table.
    pub index: u64,
    /// Where the entry lies.
    pub entry: PhysAddr,
    /// What it holds.
    pub value: u64,
}

/// The entries that a walk read, in order. The next walk starts anew.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steps {
    length: u8,
    steps: [WalkStep; MAX_LEVELS],
}
crate::scratch::scratch!(Steps);

impl Steps {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.length = 0;
    }
    /// Adds a step; a format has at most [`MAX_LEVELS`], so there is room.
    pub(in crate::os) fn push(&mut self, step: WalkStep) {
        if let Some(place) = self.steps.get_mut(usize::from(self.length)) {
            *place = step;
            self.length += 1;
        }
    }
}

impl std::ops::Deref for Steps {
    type Target = [WalkStep];
    fn deref(&self) -> &[WalkStep] {
        &self.steps[..usize::from(self.length)]
    }
}
