//! Fork with copy-on-write (Linux mm/memory.c, `copy_page_range`).

use tracegen::record::ProcessId;

use super::effects::Effects;
use super::page_table::Pte;
use super::{Os, OsError};
use crate::address::VirtAddr;

impl Os {
    /// Gives `child` a copy of `parent`'s address space: areas and entries are copied, writable pages
    /// become write-protected on both sides, and slots get one more reference.
    pub(super) fn fork(
        &mut self,
        parent: ProcessId,
        child: ProcessId,
        effects: &mut Effects,
    ) -> Result<(), OsError> {
        let from = self.space(parent, effects)?;
        if self.spaces.find(child).is_some_and(|index| self.is_used(index)) {
            let message = format!("process {child} exists already");
            return Err(OsError::Event { event: "fork", message });
        }
        let to = self.space(child, effects)?;
        let Some(space) = self.spaces.get(from) else { return Ok(()) };
        if space.areas.iter().any(|(_, area)| area.shared) {
            return Err(OsError::NotModelled("fork with shared areas".to_owned()));
        }
        let (areas, heap, root) = (space.areas.clone(), space.heap, space.root);
        if let Some(space) = self.spaces.get_mut(to) {
            (space.areas, space.heap) = (areas, heap);
        }
        let mut entries = 0;
        let mut next = Some(VirtAddr(0));
        while let Some((addr, _)) = next.and_then(|next| self.tables.next(root, next)) {
            // A table for the child may cost a page, this one included, and a page may be split for it.
            let order = self.tables.get(root, addr).order();
            self.build_paths(to, addr, order, effects)?;
            next = addr.checked_add(self.size(self.tables.get(root, addr)).bytes());
            entries += self.copy_entry(from, to, addr)?;
        }
        self.contents.copy(from, to);
        effects.table_writes(entries);
        // Whatever was write-protected (kernel/fork.c, `dup_mmap`).
        self.flush_process(parent, effects);
        Ok(())
    }

    fn is_used(&self, index: u32) -> bool {
        self.spaces.get(index).is_some_and(|space| {
            space.areas.iter().next().is_some()
                || self.tables.next(space.root, VirtAddr(0)).is_some()
        })
    }

    /// Copies one entry; returns how many entries were written.
    fn copy_entry(&mut self, from: u32, to: u32, addr: VirtAddr) -> Result<u64, OsError> {
        let (Some(parent), Some(child)) = (self.spaces.get(from), self.spaces.get(to)) else {
            return Ok(0);
        };
        let (root, target) = (parent.root, child.root);
        let pte = self.tables.get(root, addr);
        if let Some(slot) = pte.slot() {
            self.slots.refer(slot.0 as u32);
            self.tables.set(target, addr, pte);
            return Ok(1);
        }
        let Some(pfn) = pte.pfn() else { return Ok(0) };
        if pte.has(Pte::WIRED) {
            return Err(OsError::NotModelled("fork of a page that [state] placed".to_owned()));
        }
        let copied = pte.with(Pte::WRITABLE, false);
        if Some(pfn.0 as u32) == self.zero {
            self.tables.set(target, addr, copied);
            return Ok(1);
        }
        self.map(to, addr, pfn.0 as u32, copied.flags() & !Pte::ACCESSED);
        let entries = self.entries_of(pte);
        if copied == pte {
            return Ok(entries);
        }
        self.tables.set(root, addr, copied);
        Ok(2 * entries)
    }
}
