//! Process switches and invalidations by closed forms.

use tracegen::batch::Batch;
use tracegen::record::{Access, AccessKind, Backing, Event, Protection};

use super::{count, load, machine, run};
use crate::function::Simulator;
use crate::outcome::Outcomes;

/// Enough TLB entries for everything, and a cache of the entries that point to leaf tables.
const LARGE: &str = "[[mmu.tlb]]\nname = \"dtlb\"\nlevel = 1\nentries = 256\nways = \"full\"\n";
/// The first address of the upper half.
const KERNEL: u64 = 0xffff_8000_0000_0000;
/// Pages that a process touches in its turn, and pages of the kernel.
const PAGES: u64 = 8;
const SHARED: u64 = 3;

fn event(simulator: &mut Simulator, event: Event) -> Outcomes {
    let (mut batch, mut out) = (Batch::new(), Outcomes::default());
    batch.push_event(0, event);
    simulator.process(&batch, &mut out).unwrap();
    out
}

/// TLB misses and flushes of ten rounds in which `processes` take turns, once each has had one.
fn turns(settings: &str, processes: u32) -> (u64, u64) {
    let mut simulator = machine(&format!("{settings}\n{LARGE}"));
    let round = |simulator: &mut Simulator| {
        for process in 0..processes {
            event(simulator, Event::Switch { process });
            run(simulator, (0..PAGES).map(|page| load(page << 12)));
            run(simulator, (0..SHARED).map(|page| load(KERNEL + (page << 12))));
        }
    };
    round(&mut simulator);
    let before = (count(&simulator, "dtlb.misses"), count(&simulator, "dtlb.flushes"));
    (0..10).for_each(|_| round(&mut simulator));
    let after = (count(&simulator, "dtlb.misses"), count(&simulator, "dtlb.flushes"));
    (after.0 - before.0, after.1 - before.1)
}

/// With identifiers for all, nothing is lost; with fewer, every switch of two that take turns flushes, and
/// what is touched after it misses again.
#[test]
fn a_switch_costs_what_it_flushes() {
    let all = PAGES + SHARED;
    for allocation in ["generations", "round-robin"] {
        for (asids, misses, flushes) in [(0, all, 1), (1, all, 1), (2, 0, 0), (6, 0, 0)] {
            let settings = format!("mmu.asids = {asids}\nmmu.asid_allocation = \"{allocation}\"\n");
            let expected = (20 * misses, 20 * flushes);
            assert_eq!(turns(&settings, 2), expected, "{allocation} {asids}");
        }
    }
}

/// Three processes, two identifiers. In rotation every switch takes one from another process. A generation
/// begins with what runs and what is switched to, so that every switch begins one.
#[test]
fn too_few_identifiers_are_as_good_as_none() {
    for allocation in ["generations", "round-robin"] {
        let settings = format!("mmu.asids = 2\nmmu.asid_allocation = \"{allocation}\"\n");
        assert_eq!(turns(&settings, 3), (30 * (PAGES + SHARED), 30), "{allocation}");
    }
    // Of three, a generation lasts for two switches: its first flushes.
    assert_eq!(turns("mmu.asids = 3", 4).1, 20);
}

/// The kernel's pages survive a switch without identifiers, and one that takes an identifier; not the end of
/// a generation, which flushes everything.
#[test]
fn global_pages_survive_a_switch() {
    let settings = "mmu.global = \"upper-half\"\nmmu.asids";
    assert_eq!(turns(&format!("{settings} = 0"), 2), (20 * PAGES, 20));
    let turn = "mmu.asid_allocation = \"round-robin\"";
    assert_eq!(turns(&format!("{settings} = 1\n{turn}"), 2), (20 * PAGES, 20));
    assert_eq!(turns(&format!("{settings} = 1"), 2), (20 * (PAGES + SHARED), 20));
    assert_eq!(turns(&format!("{settings} = 2"), 2), (0, 0));
}

#[test]
fn the_kernels_pages_are_the_same_in_every_process() {
    let mut simulator = machine(&format!("mmu.global = \"upper-half\"\nmmu.asids = 0\n{LARGE}"));
    for process in 0..5 {
        event(&mut simulator, Event::Switch { process });
        run(&mut simulator, [Access { kind: AccessKind::Store, ..load(KERNEL) }, load(0)]);
    }
    // One of the kernel's, and one of each process.
    assert_eq!(count(&simulator, "os.faults.anonymous"), 6);
    assert_eq!(count(&simulator, "os.pages.resident"), 5);
    let mut batch = Batch::new();
    batch.push_event(0, Event::Munmap { addr: KERNEL, length: 4096 });
    assert!(simulator.process(&batch, &mut Outcomes::default()).is_err());
}

