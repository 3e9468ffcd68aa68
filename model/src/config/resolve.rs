//! Defaults that depend on other settings.

use super::{Config, InvalidSetting};
use crate::cache::settings::Stream;
use crate::mmu::settings::{Format, Mmu, PageTable};
use crate::os::settings::Memory;
use crate::units::{ByteSize, Span};

/// Physical memory where nothing says otherwise.
const MEMORY: u64 = 8 << 30;

impl Config {
    /// Fills every setting that was left out and checks the machine as a whole. What is returned
    /// resolves to itself.
    ///
    /// # Errors
    /// The first setting that cannot be what it is, by its path.
    pub fn resolve(mut self) -> Result<Self, InvalidSetting> {
        self.resolve_mmu();
        self.resolve_caches();
        if self.os.memory.is_none() {
            let addressable = 1u64.checked_shl(self.mmu.pa_bits.into()).unwrap_or(u64::MAX);
            self.os.memory = Some(Memory::Bytes(ByteSize(addressable.min(MEMORY))));
        }
        self.dram = self.dram.resolved();
        self.validate()?;
        Ok(self)
    }

    fn resolve_mmu(&mut self) {
        let mmu = &mut self.mmu;
        if mmu.va_bits.is_none() {
            mmu.va_bits = Some(mmu.translated_bits());
        }
        let sizes = mmu.page_sizes();
        let leaves = mmu.leaf_sizes();
        let unmapped = !leaves.contains(&mmu.page_size);
        let page_size = mmu.page_size;
        for tlb in &mut mmu.tlb {
            match &mut tlb.pages {
                None => tlb.pages = Some(sizes.clone()),
                // Where the base page is no leaf of the format, the format's smallest stands for it.
                Some(pages) if unmapped => {
                    for size in pages.iter_mut().filter(|size| leaves.first() == Some(*size)) {
                        *size = page_size;
                    }
                }
                Some(_) => {}
            }
            tlb.latency.get_or_insert(Span::Cycles(u64::from(tlb.level > 1)));
        }
        for pwc in &mut mmu.pwc {
            pwc.latency.get_or_insert(Span::Cycles(0));
        }
        if mmu.walker.entry_level.is_none() {
            let first = self
                .cache
                .iter()
                .filter(|cache| cache.serves.contains(&Stream::Data))
                .min_by_key(|cache| cache.level);
            let name = first.map_or("memory", |cache| cache.name.as_str());
            mmu.walker.entry_level = Some(name.to_owned());
        }
    }

    /// A level without a latency takes a cycle more than the slowest of the levels above.
    fn resolve_caches(&mut self) {
        let frequency = self.core.frequency;
        let mut order: Vec<usize> = (0..self.cache.len()).collect();
        order.sort_by_key(|&at| self.cache[at].level);
        for at in order {
            let level = self.cache[at].level;
            let above = self
                .cache
                .iter()
                .filter(|cache| cache.level < level)
                .filter_map(|cache| cache.latency)
                .map(|latency| latency.cycles(frequency))
                .max()
                .unwrap_or(0);
            self.cache[at].latency.get_or_insert(Span::Cycles(above.saturating_add(1)));
        }
    }
}

impl Mmu {
    /// The page-table format by its numbers.
    pub fn radix(&self) -> Option<Format> {
        let x86 = |levels| Format { bits: vec![9; levels], entry_bytes: 8, leaves: vec![1, 2, 3] };
        match (&self.format, self.page_table) {
            (Some(format), _) => Some(format.clone()),
            (None, PageTable::X86_64Level4) => Some(x86(4)),
            (None, PageTable::X86_64Level5) => Some(x86(5)),
            (None, PageTable::Flat) => None,
        }
    }

    /// Bits of a virtual address that the format translates, with 4 KiB pages where it does not say.
    fn translated_bits(&self) -> u8 {
        let offset = self.page_size.0.max(1).ilog2();
        match (self.radix(), &self.format) {
            (Some(format), Some(_)) => {
                let index: u32 = format.bits.iter().map(|bits| u32::from(*bits)).sum();
                u8::try_from(index.saturating_add(offset)).unwrap_or(u8::MAX)
            }
            (Some(format), None) => {
                let index: u32 = format.bits.iter().map(|bits| u32::from(*bits)).sum();
                u8::try_from(index.saturating_add(12)).unwrap_or(u8::MAX)
            }
            (None, _) => 32,
        }
    }

    /// The sizes that a leaf of the format can map, smallest first: 4 KiB and up for the named ones.
    pub fn leaf_sizes(&self) -> Vec<ByteSize> {
        let Some(format) = self.radix() else { return vec![self.page_size] };
        let offset = if self.format.is_some() { self.page_size.0.max(1).ilog2() } else { 12 };
        let mut sizes = Vec::new();
        let mut shift = offset;
        for (level, bits) in (1u8..).zip(format.bits.iter().rev()) {
            if level == 1 || format.leaves.contains(&level) {
                sizes.extend(1u64.checked_shl(shift).map(ByteSize));
            }
            shift = shift.saturating_add(u32::from(*bits));
        }
        sizes
    }

    /// Every page size that a TLB of this machine can be built for: those of the format and the base
    /// page, smallest first.
    pub fn known_sizes(&self) -> Vec<ByteSize> {
        let mut sizes = self.leaf_sizes();
        sizes.push(self.page_size);
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The page sizes of the machine: the base page, and the format's larger leaves where the base page
    /// is a leaf too.
    pub fn page_sizes(&self) -> Vec<ByteSize> {
        let leaves = self.leaf_sizes();
        if leaves.contains(&self.page_size) {
            leaves.into_iter().filter(|size| *size >= self.page_size).collect()
        } else {
            vec![self.page_size]
        }
    }
}
