//! The memory as a whole: published latencies and bandwidths, and random traffic under the checker.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::settings::{DramPreset, Hash, Refresh, RowPolicy, Timing};
use super::*;
use crate::units::Span;

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

/// The same of every standard, by its own figures: tRP, tRCD and tCL as they apply, the bursts of a line
/// tCCD_L apart, and the clocks of a command besides the first. A read of one subchannel, twice a row, then of
/// another row.
#[test]
fn latencies_of_an_idle_bank_of_every_standard() {
    let expected = [
        (DramPreset::Ddr4_2400, [37, 21, 53]),
        (DramPreset::Ddr4_3200, [49, 27, 71]),
        // Reads and activations of two clocks: 1 + 39 + 1 + 40 + 8; a precharge of one before.
        (DramPreset::Ddr5_4800, [89, 50, 127]),
        // 1 + 1 + 15 + 17 + 4 + 2: the activation takes two clocks, the second burst ends the line.
        (DramPreset::Lpddr5_6400, [40, 24, 54]),
        (DramPreset::Hbm2e, [55, 35, 78]),
        (DramPreset::Gddr6, [58, 31, 85]),
    ];
    assert_eq!(expected.map(|(preset, _)| preset), DramPreset::ALL);
    for (preset, clocks) in expected {
        let settings = settings::Dram { preset, ..settings() };
        let organisation = settings.organisation().unwrap();
        let tck = settings.clocks().unwrap().tck;
        let mut dram = Dram::new(&settings).unwrap();
        let line = u64::from(organisation.channels) * 64;
        let row = line * u64::from(organisation.lines * organisation.banks_a_rank());
        let read = |(arrival, addr): (u64, u64)| {
            dram.submit(arrival * tck, PhysAddr(addr), false);
            dram.advance(u64::MAX).unwrap().1 / tck - arrival
        };
        assert_eq!([(100, 0), (400, line), (700, row)].map(read), clocks, "{preset:?}");
    }
}

/// A closed row is opened by every read; one bank opens no more than a row each row cycle of 74.
#[test]
fn latencies_of_closed_rows() {
    let closed = settings::Dram { page: RowPolicy::Closed, ..settings() };
    let mut dram = Dram::new(&closed).unwrap();
    assert_eq!(read(&mut dram, 100, 0), 49);
    assert_eq!(read(&mut dram, 149, 1 << 13), 49, "another bank group");
    assert_eq!(read(&mut dram, 300, 64), 49, "the same row");
    assert_eq!(read(&mut dram, 349, 128), 27, "open until tRAS is over, at 353");
    assert_eq!(read(&mut dram, 600, 0), 49);
    assert_eq!(read(&mut dram, 649, 1 << 17), 74, "another row, opened tRC after the first");
    let mut both = Dram::new(&closed).unwrap();
    for line in [0, 64] {
        both.submit(0, PhysAddr(line), false);
    }
    let times = [(); 2].map(|()| both.advance(u64::MAX).unwrap().1 / TCK);
    assert_eq!(times, [49, 57], "a row that is wanted stays open");
}

/// 100 ns are 160 clocks from the read command, which comes 26 clocks before the last beat.
#[test]
fn latencies_of_rows_that_time_out() {
    let page = RowPolicy::Timeout(Span::Picoseconds(100_000));
    let mut dram = Dram::new(&settings::Dram { page, ..settings() }).unwrap();
    assert_eq!(read(&mut dram, 100, 0), 49);
    assert_eq!(read(&mut dram, 200, 0), 27, "hit at 201");
    assert_eq!(read(&mut dram, 360, 0), 27, "in time, at the clock of the precharge");
    assert_eq!(read(&mut dram, 600, 0), 49, "closed at 521");
    // The read is at 623: the row is closed at 783, and opened 22 later.
    assert_eq!(read(&mut dram, 783, 0), 805 - 783 + 22 + 26, "just closed");
}

/// Bandwidth counts each subchannel once: 38.4 GB/s of a channel of DDR5-4800.
#[test]
fn every_standard_comes_near_its_bandwidth() {
    let peaks = [19.2, 25.6, 38.4, 12.8, 51.2, 56.0];
    for (&preset, peak) in DramPreset::ALL.iter().zip(peaks) {
        let mapping = "RoRaCoBaBgCh".to_owned();
        let settings = settings::Dram { preset, mapping, ..settings() };
        let mut dram = Dram::new(&settings).unwrap();
        let lines = 50_000;
        let end = stream(&mut dram, (0..lines).map(|line| line << 6), 128);
        let rate = (lines * 64) as f64 / end as f64 * 1000.0;
        assert!(rate > 0.8 * peak && rate < 1.002 * peak, "{preset:?}: {rate} GB/s");
    }
}

