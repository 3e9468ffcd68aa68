//! No setting is accepted and ignored, and none does more than it is declared to: every setting of a machine
//! is changed, one at a time. One that is declared as timing leaves every outcome of the function half as it
//! was and changes a time; one that is declared as function changes an outcome.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use analysis::machine::load_text;
use model::config::{Config, Effect, Leaf, settings};
use model::function::Simulator;
use model::outcome::Outcomes;
use model::statistics::Statistics;
use model::time::Timing;
use serde_json::Value;
use tracegen::batch::Batch;
use tracegen::record::{Access, AccessKind, Advice, Backing, Branch, Event, Protection, Record};

/// Machines that between them have every part: Skylake short of memory, so that it swaps, a small one on a
/// hard disk with less usual choices, one whose caches prefetch, one on DDR5, one with virtual indices, one
/// with memory in nodes, and one with pages of two sizes in a fragmented memory.
const MACHINES: [&str; 8] = [
    "base = \"skylake\"\n[os]\nmemory = \"64MiB\"\nlimit = \"2MiB\"\nreclaim = \"clock\"\n",
    "[core]\nfrequency = \"2GHz\"\n[os]\nlimit = \"1MiB\"\nmemory = \"32MiB\"\n[dram]\nranks = 2\n[swap]\ndevice = \"hdd\"\npriority = 3\n\
     [[swap.area]]\nname = \"ram\"\ndevice = \"zram\"\nsize = \"512KiB\"\npriority = 5\n\
     [[swap.content]]\nclass = 1\nratio = 2\n\
     [[mmu.tlb]]\nname = \"dtlb\"\nlevel = 1\nentries = 16\nways = 4\nreplacement = \"random\"\n\
     [[mmu.tlb]]\nname = \"stlb\"\nlevel = 2\nentries = 64\nways = 4\n\
     [[mmu.pwc]]\nlevel = 2\nentries = 2\nways = 2\n[mmu]\npwc_invalidation = \"address-space\"\n\
     [[cache]]\nname = \"l1d\"\nlevel = 1\nsize = \"8KiB\"\nways = 2\n\
     [[cache]]\nname = \"l2\"\nlevel = 2\nsize = \"64KiB\"\nways = 4\nreplacement = \"srrip\"\nbandwidth = 16\n",
    "[core]\nfrequency = \"2GHz\"\n[os]\nmemory = \"32MiB\"\n\
     [[cache]]\nname = \"l1d\"\nlevel = 1\nsize = \"8KiB\"\nways = 2\n\
     prefetcher = { prefetcher = \"stride\", entries = 3 }\n\
     [[cache]]\nname = \"l2\"\nlevel = 2\nsize = \"32KiB\"\nways = 4\n\
     prefetcher = { prefetcher = \"stream\", streams = 3 }\n\
     [[cache]]\nname = \"l3\"\nlevel = 3\nsize = \"64KiB\"\nways = 4\ninclusion = \"inclusive\"\n\
     prefetcher = { prefetcher = \"best-offset\", score_max = 4, round_max = 3, delay = 2 }\n",
    "[core]\nfrequency = \"2GHz\"\n[os]\nmemory = \"64MiB\"\n[dram]\npreset = \"ddr5-4800\"\nrefresh = \"per-bank\"\n\
     page = { timeout = \"50ns\" }\nhash = \"xor\"\nqueue = 4\nwrite_high = 50\n[[cache]]\nname = \"l1d\"\nlevel = 1\nsize = \"8KiB\"\nways = 2\n",
    "[os]\nmemory = \"64MiB\"\n[[cache]]\nname = \"l1d\"\nlevel = 1\nsize = \"32KiB\"\nways = 2\n\
     indexing = \"vipt\"\nalias = \"hardware\"\n",
    "[core]\nfrequency = \"2GHz\"\n[numa]\npolicy = \"weighted-interleave\"\nnodes = [\"one\", \"two\"]\n\
     [[numa.node]]\nname = \"one\"\nmemory = \"16MiB\"\nlatency = \"50ns\"\nbandwidth = \"1GiB\"\nweight = 2\n\
     [[numa.node]]\nname = \"two\"\nmemory = \"4MiB\"\ncpus = [0]\ndram = { channels = 2 }\n\
     [[cache]]\nname = \"l1d\"\nlevel = 1\nsize = \"8KiB\"\nways = 2\n",
    // Writes wait at the disk when it is asked to read.
    "base = \"skylake\"\n[os]\nmemory = \"64MiB\"\nlimit = \"2MiB\"\n[swap]\ndevice = \"hdd\"\n",
    "[core]\nfrequency = \"2GHz\"\n[os]\nmemory = \"64MiB\"\n\
     initial = { orders = [900, 90, 30, 10, 10, 10, 4, 4, 4, 2, 4] }\n\
     [[mmu.layout]]\nname = \"heap\"\nstart = 0x1000000000\nsize = \"4MiB\"\npage = \"2MiB\"\nprocess = 0\n\
     [[mmu.tlb]]\nname = \"dtlb\"\nlevel = 1\nentries = 1\nways = 1\n\
     [[mmu.tlb]]\nname = \"stlb\"\nlevel = 2\nentries = 64\nways = 4\nlookup = \"predicted\"\n\
     predictor_entries = 2\n\
     [[mmu.tlb]]\nname = \"last\"\nlevel = 3\nentries = 128\nways = 4\nlookup = \"sequential\"\n\
     [[cache]]\nname = \"l1d\"\nlevel = 1\nsize = \"8KiB\"\nways = 2\n",
];

