//! What CPUs were charged and have counted, and how it is declared.

use tracegen::batch::Mark;

use crate::config::Config;
use crate::statistics::{Histogram, Ratio, Statistics};

use super::access::WalkTimes;
use super::clock::Clock;
use super::stack::Stack;

/// The distributions that every CPU has.
pub(super) const DISTRIBUTIONS: [&str; 4] =
    ["access_cycles", "walk_cycles", "fault_ns", "swap_read_ns"];

/// One CPU's part of a run up to some point.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) stack: Stack,
    pub(super) instructions: u64,
    pub(super) walk_times: WalkTimes,
    /// By cache.
    pub(super) late_prefetches: Vec<u64>,
    /// Those of [`DISTRIBUTIONS`].
    pub(super) histograms: [Histogram; 4],
}

/// A mark that every CPU has passed, and each one's part before it.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) mark: Mark,
    pub(super) parts: Vec<Part>,
}

/// Declares the time of `instructions` on a machine that took what `stack` holds.
pub(super) fn report_times(clock: &Clock, stack: &Stack, instructions: u64, out: &mut Statistics) {
    let slots = stack.total();
    out.count(
        "run.cycles",
        "cycles",
        "Cycles until the last instruction retires",
        clock.cycles(slots),
    );
    let cycle = slots.next_multiple_of(clock.width());
    out.count(
        "run.ns",
        "ns",
        "Time until the last instruction retires, rounded up",
        clock.picoseconds(cycle).div_ceil(1000),
    );
    out.ratio(
        "run.ipc",
        "instructions a cycle",
        "Instructions retired a cycle",
        Ratio::of(instructions, clock.cycles(slots)),
    );
}

/// Declares what windows count, of all CPUs together.
pub(super) fn report_window(config: &Config, clock: &Clock, parts: &[Part], out: &mut Statistics) {
    let mut access_cycles = Histogram::default();
    parts.iter().for_each(|part| access_cycles.merge(&part.histograms[0]));
    out.ratio(
        "run.amat_cycles",
        "cycles",
        "Mean time of an access from the start of its translation to its data",
        access_cycles.ratio(),
    );
    let sum = |times: fn(&WalkTimes) -> u64| parts.iter().map(|part| times(&part.walk_times)).sum();
    report_walks("", clock, sum(|times| times.busy), sum(|times| times.queued), out);
    for (index, cache) in config.cache.iter().enumerate() {
        if cache.prefetcher.is_some() {
            out.count(
                format!("{}.prefetch.late", cache.name),
                "accesses",
                "Accesses that waited for a line that its prefetcher had under way",
                parts.iter().filter_map(|part| part.late_prefetches.get(index)).sum(),
            );
        }
    }
}

/// Declares how busy walkers were, under names that begin with `of`.
fn report_walks(of: &str, clock: &Clock, busy: u64, queued: u64, out: &mut Statistics) {
    out.count(
        format!("{of}walker.cycles"),
        "cycles",
        "Cycles that page walkers worked, added up over the walkers",
        clock.cycles(busy),
    );
    out.count(
        format!("{of}walker.queue_cycles"),
        "cycles",
        "Cycles that walks waited for a walker, added up over the walks",
        clock.cycles(queued),
    );
}

/// Declares what one of several CPUs did; `stack` and `instructions` are those of what counts.
pub(super) fn report_cpu(
    config: &Config,
    clock: &Clock,
    cpu: usize,
    (part, stack, instructions): (&Part, &Stack, u64),
    out: &mut Statistics,
) {
    let of = format!("cpu.{cpu}.");
    let cycles = clock.cycles(stack.total());
    out.count(
        format!("{of}run.cycles"),
        "cycles",
        "Cycles until the CPU's last instruction retires",
        cycles,
    );
    out.ratio(
        format!("{of}run.ipc"),
        "instructions a cycle",
        "Instructions that the CPU retired a cycle",
        Ratio::of(instructions, cycles),
    );
    stack.report(&of, clock.width(), config, out);
    report_walks(&of, clock, part.walk_times.busy, part.walk_times.queued, out);
}
