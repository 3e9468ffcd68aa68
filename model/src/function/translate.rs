//! From a virtual address to a physical one: TLBs, walk, fault, retry.

use tracegen::record::{AccessKind, ProcessId};

use super::emitter::Draft;
use super::recall::identity;
use super::{Cpu, SimulationError, Simulator};
use crate::address::{Asid, PageShift, PhysAddr, VirtAddr};
use crate::cache::settings::Stream;
use crate::mmu::{Found, TlbEntry};
use crate::os::{KERNEL, Leaf, Reads};
use crate::outcome::{
    FaultKind, MEMORY, OutcomeKind, Outcomes, Reference, ReferenceKind, UNTRANSLATED, WALKED,
};

/// How often an access may fault before its page is there: more is an error of the model's own.
const RETRIES: u32 = 8;

/// Where nothing is translated, the halves of the address space stand for pages.
pub const UNTRANSLATED_PAGE: PageShift = PageShift(63);

/// One access, or the part of it that lies in one page.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The process that makes it.
    pub process: ProcessId,
    /// What TLB entries for it carry.
    pub asid: Asid,
    /// What it does.
    pub kind: AccessKind,
    /// Its first byte.
    pub addr: VirtAddr,
    /// The index of the page's next use, where the trace knows it.
    pub next_use: Option<u64>,
    /// Where it comes from.
    pub site: u64,
    /// The outcome that its address was computed from, and the hits since then.
    pub ancestor: u64,
    /// First-level hits since the ancestor.
    pub chain: u8,
}

impl Request {
    /// The stream that the access belongs to.
    pub fn stream(&self) -> Stream {
        if self.kind == AccessKind::Fetch { Stream::Instruction } else { Stream::Data }
    }

    /// Whether it writes.
    pub fn write(&self) -> bool {
        self.kind == AccessKind::Store
    }
}

/// A translated address.
#[derive(Debug, Clone, Copy)]
pub struct Translated {
    /// The physical address.
    pub addr: PhysAddr,
    /// As [`crate::outcome::Outcome::tlb`].
    pub tlb: u8,
    /// What identifies the page among recent walks.
    pub page: u64,
    /// The address that was translated, and the page's size.
    from: VirtAddr,
    size: PageShift,
}

impl Translated {
    /// Whether the page has this byte too.
    pub fn has(&self, addr: VirtAddr) -> bool {
        (self.from.0 ^ addr.0) >> self.size.0 == 0
    }

    /// The translation of another byte of the same page.
    pub fn at(self, addr: VirtAddr) -> Self {
        let start = self.addr.0 & !(self.size.bytes() - 1);
        Self { addr: PhysAddr(start + self.size.offset_of(addr)), ..self }
    }
}

impl Simulator {
    /// Translates; what the walker reads and the kernel does is put together in the CPU's emitter.
    /// `None` where the access does not take place: a protection or segmentation fault, or a prefetch of
    /// a page that is not there.
    pub(super) fn translate(
        &mut self,
        request: &Request,
        out: &mut Outcomes,
    ) -> Result<Option<Translated>, SimulationError> {
        if !self.translates {
            let addr = PhysAddr(request.addr.0);
            let page = UNTRANSLATED_PAGE.page_of(request.addr).0;
            self.page_used(request, (page, UNTRANSLATED_PAGE), addr, UNTRANSLATED, true);
            let (from, size) = (request.addr, self.base_page);
            return Ok(Some(Translated { addr, tlb: UNTRANSLATED, page: 0, from, size }));
        }
        let Some(addr) = self.os.fold(request.addr) else {
            return self.refuse(request, out).map(|()| None);
        };
        let global;
        let request = match self.asids.global() {
            Some(asid) if self.os.is_global(addr) => {
                global = Request { process: KERNEL, asid, ..*request };
                &global
            }
            _ => request,
        };
        let found = self.cpu.tlbs.lookup(request.stream(), request.asid, addr);
        if let Some(found) = found
            && let Some(translated) = self.use_entry(request, addr, found, out)
        {
            return Ok(Some(translated));
        }
        let leaf = self.walk_until_mapped(request, addr, out)?;
        if found.is_none() {
            // A page that stays away is looked for as one of the base size.
            let size = leaf.map_or(self.base_page, |leaf| self.cached(&leaf, addr).0);
            self.cpu.tlbs.count_miss(request.stream(), size);
        }
        Ok(leaf.map(|leaf| self.fill(request, addr, leaf, out)))
    }

