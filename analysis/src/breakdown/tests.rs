//! Rows of whole runs add up to what the runs measure, whatever they are by.

use std::num::NonZeroU64;
use std::sync::atomic::AtomicBool;

use tracegen::batch::{Batch, Mark};
use tracegen::record::{Access, Branch, Event};

use super::keys::{Finder, Labels};
use super::*;
use crate::machine;
use crate::measured::{Number, RunResult};
use crate::region::Region;
use crate::simulate::{RunOptions, Warm, simulate};
use crate::trace::TraceSpec;

fn run(machine: &[(&str, &str)], workload: &[&str], jobs: usize, by: Option<&By>) -> RunResult {
    let config = machine::load("skylake", machine).unwrap();
    let set = workload[1..].iter().map(|set| {
        let (key, value) = set.split_once('=').unwrap();
        (key.to_owned(), value.to_owned())
    });
    let spec = TraceSpec::Workload { name: workload[0].to_owned(), set: set.collect() };
    let interrupted = AtomicBool::new(false);
    let options = RunOptions {
        jobs,
        seed: 1,
        region: Region { warmup: 1000, ..Region::default() },
        sample: None,
        ideal: false,
        by,
        warm: Warm::Timed,
        interrupted: &interrupted,
        progress: &|_, _| (),
    };
    simulate(&config, &spec, &options).unwrap()
}

/// Every column adds up to its statistic.
fn check(result: &RunResult) {
    let by = result.by.as_ref().unwrap();
    let stats = |name: &str| match result.measured.get(name) {
        Some(Number::Count(count)) => count,
        other => panic!("{name}: {other:?}"),
    };
    for (at, column) in by.columns.iter().enumerate() {
        let sum: u64 = by.rows.iter().map(|(_, values)| values[at]).sum();
        let statistic = match column.as_str() {
            "accesses" | "loads" | "stores" | "fetches" | "prefetches" | "cycles" => {
                format!("run.{column}")
            }
            _ => column.clone(),
        };
        assert_eq!(sum, stats(&statistic), "{column} by {}", by.by);
    }
    let (last, rest) = by.rows.last().unwrap();
    assert_eq!(last, REST_LABEL);
    // What belongs to no record is little: no access, and of cycles what is rounded, and the kernel's. Branches
    // are in no area and no object.
    assert_eq!(rest[by.column("accesses").unwrap()], 0);
    let cycles = |name: &str| rest[by.column(name).unwrap()];
    let mut rounded = cycles("cycles") - cycles("cycles.kernel");
    if matches!(by.by, "area" | "object") {
        rounded -= cycles("cycles.branch") + cycles("cycles.base");
    }
    let room = 16 * by.rows.len() as u64 + stats("run.cycles") / 20;
    assert!(rounded <= room, "{rounded} of {}", stats("run.cycles"));
}

fn all() -> Vec<By> {
    let interval = By::Interval(NonZeroU64::new(3000).unwrap());
    vec![By::Site, By::Area, By::Object, By::Phase, interval]
}

#[test]
fn rows_add_up_to_the_statistics() {
    let machines: [&[(&str, &str)]; 3] = [
        &[],
        // Swapping, and small structures.
        &[("os.limit", "4MiB"), ("mmu.tlb.stlb.entries", "96"), ("cache.l2.size", "64KiB")],
        // Rules, prefetchers, and policies that look every access up.
        &[
            ("cache.l2.prefetcher", "stream"),
            ("cache.l1d.write", "through"),
            ("cache.l3.replacement", "ship"),
        ],
    ];
    let workloads: [&[&str]; 3] = [
        &["kv", "keys=3000", "operations=3000", "record_setup=true"],
        &["bfs", "scale=10"],
        &["gups", "table=8MiB", "updates=6000"],
    ];
    for (machine, workload) in machines.iter().zip(workloads) {
        for by in all() {
            let result = run(machine, workload, 1, Some(&by));
            check(&result);
            let again = run(machine, workload, 3, Some(&by));
            assert_eq!(result, again, "{}", by.name());
        }
        let plain = run(machine, workload, 1, None);
        let broken = run(machine, workload, 1, Some(&By::Site));
        assert_eq!(plain.measured, broken.measured, "asking changes nothing");
    }
}

#[test]
fn intervals_are_as_long_as_they_say() {
    let by = By::Interval(NonZeroU64::new(2500).unwrap());
    let result = run(&[], &["gups", "table=1MiB", "updates=6000"], 1, Some(&by));
    let by = result.by.unwrap();
    let rows: Vec<_> = by.rows.iter().map(|(name, values)| (name.as_str(), values[0])).collect();
    // 12,000 accesses, of which 1000 are a warm-up.
    let expected = [
        ("0", 2500),
        ("2500", 2500),
        ("5000", 2500),
        ("7500", 2500),
        ("10000", 1000),
        ("(rest)", 0),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn the_result_has_a_row_an_object_and_parquet_the_same() {
    let result = run(&[], &["gups", "table=1MiB", "updates=2000"], 1, Some(&By::Site));
    let json = result.json().unwrap();
    let rows = json["by"].as_array().unwrap();
    let sum: u64 = rows.iter().map(|row| row["accesses"].as_u64().unwrap()).sum();
    assert_eq!(Some(sum), json["stats"]["run.accesses"].as_u64());
    assert!(rows[0]["site"].as_str().unwrap().starts_with("0x"));
    assert!(rows[0]["dtlb.misses"].is_u64() && rows[0]["cycles.walk"].is_u64());
    let bytes = result.by.unwrap().parquet().unwrap();
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    assert_eq!(reader.get_row_iter(None).unwrap().count(), rows.len());
}

/// What the accesses of `batches` belong to.
fn labels(by: &By, batches: &[Batch]) -> Vec<String> {
    let mut finder = Finder::new(by);
    let mut rows = Vec::new();
    for batch in batches {
        finder.find(batch);
        rows.extend(finder.accesses.clone());
        assert_eq!(finder.asides.len(), batch.asides.len());
    }
    let Labels { labels, parts, .. } = finder.finish();
    let label = |row: &u32| match row.checked_sub(2) {
        Some(row) => labels[parts[row as usize]].clone(),
        None => "none".to_owned(),
    };
    rows.iter().map(label).collect()
}

#[test]
fn records_belong_to_the_phase_that_has_begun() {
    let mut batch = Batch::new();
    for phase in [None, Some(3), Some(9), Some(3)] {
        if let Some(id) = phase {
            batch.push_event(0, Event::Phase { id });
        }
        batch.push_access(Access::default());
        batch.push_branch(Branch::default());
    }
    assert_eq!(labels(&By::Phase, &[batch]), ["before the first", "3", "9", "3"]);
}

#[test]
fn intervals_count_what_counts() {
    let batch = |accesses: u64, mark: Option<Mark>| {
        let mut batch = Batch { mark, ..Batch::new() };
        (0..accesses).for_each(|_| batch.push_access(Access::default()));
        batch
    };
    let by = By::Interval(NonZeroU64::new(2).unwrap());
    let batches = [
        batch(3, None),
        batch(3, Some(Mark::Count)),
        batch(1, Some(Mark::Pause)),
        batch(2, Some(Mark::Count)),
    ];
    let seen = labels(&by, &batches);
    assert_eq!(seen, ["0", "0", "2", "0", "0", "2", "none", "2", "4"]);
}
