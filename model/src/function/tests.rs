//! The function half against closed forms.

mod colours;
mod cpus;
mod foreseen;
mod formats;
mod nodes;
mod settled;
mod switches;

use tracegen::batch::{Batch, Mark};
use tracegen::record::{Access, AccessKind, Backing, Branch, Event, Protection};

use super::Simulator;
use crate::config::Config;
use crate::outcome::{CHAIN_LIMIT, OutcomeKind, Outcomes, WALKED};
use crate::statistics::{Statistics, Value};

/// A machine with 16 TLB entries, a 4 KiB direct-mapped cache and 4-level tables.
const SMALL: &str = r#"
    [[mmu.tlb]]
    name = "dtlb"
    level = 1
    entries = 16
    ways = "full"
    [[cache]]
    name = "l1d"
    level = 1
    serves = ["data"]
    size = "4KiB"
    ways = 1
"#;

pub(super) fn machine(text: &str) -> Simulator {
    let config: Config = toml::from_str(text).unwrap();
    Simulator::new(&config.resolve().unwrap(), 0).unwrap()
}

fn run(simulator: &mut Simulator, accesses: impl IntoIterator<Item = Access>) -> Outcomes {
    let (mut out, mut batch) = (Outcomes::default(), Batch::new());
    accesses.into_iter().for_each(|access| batch.push_access(access));
    simulator.process(&batch, &mut out).unwrap();
    simulator.finish(&mut out);
    out
}

fn load(addr: u64) -> Access {
    Access { addr, size: 8, ..Access::default() }
}

fn count(simulator: &Simulator, name: &str) -> u64 {
    let mut statistics = Statistics::default();
    simulator.report(&mut statistics);
    statistics.get(name).unwrap_or_else(|| panic!("{name}")).as_f64() as u64
}

#[test]
fn a_sequential_pass_misses_once_a_line_and_once_a_page() {
    let mut simulator = machine(SMALL);
    let out = run(&mut simulator, (0..8192).map(|word| load(word * 8)));
    for (name, expected) in [
        ("run.accesses", 8192),
        ("dtlb.accesses", 8192),
        ("dtlb.misses", 16),
        ("l1d.misses", 1024),
        ("l1d.accesses", 8192),
        ("os.faults.total", 16),
        ("os.pages.resident", 16),
        // Each first touch walks, faults and walks again.
        ("walker.walks", 32),
    ] {
        assert_eq!(count(&simulator, name), expected, "{name}");
    }
    // One outcome a line, one a fault, and the end; the other hits are run lengths.
    assert_eq!(out.list.len(), 1024 + 16 + 1);
    let hits: u32 = out.list.iter().map(|outcome| outcome.hits).sum();
    assert_eq!(hits, 8192 - 1024);
    let instructions: u32 = out.list.iter().map(|outcome| outcome.instructions).sum();
    assert_eq!(instructions, 8192);
}

#[test]
fn a_walk_reads_one_entry_a_level() {
    let mut simulator = machine(SMALL);
    run(&mut simulator, [load(0)]);
    let before = count(&simulator, "walker.references");
    // The page is there, but 16 others have pushed it out of the TLB.
    run(&mut simulator, (1..=16).map(|page| load(page << 12)));
    let walked = count(&simulator, "walker.references");
    let out = run(&mut simulator, [load(0)]);
    assert!(before >= 4);
    assert_eq!(count(&simulator, "walker.references") - walked, 4);
    assert_eq!((out.list[0].tlb, out.list[0].kind), (WALKED, OutcomeKind::Load));
}

#[test]
fn a_chain_of_hits_is_reported_every_so_many_loads() {
    let mut simulator = machine(SMALL);
    run(&mut simulator, [load(0)]);
    let far = (0..2000).map(|_| Access { gap: 7, ..load(0) });
    run(&mut simulator, far);
    let chased = (0..160).map(|_| Access { dep: 1, ..load(0) });
    let out = run(&mut simulator, chased);
    let loads: Vec<_> = out.list.iter().filter(|o| o.kind == OutcomeKind::Load).collect();
    assert_eq!(loads.len(), 160 / usize::from(CHAIN_LIMIT));
    assert!(loads[1..].iter().all(|o| o.ancestor == 1 && o.chain == CHAIN_LIMIT - 1));
}

