use tracegen::record::AccessKind;

use super::reclaim::{ReclaimPolicy, clock};
use super::*;
use crate::outcome::{FaultKind, Work};
use crate::statistics::{Statistics, Value};

pub(super) fn config(memory: Memory) -> Config {
    let mut config = Config::default();
    config.os.memory = Some(memory);
    config
}

pub(super) fn count(os: &Os, name: &str) -> u64 {
    let mut statistics = Statistics::default();
    os.report(&mut statistics);
    match statistics.get(name) {
        Some(Value::Count(count) | Value::Level(count) | Value::Peak(count)) => count,
        other => panic!("{name}: {other:?}"),
    }
}

/// An access of a machine without a TLB: it walks, faults if it must, and the policy sees it.
pub(super) fn access(
    os: &mut Os,
    process: u32,
    addr: u64,
    write: bool,
    next_use: Option<u64>,
) -> Effects {
    let (mut effects, mut steps) = (Effects::default(), Steps::default());
    let addr = VirtAddr(addr);
    for _ in 0..3 {
        if let Some(leaf) = os.walk(process, addr, &mut steps)
            && (leaf.writable || !write)
        {
            os.mark(&leaf, write);
            os.touch(leaf.pfn, write, next_use);
            break;
        }
        let kind = if write { AccessKind::Store } else { AccessKind::Load };
        match os.fault(process, addr, kind, &mut effects).unwrap() {
            FaultKind::Protection | FaultKind::Segv => break,
            _ => {}
        }
    }
    effects
}

fn named(policy: &str) -> ReclaimPolicy {
    ReclaimPolicy::named(policy).unwrap()
}

fn faults(policy: ReclaimPolicy, frames: u64, pages: &[u64]) -> u64 {
    let mut config = config(Memory::Frames(frames));
    config.os.reclaim = policy;
    let mut os = Os::new(&config).unwrap();
    for (now, &page) in pages.iter().enumerate() {
        let next = (now + 1..pages.len()).find(|at| pages[*at] == page).map(|at| at as u64);
        access(&mut os, 0, page * 4096, false, next);
        os.check_invariants().unwrap();
    }
    count(&os, "os.faults.total")
}

const BELADY: [u64; 12] = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5];
const SILBERSCHATZ: [u64; 20] = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];

#[test]
fn textbook_strings_fault_as_in_the_books() {
    assert_eq!(faults(named("fifo"), 3, &BELADY), 9);
    assert_eq!(faults(named("fifo"), 4, &BELADY), 10);
    assert_eq!(faults(named("fifo"), 3, &SILBERSCHATZ), 15);
    assert_eq!(faults(named("lru"), 3, &SILBERSCHATZ), 12);
    assert_eq!(faults(named("opt"), 3, &SILBERSCHATZ), 9);
}

#[test]
fn the_retry_sets_no_bit_where_a_clock_inserts_unreferenced() {
    let clock =
        |insert_referenced| ReclaimPolicy::Clock(clock::Settings { insert_referenced, bits: 1 });
    // Page 1 is used again, 2 is not: with clear bits on insertion 2 goes, else both get a second chance.
    let pages = [1, 2, 1, 3, 1];
    assert_eq!(faults(clock(false), 2, &pages), 3);
    assert_eq!(faults(clock(true), 2, &pages), 4);
}

#[test]
fn a_frame_machine_spends_no_frames_on_tables_and_no_time_on_swap() {
    let mut os = Os::new(&config(Memory::Frames(2))).unwrap();
    for page in [0, 1 << 20, 2 << 20, 0] {
        let effects = access(&mut os, 0, page * 4096, true, None);
        assert!(
            !effects
                .work
                .iter()
                .any(|work| matches!(work, Work::SwapRead { .. } | Work::SwapWrite { .. }))
        );
    }
    assert_eq!((count(&os, "os.faults.total"), count(&os, "os.faults.major")), (4, 1));
    assert_eq!(count(&os, "os.pages.peak_resident"), 2);
}

mod compressed;
mod events;
mod random;
mod swapping;
