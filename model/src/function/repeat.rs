//! The line that the latest access was a plain hit on: the next access to it need not look anything up.
//!
//! A hit on what was used last changes nothing but counts, in any structure: there is no use in between
//! that it could be ordered against, and permissions and dirty bits are as the latest access left them.
//! Whatever else may change a structure forgets the line first.

use tracegen::record::{Access, AccessKind, ProcessId};

/// A line that was hit in the first-level TLB and data cache by the latest access.
#[derive(Debug, Clone, Copy)]
pub struct Repeat {
    /// Whose access it was.
    pub process: ProcessId,
    /// Whether it was a store, so that another one finds every dirty bit set.
    pub stored: bool,
    /// The TLB, as in [`crate::outcome::Outcome::tlb`].
    pub tlb: u8,
    /// The part of the virtual address space: the address shifted by the size of a part.
    pub part: u64,
    /// What identifies the page among recent walks.
    pub page: u64,
    /// The physical line.
    pub line: u64,
}

impl Repeat {
    /// Whether `access`, of `process`, lies in the same part, of 2^`shift` bytes, and does no more.
    #[inline]
    pub fn covers(&self, access: &Access, process: ProcessId, shift: u32) -> bool {
        let last = access.addr.checked_add(u64::from(access.size.max(1)) - 1);
        let kind = match access.kind {
            AccessKind::Load => true,
            AccessKind::Store => self.stored,
            AccessKind::Fetch | AccessKind::Prefetch => false,
        };
        kind && self.process == process
            && self.part == access.addr >> shift
            && last.is_some_and(|last| last >> shift == self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_nothing_is_covered() {
        let repeat = Repeat { process: 1, stored: false, tlb: 0, part: 4, page: 0, line: 9 };
        let load = Access { addr: 0x100, size: 8, ..Access::default() };
        assert!(repeat.covers(&load, 1, 6));
        assert!(repeat.covers(&Access { addr: 0x138, ..load }, 1, 6));
        assert!(!repeat.covers(&Access { addr: 0x13c, ..load }, 1, 6), "into the next line");
        assert!(!repeat.covers(&Access { addr: 0x140, ..load }, 1, 6), "the next line");
        assert!(!repeat.covers(&load, 2, 6), "another process");
        let store = Access { kind: AccessKind::Store, ..load };
        assert!(!repeat.covers(&store, 1, 6), "may have to set dirty bits");
        assert!(Repeat { stored: true, ..repeat }.covers(&store, 1, 6));
        assert!(!repeat.covers(&Access { kind: AccessKind::Fetch, ..load }, 1, 6));
        assert!(!repeat.covers(&Access { addr: u64::MAX, ..load }, 1, 6));
    }
}
