//! CLOCK-Pro (Jiang, Chen and Zhang, USENIX ATC 2005): LIRS with referenced bits. Hot and cold pages lie on one
//! clock, with cold pages that have left memory during their test period. HANDcold looks for a victim among
//! the cold pages in memory; one whose bit is set becomes hot if it is in its test period, and starts one
//! if it is not. HANDhot makes a hot page cold whose bit is clear, and ends the test period of every cold page
//! that it passes; HANDtest does so where more pages out of memory are remembered than memory has. A page
//! that is wanted during its test period comes in hot, any other cold. The list head, where pages go in, is
//! behind HANDhot.
//!
//! The target for the number of cold pages rises by one when a page is used in its test period and falls by one
//! when a test period ends without. It is between one page and all of memory.
//!
//! What the paper leaves open: as in the authors' simulator, the target starts at 5 % of memory (rounded down,
//! but one page at least), and memory fills with hot pages until they have the rest. A page in memory whose bit
//! is set when its test period ends was used in it: the target stays. The simulator adapts nothing unless it is
//! compiled to, and ignores a use of the page that was used just before. libCacheSim starts with cold pages
//! alone and a target of all of memory.

use super::index::Index;
use super::list::List;
use super::{Page, Reclaim, Touch, Victim, share};
use crate::config::choice::NoParameters;
use crate::os::frames::grow;

const NONE: u32 = u32::MAX;
/// The target for cold pages at the start, as a share of memory.
const COLD: f64 = 0.05;

/// A page on the clock.
#[derive(Debug, Clone, Copy, bincode::Encode, bincode::Decode)]
struct Node {
    /// [`NONE`] where it is not in memory.
    frame: u32,
    hot: bool,
    /// It is in its test period.
    test: bool,
}

/// CLOCK-Pro.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct ClockPro {
    /// All pages, in the order in which hands come by, which start again at the first.
    clock: List,
    /// The cold pages in memory, in the same order.
    cold: List,
    pages: Vec<Page>,
    nodes: Vec<Node>,
    /// Nodes that are not in use.
    spare: Vec<u32>,
    /// The node of each frame, and whether its page was used.
    by_frame: Vec<u32>,
    referenced: Vec<bool>,
    /// The nodes of pages that are not in memory.
    index: Index,
    gone: usize,
    hot: usize,
    hand_hot: Option<u32>,
    hand_test: Option<u32>,
    /// A cold page in memory, if there is one.
    hand_cold: Option<u32>,
    /// The first cold page in memory that [`Self::hand_hot`] comes to.
    cold_ahead: Option<u32>,
    /// How many pages in memory are meant to be cold.
    target: usize,
    /// Nothing has been evicted yet.
    filling: bool,
    capacity: usize,
}

fn around(list: &List, node: u32) -> Option<u32> {
    list.after(node).or_else(|| list.first())
}

impl ClockPro {
    fn create(&mut self, page: Page, node: Node) -> u32 {
        if let Some(at) = self.spare.pop() {
            self.pages[at as usize] = page;
            self.nodes[at as usize] = node;
            return at;
        }
        self.pages.push(page);
        self.nodes.push(node);
        // A host does not hold 2^32 of them.
        self.pages.len() as u32 - 1
    }

    /// Puts a page at the list head.
    fn link(&mut self, node: u32) {
        self.clock.insert_before(node, self.hand_hot);
        self.hand_hot = self.hand_hot.or(Some(node));
        self.hand_test = self.hand_test.or(Some(node));
    }

    /// Takes a page off the clock; hands that are there move on.
    fn unlink(&mut self, node: u32) {
        let next = around(&self.clock, node).filter(|next| *next != node);
        for hand in [&mut self.hand_hot, &mut self.hand_test] {
            if *hand == Some(node) {
                *hand = next;
            }
        }
        self.clock.remove(node);
    }

    /// A page at the list head is one of the cold pages in memory.
    fn link_cold(&mut self, node: u32) {
        self.cold.insert_before(node, self.cold_ahead);
        self.cold_ahead = self.cold_ahead.or(Some(node));
        self.hand_cold = self.hand_cold.or(Some(node));
    }

    fn unlink_cold(&mut self, node: u32) {
        let next = around(&self.cold, node).filter(|next| *next != node);
        for hand in [&mut self.hand_cold, &mut self.cold_ahead] {
            if *hand == Some(node) {
                *hand = next;
            }
        }
        self.cold.remove(node);
    }

    fn raise_target(&mut self) {
        self.target = (self.target + 1).min(self.capacity.max(1));
    }

    fn lower_target(&mut self) {
        self.target = (self.target - 1).max(1);
    }

    /// How many hot pages there may be.
    fn most_hot(&self) -> usize {
        self.capacity.saturating_sub(self.target)
    }

    /// Ends the memory of a page that is gone.
    fn drop_ghost(&mut self, page: Page) {
        if let Some(node) = self.index.remove(page, &self.pages) {
            self.gone -= 1;
            self.unlink(node);
            self.spare.push(node);
        }
    }

    /// Ends the test period of a cold page, which no hand looks at any more.
    fn end_test(&mut self, at: u32) {
        let node = &mut self.nodes[at as usize];
        if node.frame == NONE {
            self.drop_ghost(self.pages[at as usize]);
            self.lower_target();
        } else if std::mem::take(&mut node.test) && !self.referenced[node.frame as usize] {
            self.lower_target();
        }
    }

