//! Radix page tables of any shape. What exists on the host is in proportion to the entries in use;
//! every table has a physical address that the walker reads at.

mod geometry;
mod large;
mod near;
mod node;
mod pte;
mod steps;
mod value;

pub use geometry::{Geometry, Level, MAX_LEVELS};
pub use near::{Above, Place, Way};
pub use pte::Pte;
pub use steps::{Steps, WalkStep};

use crate::address::{PhysAddr, VirtAddr};
use geometry::Digit;
use large::Covers;
use near::Near;
use node::Node;

/// A root table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Root(u32);

/// A table that was freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreedTable {
    /// Its level, 1 being the leaf table's.
    pub level: u8,
    /// The first address that it translated.
    pub addr: VirtAddr,
    /// Where it was.
    pub base: PhysAddr,
}

/// Every page table of every process, in one arena.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Tables {
    geometry: Geometry,
    nodes: Vec<Node>,
    /// The physical address of the table that a node belongs to.
    bases: Vec<u64>,
    free: Vec<u32>,
    /// What maps pages above the base page; nothing on a machine without them.
    covers: Covers,
    near: Near,
}

fn index(addr: VirtAddr, digit: &Digit) -> u32 {
    (addr.0 >> digit.shift) as u32 & digit.mask
}

impl Tables {
    /// An arena for tables of one shape, which map pages of 2^`orders` base pages beside those.
    pub fn new(geometry: Geometry, orders: &[u8]) -> Self {
        Self {
            covers: Covers::new(&geometry, orders),
            geometry,
            nodes: Vec::new(),
            bases: Vec::new(),
            free: Vec::new(),
            near: Near::default(),
        }
    }

    /// The shape.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The level of the root table.
    pub fn root_level(&self) -> u8 {
        self.geometry.digits.first().map_or(1, |digit| digit.level)
    }

    /// An empty root table at `base`.
    pub fn create(&mut self, base: PhysAddr) -> Root {
        Root(self.node(base))
    }

    fn node(&mut self, base: PhysAddr) -> u32 {
        match self.free.pop() {
            Some(id) => {
                self.nodes[id as usize] = Node::default();
                self.bases[id as usize] = base.0;
                self.covers.remove(id);
                id
            }
            None => {
                self.nodes.push(Node::default());
                self.bases.push(base.0);
                // Every node holds at least one entry of at least 16 bytes: 2^32 of them do not fit a host.
                (self.nodes.len() - 1) as u32
            }
        }
    }

    /// The entry of the page at `addr`, where the path to it exists.
    fn descend(&self, root: Root, addr: VirtAddr) -> Option<Place> {
        let (last, path) = self.geometry.digits.split_last()?;
        let mut node = root.0;
        for digit in path {
            node = self.child(node, index(addr, digit))?;
            if self.covers.has(node) {
                return Some(Place::cover(node));
            }
        }
        Some(Place::new(node, index(addr, last)))
    }

    /// The node below `node`. Children are kept as their id plus one.
    #[inline]
    fn child(&self, node: u32, index: u32) -> Option<u32> {
        // Ids are below 2^32.
        self.nodes[node as usize].get(index).checked_sub(1).map(|child| child as u32)
    }

    /// The leaf entry of `addr`; the empty one where there is no table.
    pub fn get(&self, root: Root, addr: VirtAddr) -> Pte {
        self.leaf_node(root, addr).map_or(Pte(0), |place| self.read(place))
    }

    /// Writes the entry of the page at `addr`; returns whether its table exists. The entry of a larger
    /// [page](Pte::order) goes where nothing is mapped in the page, and all its tables exist.
    pub fn set(&mut self, root: Root, addr: VirtAddr, pte: Pte) -> bool {
        let Some(place) = self.leaf_node(root, addr) else { return false };
        if pte.order() > 0 && self.read(place) == Pte::default() {
            return self.set_large(root, addr, pte);
        }
        self.write(place, pte);
        true
    }

