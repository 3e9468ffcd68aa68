//! The result document of `run`: its shape, its names, its arithmetic.

use serde_json::Value;

use crate::command::{Sandbox, count, stat};

const SMALL: [&str; 6] = [
    "gups --set workload.table=4MiB --set workload.updates=20_000",
    "stream --set workload.size=256KiB --set workload.iterations=1",
    "chase --set workload.footprint=2MiB",
    "bfs --set workload.scale=10",
    "gemm --set workload.n=40",
    "kv --set workload.keys=2000 --set workload.operations=5000",
];

const PRESETS: [&str; 3] = ["core-i7", "skylake", "zen4"];

/// Every statistic of the interface that a machine without huge pages, slab and page merging has, on a
/// preset with the parts `dtlb`, `stlb`, `l1d`, `l2` and `l3`.
const NAMES: &[(&str, &str)] = &[
    ("run", "accesses loads stores fetches instructions cycles ns ipc amat_cycles"),
    ("dtlb", "accesses hits misses evictions flushes shootdowns mpki"),
    ("stlb", "accesses hits misses evictions flushes shootdowns mpki"),
    ("l1d", "accesses hits misses evictions writebacks mpki walk.hits walk.misses"),
    ("l2", "accesses hits misses evictions writebacks mpki walk.hits walk.misses"),
    ("l3", "accesses hits misses evictions writebacks mpki walk.hits walk.misses"),
    ("walker", "walks references references_per_walk cycles queue_cycles"),
    ("walker.from", "l1d l2 l3 dram"),
    ("pwc.2", "hits misses"),
    ("pwc.3", "hits misses"),
    ("dram", "reads writes row_hits row_misses row_conflicts bytes read_ns_mean"),
    (
        "os.faults",
        "total minor major zero_page anonymous file cow swap_in protection segv spurious",
    ),
    ("os.faults", "cow_copied cow_reused"),
    ("os.pages", "resident peak_resident table_pages cached"),
    ("os", "vsz_bytes rss_bytes"),
    ("os.reclaim", "scanned evicted refaults"),
    ("swap", "reads writes readahead_reads readahead_hits busy_ns"),
    ("cycles", "base branch tlb walk l1d l2 l3 dram fault_minor fault_major swap kernel"),
];

#[test]
fn every_name_of_the_interface_is_there() {
    let result = Sandbox::new().simulate(&format!("--config skylake --workload {}", SMALL[0]));
    let missing: Vec<String> = NAMES
        .iter()
        .flat_map(|(part, names)| names.split(' ').map(move |name| format!("{part}.{name}")))
        .filter(|name| !result["stats"][name].is_number())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(
        result["stats"].as_object().unwrap().keys().any(|name| name.starts_with("os.buddy.")),
        "no os.buddy.*"
    );
}

#[test]
fn the_document_has_its_parts() {
    let sandbox = Sandbox::new();
    let result = sandbox.simulate(&format!("--config skylake --workload {}", SMALL[0]));
    let mut keys: Vec<&str> = result.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["config", "histograms", "schema", "stats", "trace"]);
    assert_eq!(result["schema"], 1);
    assert_eq!(result["config"], sandbox.run("config show skylake --format json").json());
    assert_eq!(result["trace"]["loads"], 20_000);
    for (name, value) in result["stats"].as_object().unwrap() {
        assert!(value.is_number(), "{name} = {value}");
    }
    for name in ["access_cycles", "walk_cycles", "fault_ns"] {
        check_histogram(name, &result["histograms"][name]);
    }
}

/// The numbers of a histogram fit each other.
fn check_histogram(name: &str, histogram: &Value) {
    let number =
        |key: &str| histogram[key].as_f64().unwrap_or_else(|| panic!("{name}.{key}: {histogram}"));
    let ordered = ["min", "p50", "p90", "p99", "p99_9", "max"].map(number);
    assert!(ordered.is_sorted(), "{name}: {ordered:?}");
    assert!((number("min")..=number("max")).contains(&number("mean")), "{name}");
    let buckets = histogram["buckets"].as_array().unwrap();
    let total: u64 = buckets.iter().map(|bucket| bucket[2].as_u64().unwrap()).sum();
    assert!(total > 0, "{name} is empty");
    assert_eq!(total as f64, number("count"), "{name}");
}

#[test]
fn every_cycle_belongs_to_one_component() {
    let sandbox = Sandbox::new();
    for preset in PRESETS {
        for workload in SMALL {
            let result = sandbox.simulate(&format!("--config {preset} --workload {workload}"));
            let parts = result["stats"].as_object().unwrap().iter();
            let sum: u64 = parts
                .filter(|(name, _)| name.starts_with("cycles."))
                .map(|(_, value)| value.as_u64().unwrap())
                .sum();
            assert_eq!(sum, count(&result, "run.cycles"), "{preset}, {workload}");
            assert!(sum > 0);
        }
    }
}

