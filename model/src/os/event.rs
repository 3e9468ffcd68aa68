//! Events of the trace other than accesses.

use tracegen::record::{Backing, Event, ProcessId, Protection};

use super::address_space::Area;
use super::effects::{Effects, Invalidation};
use super::page_table::Pte;
use super::{KERNEL, Os, OsError};
use crate::address::VirtAddr;
use crate::outcome::Work;

impl Os {
    /// Applies an event of `process`. Annotations change nothing.
    ///
    /// # Errors
    /// The event is not modelled yet, contradicts what went before, or needs memory that there is not.
    pub fn event(
        &mut self,
        process: ProcessId,
        event: &Event,
        effects: &mut Effects,
    ) -> Result<(), OsError> {
        let name = event.name();
        if let Event::Fork { child: named } | Event::Switch { process: named } = event
            && self.is_kernel(*named)
        {
            let message = format!("process {KERNEL} stands for the kernel (mmu.global)");
            return Err(OsError::Event { event: name, message });
        }
        if let Some(made) = &mut self.prefaulted {
            made.see(process, event);
        }
        match *event {
            Event::Mmap { backing: Backing::File { .. }, .. } => Err(later("mmap of a file")),
            Event::Mmap { addr, length, protection, shared, backing: Backing::Anonymous } => {
                let Some((start, end)) = self.range(name, addr, length)? else { return Ok(()) };
                let index = self.space(process, effects)?;
                self.replace_areas(index, start, Area { end, protection, shared }, effects);
                Ok(())
            }
            Event::Munmap { addr, length } => {
                let Some((start, end)) = self.range(name, addr, length)? else { return Ok(()) };
                let index = self.space(process, effects)?;
                self.remove_areas(index, start, end, effects);
                Ok(())
            }
            Event::Mprotect { addr, length, protection } => {
                let Some((start, end)) = self.range(name, addr, length)? else { return Ok(()) };
                let index = self.space(process, effects)?;
                self.protect(index, start, end, protection, effects);
                Ok(())
            }
            Event::Madvise { addr, length, advice } => {
                let Some((start, end)) = self.range(name, addr, length)? else { return Ok(()) };
                let index = self.space(process, effects)?;
                self.advise(index, start, end, advice, effects)
            }
            Event::Brk { end } => self.brk(process, end, effects),
            Event::Fork { child } => self.fork(process, child, effects),
            Event::Exec => self.vacate(process, effects),
            Event::Exit => self.exit(process, effects),
            Event::Switch { process } => {
                self.space(process, effects)?;
                effects.work.push(Work::Switch);
                Ok(())
            }
            Event::PageContent { addr, class } => {
                self.page_content(process, addr, class);
                Ok(())
            }
            Event::HeapMalloc { .. }
            | Event::HeapFree { .. }
            | Event::Phase { .. }
            | Event::RegionStart
            | Event::RegionEnd => Ok(()),
            Event::FileRead { .. }
            | Event::FileWrite { .. }
            | Event::Sendfile { .. }
            | Event::SendfileGather { .. }
            | Event::Kmalloc { .. }
            | Event::Kfree { .. }
            | Event::Vmalloc { .. }
            | Event::Vfree { .. }
            | Event::AllocPages { .. }
            | Event::FreePages { .. } => Err(later(&format!("event {name}"))),
        }
    }

    /// The folded bytes that an event concerns, rounded outwards; `None` for none.
    fn range(
        &self,
        event: &'static str,
        addr: u64,
        length: u64,
    ) -> Result<Option<(u64, u64)>, OsError> {
        if length == 0 {
            return Ok(None);
        }
        let outside = || OsError::Event {
            event,
            message: format!(
                "{length} bytes from {addr:#x} do not lie in {} {}-bit address space",
                if self.kernel_from.is_some() { "the program's part of a" } else { "a" },
                self.geometry().va_bits()
            ),
        };
        let granule = self.page.bytes().min(4096);
        let start = self.fold(VirtAddr(addr)).ok_or_else(outside)?.0;
        let end = start.checked_add(length).and_then(|end| end.checked_next_multiple_of(granule));
        let end = end
            .filter(|end| self.geometry().end().is_none_or(|top| *end <= top))
            .filter(|end| self.kernel_from.is_none_or(|kernel| *end <= kernel))
            .ok_or_else(outside)?;
        Ok(Some((start & !(granule - 1), end)))
    }

