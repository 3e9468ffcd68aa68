//! Policies that are one list.

use std::cmp::Reverse;

use rand::Rng;
use rand_pcg::Pcg32;

use super::Policy;
use crate::os::reclaim::{Page, ReclaimPolicy, Touch};
use crate::reference::sets::seed_of;

/// A page that may be evicted.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    frame: u64,
    /// The page's number, which breaks ties of the optimal policy.
    label: u64,
    /// Clock: how many uses the hand still sees.
    uses: u8,
    /// Optimal: when it is used next.
    next_use: u64,
}

/// The pages that may be evicted, in the order that the policy keeps them in.
#[derive(Debug)]
pub struct Simple {
    policy: ReclaimPolicy,
    list: Vec<Candidate>,
    generator: Pcg32,
}

impl Simple {
    /// Without pages.
    pub fn new(policy: ReclaimPolicy) -> Self {
        let generator = Pcg32::new(seed_of("os.reclaim.random", 0), 1);
        Self { policy, list: Vec::new(), generator }
    }

    /// Uses that a new page is taken to have had, and the most that are remembered.
    fn clock(&self) -> (u8, u8) {
        match self.policy {
            ReclaimPolicy::Clock(setting) => {
                (setting.insert_referenced.into(), u8::MAX >> (8 - setting.bits))
            }
            // Second chance is a clock with one bit, told as a queue.
            ReclaimPolicy::SecondChance(setting) => (setting.insert_referenced.into(), 1),
            _ => (0, 0),
        }
    }
}

impl Policy for Simple {
    /// With a clock, the front of the list is under the hand, and what goes in
    /// behind the hand goes to the end.
    fn insert(&mut self, frame: u64, page: Page) {
        let (uses, label) = (self.clock().0, page.number());
        self.list.push(Candidate { frame, label, uses, next_use: u64::MAX });
    }

    fn touch(&mut self, frame: u64, touch: Touch) {
        let most = self.clock().1;
        let Some(place) = self.list.iter().position(|page| page.frame == frame) else { return };
        match self.policy {
            ReclaimPolicy::Lru(_) | ReclaimPolicy::Mru(_) => {
                let page = self.list.remove(place);
                self.list.push(page);
            }
            ReclaimPolicy::Clock(_) | ReclaimPolicy::SecondChance(_) => {
                let page = &mut self.list[place];
                if !touch.retry && page.uses < most {
                    page.uses += 1;
                }
            }
            ReclaimPolicy::Opt(_) => self.list[place].next_use = touch.next_use.unwrap_or(u64::MAX),
            _ => {}
        }
    }

    fn evict(&mut self) -> Option<(u64, u64)> {
        if self.list.is_empty() {
            return None;
        }
        match self.policy {
            ReclaimPolicy::Mru(_) => self.list.pop().map(|page| (page.frame, 1)),
            ReclaimPolicy::Random(_) => {
                let draw = u64::from(self.generator.next_u32()) * self.list.len() as u64;
                Some((self.list.swap_remove((draw >> 32) as usize).frame, 1))
            }
            ReclaimPolicy::Clock(_) | ReclaimPolicy::SecondChance(_) => {
                let mut looked_at = 0;
                loop {
                    looked_at += 1;
                    let mut page = self.list.remove(0);
                    if page.uses == 0 {
                        return Some((page.frame, looked_at));
                    }
                    page.uses -= 1;
                    self.list.push(page);
                }
            }
            ReclaimPolicy::Opt(_) => {
                let farthest = |page: &&Candidate| (page.next_use, Reverse(page.label), page.frame);
                let frame = self.list.iter().max_by_key(farthest)?.frame;
                self.remove(frame);
                Some((frame, 1))
            }
            _ => Some((self.list.remove(0).frame, 1)),
        }
    }

    fn remove(&mut self, frame: u64) {
        let Some(place) = self.list.iter().position(|page| page.frame == frame) else { return };
        if let ReclaimPolicy::Random(_) = self.policy {
            // The order is part of the sequence of choices: the last takes the place.
            self.list.swap_remove(place);
        } else {
            self.list.remove(place);
        }
    }
}
