//! What events do to pages, areas and tables.

use tracegen::record::{Advice, Backing, Event, Protection};

use super::*;
use crate::units::ByteSize;

const PAGE: u64 = 4096;
const BASE: u64 = 0x7000_0000_0000;

fn os() -> Os {
    Os::new(&config(Memory::Bytes(ByteSize(64 << 20)))).unwrap()
}

fn apply(os: &mut Os, process: u32, event: &Event) -> Effects {
    let mut effects = Effects::default();
    os.event(process, event, &mut effects).unwrap();
    os.check_invariants().unwrap();
    effects
}

fn mmap(addr: u64, length: u64, protection: Protection) -> Event {
    Event::Mmap { addr, length, protection, shared: false, backing: Backing::Anonymous }
}

#[test]
fn reading_shows_the_zero_page_only_in_areas_and_a_store_ends_that() {
    let mut os = os();
    apply(&mut os, 0, &mmap(BASE, 2 * PAGE, Protection::READ_WRITE));
    assert_eq!(access(&mut os, 0, BASE, false, None).fault, Some(FaultKind::ZeroPage));
    assert_eq!(access(&mut os, 0, BASE + PAGE, false, None).fault, Some(FaultKind::ZeroPage));
    assert_eq!(count(&os, "os.rss_bytes"), 0);
    assert_eq!(access(&mut os, 0, BASE, true, None).fault, Some(FaultKind::CowCopied));
    assert_eq!(count(&os, "os.rss_bytes"), PAGE);
    assert_eq!(access(&mut os, 0, 0x1000, false, None).fault, Some(FaultKind::Anonymous));
    assert_eq!(count(&os, "os.vsz_bytes"), 3 * PAGE);
}

#[test]
fn the_three_way_test_of_a_fault() {
    let mut config = config(Memory::Bytes(ByteSize(1 << 20)));
    config.os.strict_areas = true;
    let mut os = Os::new(&config).unwrap();
    let read_only = Protection { read: true, write: false, execute: false };
    apply(&mut os, 0, &mmap(BASE, PAGE, read_only));
    assert_eq!(access(&mut os, 0, BASE + PAGE, false, None).fault, Some(FaultKind::Segv));
    assert_eq!(access(&mut os, 0, BASE, true, None).fault, Some(FaultKind::Protection));
    assert_eq!(access(&mut os, 0, BASE, false, None).fault, Some(FaultKind::ZeroPage));
    assert_eq!(
        access(&mut os, 0, 1 << 52, false, None).fault,
        Some(FaultKind::Segv),
        "not canonical"
    );
    let mut effects = Effects::default();
    let fetch = os.fault(0, VirtAddr(BASE), AccessKind::Fetch, &mut effects);
    assert_eq!(fetch, Ok(FaultKind::Protection), "a stack without X");
    let executable = Protection { read: true, write: true, execute: true };
    apply(&mut os, 0, &Event::Mprotect { addr: BASE, length: PAGE, protection: executable });
    assert!(os.walk(0, VirtAddr(BASE), &mut Steps::default()).unwrap().executable);
    assert_eq!((count(&os, "os.faults.segv"), count(&os, "os.faults.protection")), (2, 2));
    assert_eq!(count(&os, "os.faults.total"), 1);
}

#[test]
fn unmapping_gives_back_pages_and_tables() {
    let mut os = os();
    let (free, tables) = (count(&os, "os.buddy.free_pages"), count(&os, "os.pages.table_pages"));
    apply(&mut os, 0, &mmap(BASE, 8 * PAGE, Protection::READ_WRITE));
    for page in 0..8 {
        access(&mut os, 0, BASE + page * PAGE, true, None);
    }
    assert_eq!(count(&os, "os.pages.table_pages"), tables + 3);
    let effects = apply(&mut os, 0, &Event::Munmap { addr: BASE, length: 8 * PAGE });
    let pages =
        effects.invalidations.iter().filter(|i| matches!(i, Invalidation::Page { .. })).count();
    let levels: Vec<_> = effects
        .invalidations
        .iter()
        .filter_map(|i| if let Invalidation::Table { level, .. } = i { Some(*level) } else { None })
        .collect();
    assert_eq!((pages, levels), (8, vec![2, 3, 4]));
    assert_eq!(count(&os, "os.buddy.free_pages"), free);
    assert_eq!(count(&os, "os.vsz_bytes"), 0);
}

#[test]
fn more_than_33_pages_are_one_full_flush() {
    let mut os = os();
    for page in 0..34 {
        access(&mut os, 0, BASE + page * PAGE, true, None);
    }
    let advice = Event::Madvise { addr: BASE, length: 34 * PAGE, advice: Advice::DontNeed };
    let effects = apply(&mut os, 0, &advice);
    assert_eq!(effects.invalidations, [Invalidation::Process(0)]);
    assert_eq!(count(&os, "os.rss_bytes"), 0);
    assert_eq!(access(&mut os, 0, BASE, true, None).fault, Some(FaultKind::Anonymous));
}

#[test]
fn the_heap_grows_and_shrinks() {
    let mut os = os();
    apply(&mut os, 0, &Event::Brk { end: 0x10_0000 });
    assert_eq!(count(&os, "os.vsz_bytes"), 0);
    apply(&mut os, 0, &Event::Brk { end: 0x10_0000 + 5 * PAGE });
    // The third source document's example: 1, 5 and 7 KiB make the resident set 4, 8 and 8 KiB.
    for (touched, resident) in [(1024, PAGE), (5 * 1024, 2 * PAGE), (7 * 1024, 2 * PAGE)] {
        access(&mut os, 0, 0x10_0000 + touched - 1, true, None);
        assert_eq!(count(&os, "os.rss_bytes"), resident);
    }
    apply(&mut os, 0, &Event::Brk { end: 0x10_0000 + PAGE });
    assert_eq!((count(&os, "os.vsz_bytes"), count(&os, "os.rss_bytes")), (PAGE, PAGE));
}

