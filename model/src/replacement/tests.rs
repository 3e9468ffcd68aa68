//! Arrays and policies against their plainest forms.

use proptest::prelude::*;

use super::{Geometry, Inserted, Key, PlaceError, Policy, Reached, SetAssociative, bip, srrip};

fn geometry(sets: u32, ways: u32) -> Geometry {
    Geometry { sets, ways, number_bits: 64, context_bits: 16 }
}

fn key(number: u64) -> Key {
    Key { number, context: 0 }
}

fn lru(sets: u32, ways: u32) -> SetAssociative {
    SetAssociative::new(&Policy::default(), geometry(sets, ways), 0).unwrap()
}

/// Looks up, fills on a miss; whether it hit.
fn access(array: &mut SetAssociative, key: Key) -> bool {
    let hit = array.lookup(key, false).is_some();
    if !hit {
        array.fill(key, false);
    }
    hit
}

/// The hits of `cycles` cycles over `lines` lines of each of `sets` sets of `ways` ways, set by set.
pub(super) fn hits_of_cycles(
    policy: &Policy,
    sets: u32,
    ways: u32,
    lines: u64,
    cycles: u64,
) -> u64 {
    let mut array = SetAssociative::new(policy, geometry(sets, ways), 1).unwrap();
    let all = u64::from(sets) * lines;
    let hits = (0..cycles * all).filter(|k| access(&mut array, key(k % all)));
    hits.count() as u64
}

/// The hits of `cycles` cycles over `lines` lines of one set.
pub(super) fn hits_of_a_cycle(policy: &Policy, ways: u32, lines: u64, cycles: u64) -> u64 {
    hits_of_cycles(policy, 1, ways, lines, cycles)
}

/// An array whose entries have values, all of them marked: what is displaced is known.
struct Valued {
    array: SetAssociative,
    values: Vec<u64>,
}

impl Valued {
    fn new(policy: &Policy, geometry: Geometry) -> Self {
        let array = SetAssociative::new(policy, geometry, 0).unwrap();
        let values = vec![0; array.entries()];
        Self { array, values }
    }

    fn lookup(&mut self, key: Key) -> Option<u64> {
        self.array.lookup(key, false).map(|entry| self.values[entry])
    }

    /// Puts in a key that is not there; the number of what that displaces, by both of its tellings.
    fn fill(&mut self, key: Key) -> Option<u64> {
        let reached = self.array.fill(key, true);
        let entry = self.array.probe(key).unwrap();
        let old = std::mem::replace(&mut self.values[entry], key.number);
        match reached {
            Reached::Filled => None,
            Reached::Marked(number) => {
                assert_eq!(number, old);
                Some(number)
            }
            Reached::Hit | Reached::Displaced => panic!("every entry is marked, and it was absent"),
        }
    }
}

/// A cyclic sweep over W pages a set of S sets misses S × W times in all if W ≤ associativity, and
/// always if not (FACTS: closed forms).
#[test]
fn a_cyclic_sweep_fits_or_always_misses() {
    for (sets, ways) in [(1, 1), (16, 4), (128, 12), (5, 3), (1, 32), (1, 33), (3, 40), (7, 20)] {
        for over in [0, 1] {
            let mut array = lru(sets, ways);
            let pages = u64::from(sets) * u64::from(ways + over);
            let sweeps = 3;
            let misses =
                (0..sweeps * pages).filter(|k| !access(&mut array, key(k % pages))).count() as u64;
            let expected = if over == 0 { pages } else { sweeps * pages };
            assert_eq!(misses, expected, "{sets} sets of {ways} ways");
        }
    }
}

/// Direct-mapped, 4 sets of one-byte-tag lines of 2 bytes: the trace 0, 1, 7, 8, 0 of CS:APP section
/// 6.4.2 misses, hits, misses, misses (8 displaces 0 in set 0) and misses.
#[test]
fn the_direct_mapped_example() {
    let mut array = lru(4, 1);
    let hits: Vec<bool> =
        [0u64, 1, 7, 8, 0].iter().map(|addr| access(&mut array, key(addr / 2))).collect();
    assert_eq!(hits, [false, true, false, false, false]);
}

