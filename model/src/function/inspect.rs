//! One translation, step by step, without taking a step: what `explain` shows.

use serde::Serialize;
use tracegen::record::{AccessKind, ProcessId};

use super::Simulator;
use crate::address::{PhysAddr, VirtAddr};
use crate::cache::ruled::Name;
use crate::cache::settings::Stream;
use crate::os::{Effects, KERNEL, Steps};
use crate::outcome::FaultKind;

/// A look-up in one TLB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TlbStep {
    /// The TLB.
    pub name: String,
    /// Set index.
    pub index: u64,
    /// Tag: the page number without the set index.
    pub tag: u64,
    /// Whether the entry is there.
    pub hit: bool,
}

/// An entry on the way through the page tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableStep {
    /// The level, 1 being the leaf table's.
    pub level: u8,
    /// The index in the table.
    pub index: u64,
    /// Where the entry lies.
    pub entry_pa: u64,
    /// What it holds, in the format's layout; that of 64-bit x86 where the format has no name.
    pub value: u64,
    /// Whether it is present.
    pub present: bool,
    /// Whether the walker reads it; it does not where a paging-structure cache or a register has what
    /// it says.
    pub read: bool,
    /// The cache that has it, or `memory`; nothing where it is not read.
    pub served_by: Option<String>,
}

/// A look-up in one cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheStep {
    /// The cache.
    pub name: String,
    /// Offset in the line.
    pub offset: u64,
    /// Set index.
    pub index: u64,
    /// Tag: the line number without the set index.
    pub tag: u64,
    /// Whether the line is there.
    pub hit: bool,
    /// The byte at the address, where the configuration gives contents.
    pub byte: Option<u8>,
}

/// What happens to one access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Virtual address.
    pub va: u64,
    /// Virtual page number.
    pub vpn: u64,
    /// Offset in the page.
    pub vpo: u64,
    /// The TLBs that are looked up, until one hits.
    pub tlb: Vec<TlbStep>,
    /// The page-table entries, root first; empty where a TLB hits.
    pub walk: Vec<TableStep>,
    /// Bytes of the page that the access lies in, where it is mapped and the machine has several sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_bytes: Option<u64>,
    /// The level of that page's entry, 1 being the last table's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf_level: Option<u8>,
    /// Whether the access faults.
    pub page_fault: bool,
    /// The kind of fault.
    pub fault_kind: Option<&'static str>,
    /// Physical page number; nothing where the access faults.
    pub ppn: Option<u64>,
    /// Physical address; nothing where the access faults.
    pub pa: Option<u64>,
    /// The caches that are looked up, until one hits.
    pub cache: Vec<CacheStep>,
}

/// A fault's name as results spell it.
pub fn fault_name(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Anonymous => "anonymous",
        FaultKind::ZeroPage => "zero_page",
        FaultKind::File => "file",
        FaultKind::CowCopied => "cow_copied",
        FaultKind::CowReused => "cow_reused",
        FaultKind::SwapIn => "swap_in",
        FaultKind::Spurious => "spurious",
        FaultKind::Protection => "protection",
        FaultKind::Segv => "segv",
    }
}

impl Simulator {
    /// What an access of `kind` to `addr` would meet. Nothing changes and nothing is counted.
    pub fn inspect(&self, process: ProcessId, kind: AccessKind, addr: u64) -> Inspection {
        let virt = VirtAddr(addr);
        let mut seen = Inspection {
            va: addr,
            vpn: self.base_page.page_of(virt).0,
            vpo: self.base_page.offset_of(virt),
            tlb: Vec::new(),
            walk: Vec::new(),
            page_bytes: None,
            leaf_level: None,
            page_fault: false,
            fault_kind: None,
            ppn: None,
            pa: None,
            cache: Vec::new(),
        };
        let stream = if kind == AccessKind::Fetch { Stream::Instruction } else { Stream::Data };
        if self.translates {
            self.inspect_translation(&mut seen, process, kind, stream);
        } else {
            seen.pa = Some(addr);
        }
        if let Some(pa) = seen.pa {
            self.inspect_caches(&mut seen, stream, PhysAddr(pa));
        }
        seen
    }

