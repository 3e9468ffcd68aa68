//! Events: system calls, and what they do to entries and tables.

use tracegen::record::{Backing, Event, ProcessId, Protection};

use super::Stopped;
use super::areas::Area;
use super::memory::{Effects, Entry, Forget, Held, KERNEL, Memory};
use crate::outcome::Work;

impl Memory {
    /// Applies an event of a process.
    pub fn event(
        &mut self,
        process: ProcessId,
        event: &Event,
        effects: &mut Effects,
    ) -> Result<(), Stopped> {
        if let Event::Fork { child } = event
            && self.global_from.is_some()
            && *child == KERNEL
        {
            return Err(Stopped::Refused);
        }
        match event {
            Event::Fork { child } => self.made.push(*child),
            Event::Exec | Event::Exit => self.made.push(process),
            _ => {}
        }
        match *event {
            Event::Mmap { addr, length, protection, shared, backing: Backing::Anonymous } => {
                let Some((start, end)) = self.range(addr, length)? else { return Ok(()) };
                self.space(process, effects)?;
                self.clear_way(process, start, end, effects);
                self.add(process, Area { start, end, protection, shared });
                Ok(())
            }
            Event::Munmap { addr, length } => {
                let Some((start, end)) = self.range(addr, length)? else { return Ok(()) };
                self.space(process, effects)?;
                self.remove(process, start, end, effects);
                Ok(())
            }
            Event::Mprotect { addr, length, protection } => {
                let Some((start, end)) = self.range(addr, length)? else { return Ok(()) };
                self.space(process, effects)?;
                self.protect(process, start, end, protection, effects);
                Ok(())
            }
            Event::Madvise { addr, length, advice } => {
                let Some((start, end)) = self.range(addr, length)? else { return Ok(()) };
                self.space(process, effects)?;
                self.advise(process, start, end, advice, effects);
                Ok(())
            }
            Event::Brk { end } => self.brk(process, end, effects),
            Event::Fork { child } => self.fork(process, child, effects),
            Event::Exec => self.vacate(process, effects),
            Event::Exit => {
                self.vacate(process, effects)?;
                self.spaces.remove(&process);
                if let Some(root) = self.shape.levels.first().copied()
                    && let Some(place) = self.tables.remove(&(process, root.number, 0))
                {
                    self.places.give(place, root.bytes, &mut self.buddy);
                }
                Ok(())
            }
            Event::PageContent { addr, class } => {
                if let Some(addr) = self.shape.fold(addr)
                    && self.spaces.contains_key(&process)
                {
                    self.contents.insert((process, addr / self.page), class);
                }
                Ok(())
            }
            Event::HeapMalloc { .. }
            | Event::HeapFree { .. }
            | Event::Phase { .. }
            | Event::RegionStart
            | Event::RegionEnd => Ok(()),
            _ => Err(Stopped::Refused),
        }
    }

    /// The bytes that an event concerns, rounded outwards to 4 KiB, or to the page where that is smaller.
    fn range(&self, addr: u64, length: u64) -> Result<Option<(u64, u64)>, Stopped> {
        if length == 0 {
            return Ok(None);
        }
        let granule = self.page.min(4096);
        let start = self.shape.fold(addr).ok_or(Stopped::Refused)?;
        let end = start.checked_add(length).and_then(|end| end.checked_next_multiple_of(granule));
        let top = 1u64.checked_shl(self.shape.va_bits).unwrap_or(u64::MAX);
        let top = self.global_from.unwrap_or(top);
        let end = end.filter(|end| *end <= top).ok_or(Stopped::Refused)?;
        Ok(Some((start - start % granule, end)))
    }

    fn add(&mut self, process: ProcessId, area: Area) {
        if let Some(space) = self.spaces.get_mut(&process) {
            space.areas.0.push(area);
        }
    }

    /// Whether any area of the process has a byte from `start` up to `end`.
    fn any_area(&self, process: ProcessId, start: u64, end: u64) -> bool {
        let space = self.spaces.get(&process);
        space.is_some_and(|space| space.areas.overlapping(start, end).next().is_some())
    }

    /// Removes what a new area replaces. Pages that were mapped before the trace started are the area's.
    fn clear_way(&mut self, process: ProcessId, start: u64, end: u64, effects: &mut Effects) {
        if !self.prefaulted || self.made.contains(&process) {
            self.remove(process, start, end, effects);
        } else if let Some(space) = self.spaces.get_mut(&process) {
            space.areas.cut(start, end);
        }
    }

    /// Removes areas, the pages in them that lie in no other area, and the tables that are then empty.
    fn remove(&mut self, process: ProcessId, start: u64, end: u64, effects: &mut Effects) {
        if let Some(space) = self.spaces.get_mut(&process) {
            space.areas.cut(start, end);
        }
        let shared = |page: u64| {
            self.any_area(process, page * self.page, (page + 1).saturating_mul(self.page))
        };
        // Only at the edges may there be another area.
        let (first, last) = (start / self.page, (end - 1) / self.page);
        let first = first + u64::from(shared(first));
        if first <= last
            && let Some(last) = last.checked_sub(u64::from(shared(last)))
            && first <= last
        {
            self.zap(process, first, last, effects);
            self.prune(process, first, last, effects);
        }
    }