/// A refresh of a few banks leaves the others to be read.
#[test]
fn refreshes_in_turn_hold_up_less() {
    let mean = |refresh| {
        let preset = DramPreset::Lpddr5_6400;
        let mut dram = Dram::new(&settings::Dram { preset, refresh, ..settings() }).unwrap();
        let mut rng = Pcg64Mcg::seed_from_u64(3);
        let ends = stream(&mut dram, (0..50_000).map(|_| rng.random_range(0..1 << 24) << 6), 32);
        ends as f64 / 50_000.0
    };
    let [none, bank, whole] = [Refresh::None, Refresh::PerBank, Refresh::AllBank].map(mean);
    assert!(none < bank && bank < whole, "{none} {bank} {whole}");
}

/// What the currents of the data sheet come to, by hand: 8 parts at 1.2 V, with clocks of 0.625 ns.
#[test]
fn energy_of_commands_and_standby() {
    let mut dram = Dram::new(&settings()).unwrap();
    let clock = 8 * 1200 * 625;
    // (57 - 37 mA) for 74 clocks, less a sixteenth of (52 - 37 mA) for 52.
    let row = clock * (20_000 * 74 - 15_000 * 52 / 16);
    assert_eq!(dram.energy.of(Command::Activate), row);
    assert_eq!(dram.energy.of(Command::Read), clock * (168_000 - 52_000) * 4);
    assert_eq!(dram.energy.of(Command::Write), clock * (150_000 - 52_000) * 4);
    assert_eq!(dram.energy.of(Command::Refresh), clock * (250_000 - 37_000) * 560);
    let background = |dram: &Dram| {
        let mut statistics = Statistics::default();
        dram.report(&mut statistics);
        statistics.get("dram.energy.background_nj").unwrap().as_f64() as u128
    };
    dram.advance(1_000_000 * TCK);
    let standby = clock * 37_000 * 1_000_000;
    assert_eq!(background(&dram), standby / 10u128.pow(12), "355 mW");
    // A row is open from clock 1_000_001 to the next refresh, which is due every 12480.
    dram.submit(1_000_000 * TCK, PhysAddr(0), false);
    dram.advance(u64::MAX).unwrap();
    dram.advance(1_020_000 * TCK);
    let open = (81 * 12480 - 1_000_001) * clock * 15_000 / 16;
    assert_eq!(background(&dram), (standby / 100 * 102 + open) / 10u128.pow(12));
}

#[test]
fn a_touched_row_is_open_until_its_rank_is_refreshed() {
    let mut dram = Dram::new(&settings()).unwrap();
    dram.touch(100 * TCK, PhysAddr(0));
    dram.touch(100 * TCK, PhysAddr(1 << 13));
    assert_eq!(read(&mut dram, 200, 64), 27, "hit");
    assert_eq!(read(&mut dram, 300, 1 << 17), 71, "conflict");
    dram.touch(400 * TCK, PhysAddr(0));
    assert_eq!(read(&mut dram, 500, 0), 27, "hit");
    // A refresh is due every 12,480 clocks. The first comes before the read, the second and third before
    // the touch, which is for another bank group.
    assert_eq!(read(&mut dram, 20_000, 0), 49, "closed by the refresh before a read");
    dram.touch(40_000 * TCK, PhysAddr(1 << 13));
    assert_eq!(read(&mut dram, 41_000, 0), 49, "closed by a refresh before a touch");
    assert_eq!(read(&mut dram, 42_000, 1 << 13), 27, "opened after it");
    let mut statistics = Statistics::default();
    dram.report(&mut statistics);
    let value = |name| statistics.get(name).unwrap().as_f64();
    assert_eq!((value("dram.reads"), value("dram.refreshes")), (6.0, 3.0));
}

