//! Random traffic on random memories: the same commands at the same clocks, the same answers.

use proptest::prelude::*;

use super::Plain;
use crate::address::PhysAddr;
use crate::statistics::{Histogram, Statistics};
use crate::time::dram::Dram;
use crate::time::dram::settings::{self, DramPreset, Hash, Refresh, RowPolicy, Timing};
use crate::units::Span;

/// A request: whether the one before it is handed over is the next answer, whenever that comes; how long
/// after that it is, and how much later it arrives, in picoseconds; the burst; whether it is a write.
type Step = (bool, u64, u64, u64, bool);

fn traffic(longest: u64) -> impl Strategy<Value = Vec<Step>> {
    let gap = prop_oneof![8 => Just(0u64), 8 => 0..5_000u64, 4 => 0..50_000u64, 1 => 0..longest];
    let delay = prop_oneof![6 => Just(0u64), 2 => 0..20_000u64];
    let burst = prop_oneof![0..64u64, 0..1u64 << 12, 0..1u64 << 28];
    let writes = prop_oneof![Just(0.05), Just(0.5), Just(0.95)];
    writes.prop_flat_map(move |writes| {
        let answers = prop::bool::weighted(0.5);
        let step =
            (answers, gap.clone(), delay.clone(), burst.clone(), prop::bool::weighted(writes));
        prop::collection::vec(step, 1..300)
    })
}

fn machines() -> impl Strategy<Value = settings::Dram> {
    let mapping = prop::sample::select(vec![
        "RoRaBaBgCoCh",
        "RoRaBaCoBgCh",
        "RoCoRaBaBgCh",
        "ChRaBgBaRoCo",
        "RoBaCoBgChRa",
    ]);
    let preset = prop::sample::select(DramPreset::ALL);
    let sizes = (0..3u32, 0..3u32, 0..4u32, 0..3u32, 0..5u32);
    let timing = prop_oneof![
        Just(Timing::default()),
        Just(Timing { faw: Some(100), ..Timing::default() }),
        Just(Timing { refi: Some(1300), rrd_l: Some(30), ccd_l: Some(20), ..Timing::default() }),
        Just(Timing {
            rc: Some(200),
            rtp: Some(90),
            wr: Some(5),
            rtrs: Some(9),
            ..Timing::default()
        }),
    ];
    let queue = prop_oneof![1..8u32, 1..40u32];
    let sizes = (sizes, timing, queue);
    (mapping, preset, sizes, policies()).prop_map(
        |(mapping, preset, (sizes, timing, queue), policies)| {
            let (channels, ranks, groups, banks, rows) = sizes;
            let (page, refresh, hash, [write_low, write_high]) = policies;
            let machine = settings::Dram {
                preset,
                channels: 1 << channels,
                ranks: Some(1 << ranks),
                bank_groups: Some(1 << groups),
                banks: Some(1 << banks),
                rows: Some(1 << rows),
                timing,
                mapping: mapping.to_owned(),
                queue,
                page,
                refresh,
                hash,
                write_low,
                write_high,
                ..settings::Dram::default()
            };
            // Not every standard has per-bank refresh, and not all timing leaves time for it.
            match machine.validate() {
                Ok(()) => machine,
                Err(_) => settings::Dram { refresh: Refresh::AllBank, ..machine },
            }
        },
    )
}

/// Row policy, refresh, hash, watermarks.
fn policies() -> impl Strategy<Value = (RowPolicy, Refresh, Hash, [u32; 2])> {
    let page = prop_oneof![
        2 => Just(RowPolicy::Open),
        2 => Just(RowPolicy::Closed),
        1 => (0..100_000u64).prop_map(|time| RowPolicy::Timeout(Span::Picoseconds(time))),
        1 => (0..10_000_000u64).prop_map(|time| RowPolicy::Timeout(Span::Picoseconds(time))),
    ];
    let refresh = prop_oneof![
        2 => Just(Refresh::None),
        4 => Just(Refresh::AllBank),
        4 => Just(Refresh::PerBank),
    ];
    let hash = prop::sample::select(vec![Hash::None, Hash::Permutation, Hash::Xor]);
    let watermarks = prop_oneof![
        Just([20, 80]),
        (0..100u32).prop_flat_map(|low| (low + 1..101).prop_map(move |high| [low, high])),
    ];
    (page, refresh, hash, watermarks)
}

/// Runs both memories on the same traffic and compares what they do. Returns how many commands that was.
fn compare(dram: &mut Dram, settings: &settings::Dram, traffic: &[Step]) -> usize {
    let mut plain = Plain::new(settings);
    dram.keep_log();
    let (mut now, mut quiet) = (0, 0);
    let advance = |plain: &mut Plain, dram: &mut Dram, until| {
        let (expected, found) = (plain.advance(until), dram.advance(until));
        assert_eq!(found.map(|(id, time)| (id.0, time)), expected);
        expected.map(|(_, time)| time)
    };
    for (answer, gap, delay, burst, write) in traffic {
        if *answer {
            now = advance(&mut plain, dram, u64::MAX).unwrap_or(now).max(now);
        }
        now += gap;
        while let Some(time) = advance(&mut plain, dram, now) {
            assert!(time >= quiet);
        }
        plain.submit(now + delay, burst << 6, *write);
        dram.submit(now + delay, PhysAddr(burst << 6), *write);
        quiet = dram.quiet_until();
    }
    while let Some(time) = advance(&mut plain, dram, u64::MAX) {
        assert!(time >= quiet);
    }
    assert!(dram.idle() && dram.quiet_until() == u64::MAX);

    let (expected, found) = (plain.log(), dram.take_log());
    let differ = expected.iter().zip(&found).position(|(expected, found)| expected != found);
    if let Some(differ) = differ {
        panic!("command {differ}: {:?} instead of {:?}", found[differ], expected[differ]);
    }
    assert_eq!(found.len(), expected.len());

    let mut times = Histogram::default();
    plain.read_times.iter().for_each(|time| times.add(*time, 1));
    assert_eq!(dram.read_time(), &times);
    let mut statistics = Statistics::default();
    dram.report(&mut statistics);
    let names = ["row_hits", "row_misses", "row_conflicts", "activates", "refreshes"];
    let value = |name| statistics.get(&format!("dram.{name}")).unwrap().as_f64() as u64;
    assert_eq!(names.map(value), plain.counts());
    found.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn commands_are_those_of_the_plain_memory(settings in machines(), traffic in traffic(40_000_000)) {
        compare(&mut Dram::new(&settings).unwrap(), &settings, &traffic);
    }

    /// Idle seconds, over which a channel moves its epoch on.
    #[test]
    fn long_pauses_change_nothing(settings in machines(), traffic in traffic(1_000_000_000_000)) {
        // Refreshes so rare that there are not too many to compare.
        let turns = u64::from(settings.organisation().unwrap().turns);
        let refi_pb = Some((1_000_000 / turns) as u32);
        let timing = Timing { refi: Some(1_000_000), refi_pb, ..settings.timing };
        let settings = settings::Dram { timing, ..settings };
        compare(&mut Dram::new(&settings).unwrap(), &settings, &traffic);
    }

    /// Requests are numbered anew when their numbers run out.
    #[test]
    fn ages_begin_anew(settings in machines(), traffic in traffic(100_000), left in 0..200u32) {
        let mut dram = Dram::new(&settings).unwrap();
        dram.wear_out(left);
        compare(&mut dram, &settings, &traffic);
    }
}