#[test]
fn a_load_computed_from_a_miss_names_it() {
    let mut simulator = machine(SMALL);
    let out = run(&mut simulator, [load(0), Access { dep: 1, ..load(1 << 20) }]);
    let loads: Vec<_> = out.list.iter().filter(|o| o.kind == OutcomeKind::Load).collect();
    // The second load's own fault lies between them.
    assert_eq!((loads[0].ancestor, loads[1].ancestor, loads[1].chain), (0, 2, 0));
}

#[test]
fn an_access_across_lines_and_pages_counts_on_each() {
    let across = Access { size: 16, ..load(4096 - 8) };
    let mut simulator = machine(SMALL);
    run(&mut simulator, [across]);
    assert_eq!(count(&simulator, "dtlb.accesses"), 2);
    assert_eq!(count(&simulator, "l1d.accesses"), 2);
    assert_eq!(count(&simulator, "run.accesses"), 1);
    let mut simulator = machine(&format!("[core]\nline_crossing = \"ignore\"\n{SMALL}"));
    run(&mut simulator, [across]);
    assert_eq!(count(&simulator, "dtlb.accesses"), 1);
    assert_eq!(count(&simulator, "l1d.accesses"), 1);
}

#[test]
fn a_store_through_a_clean_entry_sets_the_dirty_bit_once() {
    let mut simulator = machine(SMALL);
    let store = Access { kind: AccessKind::Store, ..load(0) };
    let fill_table = load(4096);
    run(&mut simulator, [fill_table, load(0), store, store]);
    assert_eq!(count(&simulator, "walker.dirty_writes"), 1);
    assert_eq!(count(&simulator, "dtlb.hits"), 2);
}

#[test]
fn without_translation_virtual_addresses_are_physical() {
    let text =
        "[mmu]\nenabled = false\n[[cache]]\nname = \"l1d\"\nlevel = 1\nsize = \"4KiB\"\nways = 1\n";
    let mut simulator = machine(text);
    run(&mut simulator, [load(0), load(4096), load(0)]);
    assert_eq!(count(&simulator, "l1d.misses"), 3);
    assert_eq!(count(&simulator, "l1d.evictions"), 2);
}

#[test]
fn without_tlbs_every_access_walks_and_without_caches_every_access_is_memory() {
    let mut simulator = machine("");
    let out = run(&mut simulator, (0..10).map(|_| load(64)));
    assert_eq!(count(&simulator, "walker.walks"), 11);
    assert_eq!(count(&simulator, "walker.from.dram"), count(&simulator, "walker.references"));
    assert_eq!(out.list.iter().filter(|o| o.kind == OutcomeKind::Load).count(), 10);
}

#[test]
fn a_mispredicted_branch_names_the_load_that_decides_it() {
    let mut simulator = machine(SMALL);
    let (mut out, mut batch) = (Outcomes::default(), Batch::new());
    batch.push_access(load(0));
    batch.push_branch(Branch { site: 1, taken: false, gap: 1, dep: 1, cpu: 0 });
    simulator.process(&batch, &mut out).unwrap();
    let last = out.list.last().unwrap();
    assert_eq!((last.kind, last.ancestor), (OutcomeKind::Mispredict, 1));
    assert_eq!(count(&simulator, "run.instructions"), 2);
}

#[test]
fn fetches_are_only_counted_where_nothing_serves_them() {
    let mut simulator = machine(SMALL);
    let fetch = Access { kind: AccessKind::Fetch, size: 4, ..load(0x40_0000) };
    run(&mut simulator, [fetch, load(0), fetch]);
    assert_eq!(count(&simulator, "run.fetches"), 2);
    assert_eq!(count(&simulator, "run.instructions"), 2);
    assert_eq!(count(&simulator, "l1d.accesses"), 1);
}

