//! Bandwidth between levels.

use super::*;

/// Lines of 64 bytes at 8 bytes a cycle.
const LINE: u64 = 64 / 8;

fn linked(change: impl FnOnce(&mut Config)) -> Config {
    machine(|config| {
        config.cache[0].mshrs = 1000;
        config.cache[1].bandwidth = Some(8);
        change(config);
    })
}

#[test]
fn a_stream_from_a_lower_cache_is_as_fast_as_its_link() {
    let mut stream = Trace::default();
    stream.repeat(100, outcome(OutcomeKind::Load, 1, 1));
    let result = run(&linked(|_| ()), stream.end(0));
    // Each line is there a line's time after the one before; the first needs the look-up alone.
    assert_eq!(result.get("run.cycles"), 14 + 99 * LINE);
    assert_eq!(result.get("cycles.l2"), 14 + 99 * LINE - result.get("cycles.base"));
    assert_eq!(result.get("cycles.dram"), 0);
    // Any number at once: all in a row behind the first.
    let config = linked(|config| config.cache[1].bandwidth = None);
    assert_eq!(run(&config, &stream).slots, 14 * WIDTH + 99);
}

#[test]
fn bandwidth_need_not_be_whole_cycles_a_line() {
    let mut stream = Trace::default();
    stream.repeat(100, outcome(OutcomeKind::Load, 1, 1));
    // 64 bytes at 48 a cycle are four thirds of a cycle: 5.33 slots, of which there are whole ones.
    let config = linked(|config| config.cache[1].bandwidth = Some(48));
    assert_eq!(run(&config, stream.end(0)).slots, 14 * WIDTH + 99 * 6);
}

#[test]
fn lines_from_memory_pass_the_links_too() {
    let config = linked(|config| config.core.load_queue = 1000);
    let mut stream = Trace::default();
    stream.repeat(50, outcome(OutcomeKind::Load, 1, MEMORY));
    assert_eq!(run(&config, stream.end(0)).get("run.cycles"), MISS + 49 * LINE);
}

#[test]
fn a_walk_waits_while_its_link_is_taken() {
    let mut stream = Trace::default();
    stream.repeat(3, outcome(OutcomeKind::Load, 1, 1));
    let walked = Outcome { tlb: WALKED, ..outcome(OutcomeKind::Load, 1, 0) };
    stream.with(walked, &walk(&[1]), &[]);
    // Three lines from cycle 14 on; the walk's read is found at 21 and waits until 38.
    let result = run(&linked(|_| ()), stream.end(0));
    assert_eq!(result.get("run.cycles"), 14 + 3 * LINE + 4);
}

/// Every link is passed one after another, from the bottom up; the slowest one decides.
#[test]
fn the_narrowest_link_decides() {
    let config = linked(|config| {
        config.cache.push(cache("l3", 3, 40, 64));
        config.cache[2].bandwidth = Some(4);
    });
    let mut stream = Trace::default();
    stream.repeat(50, outcome(OutcomeKind::Load, 1, 2));
    assert_eq!(run(&config, stream.end(0)).get("run.cycles"), 40 + 49 * 2 * LINE);
}
