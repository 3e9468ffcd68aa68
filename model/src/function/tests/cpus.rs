//! Several CPUs against counts made by hand.

use tracegen::batch::{Batch, Mark};
use tracegen::record::{Access, AccessKind, Advice, CpuId, Event};

use super::super::Simulator;
use super::{count, load, machine};
use crate::address::PhysAddr;
use crate::outcome::{
    MEMORY, Outcome, OutcomeKind, Outcomes, PEER, Reference, ReferenceKind, Work,
};
use crate::statistics::Statistics;

/// `count` CPUs with a private level of 64 lines over a shared one of `shared` lines, both fully associative;
/// nothing is translated.
fn pair(count: u16, shared: u64, more: &str) -> Simulator {
    machine(&format!(
        "[core]\ncount = {count}\n[mmu]\nenabled = false\n[[cache]]\nname = \"l1d\"\nlevel = 1\n\
         size = \"4KiB\"\nways = \"full\"\n[[cache]]\nname = \"l2\"\nlevel = 2\nsize = {}\n\
         ways = \"full\"\n{more}",
        shared * 64
    ))
}

fn on(cpu: CpuId, addr: u64) -> Access {
    Access { cpu, ..load(addr) }
}

fn store(cpu: CpuId, addr: u64) -> Access {
    Access { kind: AccessKind::Store, ..on(cpu, addr) }
}

fn run(simulator: &mut Simulator, accesses: &[Access]) -> Outcomes {
    let (mut out, mut batch) = (Outcomes::default(), Batch::new());
    accesses.iter().for_each(|access| batch.push_access(*access));
    simulator.process(&batch, &mut out).unwrap();
    out
}

/// What served the accesses that were reported.
fn served(out: &Outcomes) -> Vec<u8> {
    let accesses =
        out.list.iter().filter(|o| matches!(o.kind, OutcomeKind::Load | OutcomeKind::Store));
    accesses.map(|outcome| outcome.served).collect()
}

fn expect(simulator: &Simulator, expected: &[(&str, u64)]) {
    for (name, value) in expected {
        assert_eq!(count(simulator, name), *value, "{name}");
    }
}

/// Two CPUs store to two words of one line, in turn: but for the first, each store finds the line modified
/// in the other's cache. The shared level got it with the first.
#[test]
fn false_sharing_misses_at_every_store() {
    let mut two = pair(2, 1024, "");
    let turns: Vec<Access> = (0..20).map(|turn| store(turn % 2, u64::from(turn % 2) * 8)).collect();
    let out = run(&mut two, &turns);
    let mut expected = vec![PEER; 20];
    expected[0] = MEMORY;
    assert_eq!(served(&out), expected);
    expect(
        &two,
        &[
            ("l1d.misses", 20),
            ("l1d.hits", 0),
            ("l1d.invalidations", 19),
            ("l1d.forwards", 19),
            ("l1d.upgrades", 0),
            ("l1d.evictions", 0),
            ("l1d.writebacks", 0),
            ("l2.misses", 1),
            ("l2.hits", 19),
            ("l2.writebacks", 0),
            // CPU 0 loses it at the even stores, CPU 1 at the odd ones from the third on.
            ("cpu.0.l1d.invalidations", 10),
            ("cpu.1.l1d.invalidations", 9),
        ],
    );
    // On lines of their own they hit.
    let mut two = pair(2, 1024, "");
    let turns: Vec<Access> =
        (0..20).map(|turn| store(turn % 2, u64::from(turn % 2) * 64)).collect();
    run(&mut two, &turns);
    expect(&two, &[("l1d.misses", 2), ("l1d.hits", 18), ("l1d.invalidations", 0)]);
}