#[test]
fn batches_may_be_cut_anywhere() {
    let accesses: Vec<_> = (0..3000u64)
        .map(|n| Access {
            dep: (n % 5) as u32,
            kind: if n % 3 == 0 { AccessKind::Store } else { AccessKind::Load },
            ..load(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (64 << 12))
        })
        .collect();
    let whole = run(&mut machine(SMALL), accesses.iter().copied());
    let mut simulator = machine(SMALL);
    let mut out = Outcomes::default();
    for part in accesses.chunks(7) {
        let mut batch = Batch::new();
        part.iter().for_each(|access| batch.push_access(*access));
        simulator.process(&batch, &mut out).unwrap();
    }
    simulator.finish(&mut out);
    assert_eq!(out, whole);
}

#[test]
fn prefaulted_pages_survive_the_mappings_that_the_trace_repeats() {
    let mut simulator = machine(&format!("[os]\nprefault = \"accessed\"\n{SMALL}"));
    let (mut out, mut batch) = (Outcomes::default(), Batch::new());
    batch.push_event(
        0,
        Event::Mmap {
            addr: 0x10000,
            length: 0x4000,
            protection: Protection::READ_WRITE,
            shared: false,
            backing: Backing::Anonymous,
        },
    );
    batch.push_event(0, Event::Brk { end: 0x40000 });
    batch.push_event(0, Event::Brk { end: 0x44000 });
    for page in 0..4 {
        batch.push_access(load(0x10000 + (page << 12)));
        batch.push_access(load(0x40000 + (page << 12)));
    }
    simulator.prefault(&batch).unwrap();
    simulator.prefaulted().unwrap();
    simulator.process(&batch, &mut out).unwrap();
    assert_eq!(count(&simulator, "os.faults.total"), 0);
    assert_eq!(count(&simulator, "os.pages.resident"), 8);
}

/// Process 0 forks process 1, which touches a page of its parent's and one that only it has, and executes
/// another program.
#[test]
fn what_the_trace_makes_is_not_there_before_it_starts() {
    let mut batch = Batch::new();
    let mut touch = |pages: &[u64], events: &[Event]| {
        pages.iter().for_each(|page| batch.push_access(load(page << 12)));
        events.iter().for_each(|event| batch.push_event(0, event.clone()));
    };
    touch(&[1, 2], &[Event::Fork { child: 1 }, Event::Switch { process: 1 }]);
    touch(&[2, 3, 4], &[Event::Exec]);
    touch(&[2], &[Event::Exit, Event::Switch { process: 0 }]);
    touch(&[1, 4], &[]);
    let mut simulator = machine(&format!("[os]\nprefault = \"accessed\"\n{SMALL}"));
    simulator.prefault(&batch).unwrap();
    simulator.prefaulted().unwrap();
    assert_eq!(count(&simulator, "os.pages.resident"), 3, "pages 1, 2 and 4 of process 0");
    simulator.process(&batch, &mut Outcomes::default()).unwrap();
    // Page 3, which the parent does not have, and page 2 of the other program.
    assert_eq!(count(&simulator, "os.faults.total"), 2);
    assert_eq!(count(&simulator, "os.pages.resident"), 3, "process 1 has ended");
}

#[test]
fn tables_above_memory_are_told_from_those_in_frames() {
    let above = |text: &str| machine(text).os.has_tables_above_memory();
    assert!(!above(SMALL));
    assert!(!above("mmu.page_size = \"2MiB\""));
    assert!(above("os.memory = { frames = 9 }"));
    assert!(above("mmu.page_table = \"flat\""));
}

/// Everything that a mark can be wrong about: faults, walks, evictions, write-backs, reclaim, branches.
fn busy_batch(from: u64, count: u64) -> Batch {
    let mut batch = Batch::new();
    for at in from..from + count {
        let page = at * 7 % 61 + at % 13;
        let kind = if at % 3 == 0 { AccessKind::Store } else { AccessKind::Load };
        batch.push_access(Access {
            kind,
            gap: (at % 5) as u32,
            ..load((page << 12) + at % 64 * 64)
        });
        batch.push_branch(Branch { site: 1, taken: at % 11 < 4, gap: 1, ..Branch::default() });
    }
    batch
}