#[test]
fn fork_copies_entries_and_a_store_copies_one_page() {
    let mut os = os();
    for page in 0..10 {
        access(&mut os, 0, BASE + page * PAGE, true, None);
    }
    apply(&mut os, 0, &Event::Fork { child: 1 });
    assert_eq!((count(&os, "os.pages.resident"), count(&os, "os.rss_bytes")), (10, 20 * PAGE));
    let copied = access(&mut os, 0, BASE, true, None);
    assert_eq!(copied.fault, Some(FaultKind::CowCopied));
    assert!(copied.work.iter().any(|work| matches!(work, Work::Copy { bytes: PAGE, .. })));
    assert_eq!(access(&mut os, 1, BASE, true, None).fault, Some(FaultKind::CowReused));
    assert_eq!(access(&mut os, 1, BASE + PAGE, false, None).fault, None);
    assert_eq!(count(&os, "os.pages.resident"), 11);
    apply(&mut os, 1, &Event::Exit);
    // The parent's pages stay write-protected after the child is gone: they are reused, not copied.
    assert_eq!(access(&mut os, 0, BASE + PAGE, true, None).fault, Some(FaultKind::CowReused));
    assert_eq!((count(&os, "os.faults.cow"), count(&os, "os.faults.cow_copied")), (3, 1));
    assert_eq!(count(&os, "os.pages.resident"), 10);
}

#[test]
fn what_is_not_modelled_is_refused_by_name() {
    let mut os = os();
    let mut effects = Effects::default();
    let backing = Backing::File { file: 1, offset: 0 };
    let file = Event::Mmap {
        addr: BASE,
        length: PAGE,
        protection: Protection::READ_WRITE,
        shared: false,
        backing,
    };
    assert!(os.event(0, &file, &mut effects).unwrap_err().to_string().contains("not modelled yet"));
    let kernel = os.event(0, &Event::Kmalloc { id: 1, size: 8 }, &mut effects).unwrap_err();
    assert_eq!(kernel.to_string(), "event kmalloc is not modelled yet");
    let outside =
        os.event(0, &Event::Munmap { addr: 1 << 50, length: 1 }, &mut effects).unwrap_err();
    assert!(outside.to_string().contains("48-bit address space"));
    let annotation = os.event(0, &Event::Phase { id: 1 }, &mut effects);
    assert_eq!((annotation, effects), (Ok(()), Effects::default()));
}

#[test]
fn a_page_of_two_areas_goes_with_the_second() {
    let mut config = config(Memory::Bytes(ByteSize(64 << 20)));
    config.mmu.page_size = Some(ByteSize(2 << 20));
    let mut os = Os::new(&config).unwrap();
    apply(&mut os, 0, &mmap(0, PAGE, Protection::READ_WRITE));
    apply(&mut os, 0, &mmap(4 * PAGE, PAGE, Protection::READ_WRITE));
    access(&mut os, 0, 0, true, None);
    apply(&mut os, 0, &Event::Munmap { addr: 0, length: PAGE });
    assert_eq!(count(&os, "os.pages.resident"), 1);
    apply(&mut os, 0, &Event::Munmap { addr: 4 * PAGE, length: PAGE });
    assert_eq!(count(&os, "os.pages.resident"), 0);
}

#[test]
fn state_places_pages_in_given_frames() {
    let mut config = Config::default();
    (config.mmu.page_table, config.mmu.va_bits) = (crate::mmu::settings::PageTable::Flat, Some(16));
    config.os.memory = Some(Memory::Bytes(ByteSize(32 << 10)));
    let mut os = Os::new(&config).unwrap();
    os.preload(0, crate::address::Vpn(2), Pfn(6), "r").unwrap();
    os.check_invariants().unwrap();
    // 0010 000000000100 → frame 110.
    let leaf = os.walk(0, VirtAddr(0x2004), &mut Steps::default()).unwrap();
    assert_eq!(leaf.pfn.start(leaf.size).0 + 4, 0x6004);
    assert_eq!(access(&mut os, 0, 0x2004, true, None).fault, Some(FaultKind::Protection));
    assert!(os.preload(0, crate::address::Vpn(3), Pfn(6), "rw").is_err());
    assert!(os.preload(0, crate::address::Vpn(3), Pfn(8), "rw").is_err());
    for page in 3..10 {
        access(&mut os, 0, page * PAGE, true, None);
    }
    assert_eq!((count(&os, "os.pages.resident"), count(&os, "os.buddy.free_pages")), (7, 0));
}

#[test]
fn memory_on_the_host_is_in_proportion_to_resident_pages() {
    let mut config = config(Memory::Bytes(ByteSize(8 << 30)));
    config.mmu.page_size = Some(ByteSize(PAGE));
    for stride in [1, 8] {
        let mut os = Os::new(&config).unwrap();
        let pages = 30_000;
        (0..pages)
            .for_each(|page| drop(access(&mut os, 0, BASE + page * stride * PAGE, true, None)));
        let each = os.host_bytes() as u64 / pages;
        assert!(each <= 48, "{each} bytes a page, one page in {stride} touched");
    }
}
