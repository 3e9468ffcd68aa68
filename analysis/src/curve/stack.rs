//! LRU stack distances (Mattson, Gecsei, Slutz and Traiger 1970): how many other pages or lines were used
//! since the last use of this one. An LRU memory of n entries has it if and only if there were fewer
//! than n, so that one pass gives the misses of every size.
//!
//! What Olken (1981) keeps in a balanced tree lies here in an array: the instant of every slot's latest
//! use, and the set of those instants ([`Instants`]). When its capacity is used up, the instants are
//! numbered anew from 0: memory grows with what is touched, not with time.
//!
//! The latest few slots lie in front, in a list that is searched one by one: most programs go to and fro
//! between a few pages, and touch nothing else of all this then.

use super::recency::Instants;

/// Instants for each slot in use after renumbering; the more, the rarer that is.
const SPACE: u32 = 4;
/// The least capacity.
const LEAST: u32 = 1 << 12;
/// The most slots in use at a time.
pub const MOST: u32 = 1 << 30;
/// Slots in front.
const FRONT: usize = 4;
/// Slots of a stack that is worth being [warmed](Stack::warm).
const WARMED: usize = 1 << 15;
/// A place in front that is free; no slot, as those are fewer than [`MOST`].
const NONE: u32 = u32::MAX;

/// The stack of an LRU memory without end.
#[derive(Debug, Clone)]
pub struct Stack {
    /// The latest slots, the very latest first.
    front: [u32; FRONT],
    /// One more than the instant at which each slot left the front; 0 where it is there or not in the
    /// stack.
    latest: Vec<u32>,
    instants: Instants,
    capacity: u32,
    now: u32,
    /// Slots behind the front.
    behind: u32,
}

impl Default for Stack {
    fn default() -> Self {
        Self {
            front: [NONE; FRONT],
            latest: Vec::new(),
            instants: Instants::new(LEAST),
            capacity: LEAST,
            now: 0,
            behind: 0,
        }
    }
}

impl Stack {
    /// How many slots are in the stack.
    #[cfg(test)]
    pub fn len(&self) -> u32 {
        self.behind + self.front.iter().filter(|slot| **slot != NONE).count() as u32
    }

    /// The slots in the stack, the latest last.
    pub fn ascending(&self) -> Vec<u32> {
        let back = self.latest.iter().zip(0..).filter(|(latest, _)| **latest != 0);
        let mut back: Vec<(u32, u32)> = back.map(|(latest, slot)| (*latest, slot)).collect();
        back.sort_unstable();
        let front = self.front.iter().rev().copied().filter(|slot| *slot != NONE);
        back.into_iter().map(|(_, slot)| slot).chain(front).collect()
    }

    /// Makes room for slots below `end`.
    #[inline]
    pub fn reserve(&mut self, end: usize) {
        if end > self.latest.len() {
            self.latest.resize(end.next_power_of_two(), 0);
        }
    }

    /// Reads what using `slots` will read, so that the host waits for all of it at once: one use after the
    /// other waits for three or four caches' misses each. A stack that fits the host's caches needs none.
    pub fn warm(&self, slots: &[u32]) {
        if self.latest.len() < WARMED {
            return;
        }
        let read = |sum: u64, slot: &u32| sum ^ self.instants.near(self.latest[*slot as usize]);
        std::hint::black_box(slots.iter().fold(0, read));
    }

    /// Uses `slot`, for which there is room, and returns how many others were used since its last use;
    /// `None` if it was not in the stack.
    #[inline]
    pub fn touch(&mut self, slot: u32) -> Option<u32> {
        let mut carried = slot;
        for (place, entry) in self.front.iter_mut().enumerate() {
            std::mem::swap(entry, &mut carried);
            if carried == slot {
                return Some(place as u32);
            }
        }
        // What was removed may have left places free.
        let in_front = match carried {
            NONE => self.front.iter().filter(|other| **other != NONE).count() as u32 - 1,
            _ => FRONT as u32,
        };
        let before = std::mem::take(&mut self.latest[slot as usize]);
        let distance = before.checked_sub(1).map(|instant| {
            let distance = in_front + self.instants.after(instant, self.now);
            self.instants.remove(instant);
            self.behind -= 1;
            distance
        });
        if carried != NONE {
            self.leave(carried);
        }
        distance
    }

