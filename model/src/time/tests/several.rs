//! Several CPUs, over memories of fixed latency and real ones.

use super::*;
use crate::outcome::PEER;
use crate::time::ideal::Component;
use crate::time::several::WAITING;

/// `count` CPUs, whose l2 is shared and whose peers answer in 30 cycles.
fn cpus(count: u16, change: impl FnOnce(&mut Config)) -> Config {
    machine(|config| {
        config.core.count = count;
        config.core.peer_latency = Span::Cycles(30);
        config.cache[1].shared = Some(true);
        change(config);
    })
}

/// An outcome of a CPU.
fn of(cpu: u16, outcome: Outcome) -> Outcome {
    Outcome { cpu, ..outcome }
}

/// Ends for all CPUs.
fn ends(count: u16) -> Vec<Described> {
    let end = outcome(OutcomeKind::End, 0, 0);
    (0..count).map(|cpu| (of(cpu, end), vec![], vec![])).collect()
}

/// A machine's run over memory and device of fixed latency.
struct Ran {
    simulation: Simulation<FixedLatency, FixedLatency>,
    passed: Vec<Passed>,
}

impl Ran {
    fn slots(&self, cpu: usize) -> u64 {
        self.simulation.cpus[cpu].window.retired_at
    }
    fn charged(&self, cpu: usize, component: u8) -> u64 {
        self.simulation.cpus[cpu].window.stack.slots(component)
    }
}

fn feed(mut simulation: Simulation<FixedLatency, FixedLatency>, batches: &[Outcomes]) -> Ran {
    let mut passed = Vec::new();
    for batch in batches {
        let mut rest = batch.iter();
        passed.extend(std::iter::from_fn(|| simulation.process(&mut rest)));
    }
    simulation.finish();
    passed.extend(std::iter::from_fn(|| simulation.process(&mut std::iter::empty())));
    for cpu in &simulation.cpus {
        assert_eq!(cpu.window.stack.total(), cpu.window.retired_at, "every slot has one component");
    }
    Ran { simulation, passed }
}

fn memory_and_device() -> (FixedLatency, FixedLatency) {
    (FixedLatency::new(80_000), FixedLatency::new(5_000_000))
}

fn ran(config: &Config, list: &[Described]) -> Ran {
    let (memory, device) = memory_and_device();
    let list = [list, &ends(config.core.count)].concat();
    feed(Simulation::new(config, memory, device).unwrap(), &[batch(&list)])
}

fn plain(cpu: u16, outcome: Outcome) -> Described {
    (of(cpu, outcome), vec![], vec![])
}

/// Everything that the real memory and device make of a run.
fn timed(config: &Config, batches: &[Outcomes]) -> Statistics {
    let mut timing = Timing::new(config).unwrap();
    batches.iter().for_each(|batch| timing.process(batch));
    timing.finish();
    let mut statistics = Statistics::default();
    timing.report(&mut statistics);
    let several = config.core.count > 1;
    let each = (0..config.core.count).filter(|_| several).map(|cpu| format!("cpu.{cpu}."));
    for of in std::iter::once(String::new()).chain(each) {
        let prefix = format!("{of}cycles.");
        let parts = statistics.iter().filter(|entry| entry.name.starts_with(&prefix));
        let sum: f64 = parts.map(|entry| entry.value.as_f64()).sum();
        assert_eq!(Some(sum), statistics.get(&format!("{of}run.cycles")).map(Value::as_f64));
    }
    statistics
}

fn chain(cpu: u16, length: usize) -> Vec<Described> {
    let miss = outcome(OutcomeKind::Load, 1, MEMORY);
    (0..length).map(|k| plain(cpu, Outcome { ancestor: u32::from(k > 0), ..miss })).collect()
}

#[test]
fn independent_chains_take_no_longer_than_one() {
    for count in [2, 5, 64] {
        let config = cpus(count, |_| ());
        let chains: Vec<_> = (0..count).map(|cpu| chain(cpu, 50)).collect();
        let turns = (0..50).flat_map(|k| chains.iter().map(move |chain| chain[k].clone()));
        let ran = ran(&config, &turns.collect::<Vec<_>>());
        for cpu in 0..usize::from(count) {
            assert_eq!(ran.slots(cpu), 50 * MISS * WIDTH);
            assert_eq!(ran.charged(cpu, stack::IDLE), 0);
        }
    }
}

