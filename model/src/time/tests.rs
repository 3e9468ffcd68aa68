//! The time half against closed forms, over a memory of fixed latency.
//!
//! The machine runs at 1 GHz, four wide. Its memory takes 80 ns and 10 ns each way, which with the 14
//! cycles that it takes to miss in l2 makes [`MISS`] cycles.

mod attributed;
mod ideals;
mod links;
mod prefetches;
mod several;

use proptest::prelude::*;
use tracegen::batch::Mark;

use super::Timing;
use super::parts::Passed;
use super::simulation::Simulation;
use super::stack;
use super::testing::FixedLatency;
use crate::address::{PhysAddr, SwapSlot};
use crate::cache::settings::{Cache, Stream};
use crate::config::Config;
use crate::mmu::settings::{Tlb, Ways};
use crate::outcome::{
    FaultKind, MEMORY, Outcome, OutcomeKind, Outcomes, Reference, ReferenceKind, WALKED, Work,
};
use crate::statistics::{Statistics, Value};
use crate::units::{ByteSize, Frequency, Span};

const WIDTH: u64 = 4;
const MEMORY_TRIP: u64 = 10 + 80 + 10;
const MISS: u64 = 14 + MEMORY_TRIP;

fn cache(name: &str, level: u8, latency: u64, mshrs: u32) -> Cache {
    Cache {
        name: name.to_owned(),
        level,
        serves: Stream::both(),
        size: ByteSize(32 << 10),
        ways: Ways::Number(8),
        line: ByteSize(64),
        latency: Some(Span::Cycles(latency)),
        replacement: Default::default(),
        indexing: Default::default(),
        alias: None,
        mshrs,
        bandwidth: None,
        write: Default::default(),
        write_allocate: true,
        inclusion: Default::default(),
        hash: false,
        prefetcher: Default::default(),
        prefetch_page: ByteSize(4096),
        shared: None,
    }
}

fn tlb(name: &str, level: u8, latency: u64) -> Tlb {
    Tlb {
        name: name.to_owned(),
        level,
        serves: Stream::both(),
        pages: None,
        entries: 64,
        ways: Ways::Number(4),
        latency: Some(Span::Cycles(latency)),
        replacement: Default::default(),
        lookup: Default::default(),
        predictor_entries: None,
    }
}

pub(super) fn machine(change: impl FnOnce(&mut Config)) -> Config {
    let mut config =
        Config { cache: vec![cache("l1d", 1, 4, 10), cache("l2", 2, 14, 64)], ..Config::default() };
    config.mmu.tlb = vec![tlb("dtlb", 1, 0), tlb("stlb", 2, 7)];
    config.core.frequency = Frequency(1_000_000_000);
    change(&mut config);
    config
}

#[derive(Default, Clone)]
struct Trace(Outcomes);

impl Trace {
    fn add(&mut self, outcome: Outcome) -> &mut Self {
        self.0.list.push(outcome);
        self
    }
    fn with(&mut self, outcome: Outcome, references: &[Reference], work: &[Work]) -> &mut Self {
        self.0.references.extend(references);
        self.0.work.extend(work);
        self.add(Outcome {
            references: references.len() as u16,
            work: work.len() as u16,
            ..outcome
        })
    }
    fn repeat(&mut self, times: usize, outcome: Outcome) -> &mut Self {
        self.0.list.extend(std::iter::repeat_n(outcome, times));
        self
    }
    fn end(&mut self, instructions: u32) -> &mut Self {
        self.add(Outcome { kind: OutcomeKind::End, instructions, ..Outcome::default() })
    }
}

fn outcome(kind: OutcomeKind, instructions: u32, served: u8) -> Outcome {
    Outcome { kind, instructions, served, ..Outcome::default() }
}

fn walk(served: &[u8]) -> Vec<Reference> {
    let read = |served: &u8| reference(ReferenceKind::Walk, *served);
    served.iter().map(read).collect()
}

fn reference(kind: ReferenceKind, served: u8) -> Reference {
    Reference { addr: PhysAddr(4096), kind, served }
}