/// Tags that fit the blocks, that need 32 bits more, and that are kept whole find the same, and so do
/// blocks and the index.
#[test]
fn widths_change_nothing() {
    let run = |number_bits, ways| {
        let geometry = Geometry { sets: 3, ways, number_bits, context_bits: 2 };
        let mut array = Valued::new(&Policy::default(), geometry);
        let mut state = 1u64;
        (0..2000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let key = Key { number: (state >> 40) % 100, context: (state >> 60) as u32 % 4 };
                array.lookup(key).is_none().then(|| array.fill(key))
            })
            .collect::<Vec<_>>()
    };
    for ways in [4, 6, 12, 20] {
        for number_bits in [40, 64] {
            assert_eq!(run(10, ways), run(number_bits, ways));
        }
    }
}

/// Tags whose first 16 bits are equal are told apart by the rest of them.
#[test]
fn the_rest_of_a_tag_counts() {
    for (number_bits, ways) in [(40, 4), (40, 8), (40, 16), (64, 8)] {
        let geometry = Geometry { sets: 1, ways, number_bits, context_bits: 8 };
        let mut array = Valued::new(&Policy::default(), geometry);
        let keys: Vec<_> = (0..u64::from(ways) + 1)
            .map(|k| Key { number: 0x1234 + ((k / 2) << 30), context: (k % 2) as u32 })
            .collect();
        keys[..ways as usize].iter().for_each(|key| assert_eq!(array.fill(*key), None));
        for key in &keys[..ways as usize] {
            assert_eq!(array.lookup(*key), Some(key.number));
        }
        assert_eq!(array.lookup(keys[ways as usize]), None);
        assert_eq!(array.fill(keys[ways as usize]), Some(0x1234));
        assert_eq!(array.lookup(keys[0]), None);
        assert_eq!(array.lookup(keys[1]), Some(0x1234));
    }
}

/// Keys at the ends of their range are told apart from each other and from an empty way.
#[test]
fn extreme_keys_are_keys() {
    for (number_bits, context_bits) in
        [(16, 0), (11, 5), (31, 0), (20, 11), (48, 0), (63, 0), (47, 16), (64, 32), (64, 0)]
    {
        for ways in [4, 8, 16, 20] {
            let geometry = Geometry { sets: 1, ways, number_bits, context_bits };
            let mut array = Valued::new(&Policy::default(), geometry);
            let last = u64::MAX >> (64 - number_bits);
            let context = if context_bits == 0 { 0 } else { u32::MAX >> (32 - context_bits) };
            let keys = [(0, 0), (last, context), (last, 0), (0, context)];
            let mut known: Vec<Key> = Vec::new();
            for (number, context) in keys {
                let key = Key { number, context };
                assert_eq!(array.lookup(key).is_some(), known.contains(&key));
                if !known.contains(&key) {
                    assert_eq!(array.fill(key), None);
                    known.push(key);
                }
            }
            let held: Vec<Key> = array.array.iter().map(|(_, _, key, _)| key).collect();
            assert_eq!(held, known);
        }
    }
}

