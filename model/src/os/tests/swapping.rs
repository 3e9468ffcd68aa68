//! Memory limits, swap slots and readahead.

use tracegen::record::{Advice, Event};

use super::*;
use crate::time::settings::Device;
use crate::units::ByteSize;

const PAGE: u64 = 4096;

/// A machine whose limit leaves `pages` pages beside the four tables of a small footprint.
fn limited(pages: u64, readahead: u8) -> Config {
    let mut config = config(Memory::Bytes(ByteSize(64 << 20)));
    config.os.limit = Some(ByteSize((pages + 4) * PAGE));
    config.os.swap_readahead = readahead;
    config
}

#[test]
fn a_clean_page_keeps_its_slot_and_a_dirty_one_is_written_again() {
    let mut os = Os::new(&limited(2, 0)).unwrap();
    (0..3).for_each(|page| drop(access(&mut os, 0, page * PAGE, true, None)));
    assert_eq!((count(&os, "swap.writes"), count(&os, "swap.reads")), (1, 0));
    let back = access(&mut os, 0, 0, false, None);
    assert!(
        back.major
            && back.work.contains(&Work::SwapRead { slot: crate::address::SwapSlot(1), pages: 1 })
    );
    access(&mut os, 0, 2 * PAGE, false, None);
    access(&mut os, 0, PAGE, false, None);
    assert_eq!(count(&os, "swap.writes"), 2, "page 0 was clean when it went");
    access(&mut os, 0, PAGE, true, None);
    access(&mut os, 0, 0, false, None);
    access(&mut os, 0, 2 * PAGE, false, None);
    os.check_invariants().unwrap();
    assert_eq!(count(&os, "swap.writes"), 4, "pages 2 and then 1, which was stored to");
}

#[test]
fn eviction_unmaps_every_mapper() {
    let mut config = limited(2, 0);
    config.os.limit = Some(ByteSize(10 * PAGE));
    let mut os = Os::new(&config).unwrap();
    access(&mut os, 0, 0, true, None);
    os.event(0, &Event::Fork { child: 7 }, &mut Effects::default()).unwrap();
    access(&mut os, 0, PAGE, true, None);
    let effects = access(&mut os, 0, 2 * PAGE, true, None);
    let gone: Vec<_> = effects
        .invalidations
        .iter()
        .map(|i| {
            if let Invalidation::Page { process, addr, .. } = i {
                (*process, addr.0)
            } else {
                (99, 0)
            }
        })
        .collect();
    assert_eq!(gone, [(0, 0), (7, 0)]);
    assert!(effects.work.contains(&Work::TableWrites { entries: 2 }));
    os.check_invariants().unwrap();
    // Both read it back: one from the device, the other from the swap cache.
    assert!(access(&mut os, 0, 0, false, None).major);
    let second = access(&mut os, 7, 0, false, None);
    assert_eq!((second.fault, second.major), (Some(FaultKind::SwapIn), false));
    assert_eq!(access(&mut os, 7, 0, true, None).fault, Some(FaultKind::CowCopied));
    os.check_invariants().unwrap();
}

/// FACTS: with readahead of 8, a cyclic sequence reads 1 page in 8 from the device by a major fault.
#[test]
fn a_sequential_cycle_faults_once_in_eight() {
    let mut config = limited(256, 3);
    config.os.prefault = Default::default();
    let mut os = Os::new(&config).unwrap();
    (0..384).for_each(|page| drop(access(&mut os, 0, page * PAGE, true, None)));
    let before = count(&os, "os.faults.major");
    for _ in 0..4 {
        (0..384).for_each(|page| drop(access(&mut os, 0, page * PAGE, false, None)));
    }
    os.check_invariants().unwrap();
    let major = count(&os, "os.faults.major") - before;
    assert_eq!((before, count(&os, "os.faults.swap_in")), (0, 4 * 384));
    assert!((180..=230).contains(&major), "{major}");
    let (ahead, hits) = (count(&os, "swap.readahead_reads"), count(&os, "swap.readahead_hits"));
    assert!(ahead - hits < 16, "{ahead} read ahead, {hits} of use");
}