/// One with two CPUs, whose trace is made by both of them.
const TWO_CPUS: &str = "[core]\ncount = 2\n[os]\nmemory = \"64MiB\"\n\
     [[cache]]\nname = \"l1d\"\nlevel = 1\nsize = \"8KiB\"\nways = 2\n\
     [[cache]]\nname = \"l2\"\nlevel = 2\nsize = \"64KiB\"\nways = 4\n";

const HEAP: u64 = 0x10_0000_0000;
const CODE: u64 = 0x40_0000;
const KERNEL: u64 = 0xffff_8000_0000_0000;

/// The Knuth linear congruential generator's high bits.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % end
    }
}

/// Settings that change nothing here, for a reason each.
const UNSEEN: [&str; 18] = [
    // One value alone so far.
    "os.allocator",
    "os.thp",
    "swap.readahead_by",
    // The same sets as long as a way is no larger than a page, which is required.
    "cache.<name>.indexing",
    // What decides the order or the names of parts; another value leaves a gap or renames.
    "cache.<name>.level",
    "cache.<name>.name",
    "mmu.layout.<name>.name",
    "mmu.pwc.<level>.level",
    "mmu.tlb.<name>.level",
    "mmu.tlb.<name>.name",
    "numa.node.<name>.name",
    "swap.area.<name>.name",
    "swap.content.<class>.class",
    // Bounds that nothing reaches: the addresses of these machines end far below.
    "mmu.pa_bits",
    "dram.rows",
    // Per-bank refreshes are due further apart.
    "dram.timing.pbr_pbr",
    // Act in a pass before the trace.
    "os.prefault",
    "os.prefault_frames",
];

fn event(event: Event) -> Record {
    Record::Event(0, event)
}

/// Random and sequential accesses of every kind, branches, a fork with copies on write, switches.
fn trace() -> Vec<Record> {
    let mut numbers = Numbers(1);
    let mut records = vec![event(Event::Mmap {
        addr: HEAP,
        length: 8 << 20,
        protection: Protection::READ_WRITE,
        shared: false,
        backing: Backing::Anonymous,
    })];
    for step in 0..12_000u64 {
        if step == 4000 {
            records.push(event(Event::Fork { child: 1 }));
        }
        if step >= 4000 && step.is_multiple_of(500) {
            let process = (step / 500 % 2) as u32;
            records.push(event(Event::Switch { process }));
        }
        if step.is_multiple_of(300) {
            // The kernel's memory, and pages that the program gives back.
            let addr = KERNEL + step % 4 * 4096;
            records.push(Record::Access(Access { addr, size: 8, ..Access::default() }));
            let advice = Advice::DontNeed;
            records.push(event(Event::Madvise { addr: HEAP, length: 16 << 10, advice }));
        }
        let kind = match numbers.below(4) {
            0 => AccessKind::Store,
            _ => AccessKind::Load,
        };
        // A few hot pages, a stream, and random places; some accesses cross lines and pages.
        let offset = match numbers.below(4) {
            0 => numbers.below(16 << 10),
            1 => step * 24 % (1 << 20),
            _ => numbers.below(8 << 20).min((8 << 20) - 8),
        };
        let dep = if numbers.below(3) == 0 { 1 } else { 0 };
        let gap = numbers.below(6) as u32;
        let (addr, site) = (HEAP + offset, step % 5);
        let access = Access { kind, addr, size: 8, gap, dep, site, ..Access::default() };
        records.push(Record::Access(access));
        let addr = CODE + numbers.below(3) * 4096 * 97 + numbers.below(128) * 32;
        let fetch = Access { kind: AccessKind::Fetch, addr, size: 4, ..Access::default() };
        records.push(Record::Access(fetch));
        if step.is_multiple_of(7) {
            let addr = HEAP + numbers.below(8 << 20);
            records.push(event(Event::PageContent { addr, class: numbers.below(2) }));
        }
        let taken = numbers.below(3) == 0;
        records.push(Record::Branch(Branch { cpu: 0, site: addr, taken, gap: 0, dep: 1 }));
    }
    records.push(event(Event::Munmap { addr: HEAP, length: 1 << 20 }));
    records
}

