//! The areas of an address space: Linux's `vm_area_struct`s in their tree.
//!
//! Areas keep the byte ranges that the trace gives, rounded outwards to 4 KiB (or a smaller base page),
//! so that a machine with larger pages can run a trace that was taken with smaller ones; a page then
//! may lie in several areas, and goes when the last of them does.

use std::collections::BTreeMap;

use tracegen::record::{AccessKind, Protection};

/// One area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Area {
    /// One past its last byte.
    pub end: u64,
    /// What is allowed.
    pub protection: Protection,
    /// MAP_SHARED.
    pub shared: bool,
}

impl Area {
    /// Whether the area allows an access. As on x86, what is writable or executable is readable.
    pub fn allows(&self, kind: AccessKind) -> bool {
        let Protection { read, write, execute } = self.protection;
        match kind {
            AccessKind::Load | AccessKind::Prefetch => read || write || execute,
            AccessKind::Store => write,
            AccessKind::Fetch => execute,
        }
    }
}

/// The areas of one address space, by their first byte; they never overlap.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Areas {
    areas: BTreeMap<u64, Area>,
    /// The area that was found last, with its first byte; none where areas have changed since.
    latest: Option<(u64, Area)>,
}

impl Areas {
    /// The area that holds `addr`.
    pub fn find(&self, addr: u64) -> Option<Area> {
        let (_, area) = self.areas.range(..=addr).next_back()?;
        (addr < area.end).then_some(*area)
    }

    /// As [`Self::find`], quickly where it is the one that was found last: faults come in the same area
    /// over and over.
    #[inline]
    pub fn find_again(&mut self, addr: u64) -> Option<Area> {
        if let Some((start, area)) = self.latest
            && (start..area.end).contains(&addr)
        {
            return Some(area);
        }
        let (start, area) = self.areas.range(..=addr).next_back()?;
        let found = (addr < area.end).then_some((*start, *area))?;
        self.latest = Some(found);
        Some(found.1)
    }

    /// Whether any area has a byte from `start` up to `end`.
    pub fn any(&self, start: u64, end: u64) -> bool {
        self.areas.range(..end).next_back().is_some_and(|(_, area)| area.end > start)
    }

    /// What the areas with a byte from `start` up to `end` allow between them; `None` without any.
    pub fn rights(&self, start: u64, end: u64) -> Option<Protection> {
        let overlapping = self.areas.range(..end).rev().take_while(|(_, area)| area.end > start);
        overlapping.map(|(_, area)| area.protection).reduce(|a, b| Protection {
            read: a.read || b.read,
            write: a.write || b.write,
            execute: a.execute || b.execute,
        })
    }

    /// Cuts the areas at `at`, so that one ends and one starts there.
    fn split(&mut self, at: u64) {
        self.latest = None;
        let before = self.areas.range_mut(..at).next_back();
        if let Some((_, area)) = before.filter(|(_, area)| area.end > at) {
            let upper = *area;
            area.end = at;
            self.areas.insert(at, upper);
        }
    }

    /// Removes what lies from `start` up to `end`.
    pub fn remove(&mut self, start: u64, end: u64) {
        self.split(start);
        self.split(end);
        while let Some((&first, _)) = self.areas.range(start..end).next() {
            self.areas.remove(&first);
        }
    }

    /// Adds an area; what was there is gone.
    pub fn insert(&mut self, start: u64, area: Area) {
        self.remove(start, area.end);
        self.areas.insert(start, area);
        self.merge(start, area.end);
    }

    /// Changes the rights of what lies from `start` up to `end`.
    pub fn protect(&mut self, start: u64, end: u64, protection: Protection) {
        self.split(start);
        self.split(end);
        for (_, area) in self.areas.range_mut(start..end) {
            area.protection = protection;
        }
        self.merge(start, end);
    }

    /// Joins equal neighbours that meet from `start` up to `end`. Shared areas stay what they were mapped
    /// as.
    fn merge(&mut self, start: u64, end: u64) {
        self.latest = None;
        let from = self.areas.range(..start).next_back().map_or(start, |(first, _)| *first);
        let mut at = from;
        while let Some((&first, &area)) = self.areas.range(at..=end).next() {
            match self.areas.get(&area.end).copied() {
                Some(next)
                    if !area.shared && !next.shared && next.protection == area.protection =>
                {
                    self.areas.remove(&area.end);
                    self.areas.insert(first, Area { end: next.end, ..area });
                    at = first;
                }
                _ if area.end > end => break,
                _ => at = area.end,
            }
        }
    }

    /// Every area with its first byte, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Area)> + '_ {
        self.areas.iter().map(|(start, area)| (*start, *area))
    }

    /// Bytes of all areas.
    pub fn bytes(&self) -> u64 {
        self.areas.iter().map(|(start, area)| area.end - start).sum()
    }

    /// Forgets every area.
    pub fn clear(&mut self) {
        self.latest = None;
        self.areas.clear();
    }

    /// Whether areas are in order, not empty and apart.
    pub fn check(&self) -> Result<(), String> {
        let mut last = 0;
        for (start, area) in self.iter() {
            if start < last || area.end <= start {
                return Err(format!("area {start:#x}..{:#x} is empty or overlaps", area.end));
            }
            last = area.end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn area(end: u64, write: bool) -> Area {
        Area { end, protection: Protection { read: true, write, execute: false }, shared: false }
    }

    #[test]
    fn protecting_the_middle_splits_and_protecting_back_merges() {
        let mut areas = Areas::default();
        areas.insert(0, area(30, true));
        areas.protect(10, 20, area(0, false).protection);
        assert_eq!(areas.iter().count(), 3);
        assert!(!areas.find(15).unwrap().allows(AccessKind::Store));
        areas.protect(10, 20, area(0, true).protection);
        assert_eq!(areas.iter().collect::<Vec<_>>(), [(0, area(30, true))]);
    }

    proptest! {
        #[test]
        fn agrees_with_an_array_of_bytes(
            operations in prop::collection::vec((0u8..3, 0u64..60, 1u64..20, any::<bool>()), 1..60)
        ) {
            let (mut areas, mut plain) = (Areas::default(), [None; 80]);
            for (operation, start, length, write) in operations {
                let end = start + length;
                let cells = &mut plain[start as usize..end as usize];
                match operation {
                    0 => { areas.insert(start, area(end, write)); cells.fill(Some(write)); }
                    1 => { areas.remove(start, end); cells.fill(None); }
                    _ => {
                        areas.protect(start, end, area(0, write).protection);
                        cells.iter_mut().flatten().for_each(|cell| *cell = write);
                    }
                }
                prop_assert_eq!(areas.check(), Ok(()));
                for (at, cell) in (0u64..).zip(&plain) {
                    prop_assert_eq!(areas.find(at).map(|found| found.protection.write), *cell);
                    prop_assert_eq!(areas.find_again(at), areas.find(at));
                }
                let runs: Vec<_> = areas.iter().collect();
                prop_assert!(runs.windows(2).all(|pair| pair[0].1.end < pair[1].0 || pair[0].1.protection != pair[1].1.protection));
                prop_assert_eq!(areas.any(start, end), plain[start as usize..end as usize].iter().any(Option::is_some));
            }
        }
    }
}
