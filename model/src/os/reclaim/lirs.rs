//! LIRS (Jiang and Zhang, SIGMETRICS 2002). Pages whose last two uses lay close together, LIR pages, have
//! nearly all of memory; the others, HIR pages, have the share `hir`, rounded down, but one page at least, in a
//! queue Q, and a victim is always the first of Q. A stack S has, by recency, the LIR pages, of which one
//! is always at its bottom, and the HIR pages used since that one, in memory or not. A HIR page that is
//! used while it is in S becomes LIR, and the LIR page at the bottom HIR.
//!
//! Until there are as many LIR pages as there may be, every page that comes in is one. S is not limited in
//! size. The authors' simulator ignores a use of the page that was used just before, and gives Q two pages
//! at least; the paper says neither. libCacheSim limits S to twice the pages of memory and, when a page is
//! used that is in Q alone, demotes a LIR page although none was promoted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::index::Index;
use super::list::List;
use super::{Page, Reclaim, Touch, Victim, share};
use crate::os::frames::grow;

/// Parameters of `lirs`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Serialize,
    Deserialize,
    JsonSchema,
    bincode::Encode,
    bincode::Decode,
)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The share of memory for HIR pages; one page at least.
    #[schemars(range(min = 0, max = 1))]
    pub hir: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { hir: 0.01 }
    }
}

const NONE: u32 = u32::MAX;

/// Low inter-reference recency set. Pages in S or Q are nodes.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Lirs {
    /// S, the bottom first.
    stack: List,
    /// Q: the HIR pages in memory, the next victim first.
    queue: List,
    /// The page, the frame ([`NONE`] where it is not in memory) and the status of each node.
    pages: Vec<Page>,
    frames: Vec<u32>,
    is_lir: Vec<bool>,
    /// Nodes that are not in use.
    spare: Vec<u32>,
    /// The node of each frame.
    nodes: Vec<u32>,
    /// The nodes of pages that are not in memory.
    gone: Index,
    lir: usize,
    setting: Settings,
    capacity: usize,
}

impl Lirs {
    /// How many LIR pages there may be.
    fn most_lir(&self) -> usize {
        self.capacity.saturating_sub(share(self.setting.hir, self.capacity).max(1))
    }

    fn create(&mut self, frame: u32, page: Page) -> u32 {
        if let Some(node) = self.spare.pop() {
            self.pages[node as usize] = page;
            self.frames[node as usize] = frame;
            return node;
        }
        self.pages.push(page);
        self.frames.push(frame);
        self.is_lir.push(false);
        // A host does not hold 2^32 of them.
        self.pages.len() as u32 - 1
    }

    fn make_lir(&mut self, node: u32) {
        self.is_lir[node as usize] = true;
        self.lir += 1;
    }

    /// Takes the pages below the lowest LIR page out of S.
    fn prune(&mut self) {
        while let Some(node) = self.stack.first().filter(|node| !self.is_lir[*node as usize]) {
            self.stack.remove(node);
            if self.frames[node as usize] == NONE {
                self.gone.remove(self.pages[node as usize], &self.pages);
                self.spare.push(node);
            }
        }
    }

    /// The LIR page at the bottom becomes HIR.
    fn demote(&mut self) {
        let Some(node) = self.stack.first() else { return };
        self.stack.remove(node);
        self.is_lir[node as usize] = false;
        self.lir -= 1;
        self.queue.push(node);
        self.prune();
    }

    fn keep_to_limit(&mut self) {
        while self.lir > self.most_lir() {
            self.demote();
        }
    }

    /// Ends the memory of a page that is gone.
    fn drop_ghost(&mut self, page: Page) {
        if let Some(node) = self.gone.remove(page, &self.pages) {
            self.stack.remove(node);
            self.spare.push(node);
        }
    }
}

impl Reclaim for Lirs {
    type Settings = Settings;
    const REMEMBERS: bool = true;

    fn new(settings: &Settings, capacity: usize) -> Self {
        let (stack, queue, pages, frames, is_lir) = Default::default();
        let (spare, nodes, gone) = Default::default();
        Self {
            stack,
            queue,
            pages,
            frames,
            is_lir,
            spare,
            nodes,
            gone,
            lir: 0,
            setting: *settings,
            capacity,
        }
    }
    fn fills_by_size(_: &Settings) -> bool {
        true
    }
    fn resize(&mut self, pages: usize) {
        self.capacity = pages;
    }
    fn insert(&mut self, frame: u32, page: Page) {
        grow(&mut self.nodes, frame as usize, NONE);
        if let Some(node) = self.gone.remove(page, &self.pages) {
            self.nodes[frame as usize] = node;
            self.frames[node as usize] = frame;
            self.stack.move_to_end(node);
            self.make_lir(node);
            self.keep_to_limit();
            return;
        }
        let node = self.create(frame, page);
        self.nodes[frame as usize] = node;
        self.stack.push(node);
        if self.lir < self.most_lir() {
            self.make_lir(node);
        } else {
            self.queue.push(node);
            self.prune();
        }
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        let Some(&node) = self.nodes.get(frame as usize).filter(|node| **node != NONE) else {
            return;
        };
        if touch.retry {
            // It has been told of already, as the page that came in.
        } else if self.is_lir[node as usize] {
            let bottom = self.stack.first() == Some(node);
            self.stack.move_to_end(node);
            if bottom {
                self.prune();
            }
        } else if self.stack.contains(node) {
            self.stack.move_to_end(node);
            self.queue.remove(node);
            self.make_lir(node);
            self.keep_to_limit();
        } else {
            self.stack.push(node);
            self.queue.move_to_end(node);
            self.prune();
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        self.keep_to_limit();
        if self.queue.len() == 0 {
            self.demote();
        }
        let node = self.queue.first()?;
        self.queue.remove(node);
        let frame = std::mem::replace(&mut self.frames[node as usize], NONE);
        self.nodes[frame as usize] = NONE;
        if self.stack.contains(node) {
            // A page that was copied on write is in memory twice, and is remembered once.
            self.drop_ghost(self.pages[node as usize]);
            self.gone.insert(node, &self.pages);
        } else {
            self.spare.push(node);
        }
        Some(Victim { frame, scanned: 1 })
    }
    fn remove(&mut self, frame: u32) {
        let Some(node) = self.nodes.get_mut(frame as usize) else { return };
        let node = std::mem::replace(node, NONE);
        if node == NONE {
            return;
        }
        for list in [&mut self.stack, &mut self.queue] {
            if list.contains(node) {
                list.remove(node);
            }
        }
        self.lir -= usize::from(std::mem::take(&mut self.is_lir[node as usize]));
        self.spare.push(node);
        self.prune();
    }
    fn forget(&mut self, page: Page) {
        self.drop_ghost(page);
    }
    fn near(&self, frame: u32) -> u64 {
        let Some(node) = self.nodes.get(frame as usize).filter(|node| **node != NONE) else {
            return 0;
        };
        self.stack.near(*node) ^ u64::from(self.is_lir[*node as usize])
    }
    fn near_page(&self, page: Page) -> u64 {
        let Some(node) = self.gone.near(page) else { return 0 };
        self.stack.near(node) ^ self.pages[node as usize].number()
    }
    fn len(&self) -> usize {
        self.lir + self.queue.len()
    }
    fn host_bytes(&self) -> usize {
        self.stack.host_bytes()
            + self.queue.host_bytes()
            + self.gone.host_bytes()
            + self.pages.capacity() * size_of::<Page>()
            + self.is_lir.capacity()
            + (self.frames.capacity() + self.spare.capacity() + self.nodes.capacity())
                * size_of::<u32>()
    }
}