pub(super) struct Times {
    pub(super) slots: u64,
    pub(super) statistics: Statistics,
    pub(super) laps: Vec<Passed>,
    writes: usize,
    reads: u64,
}

impl Times {
    fn get(&self, name: &str) -> u64 {
        match self.statistics.get(name) {
            Some(Value::Count(count)) => count,
            other => panic!("{name} is {other:?}"),
        }
    }
}

pub(super) fn run_in_batches(config: &Config, batches: &[Outcomes]) -> Times {
    let mut simulation =
        Simulation::new(config, FixedLatency::new(80_000), FixedLatency::new(5_000_000)).unwrap();
    let mut laps = Vec::new();
    for batch in batches {
        let mut rest = batch.iter();
        while let Some(lap) = simulation.process(&mut rest) {
            laps.push(lap);
        }
    }
    simulation.finish();
    laps.extend(std::iter::from_fn(|| simulation.process(&mut std::iter::empty())));
    let mut statistics = Statistics::default();
    let mut parts = simulation.parts();
    for before in laps.iter().flat_map(|lap: &Passed| &lap.parts) {
        let both = parts[0].histograms.iter_mut().zip(&before.histograms);
        both.for_each(|(all, before)| all.merge(before));
    }
    let (stack, slots) = (&parts[0].stack, simulation.cpus[0].window.retired_at);
    assert_eq!(stack.total(), slots, "every slot has one component");
    simulation.report_times(stack, parts[0].instructions, &mut statistics);
    simulation.report_window(&parts, &mut statistics);
    simulation.report_stack(stack, &mut statistics);
    let components: Vec<_> =
        statistics.iter().filter(|entry| entry.name.starts_with("cycles.")).collect();
    assert_eq!(components.len(), 9 + config.cache.len());
    let result = Times {
        slots,
        laps,
        writes: simulation.shared.controller.memory.writes.len(),
        reads: simulation.shared.controller.memory.reads(),
        statistics: statistics.clone(),
    };
    let sum: u64 = components.iter().map(|entry| result.get(&entry.name)).sum();
    assert_eq!(sum, result.get("run.cycles"));
    result
}

fn run(config: &Config, stream: &Trace) -> Times {
    run_in_batches(config, std::slice::from_ref(&stream.0))
}

#[test]
fn plain_instructions_flow_at_full_width() {
    for (instructions, cycles) in
        [(0, 0), (1, 1), (1000, 250), (1001, 251), (4_000_000_000, 1_000_000_000)]
    {
        let result = run(&machine(|_| ()), Trace::default().end(instructions));
        assert_eq!(result.get("run.cycles"), cycles);
        assert_eq!(result.get("cycles.base"), cycles);
        let ipc = if cycles == 0 { 0.0 } else { f64::from(instructions) / cycles as f64 };
        assert_eq!(result.statistics.get("run.ipc").map(Value::as_f64), Some(ipc));
    }
}

/// The place of an outcome in the window is a younger one's soon after it is over: one that has waited for
/// its ancestor meanwhile must not wait for that.
#[test]
fn an_old_fill_is_not_taken_for_a_young_one() {
    let fill_after = |distance: u32| {
        let mut stream = Trace::default();
        stream.repeat(400, outcome(OutcomeKind::Load, 1, 0));
        stream.add(outcome(OutcomeKind::Load, 1, MEMORY));
        let waiting = Outcome { ancestor: 1, ..outcome(OutcomeKind::Load, 1, 0) };
        stream.add(Outcome { line_fill: distance, translation_fill: distance, ..waiting });
        stream.repeat(220, waiting);
        run(&machine(|config| config.core.load_queue = 1024), stream.end(0))
    };
    let expected = fill_after(0).get("run.cycles");
    // Everything follows the miss in a chain.
    assert_eq!(expected, 100 + MISS + 221 * 4);
    for distance in [290, 300, 399] {
        assert_eq!(fill_after(distance).get("run.cycles"), expected, "{distance} back");
    }
}

