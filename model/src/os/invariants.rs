//! What must hold between any two events, checked the slow way.

use std::collections::BTreeMap;

use super::Os;
use super::address_space::Areas;
use super::frames::NONE;
use super::page_table::Pte;
use super::reclaim::Reclaim;
use crate::address::VirtAddr;

/// What the page tables say.
#[derive(Default)]
struct Found {
    mappers: BTreeMap<u32, Vec<(u32, u64)>>,
    slots: BTreeMap<u32, u32>,
    wired: u64,
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, is: T, should: T) -> Result<(), String> {
    if is == should { Ok(()) } else { Err(format!("{what}: {is:?} is kept, {should:?} is true")) }
}

impl Os {
    /// Compares every count and cross-reference with what the page tables say: a frame's count is zero
    /// exactly when it is free, its reverse map names exactly the entries that map it, resident counts
    /// are right, and no slot leaks.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check_invariants(&self) -> Result<(), String> {
        let found = self.survey()?;
        self.check_frames(&found)?;
        self.check_slots(&found)?;
        self.buddy.check()?;
        equal("wired frames", self.wired, found.wired)?;
        let held = self.resident + self.cached;
        // A page above the base page is one to the policy.
        let large = self.frames.in_use().filter(|(_, frame)| frame.order() > 0);
        let (count, frames) = large.fold((0, 0), |(count, frames), (_, frame)| {
            (count + 1, frames + (1u64 << frame.order()))
        });
        equal("frames of larger pages", self.in_large, frames)?;
        equal("pages that the policy holds", self.policy.len() as u64 + frames - count, held)?;
        if let Some(frame) = self.doomed.iter().find(|frame| self.frames.get(**frame).count() == 0)
        {
            return Err(format!("free frame {frame} is to be reclaimed"));
        }
        let zero = u64::from(self.zero.is_some());
        let pool = self.pool.len() as u64;
        equal("frames of compressed pages", pool, self.slots.pool_frames())?;
        let used =
            self.buddy.reserved() + held + self.wired + zero + self.table_space.frames() + pool;
        equal("free frames", self.buddy.free(), self.buddy.frames().saturating_sub(used))
    }

    fn survey(&self) -> Result<Found, String> {
        let mut found = Found::default();
        for (index, space) in self.spaces.iter() {
            Areas::check(&space.areas)?;
            let (mut next, mut resident) = (Some(VirtAddr(0)), 0);
            while let Some((addr, pte)) = next.and_then(|next| self.tables.next(space.root, next)) {
                next = addr.checked_add(self.size(pte).bytes());
                if let Some(slot) = pte.slot() {
                    *found.slots.entry(slot.0 as u32).or_default() += 1;
                } else if pte.has(Pte::WIRED) {
                    found.wired += 1;
                } else if let Some(frame) =
                    pte.pfn().map(|pfn| pfn.0 as u32).filter(|f| Some(*f) != self.zero)
                {
                    found.mappers.entry(frame).or_default().push((index, addr.0 >> self.page.0));
                    resident += 1 << pte.order();
                    equal("a page's order", self.frames.get(frame).order(), pte.order())?;
                    if !u64::from(frame).is_multiple_of(1 << pte.order())
                        || !addr.0.is_multiple_of(self.size(pte).bytes())
                    {
                        return Err(format!("the page at {addr} is not aligned"));
                    }
                    if pte.has(Pte::WRITABLE) && self.is_shared(frame) {
                        return Err(format!("shared frame {frame} is writable"));
                    }
                    if pte.has(Pte::DIRTY) && self.frames.get(frame).slot != NONE {
                        return Err(format!("dirty frame {frame} keeps a slot"));
                    }
                    if pte.has(Pte::DIRTY) && self.frames.get(frame).lazy() {
                        return Err(format!("dirty frame {frame} may be forgotten"));
                    }
                }
            }
            equal("a process's resident pages", space.resident, resident)?;
        }
        Ok(found)
    }

    fn check_frames(&self, found: &Found) -> Result<(), String> {
        let (mut resident, mut cached) = (0, 0);
        for (frame, state) in self.frames.in_use() {
            let mut kept: Vec<_> = self.frames.mappers(frame).collect();
            let mut mappers = found.mappers.get(&frame).cloned().unwrap_or_default();
            kept.sort_unstable();
            mappers.sort_unstable();
            equal("a frame's mapping count", state.mappings() as usize, mappers.len())?;
            resident += u64::from(!mappers.is_empty()) << state.order();
            cached += u64::from(mappers.is_empty());
            equal("a frame's reverse map", kept, mappers)?;
            if state.slot != NONE {
                equal("a slot's frame", self.slots.frame(state.slot), Some(frame))?;
            }
        }
        equal("mapped frames", self.resident, resident)?;
        let used = self.frames.in_use().filter(|(_, state)| state.mappings() > 0).count();
        equal("pages with mappers", used, found.mappers.len())?;
        equal("frames in the swap cache alone", self.cached, cached)
    }

    fn check_slots(&self, found: &Found) -> Result<(), String> {
        self.slots.check()?;
        for (slot, references, frame) in self.slots.iter() {
            equal("a slot's references", references, found.slots.get(&slot).copied().unwrap_or(0))?;
            if let Some(frame) = frame {
                equal("a frame's slot", self.frames.get(frame).slot, slot)?;
            }
        }
        match found.slots.keys().find(|slot| !self.slots.in_use(**slot)) {
            Some(slot) => Err(format!("slot {slot} is named but free")),
            None => Ok(()),
        }
    }
}
