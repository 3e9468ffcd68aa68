//! Timing a sample of a run, after Wunderlich et al., "SMARTS: accelerating microarchitecture simulation
//! via rigorous statistical sampling" (ISCA 2003).
//!
//! The function half sees everything, so that TLBs and caches are always warm. Of its outcomes, those of
//! short units at equal distances are timed, each after a stretch that fills window, queues and memory
//! and is not measured, and with what is in the window behind it. What lies between is passed over: the
//! window empties, and the clock goes on by what the instructions would have taken at the rate measured so
//! far, so that memory and devices age. What lasts longer than a warm-up is kept up: references that memory
//! serves leave their rows open.
//!
//! The kernel's work is never passed over. It is done and charged wherever it comes, and what is estimated
//! is the rest: per component, the slots of the units for each of their instructions, times the
//! instructions of the whole.

use tracegen::batch::Mark;

use crate::config::{Config, InvalidSetting};
use crate::outcome::{MEMORY, Outcome, OutcomeKind, Outcomes, Reference, Work};
use crate::statistics::{Histogram, Statistics, Tally, Value};

use super::Timing;
use super::stack::Stack;

/// Bits behind the point of a rate.
const RATE_BITS: u32 = 16;

/// Which instructions are timed. All lengths are in instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sampling {
    /// A unit that is measured.
    pub unit: u32,
    /// What is timed and not measured before each.
    pub warm: u32,
    /// From the start of one unit to that of the next; at least a unit, what warms it up and a window.
    pub period: u64,
    /// What lies before the first unit's warm-up.
    pub offset: u64,
}

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Units {
    /// Whole units.
    pub count: u64,
    /// Their slots without the kernel's, added up, and the squares of these.
    pub sum: u128,
    /// The squares of each one's slots, added up.
    pub squares: u128,
    /// Instructions that were measured, those of units that a trace's end has cut short included.
    pub instructions: u64,
    /// All instructions of the part of the trace that counts.
    pub all_instructions: u64,
    /// Outcomes that were timed, and all.
    pub outcomes: (u64, u64),
}

/// Where in the period the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Gap,
    Warm,
    Unit,
    /// What is in the window behind a unit while the unit is, and competes with it.
    Tail,
}

/// The time half of a machine of which a sample is timed.
#[derive(Debug)]
pub struct SampledTiming {
    timing: Timing,
    sampling: Sampling,
    /// Instructions that are timed behind a unit: as many as the window holds.
    tail: u64,
    phase: Phase,
    /// Instructions until the next phase.
    left: u64,
    /// Instructions of a gap that the clock has not passed yet.
    skipped: u64,
    /// Slots an instruction of a gap, in units of 2^-[`RATE_BITS`]: as the units so far, and at full
    /// width before the first.
    rate: u64,
    /// Outcomes so far.
    number: u64,
    /// The numbers of the outcomes before which a mark was put since the gap.
    marks: Vec<u64>,
    /// What is to be timed next.
    segment: Outcomes,
    /// Whether the trace counts here.
    counting: bool,
    units: Units,
    /// What the units were charged.
    measured: Stack,
    /// The stack where the counted part of the trace started, and the kernel's of the parts before.
    kernel_since: Stack,
    kernel_before: Stack,
    /// The swap device's part.
    device: Tally,
}