#[test]
fn a_chase_through_first_level_hits_takes_their_latency() {
    for tlb_latency in [0, 1] {
        let config = machine(|config| config.mmu.tlb[0].latency = Some(Span::Cycles(tlb_latency)));
        let mut stream = Trace::default();
        for number in 0..10 {
            let ancestor = u32::from(number > 0);
            let hit = outcome(OutcomeKind::Load, 16, 0);
            stream.add(Outcome { ancestor, chain: 15, hits: 15, ..hit });
        }
        let result = run(&config, stream.end(0));
        assert_eq!(result.get("run.cycles"), 160 * (4 + tlb_latency));
        assert_eq!(result.get("cycles.tlb"), 10 * tlb_latency);
        assert_eq!(
            result.statistics.get("run.amat_cycles").map(Value::as_f64),
            Some((4 + tlb_latency) as f64)
        );
    }
}

#[test]
fn dependent_misses_take_their_latencies_in_a_row() {
    let mut stream = Trace::default();
    for number in 0..50 {
        let miss = outcome(OutcomeKind::Load, 1, MEMORY);
        stream.add(Outcome { ancestor: u32::from(number > 0), ..miss });
    }
    let result = run(&machine(|_| ()), stream.end(0));
    assert_eq!(result.get("run.cycles"), 50 * MISS);
    assert_eq!(result.get("cycles.dram"), 50 * MEMORY_TRIP);
    // An instruction's own slot is the base's, and lies in the shadow of the look-up in l2.
    assert_eq!(result.get("cycles.l2"), (50 * 14 * WIDTH - 50) / WIDTH);
    assert_eq!(result.get("cycles.l1d"), 0);
}

#[test]
fn a_chain_through_a_miss_and_hits_adds_up() {
    let mut stream = Trace::default();
    stream.add(outcome(OutcomeKind::Load, 1, MEMORY));
    let after = outcome(OutcomeKind::Load, 4, 1);
    stream.add(Outcome { ancestor: 1, chain: 3, ..after });
    let result = run(&machine(|_| ()), stream.end(0));
    assert_eq!(result.get("run.cycles"), MISS + 3 * 4 + 14);
}

#[test]
fn independent_misses_overlap_up_to_the_miss_registers() {
    for mshrs in [1, 2, 5, 10] {
        let config = machine(|config| config.cache[0].mshrs = mshrs as u32);
        let mut stream = Trace::default();
        stream.repeat(100, outcome(OutcomeKind::Load, 1, MEMORY));
        let result = run(&config, stream.end(0));
        assert_eq!(result.slots, 100 / mshrs * MISS * WIDTH + mshrs - 1);
    }
}

#[test]
fn lower_registers_bind_too() {
    let config = machine(|config| config.cache[1].mshrs = 2);
    let mut stream = Trace::default();
    stream.repeat(20, outcome(OutcomeKind::Load, 1, MEMORY));
    let result = run(&config, stream.end(0));
    // The first two look in l2 for 14 cycles; from then on a register of l2 is always in use.
    assert_eq!(result.slots, (14 + 10 * MEMORY_TRIP) * WIDTH + 1);
}

#[test]
fn overlap_ends_at_the_reorder_buffer() {
    let config = machine(|config| {
        config.core.rob = 32;
        config.cache[0].mshrs = 64;
    });
    let mut stream = Trace::default();
    stream.repeat(10, outcome(OutcomeKind::Load, 16, MEMORY));
    // Two at a time; the second of a pair is 32 slots in, counted from 0.
    assert_eq!(run(&config, stream.end(0)).slots, 5 * MISS * WIDTH + 31);
}

#[test]
fn overlap_ends_at_the_load_queue() {
    let config = machine(|config| config.core.load_queue = 3);
    let mut stream = Trace::default();
    stream.repeat(9, outcome(OutcomeKind::Load, 1, MEMORY));
    assert_eq!(run(&config, stream.end(0)).slots, 3 * MISS * WIDTH + 2);
}

#[test]
fn a_hit_on_a_line_under_way_waits_for_it() {
    let mut stream = Trace::default();
    stream.add(outcome(OutcomeKind::Load, 1, MEMORY));
    let hit = outcome(OutcomeKind::Load, 1, 0);
    stream.add(Outcome { line_fill: 1, ..hit });
    stream.add(Outcome { ancestor: 1, line_fill: 2, ..hit });
    let result = run(&machine(|_| ()), stream.end(0));
    assert_eq!(result.get("run.cycles"), MISS + 4);
}