    /// The first-level TLB has `page`, in which `addr` lies, as the latest of its set, whichever `tlb` it
    /// came from. `dirty`: another store changes nothing.
    #[inline]
    fn page_used(
        &mut self,
        request: &Request,
        (page, size): (u64, PageShift),
        addr: PhysAddr,
        tlb: u8,
        dirty: bool,
    ) {
        if size != self.page_shift {
            return self.larger_used(request, (page, size), addr, tlb, dirty);
        }
        let asid = request.asid;
        let Self { cpu: Cpu { recall, .. }, first_tlbs, page_shift, .. } = self;
        if first_tlbs[0] == WALKED {
            // Without a TLB every access walks.
            return;
        }
        let start = addr.0 & !(page_shift.bytes() - 1);
        if request.stream() == Stream::Data && tlb == first_tlbs[0] {
            recall.page_used(page, asid, start, dirty);
        } else if request.stream() == Stream::Data {
            recall.page_filled(page, asid, start, dirty);
        } else if first_tlbs[0] == first_tlbs[1] {
            recall.page_disturbed(page);
        }
    }

    /// A TLB has the page. `None` where its entry does not permit the access: it is dropped then, and the
    /// tables are walked anew before anything faults (AMD64 manual volume 2, 5.5.2).
    #[inline]
    fn use_entry(
        &mut self,
        request: &Request,
        addr: VirtAddr,
        found: Found,
        out: &mut Outcomes,
    ) -> Option<Translated> {
        let Found { tlb, size, entry } = found;
        let asid = request.asid;
        let permitted = match request.kind {
            AccessKind::Store => entry.writable,
            AccessKind::Fetch => entry.executable,
            AccessKind::Load | AccessKind::Prefetch => true,
        };
        if !permitted {
            self.cpu.tlbs.invalidate_page(asid, addr, size);
            self.cpu.recall.page_disturbed(identity(addr, size, self.base_page));
            return None;
        }
        if request.write() && !entry.dirty {
            self.set_dirty(request, addr, out);
            self.cpu.tlbs.update(asid, addr, size, |entry| entry.dirty = true);
        }
        let start = entry.pfn.start(self.base_page);
        let (from, page) = (request.addr, identity(addr, size, self.base_page));
        let dirty = entry.writable && (entry.dirty || request.write());
        let addr = PhysAddr(start.0 + size.offset_of(addr));
        self.page_used(request, (page, size), addr, tlb, dirty);
        let tlb = self.cpu.tlbs.tried(request.stream(), request.site, size, tlb);
        Some(Translated { addr, tlb, page, from, size })
    }

    /// The walker sets the dirty bit for a store that hit a clean entry (Intel SDM volume 3, 5.8).
    fn set_dirty(&mut self, request: &Request, addr: VirtAddr, out: &mut Outcomes) {
        let leaf = match self.os.reads(request.process, addr) {
            Some(reads) => reads.leaf,
            None => self.os.walk(request.process, addr, &mut self.steps),
        };
        let Some(leaf) = leaf else { return };
        if self.os.mark(&leaf, true) {
            self.walks.dirty_writes += 1;
            self.cpu.table_write(leaf.entry, out);
        }
    }

    /// Walks, lets the kernel handle what it must, and walks again. `None` where the access does not
    /// take place.
    fn walk_until_mapped(
        &mut self,
        request: &Request,
        addr: VirtAddr,
        out: &mut Outcomes,
    ) -> Result<Option<Leaf>, SimulationError> {
        for _ in 0..RETRIES {
            let leaf = self.walk(request, addr, out).filter(|leaf| match request.kind {
                AccessKind::Store => leaf.writable,
                AccessKind::Fetch => leaf.executable,
                AccessKind::Load | AccessKind::Prefetch => true,
            });
            if leaf.is_some() {
                return Ok(leaf);
            }
            if request.kind == AccessKind::Prefetch {
                return Ok(None);
            }
            if !self.fault(request, out)? {
                return Ok(None);
            }
        }
        Err(SimulationError::Stuck { addr: request.addr.0 })
    }

    /// A walk has found the page: its entry is marked and goes into the TLBs, and reclaim sees a touch.
    fn fill(
        &mut self,
        request: &Request,
        addr: VirtAddr,
        leaf: Leaf,
        out: &mut Outcomes,
    ) -> Translated {
        // Bits that are set need no second walk to set them.
        let marked = leaf.accessed && (leaf.dirty || !request.write());
        if !marked && self.os.mark(&leaf, request.write()) {
            self.walks.accessed_writes += 1;
            self.cpu.table_write(leaf.entry, out);
        }
        let (size, pfn) = self.cached(&leaf, addr);
        let entry = TlbEntry {
            pfn,
            writable: leaf.writable,
            dirty: leaf.dirty || request.write(),
            executable: leaf.executable,
        };
        self.cpu.tlbs.fill(request.stream(), request.asid, addr, size, entry);
        self.os.touch(leaf.pfn, request.write(), request.next_use);
        self.cpu.tlbs.tried(request.stream(), request.site, size, WALKED);
        let (from, page) = (request.addr, identity(addr, size, self.base_page));
        let start = pfn.start(self.base_page);
        let addr = PhysAddr(start.0 + size.offset_of(addr));
        self.page_used(request, (page, size), addr, WALKED, entry.writable && entry.dirty);
        Translated { addr, tlb: WALKED, page, from, size }
    }