#[test]
fn a_line_out_of_another_cache_takes_its_latency() {
    let list = [
        plain(0, outcome(OutcomeKind::Load, 1, PEER)),
        plain(1, outcome(OutcomeKind::Load, 1, MEMORY)),
        plain(0, Outcome { ancestor: 1, ..outcome(OutcomeKind::Load, 1, PEER) }),
    ];
    let config = cpus(2, |_| ());
    let both = ran(&config, &list);
    assert_eq!([both.slots(0), both.slots(1)], [2 * (14 + 30) * WIDTH, MISS * WIDTH]);
    assert_eq!(both.charged(0, stack::PEERS), 2 * 30 * WIDTH);
    assert_eq!(both.simulation.shared.controller.memory.reads(), 1);
    let (memory, device) = memory_and_device();
    let ideal = Simulation::with(&config, memory, device, Some(Component::Peer)).unwrap();
    let list = [&list[..], &ends(2)].concat();
    assert_eq!(feed(ideal, &[batch(&list)]).slots(0), 2 * 14 * WIDTH);
}

/// The second store of two needs the one place of the store queue, for which it waits.
#[test]
fn only_the_store_queue_waits_for_an_upgrade() {
    let upgrade = reference(ReferenceKind::Upgrade, PEER);
    let store = Outcome { references: 1, ..outcome(OutcomeKind::Store, 1, 0) };
    let upgrade = (store, vec![upgrade], vec![]);
    let config = cpus(2, |config| config.core.store_queue = 1);
    let plain_store = plain(0, outcome(OutcomeKind::Store, 1, 0));
    for (first, slots) in [(upgrade, 34 * WIDTH + 1), (plain_store.clone(), 4 * WIDTH + 1)] {
        let alone = ran(&config, std::slice::from_ref(&first));
        assert_eq!(alone.slots(0), 1);
        let both = ran(&config, &[first, plain_store.clone()]);
        assert_eq!(both.slots(0), slots);
    }
}

/// As `lower_registers_bind_too`, with twice the misses.
#[test]
fn registers_of_a_shared_cache_are_shared_and_those_of_others_not() {
    let run = |change: fn(&mut Config)| {
        let miss = outcome(OutcomeKind::Load, 1, MEMORY);
        let list: Vec<_> = (0..20).flat_map(|_| [plain(0, miss), plain(1, miss)]).collect();
        let ran = ran(&cpus(2, change), &list);
        ran.slots(0).max(ran.slots(1))
    };
    assert_eq!(run(|config| config.cache[1].mshrs = 2), (14 + 20 * MEMORY_TRIP) * WIDTH);
    assert_eq!(run(|config| config.cache[0].mshrs = 1), 20 * MISS * WIDTH);
}

#[test]
fn shootdowns_cost_both_sides() {
    let kernel = |cpu, work| {
        (Outcome { work: 1, ..of(cpu, outcome(OutcomeKind::Kernel, 0, 0)) }, vec![], vec![work])
    };
    let list =
        [kernel(0, Work::Shootdown { cpus: 1, pages: 3 }), kernel(1, Work::Interrupt { pages: 3 })];
    let config = cpus(2, |_| ());
    let cost = &config.os.cost;
    let cycles = |span: Span| span.cycles(config.core.frequency);
    let sides = [
        cycles(cost.shootdown) + cycles(cost.shootdown_cpu),
        cycles(cost.interrupt) + 3 * cycles(cost.invalidate),
    ];
    let ran = ran(&config, &list);
    for (cpu, side) in sides.into_iter().enumerate() {
        assert_eq!(ran.slots(cpu), side * WIDTH);
        assert_eq!(ran.charged(cpu, stack::KERNEL), side * WIDTH);
    }
}