/// A machine on which `pages` of an area have been touched.
fn mapped(settings: &str, pages: impl IntoIterator<Item = u64>) -> Simulator {
    let mut simulator = machine(&format!("{settings}\n{LARGE}"));
    let (protection, shared) = (Protection::READ_WRITE, false);
    let backing = Backing::Anonymous;
    let mmap = Event::Mmap { addr: 0, length: 1 << 20, protection, shared, backing };
    event(&mut simulator, mmap);
    let stores = pages.into_iter().map(|page| load(page << 12));
    run(&mut simulator, stores.map(|access| Access { kind: AccessKind::Store, ..access }));
    simulator
}

/// Shootdowns, flushes of the TLB, and what `os.tlb` says of pages and of all.
fn forgotten(simulator: &Simulator) -> [u64; 4] {
    ["dtlb.shootdowns", "dtlb.flushes", "os.tlb.local_flush_one", "os.tlb.local_flush_all"]
        .map(|name| count(simulator, name))
}

#[test]
fn up_to_33_pages_are_flushed_one_by_one() {
    for (settings, pages, expected, misses) in [
        ("", 33, [33, 0, 33, 0], 0),
        ("", 34, [0, 1, 0, 1], 100 - 34),
        ("os.tlb_single_page_flush_ceiling = 40", 34, [34, 0, 34, 0], 0),
        ("os.tlb_single_page_flush_ceiling = 0", 1, [0, 1, 0, 1], 99),
    ] {
        let mut simulator = mapped(settings, 0..100);
        event(&mut simulator, Event::Munmap { addr: 0, length: pages << 12 });
        // Faults dropped an entry of nothing; see what the rest has become.
        assert_eq!(forgotten(&simulator), expected, "{settings} {pages}");
        let before = count(&simulator, "dtlb.misses");
        run(&mut simulator, (pages..100).map(|page| load(page << 12)));
        assert_eq!(count(&simulator, "dtlb.misses") - before, misses, "{settings} {pages}");
    }
}

/// What counts is the range that is flushed, as the kernel gathers it.
#[test]
fn pages_far_apart_are_flushed_with_what_lies_between() {
    for (last, expected) in [(32, [2, 0, 33, 0]), (33, [0, 1, 0, 1])] {
        let mut simulator = mapped("", [0, last]);
        let out = event(&mut simulator, Event::Munmap { addr: 0, length: 1 << 20 });
        assert_eq!(forgotten(&simulator), expected, "{last}");
        let invalidate = crate::outcome::Work::Invalidate { pages: expected[2] };
        assert!(out.work.contains(&invalidate), "{:?}", out.work);
    }
}

/// What a fork write-protects is flushed as a whole.
#[test]
fn a_fork_flushes_the_parent() {
    let mut simulator = mapped("", 0..4);
    event(&mut simulator, Event::Fork { child: 1 });
    assert_eq!(forgotten(&simulator), [0, 1, 0, 1]);
}

/// INVLPG drops what paging-structure caches have of the address space: the next walk starts at the root. On
/// Arm it starts at the leaf table, as before, unless that was freed.
#[test]
fn a_single_invalidation_costs_an_x86_walk_its_caches() {
    let reads = |settings: &str, unmapped: u64| {
        let pwc = "[[mmu.pwc]]\nlevel = 2\nentries = 4\nways = \"full\"";
        let small = LARGE.replace("256", "16");
        let mut simulator = machine(&format!("{settings}\n{small}{pwc}"));
        run(&mut simulator, (0..20).chain([1 << 9]).map(|page| load(page << 12)));
        event(&mut simulator, Event::Munmap { addr: unmapped << 12, length: 4096 });
        let before = count(&simulator, "walker.references");
        run(&mut simulator, [load(0)]);
        count(&simulator, "walker.references") - before
    };
    assert_eq!(reads("", 19), 4);
    assert_eq!(reads("mmu.pwc_invalidation = \"freed-tables\"", 19), 1);
    assert_eq!(reads("mmu.page_table = \"arm-4k\"", 19), 1);
    // The other region's only page goes, and its table with it.
    assert_eq!(reads("mmu.page_table = \"arm-4k\"", 1 << 9), 1);
    assert_eq!(
        reads("mmu.page_table = \"arm-4k\"\nmmu.pwc_invalidation = \"address-space\"", 19),
        4
    );
}