    /// HANDhot makes a hot page cold and goes on to the next one.
    fn run_hot(&mut self, scanned: &mut u64) {
        let mut done = self.hot == 0;
        while let Some(at) = self.hand_hot {
            let Node { frame, hot, .. } = self.nodes[at as usize];
            if done && (hot || self.hot == 0) {
                return;
            }
            self.hand_hot = around(&self.clock, at);
            if self.cold_ahead == Some(at) {
                self.cold_ahead = around(&self.cold, at);
            }
            if !hot {
                self.end_test(at);
                continue;
            }
            *scanned += 1;
            if !std::mem::take(&mut self.referenced[frame as usize]) {
                self.nodes[at as usize].hot = false;
                self.hot -= 1;
                self.link_cold(at);
                done = true;
            }
        }
    }

    /// HANDtest ends one test period.
    fn run_test(&mut self) {
        while let Some(at) = self.hand_test {
            self.hand_test = around(&self.clock, at);
            if !self.nodes[at as usize].hot {
                self.end_test(at);
                return;
            }
        }
    }

    /// A cold page was used in its test period: it is hot now, and another page is not.
    fn promote(&mut self, at: u32, scanned: &mut u64) {
        let node = &mut self.nodes[at as usize];
        (node.hot, node.test) = (true, false);
        self.hot += 1;
        self.link(at);
        self.raise_target();
        while self.hot > self.most_hot() {
            self.run_hot(scanned);
        }
    }

    /// The page under HANDcold leaves memory; its frame.
    fn let_go(&mut self, at: u32) -> u32 {
        self.unlink_cold(at);
        let node = &mut self.nodes[at as usize];
        let frame = std::mem::replace(&mut node.frame, NONE);
        let test = node.test;
        self.by_frame[frame as usize] = NONE;
        if test {
            // A page that was copied on write is in memory twice, and is remembered once.
            self.drop_ghost(self.pages[at as usize]);
            self.index.insert(at, &self.pages);
            self.gone += 1;
            while self.gone > self.capacity {
                self.run_test();
            }
        } else {
            self.unlink(at);
            self.spare.push(at);
        }
        frame
    }
}

impl Reclaim for ClockPro {
    type Settings = NoParameters;
    const REMEMBERS: bool = true;

    fn new(_: &NoParameters, capacity: usize) -> Self {
        let (clock, cold, pages, nodes) = Default::default();
        let (spare, by_frame, referenced, index) = Default::default();
        Self {
            clock,
            cold,
            pages,
            nodes,
            spare,
            by_frame,
            referenced,
            index,
            gone: 0,
            hot: 0,
            hand_hot: None,
            hand_test: None,
            hand_cold: None,
            cold_ahead: None,
            target: share(COLD, capacity).max(1),
            filling: true,
            capacity,
        }
    }
    fn fills_by_size(_: &NoParameters) -> bool {
        true
    }
    fn resize(&mut self, pages: usize) {
        self.capacity = pages;
        self.target = self.target.min(pages.max(1));
    }
    fn insert(&mut self, frame: u32, page: Page) {
        let index = frame as usize;
        grow(&mut self.by_frame, index, NONE);
        grow(&mut self.referenced, index, false);
        self.referenced[index] = false;
        if let Some(at) = self.index.remove(page, &self.pages) {
            self.gone -= 1;
            self.unlink(at);
            self.nodes[at as usize].frame = frame;
            self.by_frame[index] = at;
            self.promote(at, &mut 0);
            return;
        }
        let hot = self.filling && self.hot < self.most_hot();
        let at = self.create(page, Node { frame, hot, test: !hot });
        self.by_frame[index] = at;
        self.link(at);
        if hot {
            self.hot += 1;
        } else {
            self.link_cold(at);
        }
    }
    fn touch(&mut self, frame: u32, touch: Touch) {
        // The use that brought the page in leaves its bit clear.
        if let Some(bit) = self.referenced.get_mut(frame as usize).filter(|_| !touch.retry) {
            *bit = true;
        }
    }
    fn evict(&mut self) -> Option<Victim> {
        self.filling = false;
        let mut scanned = 0;
        loop {
            let Some(at) = self.hand_cold else {
                if self.hot == 0 {
                    return None;
                }
                self.run_hot(&mut scanned);
                continue;
            };
            scanned += 1;
            let Node { frame, test, .. } = self.nodes[at as usize];
            if !std::mem::take(&mut self.referenced[frame as usize]) {
                return Some(Victim { frame: self.let_go(at), scanned });
            }
            self.unlink_cold(at);
            self.unlink(at);
            if test {
                self.promote(at, &mut scanned);
            } else {
                self.nodes[at as usize].test = true;
                self.link(at);
                self.link_cold(at);
            }
        }
    }
    fn remove(&mut self, frame: u32) {
        let Some(node) = self.by_frame.get_mut(frame as usize) else { return };
        let at = std::mem::replace(node, NONE);
        if at == NONE {
            return;
        }
        if self.nodes[at as usize].hot {
            self.hot -= 1;
        } else {
            self.unlink_cold(at);
        }
        self.unlink(at);
        self.spare.push(at);
    }
    fn forget(&mut self, page: Page) {
        self.drop_ghost(page);
    }
    fn near_page(&self, page: Page) -> u64 {
        let Some(node) = self.index.near(page) else { return 0 };
        self.clock.near(node) ^ self.pages[node as usize].number()
    }
    fn len(&self) -> usize {
        self.hot + self.cold.len()
    }
    fn host_bytes(&self) -> usize {
        self.clock.host_bytes()
            + self.cold.host_bytes()
            + self.index.host_bytes()
            + self.pages.capacity() * size_of::<Page>()
            + self.nodes.capacity() * size_of::<Node>()
            + (self.spare.capacity() + self.by_frame.capacity()) * size_of::<u32>()
            + self.referenced.capacity()
    }
}