    /// The pages of a process from `first` to `last` that have an entry.
    pub fn pages_between(&self, process: ProcessId, first: u64, last: u64) -> Vec<(u64, Entry)> {
        let range = self.entries.range((process, first)..=(process, last));
        range.map(|((_, page), entry)| (*page, *entry)).collect()
    }

    /// Empties the entries from `first` to `last`.
    pub fn zap(&mut self, process: ProcessId, first: u64, last: u64, effects: &mut Effects) {
        self.contents
            .retain(|(whose, page), _| *whose != process || !(first..=last).contains(page));
        self.split_edges(process, first, last, effects);
        let pages = self.pages_between(process, first, last);
        let present = pages.iter().filter(|(_, entry)| entry.present);
        let present: Vec<_> = present.map(|(page, entry)| (*page, entry.order)).collect();
        for (page, _) in &pages {
            self.unmap(process, *page);
        }
        effects.table_writes(pages.iter().map(|(_, entry)| self.written(*entry)).sum());
        self.flush(process, &present, effects);
    }

    /// Frees the tables between two pages that have no entry, in the order in which they end, but never
    /// the root.
    fn prune(&mut self, process: ProcessId, first: u64, last: u64, effects: &mut Effects) {
        let pages_of = |number: u8, table: u64| {
            // In pages, rather than in bytes, the end of the last table can be said.
            let level = self.shape.level(number)?;
            let span = level.shift + level.bits - self.shape.page_shift;
            Some((table << span, (table + 1) << span))
        };
        let of_process = self.tables.keys().filter(|(owner, ..)| *owner == process);
        let ranges = of_process.filter_map(|(_, number, table)| {
            let (start, end) = pages_of(*number, *table)?;
            Some((end, *number, *table, start))
        });
        let ranges: Vec<_> = ranges.collect();
        let concerned = |start: u64, end: u64| start <= last && first < end;
        let mut empty = ranges.clone();
        empty.retain(|(end, number, _, start)| {
            let is_root = self.shape.levels.first().is_none_or(|root| root.number == *number);
            let used = end.checked_sub(1).and_then(|last| self.whole(process, last)).is_some()
                || self.entries.range((process, *start)..(process, *end)).next().is_some();
            // A table without an entry stays where it is not concerned, and so do those above it.
            let keeps = ranges.iter().any(|(other_end, lower, _, other)| {
                lower < number && start <= other && other < end && !concerned(*other, *other_end)
            });
            !is_root && concerned(*start, *end) && !used && !keeps
        });
        empty.sort_unstable();
        effects.table_writes(empty.len() as u64);
        for (_, number, table, start) in empty {
            if let (Some(place), Some(level)) =
                (self.tables.remove(&(process, number, table)), self.shape.level(number))
            {
                self.places.give(place, level.bytes, &mut self.buddy);
            }
            let addr = start * self.page;
            effects.forget.push(Forget::Table { process, level: number + 1, addr });
        }
    }

    /// Changes the rights of areas and of the entries in them.
    fn protect(
        &mut self,
        process: ProcessId,
        start: u64,
        end: u64,
        protection: Protection,
        effects: &mut Effects,
    ) {
        if let Some(space) = self.spaces.get_mut(&process) {
            space.areas.protect(start, end, protection);
        }
        let (mut changed, mut present) = (0, Vec::new());
        let (first, last) = (start / self.page, (end - 1) / self.page);
        self.split_edges(process, first, last, effects);
        for (page, old) in self.pages_between(process, first, last) {
            let new = self.with_rights(process, page, old);
            if new != old {
                self.entries.insert((process, page), new);
                changed += self.written(old);
                present.extend(old.present.then_some((page, old.order)));
            }
        }
        effects.table_writes(changed);
        self.flush(process, &present, effects);
    }

    /// The entry with the rights of all areas that have a part of its page. A shared page stays
    /// write-protected.
    fn with_rights(&self, process: ProcessId, page: u64, entry: Entry) -> Entry {
        let (Some(frame), Some(space)) = (entry.frame(), self.spaces.get(&process)) else {
            return entry;
        };
        let (start, end) = (page * self.page, (page + entry.pages()).saturating_mul(self.page));
        let rights: Vec<_> = space.areas.overlapping(start, end).map(|a| a.protection).collect();
        if rights.is_empty() {
            return entry;
        }
        let any = |what: fn(&Protection) -> bool| rights.iter().any(what);
        let own = Some(frame) != self.zero && !self.is_shared(frame);
        Entry {
            present: any(|p| p.read || p.write || p.execute),
            writable: any(|p| p.write) && own,
            executable: any(|p| p.execute),
            ..entry
        }
    }

