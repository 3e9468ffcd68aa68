//! Pages of the kernel: the same in every process, and never evicted.

use super::effects::Effects;
use super::page_table::Pte;
use super::{Os, OsError};
use crate::address::{Pfn, VirtAddr};
use crate::outcome::Work;

impl Os {
    /// Maps a page of the kernel, whose tables exist, to a frame full of zeros. It is charged to nobody.
    ///
    /// # Errors
    /// No frame is free and none can be freed.
    pub(super) fn wire(
        &mut self,
        index: u32,
        page: VirtAddr,
        store: bool,
        effects: &mut Effects,
    ) -> Result<(), OsError> {
        let frame = self.obtain(|os| os.buddy.allocate(0), effects)?;
        let pfn = Pfn(frame.into());
        effects.work.push(Work::Zero { addr: pfn.start(self.page), bytes: self.page.bytes() });
        let dirty = if store { Pte::DIRTY } else { 0 };
        let flags = Pte::PRESENT | Pte::ACCESSED | Pte::WRITABLE | Pte::WIRED | dirty;
        if let Some(space) = self.spaces.get(index) {
            self.tables.set(space.root, page, Pte::frame(pfn, flags));
            self.wired += 1;
        }
        effects.table_writes(1);
        Ok(())
    }

    /// The processes' address spaces, without the kernel's.
    pub(super) fn processes(&self) -> impl Iterator<Item = &super::Space> {
        self.spaces.iter().map(|(_, space)| space).filter(|space| !self.is_kernel(space.process))
    }
}
