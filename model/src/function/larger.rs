//! Pages above the base page in the first-level TLBs (`mmu.layout`).

use super::Simulator;
use super::recall::{Level, Recall};
use super::tlb_level_of;
use super::translate::Request;
use crate::address::{PageShift, Pfn, PhysAddr, VirtAddr};
use crate::cache::settings::Stream;
use crate::mmu::TlbHierarchy;
use crate::mmu::settings::Mmu;
use crate::os::Leaf;

/// The pages of the layout above the base page, smallest first.
pub(super) fn sizes(mmu: &Mmu, base: PageShift) -> Vec<PageShift> {
    let larger = mmu.layout.iter().filter(|range| mmu.enabled && range.page.0 > base.bytes());
    let mut sizes: Vec<_> = larger.map(|range| PageShift(range.page.0.ilog2() as u8)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// The TLB of level 1 that holds pages of a size on a stream.
fn first_tlb(mmu: &Mmu, tlbs: &TlbHierarchy, stream: Stream, size: PageShift) -> Option<u8> {
    let first = tlbs.chain(stream, size).first().copied()?;
    mmu.tlb.get(usize::from(first)).filter(|tlb| tlb.level == 1).map(|_| first)
}

/// The TLBs of level 1 that hold pages of `sizes` on a stream.
pub(super) fn first_tlbs(
    mmu: &Mmu,
    tlbs: &TlbHierarchy,
    stream: Stream,
    sizes: &[PageShift],
) -> Vec<u8> {
    sizes.iter().filter_map(|size| first_tlb(mmu, tlbs, stream, *size)).collect()
}

/// Tells of the sizes that data TLBs of level 1 hold; returns these TLBs' sets and policies.
pub(super) fn add<'a>(
    mmu: &'a Mmu,
    tlbs: &TlbHierarchy,
    sizes: &[PageShift],
    base: PageShift,
    recall: &mut Recall,
) -> Vec<Level<'a>> {
    let base_tlb = tlbs.chain(Stream::Data, base).first().copied();
    let mut levels = Vec::new();
    for size in sizes {
        let Some(first) = first_tlb(mmu, tlbs, Stream::Data, *size) else { continue };
        let level = tlb_level_of(&mmu.tlb[usize::from(first)]);
        recall.add_larger(*size, first, level, base_tlb == Some(first));
        levels.push(level);
    }
    levels
}

/// The groups of the layout that no TLB holds: the hardware does not know of them.
pub(super) fn splinters(mmu: &Mmu) -> Vec<PageShift> {
    let held =
        |size| mmu.tlb.iter().filter_map(|tlb| tlb.pages.as_ref()).flatten().any(|p| *p == size);
    let groups = mmu.group_sizes().into_iter().filter(|size| !held(*size));
    groups.map(|size| PageShift(size.0.ilog2() as u8)).collect()
}

impl Simulator {
    /// The size that TLBs hold the page of a leaf as, and the first frame of what they hold of it.
    #[inline]
    pub(super) fn cached(&self, leaf: &Leaf, addr: VirtAddr) -> (PageShift, Pfn) {
        if leaf.size == self.base_page || !self.splinters.contains(&leaf.size) {
            return (leaf.size, leaf.pfn);
        }
        let member = leaf.size.offset_of(addr) >> self.base_page.0;
        (self.base_page, Pfn(leaf.pfn.0 + member))
    }

    /// The first-level TLB has a page above the base page as the latest of its set.
    pub(super) fn larger_used(
        &mut self,
        request: &Request,
        (page, size): (u64, PageShift),
        addr: PhysAddr,
        tlb: u8,
        dirty: bool,
    ) {
        let Some(larger) = self.cpu.recall.larger_of(page).copied() else { return };
        let (stream, asid) = (request.stream(), request.asid);
        let start = addr.0 & !(size.bytes() - 1);
        if stream == Stream::Data && tlb == larger.tlb {
            self.cpu.recall.page_used(page, asid, start, dirty);
        } else if stream == Stream::Data {
            self.cpu.recall.page_filled(page, asid, start, dirty);
        } else if self.larger_tlbs[Stream::Instruction as usize].contains(&larger.tlb) {
            self.cpu.recall.page_disturbed(page);
        }
    }
}

