//! Marks take no time: a run with them is the run without them, in parts.

use proptest::prelude::*;
use tracegen::batch::Mark;

use super::Timing;
use super::tests::{Described, any_outcome, batch, machine, run_in_batches};
use crate::address::SwapSlot;
use crate::outcome::{FaultKind, Outcome, OutcomeKind, Outcomes, Work};
use crate::statistics::{Statistics, Value};

/// `list` with a mark before each of some outcomes, which carries a part of the outcome's run. Distances
/// count marks as they do outcomes.
fn marked(list: &[Described], marks: &[(usize, u32)]) -> Vec<Described> {
    let mut all: Vec<Described> = Vec::new();
    let mut places = vec![0; list.len()];
    for (index, (outcome, references, work)) in list.iter().enumerate() {
        let mut outcome = *outcome;
        for &(_, part) in marks.iter().filter(|(at, _)| *at == index) {
            // A chain that starts in the run would start in its rest.
            let most = if outcome.chain > 0 { 0 } else { outcome.instructions.saturating_sub(1) };
            let instructions = part.min(most);
            outcome.instructions -= instructions;
            let kind = OutcomeKind::Mark(Mark::Count);
            all.push((Outcome { kind, instructions, ..Outcome::default() }, vec![], vec![]));
        }
        places[index] = all.len();
        let distance = |back: u32| match index.checked_sub(back as usize) {
            _ if back == 0 => 0,
            Some(older) => (all.len() - places[older]) as u32,
            // Nobody: before the start.
            None => u32::MAX,
        };
        outcome.ancestor = distance(outcome.ancestor);
        outcome.line_fill = distance(outcome.line_fill);
        outcome.translation_fill = distance(outcome.translation_fill);
        all.push((outcome, references.clone(), work.clone()));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn marks_change_nothing_and_their_parts_add_up(
        list in prop::collection::vec(any_outcome(), 2..300),
        marks in prop::collection::vec((0..300usize, 0..8u32), 1..5),
        // The ring of outcomes never fills: a mark would take a place in it.
        rob in 200..300u32,
    ) {
        let config = machine(|config| config.core.rob = rob);
        let marks: Vec<_> = marks.iter().map(|(at, part)| (at % list.len(), *part)).collect();
        let plain = run_in_batches(&config, &[batch(&list)]);
        let parts = run_in_batches(&config, &[batch(&marked(&list, &marks))]);
        for (plain, parts) in plain.statistics.iter().zip(parts.statistics.iter()) {
            // A stall is charged backwards along what the late outcome went through, and what a part of
            // the run before it has waited for is not its own: a run is at most two cycles here.
            let slack = if plain.name.starts_with("cycles.") { 3.0 * marks.len() as f64 } else { 0.0 };
            let difference = (plain.value.as_f64() - parts.value.as_f64()).abs();
            prop_assert!(difference <= slack, "{} is off by {}", plain.name, difference);
        }
        prop_assert_eq!(parts.laps.len(), marks.len());
        let slots: Vec<u64> = parts.laps.iter().map(|lap| lap.parts[0].stack.total()).collect();
        prop_assert!(slots.is_sorted() && slots.iter().all(|slots| *slots <= parts.slots));
    }
}

/// A thousand outcomes of a trace, a mark, and the same again.
fn halves(kind: Option<Mark>) -> Timing {
    let mut timing = Timing::new(&machine(|_| ())).unwrap();
    let half = Outcomes {
        list: vec![
            Outcome {
                served: crate::outcome::MEMORY,
                instructions: 40,
                ..Outcome::default()
            };
            1000
        ],
        ..Outcomes::default()
    };
    timing.process(&half);
    if let Some(mark) = kind {
        let mark = Outcome { kind: OutcomeKind::Mark(mark), ..Outcome::default() };
        timing.process(&Outcomes { list: vec![mark], ..Outcomes::default() });
    }
    timing.process(&half);
    let end = Outcome { kind: OutcomeKind::End, ..Outcome::default() };
    timing.process(&Outcomes { list: vec![end], ..Outcomes::default() });
    timing.finish();
    timing
}

fn report(timing: &Timing) -> Statistics {
    let mut statistics = Statistics::default();
    timing.report(&mut statistics);
    statistics
}

#[test]
fn what_lies_before_or_behind_a_mark_is_not_counted() {
    let (whole, late, early) = (halves(None), halves(Some(Mark::Count)), halves(Some(Mark::Pause)));
    let get = |timing: &Timing, name: &str| match report(timing).get(name) {
        Some(Value::Count(count)) => count,
        other => panic!("{name} is {other:?}"),
    };
    for timing in [&whole, &late, &early] {
        let statistics = report(timing);
        let parts = statistics.iter().filter(|entry| entry.name.starts_with("cycles."));
        let sum: f64 = parts.map(|entry| entry.value.as_f64()).sum();
        assert_eq!(Some(sum), statistics.get("run.cycles").map(Value::as_f64));
    }
    let cycles = [&whole, &late, &early].map(|timing| get(timing, "run.cycles"));
    assert!(cycles[1] + cycles[2] - cycles[0] <= 1, "{cycles:?}");
    assert!(cycles[1].abs_diff(cycles[2]) < 200, "{cycles:?}");
    let instructions = |timing: &Timing| match report(timing).get("run.ipc") {
        Some(Value::Ratio(ratio)) => ratio.numerator,
        other => panic!("{other:?}"),
    };
    assert_eq!([&whole, &late, &early].map(instructions), [80_000, 40_000, 40_000]);
    // Misses in flight at the mark are counted where they end.
    for timing in [&late, &early] {
        let reads = get(timing, "dram.reads");
        assert!((900..1100).contains(&reads), "{reads}");
    }
}

/// The list that is taken at a mark has every distribution that is reported.
#[test]
fn distributions_start_again_at_a_mark() {
    let timing = |marks: &[Mark]| {
        let mut timing = halves(None);
        for &mark in marks {
            let mark = Outcome { kind: OutcomeKind::Mark(mark), ..Outcome::default() };
            timing.process(&Outcomes { list: vec![mark], ..Outcomes::default() });
        }
        timing.finish();
        timing
    };
    let (whole, kept) = (timing(&[]), timing(&[Mark::Pause]));
    assert!(whole.histograms()[0].1.count() > 0);
    for ((name, whole), (_, kept)) in whole.histograms().iter().zip(kept.histograms()) {
        assert_eq!(*whole, kept, "{name}");
    }
    for marks in [&[Mark::Count][..], &[Mark::Count, Mark::Pause], &[Mark::Count, Mark::Count]] {
        for (name, histogram) in timing(marks).histograms() {
            assert_eq!(histogram.count(), 0, "{name}");
        }
    }
}

/// A mark that retires only because a fault behind it drains the window: the fault, and what it reads from
/// swap, lie behind the mark.
#[test]
fn a_fault_behind_a_mark_belongs_to_what_follows() {
    let part = |mark: Mark| {
        let mut timing = Timing::new(&machine(|_| ())).unwrap();
        let miss =
            Outcome { served: crate::outcome::MEMORY, instructions: 40, ..Outcome::default() };
        let mark = Outcome { kind: OutcomeKind::Mark(mark), ..Outcome::default() };
        let kind = OutcomeKind::Fault(FaultKind::SwapIn);
        let fault = Outcome { kind, work: 2, ..Outcome::default() };
        timing.process(&Outcomes {
            list: vec![miss, mark, fault, miss],
            work: vec![Work::Handler, Work::SwapRead { slot: SwapSlot(0), pages: 1 }],
            ..Outcomes::default()
        });
        timing.finish();
        let busy = report(&timing).get("swap.busy_ns").map(Value::as_f64);
        (timing.histograms()[2].1.count(), busy.is_some_and(|busy| busy > 0.0))
    };
    assert_eq!(part(Mark::Pause), (0, false), "before the mark");
    assert_eq!(part(Mark::Count), (1, true), "behind it");
}
