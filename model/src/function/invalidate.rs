//! What translation hardware has to forget: pages that the kernel has changed, and address spaces that a
//! CPU leaves.

use super::{Cpu, Simulator};
use crate::address::Asid;
use crate::os::Invalidation;

impl Simulator {
    /// Makes the translation hardware forget what the kernel has changed.
    pub(super) fn invalidate(&mut self) {
        let Self { cpu: Cpu { tlbs, pwc, recall, .. }, asids, effects, .. } = self;
        for invalidation in effects.invalidations.drain(..) {
            let (Invalidation::Page { process, .. }
            | Invalidation::Process(process)
            | Invalidation::Table { process, .. }) = invalidation;
            // Of a process without an identifier nothing is there.
            let Some(asid) = asids.current(process) else { continue };
            match invalidation {
                Invalidation::Page { addr, size, .. } => {
                    tlbs.invalidate_page(asid, addr, size);
                    recall.page_disturbed(size.page_of(addr).0);
                }
                Invalidation::Process(_) => {
                    tlbs.flush_asid(asid);
                    pwc.flush_asid(asid);
                    recall.pages_disturbed();
                }
                Invalidation::Table { level, addr, .. } => pwc.invalidate(asid, addr, level),
            }
        }
    }
}

impl Cpu {
    /// Runs another address space.
    pub(super) fn switch(&mut self, asid: Asid, flush: bool) {
        self.asid = asid;
        if flush {
            self.tlbs.flush();
            self.pwc.flush();
            self.recall.pages_disturbed();
        }
    }
}