#[test]
fn readers_share_a_line_without_a_word_to_each_other() {
    let readers: Vec<Access> = (0..8).map(|turn| on(turn % 4, 0)).collect();
    let mut four = pair(4, 1024, "");
    assert_eq!(served(&run(&mut four, &readers)), [MEMORY, 1, 1, 1]);
    expect(&four, &[("l1d.misses", 4), ("l1d.hits", 4), ("l2.hits", 3), ("l1d.forwards", 0)]);
    // Where no level is shared, the first that has the line gives it.
    let mut four = pair(4, 1024, "shared = false");
    assert_eq!(served(&run(&mut four, &readers)), [MEMORY, PEER, PEER, PEER]);
    expect(&four, &[("cpu.0.l1d.forwards", 3), ("l1d.forwards", 3), ("l2.misses", 4)]);
}

/// A consumer's load makes the producer's copy clean, and the shared level's dirty; the producer's next store
/// hits that copy and takes the consumer's.
#[test]
fn a_producer_upgrades_and_a_consumer_misses() {
    let mut two = pair(2, 1024, "");
    let rounds: Vec<Access> = (0..5).flat_map(|_| [store(0, 0), on(1, 0)]).collect();
    let out = run(&mut two, &rounds);
    assert_eq!(served(&out), [MEMORY, PEER, 0, PEER, 0, PEER, 0, PEER, 0, PEER]);
    let upgrade = Reference { addr: PhysAddr(0), kind: ReferenceKind::Upgrade, served: PEER };
    let (third, references, _) = out.iter().nth(2).unwrap();
    assert_eq!((third.kind, third.cpu, references), (OutcomeKind::Store, 0, &[upgrade][..]));
    expect(
        &two,
        &[
            ("cpu.0.l1d.hits", 4),
            ("cpu.0.l1d.misses", 1),
            ("cpu.0.l1d.upgrades", 4),
            ("cpu.0.l1d.forwards", 5),
            ("cpu.1.l1d.misses", 5),
            ("cpu.1.l1d.invalidations", 4),
            ("l2.misses", 1),
            ("l2.hits", 5),
        ],
    );
    // The modified data went down: when the shared level displaces the line, it is written to memory.
    let mut two = pair(2, 2, "");
    run(&mut two, &[store(0, 0), on(1, 0)]);
    let out = run(&mut two, &[on(1, 64), on(1, 128)]);
    let writeback = |r: &&Reference| r.kind == ReferenceKind::Writeback && r.addr.0 == 0;
    assert_eq!(out.references.iter().filter(writeback).count(), 1);
    expect(&two, &[("l2.writebacks", 1), ("l1d.writebacks", 0)]);
}

#[test]
fn only_a_line_that_others_have_is_upgraded() {
    let mut two = pair(2, 1024, "");
    let out = run(&mut two, &[on(0, 0), store(0, 0), on(0, 64), on(1, 64), store(0, 64)]);
    assert_eq!(served(&out), [MEMORY, MEMORY, 1, 0]);
    expect(&two, &[("l1d.upgrades", 1), ("l1d.invalidations", 1), ("cpu.0.l1d.hits", 2)]);
}

/// Loads and stores that would be settled as hits have to notice what another CPU did in between.
#[test]
fn what_another_cpu_does_to_a_line_is_noticed_at_the_next_access() {
    let mut two = pair(2, 1024, "");
    let mine = [store(0, 0); 10];
    run(&mut two, &mine);
    expect(&two, &[("l1d.hits", 9), ("l1d.misses", 1)]);
    // Made clean: the first store upgrades, the others hit.
    run(&mut two, &[on(1, 0)]);
    assert_eq!(served(&run(&mut two, &mine)), [0]);
    expect(&two, &[("cpu.0.l1d.hits", 19), ("l1d.upgrades", 1)]);
    // Taken: the first load misses.
    run(&mut two, &[store(1, 32)]);
    assert_eq!(served(&run(&mut two, &[on(0, 0); 10])), [PEER]);
    expect(&two, &[("cpu.0.l1d.hits", 28), ("cpu.0.l1d.misses", 2)]);
    // More lines lost than are told singly.
    let lines = |cpu| (0..3000u64).map(move |line| store(cpu, (line % 40) * 64));
    run(&mut two, &lines(0).collect::<Vec<_>>());
    let turns: Vec<Access> =
        (0..60).flat_map(|_| lines(1).take(40).chain(lines(0).skip(39).take(1))).collect();
    run(&mut two, &turns);
    assert_eq!(served(&run(&mut two, &lines(0).take(40).collect::<Vec<_>>())).len(), 39);
}

