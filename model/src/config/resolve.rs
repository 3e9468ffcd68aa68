//! Defaults that depend on other settings.

use super::{Config, InvalidSetting};
use crate::cache::settings::Stream;
use crate::mmu::settings::Mmu;
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
        self.resolve_sharing();
        if self.os.memory.is_none() {
            let addressable = 1u64.checked_shl(self.mmu.physical_bits().into()).unwrap_or(u64::MAX);
            let bytes = match self.numa.memory() {
                0 => addressable.min(MEMORY),
                nodes => nodes,
            };
            self.os.memory = Some(Memory::Bytes(ByteSize(bytes)));
        }
        if self.mmu.is_hashed() && self.mmu.hash_groups.is_none() {
            let frames = match self.os.memory {
                Some(Memory::Frames(frames)) => frames,
                Some(Memory::Bytes(bytes)) => bytes.0 / self.mmu.base_page().0.max(1),
                None => 0,
            };
            // Power ISA, book III: at least half as many groups as frames.
            let groups = frames.div_ceil(2).clamp(2, 1 << 31).next_power_of_two();
            self.mmu.hash_groups = Some(groups as u32);
        }
        self.dram = self.dram.resolved();
        self.numa.resolve(&self.dram);
        self.validate()?;
        Ok(self)
    }

    fn resolve_mmu(&mut self) {
        let mmu = &mut self.mmu;
        let page_size = mmu.base_page();
        mmu.page_size = Some(page_size);
        mmu.pa_bits = Some(mmu.physical_bits());
        if mmu.va_bits.is_none() {
            mmu.va_bits = Some(mmu.translated_bits());
        }
        let sizes = mmu.page_sizes();
        let leaves = mmu.leaf_sizes();
        let unmapped = !leaves.contains(&page_size);
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

    /// The last level is shared where there is another above it, and so is what lies below a shared level.
    fn resolve_sharing(&mut self) {
        let last = self.cache.iter().map(|cache| cache.level).max().unwrap_or(1).max(2);
        let mut order: Vec<usize> = (0..self.cache.len()).collect();
        order.sort_by_key(|&at| self.cache[at].level);
        for at in order {
            let cache = &self.cache[at];
            let below_shared =
                self.cache.iter().any(|above| above.leads_to(cache) && above.is_shared());
            let shared = cache.level == last || below_shared;
            self.cache[at].shared.get_or_insert(shared);
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
    /// Bits of a virtual address that the page table translates where nothing says otherwise.
    fn translated_bits(&self) -> u8 {
        if let Some(format) = &self.format {
            let offset = self.base_page().0.max(1).ilog2();
            let index: u32 = format.bits.iter().map(|bits| u32::from(*bits)).sum();
            return u8::try_from(index.saturating_add(offset)).unwrap_or(u8::MAX);
        }
        let other = if self.is_hashed() { 48 } else { 32 };
        self.page_table.radix().map_or(other, |format| format.va_bits)
    }

    /// Every page size that a TLB of this machine can be built for: those of the format, the base page
    /// and the layout's groups, smallest first.
    pub fn known_sizes(&self) -> Vec<ByteSize> {
        let mut sizes = self.leaf_sizes();
        sizes.push(self.base_page());
        sizes.extend(self.group_sizes());
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The page sizes of the machine: the base page, the layout's groups, and the format's larger
    /// leaves where the base page is a leaf too; smallest first.
    pub fn page_sizes(&self) -> Vec<ByteSize> {
        let (page, leaves) = (self.base_page(), self.leaf_sizes());
        let mut sizes = self.group_sizes();
        if leaves.contains(&page) {
            sizes.extend(leaves.into_iter().filter(|size| *size >= page));
        } else {
            sizes.push(page);
        }
        sizes.sort_unstable();
        sizes
    }
}