#[test]
fn walks_follow_littles_law() {
    let mut previous = u64::MAX;
    for walkers in [1, 2, 4, 5] {
        let config = machine(|config| config.mmu.walker.count = walkers);
        let mut stream = Trace::default();
        for _ in 0..100 {
            let walked = Outcome { tlb: WALKED, ..outcome(OutcomeKind::Load, 1, 0) };
            stream.with(walked, &walk(&[MEMORY]), &[]);
        }
        let result = run(&config, stream.end(0));
        let walkers = u64::from(walkers);
        assert_eq!(result.slots, (7 + 100 / walkers * MISS + 4) * WIDTH + walkers - 1);
        assert_eq!(result.get("walker.cycles"), 100 * MISS);
        assert!(result.slots < previous);
        previous = result.slots;
    }
}

#[test]
fn the_reads_of_a_walk_follow_each_other() {
    let mut stream = Trace::default();
    let walked = Outcome { tlb: WALKED, ..outcome(OutcomeKind::Load, 1, MEMORY) };
    stream.with(walked, &walk(&[0, 0, 1, MEMORY]), &[]);
    let result = run(&machine(|_| ()), stream.end(0));
    assert_eq!(result.get("run.cycles"), 7 + 4 + 4 + 14 + MISS + MISS);
    assert_eq!(result.get("cycles.walk"), 4 + 4 + 14 + MISS);
    // Seven cycles but for the load's own slot.
    assert_eq!(result.get("cycles.tlb"), 6);
    assert_eq!(result.get("walker.queue_cycles"), 0);
}

#[test]
fn walks_can_bypass_the_caches_and_be_shared() {
    let config = machine(|config| config.mmu.walker.entry_level = Some("memory".to_owned()));
    let mut stream = Trace::default();
    let walked = Outcome { tlb: WALKED, ..outcome(OutcomeKind::Load, 1, 0) };
    stream.with(walked, &walk(&[MEMORY, MEMORY]), &[]);
    stream.add(Outcome { translation_fill: 1, ..outcome(OutcomeKind::Load, 1, 0) });
    let result = run(&config, stream.end(0));
    assert_eq!(result.slots, (7 + 2 * MEMORY_TRIP + 4) * WIDTH + 1);
    assert_eq!(result.get("walker.cycles"), 2 * MEMORY_TRIP);
}

#[test]
fn stores_stall_only_when_their_queue_is_full() {
    let config = machine(|config| config.core.store_queue = 4);
    let mut stream = Trace::default();
    stream.repeat(4, outcome(OutcomeKind::Store, 1, MEMORY));
    let result = run(&config, stream.clone().end(1000));
    assert_eq!(result.slots, 1004);
    stream.add(outcome(OutcomeKind::Store, 1, MEMORY));
    let result = run(&config, stream.end(1000));
    assert_eq!(result.slots, MISS * WIDTH + 1001);
    assert_eq!(result.get("cycles.dram"), MISS - 1);
}

#[test]
fn prefetches_never_block_but_their_lines_arrive() {
    let mut stream = Trace::default();
    stream.add(outcome(OutcomeKind::Prefetch, 1, MEMORY));
    assert_eq!(run(&machine(|_| ()), stream.clone().end(3)).slots, 4);
    let hit = outcome(OutcomeKind::Load, 400, 0);
    stream.add(Outcome { line_fill: 1, ..hit });
    assert_eq!(run(&machine(|_| ()), stream.end(0)).get("run.cycles"), MISS);
}

#[test]
fn part_of_a_line_is_written_to_memory_without_a_wait() {
    let mut stream = Trace::default();
    let write = reference(ReferenceKind::Write, MEMORY);
    stream.with(outcome(OutcomeKind::Store, 1, 0), &[write], &[]);
    let result = run(&machine(|_| ()), stream.end(3));
    assert_eq!((result.slots, result.writes, result.reads), (4, 1, 0));
}

