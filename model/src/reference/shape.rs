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

/// The levels that walks read, the root first.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The levels from the root to the one that holds leaves.
    pub levels: Vec<Level>,
    /// log2 of the page.
    pub page_shift: u32,
    /// Bytes of an entry.
    pub entry_bytes: u64,
    /// Width of an address.
    pub va_bits: u32,
}

impl Shape {
    /// The shape of a resolved machine.
    ///
    /// A page that is a leaf of the format is mapped at that leaf's level. With any other page, indices
    /// have 9 bits each, and the root has what is left over.
    pub fn new(config: &Config) -> Self {
        let mmu = &config.mmu;
        let page_shift = mmu.page_size.0.trailing_zeros();
        let va_bits = u32::from(mmu.va_bits.unwrap_or(48));
        let flat = mmu.format.is_none() && mmu.page_table == PageTable::Flat;
        // Index bits, the last level first, and where the last level's index starts.
        let (bits, first): (Vec<u32>, u32) = if let Some(format) = &mmu.format {
            let bits: Vec<u32> = format.bits.iter().rev().map(|bits| u32::from(*bits)).collect();
            let index: u32 = bits.iter().sum();
            (bits, va_bits.saturating_sub(index))
        } else if flat {
            (vec![va_bits.saturating_sub(page_shift)], page_shift)
        } else if [12, 21, 30].contains(&page_shift) {
            let levels = if mmu.page_table == PageTable::X86_64Level5 { 5 } else { 4 };
            (vec![9; levels], 12)
        } else {
            let mut bits = Vec::new();
            let mut left = va_bits.saturating_sub(page_shift);
            while left > 0 {
                bits.push(left.min(9));
                left = left.saturating_sub(9);
            }
            (bits, page_shift)
        };
        let entry_bytes = mmu.format.as_ref().map_or(8, |format| u64::from(format.entry_bytes));
        // Where all other tables have 512 entries, a narrower root is as large as they are.
        let rest = bits.split_last().map_or(&[][..], |(_, rest)| rest);
        let uniform = !rest.is_empty() && rest.iter().all(|bits| *bits == 9);
        let mut levels = Vec::new();
        let mut shift = first;
        for (number, bits) in (1u8..).zip(&bits) {
            let indexed = if uniform { (*bits).max(9) } else { *bits };
            levels.push(Level { number, bits: *bits, shift, bytes: entry_bytes << indexed });
            shift += bits;
        }
        levels.retain(|level| level.shift >= page_shift);
        levels.reverse();
        Self { levels, page_shift, entry_bytes, va_bits }
    }

    /// A level by its number.
    pub fn level(&self, number: u8) -> Option<Level> {
        self.levels.iter().find(|level| level.number == number).copied()
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
