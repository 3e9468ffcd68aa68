//! The state of every frame that holds user data: Linux's `struct page`, as far as it is needed.

use std::collections::BTreeMap;

use super::NONE;

const READAHEAD: u32 = 1 << 31;
const LAZY: u32 = 1 << 30;
/// log2 of the page, from this bit up.
const ORDER_SHIFT: u32 = 24;
const ORDER: u32 = 0x3f << ORDER_SHIFT;
const FLAGS: u32 = READAHEAD | LAZY | ORDER;

/// A frame of user data. It is in use while it is mapped or in the swap cache. 20 bytes: there is one
/// for every frame that was ever handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Frame {
    /// One mapper's page number, low half first.
    page: [u32; 2],
    /// One mapper's address space. Further mappers are in the frame table's spill.
    space: u32,
    /// The swap slot with the same content, [`NONE`] without. A store ends that.
    pub slot: u32,
    /// How many entries map it, the flags, and log2 of the page in base pages. Of a page above the base
    /// page the first frame has the state.
    mappings: u32,
}

impl Frame {
    const FREE: Self = Self { page: [0; 2], space: NONE, slot: NONE, mappings: 0 };

    /// How many hold it: its mappings, and the swap cache. Zero exactly when it is free.
    pub fn count(&self) -> u64 {
        u64::from(self.mappings()) + u64::from(self.slot != NONE)
    }

    /// How many entries map it.
    pub fn mappings(&self) -> u32 {
        self.mappings & !FLAGS
    }

    /// Sets how many entries map it, of which there are fewer than 2^24.
    pub(in crate::os) fn set_mappings(&mut self, mappings: u32) {
        self.mappings = self.mappings & FLAGS | mappings & !FLAGS;
    }

    /// It was read ahead and nothing has asked for it yet.
    pub fn readahead(&self) -> bool {
        self.mappings & READAHEAD != 0
    }

    /// Sets or clears [`Self::readahead`].
    pub fn set_readahead(&mut self, set: bool) {
        self.flag(READAHEAD, set);
    }

    /// Its content may be forgotten: `madvise(MADV_FREE)`, and no store since.
    pub fn lazy(&self) -> bool {
        self.mappings & LAZY != 0
    }

    /// Sets or clears [`Self::lazy`].
    pub fn set_lazy(&mut self, set: bool) {
        self.flag(LAZY, set);
    }

    /// log2 of the page that starts here, in base pages.
    pub fn order(&self) -> u8 {
        ((self.mappings & ORDER) >> ORDER_SHIFT) as u8
    }

    /// Sets [`Self::order`].
    pub(in crate::os) fn set_order(&mut self, order: u8) {
        self.mappings = self.mappings & !ORDER | u32::from(order) << ORDER_SHIFT & ORDER;
    }

    fn flag(&mut self, flag: u32, set: bool) {
        self.mappings = if set { self.mappings | flag } else { self.mappings & !flag };
    }

    /// The mapper that is kept here: address space and page number.
    pub(in crate::os) fn mapper(&self) -> Option<(u32, u64)> {
        let page = u64::from(self.page[1]) << 32 | u64::from(self.page[0]);
        (self.space != NONE).then_some((self.space, page))
    }

    /// Sets [`Self::mapper`].
    pub(in crate::os) fn set_mapper(&mut self, mapper: Option<(u32, u64)>) {
        let (space, page) = mapper.unwrap_or((NONE, 0));
        self.space = space;
        self.page = [page as u32, (page >> 32) as u32];
    }
}

/// Frame state by frame number. It reaches as far as the allocator has handed frames out, and that
/// starts at the bottom of memory.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
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
            grow(&mut self.frames, index, Frame::FREE);
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
        self.frames.capacity() * size_of::<Frame>()
    }
}

/// Makes `index` a valid one, with a quarter in reserve: doubling would waste half of the memory.
pub fn grow<T: Clone>(list: &mut Vec<T>, index: usize, value: T) {
    if index >= list.len() {
        if index >= list.capacity() {
            list.reserve_exact(index + 1 - list.len() + list.len() / 4);
        }
        list.resize(index + 1, value);
    }
}
