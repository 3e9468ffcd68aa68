//! Pages above the base page.

use tracegen::record::ProcessId;

use super::Stopped;
use super::faults::Fault;
use super::memory::{Effects, Entry, Forget, Held, Memory};
use crate::address::PhysAddr;
use crate::os::reclaim::Page as Owner;
use crate::outcome::Work;

impl Memory {
    /// How many entries of the table stand for an entry: a group of base pages has one for each.
    pub fn written(&self, entry: Entry) -> u64 {
        if self.shape.above(entry.order).is_some() { 1 } else { entry.pages() }
    }

    /// The first page and the order of the page that the layout wants for a base page, if it wants one
    /// that is larger and none of it is mapped.
    fn wanted(&self, process: ProcessId, page: u64) -> Option<(u64, u8)> {
        if self.is_kernel(process) {
            return None;
        }
        let addr = page * self.page;
        let range = self.layout.iter().find(|range| {
            let inside = range.start.0 <= addr && addr < range.start.0 + range.size.0;
            inside && range.process.is_none_or(|owner| owner == process)
        })?;
        let pages = range.page.0 / self.page;
        let first = page / pages * pages;
        let free = self.pages_between(process, first, first + pages - 1).is_empty();
        (free && pages > 1).then_some((first, pages.ilog2() as u8))
    }

    /// Whether all bytes lie in one area, or none does. Private neighbours with equal rights are one.
    fn is_whole(&self, process: ProcessId, start: u64, end: u64) -> bool {
        let Some(space) = self.spaces.get(&process) else { return false };
        let mut areas: Vec<_> = space.areas.overlapping(start, end).copied().collect();
        areas.sort_by_key(|area| area.start);
        let covered: u64 = areas.iter().map(|a| a.end.min(end) - a.start.max(start)).sum();
        let alike = areas.windows(2).all(|pair| {
            !pair[0].shared && !pair[1].shared && pair[0].protection == pair[1].protection
        });
        areas.is_empty() || alike && covered == end - start
    }

    /// Frames for a page, if no page has to go for them and the tables.
    fn take_frames(&mut self, process: ProcessId, first: u64, order: u8) -> Option<u64> {
        let (bytes, levels) = (self.page << order, self.shape.levels.len() as u64);
        let leaf = self.shape.levels.last()?;
        let mapped_by_table = 1u64.checked_shl(leaf.shift + leaf.bits);
        let tables = levels + 2 * mapped_by_table.map_or(0, |mapped| bytes / mapped);
        let need = bytes + tables * self.places.charge(leaf.bytes);
        let fits = self.limit.is_none_or(|limit| self.charged() + need <= limit)
            && self.buddy.free_frames() >= need.div_ceil(self.page);
        let start = first * self.page;
        let frame = match fits && self.is_whole(process, start, start.saturating_add(bytes)) {
            true => self.buddy.take_run(first, order.into()),
            false => None,
        };
        self.counts.add("os.huge.fallback", u64::from(frame.is_none()));
        frame
    }

    /// Makes every table that a page has when it is split.
    pub fn make_paths(
        &mut self,
        process: ProcessId,
        page: u64,
        order: u8,
        effects: &mut Effects,
    ) -> Result<(), Stopped> {
        let leaf = self.shape.levels.last().copied();
        let mut latest = None;
        for page in page..page + (1 << order) {
            let table = leaf.map(|leaf| leaf.table(page * self.page));
            if latest != Some(table) {
                self.make_path(process, page * self.page, effects)?;
            }
            latest = Some(table);
        }
        Ok(())
    }

    fn map_large(
        &mut self,
        process: ProcessId,
        page: u64,
        entry: Entry,
        effects: &mut Effects,
    ) -> Result<(), Stopped> {
        let Held::Frame(frame) = entry.held else { return Ok(()) };
        // A walk may have read that tables are there which this page stands for.
        if let Some(top) = self.shape.above(entry.order) {
            for pair in self.shape.levels.windows(2).filter(|pair| pair[0].number <= top.number) {
                let (level, below) = (pair[0], pair[1]);
                let mut addr = page * self.page;
                while addr < (page + entry.pages()) * self.page {
                    let table = (process, below.number, below.table(addr));
                    if self.tables.contains_key(&table) {
                        effects.forget.push(Forget::Table { process, level: level.number, addr });
                    }
                    addr += 1 << level.shift;
                }
            }
        }
        self.make_paths(process, page, entry.order, effects)?;
        let owner = Owner::new(process, page);
        self.reclaim.admit(owner);
        self.reclaim.insert(frame, owner);
        self.map(process, page, frame, entry);
        Ok(())
    }