    /// Puts `slot`, which has left the front, behind it.
    #[inline]
    fn leave(&mut self, slot: u32) {
        if self.now == self.capacity {
            self.renumber();
        }
        self.instants.insert(self.now);
        self.now += 1;
        self.behind += 1;
        self.latest[slot as usize] = self.now;
    }

    /// Takes `slot`, for which there is room, out of the stack.
    pub fn remove(&mut self, slot: u32) {
        if let Some(place) = self.front.iter().position(|other| *other == slot) {
            // Places are free at the end only.
            self.front[place..].rotate_left(1);
            self.front[FRONT - 1] = NONE;
        } else if let Some(instant) = std::mem::take(&mut self.latest[slot as usize]).checked_sub(1)
        {
            self.instants.remove(instant);
            self.behind -= 1;
        }
    }

    #[cold]
    fn renumber(&mut self) {
        let ranks = self.instants.ranks();
        for latest in self.latest.iter_mut().filter(|latest| **latest != 0) {
            *latest = self.instants.rank(&ranks, *latest - 1) + 1;
        }
        // At least three in four of the instants are free afterwards.
        self.capacity = self.behind.saturating_mul(SPACE).max(LEAST);
        self.instants = Instants::new(self.capacity);
        self.instants.fill(self.behind);
        self.now = self.behind;
    }
}

/// The stack of `n` slots as a list, for tests.
#[cfg(test)]
#[derive(Default)]
pub struct Naive<K>(Vec<K>);

#[cfg(test)]
impl<K: PartialEq> Naive<K> {
    /// As [`Stack::touch`].
    pub fn touch(&mut self, key: K) -> Option<u32> {
        let at = self.0.iter().position(|other| *other == key);
        if let Some(at) = at {
            self.0.remove(at);
        }
        self.0.insert(0, key);
        at.map(|at| at as u32)
    }

    /// As [`Stack::len`].
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// As [`Stack::ascending`].
    pub fn ascending(&self) -> Vec<K>
    where
        K: Copy,
    {
        self.0.iter().rev().copied().collect()
    }

    /// As [`Stack::remove`].
    pub fn remove(&mut self, key: K) {
        self.0.retain(|other| *other != key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Long enough to be renumbered many times.
        #[test]
        fn distances_are_those_of_a_list(
            seed: u64,
            slots in prop_oneof![1usize..8, 100usize..3000],
            removals in 0u64..3,
        ) {
            let (mut stack, mut naive) = (Stack::default(), Naive::default());
            stack.reserve(slots);
            let mut state = seed;
            for _ in 0..20_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Squared: some slots are used much more often than others.
                let part = (state >> 40) as f64 / f64::from(1 << 24);
                let slot = (part * part * slots as f64) as u32;
                if (state >> 8) % 64 < removals {
                    stack.remove(slot);
                    naive.remove(slot);
                } else {
                    prop_assert_eq!(stack.touch(slot), naive.touch(slot));
                }
                prop_assert_eq!(stack.len() as usize, naive.len());
                if state >> 52 == 0 {
                    prop_assert_eq!(stack.ascending(), naive.ascending());
                }
            }
        }
    }

    #[test]
    fn a_sweep_sees_all_others() {
        let mut stack = Stack::default();
        stack.reserve(50_000);
        for round in 0..4 {
            for slot in 0..50_000 {
                assert_eq!(stack.touch(slot), (round > 0).then_some(49_999));
            }
        }
    }
}