#[test]
fn counts_fit_each_other() {
    let sandbox = Sandbox::new();
    for preset in PRESETS {
        for workload in SMALL {
            let result = sandbox.simulate(&format!("--config {preset} --workload {workload}"));
            let get = |name: &str| count(&result, name);
            let at = format!("{preset}, {workload}");
            for part in ["dtlb", "stlb", "l1d", "l2", "l3"] {
                let hits_and_misses = get(&format!("{part}.hits")) + get(&format!("{part}.misses"));
                assert_eq!(hits_and_misses, get(&format!("{part}.accesses")), "{part}: {at}");
                let mpki = 1000.0 * stat(&result, &format!("{part}.misses"))
                    / stat(&result, "run.instructions");
                let found = stat(&result, &format!("{part}.mpki"));
                assert!((found - mpki).abs() <= mpki * 1e-9, "{part}.mpki: {at}");
            }
            // A level sees what the one above missed; all pages are base pages.
            assert_eq!(get("dtlb.misses"), get("stlb.accesses"), "{at}");
            assert_eq!(get("l1d.misses"), get("l2.accesses"), "{at}");
            assert_eq!(get("l2.misses"), get("l3.accesses"), "{at}");
            assert!(get("walker.walks") >= get("stlb.misses"), "{at}");
            let from = ["l1d", "l2", "l3", "dram"].map(|from| get(&format!("walker.from.{from}")));
            assert_eq!(from.iter().sum::<u64>(), get("walker.references"), "{at}");
            let faults = ["total", "minor", "major", "cow", "cow_copied", "cow_reused"]
                .map(|kind| get(&format!("os.faults.{kind}")));
            assert_eq!(faults[0], faults[1] + faults[2], "{at}");
            assert_eq!(faults[3], faults[4] + faults[5], "{at}");
            let rows = ["row_hits", "row_misses", "row_conflicts"]
                .map(|kind| get(&format!("dram.{kind}")));
            assert_eq!(rows.iter().sum::<u64>(), get("dram.reads") + get("dram.writes"), "{at}");
            let burst = 64 * (get("dram.reads") + get("dram.writes"));
            assert_eq!(get("dram.bytes"), burst, "{at}");
            assert_eq!(get("os.rss_bytes"), 4096 * get("os.pages.resident"), "{at}");
            assert_eq!(
                get("run.accesses"),
                get("run.loads") + get("run.stores") + get("run.fetches"),
                "{at}"
            );
            let ipc = stat(&result, "run.instructions") / stat(&result, "run.cycles");
            assert!((stat(&result, "run.ipc") - ipc).abs() < 1e-9, "{at}");
        }
    }
}

/// Swapping: what is refused memory goes out and comes back.
#[test]
fn a_limit_makes_pages_go_and_come() {
    let sandbox = Sandbox::new();
    let workload = "--workload gups --set workload.table=4MiB --set workload.updates=5000";
    let (mut cycles, mut reads) = (Vec::new(), Vec::new());
    for device in ["hdd", "sata-ssd", "nvme", "optane", "zram"] {
        let result = sandbox.simulate(&format!(
            "--config skylake --set os.limit=3MiB --set swap.device={device} {workload}"
        ));
        let get = |name: &str| count(&result, name);
        assert!(get("os.faults.major") > 0 && get("swap.writes") > 0, "{device}");
        assert!(get("os.pages.peak_resident") * 4096 <= 3 << 20, "{device}");
        assert!(get("swap.busy_ns") > 0, "{device}");
        let sum: u64 = result["stats"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| name.starts_with("cycles."))
            .map(|(_, value)| value.as_u64().unwrap())
            .sum();
        assert_eq!(sum, get("run.cycles"), "{device}");
        assert!(get("cycles.swap") > 0, "{device}");
        let waits = &result["histograms"]["swap_read_ns"];
        assert!(waits["p50"].as_u64() <= waits["p99"].as_u64(), "{device}: {waits}");
        assert!(waits["count"].as_u64() >= Some(get("os.faults.major")), "{device}: {waits}");
        cycles.push(get("run.cycles"));
        reads.push((get("swap.reads"), get("swap.readahead_reads")));
    }
    assert!(cycles.is_sorted_by(|slow, fast| slow > fast), "{cycles:?}");
    assert!(reads[..4].iter().all(|one| *one == reads[0]), "{reads:?}");
    assert_eq!(reads[4].1, 0, "nothing is read ahead from memory");
}

