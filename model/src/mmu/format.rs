//! Radix page-table formats as data: a line for each name, and what follows from the page size and the
//! address width that a machine has.
//!
//! The sources are the AMD64 manual volume 2 (5.3) and Intel SDM volume 3 (chapter 5, "Paging") for
//! x86, the RISC-V privileged architecture ("Sv39", "Sv48" and "Sv57"), and the Arm architecture
//! reference manual (D8.2, stage 1 translation with 48-bit addresses).

use super::settings::{Mmu, PageTable};
use crate::units::ByteSize;

/// How an entry is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub enum Layout {
    /// Eight bytes as in 64-bit mode.
    X86,
    /// The four bytes of 32-bit paging without PAE.
    X86Short,
    /// Sv39 and wider.
    RiscV,
    /// VMSAv8-64 descriptors.
    Arm,
}

/// A radix format. Every table has 2^`width` entries; the root has as many as the address leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RadixFormat {
    /// log2 of the smallest page, and of a table.
    pub granule: u8,
    /// Index bits of a table.
    pub width: u8,
    /// Bytes of an entry.
    pub entry_bytes: u8,
    /// Bits of a virtual address.
    pub va_bits: u8,
    /// Bits of a virtual address that it can be set up for, where that chooses the number of levels
    /// (Arm's `TCR_ELx.TnSZ`).
    pub most_va_bits: Option<u8>,
    /// The highest level whose entries may be leaves, 1 being the last.
    pub leaves: u8,
    /// Bits of a physical address where the configuration does not say.
    pub pa_bits: u8,
    /// Bits of a physical address that an entry can hold.
    pub most_pa_bits: u8,
    /// A root of up to four entries is kept in registers of the processor: walks do not read it.
    pub registers: bool,
    /// How an entry is laid out.
    pub layout: Layout,
}

/// PML4, PDPT, PD and PT; leaves of 4 KiB, 2 MiB and 1 GiB.
const LEVEL4: RadixFormat = RadixFormat {
    granule: 12,
    width: 9,
    entry_bytes: 8,
    va_bits: 48,
    most_va_bits: None,
    leaves: 3,
    pa_bits: 52,
    most_pa_bits: 52,
    registers: false,
    layout: Layout::X86,
};

/// A PML5 above.
const LEVEL5: RadixFormat = RadixFormat { va_bits: 57, ..LEVEL4 };

/// Page directory and page table of 1024 entries; leaves of 4 KiB and 4 MiB.
const SHORT: RadixFormat = RadixFormat {
    width: 10,
    entry_bytes: 4,
    va_bits: 32,
    leaves: 2,
    pa_bits: 32,
    most_pa_bits: 32,
    layout: Layout::X86Short,
    ..LEVEL4
};

/// Four directory pointers, which writing CR3 loads into registers (SDM volume 3, 5.4.1; AMD64 manual
/// volume 2, 15.25.10, says so of hosts), then PD and PT; leaves of 4 KiB and 2 MiB.
const PAE: RadixFormat = RadixFormat { va_bits: 32, leaves: 2, registers: true, ..LEVEL4 };

/// Three levels, each of which may hold leaves: 4 KiB, 2 MiB, 1 GiB.
const SV39: RadixFormat = RadixFormat {
    va_bits: 39,
    leaves: 3,
    pa_bits: 56,
    most_pa_bits: 56,
    layout: Layout::RiscV,
    ..LEVEL4
};

/// Leaves of 512 GiB too.
const SV48: RadixFormat = RadixFormat { va_bits: 48, leaves: 4, ..SV39 };

/// Leaves of 256 TiB too.
const SV57: RadixFormat = RadixFormat { va_bits: 57, leaves: 5, ..SV39 };

/// Leaves of 4 KiB, 2 MiB and 1 GiB. Wider addresses (LPA2) have descriptors of another layout.
const ARM_4K: RadixFormat = RadixFormat {
    most_va_bits: Some(48),
    pa_bits: 48,
    most_pa_bits: 48,
    layout: Layout::Arm,
    ..LEVEL4
};

/// Tables of 2048 entries under a root of two; leaves of 16 KiB and 32 MiB.
const ARM_16K: RadixFormat = RadixFormat { granule: 14, width: 11, leaves: 2, ..ARM_4K };

/// Tables of 8192 entries under a root of 64, or of 1024 with 52-bit addresses (FEAT_LVA); leaves of
/// 64 KiB and 512 MiB.
const ARM_64K: RadixFormat =
    RadixFormat { granule: 16, width: 13, leaves: 2, most_va_bits: Some(52), ..ARM_4K };