#[test]
fn a_fetch_holds_up_what_follows() {
    let mut stream = Trace::default();
    stream.add(outcome(OutcomeKind::Fetch, 9, MEMORY));
    stream.add(outcome(OutcomeKind::Load, 0, 1));
    let result = run(&machine(|_| ()), stream.end(0));
    assert_eq!(result.slots, 8 + (MISS + 14) * WIDTH);
    assert_eq!(result.get("cycles.dram"), MEMORY_TRIP);
}

#[test]
fn the_walk_of_a_fetch_reads_through_the_data_caches() {
    let config = machine(|config| {
        config.cache = vec![cache("l1d", 1, 4, 10), cache("l2", 2, 14, 64), cache("l1i", 1, 9, 10)];
        config.cache[0].serves = vec![Stream::Data];
        config.cache[1].serves = vec![Stream::Data];
        config.cache[2].serves = vec![Stream::Instruction];
    });
    let mut stream = Trace::default();
    let walked = Outcome { tlb: WALKED, ..outcome(OutcomeKind::Fetch, 1, 2) };
    stream.with(walked, &walk(&[0, 1, MEMORY]), &[]);
    let result = run(&config, stream.end(0));
    assert_eq!(result.slots, (7 + 4 + 14 + MISS + 9) * WIDTH + 1);
}

#[test]
fn a_mispredicted_branch_waits_for_its_condition_and_refills() {
    let mut stream = Trace::default();
    stream.add(outcome(OutcomeKind::Load, 1, MEMORY));
    stream.add(Outcome {
        kind: OutcomeKind::Mispredict,
        instructions: 1,
        ancestor: 1,
        chain: 1,
        ..Outcome::default()
    });
    let result = run(&machine(|_| ()), stream.end(4));
    assert_eq!(result.get("run.cycles"), MISS + 4 + 16 + 1);
    assert_eq!(result.get("cycles.branch"), 16);
}

#[test]
fn a_fault_drains_the_window() {
    let config = machine(|_| ());
    let mut stream = Trace::default();
    stream.add(outcome(OutcomeKind::Load, 1, MEMORY));
    let fault = Outcome {
        kind: OutcomeKind::Fault(FaultKind::Anonymous),
        instructions: 1,
        tlb: WALKED,
        ..Outcome::default()
    };
    stream.with(fault, &walk(&[0]), &[Work::Handler]);
    stream.add(outcome(OutcomeKind::Load, 0, 0));
    let result = run(&config, stream.end(0));
    // The walk lies in the miss's shadow; the fault's own slot follows it.
    assert_eq!(result.slots, (MISS + 500 + 4) * WIDTH + 1);
    assert_eq!(result.get("cycles.fault_minor"), 500);
    assert_eq!(result.get("cycles.fault_major"), 0);
}

#[test]
fn a_major_fault_and_kernel_work_have_components_of_their_own() {
    let mut stream = Trace::default();
    let fault = Outcome { kind: OutcomeKind::Fault(FaultKind::SwapIn), ..Outcome::default() };
    let read = Work::SwapRead { slot: SwapSlot(3), pages: 1 };
    stream.with(fault, &[], &[Work::Handler, read]);
    let switch = Outcome { kind: OutcomeKind::Kernel, ..Outcome::default() };
    stream.with(switch, &[], &[Work::Switch]);
    let result = run(&machine(|_| ()), stream.end(0));
    assert_eq!(result.get("cycles.fault_major"), 2500);
    assert_eq!(result.get("cycles.swap"), 5000);
    assert_eq!(result.get("cycles.kernel"), 1200);
    assert_eq!(result.get("run.cycles"), 8700);
}

#[test]
fn writes_go_to_memory_and_nothing_waits() {
    let mut stream = Trace::default();
    let references = [
        reference(ReferenceKind::Demand, MEMORY),
        reference(ReferenceKind::TableWrite, MEMORY),
        reference(ReferenceKind::TableWrite, 0),
        reference(ReferenceKind::Writeback, MEMORY),
    ];
    stream.with(outcome(OutcomeKind::Load, 1, MEMORY), &references, &[]);
    stream.end(0);
    let bypass = machine(|config| config.mmu.walker.entry_level = Some("memory".to_owned()));
    let result = run(&bypass, &stream);
    assert_eq!((result.get("run.cycles"), result.writes, result.reads), (MISS, 2, 1));
    // A cache that walks go through reads the line of the page-table entry and keeps it.
    let result = run(&machine(|_| ()), &stream);
    assert_eq!((result.get("run.cycles"), result.writes, result.reads), (MISS, 1, 2));
}