impl SampledTiming {
    /// An idle machine at time 0. A period that is too short for its unit is as short as can be: then
    /// everything is timed.
    ///
    /// # Errors
    /// As [`Timing::new`], and several CPUs: units are stretches of instructions that one CPU executes from an
    /// empty window on, and those of several would not begin and end together.
    pub fn new(config: &Config, sampling: Sampling) -> Result<Self, InvalidSetting> {
        if config.core.count > 1 {
            let message = "a sample is of one CPU: those of several do not begin and end together";
            return Err(InvalidSetting::new("core.count", message));
        }
        let (unit, tail) = (sampling.unit.max(1), u64::from(config.core.rob));
        let shortest = u64::from(unit) + u64::from(sampling.warm) + tail;
        let sampling = Sampling { unit, period: sampling.period.max(shortest), ..sampling };
        let mut timing = Timing::new(config)?;
        timing.forget();
        timing.every_fault = true;
        let stack = timing.simulation.stack();
        Ok(Self {
            timing,
            sampling,
            tail,
            phase: Phase::Gap,
            left: sampling.offset,
            skipped: 0,
            rate: 1 << RATE_BITS,
            number: 0,
            marks: Vec::new(),
            segment: Outcomes::default(),
            counting: true,
            units: Units::default(),
            measured: stack.clone(),
            kernel_since: stack.clone(),
            kernel_before: stack,
            device: Tally::default(),
        })
    }

    /// Takes in the next outcomes.
    pub fn process(&mut self, outcomes: &Outcomes) {
        for (outcome, references, work) in outcomes.iter() {
            self.number += 1;
            self.units.outcomes.1 += 1;
            if self.counting {
                self.units.all_instructions += u64::from(outcome.instructions);
            }
            let rest = self.run(outcome);
            if let OutcomeKind::Mark(mark) = outcome.kind {
                self.region(mark);
            } else if self.phase == Phase::Gap {
                self.pass_over(outcome.kind, rest, references, work);
            } else {
                self.time(outcome, rest, references, work);
            }
        }
        self.flush();
    }

    /// Lets everything that is under way finish; to be called once, after the last outcome.
    pub fn finish(&mut self) {
        self.abandon();
        self.pass_gap();
        self.timing.finish();
    }

    /// Takes the outcome's run through the phases that end in it; what is left of it belongs to the
    /// present one.
    fn run(&mut self, outcome: &Outcome) -> u64 {
        let mut rest = u64::from(outcome.instructions);
        while rest > self.left {
            let piece = self.left;
            rest -= piece;
            match self.phase {
                Phase::Gap => {
                    self.skipped += piece;
                    self.pass_gap();
                    self.enter(Phase::Warm);
                }
                Phase::Warm => {
                    self.mark(Mark::Count, outcome, piece);
                    self.enter(Phase::Unit);
                }
                Phase::Unit => {
                    self.mark(Mark::Pause, outcome, piece);
                    self.enter(Phase::Tail);
                }
                Phase::Tail => {
                    self.mark(Mark::Pause, outcome, piece);
                    self.end_unit(u64::from(self.sampling.unit));
                    self.enter(Phase::Gap);
                }
            }
        }
        self.left -= rest;
        rest
    }

    fn enter(&mut self, phase: Phase) {
        let Sampling { unit, warm, period, .. } = self.sampling;
        let (unit, warm) = (u64::from(unit), u64::from(warm));
        self.phase = phase;
        self.left = match phase {
            Phase::Gap => period - unit - warm - self.tail,
            Phase::Warm => warm,
            Phase::Unit => unit,
            Phase::Tail => self.tail,
        };
    }

    /// An outcome of a gap: only the kernel's work is done, and memory's rows are opened.
    fn pass_over(
        &mut self,
        kind: OutcomeKind,
        instructions: u64,
        references: &[Reference],
        work: &[Work],
    ) {
        self.skipped += instructions;
        let slots = self.passing();
        for reference in references.iter().filter(|reference| reference.served == MEMORY) {
            self.timing.simulation.touch(slots, reference.addr);
        }
        if !work.is_empty() || matches!(kind, OutcomeKind::Fault(_)) {
            self.pass_gap();
            self.timing.simulation.work(kind, work);
        }
    }

    /// The slots that what was skipped takes, at the rate measured so far.
    fn passing(&self) -> u64 {
        let slots = (u128::from(self.skipped) * u128::from(self.rate)) >> RATE_BITS;
        u64::try_from(slots).unwrap_or(u64::MAX)
    }

