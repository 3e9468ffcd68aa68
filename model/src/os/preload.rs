//! Pages that the configuration's `[state]` places.

use tracegen::record::ProcessId;

use super::effects::Effects;
use super::page_table::Pte;
use super::{Os, OsError};
use crate::address::{Pfn, VirtAddr, Vpn};

impl Os {
    /// Maps page `page` of `process` to frame `frame`, for good: such a page is never evicted. `permissions`
    /// is out of `r`, `w`, `x`.
    ///
    /// # Errors
    /// The page or the frame does not exist, or is taken; permissions have another letter. The error
    /// names `state.page`.
    pub fn preload(
        &mut self,
        process: ProcessId,
        page: Vpn,
        frame: Pfn,
        permissions: &str,
    ) -> Result<(), OsError> {
        let wrong = |message: String| OsError::Setting { key: "state.page", message };
        if permissions.is_empty() || permissions.chars().any(|letter| !"rwx".contains(letter)) {
            return Err(wrong(format!("permissions \"{permissions}\" are not out of r, w and x")));
        }
        let effects = &mut Effects::default();
        let index = self.space(process, effects)?;
        let addr = page.0.checked_mul(self.page.bytes()).and_then(|addr| self.fold(VirtAddr(addr)));
        let addr = addr.ok_or_else(|| wrong(format!("there is no vpn {:#x}", page.0)))?;
        self.build_path(index, addr, effects)?;
        let number = u32::try_from(frame.0).ok().filter(|number| self.buddy.take(*number));
        number.ok_or_else(|| wrong(format!("ppn {:#x} does not exist or is taken", frame.0)))?;
        let Some(root) = self.spaces.get(index).map(|space| space.root) else { return Ok(()) };
        if self.tables.get(root, addr) != Pte::default() {
            return Err(wrong(format!("vpn {:#x} is mapped already", page.0)));
        }
        let mut flags = Pte::PRESENT | Pte::USER | Pte::WIRED;
        flags |= if permissions.contains('w') { Pte::WRITABLE } else { 0 };
        flags |= if permissions.contains('x') { 0 } else { Pte::NO_EXECUTE };
        self.tables.set(root, addr, Pte::frame(frame, flags));
        self.wired += 1;
        self.enter_hashed(process, addr, effects);
        Ok(())
    }
}