fn batches() -> Vec<Batch> {
    let mut batches = vec![Batch::new()];
    for record in trace() {
        if batches.last().unwrap().is_full() {
            batches.push(Batch::new());
        }
        batches.last_mut().unwrap().push(record);
    }
    batches
}

/// What the function half says: its outcomes and its statistics, or why it cannot.
type Function = Result<(Vec<Outcomes>, Vec<String>), String>;

fn numbers(statistics: &Statistics) -> Vec<String> {
    statistics.iter().map(|entry| format!("{} = {:?}", entry.name, entry.value)).collect()
}

fn function(config: &Config, batches: &[Batch]) -> Function {
    let mut simulator = Simulator::new(config, 1).map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    for batch in batches {
        let mut outcomes = Outcomes::default();
        simulator.process(batch, &mut outcomes).map_err(|error| error.to_string())?;
        all.push(outcomes);
    }
    let mut outcomes = Outcomes::default();
    simulator.finish(&mut outcomes);
    all.push(outcomes);
    let mut statistics = Statistics::default();
    simulator.report(&mut statistics);
    Ok((all, numbers(&statistics)))
}

/// What the time half says.
fn time(config: &Config, outcomes: &[Outcomes]) -> (Vec<String>, String) {
    let mut timing = Timing::new(config).unwrap();
    outcomes.iter().for_each(|outcomes| timing.process(outcomes));
    timing.finish();
    let mut statistics = Statistics::default();
    timing.report(&mut statistics);
    let histograms: Vec<_> =
        timing.histograms().into_iter().map(|(name, from)| (name, from.summary())).collect();
    (numbers(&statistics), format!("{histograms:?}"))
}

/// Other values that a setting might take, spelled for `--set`.
fn candidates(value: &Value) -> Vec<String> {
    match value {
        Value::Bool(value) => vec![(!value).to_string()],
        Value::Number(number) => {
            let number = number.as_u64().unwrap_or(1);
            [1, 0, number * 2, number / 2, number + 1, number.saturating_sub(1), number * 4]
                .map(|number| number.to_string())
                .to_vec()
        }
        Value::Array(items) => match items.as_slice() {
            [Value::String(one), ..] if one == "data" || one == "instruction" => {
                vec!["[\"instruction\"]".to_owned(), "[\"data\"]".to_owned()]
            }
            [Value::String(one), ..] if one == "one" => {
                vec!["[\"one\"]".to_owned(), "[\"two\"]".to_owned()]
            }
            [Value::Number(_)] => vec!["[]".to_owned()],
            _ => vec!["[\"4KiB\"]".to_owned(), "[\"2MiB\"]".to_owned(), "[10, 9, 9, 9]".to_owned()],
        },
        _ => {
            let text = value.as_str().unwrap_or_default();
            // Half and twice the size, whatever its unit is.
            let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
            let unit = &text[digits.len()..];
            let number: u64 = digits.parse().unwrap_or(0);
            let mut list: Vec<String> = Vec::new();
            if number > 0 {
                list.extend([number * 2, number / 2, number + 1].map(|n| format!("{n}{unit}")));
            }
            let names = [
                "ignore",
                "split",
                "fifo",
                "lru",
                "random",
                "pipt",
                "vipt",
                "colour",
                "memory",
                "l2",
                "accessed",
                "parallel",
                "through",
                "exclusive",
                "next-line",
                "look",
                "x86-64-5level",
                "hdd",
                "nvme",
                "zram",
                "ddr4-2400",
                "RoRaBgBaCoCh",
                "closed",
                "permutation",
                "per-bank",
                "900cycles",
                "4cycles",
                "1us",
                "1GHz",
                "32MiB",
                "64KiB",
                "full",
                "round-robin",
                "bind",
                "upper-half",
                "freed-tables",
                "sequential",
            ];
            list.extend(names.map(|name| format!("\"{name}\"")));
            list
        }
    }
}