#[test]
fn entries_can_be_placed() {
    for ways in [2, 20] {
        let geometry = Geometry { sets: 4, ways, number_bits: 10, context_bits: 0 };
        let mut array = SetAssociative::new(&Policy::default(), geometry, 0).unwrap();
        let entry = array.place(3, 1, 0x0d, 0).unwrap();
        assert_eq!(array.probe(key(0x0d * 4 + 3)), Some(entry));
        let there: Vec<_> = array.iter().collect();
        assert_eq!(there, [(3, 1, key(0x0d * 4 + 3), entry)]);
        let way = ways as usize;
        assert_eq!(array.place(4, 0, 1, 0), Err(PlaceError::Set { set: 4, sets: 4 }));
        assert_eq!(array.place(0, way, 1, 0), Err(PlaceError::Way { way, ways: way }));
        assert_eq!(array.place(3, 1, 1, 0), Err(PlaceError::Taken { set: 3, way: 1 }));
        assert_eq!(array.place(3, 0, 0x0d, 0), Err(PlaceError::Duplicate { set: 3, tag: 0x0d }));
        assert_eq!(array.place(0, 0, u64::MAX, 0), Err(PlaceError::Tag { tag: u64::MAX }));
        assert_eq!(array.place(0, 0, 1 << 40, 0), Err(PlaceError::Tag { tag: 1 << 40 }));
        assert_eq!(array.place(0, 0, 1 << 8, 0), Err(PlaceError::Tag { tag: 1 << 8 }));
        // The lowest invalid way of set 3 is filled before the placed one is displaced.
        assert_eq!(array.insert(key(3)), Inserted::Filled(entry - 1));
        (2..u64::from(ways))
            .for_each(|k| assert_eq!(array.fill(key(7 + 4 * k), false), Reached::Filled));
        assert_eq!(array.insert(key(7)), Inserted::Displaced(entry));
        assert_eq!(array.insert(key(7)), Inserted::There(entry));
    }
}

/// A mark is set by what asks for it, stays through uses, and goes with its entry.
#[test]
fn marks_belong_to_their_entries() {
    for ways in [1, 8, 16, 20] {
        let mut array = lru(1, ways);
        let ways = u64::from(ways);
        (0..ways).for_each(|k| assert_eq!(array.access(key(k), false), Reached::Filled));
        assert_eq!(array.marked(key(0)), Some(false));
        assert_eq!(array.lookup(key(0), true), array.lookup(key(0), false));
        assert_eq!((array.marked(key(0)), array.marked(key(ways))), (Some(true), None));
        assert_eq!((array.invalidate(key(0)), array.mark(key(0))), (Some(true), false));
        assert_eq!(array.invalidate(key(0)), None);
        assert_eq!(array.fill(key(0), false), Reached::Filled);
        assert_eq!(array.marked(key(0)), Some(false));
        assert!(array.mark(key(0)));
        (1..ways).for_each(|k| assert_eq!(array.access(key(k), false), Reached::Hit));
        // Key 0 is the least recent; a write that finds it changes nothing about that.
        assert_eq!(array.write(key(0)), Reached::Hit);
        assert_eq!(array.write(key(ways)), Reached::Marked(0));
        assert_eq!(array.marked(key(ways)), Some(true));
    }
}

#[test]
fn what_a_policy_cannot_rank_is_refused() {
    let bip = Policy::Bip(bip::Settings { throttle: 0 });
    assert!(SetAssociative::new(&bip, geometry(1, 12), 0).is_err());
    let srrip = Policy::Srrip(srrip::Settings { bits: 9 });
    assert!(SetAssociative::new(&srrip, geometry(1, 12), 0).is_err());
    let lru = Policy::default();
    assert!(SetAssociative::new(&lru, geometry(3, 12), 0).is_ok());
}

/// Arrays whose only block is all of their memory, so that a read beside it shows under valgrind.
#[test]
fn arrays_of_one_set() {
    for name in Policy::NAMES {
        let policy: Policy = serde_json::from_value((*name).into()).unwrap();
        for (ways, number_bits) in
            [(1, 16), (4, 40), (8, 16), (8, 64), (16, 16), (16, 40), (32, 40)]
        {
            let geometry = Geometry { sets: 1, ways, number_bits, context_bits: 0 };
            let mut array = SetAssociative::new(&policy, geometry, 0).unwrap();
            let hits = (0..400).filter(|k| {
                let key = key(k * k % 37);
                array.access(key, k % 3 == 0) == Reached::Hit
            });
            assert!(hits.count() < 400);
            assert_eq!(array.iter().count(), array.ways().min(19));
        }
    }
}

/// The unsafe reads of `lanes`, where valgrind is installed to watch them.
#[test]
fn arrays_under_valgrind() {
    let program = std::env::current_exe().unwrap();
    let watched = std::process::Command::new("valgrind")
        .args(["--quiet", "--error-exitcode=99"])
        .arg(program)
        .args(["--exact", "replacement::tests::arrays_of_one_set"])
        .output();
    match watched {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not run: there is no valgrind here");
        }
        watched => {
            let watched = watched.unwrap();
            let said = String::from_utf8_lossy(&watched.stdout);
            assert!(watched.status.success() && said.contains("1 passed"), "{watched:?}");
        }
    }
}