/// Each CPU goes through 48 lines of its own, twice. In 64 lines of their own both fit; in 64 that they share
/// neither does.
#[test]
fn private_caches_have_their_capacity_each() {
    let turns: Vec<Access> =
        (0..192u64).map(|turn| on((turn % 2) as u16, turn % 96 * 64)).collect();
    let mut two = pair(2, 1024, "");
    run(&mut two, &turns);
    expect(&two, &[("l1d.misses", 96), ("l1d.hits", 96), ("l1d.evictions", 0)]);
    let text = "[core]\ncount = 2\n[mmu]\nenabled = false\n[[cache]]\nname = \"l1d\"\nlevel = 1\n\
                size = \"4KiB\"\nways = \"full\"\nshared = true\n";
    let mut two = machine(text);
    run(&mut two, &turns);
    expect(&two, &[("l1d.misses", 192), ("l1d.hits", 0), ("l1d.evictions", 128)]);
    let mut all = Statistics::default();
    two.report(&mut all);
    assert!(all.get("cpu.0.l1d.misses").is_none(), "it is nobody's own");
}

#[test]
fn an_inclusive_shared_level_takes_lines_from_every_cpu() {
    let mut two = pair(2, 2, "inclusion = \"inclusive\"");
    let out = run(&mut two, &[on(0, 0), store(0, 0), on(1, 64), on(1, 128)]);
    // The third line displaces the first, which was modified.
    let last = out.references.last().unwrap();
    assert_eq!((last.kind, last.addr.0), (ReferenceKind::Writeback, 0));
    expect(
        &two,
        &[
            ("cpu.0.l1d.back_invalidations", 1),
            ("cpu.1.l1d.back_invalidations", 0),
            ("l1d.evictions", 0),
            ("l1d.invalidations", 0),
            ("l2.evictions", 1),
            ("l2.writebacks", 1),
        ],
    );
    assert_eq!(served(&run(&mut two, &[on(0, 0)])), [MEMORY]);
}

#[test]
fn an_exclusive_shared_level_takes_what_private_levels_displace() {
    let mut two = pair(2, 1024, "inclusion = \"exclusive\"");
    // 65 lines: CPU 0 displaces the first, which the other one takes up.
    let lines: Vec<Access> = (0..65).map(|line| store(0, line * 64)).collect();
    run(&mut two, &lines);
    assert_eq!(served(&run(&mut two, &[on(1, 0), on(1, 64)])), [1, PEER]);
    expect(&two, &[("l2.hits", 1), ("l1d.evictions", 1), ("cpu.0.l1d.forwards", 1)]);
}

/// Two-level tables and a TLB: what processes share, and what is shot down.
const TRANSLATED: &str = r#"
    [core]
    count = 3
    [[mmu.tlb]]
    name = "dtlb"
    level = 1
    entries = 16
    ways = "full"
    [[cache]]
    name = "l1d"
    level = 1
    size = "4KiB"
    ways = 8
    [[cache]]
    name = "l2"
    level = 2
    size = "64KiB"
    ways = 16
"#;

fn kernel(outcome: (&Outcome, &[Reference], &[Work])) -> Option<(u16, Vec<Work>)> {
    let (outcome, _, work) = outcome;
    (outcome.kind == OutcomeKind::Kernel).then(|| (outcome.cpu, work.to_vec()))
}

fn event(simulator: &mut Simulator, cpu: CpuId, event: Event) -> Outcomes {
    let (mut out, mut batch) = (Outcomes::default(), Batch::new());
    batch.push_event(cpu, event);
    simulator.process(&batch, &mut out).unwrap();
    out
}

