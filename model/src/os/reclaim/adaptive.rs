//! What ARC and CAR have in common: which pages went from T1 and T2, and how many pages T1 should have.

use super::Page;
use super::ghosts::Ghosts;

/// The pages that went from T1.
pub(super) const B1: usize = 0;
/// The pages that went from T2.
pub(super) const B2: usize = 1;

/// The lists B1 and B2 of pages that are gone, by recency, and the target p for the size of T1, a real
/// number.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Adaptive {
    pub ghosts: Ghosts<2>,
    pub p: f64,
    pub capacity: usize,
}

impl Adaptive {
    pub fn new(capacity: usize) -> Self {
        Self { ghosts: Ghosts::default(), p: 0.0, capacity }
    }

    /// `page` is wanted. Where it is remembered, p is adapted and it is taken out; the list that it was in.
    pub fn recall(&mut self, page: Page) -> Option<usize> {
        let found = self.ghosts.find(page)?;
        let (b1, b2) = (self.ghosts.len(B1) as f64, self.ghosts.len(B2) as f64);
        self.p = match found {
            B1 => (self.p + (b2 / b1).max(1.0)).min(self.capacity as f64),
            _ => (self.p - (b1 / b2).max(1.0)).max(0.0),
        };
        self.ghosts.remove(page)
    }

    /// A page that is not remembered comes to T1: T1 and B1 then hold at most what memory does, and
    /// everything together at most twice as much.
    pub fn make_room(&mut self, t1: usize, t2: usize) {
        if t1 + self.ghosts.len(B1) >= self.capacity {
            while t1 + self.ghosts.len(B1) >= self.capacity && self.ghosts.len(B1) > 0 {
                self.ghosts.pop(B1);
            }
            return;
        }
        let held = t1 + t2 + self.ghosts.len(B1);
        let most = self.capacity.saturating_mul(2);
        while held + self.ghosts.len(B2) >= most && self.ghosts.len(B2) > 0 {
            self.ghosts.pop(B2);
        }
    }
}
