//! Page-table entries.

use crate::address::{Pfn, SwapSlot};

/// A leaf entry. The flags lie where x86-64 has them (Intel SDM volume 3, table 4-20); the frame or
/// slot number is kept from bit 12 up, in units of the base page. Zero is an empty entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pte(pub u64);

impl Pte {
    /// The entry translates.
    pub const PRESENT: u64 = 1 << 0;
    /// Stores are allowed.
    pub const WRITABLE: u64 = 1 << 1;
    /// User mode is allowed.
    pub const USER: u64 = 1 << 2;
    /// A walk has used it.
    pub const ACCESSED: u64 = 1 << 5;
    /// A store has used it.
    pub const DIRTY: u64 = 1 << 6;
    /// The leaf lies above the last level.
    pub const LARGE: u64 = 1 << 7;
    /// Not present, and the number is a swap slot (a software bit).
    pub const SWAPPED: u64 = 1 << 9;
    /// Not present, although it holds a frame: the area allows no access (Linux's `_PAGE_PROTNONE`).
    pub const NO_ACCESS: u64 = 1 << 10;
    /// The frame was placed by the configuration and never moves (a software bit).
    pub const WIRED: u64 = 1 << 11;
    /// log2 of the page in base pages (software bits), from bit 52 up.
    pub const ORDER: u64 = 0x3f << 52;
    /// Fetches are forbidden.
    pub const NO_EXECUTE: u64 = 1 << 63;

    const NUMBER: u64 = ((1 << 40) - 1) << 12;

    /// An entry for a frame.
    pub const fn frame(pfn: Pfn, flags: u64) -> Self {
        Self(((pfn.0 << 12) & Self::NUMBER) | flags)
    }
    /// An entry for a page on the swap device.
    pub const fn swapped(slot: SwapSlot) -> Self {
        Self(((slot.0 << 12) & Self::NUMBER) | Self::SWAPPED)
    }
    /// Whether all of `flags` are set.
    pub const fn has(self, flags: u64) -> bool {
        self.0 & flags == flags
    }
    /// The entry with `flags` set or cleared.
    pub const fn with(self, flags: u64, set: bool) -> Self {
        if set { Self(self.0 | flags) } else { Self(self.0 & !flags) }
    }
    /// The frame that it holds, translating or not.
    pub const fn pfn(self) -> Option<Pfn> {
        if self.0 & (Self::PRESENT | Self::NO_ACCESS) == 0 {
            None
        } else {
            Some(Pfn((self.0 & Self::NUMBER) >> 12))
        }
    }
    /// The slot that it names.
    pub const fn slot(self) -> Option<SwapSlot> {
        if self.0 & (Self::PRESENT | Self::SWAPPED) == Self::SWAPPED {
            Some(SwapSlot((self.0 & Self::NUMBER) >> 12))
        } else {
            None
        }
    }
    /// log2 of the page that it maps, in base pages.
    pub const fn order(self) -> u8 {
        ((self.0 & Self::ORDER) >> 52) as u8
    }
    /// The same entry for a page of 2^`order` base pages, of which there are fewer than 64 powers.
    pub const fn of_order(self, order: u8) -> Self {
        Self(self.0 & !Self::ORDER | (order as u64) << 52 & Self::ORDER)
    }
    /// The bits that are not the number.
    pub const fn flags(self) -> u64 {
        self.0 & !Self::NUMBER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_holds_a_frame_a_slot_or_nothing() {
        let mapped = Pte::frame(Pfn(0x28), Pte::PRESENT | Pte::NO_EXECUTE);
        assert_eq!((mapped.pfn(), mapped.slot()), (Some(Pfn(0x28)), None));
        assert_eq!(mapped.0, 0x8000_0000_0002_8001);
        let away = Pte::swapped(SwapSlot(7));
        assert_eq!((away.pfn(), away.slot()), (None, Some(SwapSlot(7))));
        let kept = mapped.with(Pte::PRESENT, false).with(Pte::NO_ACCESS, true);
        assert_eq!((kept.pfn(), kept.has(Pte::PRESENT)), (Some(Pfn(0x28)), false));
        assert_eq!((Pte::default().pfn(), Pte::default().slot()), (None, None));
    }
}
