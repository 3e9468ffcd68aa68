//! Entries as memory holds them, in the layout of the format.

use super::Pte;
use crate::mmu::format::Layout;

/// V, R, W, X, U, A and D of RISC-V (privileged architecture, "Sv32 page table entry" and "Sv39").
const RISC_V: [(u64, u64); 5] = [
    (Pte::PRESENT, 1 << 0),
    (Pte::WRITABLE, 1 << 2),
    (Pte::USER, 1 << 4),
    (Pte::ACCESSED, 1 << 6),
    (Pte::DIRTY, 1 << 7),
];
const RISC_V_READABLE: u64 = 1 << 1;
const RISC_V_EXECUTABLE: u64 = 1 << 3;

/// Bits of Arm's stage 1 descriptors (Arm architecture reference manual, D8.3). With hardware management
/// of the dirty state, AP\[2\] of a writable page (DBM) is cleared by the first store.
const ARM_VALID: u64 = 1 << 0;
const ARM_TABLE_OR_PAGE: u64 = 1 << 1;
const ARM_USER: u64 = 1 << 6;
const ARM_READ_ONLY: u64 = 1 << 7;
const ARM_INNER_SHAREABLE: u64 = 3 << 8;
const ARM_ACCESSED: u64 = 1 << 10;
const ARM_NOT_GLOBAL: u64 = 1 << 11;
const ARM_DIRTY_MODIFIER: u64 = 1 << 51;
const ARM_PRIVILEGED_NO_EXECUTE: u64 = 1 << 53;
const ARM_USER_NO_EXECUTE: u64 = 1 << 54;

/// An entry that points to the table of number `number`, in units of 4 KiB. `held`: the processor keeps
/// it, and it has no rights.
pub fn table(layout: Layout, number: u64, held: bool) -> u64 {
    match layout {
        Layout::X86 if held => number << 12 | Pte::PRESENT,
        Layout::X86 | Layout::X86Short => {
            number << 12 | Pte::PRESENT | Pte::WRITABLE | Pte::USER | Pte::ACCESSED
        }
        Layout::RiscV => number << 10 | 1,
        Layout::Arm => number << 12 | ARM_TABLE_OR_PAGE | ARM_VALID,
    }
}

/// A leaf entry that holds a frame: `number` is its address in units of 4 KiB. `large`: it lies above the
/// last level.
pub fn leaf(layout: Layout, number: u64, pte: Pte, large: bool) -> u64 {
    let size = if large { Pte::LARGE } else { 0 };
    match layout {
        Layout::X86 => number << 12 | pte.flags() | size,
        Layout::X86Short => number << 12 | pte.flags() & 0xfff | size,
        Layout::RiscV => {
            let set = RISC_V.iter().filter(|(flag, _)| pte.has(*flag)).map(|(_, bit)| bit);
            let executable = if pte.has(Pte::NO_EXECUTE) { 0 } else { RISC_V_EXECUTABLE };
            set.sum::<u64>() | number << 10 | RISC_V_READABLE | executable
        }
        Layout::Arm => number << 12 | arm(pte) | if large { 0 } else { ARM_TABLE_OR_PAGE },
    }
}

fn arm(pte: Pte) -> u64 {
    let bit = |set: bool, bit: u64| if set { bit } else { 0 };
    ARM_INNER_SHAREABLE
        | ARM_NOT_GLOBAL
        | bit(pte.has(Pte::PRESENT), ARM_VALID)
        | bit(pte.has(Pte::USER), ARM_USER | ARM_PRIVILEGED_NO_EXECUTE)
        | bit(!pte.has(Pte::WRITABLE | Pte::DIRTY), ARM_READ_ONLY)
        | bit(pte.has(Pte::ACCESSED), ARM_ACCESSED)
        | bit(pte.has(Pte::WRITABLE), ARM_DIRTY_MODIFIER)
        | bit(pte.has(Pte::NO_EXECUTE), ARM_USER_NO_EXECUTE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Pfn;

    const DATA: u64 = Pte::PRESENT | Pte::WRITABLE | Pte::USER | Pte::NO_EXECUTE;

    /// Frame 0x12345 at 4 KiB, readable and writable data that has been read but not written.
    #[test]
    fn a_leaf_is_what_the_manuals_draw() {
        let pte = Pte::frame(Pfn(0x12345), DATA | Pte::ACCESSED);
        let value = |layout, large| leaf(layout, 0x12345, pte, large);
        assert_eq!(value(Layout::X86, false), 0x8000_0000_1234_5027);
        assert_eq!(value(Layout::X86, true), 0x8000_0000_1234_50a7);
        assert_eq!(value(Layout::X86Short, false), 0x1234_5027);
        // V, R, W, U, A; PPN from bit 10.
        assert_eq!(value(Layout::RiscV, false), 0x12345 << 10 | 0b0101_0111);
        // UXN, PXN, DBM; nG, AF, SH = 11, AP = 11 (read-only, for all), a page.
        assert_eq!(value(Layout::Arm, false), 0x0068_0000_1234_5fc3);
        assert_eq!(value(Layout::Arm, true) & 3, 1, "a block");
    }

    #[test]
    fn a_store_makes_arms_clean_page_writable() {
        let pte = Pte::frame(Pfn(1), DATA | Pte::ACCESSED | Pte::DIRTY);
        assert_eq!(leaf(Layout::Arm, 1, pte, false) & ARM_READ_ONLY, 0);
        assert_eq!(leaf(Layout::RiscV, 1, pte, false) & 1 << 7, 1 << 7);
    }

    #[test]
    fn a_pointer_has_the_address_and_no_rights_but_x86s() {
        assert_eq!(table(Layout::X86, 0x3, false), 0x3027);
        assert_eq!(table(Layout::X86, 0x3, true), 0x3001);
        assert_eq!(table(Layout::RiscV, 0x3, false), 0xc01);
        assert_eq!(table(Layout::Arm, 0x3, false), 0x3003);
    }

    #[test]
    fn no_entry_without_access_is_valid() {
        let pte = Pte::frame(Pfn(1), Pte::NO_ACCESS | Pte::USER);
        for layout in [Layout::X86, Layout::X86Short, Layout::RiscV, Layout::Arm] {
            assert_eq!(leaf(layout, 1, pte, false) & 1, 0, "{layout:?}");
        }
    }
}
