//! The policies against their plainest forms.

use proptest::prelude::*;

use super::{Geometry, Key, Policy, SetAssociative};

/// A set as a list of (key, value of a policy's own) that is searched from the front.
#[derive(Default, Clone)]
struct Naive {
    ways: Vec<Option<(Key, u64)>>,
}

/// The policies in their plainest form: a clock counts accesses, a way has one number.
fn naive_access(
    policy: &Policy,
    set: &mut Naive,
    ways: usize,
    key: Key,
    now: u64,
) -> Option<Option<Key>> {
    set.ways.resize(ways, None);
    let distant = 3;
    if let Some((_, rank)) = set.ways.iter_mut().flatten().find(|(held, _)| *held == key) {
        match policy {
            Policy::Lru(_) => *rank = now,
            Policy::Srrip(_) => *rank = 0,
            _ => {}
        }
        return None;
    }
    let rank = if matches!(policy, Policy::Srrip(_)) { distant - 1 } else { now };
    if let Some(empty) = set.ways.iter_mut().find(|way| way.is_none()) {
        *empty = Some((key, rank));
        return Some(None);
    }
    let victim = if matches!(policy, Policy::Srrip(_)) {
        while !set.ways.iter().flatten().any(|(_, rank)| *rank == distant) {
            set.ways.iter_mut().flatten().for_each(|(_, rank)| *rank += 1);
        }
        distant
    } else {
        set.ways.iter().flatten().map(|(_, rank)| *rank).min().unwrap()
    };
    let way = set.ways.iter().flatten().position(|(_, rank)| *rank == victim);
    let old = set.ways[way.unwrap()].replace((key, rank));
    Some(old.map(|(key, _)| key))
}

fn compare(policy: &Policy, sets: u32, ways: u32, trace: &[(u64, u32, u8)]) {
    let mut array =
        SetAssociative::new(policy, Geometry { sets, ways, number_bits: 64, context_bits: 16 }, 0)
            .unwrap();
    let mut naive = vec![Naive::default(); sets as usize];
    for (now, (number, context, action)) in trace.iter().enumerate() {
        let key = Key { number: *number, context: *context };
        let set = &mut naive[(*number % u64::from(sets)) as usize];
        if *action == 0 {
            let held = set.ways.iter_mut().find(|way| way.is_some_and(|(held, _)| held == key));
            assert_eq!(array.invalidate(key).is_some(), held.map(|way| *way = None).is_some());
            continue;
        }
        let expected = naive_access(policy, set, ways as usize, key, now as u64 + 1);
        assert_eq!(array.probe(key).is_none(), expected.is_some());
        let got = match array.lookup(key) {
            Some(value) => {
                assert_eq!(*value, *number);
                None
            }
            None => Some(array.fill(key, *number).map(|evicted| {
                assert_eq!(evicted.value, evicted.key.number);
                evicted.key
            })),
        };
        assert_eq!(got, expected, "{policy:?}, access {now}");
    }
    let held: usize = naive.iter().map(|set| set.ways.iter().flatten().count()).sum();
    assert_eq!(array.entries().count(), held);
    assert_eq!(array.retain(|_, _| false), held as u64);
    assert_eq!(array.entries().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn policies_are_what_they_say(
        sets in 1u32..5,
        ways in prop_oneof![1u32..20, 30u32..36],
        policy in prop_oneof![
            Just(Policy::Lru(Default::default())),
            Just(Policy::Fifo(Default::default())),
            Just(Policy::Srrip(Default::default())),
        ],
        trace in prop::collection::vec((0u64..150, 0u32..2, 0u8..16), 1..600),
    ) {
        compare(&policy, sets, ways, &trace);
    }
}
