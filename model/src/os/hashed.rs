//! The hashed page table of 64-bit PowerPC (Power ISA, book III, "Page Table"): one for all processes.
//!
//! It is an array of groups of eight entries of 16 bytes. A page may be in its primary group or in its
//! secondary one, whose number is the complement. The kernel puts an entry in when an access faults for
//! the lack of it, and overwrites one of the primary group, each in turn, where both groups are full; the
//! page that it was for faults when it is accessed next, and nothing but its entry is brought back. What
//! the kernel itself knows of pages is no part of the machine's memory, and the table lies outside it, as
//! it is set aside when the machine starts.
//!
//! The walker reads a group in pieces of 64 bytes, as far as the entry that it looks for.

use std::collections::BTreeMap;

use tracegen::record::ProcessId;

use super::effects::{Effects, Invalidation};
use super::page_table::{Pte, Steps, WalkStep};
use super::{Leaf, Os};
use crate::address::{PhysAddr, VirtAddr};

/// Entries of a group.
const GROUP: u64 = 8;
/// Bytes of an entry.
const ENTRY: u64 = 16;
/// Entries that are read at once.
const PIECE: u64 = 4;
/// log2 of a segment; each has an identifier of its own, the VSID.
const SEGMENT: u32 = 28;
/// The factor that makes consecutive segments' identifiers differ in all their bits (Linux,
/// `VSID_MULTIPLIER_256M`).
const MULTIPLIER: u64 = 12_538_073;

/// Bytes of a table.
pub(super) fn table_bytes(groups: u64) -> u64 {
    groups.saturating_mul(GROUP * ENTRY)
}

/// A page, by its first byte.
type Owner = (ProcessId, VirtAddr);

/// Whose page each entry is for. One whose page is not present is free, and keeps its place until it is
/// needed.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct HashedTable {
    base: PhysAddr,
    groups: u64,
    page: u32,
    owners: BTreeMap<u64, Owner>,
    slots: BTreeMap<Owner, u64>,
    /// Entries that were overwritten.
    overwritten: u64,
}

impl HashedTable {
    /// An empty table of `groups` groups, a power of two, at `base`, for pages of 2^`page` bytes.
    pub fn new(base: PhysAddr, groups: u64, page: u32) -> Self {
        let (owners, slots) = Default::default();
        Self { base, groups, page, owners, slots, overwritten: 0 }
    }

    /// The first entries of the two groups that a page may be in.
    fn groups(&self, (process, addr): Owner) -> [u64; 2] {
        let identifier = (u64::from(process) << 36 | addr.0 >> SEGMENT).wrapping_mul(MULTIPLIER);
        let page = (addr.0 & ((1 << SEGMENT) - 1)) >> self.page;
        let hash = identifier ^ page;
        [hash, !hash].map(|hash| (hash & (self.groups - 1)) * GROUP)
    }

    /// The place for a page that has none: the first free entry, or else one whose owner has to go.
    fn place(&mut self, owner: Owner, present: impl Fn(Owner) -> bool) -> (u64, Option<Owner>) {
        let [primary, secondary] = self.groups(owner);
        let mut all = (primary..primary + GROUP).chain(secondary..secondary + GROUP);
        let free = |slot: &u64| self.owners.get(slot).is_none_or(|other| !present(*other));
        if let Some(slot) = all.find(free) {
            return (slot, None);
        }
        let slot = primary + self.overwritten % GROUP;
        self.overwritten += 1;
        (slot, self.owners.get(&slot).copied())
    }

    fn put(&mut self, slot: u64, owner: Owner) {
        if let Some(other) = self.owners.insert(slot, owner) {
            self.slots.remove(&other);
        }
        self.slots.insert(owner, slot);
    }
}

impl Os {
    fn entry_of(&self, (process, addr): Owner) -> Pte {
        let root = self.spaces.find(process).and_then(|index| self.spaces.get(index));
        root.map_or(Pte::default(), |space| self.tables.get(space.root, addr))
    }

    /// What the hardware finds in a hashed table, and reads.
    pub(super) fn walk_hashed(
        &self,
        table: &HashedTable,
        process: ProcessId,
        addr: VirtAddr,
        steps: &mut Steps,
    ) -> Option<Leaf> {
        let owner = (process, VirtAddr(addr.0 & !(self.page.bytes() - 1)));
        let pte = self.entry_of(owner);
        let found = table.slots.get(&owner).copied().filter(|_| pte.has(Pte::PRESENT));
        let groups = table.groups(owner);
        for first in groups.into_iter().flat_map(|group| [group, group + PIECE]) {
            let here = found.filter(|slot| (first..first + PIECE).contains(slot));
            let slot = here.unwrap_or(first);
            let held =
                table.owners.get(&slot).map_or(Pte::default(), |other| self.entry_of(*other));
            let value = if held.has(Pte::PRESENT) { self.tables.leaf_value(held) } else { 0 };
            let entry = PhysAddr(table.base.0 + slot * ENTRY);
            steps.push(WalkStep { level: 1, index: slot, entry, value });
            if here.is_some() {
                let root = self.spaces.get(self.spaces.find(process)?)?.root;
                return Leaf::of(pte, self.page, entry, self.tables.leaf_node(root, owner.1)?);
            }
        }
        None
    }

    /// The page in which `addr` lies has been made present: it gets an entry.
    pub(super) fn enter_hashed(
        &mut self,
        process: ProcessId,
        addr: VirtAddr,
        effects: &mut Effects,
    ) {
        let Some(mut table) = self.hashed.take() else { return };
        let owner = (process, VirtAddr(addr.0 & !(self.page.bytes() - 1)));
        let present = |owner| self.entry_of(owner).has(Pte::PRESENT);
        if present(owner) && !table.slots.contains_key(&owner) {
            let (slot, displaced) = table.place(owner, present);
            table.put(slot, owner);
            effects.table_writes(1);
            if let Some((process, addr)) = displaced {
                let size = self.page;
                effects.invalidations.push(Invalidation::Page { process, addr, size });
                self.flush_pages(1, effects);
            }
        }
        self.hashed = Some(table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(groups: u64) -> HashedTable {
        HashedTable::new(PhysAddr(0), groups, 12)
    }

    /// By hand: process 0, segment 0 has identifier 0, so the hash is the page's number.
    #[test]
    fn the_groups_are_the_hash_and_its_complement() {
        let table = table(1024);
        assert_eq!(table.groups((0, VirtAddr(0x5000))), [5 * 8, (1023 - 5) * 8]);
        // Segment 1: 12538073 mod 1024 is 217, and 217 xor 5 is 220.
        assert_eq!(table.groups((0, VirtAddr(0x1000_5000)))[0], 220 * 8);
    }

    /// Pages that are a table's worth apart share both groups: sixteen find room, the next ones take
    /// the places of the first.
    #[test]
    fn full_groups_give_up_their_entries_in_turn() {
        let mut table = table(2);
        let page = |number: u64| (0, VirtAddr((number * 2) << 12));
        for number in 0..16 {
            let (slot, displaced) = table.place(page(number), |_| true);
            assert_eq!((slot, displaced), (number, None));
            table.put(slot, page(number));
        }
        for number in 0..9 {
            let (slot, displaced) = table.place(page(16 + number), |_| true);
            assert_eq!(slot, number % 8);
            let before = if number < 8 { number } else { 16 };
            assert_eq!(displaced, Some(page(before)));
            table.put(slot, page(16 + number));
        }
        assert_eq!(table.place(page(99), |owner| owner != page(9)).0, 9, "a free one");
        assert_eq!((table.owners.len(), table.slots.len()), (16, 16));
    }
}