    /// Moves the end of the heap; the first time it only says where the heap starts.
    fn brk(&mut self, process: ProcessId, end: u64, effects: &mut Effects) -> Result<(), Stopped> {
        self.space(process, effects)?;
        let heap = self.spaces.get(&process).and_then(|space| space.heap);
        let (start, old) = heap.unwrap_or((end, end));
        if end < start {
            return Ok(());
        }
        let granule = self.page.min(4096);
        let (from, to) = (old.next_multiple_of(granule), end.next_multiple_of(granule));
        if from < to {
            self.range(from, to - from)?;
            self.clear_way(process, from, to, effects);
            let protection = Protection::READ_WRITE;
            self.add(process, Area { start: from, end: to, protection, shared: false });
        } else if to < from {
            self.remove(process, to, from, effects);
        }
        if let Some(space) = self.spaces.get_mut(&process) {
            space.heap = Some((start, end));
        }
        Ok(())
    }

    /// Empties an address space, which is then forgotten as a whole.
    fn vacate(&mut self, process: ProcessId, effects: &mut Effects) -> Result<(), Stopped> {
        self.space(process, effects)?;
        let (mut own, before) = (Effects::default(), self.counts.clone());
        self.zap(process, 0, u64::MAX, &mut own);
        // Nobody runs it again: it is not flushed.
        for name in [FLUSHED_PAGES, FLUSHED_SPACES] {
            self.counts.set(name, before.get(name));
        }
        own.work.retain(|work| !matches!(work, Work::Invalidate { .. }));
        self.prune(process, 0, u64::MAX, &mut own);
        effects.work.append(&mut own.work);
        effects.forget.push(Forget::Process(process));
        if let Some(space) = self.spaces.get_mut(&process) {
            *space = Default::default();
        }
        Ok(())
    }

    /// Gives `child` what `parent` has. Pages that could be written to are write-protected on both sides.
    fn fork(
        &mut self,
        parent: ProcessId,
        child: ProcessId,
        effects: &mut Effects,
    ) -> Result<(), Stopped> {
        self.space(parent, effects)?;
        let used = self.spaces.get(&child).is_some_and(|space| !space.areas.0.is_empty())
            || !self.pages_between(child, 0, u64::MAX).is_empty();
        if used {
            return Err(Stopped::Refused);
        }
        self.space(child, effects)?;
        let Some(space) = self.spaces.get(&parent) else { return Ok(()) };
        if space.areas.0.iter().any(|area| area.shared) {
            return Err(Stopped::Refused);
        }
        let (areas, heap) = (space.areas.clone(), space.heap);
        self.spaces.insert(child, super::memory::Space { areas, heap });
        let (mut written, mut from) = (0, 0);
        while let Some((page, entry)) = self.pages_between(parent, from, u64::MAX).first().copied()
        {
            self.make_paths(child, page, entry.order, effects)?;
            from = page + 1;
            // Making room may have evicted the page, or split it.
            let Some(entry) = self.entry(parent, page) else { continue };
            from = page + entry.pages();
            written += self.written(entry);
            let copy = Entry { writable: false, ..entry };
            match entry.held {
                Held::Frame(frame) if Some(frame) != self.zero => {
                    self.map(child, page, frame, Entry { accessed: false, ..copy });
                    if entry.writable {
                        self.entries.insert((parent, page), copy);
                        written += self.written(entry);
                    }
                }
                _ => {
                    self.entries.insert((child, page), copy);
                }
            }
        }
        let known = self.contents.range((parent, 0)..=(parent, u64::MAX));
        let copies: Vec<_> = known.map(|((_, page), class)| ((child, *page), *class)).collect();
        self.contents.extend(copies);
        effects.table_writes(written);
        // Whatever it was that has been write-protected.
        self.flush_all(parent, effects);
        Ok(())
    }
}

/// What counts pages that are invalidated singly, and address spaces that are flushed.
const FLUSHED_PAGES: &str = "os.tlb.local_flush_one";
const FLUSHED_SPACES: &str = "os.tlb.local_flush_all";

impl Memory {
    /// Has the hardware forget pages of a process: everything of it where these lie far apart.
    pub fn flush(&mut self, process: ProcessId, pages: &[(u64, u8)], effects: &mut Effects) {
        let first = pages.iter().map(|(page, _)| *page).min();
        let last = pages.iter().map(|(page, _)| *page).max();
        let (Some(first), Some(last)) = (first, last) else { return };
        let stride = pages.iter().map(|(_, order)| *order).min().unwrap_or(0);
        let range = (last - first) / (1 << stride) + 1;
        if range > self.flush_ceiling {
            self.flush_all(process, effects);
        } else {
            let forget = |(page, order): &(u64, u8)| Forget::Page(process, *page, *order);
            effects.forget.extend(pages.iter().map(forget));
            self.flush_pages(range, effects);
        }
    }

    /// Has it forget everything of a process.
    pub fn flush_all(&mut self, process: ProcessId, effects: &mut Effects) {
        effects.forget.push(Forget::Process(process));
        effects.work.push(Work::Invalidate { pages: 0 });
        self.counts.add(FLUSHED_SPACES, 1);
    }

    /// Tells of pages that are invalidated singly.
    pub fn flush_pages(&mut self, pages: u64, effects: &mut Effects) {
        if pages > 0 {
            effects.work.push(Work::Invalidate { pages });
            self.counts.add(FLUSHED_PAGES, pages);
        }
    }
}
