//! Page faults.

use tracegen::record::{AccessKind, ProcessId};

use super::Stopped;
use super::areas::Area;
use super::memory::{Effects, Entry, Forget, Held, Memory};
use crate::address::{PhysAddr, SwapSlot};
use crate::os::reclaim::Page as Owner;
use crate::outcome::{FaultKind, Work};

/// An access that faults.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub process: ProcessId,
    /// The base page's number.
    pub page: u64,
    kind: AccessKind,
    area: Option<Area>,
}

impl Fault {
    fn owner(&self) -> Owner {
        Owner::new(self.process, self.page)
    }

    fn store(&self) -> bool {
        self.kind == AccessKind::Store
    }

    fn shared_area(&self) -> bool {
        self.area.is_some_and(|area| area.shared)
    }

    /// An entry with the area's rights; outside every area, everything is allowed.
    pub fn entry(&self, frame: u64, writable: bool) -> Entry {
        let writable = writable && self.area.is_none_or(|area| area.protection.write);
        Entry {
            held: Held::Frame(frame),
            present: true,
            writable,
            executable: self.area.is_none_or(|area| area.protection.execute),
            accessed: true,
            dirty: self.store() && writable,
            order: 0,
        }
    }
}

impl Memory {
    /// Handles a fault: what kind it was. After [`FaultKind::Segv`] and [`FaultKind::Protection`] the
    /// access does not take place.
    pub fn fault(
        &mut self,
        process: ProcessId,
        addr: u64,
        kind: AccessKind,
        effects: &mut Effects,
    ) -> Result<FaultKind, Stopped> {
        effects.work.push(Work::Handler);
        let (found, major) = self.handle(process, addr, kind, effects)?;
        if let Some(addr) = self.shape.fold(addr)
            && !matches!(found, FaultKind::Segv | FaultKind::Protection)
        {
            self.enter(process, addr / self.page, effects);
        }
        let names: &[&str] = match found {
            FaultKind::Anonymous => &["anonymous"],
            FaultKind::ZeroPage => &["zero_page"],
            FaultKind::File => &["file"],
            FaultKind::CowCopied => &["cow", "cow_copied"],
            FaultKind::CowReused => &["cow", "cow_reused"],
            FaultKind::SwapIn => &["swap_in"],
            FaultKind::Spurious => &["spurious"],
            FaultKind::Protection => &["protection"],
            FaultKind::Segv => &["segv"],
        };
        for name in names {
            self.counts.add(&format!("os.faults.{name}"), 1);
        }
        if !matches!(found, FaultKind::Protection | FaultKind::Segv) {
            self.counts.add("os.faults.total", 1);
            self.counts.add(if major { "os.faults.major" } else { "os.faults.minor" }, 1);
        }
        Ok(found)
    }

    /// Is there an area, does it allow the access, and what does the entry say? Also says whether the
    /// backing store was read.
    fn handle(
        &mut self,
        process: ProcessId,
        addr: u64,
        kind: AccessKind,
        effects: &mut Effects,
    ) -> Result<(FaultKind, bool), Stopped> {
        self.space(process, effects)?;
        let Some(addr) = self.shape.fold(addr) else { return Ok((FaultKind::Segv, false)) };
        let area = self.spaces.get(&process).and_then(|space| space.areas.find(addr));
        if area.is_none() && self.strict && !self.is_kernel(process) {
            return Ok((FaultKind::Segv, false));
        }
        if area.is_some_and(|area| !area.allows(kind)) {
            return Ok((FaultKind::Protection, false));
        }
        let fault = Fault { process, page: addr / self.page, kind, area };
        match self.whole(process, fault.page) {
            None => Ok((self.first_touch(&fault, effects)?, false)),
            Some((_, Entry { held: Held::Slot(slot), .. })) => {
                let read = self.swap_in(&fault, slot, effects)?;
                Ok((FaultKind::SwapIn, read))
            }
            Some((first, entry)) => {
                effects.forget.push(Forget::Page(process, first, entry.order));
                Ok((self.present(&fault, entry, effects)?, false))
            }
        }
    }

