//! What rows are charged: together what the stack is, and each what its outcomes caused.

use super::*;
use crate::time::stack::{BASE, BRANCH, DRAM, FAULT_MINOR};
use tracegen::batch::Mark;

/// `list` timed with the outcome at `k` in row `rows[k]`, with marks before some.
fn attributed(
    config: &Config,
    list: &[Described],
    rows: &[u32],
    marks: &[(usize, Mark)],
) -> Timing {
    let (mut all, mut whose) = (Vec::new(), Vec::new());
    for (at, described) in list.iter().enumerate() {
        for (_, mark) in marks.iter().filter(|(place, _)| *place == at) {
            let mark = Outcome { kind: OutcomeKind::Mark(*mark), ..Outcome::default() };
            all.push((mark, Vec::new(), Vec::new()));
            whose.push(0);
        }
        all.push(described.clone());
        whose.push(rows[at]);
    }
    let mut timing = Timing::new(config).unwrap();
    timing.attribute();
    // Cut in two, as batches are.
    let cut = all.len() / 2;
    timing.process(&Outcomes { rows: whose[..cut].to_vec(), ..batch(&all[..cut]) });
    timing.process(&Outcomes { rows: whose[cut..].to_vec(), ..batch(&all[cut..]) });
    timing.process(&batch(&[end()]));
    timing.finish();
    timing
}

fn end() -> Described {
    (Outcome { kind: OutcomeKind::End, ..Outcome::default() }, Vec::new(), Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rows_add_up_to_the_stack(
        list in prop::collection::vec((any_outcome(), 1..6u32), 2..300),
        count in prop::option::of(0..300usize),
    ) {
        let (list, rows): (Vec<_>, Vec<_>) = list.into_iter().unzip();
        let count = count.map(|at| (at % list.len(), Mark::Count));
        let config = machine(|_| ());
        let timing = attributed(&config, &list, &rows, count.as_slice());
        let since = timing.since(&timing.simulation.parts());
        let (stack, instructions) = &since[0];
        let charged = timing.attributed();
        for (component, slots) in stack.of_one_cpu().enumerate() {
            let sum: u64 = charged.iter().map(|row| row[component]).sum();
            let own = if component == usize::from(BASE) { *instructions } else { 0 };
            prop_assert_eq!(sum + own, slots, "component {}", component);
        }
        prop_assert!(charged.len() <= 6);
    }
}

#[test]
fn a_pause_ends_what_rows_are_charged() {
    // Each load waits for the one before.
    let miss = Outcome { ancestor: 1, ..outcome(OutcomeKind::Load, 40, MEMORY) };
    let list = vec![(miss, Vec::new(), Vec::new()); 100];
    let config = machine(|_| ());
    let marks = [(0, Mark::Pause), (20, Mark::Count), (50, Mark::Pause), (80, Mark::Count)];
    for marks in [&marks[..2], &marks[..3], &marks] {
        let timing = attributed(&config, &list, &[1; 100], marks);
        let charged: u64 = timing.attributed().iter().flatten().sum();
        let mut statistics = Statistics::default();
        timing.report(&mut statistics);
        let of = |name: &str| statistics.get(name).map_or(0.0, Value::as_f64);
        let stalls = of("run.cycles") - of("cycles.base");
        // Every part is rounded to cycles by component.
        let width = timing.width() as f64;
        assert!((charged as f64 / width - stalls).abs() < 20.0, "{charged} {stalls}");
        assert!(stalls > 100.0);
    }
}

/// What `row` was charged for `component`.
fn charged(timing: &Timing, row: usize, component: u8) -> u64 {
    timing.attributed().get(row).map_or(0, |row| row[usize::from(component)])
}

#[test]
fn a_miss_and_a_fault_are_their_own_rows() {
    let load = |served| (outcome(OutcomeKind::Load, 1, served), Vec::new(), Vec::new());
    let kind = OutcomeKind::Fault(FaultKind::Anonymous);
    let fault = Outcome { kind, work: 1, ..Outcome::default() };
    let list = [load(MEMORY), load(0), (fault, Vec::new(), vec![Work::Handler])];
    let timing = attributed(&machine(|_| ()), &list, &[1, 2, 3], &[]);
    assert!(charged(&timing, 1, DRAM) > 0 && charged(&timing, 1, FAULT_MINOR) == 0);
    assert_eq!(timing.attributed()[2].iter().sum::<u64>(), 0, "a hit behind it waits for nothing");
    assert!(charged(&timing, 3, FAULT_MINOR) > 0 && charged(&timing, 3, DRAM) == 0);
}

#[test]
fn what_comes_late_behind_a_branch_is_charged_to_the_branch() {
    let branch = (outcome(OutcomeKind::Mispredict, 1, 0), Vec::new(), Vec::new());
    let hit = (outcome(OutcomeKind::Load, 1, 0), Vec::new(), Vec::new());
    let timing = attributed(&machine(|_| ()), &[branch, hit.clone(), hit], &[1, 2, 3], &[]);
    assert!(charged(&timing, 1, BRANCH) > 0);
    assert_eq!(charged(&timing, 2, BRANCH) + charged(&timing, 3, BRANCH), 0);
}

#[test]
fn what_waits_for_the_store_queue_is_charged_to_the_store_that_holds_it() {
    let config = machine(|config| config.core.store_queue = 1);
    let missing = (outcome(OutcomeKind::Store, 1, MEMORY), Vec::new(), Vec::new());
    let hit = (outcome(OutcomeKind::Store, 1, 0), Vec::new(), Vec::new());
    let timing = attributed(&config, &[missing, hit], &[1, 2], &[]);
    assert!(charged(&timing, 1, DRAM) > 0);
    assert_eq!(charged(&timing, 2, DRAM), 0);
}