#[test]
fn without_swap_memory_runs_out_with_a_message() {
    let mut config = limited(2, 0);
    config.swap.device = Device::None;
    let mut os = Os::new(&config).unwrap();
    let mut effects = Effects::default();
    (0..2).for_each(|page| drop(access(&mut os, 0, page * PAGE, true, None)));
    let error = os.fault(0, VirtAddr(2 * PAGE), AccessKind::Store, &mut effects).unwrap_err();
    assert_eq!(
        error.to_string(),
        "out of memory: os.limit of 24576 bytes is used up, and its pages cannot be evicted, for swap.device is \"none\""
    );
    os.check_invariants().unwrap();
    let mut config = limited(2, 0);
    (config.os.limit, config.os.memory) = (None, Some(Memory::Bytes(ByteSize(6 * PAGE))));
    config.swap.size = ByteSize(3 * PAGE);
    let mut os = Os::new(&config).unwrap();
    (0..4).for_each(|page| drop(access(&mut os, 0, page * PAGE, true, None)));
    let error = os.fault(0, VirtAddr(4 * PAGE), AccessKind::Store, &mut effects).unwrap_err();
    assert!(
        error.to_string().contains(
            "all 6 frames (os.memory) are in use, and the swap area (swap.size) is full: 2"
        )
    );
    os.check_invariants().unwrap();
}

#[test]
fn prefault_maps_until_memory_is_full() {
    let mut os = Os::new(&limited(8, 0)).unwrap();
    let mapped = (0..20).take_while(|page| os.prefault(0, VirtAddr(page * PAGE)).unwrap()).count();
    assert!((4..=8).contains(&mapped), "{mapped}");
    os.check_invariants().unwrap();
    assert_eq!(count(&os, "os.faults.total"), 0);
    assert_eq!(access(&mut os, 0, 0, false, None).fault, None);
}

#[test]
fn settings_that_cannot_be_name_their_key() {
    let key = |config: &Config| match Os::new(config) {
        Err(OsError::Setting { key, .. }) => key,
        other => panic!("{:?}", other.map(drop)),
    };
    assert_eq!(key(&config(Memory::Bytes(ByteSize(100)))), "os.memory");
    assert_eq!(key(&config(Memory::Bytes(ByteSize(1 << 60)))), "os.memory");
    let mut wide = config(Memory::Frames(4));
    wide.os.memory = None;
    wide.mmu.pa_bits = Some(11);
    assert_eq!(key(&wide), "os.memory");
    let mut swap = limited(4, 0);
    swap.swap.size = ByteSize(1 << 60);
    assert_eq!(key(&swap), "swap.size");
}

#[test]
fn a_page_given_up_goes_without_a_write_unless_it_is_stored_to() {
    let mut os = Os::new(&limited(2, 0)).unwrap();
    let mut effects = Effects::default();
    (0..2).for_each(|page| drop(access(&mut os, 0, page * PAGE, true, None)));
    let free = Event::Madvise { addr: 0, length: 2 * PAGE, advice: Advice::Free };
    os.event(0, &free, &mut effects).unwrap();
    os.check_invariants().unwrap();
    access(&mut os, 0, PAGE, true, None);
    (2..4).for_each(|page| drop(access(&mut os, 0, page * PAGE, true, None)));
    os.check_invariants().unwrap();
    assert_eq!((count(&os, "os.reclaim.evicted"), count(&os, "swap.writes")), (2, 1));
    assert_eq!(access(&mut os, 0, 0, true, None).fault, Some(FaultKind::Anonymous));
    assert_eq!(access(&mut os, 0, PAGE, false, None).fault, Some(FaultKind::SwapIn));
}

#[test]
fn what_will_be_needed_is_read_before_it_faults() {
    let mut os = Os::new(&limited(4, 0)).unwrap();
    (0..8).for_each(|page| drop(access(&mut os, 0, page * PAGE, true, None)));
    let mut effects = Effects::default();
    let will_need = Event::Madvise { addr: 0, length: 2 * PAGE, advice: Advice::WillNeed };
    os.event(0, &will_need, &mut effects).unwrap();
    os.check_invariants().unwrap();
    assert!(effects.work.contains(&Work::SwapRead { slot: crate::address::SwapSlot(1), pages: 2 }));
    assert!(
        !access(&mut os, 0, 0, false, None).major && !access(&mut os, 0, PAGE, false, None).major
    );
}
