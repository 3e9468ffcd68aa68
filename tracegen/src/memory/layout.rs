//! Where things lie in a process's address space: Linux's layout without randomisation.

use crate::error::TraceError;

/// Alignment of every area: the largest base page that the page-table formats have (arm-64k).
const ALIGNMENT: u64 = 64 << 10;

/// Anonymous areas at least this large are aligned to it, so that huge pages fit from their first byte
/// (`__thp_get_unmapped_area` in Linux's mm/huge_memory.c, for anonymous mappings since 6.7).
const HUGE: u64 = 2 << 20;

/// The free parts of an address space: mappings grow downwards from below the stack, the heap upwards
/// from two thirds of the space, where Linux loads a position-independent program
/// (`ELF_ET_DYN_BASE` of arch/x86/include/asm/elf.h).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    bits: u32,
    heap_start: u64,
    /// The lowest address of the mappings so far.
    map_floor: u64,
}

impl Layout {
    /// The layout of a user space of 2^`bits` bytes: 47 for x86-64 with four levels, 38 for sv39, 31
    /// for a small 32-bit space.
    pub fn linux(bits: u32) -> Self {
        let bits = bits.clamp(24, 62);
        let top = 1u64 << bits;
        // Room for the stack: Linux keeps 128 MiB free below the top (`MIN_GAP` of mm/util.c); small
        // spaces give a sixteenth.
        let gap = (128u64 << 20).min(top / 16);
        let heap_start = (top / 3 * 2) / HUGE * HUGE;
        Self { bits, heap_start, map_floor: top - gap }
    }

    /// Where the heap starts (the first `brk`).
    pub fn heap_start(&self) -> u64 {
        self.heap_start
    }

    /// How far the heap may grow: the lowest mapping.
    pub fn heap_limit(&self) -> u64 {
        self.map_floor
    }

    /// Takes room for `length` bytes; returns the address and the length in whole 4 KiB pages.
    pub(super) fn map(&mut self, length: u64) -> Result<(u64, u64), TraceError> {
        let full = || {
            TraceError::Workload(format!(
                "a mapping of {length} bytes does not fit into an address space of 2^{} bytes \
                 (address_bits)",
                self.bits
            ))
        };
        let pages = length.max(1).checked_next_multiple_of(4096).ok_or_else(full)?;
        let alignment = if pages >= HUGE { HUGE } else { ALIGNMENT };
        let addr = self.map_floor.checked_sub(pages).ok_or_else(full)? / alignment * alignment;
        if addr < self.heap_start {
            return Err(full());
        }
        self.map_floor = addr;
        Ok((addr, pages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_disjoint_aligned_and_below_the_stack() {
        let mut layout = Layout::linux(47);
        let mut floor = 1 << 47;
        for length in [1, 4096, 5000, 2 << 20, 3 << 20, 1 << 30] {
            let (addr, pages) = layout.map(length).unwrap();
            assert!(pages >= length && pages < length + 4096);
            assert!(addr + pages <= floor);
            assert_eq!(addr % if length >= 2 << 20 { 2 << 20 } else { 4096 }, 0);
            floor = addr;
        }
    }

    #[test]
    fn the_heap_starts_where_a_position_independent_program_would() {
        // 0x555555554000 is where Linux loads one on x86-64; the heap lies in the huge page below it.
        assert_eq!(Layout::linux(47).heap_start(), 0x5555_5555_4000 / (2 << 20) * (2 << 20));
    }

    #[test]
    fn a_space_that_is_full_says_so() {
        let error = Layout::linux(31).map(4 << 30).unwrap_err();
        assert!(error.to_string().contains("2^31"), "{error}");
    }
}
