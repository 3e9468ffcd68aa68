//! Addresses and page numbers as types of their own, so that mixing them does not compile.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, bincode::Encode, bincode::Decode,
        )]
        pub struct $name(pub $inner);

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

number!(/** A byte address as the program sees it. */ VirtAddr, u64);
number!(/** A byte address as memory sees it. */ PhysAddr, u64);
number!(
    /** A virtual page number: a virtual address without its offset in a page of some size. */
    Vpn,
    u64
);
number!(
    /** A physical frame number in units of the machine's base page. */
    Pfn,
    u64
);
number!(/** An address-space identifier as TLB entries carry it (x86: PCID). */ Asid, u16);
number!(/** A place for one base page on the swap device. */ SwapSlot, u64);

/// The size of a page as its number of offset bits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, bincode::Encode, bincode::Decode,
)]
pub struct PageShift(pub u8);

impl PageShift {
    /// The page's size in bytes.
    pub const fn bytes(self) -> u64 {
        1 << self.0
    }
    /// The number of the page that holds `addr`.
    pub const fn page_of(self, addr: VirtAddr) -> Vpn {
        Vpn(addr.0 >> self.0)
    }
    /// The offset of `addr` in its page.
    pub const fn offset_of(self, addr: VirtAddr) -> u64 {
        addr.0 & (self.bytes() - 1)
    }
    /// The first byte of a page of this size.
    pub const fn start_of(self, page: Vpn) -> VirtAddr {
        VirtAddr(page.0 << self.0)
    }
}

impl Pfn {
    /// The first byte of the frame, where frames are `base` large.
    pub const fn start(self, base: PageShift) -> PhysAddr {
        PhysAddr(self.0 << base.0)
    }
}

impl VirtAddr {
    /// The address `bytes` further on; `None` past the end of the address space.
    pub const fn checked_add(self, bytes: u64) -> Option<Self> {
        match self.0.checked_add(bytes) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }
}
