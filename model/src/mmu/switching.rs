//! Settings of what a TLB keeps when the CPU runs another process, and of what an invalidation drops.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::{Mmu, PageTable};
use crate::address::{Asid, PageShift};

/// How address-space identifiers are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AsidAllocation {
    /// In turn, the same on every CPU. When they run out all TLBs are flushed and numbering starts again;
    /// what is running keeps its own (Linux arch/arm64/mm/context.c).
    #[default]
    Generations,
    /// Each CPU on its own, in rotation: the next one is taken from the process that has it, whose entries
    /// are dropped. A CPU that does not run an address space hears of its changes when it runs it again, and
    /// then drops all of it (Linux arch/x86/mm/tlb.c, `choose_new_asid`, with 6 identifiers).
    RoundRobin,
}

/// Which addresses belong to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Global {
    /// None.
    #[default]
    None,
    /// The upper half of the address space, as on 64-bit machines.
    UpperHalf,
    /// Its upper quarter, as on 32-bit machines that split it 3 : 1.
    UpperQuarter,
}

/// What the invalidation of a page does to the paging-structure caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PwcInvalidation {
    /// It drops every entry of the page's address space: x86's INVLPG (Intel SDM volume 3, 5.10.4.1).
    AddressSpace,
    /// Nothing: entries go when the table that they point to is freed (Arm's TLBI VALE1 and RISC-V's
    /// SFENCE.VMA with an address concern leaf entries alone).
    FreedTables,
}

impl Global {
    /// The first address of the kernel among those below 2^`va_bits`, a page's first; `None` for none.
    pub fn start(self, va_bits: u8, page: PageShift) -> Option<u64> {
        let quarter = 1u64.checked_shl(u32::from(va_bits).checked_sub(2)?)?;
        let quarters = match self {
            Self::None => return None,
            Self::UpperHalf => 2,
            Self::UpperQuarter => 3,
        };
        (quarters * quarter).checked_next_multiple_of(page.bytes())
    }
}

impl Mmu {
    /// The identifier that entries of global pages carry, which no process has.
    pub fn global_asid(&self) -> Option<Asid> {
        (self.global != Global::None).then_some(Asid(self.asids.max(1)))
    }

    /// How many identifiers TLB entries may carry, that of global pages included.
    pub fn identifiers(&self) -> u32 {
        u32::from(self.asids.max(1)) + u32::from(self.global != Global::None)
    }

    /// What the invalidation of a page does to the paging-structure caches: what is set, or else what the
    /// format's architecture does.
    pub fn page_invalidation(&self) -> PwcInvalidation {
        let x86 = matches!(
            self.page_table,
            PageTable::X86_64Level4
                | PageTable::X86_64Level5
                | PageTable::X86Short
                | PageTable::X86Pae
        );
        let default = if x86 && self.format.is_none() {
            PwcInvalidation::AddressSpace
        } else {
            PwcInvalidation::FreedTables
        };
        self.pwc_invalidation.unwrap_or(default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_addresses_are_the_upper_half_or_quarter() {
        let page = PageShift(12);
        assert_eq!(Global::None.start(48, page), None);
        assert_eq!(Global::UpperHalf.start(48, page), Some(1 << 47));
        assert_eq!(Global::UpperHalf.start(64, page), Some(1 << 63));
        // Linux's PAGE_OFFSET with a 3G/1G split.
        assert_eq!(Global::UpperQuarter.start(32, page), Some(0xc000_0000));
        assert_eq!(Global::UpperQuarter.start(7, PageShift(6)), Some(128));
    }
}