impl PageTable {
    /// The format behind a name; `None` for one that is no radix table.
    pub fn radix(self) -> Option<&'static RadixFormat> {
        match self {
            Self::X86_64Level4 => Some(&LEVEL4),
            Self::X86_64Level5 => Some(&LEVEL5),
            Self::X86Short => Some(&SHORT),
            Self::X86Pae => Some(&PAE),
            Self::Sv39 => Some(&SV39),
            Self::Sv48 => Some(&SV48),
            Self::Sv57 => Some(&SV57),
            Self::Arm4k => Some(&ARM_4K),
            Self::Arm16k => Some(&ARM_16K),
            Self::Arm64k => Some(&ARM_64K),
            Self::Hashed | Self::Flat => None,
        }
    }
}

impl RadixFormat {
    /// The widest virtual address that it can be set up for.
    pub fn most_va_bits(&self) -> u8 {
        self.most_va_bits.unwrap_or(self.va_bits)
    }

    /// Index bits of each level, root first, that translate `bits` address bits above the offset.
    pub fn split(&self, bits: u8) -> Vec<u8> {
        let mut levels = vec![self.width; usize::from(bits / self.width)];
        if !bits.is_multiple_of(self.width) {
            levels.insert(0, bits % self.width);
        }
        levels
    }

    /// Index bits of each level where the pages are the format's own: as many as the format has, or as
    /// `va_bits` needs where that chooses. `None` where nothing is left to translate.
    pub fn own_split(&self, va_bits: Option<u8>) -> Option<Vec<u8>> {
        let bits = match self.most_va_bits {
            Some(_) => va_bits.unwrap_or(self.va_bits).min(64),
            None => self.va_bits,
        };
        let above = bits.checked_sub(self.granule).filter(|bits| *bits > 0)?;
        Some(self.split(above))
    }

    /// Whether pages of 2^`page` bytes are leaves of the format.
    pub fn is_leaf(&self, page: u8) -> bool {
        (0..self.leaves).any(|level| self.shift(level) == page)
    }

    /// The lowest bit of the index `level` levels above the last.
    fn shift(&self, level: u8) -> u8 {
        self.granule + level * self.width
    }
}

