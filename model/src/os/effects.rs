//! What the operating system's work means for the rest of the machine.

use tracegen::record::ProcessId;

use crate::address::{PageShift, SwapSlot, VirtAddr};
use crate::outcome::{FaultKind, Work};

/// A translation that the hardware must forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalidation {
    /// One page of one process.
    Page {
        /// The process.
        process: ProcessId,
        /// The page's first byte.
        addr: VirtAddr,
        /// The page's size.
        size: PageShift,
    },
    /// Everything of a process.
    Process(ProcessId),
    /// A table was freed: paging-structure caches must forget the entry of `level` that pointed to it.
    Table {
        /// The process.
        process: ProcessId,
        /// The level of the entry, 1 being the leaf table's.
        level: u8,
        /// The first address that the entry covered.
        addr: VirtAddr,
    },
}

impl Invalidation {
    /// Whose address space it is about.
    pub fn process(&self) -> ProcessId {
        match *self {
            Self::Page { process, .. } | Self::Process(process) | Self::Table { process, .. } => {
                process
            }
        }
    }
}

/// What a fault or an event did. A buffer that the caller clears and uses again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// The fault that was handled, if one was.
    pub fault: Option<FaultKind>,
    /// Whether the fault needed the backing store.
    pub major: bool,
    /// Kernel work, in order.
    pub work: Vec<Work>,
    /// Translations to forget, in order.
    pub invalidations: Vec<Invalidation>,
}
crate::scratch::scratch!(Effects);

impl Effects {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.fault = None;
        self.major = false;
        self.work.clear();
        self.invalidations.clear();
    }

    /// Adds a page that goes to swap, merged with a write of the slot before it.
    pub(super) fn swap_write(&mut self, slot: SwapSlot) {
        if let Some(Work::SwapWrite { slot: first, pages }) = self.work.last_mut()
            && first.0 + u64::from(*pages) == slot.0
        {
            *pages += 1;
            return;
        }
        self.work.push(Work::SwapWrite { slot, pages: 1 });
    }

    /// Adds table writes, merged with those just before.
    pub(super) fn table_writes(&mut self, count: u64) {
        match self.work.last_mut() {
            Some(Work::TableWrites { entries }) => *entries += count,
            _ if count > 0 => self.work.push(Work::TableWrites { entries: count }),
            _ => {}
        }
    }
}
