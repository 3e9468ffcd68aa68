//! What the prefetchers of caches have on its way.

use super::*;
use crate::cache::settings::Prefetcher;

/// Both caches with a prefetcher.
fn prefetching() -> Config {
    machine(|config| {
        config.mmu.walker.entry_level = Some("memory".to_owned());
        for cache in &mut config.cache {
            cache.prefetcher = Prefetcher::NextLine(Default::default());
        }
    })
}

#[test]
fn an_access_waits_for_the_rest_of_a_prefetch() {
    let prefetch = outcome(OutcomeKind::HardwarePrefetch { into: 1 }, 1, MEMORY);
    // Of 114 cycles 25 or 200 have passed when the access begins.
    for (instructions, late, cycles) in [(100, 1, MISS), (800, 0, 800 / WIDTH + 14)] {
        let mut stream = Trace::default();
        stream.add(prefetch);
        stream.add(Outcome { line_fill: 1, ..outcome(OutcomeKind::Load, instructions, 1) });
        let result = run(&prefetching(), stream.end(0));
        assert_eq!(result.get("run.cycles"), cycles);
        assert_eq!((result.get("l1d.prefetch.late"), result.get("l2.prefetch.late")), (0, late));
    }
}

#[test]
fn what_nobody_uses_takes_no_time() {
    let mut stream = Trace::default();
    stream.repeat(200, outcome(OutcomeKind::HardwarePrefetch { into: 0 }, 0, MEMORY));
    let result = run(&prefetching(), stream.end(1000));
    assert_eq!((result.slots, result.reads), (1000, 200));
    assert_eq!(result.statistics.get("run.amat_cycles").map(Value::as_f64), Some(0.0));
}

#[test]
fn a_prefetch_begins_when_its_access_is_translated() {
    // Otherwise the line is there early, and the last load retires a slot after the walk's.
    for (translation_fill, cycles) in
        [(1, 7 + 2 * MEMORY_TRIP + MISS), (0, 7 + 2 * MEMORY_TRIP + 4 + 1)]
    {
        let mut stream = Trace::default();
        let walked = Outcome { tlb: WALKED, ..outcome(OutcomeKind::Load, 1, 0) };
        stream.with(walked, &walk(&[MEMORY, MEMORY]), &[]);
        let prefetch = outcome(OutcomeKind::HardwarePrefetch { into: 0 }, 0, MEMORY);
        stream.add(Outcome { translation_fill, ..prefetch });
        stream.add(Outcome { line_fill: 1, ..outcome(OutcomeKind::Load, 1, 0) });
        assert_eq!(run(&prefetching(), stream.end(0)).get("run.cycles"), cycles);
    }
}

/// A prefetch holds a miss register of its cache and of those below, and none above.
#[test]
fn prefetches_wait_for_registers_of_their_cache() {
    for (into, expected) in [(0, 2 * MISS), (1, MISS)] {
        let mut config = prefetching();
        config.cache[0].mshrs = 1;
        let mut stream = Trace::default();
        stream.repeat(2, outcome(OutcomeKind::HardwarePrefetch { into }, 0, MEMORY));
        stream.add(Outcome { line_fill: 1, ..outcome(OutcomeKind::Load, 1, into) });
        assert_eq!(run(&config, stream.end(0)).get("run.cycles"), expected);
    }
}