    fn add_area(&mut self, index: u32, start: u64, area: Area) {
        if let Some(space) = self.spaces.get_mut(index) {
            space.areas.insert(start, area);
        }
    }

    /// Makes an area in the place of what was there. In a trace from the middle of a run
    /// (`os.prefault`), the pages that it touches belong to the areas that it makes: they stay, but for
    /// those of an address space that the trace has made itself.
    fn replace_areas(&mut self, index: u32, start: u64, area: Area, effects: &mut Effects) {
        let Some(space) = self.spaces.get_mut(index) else { return };
        if self.prefaulted.as_ref().is_some_and(|made| !made.has(space.process)) {
            space.areas.remove(start, area.end);
        } else {
            self.remove_areas(index, start, area.end, effects);
        }
        self.add_area(index, start, area);
    }

    /// Unmaps a part of an address space: its areas, its pages, and the tables that are then empty.
    fn remove_areas(&mut self, index: u32, start: u64, end: u64, effects: &mut Effects) {
        let Some(space) = self.spaces.get_mut(index) else { return };
        space.areas.remove(start, end);
        let Some((first, last)) = self.whole_pages(index, start, end) else { return };
        self.zap(index, first, last, effects);
        self.prune(index, first, last, effects);
    }

    /// The first byte of the first and the last page that lie from `start` up to `end`, without those at
    /// the edges that another area has a part of.
    fn whole_pages(&self, index: u32, start: u64, end: u64) -> Option<(u64, u64)> {
        let areas = &self.spaces.get(index)?.areas;
        let bytes = self.page.bytes();
        let (mut first, mut last) = (start & !(bytes - 1), (end - 1) & !(bytes - 1));
        if first < start && areas.any(first, start) {
            first = first.checked_add(bytes)?;
        }
        let after = last.saturating_add(bytes);
        if end < after && areas.any(end, after) {
            last = last.checked_sub(bytes)?;
        }
        (first <= last).then_some((first, last))
    }

    /// Removes the pages from `first` to `last`.
    pub(super) fn zap(&mut self, index: u32, first: u64, last: u64, effects: &mut Effects) {
        self.contents.forget(index, first >> self.page.0, last >> self.page.0);
        let Some((process, root)) = self.spaces.get(index).map(|space| (space.process, space.root))
        else {
            return;
        };
        self.split_edges(root, first, last, effects);
        let flushes = effects.invalidations.len();
        let (mut from, mut entries) = (Some(VirtAddr(first)), 0);
        while let Some((addr, pte)) = from.and_then(|from| self.tables.next(root, from)) {
            if addr.0 > last {
                break;
            }
            self.tables.set(root, addr, Pte::default());
            self.unmap(index, addr, pte);
            entries += self.entries_of(pte);
            let size = self.size(pte);
            if pte.has(Pte::PRESENT) {
                effects.invalidations.push(Invalidation::Page { process, addr, size });
            }
            from = addr.checked_add(size.bytes());
        }
        effects.table_writes(entries);
        self.flush(process, flushes, effects);
    }

    /// Frees the tables without an entry between two addresses.
    fn prune(&mut self, index: u32, first: u64, last: u64, effects: &mut Effects) {
        let Some((process, root)) = self.spaces.get(index).map(|space| (space.process, space.root))
        else {
            return;
        };
        let mut freed = Vec::new();
        self.tables.prune(root, VirtAddr(first), VirtAddr(last), &mut freed);
        effects.table_writes(freed.len() as u64);
        for table in freed {
            let bytes = self.tables.geometry().table_bytes(table.level);
            self.table_space.release(table.base, bytes, &mut self.buddy);
            let (level, addr) = (table.level + 1, table.addr);
            effects.invalidations.push(Invalidation::Table { process, level, addr });
        }
    }