    /// Lets the clock pass what was skipped.
    fn pass_gap(&mut self) {
        let slots = self.passing();
        self.skipped = 0;
        self.timing.simulation.skip(slots);
    }

    /// An outcome that is timed, with what is left of its run.
    fn time(&mut self, outcome: &Outcome, rest: u64, references: &[Reference], work: &[Work]) {
        self.units.outcomes.0 += 1;
        let (hits, fetch_hits) = share(outcome, rest);
        self.segment.list.push(Outcome {
            // A part of what the outcome has.
            instructions: rest as u32,
            hits,
            fetch_hits,
            ancestor: self.distance(outcome.ancestor),
            line_fill: self.distance(outcome.line_fill),
            translation_fill: self.distance(outcome.translation_fill),
            ..*outcome
        });
        self.segment.references.extend_from_slice(references);
        self.segment.work.extend_from_slice(work);
    }

    /// A distance in the stream as a distance in the window, which has marks besides. Who lies before the
    /// gap is any older entry: all of them are over.
    fn distance(&self, back: u32) -> u32 {
        if back == 0 {
            return 0;
        }
        let older = self.number.saturating_sub(u64::from(back));
        let between = self.marks.iter().filter(|mark| **mark > older).count();
        // At most three.
        back.saturating_add(between as u32)
    }

    /// Puts a mark before the present outcome, which carries a piece of its run.
    fn mark(&mut self, mark: Mark, outcome: &Outcome, piece: u64) {
        let (hits, fetch_hits) = share(outcome, piece);
        let kind = OutcomeKind::Mark(mark);
        // A part of what the outcome has.
        let instructions = piece as u32;
        let plain = Outcome { kind, instructions, hits, fetch_hits, ..Outcome::default() };
        self.segment.list.push(plain);
        self.marks.push(self.number);
    }

    /// Hands over what is to be timed.
    fn flush(&mut self) {
        if !self.segment.list.is_empty() {
            self.timing.process(&self.segment);
            self.segment.clear();
        }
    }

    /// The unit's last mark has been put: lets it retire, and takes what was measured.
    fn end_unit(&mut self, instructions: u64) {
        self.flush();
        self.timing.settle();
        self.marks.clear();
        let Some(part) = self.timing.part.take() else { return };
        let slots = flow(&part);
        self.measured.add(&part);
        self.units.instructions += instructions;
        self.rate = rate(&self.measured, self.units.instructions);
        if instructions == u64::from(self.sampling.unit) {
            self.units.count += 1;
            self.units.sum += slots;
            self.units.squares += slots * slots;
        }
    }

    /// Ends a unit where it is. What it has measured counts for the estimate, not for its confidence.
    fn abandon(&mut self) {
        match self.phase {
            Phase::Gap => {}
            Phase::Warm => {
                self.flush();
                self.timing.settle();
                self.marks.clear();
            }
            Phase::Unit => {
                self.mark(Mark::Pause, &Outcome::default(), 0);
                self.end_unit(u64::from(self.sampling.unit) - self.left);
            }
            Phase::Tail => self.end_unit(u64::from(self.sampling.unit)),
        }
        self.enter(Phase::Gap);
    }

    /// Counting of the trace starts or pauses.
    fn region(&mut self, mark: Mark) {
        self.abandon();
        self.pass_gap();
        let stack = self.timing.simulation.stack();
        self.device.pass(mark, self.timing.report_device());
        self.timing.start_again();
        match mark {
            Mark::Count => {
                if self.counting {
                    // What came before was a warm-up.
                    self.timing.forget();
                    self.units = Units::default();
                    self.measured.clear();
                    self.rate = 1 << RATE_BITS;
                }
                self.kernel_since = stack;
                self.left = self.sampling.offset;
            }
            Mark::Pause => {
                if self.counting {
                    self.kernel_before.add(&stack.since(&self.kernel_since));
                }
                self.left = u64::MAX;
            }
        }
        self.counting = mark == Mark::Count;
        self.timing.every_fault = self.counting;
    }