/// The device is asked in the order of the CPUs' times: [`FixedLatency`] insists on that.
#[test]
fn faults_of_several_cpus_share_a_device() {
    let fault = |cpu, slot| {
        let read = Work::SwapRead { slot: SwapSlot(slot), pages: 1 };
        let work = vec![Work::Handler, read, Work::Switch, read];
        let kind = OutcomeKind::Fault(FaultKind::SwapIn);
        (Outcome { work: 4, ..of(cpu, outcome(kind, 1, 0)) }, vec![], work)
    };
    let list: Vec<_> = (0..10).flat_map(|slot| [0, 1, 2].map(|cpu| fault(cpu, slot))).collect();
    let ran = ran(&cpus(3, |_| ()), &list);
    for cpu in 0..3 {
        assert_eq!(ran.charged(cpu, stack::SWAP), 10 * 2 * 5000 * WIDTH);
        assert_eq!(ran.simulation.cpus[cpu].kernel.fault_ns.count(), 10);
    }
}

/// A CPU whose outcomes come late in the trace is not ahead of it by more than what may wait.
#[test]
fn a_cpu_that_is_left_behind_is_idle() {
    const LENGTH: usize = 3 * WAITING;
    for (late, own) in [(0, MISS * WIDTH), (LENGTH, MISS * WIDTH + 1)] {
        let mut list = chain(0, LENGTH);
        list.insert(late, plain(1, outcome(OutcomeKind::Load, 1, MEMORY)));
        let ran = ran(&cpus(2, |_| ()), &list);
        assert_eq!(ran.slots(0), LENGTH as u64 * MISS * WIDTH);
        let idle = ran.charged(1, stack::IDLE);
        // The load itself, or its end, comes late: when what may wait fits, and what is in the window besides.
        let earliest = (LENGTH - WAITING - 80) as u64 * MISS * WIDTH;
        assert!((earliest..ran.slots(0)).contains(&idle), "{idle}");
        // A load that comes late has its own slot besides.
        assert_eq!(ran.slots(1) - idle, own);
    }
}

/// DDR4-3200 on one channel moves 64 bytes in four clocks of 625 ps.
#[test]
fn cpus_saturate_a_channel_together() {
    const LINES: u64 = 4000;
    let cycles = |count: u16| {
        let config = cpus(count, |config| config.cache[1].mshrs = 1024);
        let mut out = Outcomes::default();
        for line in 0..LINES {
            for cpu in 0..count {
                // Each streams through a bank of its own.
                let addr = PhysAddr((u64::from(cpu) << 20 | u64::from(cpu) << 13) + line * 64);
                let miss = Outcome { references: 1, ..outcome(OutcomeKind::Load, 1, MEMORY) };
                out.list.push(of(cpu, miss));
                out.references.push(Reference {
                    addr,
                    kind: ReferenceKind::Demand,
                    served: MEMORY,
                });
            }
        }
        out.list.extend(ends(count).iter().map(|(end, ..)| *end));
        let statistics = timed(&config, &[out]);
        assert_eq!(statistics.get("dram.reads"), Some(Value::Count(LINES * u64::from(count))));
        statistics.get("run.cycles").unwrap().as_f64()
    };
    let least = |count: u16| (LINES * u64::from(count)) as f64 * 2.5;
    let (one, eight, sixteen) = (cycles(1), cycles(8), cycles(16));
    assert!(one > 2.0 * least(1), "one CPU cannot: {one}");
    for (taken, least) in [(eight, least(8)), (sixteen, least(16))] {
        assert!((1.0..1.4).contains(&(taken / least)), "{taken} of {least}");
    }
}

/// Random outcomes of several CPUs, some with lines out of each other's caches.
fn any_list(count: u16, most: usize) -> impl Strategy<Value = Vec<Described>> {
    let one = (any_outcome(), 0..count, prop::bool::weighted(0.2));
    prop::collection::vec(one, 1..most).prop_map(|list| {
        let each = list.into_iter().map(|((mut outcome, references, work), cpu, peer)| {
            if peer && outcome.served == 1 {
                outcome.served = PEER;
            }
            (of(cpu, outcome), references, work)
        });
        each.collect()
    })
}

