//! ARC and CAR, line by line as in the papers' figures.

use std::collections::VecDeque;

use super::Policy;
use crate::os::reclaim::{Page, Touch};

/// A page in memory; its bit matters to CAR.
#[derive(Debug, Clone, Copy)]
struct Resident {
    frame: u64,
    page: Page,
    bit: bool,
}

/// T1, T2, B1, B2, the page to go first in front, and p.
#[derive(Debug, Default)]
struct Lists {
    t1: VecDeque<Resident>,
    t2: VecDeque<Resident>,
    b1: VecDeque<Page>,
    b2: VecDeque<Page>,
    p: f64,
    c: u64,
}

impl Lists {
    fn adapt(&mut self, page: Page) {
        let (b1, b2) = (self.b1.len() as f64, self.b2.len() as f64);
        if self.b1.contains(&page) {
            let delta = if b1 >= b2 { 1.0 } else { b2 / b1 };
            self.p = f64::min(self.p + delta, self.c as f64);
        } else if self.b2.contains(&page) {
            let delta = if b2 >= b1 { 1.0 } else { b1 / b2 };
            self.p = f64::max(self.p - delta, 0.0);
        }
    }

    fn make_room(&mut self) {
        if (self.t1.len() + self.b1.len()) as u64 >= self.c {
            while (self.t1.len() + self.b1.len()) as u64 >= self.c && self.b1.pop_front().is_some()
            {
            }
            return;
        }
        loop {
            let all = self.t1.len() + self.t2.len() + self.b1.len() + self.b2.len();
            if (all as u64) < 2 * self.c || self.b2.pop_front().is_none() {
                return;
            }
        }
    }

    fn is_gone(&self, page: Page) -> bool {
        self.b1.contains(&page) || self.b2.contains(&page)
    }

    fn forget(&mut self, page: Page) {
        self.b1.retain(|other| *other != page);
        self.b2.retain(|other| *other != page);
    }

    fn remember_in_b1(&mut self, page: Page) {
        self.forget(page);
        self.b1.push_back(page);
    }

    fn remember_in_b2(&mut self, page: Page) {
        self.forget(page);
        self.b2.push_back(page);
    }

    fn remove(&mut self, frame: u64) {
        self.t1.retain(|resident| resident.frame != frame);
        self.t2.retain(|resident| resident.frame != frame);
    }
}

/// Where the page that is coming was found.
#[derive(Debug, Clone, Copy, PartialEq)]
enum From {
    Nowhere,
    B1,
    B2,
}

/// ARC.
#[derive(Debug)]
pub struct Arc {
    lists: Lists,
    coming: Option<(Page, From)>,
}

impl Arc {
    /// Without pages.
    pub fn new(capacity: u64) -> Self {
        Self { lists: Lists { c: capacity, ..Lists::default() }, coming: None }
    }
}

impl Policy for Arc {
    fn admit(&mut self, page: Page) {
        let from = if self.lists.b1.contains(&page) {
            From::B1
        } else if self.lists.b2.contains(&page) {
            From::B2
        } else {
            From::Nowhere
        };
        match from {
            From::Nowhere => self.lists.make_room(),
            From::B1 | From::B2 => self.lists.adapt(page),
        }
        self.lists.forget(page);
        self.coming = Some((page, from));
    }

    fn insert(&mut self, frame: u64, page: Page) {
        if self.coming.is_none_or(|coming| coming.0 != page) {
            self.admit(page);
        }
        let resident = Resident { frame, page, bit: false };
        match self.coming.take() {
            Some((_, From::B1 | From::B2)) => self.lists.t2.push_back(resident),
            _ => self.lists.t1.push_back(resident),
        }
    }

    fn touch(&mut self, frame: u64, touch: Touch) {
        let Lists { t1, t2, .. } = &mut self.lists;
        if let Some(at) = t1.iter().position(|resident| resident.frame == frame) {
            if !touch.retry {
                t2.extend(t1.remove(at));
            }
        } else if let Some(at) = t2.iter().position(|resident| resident.frame == frame) {
            let resident = t2.remove(at);
            t2.extend(resident);
        }
    }

    fn evict(&mut self) -> Option<(u64, u64)> {
        let from = self.coming.map_or(From::Nowhere, |coming| coming.1);
        let (t1, p) = (self.lists.t1.len() as f64, self.lists.p);
        let all_t1 = self.lists.t1.len() as u64 >= self.lists.c;
        let unseen = from == From::Nowhere && all_t1;
        if t1 >= 1.0 && ((from == From::B2 && t1 == p) || t1 > p) || self.lists.t2.is_empty() {
            let victim = self.lists.t1.pop_front()?;
            if !unseen {
                self.lists.remember_in_b1(victim.page);
            }
            return Some((victim.frame, 1));
        }
        let victim = self.lists.t2.pop_front()?;
        if !unseen {
            self.lists.remember_in_b2(victim.page);
        }
        Some((victim.frame, 1))
    }

    fn remove(&mut self, frame: u64) {
        self.lists.remove(frame);
    }

    fn resize(&mut self, pages: u64) {
        self.lists.c = pages;
    }

    fn forget(&mut self, page: Page) {
        self.lists.forget(page);
    }
}

/// CAR.
#[derive(Debug)]
pub struct Car {
    lists: Lists,
}

impl Car {
    /// Without pages.
    pub fn new(capacity: u64) -> Self {
        Self { lists: Lists { c: capacity, ..Lists::default() } }
    }
}

impl Policy for Car {
    fn insert(&mut self, frame: u64, page: Page) {
        let resident = Resident { frame, page, bit: false };
        if self.lists.is_gone(page) {
            self.lists.adapt(page);
            self.lists.forget(page);
            self.lists.t2.push_back(resident);
        } else {
            self.lists.make_room();
            self.lists.t1.push_back(resident);
        }
    }

    fn touch(&mut self, frame: u64, touch: Touch) {
        let mut all = self.lists.t1.iter_mut().chain(&mut self.lists.t2);
        if let Some(resident) = all.find(|resident| resident.frame == frame) {
            resident.bit |= !touch.retry;
        }
    }

    fn evict(&mut self) -> Option<(u64, u64)> {
        for looked_at in 1.. {
            let lists = &mut self.lists;
            let t1 = lists.t1.len() as f64;
            if !lists.t1.is_empty() && (t1 >= f64::max(1.0, lists.p) || lists.t2.is_empty()) {
                let head = lists.t1.pop_front()?;
                if !head.bit {
                    lists.remember_in_b1(head.page);
                    return Some((head.frame, looked_at));
                }
                lists.t2.push_back(Resident { bit: false, ..head });
            } else {
                let head = lists.t2.pop_front()?;
                if !head.bit {
                    lists.remember_in_b2(head.page);
                    return Some((head.frame, looked_at));
                }
                lists.t2.push_back(Resident { bit: false, ..head });
            }
        }
        None
    }

    fn remove(&mut self, frame: u64) {
        self.lists.remove(frame);
    }

    fn resize(&mut self, pages: u64) {
        self.lists.c = pages;
    }

    fn forget(&mut self, page: Page) {
        self.lists.forget(page);
    }
}
