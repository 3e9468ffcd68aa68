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

/// A demand that finds a line on its way into l2 holds its register of l1d until it is there.
#[test]
fn who_waits_for_a_prefetch_holds_the_registers_above() {
    let with = |registers: u32, line_fill: u32| {
        let mut config = prefetching();
        config.cache[0].mshrs = registers;
        let mut stream = Trace::default();
        stream.add(outcome(OutcomeKind::HardwarePrefetch { into: 1 }, 1, MEMORY));
        stream.add(Outcome { line_fill, ..outcome(OutcomeKind::Load, 1, 1) });
        stream.add(outcome(OutcomeKind::Load, 1, 1));
        run(&config, stream.end(0))
    };
    // The first waits for the rest of the miss, and the second one's look-up begins then.
    assert_eq!(with(1, 1).get("run.cycles"), MISS + 14);
    assert_eq!(with(2, 1).slots, MISS * WIDTH + 1);
    assert_eq!(with(1, 0).slots, 2 * 14 * WIDTH + 1);
    assert_eq!(with(1, 1).get("l2.prefetch.late"), 1);
    // What it waited for, from a slot and a look-up on, is memory.
    assert_eq!(with(1, 1).get("cycles.dram"), (MISS * WIDTH - 14 * WIDTH - 1) / WIDTH);
}

/// Prefetches whose walks need the registers that others hold end, and so does everything else.
#[test]
fn nobody_waits_for_a_prefetch_that_waits_for_a_walk() {
    let mut config = prefetching();
    config.cache[0].mshrs = 1;
    config.mmu.walker.entry_level = None;
    let mut stream = Trace::default();
    let walked = Outcome { tlb: WALKED, ..outcome(OutcomeKind::Load, 1, 0) };
    stream.with(walked, &walk(&[1, 1, MEMORY]), &[]);
    let prefetch = outcome(OutcomeKind::HardwarePrefetch { into: 1 }, 0, MEMORY);
    stream.add(Outcome { translation_fill: 1, ..prefetch });
    stream.add(Outcome { line_fill: 1, ..outcome(OutcomeKind::Load, 1, 1) });
    stream.add(outcome(OutcomeKind::Load, 1, MEMORY));
    assert!(run(&config, stream.end(0)).get("run.cycles") > 2 * MISS);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_stream_with_prefetches_ends(
        list in prop::collection::vec((any_outcome(), 0..6u8, 0..4u32), 1..300),
        cut in 1..50usize,
        (registers, lower, walkers) in (1..4u32, 1..4u32, 1..3u32),
        bandwidth in prop::option::of(1..40u32),
    ) {
        let mut config = prefetching();
        config.mmu.walker.entry_level = None;
        (config.cache[0].mshrs, config.cache[1].mshrs) = (registers, lower);
        config.cache[1].bandwidth = bandwidth;
        config.mmu.walker.count = walkers;
        let list: Vec<_> = list
            .into_iter()
            .map(|((mut outcome, references, work), into, line_fill)| {
                if into < 2 && work.is_empty() {
                    outcome.kind = OutcomeKind::HardwarePrefetch { into };
                }
                outcome.line_fill = line_fill;
                (outcome, references, work)
            })
            .collect();
        let whole = run_in_batches(&config, &[batch(&list)]);
        let parts: Vec<_> = list.chunks(cut).map(batch).collect();
        prop_assert_eq!(whole.statistics, run_in_batches(&config, &parts).statistics);
    }
}