fn set(machine: &str, path: &str, value: &str) -> Result<Config, String> {
    load_text("machine", machine, std::path::Path::new(""), &[(path, value)])
        .map_err(|error| error.to_string())
}

/// Every machine that differs from `machine` by a legal other value of `leaf`.
fn flipped(machine: &str, leaf: &Leaf) -> Vec<Config> {
    let differs = |config: &Config| {
        config.leaves().iter().any(|own| own.path == leaf.path && own.value != leaf.value)
    };
    let all = candidates(&leaf.value).into_iter();
    all.filter_map(|value| set(machine, &leaf.path, &value).ok()).filter(differs).collect()
}

fn effect_of(leaf: &Leaf) -> Effect {
    let declared = settings().iter().find(|setting| setting.path == leaf.setting);
    declared.and_then(|setting| setting.effect).expect("every setting is declared")
}

/// The setting's name. A node's memory is described and read as the machine's is.
fn declaration(leaf: &Leaf) -> String {
    let own = leaf.setting.strip_prefix("numa.node.<name>.").filter(|own| own.starts_with("dram."));
    own.unwrap_or(&leaf.setting).to_owned()
}

fn base(machine: &str) -> Config {
    const NO_SETS: &[(&str, &str)] = &[];
    load_text("machine", machine, std::path::Path::new(""), NO_SETS).unwrap()
}

fn unexplained<'a>(seen: &'a [String], changed: &[String]) -> Vec<&'a String> {
    seen.iter().filter(|name| !changed.contains(name) && !UNSEEN.contains(&name.as_str())).collect()
}

/// Lets two CPUs make the accesses, three at a time.
fn share_out(batches: &mut [Batch]) {
    let cpus = batches.iter_mut().flat_map(|batch| &mut batch.cpu);
    cpus.enumerate().for_each(|(at, cpu)| *cpu = (at / 3 % 2) as u16);
}

#[test]
fn timing_settings_change_times_and_no_count() {
    let (mut batches, mut seen, mut changed) = (batches(), Vec::new(), Vec::new());
    for machine in MACHINES.into_iter().chain([TWO_CPUS]) {
        if machine == TWO_CPUS {
            share_out(&mut batches);
        }
        let config = base(machine);
        let before = function(&config, &batches);
        let (outcomes, _) = before.as_ref().unwrap();
        let times = time(&config, outcomes);
        for leaf in config.leaves().iter().filter(|leaf| effect_of(leaf) == Effect::Timing) {
            let setting = declaration(leaf);
            seen.push(setting.clone());
            for other in flipped(machine, leaf) {
                // Two values are enough, and one that changes a time is.
                if changed.contains(&setting) && !leaf.path.contains("stlb") {
                    break;
                }
                assert!(function(&other, &batches) == before, "{} changes a count", leaf.path);
                if time(&other, outcomes) != times {
                    changed.push(setting.clone());
                }
            }
        }
    }
    seen.sort();
    seen.dedup();
    let ignored = unexplained(&seen, &changed);
    assert!(seen.len() > 40, "{seen:?}");
    assert!(ignored.is_empty(), "changed and without any effect on time: {ignored:?}");
}

#[test]
fn function_settings_change_outcomes() {
    let (mut batches, mut seen, mut changed) = (batches(), Vec::new(), Vec::new());
    for machine in MACHINES.into_iter().chain([TWO_CPUS]) {
        if machine == TWO_CPUS {
            share_out(&mut batches);
        }
        let config = base(machine);
        let before = function(&config, &batches);
        assert!(before.is_ok());
        for leaf in config.leaves().iter().filter(|leaf| effect_of(leaf) == Effect::Function) {
            seen.push(leaf.setting.clone());
            for other in flipped(machine, leaf) {
                if changed.contains(&leaf.setting) {
                    break;
                }
                if function(&other, &batches) != before {
                    changed.push(leaf.setting.clone());
                }
            }
        }
    }
    seen.sort();
    seen.dedup();
    let ignored = unexplained(&seen, &changed);
    assert!(ignored.is_empty(), "changed and without any effect: {ignored:?}");
}
