//! `os.prefault`: what is mapped before the trace starts, and in which address spaces.

use std::collections::BTreeSet;

use rand::Rng;
use rand_pcg::Pcg32;
use tracegen::record::{Event, ProcessId};

use super::effects::Effects;
use super::page_table::Pte;
use super::reclaim::{Page, Reclaim};
use super::{KERNEL, Os, OsError};
use crate::address::VirtAddr;
use crate::replacement::component_seed;

/// PCG's default stream.
const STREAM: u64 = 0x0a02_bdbf_7bb3_c0a7;

/// The processes whose address spaces the trace itself makes, as far as it has come: those that it forks,
/// that execute another program, or that appear again after their end.
///
/// Nothing is mapped in these before the trace starts, since they are not there: a forked process has what
/// its parent has mapped, and all of them fault for the rest. Whoever maps and whoever applies events both
/// go by this.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct Made(BTreeSet<ProcessId>);

impl Made {
    /// An event of `process` has happened.
    pub fn see(&mut self, process: ProcessId, event: &Event) {
        match event {
            Event::Fork { child } => {
                self.0.insert(*child);
            }
            Event::Exec | Event::Exit => {
                self.0.insert(process);
            }
            _ => {}
        }
    }

    /// Whether the trace has made the address space of `process`.
    pub fn has(&self, process: ProcessId) -> bool {
        self.0.contains(&process)
    }
}

/// Puts pages in a random order for the run's seed (Durstenfeld's shuffle), as they are mapped with
/// `prefault_frames = "scattered"`.
pub fn scatter<T>(pages: &mut [T], seed: u64) {
    let mut generator = Pcg32::new(component_seed("os.prefault_frames", seed), STREAM);
    for last in (1..pages.len()).rev() {
        let draw = u128::from(generator.next_u64()) * (last as u128 + 1);
        // At most `last`.
        pages.swap(last, (draw >> 64) as usize);
    }
}

impl Os {
    /// Maps the page of `addr` before the trace starts (`os.prefault`), as a store outside every area
    /// would, without counting a fault. Returns false, and maps nothing, once another page would have to
    /// go.
    ///
    /// # Errors
    /// Not even its page tables fit.
    pub fn prefault(&mut self, process: ProcessId, addr: VirtAddr) -> Result<bool, OsError> {
        let effects = &mut Effects::default();
        // What no page can be mapped at faults in any case.
        let folded = self.fold(addr);
        let process =
            if folded.is_some_and(|addr| self.is_global(addr)) { KERNEL } else { process };
        let index = self.space(process, effects)?;
        let Some(addr) = folded else { return Ok(true) };
        let page = VirtAddr(addr.0 & !(self.page.bytes() - 1));
        let Some(root) = self.spaces.get(index).map(|space| space.root) else { return Ok(true) };
        if self.tables.get(root, page) != Pte::default() {
            return Ok(true);
        }
        if self.large_before(process, index, page)? {
            return Ok(true);
        }
        let levels = self.geometry().levels().len() as u64;
        let tables = self.table_space.charge(self.geometry().table_bytes(1)).saturating_mul(levels);
        let need = tables.saturating_add(self.page.bytes());
        let fits = self.limit.is_none_or(|limit| self.charged().saturating_add(need) <= limit);
        if !fits || self.buddy.room() < need.div_ceil(self.page.bytes()) {
            return Ok(false);
        }
        self.build_path(index, page, effects)?;
        if self.is_kernel(process) {
            self.wire(index, page, false, effects)?;
            self.enter_hashed(process, page, effects);
            return Ok(true);
        }
        let number = Page::new(process, page.0 >> self.page.0);
        let frame = self.allocate(Some(number), effects)?;
        self.policy.insert(frame, number);
        self.map(index, page, frame, Pte::PRESENT | Pte::WRITABLE | Pte::ACCESSED);
        self.enter_hashed(process, page, effects);
        Ok(true)
    }
}
