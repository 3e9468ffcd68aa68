//! The memory as a whole: published latencies and bandwidths, and random traffic under the checker.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::settings::{DramPreset, Timing};
use super::*;

const TCK: u64 = 625;

fn settings() -> settings::Dram {
    settings::Dram::default()
}

/// Clocks from arrival to last beat of one read at `arrival` clocks.
fn read(dram: &mut Dram, arrival: u64, addr: u64) -> u64 {
    let id = dram.submit(arrival * TCK, PhysAddr(addr), false);
    let (done, time) = dram.advance(u64::MAX).unwrap();
    assert_eq!(done, id);
    time / TCK - arrival
}

/// Mean clocks of `count` reads, each of which arrives when the one before is done.
fn dependent(dram: &mut Dram, count: u64, mut next: impl FnMut() -> u64) -> f64 {
    let mut now = 0;
    for _ in 0..count {
        now += read(dram, now, next());
    }
    now as f64 / count as f64
}

/// The time at which the last of `addresses` is read, with `outstanding` of them in flight.
fn stream(dram: &mut Dram, addresses: impl Iterator<Item = u64>, outstanding: usize) -> u64 {
    let (mut now, mut flying) = (0, 0);
    for addr in addresses {
        if flying == outstanding {
            now = dram.advance(u64::MAX).unwrap().1;
            flying -= 1;
        }
        dram.submit(now, PhysAddr(addr), false);
        flying += 1;
    }
    while let Some((_, time)) = dram.advance(u64::MAX) {
        now = time;
    }
    now
}

/// 1 clock to the first command, tRP, tRCD, tCL of 22 each as they apply, 4 clocks of burst.
#[test]
fn latencies_of_an_idle_bank() {
    let mut dram = Dram::new(&settings()).unwrap();
    assert_eq!(read(&mut dram, 100, 0), 49, "closed");
    assert_eq!(read(&mut dram, 200, 64), 27, "hit");
    assert_eq!(read(&mut dram, 300, 1 << 17), 71, "conflict");
    assert_eq!(read(&mut dram, 400, 1 << 13), 49, "closed: another bank group");
    assert_eq!(read(&mut dram, 500, 1 << 33), 71, "wraps at 8 GiB");
    let mut statistics = Statistics::default();
    dram.report(&mut statistics);
    let value = |name| statistics.get(name).unwrap().as_f64();
    let classes = ["dram.row_hits", "dram.row_misses", "dram.row_conflicts"].map(value);
    assert_eq!(classes, [1.0, 2.0, 2.0]);
    assert_eq!((value("dram.reads"), value("dram.bytes")), (5.0, 320.0));
    assert_eq!(value("dram.read_ns_mean"), (49 + 27 + 71 + 49 + 71) as f64 / 5.0 * 0.625);
}

#[test]
fn an_arrival_between_clock_edges_waits_for_the_next_one() {
    let mut dram = Dram::new(&settings()).unwrap();
    dram.submit(1, PhysAddr(0), false);
    assert_eq!(dram.advance(u64::MAX), Some((RequestId(0), 50 * TCK)));
    assert_eq!(dram.read_time().mean(), 49.0 * 625.0);
}

/// Two published simulators agree on 72.6 to 73.4 clocks, and on 28.6.
#[test]
fn dependent_streams_with_refresh() {
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let mut dram = Dram::new(&settings()).unwrap();
    let random = dependent(&mut dram, 200_000, || rng.random_range(0..1u64 << 27) << 6);
    assert!((72.6..=73.4).contains(&random), "{random}");
    let mut dram = Dram::new(&settings()).unwrap();
    let sequential = dependent(&mut dram, 200_000, (0..).map(|line| line << 6).into_next());
    assert!((28.5..=28.7).contains(&sequential), "{sequential}");
}

/// An iterator as a source of addresses.
trait IntoNext: Iterator<Item = u64> + Sized {
    fn into_next(mut self) -> impl FnMut() -> u64 {
        move || self.next().unwrap()
    }
}
impl<I: Iterator<Item = u64>> IntoNext for I {}

#[test]
fn bandwidth_is_below_the_bus_and_near_it() {
    let lines = 100_000;
    let rate = |settings: &settings::Dram| {
        let mut dram = Dram::new(settings).unwrap();
        let end = stream(&mut dram, (0..lines).map(|line| line << 6), 64);
        (lines * 64) as f64 / end as f64 * 1000.0 // GB/s
    };
    let interleaved = settings::Dram { mapping: "RoRaBaCoBgCh".to_owned(), ..settings() };
    let peak = 25.6;
    let one = rate(&interleaved);
    assert!(one > 0.85 * peak && one <= peak, "{one} GB/s");
    let two = rate(&settings::Dram { channels: 2, ..interleaved });
    assert!(two > 1.7 * peak && two <= 2.0 * peak, "{two} GB/s");
}

/// The bursts of a row lie in one bank group, whose tCCD_L of 8 clocks halves the bus.
#[test]
fn one_bank_group_takes_a_burst_every_ccd_l() {
    let mut dram = Dram::new(&settings()).unwrap();
    let end = stream(&mut dram, (0..128).map(|line| line << 6), 128);
    assert_eq!(end, (49 + 127 * 8) * TCK);
}

