//! Where leaf entries lie on the host, for the tables that have been walked to last: a walk to one of
//! them needs no descent. Nothing here is part of the model.

use super::{Digit, Pte, Root, Tables, index};
use crate::address::{PhysAddr, VirtAddr};

/// Leaf tables that are remembered, each in the one place that it can have.
const PLACES: usize = 1024;

/// The host's place of a leaf entry. It is one until a table is freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(super) node: u32,
    /// [`COVER`] where the entry covers all of the node.
    pub(super) index: u32,
}

/// The index of an entry above the last level.
const COVER: u32 = u32::MAX;

/// Beside the number of a node that such an entry covers. A node takes some hundred bytes: there are
/// fewer than 2^31.
const COVERED: u32 = 1 << 31;

impl Place {
    /// An entry of a node.
    #[inline]
    pub(super) fn new(node: u32, index: u32) -> Self {
        Self { node, index }
    }

    /// The entry that covers a node.
    #[inline]
    pub(super) fn cover(node: u32) -> Self {
        Self { node, index: COVER }
    }

    #[inline]
    fn of(node: u32, index: u32) -> Self {
        if node & COVERED == 0 { Self { node, index } } else { Self::cover(node & !COVERED) }
    }
}

/// An entry on the way to a leaf entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Above {
    /// Where it lies.
    pub entry: PhysAddr,
    /// The table that it points to.
    pub table: PhysAddr,
}

/// What a walker reads on its way to a leaf entry, and what that holds.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// The entries above the leaf's, one a level, the highest that is read first.
    pub above: &'a [Above],
    /// The address of the leaf entry.
    pub entry: PhysAddr,
    /// Where it lies on the host.
    pub place: Place,
    /// What it holds.
    pub pte: Pte,
}

#[derive(Debug, Clone, Copy)]
struct Leaf {
    /// The part of the address that selects the table.
    table: u64,
    root: Root,
    node: u32,
}

const NOTHING: Leaf = Leaf { table: u64::MAX, root: Root(u32::MAX), node: 0 };

/// The leaf tables that have been walked to last. What is forgotten is found again.
#[derive(Debug, Clone, Default)]
pub(super) struct Near {
    /// Empty until the first walk.
    leaves: Vec<Leaf>,
    /// The ways to them, of `depth` entries each.
    ways: Vec<Above>,
    depth: usize,
}
crate::scratch::scratch!(Near);

impl Near {
    #[inline]
    fn at(table: u64, root: Root) -> usize {
        (table ^ u64::from(root.0).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % PLACES
    }

    #[inline]
    fn node(&self, table: u64, root: Root) -> Option<(usize, u32)> {
        let at = Self::at(table, root);
        let leaf = self.leaves.get(at)?;
        (leaf.table == table && leaf.root == root).then_some((at, leaf.node))
    }

    /// Forgets everything: a table has been freed.
    pub fn clear(&mut self) {
        self.leaves.fill(NOTHING);
    }
}

impl Tables {
    /// The part of an address that selects its leaf node.
    #[inline]
    fn table_of(&self, addr: VirtAddr) -> u64 {
        addr.0.checked_shr(self.geometry.leaf_node_shift()).unwrap_or(0)
    }

    /// Where the entry of the page at `addr` lies on the host, where the path to it exists.
    #[inline]
    pub fn leaf_node(&self, root: Root, addr: VirtAddr) -> Option<Place> {
        let index = index(addr, self.geometry.digits.last()?);
        let place = match self.near.node(self.table_of(addr), root) {
            Some((_, node)) => Place::of(node, index),
            None => self.descend(root, addr)?,
        };
        Some(self.grouped(place))
    }

    /// What a walker reads on its way to `addr`; `None` where there is no table for its leaf entry.
    #[inline]
    pub fn way(&mut self, root: Root, addr: VirtAddr) -> Option<Way<'_>> {
        let table = self.table_of(addr);
        let (at, node) = match self.near.node(table, root) {
            Some(found) => found,
            None => self.approach(root, addr, table)?,
        };
        let depth = self.near.depth;
        if node & COVERED != 0 {
            return self.way_to_cover(node & !COVERED, addr, at * depth);
        }
        let place = self.grouped(Place::new(node, index(addr, self.geometry.digits.last()?)));
        Some(Way {
            above: self.near.ways.get(at * depth..(at + 1) * depth)?,
            entry: self.entry_in(node, self.geometry.leaf_level(), addr),
            place,
            pte: self.read(place),
        })
    }

    /// The way to the entry that covers `node`, of which those above it are from `step` on.
    fn way_to_cover(&self, node: u32, addr: VirtAddr, step: usize) -> Option<Way<'_>> {
        let pte = self.covers.get(node)?;
        let (level, base) = self.covers.table(node)?;
        let above = usize::from(self.geometry.first_read().checked_sub(level)?);
        let offset = self.geometry.index(level, addr) * self.geometry.entry_bytes();
        let entry = PhysAddr(base.wrapping_add(offset));
        let above = self.near.ways.get(step..step + above)?;
        Some(Way { above, entry, place: Place::cover(node), pte })
    }

    /// Descends to the leaf node of `addr` and remembers the way.
    fn approach(&mut self, root: Root, addr: VirtAddr, table: u64) -> Option<(usize, u32)> {
        if self.geometry.is_hashed() {
            return None;
        }
        let (leaf, first) = (self.geometry.leaf_level(), self.geometry.first_read());
        let read = |digit: &&Digit| digit.last && digit.level > leaf && digit.level <= first;
        let depth = self.geometry.digits.iter().filter(read).count();
        if self.near.leaves.is_empty() {
            let (leaves, ways) = (vec![NOTHING; PLACES], vec![Above::default(); PLACES * depth]);
            self.near = Near { leaves, ways, depth };
        }
        let at = Near::at(table, root);
        // Whatever was here is overwritten step by step.
        self.near.leaves[at] = NOTHING;
        let (mut node, mut step) = (root.0, at * depth);
        for position in 0..self.geometry.digits.len().saturating_sub(1) {
            let digit = self.geometry.digits[position];
            let child = self.child(node, index(addr, &digit))?;
            if self.covers.has(child) {
                self.near.leaves[at] = Leaf { table, root, node: child | COVERED };
                return Some((at, child | COVERED));
            }
            if digit.last && digit.level <= first {
                let entry = self.entry_in(node, digit.level, addr);
                let table = PhysAddr(self.bases[child as usize]);
                self.near.ways[step] = Above { entry, table };
                step += 1;
            }
            node = child;
        }
        self.near.leaves[at] = Leaf { table, root, node };
        Some((at, node))
    }

    /// The entry at a place.
    #[inline]
    pub fn read(&self, place: Place) -> Pte {
        if place.index == COVER {
            return self.covers.get(place.node).unwrap_or_default();
        }
        Pte(self.nodes[place.node as usize].get(place.index))
    }

    /// Writes the entry at a place.
    #[inline]
    pub fn write(&mut self, place: Place, pte: Pte) {
        if place.index == COVER {
            return self.write_cover(place.node, pte);
        }
        self.nodes[place.node as usize].set(place.index, pte.0);
    }
}
