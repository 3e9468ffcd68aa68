//! The shape of the page tables: which address bits index which level.

use crate::config::Config;
use crate::mmu::settings::PageTable;

/// One level.
#[derive(Debug, Clone, Copy)]
pub struct Level {
    /// Its number; 1 is the format's last.
    pub number: u8,
    /// Index bits.
    pub bits: u32,
    /// The lowest bit of the index.
    pub shift: u32,
    /// Bytes of a table.
    pub bytes: u64,
}

impl Level {
    /// The index of `addr` in its table of this level.
    pub fn index(&self, addr: u64) -> u64 {
        (addr >> self.shift) % (1 << self.bits)
    }

    /// Which table of this level `addr` has, counted from address 0.
    pub fn table(&self, addr: u64) -> u64 {
        addr.checked_shr(self.shift + self.bits).unwrap_or(0)
    }
}

/// The levels of the tables, the root first.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The levels from the root to the one that holds leaves.
    pub levels: Vec<Level>,
    /// The levels from which on walks read nothing: the processor keeps what those above would say.
    pub unread: u8,
    /// log2 of the page.
    pub page_shift: u32,
    /// Bytes of an entry.
    pub entry_bytes: u64,
    /// Width of an address.
    pub va_bits: u32,
    /// What tables are counted in.
    pub unit: u64,
}

/// A named format of several levels.
struct Radix {
    /// Index bits of a full table.
    width: u32,
    entry_bytes: u64,
    /// Bits of an address.
    va_bits: u32,
    /// log2 of the sizes of leaves, smallest first.
    leaves: &'static [u32],
    /// The machine's address width chooses the number of levels.
    chosen: bool,
}

fn radix(table: PageTable) -> Option<Radix> {
    let plain =
        |va_bits, leaves| Radix { width: 9, entry_bytes: 8, va_bits, leaves, chosen: false };
    let arm = |width, leaves| Radix { width, entry_bytes: 8, va_bits: 48, leaves, chosen: true };
    Some(match table {
        PageTable::X86_64Level4 => plain(48, &[12, 21, 30]),
        PageTable::X86_64Level5 => plain(57, &[12, 21, 30]),
        PageTable::X86Short => Radix { width: 10, entry_bytes: 4, ..plain(32, &[12, 22]) },
        PageTable::X86Pae => plain(32, &[12, 21]),
        PageTable::Sv39 => plain(39, &[12, 21, 30]),
        PageTable::Sv48 => plain(48, &[12, 21, 30, 39]),
        PageTable::Sv57 => plain(57, &[12, 21, 30, 39, 48]),
        PageTable::Arm4k => arm(9, &[12, 21, 30]),
        PageTable::Arm16k => arm(11, &[14, 25]),
        PageTable::Arm64k => arm(13, &[16, 29]),
        PageTable::Hashed | PageTable::Flat => return None,
    })
}

impl Radix {
    /// Index bits, the last level first, of a machine whose addresses have `va_bits`, and where the last
    /// level's index starts.
    ///
    /// A page that is a leaf of the format is mapped at that leaf's level. With any other, indices are as
    /// wide as they are, and the root has what is left over.
    fn levels(&self, va_bits: u32, page_shift: u32) -> (Vec<u32>, u32) {
        let own = self.leaves.contains(&page_shift);
        let first = if own { self.leaves[0] } else { page_shift };
        let va_bits = if own && !self.chosen { self.va_bits } else { va_bits };
        let mut bits = Vec::new();
        let mut left = va_bits.saturating_sub(first);
        while left > 0 {
            bits.push(left.min(self.width));
            left = left.saturating_sub(self.width);
        }
        (bits, first)
    }
}

impl Shape {
    /// The shape of a resolved machine.
    pub fn new(config: &Config) -> Self {
        let mmu = &config.mmu;
        let page_shift = mmu.page_size.map_or(12, |size| size.0.trailing_zeros());
        let va_bits = u32::from(mmu.va_bits.unwrap_or(48));
        let named = if mmu.format.is_some() { None } else { radix(mmu.page_table) };
        // Index bits, the last level first, and where the last level's index starts.
        let (bits, first): (Vec<u32>, u32) = match (&mmu.format, &named) {
            (Some(format), _) => {
                let bits: Vec<u32> =
                    format.bits.iter().rev().map(|bits| u32::from(*bits)).collect();
                let index: u32 = bits.iter().sum();
                (bits, va_bits.saturating_sub(index))
            }
            (None, Some(named)) => named.levels(va_bits, page_shift),
            (None, None) => (vec![va_bits.saturating_sub(page_shift)], page_shift),
        };
        let entry_bytes = match (&mmu.format, &named) {
            (Some(format), _) => u64::from(format.entry_bytes),
            (None, Some(named)) => named.entry_bytes,
            (None, None) => 8,
        };
        // With PAE the processor has registers for four entries of the root.
        let pae = mmu.format.is_none() && mmu.page_table == PageTable::X86Pae;
        let held = pae && bits.len() > 1 && bits.last().is_some_and(|bits| *bits <= 2);
        // Where all other tables have as many entries as the format's, a narrower root is as large as
        // they are.
        let width = named.as_ref().map_or(9, |named| named.width);
        let rest = bits.split_last().map_or(&[][..], |(_, rest)| rest);
        let uniform = !held && !rest.is_empty() && rest.iter().all(|bits| *bits == width);
        let mut levels = Vec::new();
        let mut shift = first;
        for (number, bits) in (1u8..).zip(&bits) {
            let indexed = if uniform { (*bits).max(width) } else { *bits };
            levels.push(Level { number, bits: *bits, shift, bytes: entry_bytes << indexed });
            shift += bits;
        }
        let unread = levels.len() as u8 + u8::from(!held);
        levels.retain(|level| level.shift >= page_shift);
        levels.reverse();
        let unit = named.map_or(4096, |named| 1 << named.leaves[0]);
        Self { levels, unread, page_shift, entry_bytes, va_bits, unit }
    }

    /// A level by its number.
    pub fn level(&self, number: u8) -> Option<Level> {
        self.levels.iter().find(|level| level.number == number).copied()
    }

    /// So many quarters of the address space, in bytes.
    pub fn quarters(&self, count: u64) -> u64 {
        count << (self.va_bits - 2)
    }

    /// The level above the last whose entries map pages of 2^`order` base pages; `None` for a group, and for
    /// the base page.
    pub fn above(&self, order: u8) -> Option<Level> {
        let shift = self.page_shift + u32::from(order);
        self.levels.iter().find(|level| order > 0 && level.shift == shift).copied()
    }

    /// The address without what is above its width, which must repeat its highest bit or be zero.
    pub fn fold(&self, addr: u64) -> Option<u64> {
        if self.va_bits >= 64 {
            return Some(addr);
        }
        let (above, folded) = (addr >> self.va_bits, addr % (1 << self.va_bits));
        let negative = folded >> (self.va_bits - 1) == 1;
        (above == 0 || negative && above == u64::MAX >> self.va_bits).then_some(folded)
    }
}
