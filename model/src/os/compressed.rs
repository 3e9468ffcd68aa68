//! Frames for compressed pages, and how far a page can be compressed.

use std::collections::BTreeMap;

use tracegen::record::ProcessId;

use super::Os;
use crate::address::VirtAddr;
use crate::time::settings::Content;

/// The content classes of pages, as far as the trace tells them and a machine has a use for them.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Contents {
    /// How many pages of a class fit where one was.
    ratios: BTreeMap<u64, u32>,
    /// By address space and page number.
    pages: BTreeMap<(u32, u64), u64>,
}

impl Contents {
    /// What is known of `classes`, of use where some swap area `compresses`.
    pub fn new(classes: &[Content], compresses: bool) -> Self {
        let classes = classes.iter().filter(|_| compresses);
        let ratios = classes.map(|content| (content.class, content.ratio)).collect();
        Self { ratios, pages: BTreeMap::new() }
    }

    /// The ratio of the page that these map, where one of them has been told what it holds.
    pub fn ratio(&self, mappers: &[(u32, u64)]) -> Option<u32> {
        let class = mappers.iter().find_map(|mapper| self.pages.get(mapper))?;
        self.ratios.get(class).copied()
    }

    /// A page holds content of `class`.
    fn set(&mut self, index: u32, page: u64, class: u64) {
        if !self.ratios.is_empty() {
            self.pages.insert((index, page), class);
        }
    }

    /// Nothing is known of the pages from `first` to `last` any more.
    pub fn forget(&mut self, index: u32, first: u64, last: u64) {
        if self.pages.is_empty() {
            return;
        }
        let known = self.pages.range((index, first)..=(index, last));
        let known: Vec<_> = known.map(|(page, _)| *page).collect();
        known.iter().for_each(|page| {
            self.pages.remove(page);
        });
    }

    /// An address space is a copy of another.
    pub fn copy(&mut self, from: u32, to: u32) {
        let known = self.pages.range((from, 0)..=(from, u64::MAX));
        let copies: Vec<_> = known.map(|((_, page), class)| ((to, *page), *class)).collect();
        self.pages.extend(copies);
    }
}

impl Os {
    /// A `page-content` event: what the page of `addr` holds.
    pub(super) fn page_content(&mut self, process: ProcessId, addr: u64, class: u64) {
        if let (Some(index), Some(addr)) = (self.spaces.find(process), self.fold(VirtAddr(addr))) {
            self.contents.set(index, addr.0 >> self.page.0, class);
        }
    }

    /// Gives back frames that compressed pages do not need any more.
    pub(super) fn shrink_pool(&mut self) {
        if self.pool.is_empty() {
            return;
        }
        let wanted = self.slots.pool_frames();
        while self.pool.len() as u64 > wanted {
            if let Some(frame) = self.pool.pop() {
                self.buddy.release(frame, 0);
            }
        }
    }

    /// Takes the frame that the last compressed page may need. Its page has just given one back.
    pub(super) fn grow_pool(&mut self) {
        if !self.slots.compresses() {
            return;
        }
        let wanted = self.slots.pool_frames();
        while (self.pool.len() as u64) < wanted {
            let Some(frame) = self.buddy.allocate(0) else { break };
            self.pool.push(frame);
        }
    }
}