    /// Changes the rights of areas and of the entries in them. A page that several areas share has the
    /// rights of all of them.
    fn protect(
        &mut self,
        index: u32,
        start: u64,
        end: u64,
        protection: Protection,
        effects: &mut Effects,
    ) {
        let Some(space) = self.spaces.get_mut(index) else { return };
        space.areas.protect(start, end, protection);
        let (process, root) = (space.process, space.root);
        let page = |at: u64| at & !(self.page.bytes() - 1);
        let (first, last) = (page(start), page(end - 1));
        self.split_edges(root, first, last, effects);
        let flushes = effects.invalidations.len();
        let mut from = Some(VirtAddr(first));
        let mut entries = 0;
        while let Some((addr, pte)) = from.and_then(|from| self.tables.next(root, from)) {
            if addr.0 >= end {
                break;
            }
            let size = self.size(pte);
            from = addr.checked_add(size.bytes());
            let new = self.reprotected(index, addr, pte);
            if new != pte {
                self.tables.set(root, addr, new);
                entries += self.entries_of(pte);
                if pte.has(Pte::PRESENT) {
                    effects.invalidations.push(Invalidation::Page { process, addr, size });
                }
            }
        }
        effects.table_writes(entries);
        self.flush(process, flushes, effects);
    }

    /// The entry with the rights that its page's areas have now. A shared page stays write-protected.
    fn reprotected(&self, index: u32, addr: VirtAddr, pte: Pte) -> Pte {
        let (Some(space), Some(pfn)) = (self.spaces.get(index), pte.pfn()) else { return pte };
        let rights = space.areas.rights(addr.0, addr.0.saturating_add(self.size(pte).bytes()));
        let Some(Protection { read, write, execute }) = rights else { return pte };
        let frame = pfn.0 as u32;
        let own = Some(frame) != self.zero && !self.is_shared(frame);
        let any = read || write || execute;
        pte.with(Pte::PRESENT, any)
            .with(Pte::NO_ACCESS, !any)
            .with(Pte::WRITABLE, write && own)
            .with(Pte::NO_EXECUTE, !execute)
    }

    /// Moves the end of the heap. The first time it only says where the heap starts.
    fn brk(&mut self, process: ProcessId, end: u64, effects: &mut Effects) -> Result<(), OsError> {
        let index = self.space(process, effects)?;
        let Some(heap) = self.spaces.get(index).map(|space| space.heap) else { return Ok(()) };
        let (start, old) = heap.unwrap_or((end, end));
        if end < start {
            // The call fails and changes nothing.
            return Ok(());
        }
        let granule = self.page.bytes().min(4096);
        let round = |at: u64| at.checked_next_multiple_of(granule);
        let (Some(from), Some(to)) = (round(old), round(end)) else { return Ok(()) };
        if to > from {
            self.range("brk", from, to - from)?;
            let protection = Protection::READ_WRITE;
            self.replace_areas(index, from, Area { end: to, protection, shared: false }, effects);
        } else if to < from {
            self.remove_areas(index, to, from, effects);
        }
        if let Some(space) = self.spaces.get_mut(index) {
            space.heap = Some((start, end));
        }
        Ok(())
    }

    /// Frees everything that a process has; it stays, with an empty root table.
    fn vacate(&mut self, process: ProcessId, effects: &mut Effects) -> Result<(), OsError> {
        let index = self.space(process, effects)?;
        let (kept, work) = (effects.invalidations.len(), effects.work.len());
        let counted = (self.counters.full_flushes, self.counters.page_flushes);
        self.zap(index, 0, u64::MAX, effects);
        self.prune(index, 0, u64::MAX, effects);
        if let Some(space) = self.spaces.get_mut(index) {
            space.areas.clear();
            space.heap = None;
        }
        // Nobody uses the address space again: nothing of it is flushed page by page.
        effects.invalidations.truncate(kept);
        effects.invalidations.push(Invalidation::Process(process));
        (self.counters.full_flushes, self.counters.page_flushes) = counted;
        let flushed = |item: &Work| matches!(item, Work::Invalidate { .. });
        let rest: Vec<_> = effects.work.drain(work..).filter(|item| !flushed(item)).collect();
        effects.work.extend(rest);
        Ok(())
    }

    fn exit(&mut self, process: ProcessId, effects: &mut Effects) -> Result<(), OsError> {
        self.vacate(process, effects)?;
        if let Some(space) = self.spaces.find(process).and_then(|index| self.spaces.remove(index)) {
            let bytes = self.tables.geometry().table_bytes(self.tables.root_level());
            let base = self.tables.destroy(space.root);
            if self.hashed.is_none() {
                self.table_space.release(base, bytes, &mut self.buddy);
            }
        }
        Ok(())
    }
}

fn later(what: &str) -> OsError {
    OsError::NotModelled(what.to_owned())
}