/// Two swap areas: the better one is filled first, and each has its share of the counts.
#[test]
fn pages_go_to_the_better_area_first() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "two.toml",
        "base = \"skylake\"\n[os]\nlimit = \"3MiB\"\n[swap]\ndevice = \"hdd\"\n\
         [[swap.area]]\nname = \"fast\"\ndevice = \"zram\"\nsize = \"1MiB\"\npriority = 7\n",
    );
    let workload = "--workload gups --set workload.table=8MiB --set workload.updates=3000";
    let run = |set: &str| sandbox.simulate(&format!("--config two.toml {set} {workload}"));
    let two = run("");
    let get = |name: &str| count(&two, name);
    assert!(get("swap.area.fast.writes") > 0 && get("swap.area.main.writes") > 0);
    for what in ["reads", "writes", "busy_ns"] {
        let sum = get(&format!("swap.area.fast.{what}")) + get(&format!("swap.area.main.{what}"));
        assert!(sum.abs_diff(get(&format!("swap.{what}"))) <= 1, "{what}");
    }
    assert!(get("swap.zram.bytes") > 0);
    let slower = run("--set swap.area.fast.device=sata-ssd");
    assert!(count(&slower, "run.cycles") > get("run.cycles"));
    let faster = run("--set swap.device=nvme");
    assert!(count(&faster, "run.cycles") < get("run.cycles"));
    assert_eq!(count(&faster, "swap.area.main.reads"), get("swap.area.main.reads"));
}

#[test]
fn ideals_say_what_each_component_costs() {
    let sandbox = Sandbox::new();
    let plain = sandbox.simulate(&format!("--config skylake --workload {}", SMALL[0]));
    let ideal = sandbox.simulate(&format!("--config skylake --ideal --workload {}", SMALL[0]));
    let cycles = stat(&plain, "run.cycles");
    let mut rest = ideal["stats"].as_object().unwrap().clone();
    let parts = "branch tlb walk l1i l1d l2 l3 dram fault_minor fault_major swap kernel";
    for part in parts.split(' ') {
        let name = format!("ideal.{part}.cycles");
        let perfect = rest.remove(&name).and_then(|value| value.as_f64()).unwrap();
        assert!(perfect <= cycles, "{name} {perfect} of {cycles}");
        let charged = stat(&plain, &format!("cycles.{part}"));
        assert!(charged == 0.0 || perfect < cycles, "{part} costs nothing");
    }
    assert_eq!(&rest, plain["stats"].as_object().unwrap(), "the run itself is the same");
}

#[test]
fn a_prefetcher_hides_the_misses_of_a_stream() {
    let sandbox = Sandbox::new();
    let run =
        |more: &str| sandbox.simulate(&format!("--config skylake --workload {} {more}", SMALL[1]));
    let plain = run("");
    let prefetching = run("--set cache.l2.prefetcher=stream");
    assert!(stat(&prefetching, "run.cycles") < stat(&plain, "run.cycles"));
    let count = |name: &str| count(&prefetching, name);
    assert!(count("l2.prefetch.useful") > count("l2.misses"));
    assert_eq!(
        count("l2.prefetch.issued"),
        count("l3.prefetch.hits") + count("l3.prefetch.misses")
    );
    assert_eq!(count("l1d.accesses"), plain["stats"]["l1d.accesses"].as_u64().unwrap());
    assert!(plain["stats"].get("l2.prefetch.issued").is_none());
}

/// A preset says of each number how it is known; a textbook's machine does not have to.
#[test]
fn a_preset_tells_where_its_numbers_come_from() {
    let sandbox = Sandbox::new();
    let told = sandbox.run("preset skylake --sources --format json").json();
    let told = told.as_array().unwrap();
    let stlb = told.iter().find(|one| one["setting"] == "mmu.tlb.stlb.entries").unwrap();
    assert_eq!((&stlb["value"], &stlb["mark"]), (&"1536".into(), &"documented".into()));
    let marks = ["measured", "documented", "assumed"];
    assert!(told.iter().all(|one| marks.contains(&one["mark"].as_str().unwrap())));
    let table = sandbox.run("preset zen3 --sources");
    assert!(table.code == 0 && table.stdout.contains("mmu.walker.count"), "{table:?}");
    assert!(sandbox.run("preset toy-16bit --sources").refusal().contains("textbook"));
    assert_ne!(sandbox.run("preset --sources").code, 0);
}

#[test]
fn every_preset_runs_a_workload() {
    let sandbox = Sandbox::new();
    let presets = sandbox.run("preset --format json").json();
    let names: Vec<String> = match &presets {
        Value::Array(list) => {
            let name = |entry: &Value| entry["name"].as_str().or(entry.as_str()).map(str::to_owned);
            list.iter().filter_map(name).collect()
        }
        other => panic!("{other}"),
    };
    assert!(names.len() >= 10, "{names:?}");
    // No program fits into the textbook's 14 and 16 bits.
    let textbook = ["simple-memory-system", "toy-16bit"];
    for name in names.iter().filter(|name| !textbook.contains(&name.as_str())) {
        let result = sandbox.simulate(&format!("--config {name} --workload {}", SMALL[0]));
        assert!(stat(&result, "run.cycles") > 0.0, "{name}");
        assert_eq!(stat(&result, "os.faults.segv"), 0.0, "{name}");
    }
}