    /// One walk: the deepest paging-structure entry says where it starts, and every read goes through
    /// the caches.
    fn walk(&mut self, request: &Request, addr: VirtAddr, out: &mut Outcomes) -> Option<Leaf> {
        let Self { os, cpu, walks, .. } = self;
        let highest = os.geometry().first_read();
        let Some(Reads { above, entry, leaf }) = os.reads(request.process, addr) else {
            return self.walk_in_vain(request, addr, out);
        };
        walks.walks += 1;
        // One entry is read a level, the highest one's first.
        let first = cpu.pwc.lookup(cpu.asid, addr).map_or(0, |start| highest + 1 - start.level);
        for (depth, step) in (0..).zip(above).skip(first.into()) {
            walks.read(cpu.table_access(step.entry, ReferenceKind::Walk, out));
            cpu.pwc.fill(cpu.asid, addr, highest - depth, step.table);
        }
        walks.read(cpu.table_access(entry, ReferenceKind::Walk, out));
        leaf
    }

    /// A walk for a page whose table is not there.
    fn walk_in_vain(
        &mut self,
        request: &Request,
        addr: VirtAddr,
        out: &mut Outcomes,
    ) -> Option<Leaf> {
        let Self { os, cpu, steps, walks, .. } = self;
        let leaf = os.walk(request.process, addr, steps);
        walks.walks += 1;
        let highest = os.geometry().first_read();
        let start = cpu.pwc.lookup(cpu.asid, addr).map_or(highest + 1, |start| start.level);
        for (place, step) in steps.iter().enumerate().filter(|(_, step)| step.level < start) {
            walks.read(cpu.table_access(step.entry, ReferenceKind::Walk, out));
            if let Some(below) = steps.get(place + 1) {
                let table = PhysAddr(below.entry.0 - below.index * self.entry_bytes);
                cpu.pwc.fill(cpu.asid, addr, step.level, table);
            }
        }
        leaf
    }

    /// The kernel handles a fault; what it did becomes an outcome of its own. Whether the access goes on.
    fn fault(&mut self, request: &Request, out: &mut Outcomes) -> Result<bool, SimulationError> {
        self.effects.clear();
        let kind = self.os.fault(request.process, request.addr, request.kind, &mut self.effects)?;
        self.finish_fault(kind, request, out);
        Ok(!matches!(kind, FaultKind::Segv | FaultKind::Protection))
    }

    /// An address that no page table can map is a segmentation fault without a walk.
    fn refuse(&mut self, request: &Request, out: &mut Outcomes) -> Result<(), SimulationError> {
        if request.kind == AccessKind::Prefetch {
            return Ok(());
        }
        self.fault(request, out).map(|_| ())
    }

    fn finish_fault(&mut self, kind: FaultKind, request: &Request, out: &mut Outcomes) {
        out.work.extend_from_slice(&self.effects.work);
        let receivers = self.shoot_down(out);
        let draft = Draft {
            kind: OutcomeKind::Fault(kind),
            tlb: WALKED,
            served: self.first_cache(request.stream()),
            ancestor: request.ancestor,
            chain: request.chain,
            site: request.site,
            ..Draft::default()
        };
        self.cpu.emitter.emit(draft, out);
        self.invalidate();
        self.interrupt(receivers, out);
    }
}

impl Cpu {
    /// The walker reads, or writes, the page-table entry at `entry`: the cache that had it. The reference
    /// comes before the victims that it displaces.
    #[inline]
    fn table_access(&mut self, entry: PhysAddr, kind: ReferenceKind, out: &mut Outcomes) -> u8 {
        let at = out.references.len();
        out.references.push(Reference { addr: entry, kind, served: MEMORY });
        let served = match kind {
            ReferenceKind::TableWrite => self.caches.table_write(entry, &mut out.references),
            _ => self.caches.walk_read(entry, &mut out.references),
        };
        out.references[at].served = served;
        if self.walks_enter_first {
            self.recall.line_disturbed(entry.0 >> self.data_line_shift);
        }
        self.note_gone();
        served
    }

    /// The walker writes the line of a page-table entry; nothing waits for it.
    fn table_write(&mut self, entry: PhysAddr, out: &mut Outcomes) {
        self.table_access(entry, ReferenceKind::TableWrite, out);
    }

    /// What follows is done for an access from `site`: some replacement policy asks for it.
    pub(super) fn site(&mut self, site: u64) {
        self.tlbs.site(site);
        self.pwc.site(site);
        self.caches.tell_site(site);
    }

    /// Policies that know the future are told it of the pages around `addr`, which is accessed; TLB entries
    /// carry `asid`.
    pub(super) fn foresee_translation(
        &mut self,
        asid: Asid,
        addr: VirtAddr,
        next: impl Fn(u8) -> u64,
    ) {
        self.tlbs.foresee(asid, addr, &next);
        self.pwc.foresee(self.asid, addr, &next);
    }
}
