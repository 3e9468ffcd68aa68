//! Contents that `[state]` gives a machine to start with.

use super::Simulator;
use crate::address::{Asid, Pfn, Vpn};
use crate::config::{InvalidSetting, State};
use crate::mmu::TlbEntry;

impl Simulator {
    /// Puts the pages, TLB entries and lines in place, for process 0.
    ///
    /// # Errors
    /// There is no such structure, set, way or frame, or the place is taken.
    pub(super) fn preload(&mut self, state: &State) -> Result<(), InvalidSetting> {
        self.run_process(0);
        for page in &state.page {
            self.os
                .preload(0, Vpn(page.vpn), Pfn(page.ppn), &page.permissions)
                .map_err(|error| InvalidSetting::new("state.page", error.to_string()))?;
        }
        for (place, entry) in state.tlb.iter().enumerate() {
            let wrong =
                |message: String| InvalidSetting::new(format!("state.tlb.{place}"), message);
            let tlb = self.cpu.tlbs.tlb_mut(&entry.name);
            let tlb = tlb.ok_or_else(|| wrong(format!("there is no TLB `{}`", entry.name)))?;
            let pfn = Pfn(entry.ppn);
            let value = TlbEntry { pfn, writable: true, dirty: true, executable: true };
            let at = (entry.set as usize, entry.way as usize);
            tlb.place(at, entry.tag, Asid(0), self.base_page, value)
                .map_err(|error| wrong(error.to_string()))?;
        }
        for (place, line) in state.line.iter().enumerate() {
            let wrong =
                |message: String| InvalidSetting::new(format!("state.line.{place}"), message);
            let caches = &mut self.cpu.caches;
            // There are at most 253 caches.
            let index =
                (0..self.walks.caches() as u8).find(|index| caches.name(*index) == line.name);
            let index = index.ok_or_else(|| wrong(format!("there is no cache `{}`", line.name)))?;
            caches
                .place(index, line.set as usize, line.way as usize, line.tag)
                .map_err(|error| wrong(error.to_string()))?;
        }
        self.contents = state.line.iter().filter(|line| !line.bytes.is_empty()).cloned().collect();
        Ok(())
    }
}