#[test]
fn a_shootdown_goes_to_cpus_that_have_run_the_address_space() {
    let mut three = machine(TRANSLATED);
    event(&mut three, 2, Event::Switch { process: 1 });
    run(&mut three, &[on(0, 0), on(1, 0), on(2, 0)]);
    let drop = |addr| Event::Madvise { addr, length: 4096, advice: Advice::DontNeed };
    let out = event(&mut three, 0, drop(0));
    let told: Vec<_> = out.iter().filter_map(kernel).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].0, 0);
    assert_eq!(told[0].1.last(), Some(&Work::Shootdown { cpus: 1, pages: 1 }));
    assert_eq!(told[1], (1, vec![Work::Interrupt { pages: 1 }]));
    expect(
        &three,
        &[
            ("cpu.0.dtlb.shootdowns", 1),
            ("cpu.1.dtlb.shootdowns", 1),
            ("cpu.2.dtlb.shootdowns", 0),
            ("cpu.0.os.tlb.remote_flush", 1),
            ("cpu.1.os.tlb.remote_flush_received", 1),
            ("os.tlb.remote_flush", 1),
        ],
    );
    // CPU 1 has lost the translation: it walks, and the page is another one.
    let faults = count(&three, "os.faults.total");
    run(&mut three, &[on(1, 0)]);
    expect(&three, &[("os.faults.total", faults + 1)]);
    // Nobody else has run process 1.
    let out = event(&mut three, 2, drop(0));
    assert_eq!(out.iter().filter_map(kernel).count(), 1);
}

/// The first touch of a 2 MiB page concerns nobody else; every CPU forgets one that goes, and looks it up
/// as what it is again.
#[test]
fn a_larger_page_is_forgotten_on_every_cpu() {
    let layout = "mmu.layout = [{ name = \"low\", start = 0, size = \"2MiB\", page = \"2MiB\" }]\n";
    let mut three = machine(&format!("{layout}{TRANSLATED}"));
    let out = run(&mut three, &[store(0, 0), store(1, 0x3000), store(1, 0x5000)]);
    assert!(out.work.iter().all(|work| !matches!(work, Work::Shootdown { .. })), "{:?}", out.work);
    expect(&three, &[("os.huge.faults", 1), ("cpu.1.dtlb.misses", 1), ("cpu.1.dtlb.hits", 1)]);
    let drop = Event::Madvise { addr: 0, length: 2 << 20, advice: Advice::DontNeed };
    let out = event(&mut three, 0, drop);
    let told: Vec<_> = out.iter().filter_map(kernel).collect();
    assert_eq!(told[0].1.last(), Some(&Work::Shootdown { cpus: 1, pages: 1 }));
    assert_eq!(told[1], (1, vec![Work::Interrupt { pages: 1 }]));
    expect(&three, &[("cpu.0.dtlb.shootdowns", 1), ("cpu.1.dtlb.shootdowns", 1)]);
    let faults = count(&three, "os.faults.total");
    run(&mut three, &[store(1, 0x3000)]);
    expect(&three, &[("os.faults.total", faults + 1), ("os.huge.faults", 2)]);
}

#[test]
fn a_flush_of_everything_ends_what_a_cpu_holds() {
    let mut three = machine(TRANSLATED);
    run(&mut three, &[on(0, 0), on(1, 0)]);
    event(&mut three, 1, Event::Switch { process: 1 });
    run(&mut three, &[on(1, 0)]);
    // A fork flushes all of the parent, on CPU 1 too, which runs something else.
    for page in 1..40u64 {
        run(&mut three, &[store(0, page << 12)]);
    }
    let out = event(&mut three, 0, Event::Fork { child: 7 });
    let told: Vec<_> = out.iter().filter_map(kernel).collect();
    assert_eq!(told[0].1.last(), Some(&Work::Shootdown { cpus: 1, pages: 0 }));
    assert_eq!(told[1], (1, vec![Work::Interrupt { pages: 0 }]));
    expect(&three, &[("cpu.1.dtlb.flushes", 1)]);
    let drop = Event::Madvise { addr: 0, length: 4096, advice: Advice::DontNeed };
    let out = event(&mut three, 0, drop);
    assert_eq!(out.iter().filter_map(kernel).count(), 1, "there is nothing left on CPU 1");
}

