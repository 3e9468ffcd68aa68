//! What translation hardware has to forget: pages that the kernel has changed, and address spaces that a
//! CPU leaves.

use super::asids::{Assignment, Flush};
use super::recall::identity;
use super::{Cpu, Simulator};
use crate::address::{Asid, PageShift, VirtAddr};
use crate::os::Invalidation;

impl Simulator {
    /// Makes the translation hardware of every CPU forget what the kernel has changed.
    pub(super) fn invalidate(&mut self) {
        let mut list = std::mem::take(&mut self.effects.invalidations);
        for invalidation in list.drain(..) {
            let concerned = self.concerned(invalidation.process());
            for cpu in (0..self.cpus()).filter(|cpu| concerned >> cpu & 1 != 0) {
                self.forget(cpu, &invalidation);
            }
        }
        self.effects.invalidations = list;
    }

    fn forget(&mut self, number: usize, invalidation: &Invalidation) {
        let process = invalidation.process();
        let asid = self.asids.invalidated(number, process);
        if let Invalidation::Process(_) = invalidation {
            self.forgotten(number, process);
        }
        // Of a process without an identifier nothing is there.
        let Some(asid) = asid else { return };
        let (here, base) = (self.here(), self.base_page);
        let Self { cpu, others, splinters, .. } = self;
        let cpu = if number == here { cpu } else { &mut others.get_mut(number).cpu };
        match *invalidation {
            Invalidation::Page { addr, size, .. } if splinters.contains(&size) => {
                for part in (0..size.bytes()).step_by(base.bytes() as usize) {
                    cpu.forget_page(asid, VirtAddr(addr.0 + part), base, base);
                }
            }
            Invalidation::Page { addr, size, .. } => cpu.forget_page(asid, addr, size, base),
            Invalidation::Process(_) => cpu.forget_process(asid),
            Invalidation::Table { level, addr, .. } => cpu.pwc.invalidate(asid, addr, level),
        }
    }

    /// Makes the CPU that runs run `process`.
    #[cold]
    pub(super) fn switch(&mut self, process: u32) {
        let here = self.here();
        let Assignment { asid, flush } = self.asids.assign(here, process);
        self.cpu.switch(asid, flush, self.asids.global());
        self.cpu.process = Some(process);
        if !self.others.is_empty() {
            let flushed = matches!(flush, Flush::AllButGlobal | Flush::Everything);
            self.holders.runs(here, process, flushed);
        }
    }
}

impl Cpu {
    /// A page of `size` has changed, on a machine with base pages of `base`.
    fn forget_page(&mut self, asid: Asid, addr: VirtAddr, size: PageShift, base: PageShift) {
        self.tlbs.invalidate_page(asid, addr, size);
        if self.page_drops_tables {
            self.pwc.flush_asid(asid);
        }
        self.recall.page_disturbed(identity(addr, size, base));
    }

    /// An address space has changed.
    fn forget_process(&mut self, asid: Asid) {
        self.tlbs.flush_asid(asid);
        self.pwc.flush_asid(asid);
        self.recall.pages_disturbed();
    }

    /// Runs another address space. Entries of `global` pages survive what says so; in paging-structure
    /// caches nothing is global (Intel SDM volume 3, 5.10.2.4 and 5.10.4.1).
    fn switch(&mut self, asid: Asid, flush: Flush, global: Option<Asid>) {
        self.asid = asid;
        match flush {
            Flush::Nothing => return,
            Flush::AddressSpace => return self.forget_process(asid),
            Flush::AllButGlobal => self.tlbs.flush(global),
            Flush::Everything => self.tlbs.flush(None),
        }
        self.pwc.flush();
        self.recall.pages_disturbed();
    }
}