    fn inspect_translation(
        &self,
        seen: &mut Inspection,
        process: ProcessId,
        kind: AccessKind,
        stream: Stream,
    ) {
        let allowed = |writable: bool, executable: bool| match kind {
            AccessKind::Store => writable,
            AccessKind::Fetch => executable,
            AccessKind::Load | AccessKind::Prefetch => true,
        };
        let Some(addr) = self.os.fold(VirtAddr(seen.va)) else {
            return self.inspect_fault(seen, process, kind);
        };
        let running = process;
        let (process, asid) = match self.os.is_global(addr) {
            true => (KERNEL, self.asids.global()),
            false => (process, self.asids.current(self.here(), process)),
        };
        let tables = self.asids.current(self.here(), running);
        let mut steps = Steps::default();
        let leaf = self.os.walk(process, addr, &mut steps);
        if let Some(leaf) = leaf.filter(|_| self.os.has_layout()) {
            seen.page_bytes = Some(leaf.size.bytes());
            seen.leaf_level = self.os.geometry().level_of(leaf.size.0 - self.base_page.0);
        }
        // What stays away is looked for as a base page.
        let size = leaf.map_or(self.base_page, |leaf| self.cached(&leaf, addr).0);
        let page = size.page_of(addr);
        let cpu = &self.cpu;
        for &place in cpu.tlbs.chain(stream, size) {
            // Indices in a chain are those of TLBs.
            let tlb = &cpu.tlbs.tlbs()[usize::from(place)];
            let (index, tag) = tlb.locate(page);
            let entry = asid.and_then(|asid| tlb.probe(asid, page, size));
            let hit = entry.is_some_and(|entry| allowed(entry.writable, entry.executable));
            seen.tlb.push(TlbStep { name: tlb.name().to_owned(), index: index as u64, tag, hit });
            if let Some(entry) = entry.filter(|_| hit) {
                return self.found(seen, entry.pfn.start(self.base_page), size.offset_of(addr));
            }
        }
        let highest = self.os.geometry().first_read();
        let start =
            tables.and_then(|asid| cpu.pwc.probe(asid, addr)).map_or(highest + 1, |s| s.level);
        for step in steps.iter() {
            let read = step.level < start;
            seen.walk.push(TableStep {
                level: step.level,
                index: step.index,
                entry_pa: step.entry.0,
                value: step.value,
                present: step.value & 1 == 1,
                read,
                served_by: read.then(|| self.walk_served_by(step.entry)),
            });
        }
        match leaf.filter(|leaf| allowed(leaf.writable, leaf.executable)) {
            Some(leaf) => {
                self.found(seen, leaf.pfn.start(self.base_page), leaf.size.offset_of(addr));
            }
            None => self.inspect_fault(seen, process, kind),
        }
    }

    fn found(&self, seen: &mut Inspection, start: PhysAddr, offset: u64) {
        seen.ppn = Some((start.0 + offset) >> self.base_page.0);
        seen.pa = Some(start.0 + offset);
    }

    /// The kernel's answer, on a copy of it.
    fn inspect_fault(&self, seen: &mut Inspection, process: ProcessId, kind: AccessKind) {
        seen.page_fault = true;
        let answer =
            self.os.clone().fault(process, VirtAddr(seen.va), kind, &mut Effects::default());
        seen.fault_kind = Some(answer.map_or("out_of_memory", fault_name));
    }

    fn walk_served_by(&self, entry: PhysAddr) -> String {
        let caches = &self.cpu.caches;
        let mut chain = caches.walk_chain().iter();
        let found = chain.find(|index| caches.probe(**index, entry).is_some());
        found.map_or("memory", |index| caches.name(*index)).to_owned()
    }

    fn inspect_caches(&self, seen: &mut Inspection, stream: Stream, pa: PhysAddr) {
        let caches = &self.cpu.caches;
        let name = Name { virt: VirtAddr(seen.va) };
        for &place in caches.chain(stream) {
            let (index, tag, hit) = caches.locate(place, pa, name);
            let offset = pa.0 & ((1 << caches.line_shift(place)) - 1);
            let mut contents = self.contents.iter();
            let line = contents.find(|line| {
                line.name == caches.name(place)
                    && u64::from(line.set) == index as u64
                    && line.tag == tag
            });
            // A line's offset is below its length, which is checked against the line size.
            let byte =
                line.filter(|_| hit).and_then(|line| line.bytes.get(offset as usize).copied());
            let (name, index) = (caches.name(place).to_owned(), index as u64);
            seen.cache.push(CacheStep { name, offset, index, tag, hit, byte });
            if hit {
                break;
            }
        }
    }
}
