//! A first level that is indexed by virtual addresses, with ways larger than a page.
//!
//! A line may be in any of several sets, and is in one: the level below has a pointer to it, as the second
//! level of the MIPS R10000 has the two bits of the virtual index that are not in the page's offset (Yeager,
//! "The MIPS R10000 superscalar microprocessor", IEEE Micro 16(2), 1996; Cekleov and Dubois, "Virtual-address
//! caches, part 1", IEEE Micro 17(5), 1997). Who knows the physical address alone finds the line by that
//! pointer.

use std::collections::BTreeMap;

use crate::address::{PhysAddr, VirtAddr};

/// How an access names the line that it touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
pub struct Name {
    /// The virtual address. Page-table reads and writes have the physical one, by which the kernel maps all
    /// memory.
    pub virt: VirtAddr,
}

impl Name {
    /// Of what has no virtual address.
    pub fn physical(addr: PhysAddr) -> Self {
        Self { virt: VirtAddr(addr.0) }
    }

    /// Of the line at `to`, from this one's at `from`, with which it lies side by side.
    pub fn beside(self, from: PhysAddr, to: PhysAddr) -> Self {
        Self { virt: VirtAddr(self.virt.0.wrapping_add(to.0).wrapping_sub(from.0)) }
    }
}

/// Which line is where.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Names {
    /// Lines of a set have the same number modulo this.
    step: u64,
    sets: u64,
    line_shift: u32,
    /// That of the line that is looked for.
    pub now: Name,
    /// By the line's number, what it is found by in the array.
    there: BTreeMap<u64, u64>,
}

impl Names {
    pub fn new(step: u64, sets: u64, line_shift: u32) -> Self {
        Self { step, sets, line_shift, now: Name::default(), there: BTreeMap::new() }
    }

    /// What a line is found by that an access names `name`: the set, and of the line's number what the set
    /// does not say. Their product does not wrap: addresses end far below 2^64.
    pub fn number(&self, line: u64, name: Name) -> u64 {
        let set = (name.virt.0 >> self.line_shift) % self.sets;
        (line / self.step).wrapping_mul(self.sets).wrapping_add(set)
    }

    /// The line that is found by `number`.
    pub fn line(&self, number: u64) -> u64 {
        (number / self.sets).wrapping_mul(self.step) + number % self.sets % self.step
    }

    /// What a line is found by that is there.
    pub fn find(&self, line: u64) -> Option<u64> {
        self.there.get(&line).copied()
    }

    /// The line is there, found by `number`; whether it was before.
    pub fn put(&mut self, line: u64, number: u64) -> bool {
        self.there.insert(line, number).is_some()
    }

    /// The line is no longer there.
    pub fn forget(&mut self, line: u64) {
        self.there.remove(&line);
    }
}