/// `list` with a mark for every CPU at each of some places.
fn with_marks(count: u16, list: &[Described], places: &[usize]) -> Vec<Described> {
    let mut all = Vec::new();
    for (index, described) in list.iter().enumerate() {
        for (number, _) in places.iter().enumerate().filter(|(_, place)| **place == index) {
            let mark = if number % 2 == 0 { Mark::Count } else { Mark::Pause };
            all.extend((0..count).map(|cpu| plain(cpu, outcome(OutcomeKind::Mark(mark), 0, 0))));
        }
        all.push(described.clone());
    }
    all.extend(ends(count));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// `timed` checks the sums of the components, of the machine and of each CPU.
    #[test]
    fn how_a_stream_is_cut_makes_no_difference(
        list in any_list(4, 500),
        places in prop::collection::vec(0..500usize, 0..4),
        cuts in prop::collection::vec(1..120usize, 1..20),
        (rob, registers, lower) in (1..300u32, 1..12u32, 1..20u32),
    ) {
        let config = cpus(4, |config| {
            config.core.rob = rob;
            (config.cache[0].mshrs, config.cache[1].mshrs) = (registers, lower);
            config.cache[1].bandwidth = Some(lower);
        });
        let marks = places.iter().filter(|place| **place < list.len()).count();
        let list = with_marks(4, &list, &places);
        let whole = timed(&config, &[batch(&list)]);
        let (mut parts, mut rest) = (Vec::new(), list.as_slice());
        for cut in cuts.iter().cycle() {
            let (part, others) = rest.split_at((*cut).min(rest.len()));
            parts.push(batch(part));
            rest = others;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&whole, &timed(&config, &parts));
        let (memory, device) = memory_and_device();
        let ran = feed(Simulation::new(&config, memory, device).unwrap(), &parts);
        prop_assert_eq!(ran.passed.len(), marks);
        prop_assert!(ran.passed.iter().all(|passed| passed.parts.len() == 4));
    }

    /// One CPU in turn with nobody is one CPU alone.
    #[test]
    fn one_of_several_is_one_alone(
        list in prop::collection::vec(any_outcome(), 1..400),
        (rob, loads, stores) in (1..300u32, 1..80u32, 1..60u32),
        (registers, lower, walkers) in (1..12u32, 1..20u32, 1..4u32),
    ) {
        let config = machine(|config| {
            (config.core.rob, config.core.load_queue, config.core.store_queue) = (rob, loads, stores);
            (config.cache[0].mshrs, config.cache[1].mshrs) = (registers, lower);
            config.mmu.walker.count = walkers;
        });
        let (alone, turns) = [false, true].map(|turns| {
            let (memory, device) = memory_and_device();
            let mut simulation = Simulation::new(&config, memory, device).unwrap();
            if turns {
                simulation.take_turns();
            }
            let ran = feed(simulation, &[batch(&list)]);
            let mut statistics = Statistics::default();
            let parts = ran.simulation.parts();
            ran.simulation.report_window(&parts, &mut statistics);
            ran.simulation.report_stack(&parts[0].stack, &mut statistics);
            let writes = ran.simulation.shared.controller.memory.writes.clone();
            let histograms = format!("{:?}", ran.simulation.histograms());
            (ran.slots(0), statistics, writes, histograms)
        }).into();
        prop_assert_eq!(alone, turns);
    }

    /// Nothing that is shared is short here, so that no CPU is in another's way.
    #[test]
    fn numbers_of_cpus_are_names(list in any_list(3, 200)) {
        let config = cpus(3, |_| ());
        let renamed: Vec<_> = list
            .iter()
            .map(|(outcome, references, work)| {
                let cpu = (outcome.cpu + 1) % 3;
                (Outcome { cpu, ..*outcome }, references.clone(), work.clone())
            })
            .collect();
        let (first, second) = (ran(&config, &list), ran(&config, &renamed));
        for cpu in 0..3 {
            prop_assert_eq!(first.slots(cpu), second.slots((cpu + 1) % 3));
        }
    }
}

/// The part before a mark is each CPU's own; the mark has been passed when the last one has.
#[test]
fn a_mark_is_passed_when_all_have_passed_it() {
    let mark = outcome(OutcomeKind::Mark(Mark::Count), 0, 0);
    let list = [chain(0, 10), chain(1, 30), vec![plain(0, mark), plain(1, mark)], chain(0, 40)];
    let ran = ran(&cpus(2, |_| ()), &list.concat());
    let [Passed { parts, .. }] = ran.passed.as_slice() else { panic!("one mark") };
    let slots: Vec<_> = parts.iter().map(|part| part.stack.total()).collect();
    assert_eq!(slots, [10 * MISS * WIDTH, 30 * MISS * WIDTH]);
    assert!(ran.slots(0) > 40 * MISS * WIDTH);
}