#[test]
fn a_machine_without_caches_and_tlbs_goes_to_memory_each_time() {
    let config = machine(|config| {
        config.cache.clear();
        config.mmu.tlb.clear();
    });
    let mut stream = Trace::default();
    let access = Outcome { tlb: WALKED, ..outcome(OutcomeKind::Load, 1, MEMORY) };
    stream.with(access, &walk(&[MEMORY]), &[]);
    assert_eq!(run(&config, stream.end(0)).get("run.cycles"), 2 * MEMORY_TRIP);
}

#[test]
fn a_line_is_as_many_bursts_as_it_is_long() {
    let config = machine(|config| config.cache[1].line = ByteSize(256));
    let mut stream = Trace::default();
    let writeback = reference(ReferenceKind::Writeback, MEMORY);
    stream.with(outcome(OutcomeKind::Load, 1, MEMORY), &[writeback], &[]);
    let result = run(&config, stream.end(0));
    assert_eq!(result.get("run.cycles"), MISS);
    assert_eq!(result.writes, 4);
}

#[test]
fn the_real_memory_and_device_fit() {
    let config = machine(|_| ());
    let mut stream = Trace::default();
    for number in 0..1000 {
        let address = PhysAddr(number * 8192);
        let read = Reference { addr: address, kind: ReferenceKind::Demand, served: MEMORY };
        let miss = outcome(OutcomeKind::Load, 1, MEMORY);
        stream.with(miss, &[read, Reference { kind: ReferenceKind::Writeback, ..read }], &[]);
    }
    let fault = Outcome { kind: OutcomeKind::Fault(FaultKind::SwapIn), ..Outcome::default() };
    let swap = Work::SwapRead { slot: SwapSlot(3), pages: 1 };
    stream.with(fault, &[], &[Work::Handler, swap]).end(10);
    let mut timing = Timing::new(&config).unwrap();
    timing.process(&stream.0);
    timing.finish();
    let mut statistics = Statistics::default();
    timing.report(&mut statistics);
    assert_eq!(statistics.get("dram.reads"), Some(Value::Count(1000)));
    assert_eq!(statistics.get("dram.writes"), Some(Value::Count(1000)));
    let sum: f64 = statistics
        .iter()
        .filter(|entry| entry.name.starts_with("cycles."))
        .map(|entry| entry.value.as_f64())
        .sum();
    assert_eq!(Some(sum), statistics.get("run.cycles").map(Value::as_f64));
    let busy = statistics.get("swap.busy_ns").map(Value::as_f64);
    assert!(busy > Some(0.0));
    assert!(statistics.get("cycles.swap").map(Value::as_f64) >= busy.map(f64::floor));
    let names: Vec<_> = timing.histograms().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["access_cycles", "walk_cycles", "fault_ns", "swap_read_ns"]);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let refused = |change: fn(&mut Config)| {
        let memory = FixedLatency::new(1);
        Simulation::new(&machine(change), memory, FixedLatency::new(1)).unwrap_err().to_string()
    };
    assert!(refused(|config| config.core.count = 65).contains("core.count"));
    assert!(refused(|config| config.cache[0].bandwidth = Some(8)).contains("cache.l1d.bandwidth"));
    assert!(refused(|c| c.mmu.walker.entry_level = Some("l9".to_owned())).contains("l9"));
    assert!(
        refused(|c| c.cache[1].latency = Some(Span::Cycles(u64::MAX))).contains("cache.l2.latency")
    );
}

