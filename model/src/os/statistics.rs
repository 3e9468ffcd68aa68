//! What the operating system counts: `os.*` and the part of `swap.*` that does not depend on time.

use super::Os;
use crate::outcome::FaultKind;
use crate::statistics::Statistics;

/// The counts since the start.
#[derive(Debug, Clone, Copy, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Counters {
    minor: u64,
    major: u64,
    zero_page: u64,
    anonymous: u64,
    file: u64,
    cow_copied: u64,
    cow_reused: u64,
    swap_in: u64,
    spurious: u64,
    protection: u64,
    segv: u64,
    pub full_flushes: u64,
    /// Pages that were invalidated singly.
    pub page_flushes: u64,
    pub scanned: u64,
    pub evicted: u64,
    pub refaults: u64,
    pub peak_resident: u64,
    pub swap_reads: u64,
    pub swap_writes: u64,
    pub readahead_reads: u64,
    pub readahead_hits: u64,
    pub coloured: u64,
    pub uncoloured: u64,
    pub huge_faults: u64,
    pub huge_fallback: u64,
    pub huge_split: u64,
}

impl Counters {
    /// Counts a fault.
    pub fn fault(&mut self, kind: FaultKind, major: bool) {
        let counter = match kind {
            FaultKind::Anonymous => &mut self.anonymous,
            FaultKind::ZeroPage => &mut self.zero_page,
            FaultKind::File => &mut self.file,
            FaultKind::CowCopied => &mut self.cow_copied,
            FaultKind::CowReused => &mut self.cow_reused,
            FaultKind::SwapIn => &mut self.swap_in,
            FaultKind::Spurious => &mut self.spurious,
            FaultKind::Protection => &mut self.protection,
            FaultKind::Segv => &mut self.segv,
        };
        *counter += 1;
        match kind {
            FaultKind::Protection | FaultKind::Segv => {}
            _ if major => self.major += 1,
            _ => self.minor += 1,
        }
    }
}