    /// What was measured.
    pub fn units(&self) -> &Units {
        &self.units
    }

    /// Slots a cycle.
    pub fn width(&self) -> u64 {
        self.timing.simulation.clock().width()
    }

    /// Declares the statistics: the kernel's and the swap device's as they are, the others as estimated
    /// from the units.
    pub fn report(&self, out: &mut Statistics) {
        let (all, measured) = (self.units.all_instructions, self.units.instructions.max(1));
        let scale = |count: u64| {
            let scaled = u128::from(count) * u128::from(all) / u128::from(measured);
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        let mut kernel = self.kernel_before.clone();
        if self.counting {
            kernel.add(&self.timing.simulation.stack().since(&self.kernel_since));
        }
        let stack = self.measured.estimate(&kernel, scale);
        let units = self.timing.tally.total(Statistics::default());
        let estimated = |shape: Statistics| {
            shape.map(|entry| match units.get(&entry.name) {
                Some(Value::Count(count)) => Value::Count(scale(count)),
                Some(other) => other,
                None => Value::Count(0),
            })
        };
        let (mut window, mut memory) = (Statistics::default(), Statistics::default());
        let simulation = &self.timing.simulation;
        simulation.report_window(&simulation.parts(), &mut window);
        simulation.shared.controller.memory.report(&mut memory);
        simulation.report_times(&stack, all, out);
        out.append(estimated(window));
        simulation.report_stack(&stack, out);
        out.append(estimated(memory));
        out.append(self.device.total(self.timing.report_device()));
    }

    /// The distributions by name: of the units, and of every fault.
    pub fn histograms(&self) -> Vec<(&'static str, Histogram)> {
        self.timing.histograms()
    }
}

/// Slots that are not the kernel's.
fn flow(stack: &Stack) -> u128 {
    u128::from(stack.total() - stack.kernel())
}

/// Slots an instruction, where `instructions` were charged `stack`, in units of 2^-[`RATE_BITS`].
fn rate(stack: &Stack, instructions: u64) -> u64 {
    let rate = (flow(stack) << RATE_BITS) / u128::from(instructions.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// The hits of a piece of an outcome's run, in proportion.
fn share(outcome: &Outcome, piece: u64) -> (u32, u32) {
    let of = |hits: u32| {
        let share = u64::from(hits) * piece / u64::from(outcome.instructions.max(1));
        // No more than all of them.
        share.min(u64::from(hits)) as u32
    };
    if piece == u64::from(outcome.instructions) {
        return (outcome.hits, outcome.fetch_hits);
    }
    (of(outcome.hits), of(outcome.fetch_hits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{PhysAddr, SwapSlot};
    use crate::outcome::{FaultKind, MEMORY, ReferenceKind};
    use crate::time::tests::machine;

    /// Misses and hits with dependences, a fault every 700 instructions and a page from swap at times.
    fn stream(count: u32, marks: &[(u32, Mark)]) -> Outcomes {
        let mut out = Outcomes::default();
        let mut state = 1u64;
        let kind = OutcomeKind::Fault(FaultKind::SwapIn);
        for number in 0..count {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let random = state >> 33;
            if let Some((_, mark)) = marks.iter().find(|(at, _)| *at == number) {
                out.list.push(Outcome { kind: OutcomeKind::Mark(*mark), ..Outcome::default() });
            }
            if number % 70 == 0 {
                let swap = Work::SwapRead { slot: SwapSlot(number.into()), pages: 1 };
                let zero = Work::Zero { addr: PhysAddr(0), bytes: 4096 };
                out.work.extend([Work::Handler, if number % 210 == 0 { swap } else { zero }]);
                out.list.push(Outcome { kind, work: 2, ..Outcome::default() });
            }
            let memory = random.is_multiple_of(3);
            let addr = PhysAddr(random << 6 & 0x3fff_ffff);
            if memory {
                let kind = ReferenceKind::Demand;
                out.references.push(Reference { addr, kind, served: MEMORY });
            }
            out.list.push(Outcome {
                served: if memory { MEMORY } else { 1 },
                references: u16::from(memory),
                instructions: 1 + (random >> 8) as u32 % 19,
                hits: (random >> 16) as u32 % 3,
                ancestor: if random.is_multiple_of(5) { 1 + random as u32 % 4 } else { 0 },
                ..Outcome::default()
            });
        }
        out.list.push(Outcome { kind: OutcomeKind::End, instructions: 5, ..Outcome::default() });
        out
    }

    const SAMPLING: Sampling = Sampling { unit: 500, warm: 2000, period: 10_000, offset: 700 };

    /// Where marks lie in a stream: nowhere, behind a warm-up, around a region.
    const STREAMS: [&[(u32, Mark)]; 3] =
        [&[], &[(60_000, Mark::Count)], &[(0, Mark::Count), (150_000, Mark::Pause)]];

    fn sampled(outcomes: &[Outcomes]) -> (Statistics, SampledTiming) {
        let mut timing = SampledTiming::new(&machine(|_| ()), SAMPLING).unwrap();
        outcomes.iter().for_each(|outcomes| timing.process(outcomes));
        finished(timing)
    }

    fn sampled_as(sampling: Sampling, outcomes: &Outcomes) -> (Statistics, SampledTiming) {
        let mut timing = SampledTiming::new(&machine(|_| ()), sampling).unwrap();
        timing.process(outcomes);
        finished(timing)
    }

    fn finished(mut timing: SampledTiming) -> (Statistics, SampledTiming) {
        timing.finish();
        let mut statistics = Statistics::default();
        timing.report(&mut statistics);
        (statistics, timing)
    }

    fn whole(outcomes: &Outcomes) -> (Statistics, Timing) {
        let mut timing = Timing::new(&machine(|_| ())).unwrap();
        timing.process(outcomes);
        timing.finish();
        let mut statistics = Statistics::default();
        timing.report(&mut statistics);
        (statistics, timing)
    }

    fn get(statistics: &Statistics, name: &str) -> f64 {
        statistics.get(name).unwrap_or_else(|| panic!("{name}")).as_f64()
    }

    /// The mean over samples that start at different places, so that what is tested is how far the
    /// estimate leans and not how far one sample scatters (by 5 to 6 % in `cycles.dram`, one standard
    /// deviation). Swap is most of `run.cycles` and exact: the components that are estimated are compared
    /// themselves.
    #[test]
    fn the_estimate_is_near_what_everything_takes() {
        const OFFSETS: u64 = 32;
        for marks in STREAMS {
            let outcomes = stream(200_000, marks);
            let exact = whole(&outcomes).0;
            let offsets = (0..OFFSETS).map(|turn| turn * SAMPLING.period / OFFSETS);
            let estimates: Vec<_> = offsets
                .map(|offset| sampled_as(Sampling { offset, ..SAMPLING }, &outcomes).0)
                .collect();
            for name in [
                "run.cycles",
                "run.ns",
                "run.ipc",
                "run.amat_cycles",
                "cycles.base",
                "cycles.dram",
                "cycles.l2",
                "dram.reads",
                "dram.row_misses",
                "dram.row_conflicts",
            ] {
                let sum: f64 = estimates.iter().map(|estimate| get(estimate, name)).sum();
                let ratio = sum / OFFSETS as f64 / get(&exact, name);
                assert!((0.97..1.03).contains(&ratio), "{name}: {ratio}");
            }
        }
    }

    #[test]
    fn the_kernel_is_never_skipped_and_components_add_up() {
        for marks in STREAMS {
            let outcomes = stream(200_000, marks);
            let ((estimate, timing), (exact, all)) =
                (sampled(std::slice::from_ref(&outcomes)), whole(&outcomes));
            // A fault costs the same wherever it comes.
            for name in ["cycles.fault_minor", "cycles.fault_major"] {
                assert_eq!(get(&estimate, name), get(&exact, name), "{name}");
            }
            let names = |statistics: &Statistics| -> Vec<String> {
                statistics.iter().map(|entry| entry.name.clone()).collect()
            };
            assert_eq!(names(&estimate), names(&exact));
            let parts = estimate.iter().filter(|entry| entry.name.starts_with("cycles."));
            let sum: f64 = parts.map(|entry| entry.value.as_f64()).sum();
            assert_eq!(sum, get(&estimate, "run.cycles"));
            let faults = |histograms: Vec<(&'static str, Histogram)>| histograms[2].1.count();
            assert_eq!(faults(timing.histograms()), faults(all.histograms()));
            let units = timing.units();
            assert_eq!(units.instructions, units.count * 500 + units.instructions % 500);
            assert!(units.count.abs_diff(units.all_instructions / 10_000) <= 1, "{units:?}");
            let (timed, outcomes) = units.outcomes;
            assert!(timed * 3 < outcomes, "{timed} of {outcomes}");
        }
    }

    /// Ten accesses a unit, with no warm-up and refreshes in between: whether a unit finds rows open is decided
    /// by what was passed over.
    #[test]
    fn what_is_passed_over_leaves_rows_open() {
        let sampling = Sampling { unit: 500, warm: 0, period: 50_000, offset: 0 };
        let kind = ReferenceKind::Demand;
        let mut out = Outcomes::default();
        let mut state = 1u64;
        for _ in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let addr = PhysAddr(state >> 34 << 6);
            out.references.push(Reference { addr, kind, served: MEMORY });
            let miss = Outcome { served: MEMORY, references: 1, ..Outcome::default() };
            out.list.push(Outcome { instructions: 50, ..miss });
        }
        let (estimate, exact) = (sampled_as(sampling, &out).0, whole(&out).0);
        // Of the requests that were begun; those behind a unit are asked for in it.
        let share = |statistics| {
            let conflicts = get(statistics, "dram.row_conflicts");
            conflicts / (conflicts + get(statistics, "dram.row_misses"))
        };
        let (estimate, exact) = (share(&estimate), share(&exact));
        assert!((estimate / exact - 1.0).abs() < 0.02, "{estimate} {exact}");
    }

    #[test]
    fn where_the_stream_is_cut_makes_no_difference() {
        let whole = stream(20_000, &[(7000, Mark::Count)]);
        let mut parts = Vec::new();
        let mut current = Outcomes::default();
        for (index, (outcome, references, work)) in whole.iter().enumerate() {
            current.list.push(*outcome);
            current.references.extend(references);
            current.work.extend(work);
            if index % 37 == 36 {
                parts.push(std::mem::take(&mut current));
            }
        }
        parts.push(current);
        assert_eq!(sampled(&[whole]).0, sampled(&parts).0);
    }

    /// A run without any outcome is timed too: at full width.
    #[test]
    fn a_long_run_of_hits_has_units_in_it() {
        let list = vec![Outcome { instructions: 1_000_000, hits: 10, ..Outcome::default() }; 2];
        let (estimate, timing) = sampled(&[Outcomes { list, ..Outcomes::default() }]);
        assert_eq!(timing.units().count, 200);
        assert!((get(&estimate, "run.cycles") - 500_000.0).abs() < 500.0);
    }

    /// An ancestor on the other side of a mark is found: the chain is as slow as without marks.
    #[test]
    fn distances_reach_across_marks() {
        let miss = Outcome { served: MEMORY, instructions: 1, ancestor: 1, ..Outcome::default() };
        let chain = Outcomes { list: vec![miss; 50_000], ..Outcomes::default() };
        let (estimate, exact) = (sampled(std::slice::from_ref(&chain)).0, whole(&chain).0);
        let ratio = get(&estimate, "run.cycles") / get(&exact, "run.cycles");
        assert!((0.99..1.01).contains(&ratio), "{ratio}");
    }
}