    /// The first touch of a page that the layout wants larger; whether it is.
    pub fn large(&mut self, fault: &Fault, effects: &mut Effects) -> Result<bool, Stopped> {
        let Some((first, order)) = self.wanted(fault.process, fault.page) else { return Ok(false) };
        let Some(frame) = self.take_frames(fault.process, first, order) else { return Ok(false) };
        let entry = Entry { order, ..fault.entry(frame, true) };
        self.map_large(fault.process, first, entry, effects)?;
        let bytes = self.page << order;
        effects.work.push(Work::Zero { addr: PhysAddr(frame * self.page), bytes });
        effects.table_writes(self.written(entry));
        self.fresh = Some(frame);
        self.counts.add("os.huge.faults", 1);
        Ok(true)
    }

    /// As [`large`](Self::large), before the trace.
    pub fn large_before(&mut self, process: ProcessId, page: u64) -> Result<bool, Stopped> {
        let Some((first, order)) = self.wanted(process, page) else { return Ok(false) };
        let Some(frame) = self.take_frames(process, first, order) else { return Ok(false) };
        let (held, present, writable, executable) = (Held::Frame(frame), true, true, true);
        let (accessed, dirty) = (true, false);
        let entry = Entry { held, present, writable, executable, accessed, dirty, order };
        self.map_large(process, first, entry, &mut Effects::default())?;
        Ok(true)
    }

    /// Splits what reaches over the ends of a range of pages.
    pub fn split_edges(
        &mut self,
        process: ProcessId,
        first: u64,
        last: u64,
        effects: &mut Effects,
    ) {
        for edge in [Some(first), last.checked_add(1)].into_iter().flatten() {
            if let Some((start, entry)) =
                self.whole(process, edge).filter(|(start, _)| *start != edge)
                && let Some(frame) = entry.frame().filter(|_| start < edge)
            {
                self.split(frame, effects);
            }
        }
    }

    /// Makes base pages of the page that starts at a frame, for all that map it.
    pub fn split(&mut self, head: u64, effects: &mut Effects) {
        let Some(page) = self.pages.get(&head).filter(|page| page.order > 0).cloned() else {
            return;
        };
        let pages = 1u64 << page.order;
        let mut written = 0;
        for (process, first) in &page.mappers {
            let Some(whole) = self.entry(*process, *first) else { continue };
            for offset in 0..pages {
                let entry = Entry { held: Held::Frame(head + offset), order: 0, ..whole };
                self.entries.insert((*process, first + offset), entry);
            }
            effects.forget.push(Forget::Page(*process, *first, page.order));
            written += pages + u64::from(self.shape.above(page.order).is_some());
        }
        for offset in 0..pages {
            let moved = page.mappers.iter().map(|(process, first)| (*process, first + offset));
            let mut part = page.clone();
            (part.mappers, part.order) = (moved.collect(), 0);
            let owner = part.mappers.first().map_or(Owner::default(), |m| Owner::new(m.0, m.1));
            self.pages.insert(head + offset, part);
            if offset > 0 {
                self.reclaim.insert(head + offset, owner);
            }
        }
        effects.table_writes(written);
        self.flush_pages(page.mappers.len() as u64, effects);
        self.counts.add("os.huge.split", 1);
    }

    /// Splits a page that reclaim has chosen; all of it is to go, unless it is used before its turn.
    pub fn split_for_reclaim(&mut self, head: u64, effects: &mut Effects) {
        let pages = self.pages.get(&head).map_or(1, |page| 1u64 << page.order);
        self.split(head, effects);
        for frame in head + 1..head + pages {
            let mappers = self.pages.get(&frame).cloned().unwrap_or_default().mappers;
            for mapper in mappers {
                if let Some(entry) = self.entries.get_mut(&mapper) {
                    entry.accessed = false;
                }
            }
            self.doomed.insert(frame);
        }
    }

    /// The page that goes next, and how many were looked at.
    pub fn victim(&mut self) -> Option<(u64, u64)> {
        while let Some(frame) = self.doomed.pop_first() {
            let mappers = self.pages.get(&frame).cloned().unwrap_or_default().mappers;
            let used = |mapper| self.entries.get(mapper).is_some_and(|entry| entry.accessed);
            if !mappers.iter().any(used) {
                self.reclaim.remove(frame);
                return Some((frame, 1));
            }
        }
        self.reclaim.evict()
    }
}