/// No parameter is accepted and ignored: another value of each makes other accesses hit.
#[test]
fn every_parameter_matters() {
    let hits = |policy: &serde_json::Value| -> Vec<bool> {
        let policy: Policy = serde_json::from_value(policy.clone()).unwrap();
        let mut array = SetAssociative::new(&policy, geometry(16, 4), 1).unwrap();
        // Phases of cycles that do not fit, and of lines that are used twice, a while apart, from few sites.
        let accesses = (0..60_000u64).map(|k| match k / 10_000 % 2 {
            0 => (k % 100, (k % 7) << 11),
            _ => (2000 + k / 2 - k % 2 * 20, k % 2),
        });
        let hits = accesses.map(|(number, site)| {
            array.site(site);
            access(&mut array, key(number))
        });
        hits.collect()
    };
    let mut parameters = 0;
    for name in Policy::NAMES {
        let policy: Policy = serde_json::from_value((*name).into()).unwrap();
        let usual = serde_json::to_value(&policy).unwrap();
        let before = hits(&usual);
        for (key, value) in usual.as_object().into_iter().flatten() {
            let Some(value) = value.as_u64() else { continue };
            let other = if key == "leaders" { 1 } else { value / 2 };
            let mut changed = usual.clone();
            changed[key] = other.into();
            assert!(hits(&changed) != before, "{changed} is {usual}");
            parameters += 1;
        }
    }
    assert!(parameters >= 13, "{parameters}");
}

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

fn compare(policy: &Policy, geometry: Geometry, trace: &[(u64, u32, u8)]) {
    let Geometry { sets, ways, .. } = geometry;
    let mut array = Valued::new(policy, geometry);
    let mut naive = vec![Naive::default(); sets as usize];
    for (now, (number, context, action)) in trace.iter().enumerate() {
        let key = Key { number: *number, context: *context };
        let set = &mut naive[(*number % u64::from(sets)) as usize];
        if *action == 0 {
            let held = set.ways.iter_mut().find(|way| way.is_some_and(|(held, _)| held == key));
            assert_eq!(array.array.invalidate(key), held.map(|way| *way = None).map(|()| true));
            continue;
        }
        let expected = naive_access(policy, set, ways as usize, key, now as u64 + 1);
        assert_eq!(array.array.probe(key).is_none(), expected.is_some());
        let got = match array.lookup(key) {
            Some(value) => {
                assert_eq!(value, *number);
                None
            }
            None => Some(array.fill(key)),
        };
        let expected = expected.map(|displaced| displaced.map(|key| key.number));
        assert_eq!(got, expected, "{policy:?}, access {now}");
    }
    let held: Vec<_> = naive
        .iter()
        .enumerate()
        .flat_map(|(set, naive)| {
            naive.ways.iter().enumerate().map(move |(way, held)| (set, way, held))
        })
        .filter_map(|(set, way, held)| held.map(|(key, _)| (set, way, key)))
        .collect();
    let listed: Vec<_> = array.array.iter().map(|(set, way, key, _)| (set, way, key)).collect();
    assert_eq!(listed, held);
    assert_eq!(array.array.retain(|_| false), held.len() as u64);
    assert_eq!(array.array.iter().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn policies_are_what_they_say(
        sets in 1u32..5,
        ways in prop_oneof![1u32..20, 30u32..36, Just(70)],
        number_bits in prop_oneof![Just(14), Just(30), Just(64)],
        policy in prop_oneof![
            Just(Policy::Lru(Default::default())),
            Just(Policy::Fifo(Default::default())),
            Just(Policy::Srrip(Default::default())),
        ],
        trace in prop::collection::vec((0u64..150, 0u32..2, 0u8..16), 1..600),
    ) {
        let geometry = Geometry { sets, ways, number_bits, context_bits: 2 };
        compare(&policy, geometry, &trace);
    }
}