impl Mmu {
    /// The format that `page_table` names, where `format` does not stand in for it.
    pub fn named_format(&self) -> Option<&'static RadixFormat> {
        if self.format.is_some() { None } else { self.page_table.radix() }
    }

    /// The size of the base page: what `page_size` says, or else the smallest of the format.
    pub fn base_page(&self) -> ByteSize {
        let smallest = self.named_format().map_or(12, |format| format.granule);
        self.page_size.unwrap_or(ByteSize(1 << smallest))
    }

    /// The width of a physical address: what `pa_bits` says, or else the format's.
    pub fn physical_bits(&self) -> u8 {
        self.pa_bits.unwrap_or_else(|| self.named_format().map_or(52, |format| format.pa_bits))
    }

    /// Index bits of each level of a named radix format, root first. A page that is no leaf of it changes
    /// only the offset's width. `None` where there is no such format, or nothing is left to translate.
    pub fn index_bits(&self) -> Option<Vec<u8>> {
        let format = self.named_format()?;
        let page = self.base_page().0.max(1).ilog2() as u8;
        if format.is_leaf(page) {
            return format.own_split(self.va_bits);
        }
        let bits = self.va_bits.unwrap_or(format.va_bits).min(64).checked_sub(page)?;
        Some(format.split(bits)).filter(|levels| !levels.is_empty())
    }

    /// The levels of the page table, read or not.
    pub fn levels(&self) -> u32 {
        match &self.format {
            Some(format) => format.bits.len() as u32,
            None => self.index_bits().map_or(1, |levels| levels.len() as u32),
        }
    }

    /// Whether the page table is a hashed one.
    pub fn is_hashed(&self) -> bool {
        self.format.is_none() && self.page_table == PageTable::Hashed
    }

    /// Whether the processor keeps the root's entries, so that walks start below it.
    pub fn root_in_registers(&self) -> bool {
        self.named_format().is_some_and(|format| format.registers)
            && self.index_bits().is_some_and(|levels| levels.len() > 1 && levels[0] <= 2)
    }

    /// The sizes that a leaf of the format can map, smallest first.
    pub fn leaf_sizes(&self) -> Vec<ByteSize> {
        let page = self.base_page();
        let leaf = |shift: u32| 1u64.checked_shl(shift).map(ByteSize);
        if let Some(format) = &self.format {
            // Where its last index starts is the base page's business.
            let mut shift = page.0.max(1).ilog2();
            let mut sizes = Vec::new();
            for (level, bits) in (1u8..).zip(format.bits.iter().rev()) {
                if level == 1 || format.leaves.contains(&level) {
                    sizes.extend(leaf(shift));
                }
                shift = shift.saturating_add(u32::from(*bits));
            }
            return sizes;
        }
        let Some(format) = self.page_table.radix() else { return vec![page] };
        let levels = format.own_split(self.va_bits).map_or(1, |levels| levels.len() as u8);
        (0..format.leaves.min(levels))
            .filter_map(|level| leaf(format.shift(level).into()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mmu(page_table: PageTable) -> Mmu {
        Mmu { page_table, ..Mmu::default() }
    }

    /// A format, index bits root first, bytes of an entry, leaf sizes, bits of a physical address.
    type Drawn<'a> = (PageTable, &'a [u8], u8, &'a [u64], u8);

    /// Index bits, bytes of an entry, and leaf sizes, as the manuals draw them.
    #[test]
    fn formats_are_those_of_the_manuals() {
        const KIB: u64 = 1 << 10;
        const MIB: u64 = 1 << 20;
        const GIB: u64 = 1 << 30;
        const TIB: u64 = 1 << 40;
        let cases: [Drawn<'_>; 10] = [
            (PageTable::X86_64Level4, &[9, 9, 9, 9], 8, &[4 * KIB, 2 * MIB, GIB], 52),
            (PageTable::X86_64Level5, &[9, 9, 9, 9, 9], 8, &[4 * KIB, 2 * MIB, GIB], 52),
            (PageTable::X86Short, &[10, 10], 4, &[4 * KIB, 4 * MIB], 32),
            (PageTable::X86Pae, &[2, 9, 9], 8, &[4 * KIB, 2 * MIB], 52),
            (PageTable::Sv39, &[9, 9, 9], 8, &[4 * KIB, 2 * MIB, GIB], 56),
            (PageTable::Sv48, &[9, 9, 9, 9], 8, &[4 * KIB, 2 * MIB, GIB, 512 * GIB], 56),
            (
                PageTable::Sv57,
                &[9, 9, 9, 9, 9],
                8,
                &[4 * KIB, 2 * MIB, GIB, 512 * GIB, 256 * TIB],
                56,
            ),
            (PageTable::Arm4k, &[9, 9, 9, 9], 8, &[4 * KIB, 2 * MIB, GIB], 48),
            (PageTable::Arm16k, &[1, 11, 11, 11], 8, &[16 * KIB, 32 * MIB], 48),
            (PageTable::Arm64k, &[6, 13, 13], 8, &[64 * KIB, 512 * MIB], 48),
        ];
        for (name, bits, entry, leaves, physical) in cases {
            let (mmu, format) = (mmu(name), name.radix().unwrap());
            assert_eq!(format.own_split(None).unwrap(), bits, "{name:?}");
            assert_eq!(format.entry_bytes, entry, "{name:?}");
            let sizes: Vec<u64> = mmu.leaf_sizes().iter().map(|size| size.0).collect();
            assert_eq!(sizes, leaves, "{name:?}");
            assert_eq!(mmu.physical_bits(), physical, "{name:?}");
            assert_eq!(mmu.base_page().0, leaves[0], "{name:?}");
            assert_eq!(mmu.levels() as usize, bits.len(), "{name:?}");
            let index: u8 = bits.iter().sum();
            assert_eq!(format.va_bits, format.granule + index, "{name:?}");
        }
    }

    /// Linux's CONFIG_ARM64_VA_BITS: 39 and 48 with 4 KiB pages, 36 and 47 with 16 KiB, 42 and 52 with
    /// 64 KiB.
    #[test]
    fn the_width_of_an_address_chooses_the_levels_of_arm() {
        let split = |table: PageTable, bits| table.radix().unwrap().own_split(Some(bits)).unwrap();
        assert_eq!(split(PageTable::Arm4k, 39), [9, 9, 9]);
        assert_eq!(split(PageTable::Arm16k, 36), [11, 11]);
        assert_eq!(split(PageTable::Arm16k, 47), [11, 11, 11]);
        assert_eq!(split(PageTable::Arm64k, 42), [13, 13]);
        assert_eq!(split(PageTable::Arm64k, 52), [10, 13, 13]);
        assert_eq!(split(PageTable::Sv48, 39), [9, 9, 9, 9], "a mode of its own has three");
        let narrow = Mmu { va_bits: Some(25), ..mmu(PageTable::Arm16k) };
        assert_eq!(narrow.leaf_sizes(), [ByteSize(16 << 10)], "there is no second level");
    }
}
