//! What an access is told of the future.

use tracegen::batch::{Batch, NextUses};
use tracegen::next_use::{NEVER, pages};

use crate::address::VirtAddr;

/// How far the next uses of a batch have been handed out.
#[derive(Debug)]
pub(super) struct Handed<'a> {
    columns: &'a [NextUses],
    /// For each column, how many.
    from: Vec<usize>,
}

impl<'a> Handed<'a> {
    /// Nothing of `batch` yet.
    pub fn new(batch: &'a Batch) -> Self {
        Self { columns: &batch.next_uses, from: vec![0; batch.next_uses.len()] }
    }

    /// Those of the next access, which starts at `addr`.
    pub fn of(&self, addr: u64) -> Foreseen<'_> {
        Foreseen { columns: self.columns, from: &self.from, addr }
    }

    /// The access of `size` bytes at `addr` has been made.
    pub fn pass(&mut self, addr: u64, size: u32) {
        for (column, from) in self.columns.iter().zip(&mut self.from) {
            let pages = pages(addr, size, column.shift);
            *from = from.saturating_add((pages.end() - pages.start()) as usize + 1);
        }
    }
}

/// When the pieces of memory that an access touches are touched next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Foreseen<'a> {
    columns: &'a [NextUses],
    from: &'a [usize],
    addr: u64,
}

impl Foreseen<'_> {
    /// Nothing is known.
    pub const NOTHING: Self = Self { columns: &[], from: &[], addr: 0 };

    /// Of the piece of 2^`shift` bytes that the access touches at `at`; `None` where that is not known.
    pub fn next(self, shift: u8, at: VirtAddr) -> Option<u64> {
        let column = self.columns.iter().position(|column| column.shift == shift)?;
        let place = (at.0 >> shift).checked_sub(self.addr >> shift)?;
        let place = self.from[column].checked_add(usize::try_from(place).ok()?)?;
        self.columns[column].touches.get(place).copied()
    }

    /// The same, as the number that says never where it is not known.
    pub fn or_never(self, shift: u8, at: VirtAddr) -> u64 {
        self.next(shift, at).unwrap_or(NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_access_gets_its_own() {
        let mut batch = Batch::new();
        batch.next_uses = vec![
            NextUses { shift: 12, touches: vec![10, 11, 12, 13] },
            NextUses { shift: 6, touches: vec![20, 21, 22] },
        ];
        let mut handed = Handed::new(&batch);
        let first = handed.of(0xfc0);
        assert_eq!(
            (first.next(12, VirtAddr(0xfc0)), first.next(12, VirtAddr(0x1000))),
            (Some(10), Some(11))
        );
        assert_eq!(
            (first.next(6, VirtAddr(0x1008)), first.next(21, VirtAddr(0))),
            (Some(21), None)
        );
        handed.pass(0xfc0, 0x80);
        let second = handed.of(0x5000);
        assert_eq!(
            (second.next(12, VirtAddr(0x5000)), second.next(6, VirtAddr(0x5000))),
            (Some(12), Some(22))
        );
        assert_eq!(
            (second.next(6, VirtAddr(0x5040)), second.or_never(6, VirtAddr(0x5040))),
            (None, NEVER)
        );
        assert_eq!(Foreseen::NOTHING.next(12, VirtAddr(0)), None);
    }
}
