//! Pages above the base page: leaves at higher levels, and groups of base pages.
//!
//! A leaf above the last level *covers* the tables that it stands for. They are there all the same, empty:
//! with every huge page Linux puts the table aside that splitting it will need (`pgtable_trans_huge_deposit`),
//! so that a split never fails for want of memory. A group has an entry for each of its pages in the
//! modelled table; the host keeps the first one alone, with the accessed and the dirty bit of all.

use super::near::Place;
use super::{Geometry, Pte, Root, Tables, index};
use crate::address::VirtAddr;

/// A leaf that covers a node.
#[derive(Debug, Clone, Copy, Default, bincode::Encode, bincode::Decode)]
struct Cover {
    /// The entry; 0 where the node is not covered.
    pte: u64,
    /// The physical address of the table that the entry lies in.
    table: u64,
}

/// The nodes that are covered, and the groups that there may be.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Covers {
    /// By node, as far as any was covered.
    covers: Vec<Cover>,
    /// log2 of the groups' pages.
    groups: Vec<u8>,
    /// The level that maps pages of each order; 0 for none.
    levels: Vec<u8>,
}

impl Covers {
    /// For tables that map pages of 2^`orders` base pages.
    pub fn new(geometry: &Geometry, orders: &[u8]) -> Self {
        let most = orders.iter().copied().max().unwrap_or(0);
        let levels = (0..=most).map(|order| geometry.level_of(order).unwrap_or(0)).collect();
        let group = |order: &u8| geometry.level_of(*order) == Some(geometry.leaf_level());
        let groups = orders.iter().copied().filter(|order| *order > 0).filter(group).collect();
        Self { covers: Vec::new(), groups, levels }
    }

    /// The entry that covers a node.
    #[inline]
    pub fn get(&self, node: u32) -> Option<Pte> {
        let cover = self.covers.get(node as usize)?;
        (cover.pte != 0).then_some(Pte(cover.pte))
    }

    /// Whether a node is covered.
    #[inline]
    pub fn has(&self, node: u32) -> bool {
        self.get(node).is_some()
    }

    /// The level and the place of the table with the entry that covers a node.
    pub fn table(&self, node: u32) -> Option<(u8, u64)> {
        let cover = self.covers.get(node as usize)?;
        let level = self.levels.get(usize::from(Pte(cover.pte).order()))?;
        Some((*level, cover.table))
    }

    /// Nothing covers a node.
    pub fn remove(&mut self, node: u32) {
        if let Some(cover) = self.covers.get_mut(node as usize) {
            *cover = Cover::default();
        }
    }

    fn put(&mut self, node: u32, cover: Cover) {
        let at = node as usize;
        if at >= self.covers.len() {
            self.covers.resize(at + 1, Cover::default());
        }
        self.covers[at] = cover;
    }

    /// Bytes on the host.
    pub fn host_bytes(&self) -> usize {
        self.covers.capacity() * size_of::<Cover>()
    }
}

impl Tables {
    /// The place of the group's entry where `place` lies in a group, and itself elsewhere.
    #[inline]
    pub(super) fn grouped(&self, place: Place) -> Place {
        if self.covers.groups.is_empty() || self.read(place) != Pte::default() {
            return place;
        }
        self.group_of(place)
    }

    fn group_of(&self, place: Place) -> Place {
        let node = &self.nodes[place.node as usize];
        let heads =
            self.covers.groups.iter().map(|order| (*order, place.index & !((1 << order) - 1)));
        let mut heads = heads.filter(|(order, head)| Pte(node.get(*head)).order() == *order);
        heads.next().map_or(place, |(_, head)| Place::new(place.node, head))
    }

    /// The entry of the base page at `addr` in the page that `pte` maps, as the table holds it.
    pub(super) fn member(&self, pte: Pte, addr: VirtAddr) -> Pte {
        let Some(pfn) = pte.pfn().filter(|_| pte.order() > 0) else { return pte };
        let offset = self.geometry.page().page_of(addr).0 & ((1 << pte.order()) - 1);
        Pte::frame(crate::address::Pfn(pfn.0 + offset), pte.flags())
    }

