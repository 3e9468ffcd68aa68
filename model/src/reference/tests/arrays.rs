//! Arrays under every policy against the twin's lists, way by way.

use proptest::prelude::*;

use super::super::sets::{Key as Listed, Sets};
use crate::replacement::{Geometry, Key, Policy, Reached, SetAssociative};

/// What is done to an array.
#[derive(Debug, Clone, Copy)]
enum Action {
    /// An access, from a site, that puts in what it misses; `mark` is a store.
    Access {
        site: u64,
        mark: bool,
    },
    /// A look-up that changes nothing where it misses.
    LookUp,
    /// So many accesses in a row.
    Repeat(u8),
    /// The level above writes the key back.
    WriteBack,
    Invalidate,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0u64..4, any::<bool>()).prop_map(|(site, mark)| {
            // Far apart, so that a signature takes all of the site.
            Action::Access { site: site << 40 | site, mark }
        }),
        1 => Just(Action::LookUp),
        1 => (2u8..5).prop_map(Action::Repeat),
        1 => Just(Action::WriteBack),
        1 => Just(Action::Invalidate),
    ]
}

/// Every policy as it is, and those that have parameters with some that matter in small arrays.
fn policies() -> impl Strategy<Value = Policy> {
    let tables = [
        r#"{ "policy": "srrip", "bits": 1 }"#,
        r#"{ "policy": "srrip", "bits": 4 }"#,
        r#"{ "policy": "bip", "throttle": 3 }"#,
        r#"{ "policy": "dip", "throttle": 3, "leaders": 1, "psel_bits": 2 }"#,
        r#"{ "policy": "dip", "throttle": 1, "leaders": 5, "psel_bits": 1 }"#,
        r#"{ "policy": "brrip", "bits": 3, "throttle": 2 }"#,
        r#"{ "policy": "drrip", "bits": 3, "throttle": 4, "leaders": 3, "psel_bits": 2 }"#,
        r#"{ "policy": "ship", "bits": 3, "counters": 2, "counter_bits": 1 }"#,
        r#"{ "policy": "ship", "counters": 8, "counter_bits": 2 }"#,
    ];
    let names = Policy::NAMES.iter().map(|name| format!("\"{name}\""));
    let texts: Vec<String> = names.chain(tables.map(str::to_owned)).collect();
    prop::sample::select(texts).prop_map(|text| serde_json::from_str(&text).unwrap())
}

/// The array and its twin.
struct Both {
    array: SetAssociative,
    list: Sets<bool>,
}

impl Both {
    fn access(&mut self, key: Key, listed: Listed, mark: bool) -> Result<(), TestCaseError> {
        let reached = self.array.access(key, mark);
        let expected = match self.list.look_up(listed) {
            Some(dirty) => {
                *dirty |= mark;
                Reached::Hit
            }
            None => displaced(self.list.put(listed, mark, true)),
        };
        prop_assert_eq!(reached, expected);
        Ok(())
    }

    fn act(&mut self, action: Action, key: Key) -> Result<(), TestCaseError> {
        let listed = Listed { number: key.number, process: key.context, order: 0 };
        match action {
            Action::Access { site, mark } => {
                self.array.site(site);
                self.list.note_site(site);
                self.access(key, listed, mark)?;
            }
            Action::LookUp => {
                let found = self.array.lookup(key, false).is_some();
                prop_assert_eq!(found, self.list.look_up(listed).is_some());
            }
            Action::Repeat(times) => {
                for _ in 0..times {
                    self.access(key, listed, false)?;
                }
            }
            Action::WriteBack => {
                let expected = match self.list.peek(listed) {
                    Some(dirty) => {
                        *dirty = true;
                        Reached::Hit
                    }
                    None => displaced(self.list.put(listed, true, false)),
                };
                prop_assert_eq!(self.array.write(key), expected);
            }
            Action::Invalidate => {
                prop_assert_eq!(self.array.invalidate(key), self.list.remove(listed));
            }
        }
        Ok(())
    }
}

fn displaced(old: Option<(Listed, bool)>) -> Reached {
    match old {
        None => Reached::Filled,
        Some((_, false)) => Reached::Displaced,
        Some((key, true)) => Reached::Marked(key.number),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn every_policy_agrees_with_its_twin(
        policy in policies(),
        sets in prop_oneof![1u32..6, Just(8), Just(33)],
        ways in prop_oneof![4 => 1u32..18, 1 => 30u32..36, 1 => Just(70)],
        number_bits in prop_oneof![Just(16), Just(30), Just(64)],
        spread in prop_oneof![Just(20u64), Just(150), Just(1000)],
        seed: u64,
        trace in prop::collection::vec((0u64..1000, 0u32..2, action()), 1..700),
    ) {
        let geometry = Geometry { sets, ways, number_bits, context_bits: 2 };
        let array = SetAssociative::new(&policy, geometry, seed).unwrap();
        let list = Sets::new((sets * ways).into(), ways.into(), &policy, seed);
        let mut both = Both { array, list };
        for (at, (number, context, action)) in trace.iter().enumerate() {
            let name = |(number, context, _): &(u64, u32, Action)| (number % spread, *context);
            let (number, context) = name(&(*number, *context, *action));
            let key = Key { number, context };
            if let Action::Access { .. } | Action::Repeat(_) = action {
                let mut later = (at + 1..trace.len()).filter(|at| name(&trace[*at]) == (number, context));
                let next = later.next().map_or(u64::MAX, |at| at as u64);
                both.array.foresee(key, next);
                both.list.foresee(Listed { number, process: context, order: 0 }, next);
            }
            both.act(*action, key)?;
        }
        let held: Vec<_> = both.array.iter().map(|(set, way, key, _)| {
            (set, way, Listed { number: key.number, process: key.context, order: 0 })
        }).collect();
        prop_assert_eq!(held, both.list.held());
    }
}