    /// A load of a private area shows the zero page, where memory is not given in frames; anything else
    /// gets a frame of its own.
    fn first_touch(&mut self, fault: &Fault, effects: &mut Effects) -> Result<FaultKind, Stopped> {
        if self.large(fault, effects)? {
            return Ok(FaultKind::Anonymous);
        }
        self.make_path(fault.process, fault.page * self.page, effects)?;
        if self.is_kernel(fault.process) {
            self.wire(fault.page, fault.store(), effects)?;
            return Ok(FaultKind::Anonymous);
        }
        let private = fault.area.is_some_and(|area| !area.shared);
        if fault.store() || !private || self.textbook {
            self.zeroed(fault, effects)?;
            return Ok(FaultKind::Anonymous);
        }
        let zero = match self.zero {
            Some(zero) => zero,
            None => self.take_frame(None, effects)?,
        };
        self.zero = Some(zero);
        self.entries.insert((fault.process, fault.page), fault.entry(zero, false));
        effects.table_writes(1);
        Ok(FaultKind::ZeroPage)
    }

    /// Maps a new frame full of zeros.
    fn zeroed(&mut self, fault: &Fault, effects: &mut Effects) -> Result<(), Stopped> {
        let frame = self.take_frame(Some(fault.owner()), effects)?;
        effects.work.push(Work::Zero { addr: PhysAddr(frame * self.page), bytes: self.page });
        self.bring_in(fault, frame);
        effects.table_writes(1);
        Ok(())
    }

    fn bring_in(&mut self, fault: &Fault, frame: u64) {
        self.reclaim.insert(frame, fault.owner());
        self.map(fault.process, fault.page, frame, fault.entry(frame, true));
        self.fresh = Some(frame);
    }

    /// The entry has a frame: either a store found it write-protected, or the area allows more than the
    /// entry does.
    fn present(
        &mut self,
        fault: &Fault,
        entry: Entry,
        effects: &mut Effects,
    ) -> Result<FaultKind, Stopped> {
        let Some(mut frame) = entry.frame() else { return Ok(FaultKind::Spurious) };
        if !fault.store() || entry.writable {
            let executable = entry.executable || fault.kind == AccessKind::Fetch;
            let entry = Entry { present: true, executable, ..entry };
            self.put(fault.process, fault.page, entry);
            return Ok(FaultKind::Spurious);
        }
        if Some(frame) == self.zero {
            self.zeroed(fault, effects)?;
            self.flush_pages(1, effects);
            return Ok(FaultKind::CowCopied);
        }
        if self.is_shared(frame) && !fault.shared_area() {
            self.split(frame, effects);
            frame += fault.page % entry.pages();
            self.copy(fault, frame, effects)?;
            return Ok(FaultKind::CowCopied);
        }
        self.drop_slot(frame);
        if let Some(page) = self.pages.get_mut(&frame) {
            page.lazy = false;
        }
        let own = Entry { order: entry.order, ..fault.entry(frame, true) };
        self.put(fault.process, fault.page, own);
        effects.table_writes(self.written(own));
        Ok(FaultKind::CowReused)
    }

    /// Whether another entry holds the frame, or names its slot.
    pub fn is_shared(&self, frame: u64) -> bool {
        self.pages.get(&frame).is_some_and(|page| {
            page.mappers.len() > 1 || page.slot.is_some_and(|slot| self.references(slot) > 0)
        })
    }

    /// Maps a copy of the page instead of the page.
    fn copy(&mut self, fault: &Fault, frame: u64, effects: &mut Effects) -> Result<(), Stopped> {
        let new = self.take_frame(Some(fault.owner()), effects)?;
        let (from, to) = (PhysAddr(frame * self.page), PhysAddr(new * self.page));
        effects.work.push(Work::Copy { from, to, bytes: self.page });
        self.unmap(fault.process, fault.page);
        self.bring_in(fault, new);
        effects.table_writes(1);
        self.flush_pages(1, effects);
        Ok(())
    }