    /// Whether leaves of this order lie above the last level.
    pub fn covers(&self, order: u8) -> bool {
        let level = self.geometry.level_of(order);
        level.is_some_and(|level| level > self.geometry.leaf_level())
    }

    /// Maps a page above the base page; whether its tables exist.
    pub(super) fn set_large(&mut self, root: Root, addr: VirtAddr, pte: Pte) -> bool {
        if !self.covers(pte.order()) {
            let Some(place) = self.leaf_node(root, addr) else { return false };
            let head = place.index & !((1u32 << pte.order()) - 1);
            self.write(Place::new(place.node, head), pte);
            return true;
        }
        let Some(level) = self.geometry.level_of(pte.order()) else { return false };
        let mut node = root.0;
        for position in 0..self.geometry.digits.len() {
            let digit = self.geometry.digits[position];
            let Some(child) = self.child(node, index(addr, &digit)) else { return false };
            if digit.last && digit.level == level {
                let table = self.bases[node as usize];
                self.covers.put(child, Cover { pte: pte.0, table });
                self.near.clear();
                return true;
            }
            node = child;
        }
        false
    }

    /// Writes the entry that covers a node; an empty one leaves the tables below it.
    pub(super) fn write_cover(&mut self, node: u32, pte: Pte) {
        let Some(cover) = self.covers.covers.get_mut(node as usize) else { return };
        cover.pte = pte.0;
        if pte.0 == 0 {
            self.near.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Steps;
    use super::*;
    use crate::address::{Pfn, PhysAddr};
    use crate::config::Config;

    fn build(tables: &mut Tables, root: Root, addr: u64, next: &mut u64) {
        while tables.extend(root, VirtAddr(addr)).is_some() {
            tables.attach(root, VirtAddr(addr), PhysAddr(*next));
            *next += 4096;
        }
    }

    /// A 2 MiB leaf is found after three reads, a group of 16 and a base page after four.
    #[test]
    fn leaves_of_several_levels_lie_side_by_side() {
        let mut tables = Tables::new(Geometry::new(&Config::default()).unwrap(), &[4, 9]);
        let (mut next, mut steps) = (0x10_0000, Steps::default());
        let root = tables.create(PhysAddr(0x1000));
        let flags = Pte::PRESENT | Pte::WRITABLE;
        for (addr, pfn, order) in [(0x20_0000, 512, 9), (0x40_0000, 1040, 4), (0x41_0000, 7, 0)] {
            build(&mut tables, root, addr, &mut next);
            let pte = Pte::frame(Pfn(pfn), flags).of_order(order);
            assert!(tables.set(root, VirtAddr(addr), pte));
            let last = addr + (4096 << order) - 1;
            let reads = if order == 9 { 3 } else { 4 };
            for at in [addr, last].map(VirtAddr) {
                assert_eq!(tables.get(root, at), pte);
                let way = tables.way(root, at).map(|way| (way.above.len(), way.entry, way.pte));
                let found = tables.walk(root, at, &mut steps);
                assert_eq!((found.map(|(pte, _)| pte), steps.len()), (Some(pte), reads));
                assert_eq!(way, Some((reads - 1, steps[reads - 1].entry, pte)));
            }
            assert_eq!(tables.get(root, VirtAddr(last + 1)), Pte::default());
        }
        let mut found = Vec::new();
        let mut from = Some(VirtAddr(0));
        while let Some((addr, pte)) = from.and_then(|from| tables.next(root, from)) {
            found.push((addr.0, pte.order()));
            from = addr.checked_add(4096 << pte.order());
        }
        assert_eq!(found, [(0x20_0000, 9), (0x40_0000, 4), (0x41_0000, 0)]);
        tables.set(root, VirtAddr(0x20_0000), Pte::default());
        assert_eq!(tables.missing(root, VirtAddr(0x20_0000)), None, "its table has stayed");
        assert!(tables.way(root, VirtAddr(0x20_0000)).is_some_and(|way| way.above.len() == 3));
    }
}