/// The walker's write to an entry whose line another CPU's walker has read takes that line.
#[test]
fn table_writes_invalidate_too() {
    let mut three = machine(TRANSLATED);
    run(&mut three, &[on(0, 0), on(1, 0)]);
    let before = count(&three, "cpu.0.l1d.invalidations");
    let out = run(&mut three, &[store(1, 0)]);
    expect(&three, &[("cpu.1.walker.dirty_writes", 1)]);
    let kinds: Vec<_> = out.references.iter().map(|reference| reference.kind).collect();
    assert_eq!(kinds[..2], [ReferenceKind::TableWrite, ReferenceKind::Upgrade], "{kinds:?}");
    assert!(count(&three, "cpu.0.l1d.invalidations") > before);
}

#[test]
fn every_cpu_reports_marks_and_its_end() {
    let mut two = pair(2, 1024, "");
    let mut batch = Batch::new();
    batch.push_access(on(1, 0));
    batch.mark = Some(Mark::Count);
    let mut out = run(&mut two, &[on(0, 0), on(0, 8)]);
    out.clear();
    two.process(&batch, &mut out).unwrap();
    two.finish(&mut out);
    let seen: Vec<_> = out.list.iter().map(|o| (o.cpu, o.kind, o.instructions)).collect();
    let mark = OutcomeKind::Mark(Mark::Count);
    assert_eq!(
        seen,
        [
            (0, mark, 1),
            (1, mark, 0),
            (1, OutcomeKind::Load, 1),
            (0, OutcomeKind::End, 0),
            (1, OutcomeKind::End, 0)
        ]
    );
    expect(&two, &[("run.loads", 1), ("cpu.0.run.loads", 0), ("cpu.1.run.loads", 1)]);
}

#[test]
fn cpus_of_a_trace_beyond_those_of_the_machine_share_them() {
    let mut two = pair(2, 1024, "");
    let out = run(&mut two, &[on(0, 0), on(2, 8), on(5, 0), on(3, 8)]);
    let cpus: Vec<u16> = out.list.iter().map(|outcome| outcome.cpu).collect();
    assert_eq!(cpus, [0, 1]);
    expect(&two, &[("cpu.0.run.loads", 2), ("cpu.1.run.loads", 2), ("l1d.hits", 2)]);
    expect(&two, &[("cpu.0.run.instructions", 2), ("run.instructions", 4)]);
}

/// What is counted for each CPU adds up to what is counted for all.
#[test]
fn sums_are_those_of_the_cpus() {
    let mut three = machine(TRANSLATED);
    let accesses: Vec<Access> = (0..3000u64)
        .map(|n| {
            let addr = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (8 << 12) * 8;
            let kind = if n % 3 == 0 { AccessKind::Store } else { AccessKind::Load };
            Access { kind, ..on((n % 7) as u16, addr) }
        })
        .collect();
    run(&mut three, &accesses);
    let mut all = Statistics::default();
    three.report(&mut all);
    let mut compared = 0;
    for entry in all.iter() {
        let Some(name) = entry.name.strip_prefix("cpu.0.") else { continue };
        let crate::statistics::Value::Count(_) = entry.value else { continue };
        let of = |name: String| all.get(&name).unwrap().as_f64();
        let sum: f64 = (0..3).map(|cpu| of(format!("cpu.{cpu}.{name}"))).sum();
        assert_eq!(sum, of(name.to_owned()), "{name}");
        compared += usize::from(sum > 0.0);
    }
    assert!(compared > 20, "{compared}");
}