#[test]
fn a_counted_part_is_the_whole_without_what_came_before() {
    let text =
        format!("{SMALL}[os]\nmemory = \"256KiB\"\nlimit = \"160KiB\"\n[swap]\nsize = \"1MiB\"\n");
    let all = |simulator: &Simulator| {
        let mut statistics = Statistics::default();
        simulator.report(&mut statistics);
        statistics
    };
    let run = |marks: &[(usize, Mark)], parts: usize| {
        let (mut simulator, mut out) = (machine(&text), Outcomes::default());
        for part in 0..parts {
            let mut batch = busy_batch(part as u64 * 500, 500);
            batch.mark = marks.iter().find(|(at, _)| *at == part).map(|(_, mark)| *mark);
            simulator.process(&batch, &mut out).unwrap();
        }
        (all(&simulator), out)
    };
    let (whole, plain) = run(&[], 4);
    let (before, _) = run(&[], 2);
    let (part, marked) = run(&[(2, Mark::Count)], 4);
    let (middle, _) = run(&[(1, Mark::Count), (3, Mark::Pause)], 4);
    let ((first, _), (three, _)) = (run(&[], 1), run(&[], 3));
    let mut counted = 0;
    for (((entry, before), part), (middle, (first, three))) in whole
        .iter()
        .zip(before.iter())
        .zip(part.iter())
        .zip(middle.iter().zip(first.iter().zip(three.iter())))
    {
        let name = &entry.name;
        match (entry.value, before.value, part.value) {
            (Value::Count(whole), Value::Count(before), Value::Count(part)) => {
                assert_eq!(part, whole - before, "{name}");
                let between = three.value.as_f64() - first.value.as_f64();
                assert_eq!(middle.value.as_f64(), between, "{name}");
                counted += usize::from(part > 0);
            }
            (Value::Level(whole), _, Value::Level(part)) => assert_eq!(part, whole, "{name}"),
            (Value::Peak(_), _, Value::Peak(part)) => {
                // Memory is full by then.
                assert_eq!(Some(part as f64), whole.get("os.pages.resident").map(Value::as_f64));
            }
            (Value::Ratio(whole), Value::Ratio(before), Value::Ratio(part)) => {
                assert_eq!(part.numerator, whole.numerator - before.numerator, "{name}");
                assert_eq!(part.denominator, whole.denominator - before.denominator, "{name}");
            }
            kinds => panic!("{name}: {kinds:?}"),
        }
    }
    assert!(counted > 20, "{counted} statistics say something");
    // The time half hears the same, but for the mark, which ends a run.
    let total = |out: &Outcomes| {
        let list = out.list.iter();
        list.fold((0, 0), |(run, hits), o| (run + o.instructions, hits + o.hits + o.fetch_hits))
    };
    assert_eq!(total(&plain), total(&marked));
    assert_eq!(plain.references, marked.references);
    assert_eq!(plain.work, marked.work);
    let kinds = |out: &Outcomes| {
        let list = out.list.iter().map(|outcome| outcome.kind);
        list.filter(|kind| !matches!(kind, OutcomeKind::Mark(_))).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&plain), kinds(&marked));
}

/// Every peak must start again from the state that it is the highest of.
#[test]
fn peaks_start_again_where_counting_does() {
    let mut simulator = machine(SMALL);
    let mut out = Outcomes::default();
    let area = |event| {
        let mut batch = Batch::new();
        batch.push_event(0, event);
        (0..40).for_each(|page| batch.push_access(load(page << 12)));
        batch
    };
    let (addr, length) = (0, 40 << 12);
    let protection = Protection::READ_WRITE;
    let shared = false;
    let map = Event::Mmap { addr, length, protection, shared, backing: Backing::Anonymous };
    let mut batch = area(map);
    batch.kind.fill(AccessKind::Store);
    simulator.process(&batch, &mut out).unwrap();
    let mut unmap = Batch::new();
    unmap.push_event(0, Event::Munmap { addr, length });
    simulator.process(&unmap, &mut out).unwrap();
    assert_eq!(count(&simulator, "os.pages.peak_resident"), 40);
    simulator.process(&Batch { mark: Some(Mark::Count), ..Batch::new() }, &mut out).unwrap();
    let mut statistics = Statistics::default();
    simulator.report(&mut statistics);
    let peaks = statistics.iter().filter_map(|entry| match entry.value {
        Value::Peak(peak) => Some((entry.name.as_str(), peak)),
        _ => None,
    });
    assert_eq!(peaks.collect::<Vec<_>>(), [("os.pages.peak_resident", 0)]);
}