/// An outcome that the function half might send, from random bits.
pub(super) fn any_outcome() -> impl Strategy<Value = Described> {
    let cache = prop::sample::select(vec![0, 0, 1, MEMORY, MEMORY]);
    let kind = prop::sample::select(vec![
        OutcomeKind::Load,
        OutcomeKind::Load,
        OutcomeKind::Load,
        OutcomeKind::Store,
        OutcomeKind::Store,
        OutcomeKind::Prefetch,
        OutcomeKind::Fetch,
        OutcomeKind::Mispredict,
        OutcomeKind::Fault(FaultKind::File),
        OutcomeKind::Kernel,
    ]);
    let reads = prop::collection::vec(cache.clone(), 0..4);
    let back = || prop_oneof![3 => Just(0u32), 3 => 1..20u32, 1 => 0..3000u32];
    let shape = (0..8u32, 0..17u8, 0..3u8, back(), back(), back());
    (kind, cache, reads, shape, any::<bool>()).prop_map(|(kind, served, reads, shape, writes)| {
        let (instructions, chain, tlb, ancestor, line_fill, translation_fill) = shape;
        let mut references = walk(&reads);
        if served == MEMORY {
            references.push(reference(ReferenceKind::Demand, MEMORY));
        }
        if writes {
            references.push(reference(ReferenceKind::Writeback, MEMORY));
        }
        let work = match kind {
            OutcomeKind::Fault(_) => vec![Work::Handler],
            OutcomeKind::Kernel => vec![Work::Switch],
            _ => Vec::new(),
        };
        let outcome = Outcome {
            kind,
            served,
            chain,
            instructions,
            ancestor,
            line_fill,
            translation_fill,
            tlb: if tlb == 2 { WALKED } else { tlb },
            references: references.len() as u16,
            work: work.len() as u16,
            ..Outcome::default()
        };
        (outcome, references, work)
    })
}

/// An outcome with what belongs to it.
pub(super) type Described = (Outcome, Vec<Reference>, Vec<Work>);

pub(super) fn batch(list: &[Described]) -> Outcomes {
    Outcomes {
        list: list.iter().map(|(outcome, ..)| *outcome).collect(),
        references: list.iter().flat_map(|(_, references, _)| references.clone()).collect(),
        work: list.iter().flat_map(|(.., work)| work.clone()).collect(),
        rows: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// `run_in_batches` checks the sum of the components.
    #[test]
    fn any_stream_ends_and_its_batches_do_not_matter(
        list in prop::collection::vec(any_outcome(), 1..400),
        cut in 1..50usize,
        (rob, loads, stores) in (1..300u32, 1..80u32, 1..60u32),
        (registers, lower, walkers) in (1..12u32, 1..20u32, 1..4u32),
    ) {
        let config = machine(|config| {
            (config.core.rob, config.core.load_queue, config.core.store_queue) = (rob, loads, stores);
            (config.cache[0].mshrs, config.cache[1].mshrs) = (registers, lower);
            config.mmu.walker.count = walkers;
        });
        let whole = run_in_batches(&config, &[batch(&list)]);
        let parts: Vec<_> = list.chunks(cut).map(batch).collect();
        let parts = run_in_batches(&config, &parts);
        prop_assert_eq!(whole.statistics, parts.statistics);
        let instructions: u64 = list.iter().map(|(outcome, ..)| u64::from(outcome.instructions)).sum();
        prop_assert!(whole.slots >= instructions);
    }

    #[test]
    fn slower_memory_never_speeds_up_a_chain(
        list in prop::collection::vec((any::<bool>(), 0..5u32, 0..16u8), 1..100),
        (latency, more) in (0..200_000u64, 1..100_000u64),
    ) {
        let mut stream = Trace::default();
        for (index, (hit, instructions, chain)) in list.iter().enumerate() {
            let load = outcome(OutcomeKind::Load, *instructions, if *hit { 1 } else { MEMORY });
            stream.add(Outcome { ancestor: u32::from(index > 0), chain: *chain, ..load });
        }
        let slots = |latency| {
            let memory = FixedLatency::new(latency);
            let mut simulation =
                Simulation::new(&machine(|_| ()), memory, FixedLatency::new(0)).unwrap();
            simulation.process(&mut stream.0.iter());
            simulation.finish();
            simulation.cpus[0].window.retired_at
        };
        prop_assert!(slots(latency + more) >= slots(latency));
    }
}