impl Os {
    /// Faults by the ends of their statistics' names.
    pub fn fault_counts(&self) -> [(&'static str, u64); 11] {
        let c = &self.counters;
        [
            ("total", c.minor + c.major),
            ("minor", c.minor),
            ("major", c.major),
            ("zero_page", c.zero_page),
            ("anonymous", c.anonymous),
            ("file", c.file),
            ("cow", c.cow_copied + c.cow_reused),
            ("swap_in", c.swap_in),
            ("spurious", c.spurious),
            ("protection", c.protection),
            ("segv", c.segv),
        ]
    }

    /// Lets every peak start again from the present state.
    pub fn restart_peaks(&mut self) {
        self.counters.peak_resident = self.resident;
    }

    /// Adds every statistic of the operating system.
    pub fn report(&self, out: &mut Statistics) {
        let c = &self.counters;
        let mut faults =
            |name: &str, doc, value| out.count(format!("os.faults.{name}"), "faults", doc, value);
        faults("total", "page faults that made a page present", c.minor + c.major);
        faults("minor", "faults without the backing store", c.minor);
        faults("major", "faults that read the backing store", c.major);
        faults("zero_page", "reads of untouched memory: the shared zero page", c.zero_page);
        faults("anonymous", "first touches that got a zeroed frame", c.anonymous);
        faults("file", "pages of files", c.file);
        faults("cow", "stores to write-protected pages", c.cow_copied + c.cow_reused);
        faults("cow_copied", "stores to shared frames: copied", c.cow_copied);
        faults("cow_reused", "stores to frames no longer shared: made writable", c.cow_reused);
        faults("swap_in", "pages from swap or the swap cache", c.swap_in);
        faults("spurious", "the entry was valid after all", c.spurious);
        faults("protection", "accesses that their area does not allow", c.protection);
        faults("segv", "accesses where there is no area", c.segv);
        self.report_memory(out);
        let flushes =
            "translations that were invalidated page by page (Linux: nr_tlb_local_flush_one)";
        out.count("os.tlb.local_flush_one", "pages", flushes, c.page_flushes);
        let flushes = "full flushes of an address space (Linux: nr_tlb_local_flush_all)";
        out.count("os.tlb.local_flush_all", "flushes", flushes, c.full_flushes);
        self.report_huge(out);
        out.count("os.reclaim.scanned", "pages", "pages looked at by reclaim", c.scanned);
        out.count(
            "os.reclaim.evicted",
            "pages",
            "pages that lost their frame to reclaim",
            c.evicted,
        );
        out.count("os.reclaim.refaults", "pages", "evicted pages wanted again", c.refaults);
        self.report_buddy(out);
        self.buddy.report(out);
        out.count(
            "swap.reads",
            "pages",
            "pages read from swap, those read ahead included",
            c.swap_reads,
        );
        out.count("swap.writes", "pages", "pages written to swap", c.swap_writes);
        out.count(
            "swap.readahead_reads",
            "pages",
            "pages read before they were wanted",
            c.readahead_reads,
        );
        out.count(
            "swap.readahead_hits",
            "pages",
            "pages read ahead that were wanted",
            c.readahead_hits,
        );
        self.slots.report(out);
    }

    fn report_memory(&self, out: &mut Statistics) {
        let page = self.page.bytes();
        let mapped: u64 = self.processes().map(|space| space.resident).sum();
        let resident = "frames that are mapped, at the end";
        out.level("os.pages.resident", "pages", resident, self.resident);
        let peak = "most frames that were mapped at once";
        out.peak("os.pages.peak_resident", "pages", peak, self.counters.peak_resident);
        let mut pages =
            |name: &str, doc, value| out.level(format!("os.pages.{name}"), "pages", doc, value);
        pages(
            "table_pages",
            "page tables in units of 4 KiB, or of the format's granule, at the end",
            self.table_space.pages(),
        );
        pages("cached", "frames in the swap cache alone, at the end", self.cached);
        out.level(
            "os.vsz_bytes",
            "bytes",
            "areas of all processes, and pages outside them",
            self.vsz(),
        );
        out.level(
            "os.rss_bytes",
            "bytes",
            "resident sets of all processes, at the end",
            mapped * page,
        );
    }

    fn report_huge(&self, out: &mut Statistics) {
        let c = &self.counters;
        let faults = "first touches that mapped a page above the base page";
        out.count("os.huge.faults", "faults", faults, c.huge_faults);
        let fallback = "times that base pages were mapped where mmu.layout has a larger page, for lack of \
                        contiguous frames or of an area around it";
        out.count("os.huge.fallback", "pages", fallback, c.huge_fallback);
        let split = "pages above the base page that were split into base pages";
        out.count("os.huge.split", "pages", split, c.huge_split);
        let resident = "frames in mapped pages above the base page, at the end";
        out.level("os.huge.resident", "pages", resident, self.in_large);
    }

    fn report_buddy(&self, out: &mut Statistics) {
        if self.colours > 1 {
            let (hits, misses) = (self.counters.coloured, self.counters.uncoloured);
            out.count("os.colour.hits", "frames", "frames of their page's colour", hits);
            out.count("os.colour.misses", "frames", "frames of another, for want of one", misses);
        }
        for (order, blocks) in self.buddy.free_blocks().into_iter().enumerate() {
            out.level(
                format!("os.buddy.free.{order}"),
                "blocks",
                "free blocks of 2^order pages, at the end",
                blocks,
            );
        }
        out.level("os.buddy.free_pages", "pages", "free frames, at the end", self.buddy.free());
        let unusable = "per mille of the free frames that are in blocks too small for the layout's largest \
                        page, or order 9 without one, at the end";
        out.level("os.buddy.unusable", "‰", unusable, self.buddy.unusable(self.measured));
        out.count("os.buddy.splits", "splits", "blocks split in halves", self.buddy.splits());
        out.count("os.buddy.merges", "merges", "buddies merged", self.buddy.merges());
    }

    /// Bytes of all areas, and of the pages in use outside them.
    fn vsz(&self) -> u64 {
        let mut bytes = 0;
        for space in self.processes() {
            bytes += space.areas.bytes();
            let mut next = Some(crate::address::VirtAddr(0));
            while let Some((addr, pte)) = next.and_then(|next| self.tables.next(space.root, next)) {
                let size = self.size(pte).bytes();
                let end = addr.0.saturating_add(size);
                bytes += if space.areas.any(addr.0, end) { 0 } else { size };
                next = addr.checked_add(size);
            }
        }
        bytes
    }
}