#[test]
fn writes_alone_are_served_and_end() {
    let mut dram = Dram::new(&settings()).unwrap();
    for line in 0..100 {
        dram.submit(0, PhysAddr(line << 20), true);
    }
    assert!(!dram.idle());
    assert_eq!(dram.advance(u64::MAX), None);
    assert!(dram.idle());
}

#[test]
fn advance_stops_at_its_limit() {
    let mut dram = Dram::new(&settings()).unwrap();
    let id = dram.submit(0, PhysAddr(0), false);
    assert_eq!(dram.advance(49 * TCK - 1), None);
    assert_eq!(dram.advance(49 * TCK), Some((id, 49 * TCK)));
    assert_eq!(dram.advance(1_000_000), None);
}

/// How finely the caller asks must not matter.
#[test]
fn small_steps_and_idle_time_change_nothing() {
    let run = |step: u64| {
        let mut dram =
            Dram::new(&settings::Dram { channels: 2, ranks: Some(2), ..settings() }).unwrap();
        let mut rng = Pcg64Mcg::seed_from_u64(7);
        let (mut now, mut done) = (0, Vec::new());
        for turn in 0..200 {
            for _ in 0..rng.random_range(1..20) {
                dram.submit(now, PhysAddr(rng.random_range(0..1 << 24) << 6), rng.random_bool(0.3));
            }
            let next =
                now + if turn % 50 == 49 { 100_000_000 } else { rng.random_range(0..500_000) };
            while now < next {
                now = next.min(now.saturating_add(step));
                while let Some(read) = dram.advance(now) {
                    done.push(read);
                }
            }
        }
        while let Some(read) = dram.advance(u64::MAX) {
            done.push(read);
        }
        let mut statistics = Statistics::default();
        dram.report(&mut statistics);
        (done, statistics)
    };
    let whole = run(u64::MAX);
    assert_eq!(run(70_000), whole);
    assert_eq!(run(997), whole);
    assert!(whole.0.is_sorted_by_key(|read| read.1));
}

/// Random traffic: (gap in picoseconds, burst, write).
fn traffic() -> impl Strategy<Value = Vec<(u64, u64, bool)>> {
    // Few rows, so that hits, conflicts and both directions meet in the same bank.
    let gap =
        prop_oneof![4 => Just(0u64), 4 => 0..5_000u64, 1 => 0..200_000u64, 1 => 0..120_000_000u64];
    let burst = prop_oneof![0..64u64, 0..1u64 << 12, 0..1u64 << 28];
    prop::collection::vec((gap, burst, prop::bool::weighted(0.4)), 1..400)
}

fn machines() -> impl Strategy<Value = settings::Dram> {
    let mapping =
        prop::sample::select(vec!["RoRaBaBgCoCh", "RoRaBaCoBgCh", "RoCoRaBaBgCh", "ChRaBgBaRoCo"]);
    let preset = prop::sample::select(vec![DramPreset::Ddr4_2400, DramPreset::Ddr4_3200]);
    let sizes = (0..3u32, 0..3u32, 0..3u32, 0..3u32, 1..40u32);
    (mapping, preset, sizes, any::<bool>()).prop_map(
        |(mapping, preset, (channels, ranks, groups, banks, queue), slow_window)| settings::Dram {
            preset,
            channels: 1 << channels,
            ranks: Some(1 << ranks),
            bank_groups: Some(1 << groups),
            banks: Some(1 << banks),
            rows: Some(16),
            timing: Timing { faw: slow_window.then_some(100), ..Timing::default() },
            mapping: mapping.to_owned(),
            queue,
            ..settings()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Every read is answered once, in time order, no sooner than it can be; every constraint holds; and
    /// every request has one class.
    #[test]
    fn random_traffic_keeps_the_standard(settings in machines(), traffic in traffic()) {
        let mut dram = Dram::new(&settings).unwrap();
        dram.keep_log();
        let (mut now, mut done, mut reads) = (0, Vec::new(), 0);
        for (gap, burst, write) in &traffic {
            now += gap;
            while let Some((id, time)) = dram.advance(now) {
                prop_assert!(time <= now);
                done.push((time, id));
            }
            dram.submit(now, PhysAddr(burst << 6), *write);
            reads += u64::from(!write);
        }
        while let Some((id, time)) = dram.advance(u64::MAX) {
            done.push((time, id));
        }
        prop_assert!(dram.idle());
        prop_assert!(done.is_sorted_by_key(|read| read.0));
        let mut ids: Vec<_> = done.iter().map(|read| read.1).collect();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len() as u64, reads);

        let log = dram.take_log();
        if let Err(violation) = checker::check(&settings, &log) {
            return Err(TestCaseError::fail(violation.to_string()));
        }
        let columns = log.iter().filter(|issued| matches!(issued.command, Command::Read | Command::Write));
        prop_assert_eq!(columns.count(), traffic.len());
        let mut statistics = Statistics::default();
        dram.report(&mut statistics);
        let value = |name| statistics.get(name).unwrap().as_f64() as usize;
        let classes = value("dram.row_hits") + value("dram.row_misses") + value("dram.row_conflicts");
        prop_assert_eq!(classes, traffic.len());
        let refreshes = log.iter().filter(|issued| issued.command == Command::Refresh).count();
        prop_assert_eq!(value("dram.refreshes"), refreshes);
    }
}
