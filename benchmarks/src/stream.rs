//! What the cases read and write: batches of accesses, made before anything is measured.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tracegen::batch::Batch;
use tracegen::record::{Access, AccessKind, Event, Record};
use tracegen::source::Source;
use tracegen::workloads;

/// The page that the streams are laid out by.
const PAGE: u64 = 4096;

/// Where the streams' memory starts: a place that x86-64, flat and 39-bit tables all translate.
pub const BASE: u64 = 1 << 32;

/// Loads of 8 bytes at what `addr` says, given the access's number.
pub fn loads(accesses: u64, addr: impl FnMut(u64) -> u64) -> Vec<Batch> {
    accesses_of(accesses, AccessKind::Load, addr)
}

/// Stores of 8 bytes at what `addr` says, given the access's number.
pub fn stores(accesses: u64, addr: impl FnMut(u64) -> u64) -> Vec<Batch> {
    accesses_of(accesses, AccessKind::Store, addr)
}

fn accesses_of(accesses: u64, kind: AccessKind, mut addr: impl FnMut(u64) -> u64) -> Vec<Batch> {
    let mut batches = vec![Batch::new()];
    for index in 0..accesses {
        if batches.last().is_none_or(Batch::is_full) {
            batches.push(Batch::new());
        }
        if let Some(batch) = batches.last_mut() {
            batch.push_access(Access { kind, addr: addr(index), size: 8, ..Access::default() });
        }
    }
    batches
}

/// One event, in a batch of its own.
pub fn event(event: Event) -> Batch {
    let mut batch = Batch::new();
    batch.push_event(0, event);
    batch
}

/// Uniformly random numbers below `end`.
pub fn uniform(end: u64) -> impl FnMut(u64) -> u64 {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    move |_| random.random_range(0..end)
}

/// A word of page `page`, in a line that spreads pages over a cache's sets.
pub fn in_page(page: u64) -> u64 {
    BASE + page * PAGE + page * 64 % PAGE
}

/// A word of a random one of `pages` pages, always the same in a page.
pub fn uniform_pages(pages: u64) -> impl FnMut(u64) -> u64 {
    let mut page = uniform(pages);
    move |index| in_page(page(index))
}

/// The first `accesses` accesses of a workload and what lies between them.
pub fn workload(name: &str, set: &[(&str, &str)], accesses: u64) -> Vec<Batch> {
    let set: Vec<_> = set.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let mut source = workloads::open(name, &set, 0).expect("the workload opens");
    let (mut batches, mut batch, mut left) = (Vec::new(), Batch::new(), accesses);
    while left > 0 && source.fill(&mut batch).expect("the workload runs") {
        let mut kept = Batch::new();
        for record in batch.iter() {
            if let Record::Access(_) = record {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            kept.push(record);
        }
        batches.push(kept);
    }
    assert_eq!(left, 0, "{name} has fewer than {accesses} accesses");
    batches
}