    /// The page is on the swap device, or in the swap cache. Whether it had to be read.
    fn swap_in(
        &mut self,
        fault: &Fault,
        slot: u64,
        effects: &mut Effects,
    ) -> Result<bool, Stopped> {
        let cached = self.slots.frame(slot);
        // What one page alone names and a device in memory holds is read straight into its frame.
        let moved = cached.is_none() && self.slots.in_memory(slot);
        let frame = match cached {
            Some(frame) => frame,
            None => self.read_in(fault, slot, effects)?,
        };
        let state = self.pages.entry(frame).or_default();
        if std::mem::take(&mut state.ahead) {
            self.counts.add("swap.readahead_hits", 1);
            self.window.hits += 1;
        }
        let mapped = !self.pages.entry(frame).or_default().mappers.is_empty();
        let shared = mapped || self.references(slot) > 1;
        self.map(fault.process, fault.page, frame, fault.entry(frame, !shared));
        effects.table_writes(1);
        if cached.is_none() {
            self.fresh = Some(frame);
        }
        if fault.store() && shared && !fault.shared_area() {
            self.copy(fault, frame, effects)?;
        } else if fault.store() || !shared && (moved || self.slots.crowded()) {
            self.drop_slot(frame);
        }
        Ok(cached.is_none())
    }

    /// Reads a slot, and those around it that hold pages which are not in memory; returns the frame.
    fn read_in(
        &mut self,
        fault: &Fault,
        wanted: u64,
        effects: &mut Effects,
    ) -> Result<u64, Stopped> {
        self.counts.add("os.reclaim.refaults", 1);
        let mut read = Vec::new();
        let alone = self.slots.in_memory(wanted) && self.references(wanted) == 1;
        let mut window = Vec::new();
        if !self.textbook
            && !alone
            && let Some(area) = self.slots.area(wanted)
        {
            let (first, capacity) = (area.first, area.capacity);
            let around = self.window.around(wanted - first).into_iter();
            window = around.filter(|slot| *slot < capacity).map(|slot| first + slot).collect();
        }
        for slot in window.into_iter().filter(|slot| *slot != wanted) {
            // What makes room for one may change what the next slot holds.
            if self.slots.used.get(&slot) == Some(&None) {
                let owner = self.owners.get(&slot).copied().unwrap_or(Owner::new(0, slot));
                let Ok(frame) = self.take_frame(Some(owner), effects) else { break };
                self.fill(slot, frame, owner);
                if let Some(page) = self.pages.get_mut(&frame) {
                    page.ahead = true;
                }
                read.push(slot);
            }
        }
        let frame = self.take_frame(Some(fault.owner()), effects)?;
        self.fill(wanted, frame, fault.owner());
        self.counts.add("swap.readahead_reads", read.len() as u64);
        read.push(wanted);
        self.account(read, effects);
        Ok(frame)
    }

    /// Puts a slot's content into a frame.
    pub fn fill(&mut self, slot: u64, frame: u64, owner: Owner) {
        self.pages.entry(frame).or_default().slot = Some(slot);
        self.slots.used.insert(slot, Some(frame));
        self.reclaim.insert(frame, owner);
    }

    /// Counts slots that are read, and tells of them run by run.
    pub fn account(&mut self, mut read: Vec<u64>, effects: &mut Effects) {
        self.counts.add("swap.reads", read.len() as u64);
        read.iter().for_each(|slot| self.count_area(*slot, "reads"));
        read.sort_unstable();
        if self.textbook {
            return;
        }
        for run in read.chunk_by(|a, b| a + 1 == *b) {
            let pages = run.len() as u32;
            effects.work.push(Work::SwapRead { slot: SwapSlot(run[0]), pages });
        }
    }
}