    /// Reads what a page walker reads on its way to `addr` and records it. The leaf entry is returned
    /// where it translates.
    pub fn walk(&self, root: Root, addr: VirtAddr, steps: &mut Steps) -> Option<(Pte, PhysAddr)> {
        steps.clear();
        let mut node = root.0 as usize;
        for digit in &self.geometry.digits {
            let value = self.nodes[node].get(index(addr, digit));
            if !digit.last {
                if value == 0 {
                    return self.absent(node, digit, addr, steps);
                }
                node = value as usize - 1;
                continue;
            }
            let step = self.step(node, digit, addr);
            if digit.level == self.geometry.leaf_level() {
                let pte = self.read(self.grouped(Place::new(node as u32, index(addr, digit))));
                steps.push(WalkStep { value: self.leaf_value(self.member(pte, addr)), ..step });
                return pte.has(Pte::PRESENT).then_some((pte, step.entry));
            }
            if value == 0 {
                steps.push(step);
                return None;
            }
            if let Some(pte) = self.covers.get(value as u32 - 1) {
                steps.push(WalkStep { value: self.leaf_value(pte), ..step });
                return pte.has(Pte::PRESENT).then_some((pte, step.entry));
            }
            node = value as usize - 1;
            steps.push(WalkStep {
                value: self.table_value(self.bases[node], digit.level - 1),
                ..step
            });
        }
        None
    }

    /// An entry of a wide table whose surroundings the host does not keep is read all the same.
    fn absent(
        &self,
        node: usize,
        digit: &Digit,
        addr: VirtAddr,
        steps: &mut Steps,
    ) -> Option<(Pte, PhysAddr)> {
        steps.push(self.step(node, digit, addr));
        None
    }

    fn step(&self, node: usize, digit: &Digit, addr: VirtAddr) -> WalkStep {
        let index = self.geometry.index(digit.level, addr);
        let entry = self.entry_in(node as u32, digit.level, addr);
        WalkStep { level: digit.level, index, entry, value: 0 }
    }

    /// The address of the entry for `addr` in the table of `level` that `node` belongs to.
    #[inline]
    fn entry_in(&self, node: u32, level: u8, addr: VirtAddr) -> PhysAddr {
        let offset = self.geometry.index(level, addr) * self.geometry.entry_bytes();
        PhysAddr(self.bases[node as usize].wrapping_add(offset))
    }

    /// An entry that points to the table of `level` at `base`. One that lies on no 4 KiB boundary is named
    /// by its number in units of its own size.
    fn table_value(&self, base: u64, level: u8) -> u64 {
        let number = if base.is_multiple_of(4096) {
            base >> 12
        } else {
            base / self.geometry.table_bytes(level)
        };
        value::table(self.geometry.layout(), number, level == self.geometry.first_read())
    }

    /// A leaf entry as memory holds it. A page below 4 KiB is named by its number.
    pub(super) fn leaf_value(&self, pte: Pte) -> u64 {
        let Some(pfn) = pte.pfn() else { return pte.0 };
        let number = pfn.0.wrapping_shl(u32::from(self.geometry.page().0.saturating_sub(12)));
        let level = self.geometry.level_of(pte.order()).unwrap_or(1);
        value::leaf(self.geometry.layout(), number, pte.of_order(0), level > 1)
    }

    /// Sets flags of the present leaf entry at `place`. Returns the entry as it was and whether it
    /// changed.
    pub fn mark(&mut self, place: Place, flags: u64) -> Option<(Pte, bool)> {
        let pte = self.read(place);
        if !pte.has(Pte::PRESENT) {
            return None;
        }
        let changed = !pte.has(flags);
        if changed {
            self.write(place, Pte(pte.0 | flags));
        }
        Some((pte, changed))
    }

    /// The level of the first table that is missing on the way to the leaf entry of `addr`.
    pub fn missing(&self, root: Root, addr: VirtAddr) -> Option<u8> {
        let mut node = root.0 as usize;
        for (position, digit) in self.geometry.digits.iter().enumerate() {
            let next = self.geometry.digits.get(position + 1)?;
            match self.nodes[node].get(index(addr, digit)) {
                0 => return Some(next.level),
                child => node = child as usize - 1,
            }
        }
        None
    }

    /// Whether the first thing missing for `addr` needs a table of its own, rather than more of a wide one.
    fn boundary(&self, root: Root, addr: VirtAddr) -> Option<(usize, u32, bool)> {
        let mut node = root.0 as usize;
        for digit in self.geometry.digits.split_last()?.1 {
            match self.nodes[node].get(index(addr, digit)) {
                0 => return Some((node, index(addr, digit), digit.last)),
                child => node = child as usize - 1,
            }
        }
        None
    }

