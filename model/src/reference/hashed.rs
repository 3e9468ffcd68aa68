//! The hashed page table: which page each of its entries is for.

use std::collections::BTreeMap;

use tracegen::record::ProcessId;

use super::memory::{Effects, Forget, Memory};

/// A table of groups of eight entries of 16 bytes each.
#[derive(Debug)]
pub struct Hashed {
    base: u64,
    groups: u64,
    /// The owner of an entry, by the entry's number. It counts as long as its page is present.
    entries: BTreeMap<u64, (ProcessId, u64)>,
    overwritten: u64,
}

impl Hashed {
    /// Bytes of a table.
    pub fn bytes(groups: u64) -> u64 {
        groups * 8 * 16
    }

    /// An empty one.
    pub fn new(base: u64, groups: u64) -> Self {
        Self { base, groups, entries: BTreeMap::new(), overwritten: 0 }
    }

    /// The entries that may be a page's: those of its primary group, then of its secondary one.
    fn candidates(&self, process: ProcessId, page: u64, bytes: u64) -> Vec<u64> {
        // Linux multiplies the number of a segment of 256 MiB by this.
        let (segment, within) = ((page * bytes) >> 28, (page * bytes) % (1 << 28) / bytes);
        let identifier = (u64::from(process) << 36 | segment).wrapping_mul(12_538_073);
        let primary = (identifier ^ within) % self.groups;
        let secondary = self.groups - 1 - primary;
        (0..8).map(|k| primary * 8 + k).chain((0..8).map(|k| secondary * 8 + k)).collect()
    }
}

impl Memory {
    fn is_present(&self, (process, page): (ProcessId, u64)) -> bool {
        self.entry(process, page).is_some_and(|entry| entry.present)
    }

    /// What a walk reads in a hashed table, four entries at a time, and whether it finds the page: then the
    /// last address is its entry's.
    pub fn hashed_reads(&self, table: &Hashed, process: ProcessId, page: u64) -> (Vec<u64>, bool) {
        let candidates = table.candidates(process, page, self.page);
        let mut reads = Vec::new();
        for four in candidates.chunks(4) {
            let own = |slot: &&u64| table.entries.get(slot) == Some(&(process, page));
            match four.iter().find(own).filter(|_| self.is_present((process, page))) {
                Some(slot) => {
                    reads.push(table.base + slot * 16);
                    return (reads, true);
                }
                None => reads.push(table.base + four[0] * 16),
            }
        }
        (reads, false)
    }

    /// A page that has been made present gets an entry, where it has none.
    pub fn enter(&mut self, process: ProcessId, page: u64, effects: &mut Effects) {
        let Some(table) = &self.hashed else { return };
        let owner = (process, page);
        if !self.is_present(owner) || table.entries.values().any(|other| *other == owner) {
            return;
        }
        let candidates = table.candidates(process, page, self.page);
        let free = |slot: &&u64| {
            let other = table.entries.get(slot);
            other.is_none_or(|other| !self.is_present(*other))
        };
        let free = candidates.iter().find(free).copied();
        let slot = free.unwrap_or(candidates[(table.overwritten % 8) as usize]);
        effects.table_writes(1);
        if free.is_none() {
            if let Some((process, page)) = table.entries.get(&slot) {
                effects.forget.push(Forget::Page(*process, *page, 0));
            }
            self.flush_pages(1, effects);
        }
        if let Some(table) = &mut self.hashed {
            table.overwritten += u64::from(free.is_none());
            table.entries.insert(slot, owner);
        }
    }
}