#[test]
fn a_touch_leaves_a_busy_channel_alone() {
    let mut dram = Dram::new(&settings()).unwrap();
    let id = dram.submit(100 * TCK, PhysAddr(0), false);
    dram.touch(100 * TCK, PhysAddr(1 << 17));
    assert_eq!(dram.advance(u64::MAX), Some((id, 149 * TCK)), "closed");
    assert_eq!(read(&mut dram, 200, 64), 27, "hit");
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

/// Random traffic: (gap in picoseconds, line, write).
fn traffic() -> impl Strategy<Value = Vec<(u64, u64, bool)>> {
    // Few rows, so that hits, conflicts and both directions meet in the same bank.
    let gap =
        prop_oneof![4 => Just(0u64), 4 => 0..5_000u64, 1 => 0..200_000u64, 1 => 0..120_000_000u64];
    let burst = prop_oneof![0..64u64, 0..1u64 << 12, 0..1u64 << 28];
    prop::collection::vec((gap, burst, prop::bool::weighted(0.4)), 1..400)
}

/// Sizes and the queue of a memory of the given kind.
fn machines(kind: Kind) -> impl Strategy<Value = settings::Dram> {
    let mapping =
        prop::sample::select(vec!["RoRaBaBgCoCh", "RoRaBaCoBgCh", "RoCoRaBaBgCh", "ChRaBgBaRoCo"]);
    let sizes = (0..3u32, 0..3u32, 0..3u32, 0..3u32, 1..40u32);
    (mapping, sizes, any::<bool>()).prop_map(
        move |(mapping, (channels, ranks, groups, banks, queue), slow_window)| settings::Dram {
            channels: 1 << channels,
            ranks: Some(1 << ranks),
            bank_groups: Some(1 << groups),
            banks: Some(1 << banks),
            rows: Some(16),
            timing: Timing {
                faw: slow_window.then_some(100),
                // Banks of few turns are refreshed as often as those of many.
                refi_pb: (kind.refresh == Refresh::PerBank && groups + banks < 3).then_some(2000),
                ..Timing::default()
            },
            mapping: mapping.to_owned(),
            queue,
            ..kind.settings()
        },
    )
}

/// What the traffic is checked under, each with every other.
#[derive(Debug, Clone, Copy)]
struct Kind {
    preset: DramPreset,
    page: RowPolicy,
    refresh: Refresh,
    hash: Hash,
}

impl Kind {
    fn settings(self) -> settings::Dram {
        let Self { preset, page, refresh, hash } = self;
        settings::Dram { preset, page, refresh, hash, ..settings() }
    }

    fn all() -> Vec<Self> {
        let timeout = RowPolicy::Timeout(Span::Picoseconds(100_000));
        let mut all = Vec::new();
        for &preset in DramPreset::ALL {
            for page in [RowPolicy::Open, RowPolicy::Closed, timeout] {
                for refresh in [Refresh::None, Refresh::AllBank, Refresh::PerBank] {
                    for hash in [Hash::None, Hash::Permutation, Hash::Xor] {
                        all.push(Self { preset, page, refresh, hash });
                    }
                }
            }
        }
        all.retain(|kind| kind.settings().validate().is_ok());
        all
    }
}

/// Every read is answered once, in time order, no sooner than it can be; every constraint holds; every
/// request has one class; and the energy is that of the commands.
fn keeps_the_standard(
    settings: &settings::Dram,
    traffic: &[(u64, u64, bool)],
) -> Result<(), TestCaseError> {
    let mut dram = Dram::new(settings).unwrap();
    dram.keep_log();
    let (mut now, mut done, mut reads) = (0, Vec::new(), 0);
    for (gap, line, write) in traffic {
        now += gap;
        while let Some((id, time)) = dram.advance(now) {
            prop_assert!(time <= now);
            done.push((time, id));
        }
        dram.submit(now, PhysAddr(line << 6), *write);
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
    if let Err(violation) = checker::check(settings, &log) {
        return Err(TestCaseError::fail(violation.to_string()));
    }
    let count = |commands: &[Command]| {
        log.iter().filter(|issued| commands.contains(&issued.command)).count()
    };
    let bursts = settings.organisation().unwrap().bursts as usize;
    prop_assert_eq!(count(&[Command::Read, Command::Write]), traffic.len() * bursts);
    let mut statistics = Statistics::default();
    dram.report(&mut statistics);
    let value = |name: &str| statistics.get(name).unwrap().as_f64() as usize;
    let classes = value("dram.row_hits") + value("dram.row_misses") + value("dram.row_conflicts");
    prop_assert_eq!(classes, traffic.len());
    let refreshes = count(&[Command::Refresh, Command::RefreshBank]);
    prop_assert_eq!(value("dram.refreshes"), refreshes);
    let energy =
        |command| (dram.energy.of(command) * count(&[command]) as u128 / 10u128.pow(12)) as usize;
    prop_assert_eq!(value("dram.energy.activate_nj"), energy(Command::Activate));
    prop_assert_eq!(value("dram.energy.read_nj"), energy(Command::Read));
    prop_assert_eq!(value("dram.energy.write_nj"), energy(Command::Write));
    Ok(())
}

/// Every standard, with every row policy, refresh and hash, on random organisations under random traffic.
#[test]
fn random_traffic_keeps_the_standard() {
    let all = Kind::all();
    assert_eq!(all.len(), (2 * 2 + 4 * 3) * 3 * 3);
    for kind in all {
        let mut runner = TestRunner::new(ProptestConfig { cases: 8, ..ProptestConfig::default() });
        let checked = runner.run(&(machines(kind), traffic()), |(settings, traffic)| {
            keeps_the_standard(&settings, &traffic)
        });
        checked.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
    }
}