    /// Completes the host's nodes as far as the tables that exist reach; returns the level of the next
    /// table that is needed, or `None` when the leaf entry can be written.
    pub fn extend(&mut self, root: Root, addr: VirtAddr) -> Option<u8> {
        if self.leaf_node(root, addr).is_some() {
            return None;
        }
        while let Some((node, index, own)) = self.boundary(root, addr) {
            if own {
                return self.missing(root, addr);
            }
            let child = self.node(PhysAddr(self.bases[node]));
            self.nodes[node].set(index, u64::from(child) + 1);
        }
        None
    }

    /// Hangs a new table at `base` where [`Self::extend`] found one missing.
    pub fn attach(&mut self, root: Root, addr: VirtAddr, base: PhysAddr) {
        if let Some((node, index, true)) = self.boundary(root, addr) {
            let child = self.node(base);
            self.nodes[node].set(index, u64::from(child) + 1);
        }
    }

    /// The first leaf entry in use at or after `from`, with its page's first byte. A leaf above the last
    /// level that `from` lies in counts.
    pub fn next(&self, root: Root, from: VirtAddr) -> Option<(VirtAddr, Pte)> {
        self.next_in(root.0 as usize, 0, from.0, 0)
    }

    fn next_in(
        &self,
        node: usize,
        depth: usize,
        from: u64,
        prefix: u64,
    ) -> Option<(VirtAddr, Pte)> {
        let digit = self.geometry.digits.get(depth)?;
        let span = 1u64 << digit.shift;
        let mut at = if from <= prefix {
            0
        } else {
            u32::try_from((from - prefix) >> digit.shift).ok().filter(|at| *at <= digit.mask)?
        };
        while let Some((found, value)) = self.nodes[node].next(at) {
            let start = prefix + u64::from(found) * span;
            if depth + 1 == self.geometry.digits.len() {
                return Some((VirtAddr(start), Pte(value)));
            }
            if let Some(pte) = self.covers.get(value as u32 - 1) {
                return Some((VirtAddr(start), pte));
            }
            let below = self.next_in(value as usize - 1, depth + 1, from.max(start), start);
            if below.is_some() {
                return below;
            }
            at = found + 1;
        }
        None
    }

    /// Frees every table without an entry in `range` (its last address included); the root stays.
    pub fn prune(
        &mut self,
        root: Root,
        first: VirtAddr,
        last: VirtAddr,
        freed: &mut Vec<FreedTable>,
    ) {
        self.prune_in(root.0 as usize, 0, (first.0, last.0), 0, freed);
    }

    fn prune_in(
        &mut self,
        node: usize,
        depth: usize,
        range: (u64, u64),
        prefix: u64,
        freed: &mut Vec<FreedTable>,
    ) {
        if depth + 1 >= self.geometry.digits.len() {
            return;
        }
        let digit = self.geometry.digits[depth];
        let at = |addr: u64| u32::try_from(addr >> digit.shift).unwrap_or(u32::MAX).min(digit.mask);
        let (mut from, to) =
            (at(range.0.saturating_sub(prefix)), at(range.1.saturating_sub(prefix)));
        while let Some((found, value)) =
            self.nodes[node].next(from).filter(|(found, _)| *found <= to)
        {
            let start = prefix + (u64::from(found) << digit.shift);
            let child = value as usize - 1;
            if self.covers.has(child as u32) {
                from = found + 1;
                continue;
            }
            self.prune_in(child, depth + 1, range, start, freed);
            if self.nodes[child].len() == 0 {
                self.near.clear();
                self.nodes[node].set(found, 0);
                self.free.push(child as u32);
                if digit.last {
                    let base = PhysAddr(self.bases[child]);
                    freed.push(FreedTable { level: digit.level - 1, addr: VirtAddr(start), base });
                }
                self.nodes[child] = Node::default();
            }
            from = found + 1;
        }
    }

    /// Frees an empty root table and returns where it was.
    pub fn destroy(&mut self, root: Root) -> PhysAddr {
        self.near.clear();
        self.nodes[root.0 as usize] = Node::default();
        self.free.push(root.0);
        PhysAddr(self.bases[root.0 as usize])
    }

    /// Bytes on the host.
    pub fn host_bytes(&self) -> usize {
        self.nodes.iter().map(Node::host_bytes).sum::<usize>()
            + self.bases.capacity() * 8
            + self.covers.host_bytes()
    }
}

#[cfg(test)]
mod tests;
