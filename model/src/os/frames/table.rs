//! The state of every frame that holds user data: Linux's `struct page`, as far as it is needed.

use std::collections::BTreeMap;

use super::NONE;

/// A frame of user data. It is in use while it is mapped or in the swap cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// One mapper: the page number.
    pub(in crate::os) page: u64,
    /// One mapper: the address space. Further ones are in the frame table's spill.
    pub(in crate::os) space: u32,
    /// The swap slot with the same content, [`NONE`] without. A store ends that.
    pub slot: u32,
    /// How many entries map it.
    pub mappings: u32,
    /// It was read ahead and nothing has asked for it yet.
    pub readahead: bool,
}

impl Frame {
    const FREE: Self = Self { page: 0, space: NONE, slot: NONE, mappings: 0, readahead: false };

    /// How many hold it: its mappings, and the swap cache. Zero exactly when it is free.
    pub fn count(&self) -> u64 {
        u64::from(self.mappings) + u64::from(self.slot != NONE)
    }
}

/// Frame state by frame number. It reaches as far as the allocator has handed frames out, and that
/// starts at the bottom of memory.
#[derive(Debug, Clone, Default)]
pub struct FrameTable {
    frames: Vec<Frame>,
    /// Mappers beyond the first of a frame.
    pub(in crate::os) spill: BTreeMap<u32, Vec<(u32, u64)>>,
}

impl FrameTable {
    /// The state of a frame; a free one's where it was never used.
    pub fn get(&self, frame: u32) -> Frame {
        self.frames.get(frame as usize).copied().unwrap_or(Frame::FREE)
    }

    /// The state of a frame, to be changed.
    pub fn get_mut(&mut self, frame: u32) -> &mut Frame {
        let index = frame as usize;
        if index >= self.frames.len() {
            self.frames.resize(index + 1, Frame::FREE);
        }
        &mut self.frames[index]
    }

    /// Makes the frame a free one's state again.
    pub fn reset(&mut self, frame: u32) {
        *self.get_mut(frame) = Frame::FREE;
    }

    /// Every frame in use.
    pub fn in_use(&self) -> impl Iterator<Item = (u32, &Frame)> {
        (0u32..).zip(&self.frames).filter(|(_, frame)| frame.count() > 0)
    }

    /// Bytes on the host.
    pub fn host_bytes(&self) -> usize {
        self.frames.len() * size_of::<Frame>()
    }
}
