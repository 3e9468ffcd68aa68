//! Accesses that are settled without a look-up come to what the long way comes to, outcome for outcome.

use proptest::prelude::*;
use tracegen::batch::Batch;
use tracegen::record::{Access, AccessKind, Branch, Event};

use super::{Simulator, machine};
use crate::outcome::Outcomes;
use crate::statistics::Statistics;

/// Machines that differ in what their first levels are: (TLBs, caches).
const MACHINES: [(&str, &str); 17] = [
    ("entries = 4\nways = 1", "size = \"512B\"\nways = 2\nreplacement = \"plru\""),
    ("entries = 8\nways = 2", "size = \"256B\"\nways = 4"),
    ("entries = 6\nways = 2\nreplacement = \"fifo\"", "size = \"384B\"\nways = 2"),
    ("entries = 2\nways = \"full\"", "size = \"512B\"\nways = 1\nreplacement = \"srrip\""),
    ("entries = 8\nways = 4", "size = \"1KiB\"\nways = 2\nline = \"128B\""),
    ("entries = 4\nways = 2", "size = \"512B\"\nways = 8\nreplacement = \"random\""),
    ("", "size = \"512B\"\nways = 2"),
    ("entries = 4\nways = 1", ""),
    (
        "entries = 6\nways = 3\nreplacement = \"bit-plru\"",
        "size = \"384B\"\nways = 3\nreplacement = \"nru\"",
    ),
    (
        "entries = 8\nways = 4\nreplacement = \"lip\"",
        "size = \"512B\"\nways = 4\nreplacement = \"brrip\"",
    ),
    (
        "entries = 8\nways = 2\nreplacement = \"dip\"",
        "size = \"512B\"\nways = 2\nreplacement = \"drrip\"",
    ),
    ("entries = 4\nways = 2\nreplacement = \"lfu\"", "size = \"512B\"\nways = 8"),
    ("entries = 4\nways = 2", "size = \"512B\"\nways = 4\nreplacement = \"ship\""),
    ("entries = 8\nways = 2", "size = \"1KiB\"\nways = 2\nhash = true"),
    ("entries = 8\nways = 2", "size = \"512B\"\nways = 2\nwrite = \"through\""),
    ("entries = 8\nways = 2", "size = \"512B\"\nways = 2\nwrite_allocate = false"),
    ("entries = 8\nways = 2", "size = \"512B\"\nways = 2\nprefetcher = \"next-line\""),
];

/// `pages` of 1 KiB, so that some lines are a good part of a page, or the other way around.
fn build((tlb, cache): (&str, &str), unified: bool, translated: bool, long: bool) -> Simulator {
    let serves = if unified { "" } else { "serves = [\"data\"]\n" };
    let mut text = format!("[mmu]\nenabled = {translated}\npage_size = \"1KiB\"\nasids = 2\n");
    if !tlb.is_empty() {
        text += &format!("[[mmu.tlb]]\nname = \"dtlb\"\nlevel = 1\n{serves}{tlb}\n");
        text += "[[mmu.tlb]]\nname = \"second\"\nlevel = 2\nentries = 16\nways = 4\n";
    }
    if !cache.is_empty() {
        text += &format!("[[cache]]\nname = \"first\"\nlevel = 1\n{serves}{cache}\n");
        text += "[[cache]]\nname = \"unified\"\nlevel = 2\nsize = \"4KiB\"\nways = 4\nline = \"128B\"\n";
    }
    text += "[os]\nmemory = \"256KiB\"\n[swap]\nsize = \"1GiB\"\n";
    let mut simulator = machine(&text);
    simulator.one_by_one |= long;
    simulator
}

/// A few accesses that go well together.
#[derive(Debug, Clone)]
struct Group {
    shape: u8,
    start: u64,
    count: u64,
    kinds: u8,
    gap: u32,
    dep: u32,
    size: u32,
    cpu: u16,
    after: u8,
}

fn groups() -> impl Strategy<Value = Vec<Group>> {
    let shape = (0u8..6, 0u64..1 << 15, 1u64..24, 0u8..8);
    let rest = (prop::sample::select(vec![0, 0, 1, 5, 300, u32::MAX]), 0u32..6, 0u16..5, 0u8..12);
    let size = prop::sample::select(vec![8u32, 8, 8, 4, 1, 0, 64, 200]);
    let group = (shape, rest, size).prop_map(|(shape, rest, size)| {
        let (shape, start, count, kinds) = shape;
        let (gap, dep, cpu, after) = rest;
        Group { shape, start, count, kinds, gap, dep, size, cpu: cpu / 4, after }
    });
    prop::collection::vec(group, 1..60)
}

fn fill(batch: &mut Batch, group: &Group) {
    let Group { shape, start, count, kinds, gap, dep, size, cpu, after } = *group;
    for index in 0..count {
        let addr = match shape {
            0 | 1 => start / 8 * 8 + index * 8,
            2 => start / 64 * 64 + index % 4 * 4096,
            3 => start / 8 * 8 + index % 2 * 640,
            4 => start / 8 * 8,
            _ => start.wrapping_mul(index * index + 1) % (1 << 15),
        };
        let kind = match (kinds, index % 3) {
            (0..4, _) => AccessKind::Load,
            (4, _) | (5, 2) => AccessKind::Store,
            (6, 1) => AccessKind::Prefetch,
            (7, 0) => AccessKind::Fetch,
            _ => AccessKind::Load,
        };
        let dep = if dep < 4 { 0 } else { dep - 3 };
        let gap = if shape == 1 { gap.wrapping_add(index as u32) } else { gap };
        batch.push_access(Access { addr, kind, size, gap, dep, cpu, site: index });
    }
    match after {
        0 => batch.push_event(cpu, Event::Switch { process: (start % 4) as u32 }),
        1 => batch.push_event(cpu, Event::Munmap { addr: start / 1024 * 1024, length: 4096 }),
        2 => batch.push_branch(Branch {
            cpu,
            dep: dep.min(3),
            taken: shape > 2,
            ..Branch::default()
        }),
        3 => batch.push_event(cpu, Event::Fork { child: 9 + (start % 2) as u32 }),
        4 => batch.push_event(cpu, Event::Exec),
        _ => {}
    }
}

fn everything(simulator: &Simulator) -> Vec<(String, u64)> {
    let mut all = Statistics::default();
    simulator.report(&mut all);
    all.iter().map(|one| (one.name.clone(), one.value.as_f64().to_bits())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn the_short_way_and_the_long_way_agree(
        machine in prop::sample::select(MACHINES.to_vec()),
        unified in any::<bool>(),
        translated in prop::bool::weighted(0.8),
        groups in groups(),
        length in 1usize..20,
    ) {
        let mut short = build(machine, unified, translated, false);
        let mut long = build(machine, unified, translated, true);
        let (mut settled, mut looked_up) = (Outcomes::default(), Outcomes::default());
        for groups in groups.chunks(length) {
            let mut batch = Batch::new();
            groups.iter().for_each(|group| fill(&mut batch, group));
            let ended = (short.process(&batch, &mut settled), long.process(&batch, &mut looked_up));
            prop_assert_eq!(format!("{:?}", ended.0), format!("{:?}", ended.1));
            if ended.0.is_err() {
                break;
            }
        }
        short.finish(&mut settled);
        long.finish(&mut looked_up);
        prop_assert_eq!(settled, looked_up);
        prop_assert_eq!(everything(&short), everything(&long));
    }
}
