//! First levels that know the future, against a search for the victim in what is left of the trace.

use proptest::prelude::*;
use tracegen::batch::{Batch, NextUses};

use super::{count, load, machine};
use crate::outcome::Outcomes;

/// Two sets of two ways each, of lines and of pages.
const FORESEEN: &str = r#"
    [mmu]
    page_table = "flat"
    va_bits = 24
    [mmu.walker]
    entry_level = "memory"
    [[mmu.tlb]]
    name = "dtlb"
    level = 1
    entries = 4
    ways = 2
    replacement = "opt"
    [[cache]]
    name = "l1d"
    level = 1
    size = "256B"
    ways = 2
    replacement = "opt"
"#;

/// What two sets of two ways miss of `numbers`: where a set is full, what comes last again goes.
fn misses(numbers: &[u64]) -> u64 {
    let mut sets = [Vec::new(), Vec::new()];
    let mut missed = 0;
    for (at, number) in numbers.iter().enumerate() {
        let set: &mut Vec<u64> = &mut sets[(number % 2) as usize];
        if set.contains(number) {
            continue;
        }
        missed += 1;
        if set.len() == 2 {
            let next = |held: &u64| numbers[at..].iter().position(|other| other == held);
            let last = usize::from(
                next(&set[1]).unwrap_or(usize::MAX) > next(&set[0]).unwrap_or(usize::MAX),
            );
            set.remove(last);
        }
        set.push(*number);
    }
    missed
}

/// When each of `numbers` comes again.
fn again(numbers: &[u64]) -> Vec<u64> {
    let later = |at: usize| numbers[at + 1..].iter().position(|other| *other == numbers[at]);
    (0..numbers.len())
        .map(|at| later(at).map_or(u64::MAX, |ahead| (at + 1 + ahead) as u64))
        .collect()
}

proptest! {
    /// The trace's lines lie in eight pages, with two frames' worth of choice in each.
    #[test]
    fn no_first_level_misses_more_than_it_must(
        touched in prop::collection::vec((0u64..8, 0u64..3), 1..200),
    ) {
        let addresses: Vec<u64> = touched.iter().map(|(page, line)| page << 12 | line << 6).collect();
        let mut batch = Batch::new();
        addresses.iter().for_each(|addr| batch.push_access(load(*addr)));
        let pages: Vec<u64> = addresses.iter().map(|addr| addr >> 12).collect();
        let lines: Vec<u64> = addresses.iter().map(|addr| addr >> 6).collect();
        for (shift, numbers) in [(6, &lines), (12, &pages)] {
            batch.next_uses.push(NextUses { shift, touches: again(numbers) });
        }
        let mut simulator = machine(FORESEEN);
        prop_assert_eq!(simulator.next_use_shifts().iter().copied().collect::<Vec<_>>(), [6, 12]);
        simulator.process(&batch, &mut Outcomes::default()).unwrap();
        prop_assert_eq!(count(&simulator, "dtlb.misses"), misses(&pages));
        // A page's lines are in the sets of their own numbers, whatever its frame.
        prop_assert_eq!(count(&simulator, "l1d.misses"), misses(&lines));
    }
}