#[cfg(test)]
mod tests {
    use tracegen::batch::Batch;
    use tracegen::record::{Access, AccessKind};

    use super::super::tests::machine;
    use crate::outcome::Outcomes;
    use crate::statistics::Statistics;

    const MIB: u64 = 1 << 20;

    /// Half of 32 MiB has 2 MiB pages.
    const MACHINE: &str = r#"
        [mmu]
        layout = [{ name = "half", start = 0, size = "16MiB", page = "2MiB" }]
        [[mmu.tlb]]
        name = "small"
        level = 1
        pages = ["4KiB"]
        entries = 64
        ways = "full"
        [[mmu.tlb]]
        name = "large"
        level = 1
        pages = ["2MiB"]
        entries = 4
        ways = "full"
        [[cache]]
        name = "l1d"
        level = 1
        size = "32KiB"
        ways = 8
        [os]
        memory = "64MiB"
    "#;

    fn run(text: &str, addresses: impl Iterator<Item = u64>) -> impl Fn(&str) -> f64 {
        let mut simulator = machine(text);
        let (mut batch, mut out) = (Batch::new(), Outcomes::default());
        for addr in addresses {
            let kind = AccessKind::Store;
            batch.push_access(Access { addr, size: 8, kind, ..Access::default() });
            if batch.is_full() {
                simulator.process(&batch, &mut out).unwrap();
                (batch, out) = (Batch::new(), Outcomes::default());
            }
        }
        simulator.process(&batch, &mut out).unwrap();
        let mut statistics = Statistics::default();
        simulator.report(&mut statistics);
        move |name| statistics.get(name).unwrap_or_else(|| panic!("{name}")).as_f64()
    }

    fn random(count: usize) -> impl Iterator<Item = u64> {
        let next =
            |at: &u64| Some(at.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
        std::iter::successors(Some(1u64), next).map(|at| ((at >> 33) % (32 * MIB)) & !7).take(count)
    }

    /// GUPS: each half misses 1 - reach / footprint of the time (64 of 4096 small pages, 4 of 8 large ones),
    /// a small page is found after four reads and a large one after three.
    #[test]
    fn half_a_layout_misses_by_the_reach_of_each_size() {
        let get = run(MACHINE, random(200_000));
        let rate = |tlb: &str| get(&format!("{tlb}.misses")) / get(&format!("{tlb}.accesses"));
        assert!((rate("small") - (1.0 - 64.0 / 4096.0)).abs() < 0.01, "{}", rate("small"));
        assert!((rate("large") - 0.5).abs() < 0.01, "{}", rate("large"));
        assert_eq!(get("small.accesses") + get("large.accesses"), 200_000.0);
        let faults = [get("os.huge.faults"), get("os.huge.fallback"), get("os.faults.total")];
        assert_eq!(faults, [8.0, 0.0, 8.0 + 4096.0]);
        // A fault's walk in vain may end early; the last walks of the pages are whole.
        let reads = 4.0 * get("small.misses") + 3.0 * get("large.misses");
        let walks = get("walker.references");
        assert!(walks >= reads && walks < reads + 4.0 * 4104.0, "{walks} {reads}");
    }

    /// Words of a line of a large page are settled and counted in the TLB of their size.
    #[test]
    fn hits_in_a_large_page_are_settled_where_they_count() {
        let get = run(MACHINE, (0..4096u64).map(|word| 2 * MIB + word * 8));
        assert_eq!(
            [get("large.hits"), get("large.misses"), get("small.accesses")],
            [4095.0, 1.0, 0.0]
        );
        assert!(get("l1d.misses") >= 512.0);
    }

    /// Memory has one free block of 2 MiB: the second page of the layout gets base pages.
    #[test]
    fn free_blocks_bound_the_large_pages() {
        let orders = "\ninitial = { orders = [2000, 0, 0, 0, 0, 0, 0, 0, 0, 1] }\n";
        let text = MACHINE.to_owned() + orders;
        let get = run(&text, (0..4u64).map(|at| at * MIB));
        let huge = ["faults", "fallback", "resident"].map(|name| get(&format!("os.huge.{name}")));
        assert_eq!(huge, [1.0, 1.0, 512.0]);
    }
}
