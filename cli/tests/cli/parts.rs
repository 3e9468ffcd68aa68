//! `--by`: what parts of a run cost, and what is refused.

use serde_json::Value;

use crate::command::{Sandbox, count};

/// A run that swaps, and of which a part counts.
const RUN: &str = "--config skylake --workload kv --set workload.keys=3000 --set workload.operations=2000 \
                   --set os.limit=4MiB --set mmu.tlb.stlb.entries=96 --warmup 1000 --seed 3";

fn rows(result: &Value) -> &Vec<Value> {
    result["by"].as_array().unwrap()
}

/// The sum of a column.
fn sum(result: &Value, column: &str) -> u64 {
    rows(result).iter().map(|row| row[column].as_u64().unwrap()).sum()
}

#[test]
fn rows_add_up_to_the_statistics() {
    let sandbox = Sandbox::new();
    let plain = sandbox.simulate(RUN);
    assert!(plain.get("by").is_none());
    for by in ["site", "area", "interval --interval 700"] {
        let result = sandbox.simulate(&format!("{RUN} --by {by}"));
        assert_eq!(result["stats"], plain["stats"], "{by}: asking changes nothing");
        let own = by.split(' ').next().unwrap();
        let columns = rows(&result)[0].as_object().unwrap().keys();
        let mut compared = 0;
        for column in columns.filter(|column| *column != own) {
            let statistic = match column.as_str() {
                "accesses" | "loads" | "stores" | "fetches" | "prefetches" | "cycles" => {
                    format!("run.{column}")
                }
                other => other.to_owned(),
            };
            assert_eq!(sum(&result, column), count(&result, &statistic), "{column} by {by}");
            compared += 1;
        }
        assert!(compared > 30, "{compared} columns by {by}");
        assert!(rows(&result).len() > 2, "{by}");
        for column in ["dtlb.misses", "walker.walks", "os.faults.total", "cycles.walk"] {
            assert!(sum(&result, column) > 0, "{column} by {by}");
        }
        // The parts of a row's cycles are its cycles.
        for row in rows(&result) {
            let row = row.as_object().unwrap();
            let parts = row.iter().filter(|(name, _)| name.starts_with("cycles."));
            let parts: u64 = parts.map(|(_, cycles)| cycles.as_u64().unwrap()).sum();
            assert_eq!(Some(parts), row["cycles"].as_u64(), "{row:?}");
        }
    }
}

#[test]
fn intervals_come_in_the_order_of_the_run() {
    let result = Sandbox::new().simulate(&format!("{RUN} --by interval --interval 700"));
    let (rest, intervals) = rows(&result).split_last().unwrap();
    assert_eq!(rest["interval"], "(rest)");
    let (last, full) = intervals.split_last().unwrap();
    for (at, row) in full.iter().enumerate() {
        assert_eq!(row["interval"].as_str(), Some((at * 700).to_string().as_str()));
        assert_eq!(row["accesses"].as_u64(), Some(700));
    }
    assert!((1..=700).contains(&last["accesses"].as_u64().unwrap()));
}

#[test]
fn the_number_of_threads_changes_no_row() {
    let sandbox = Sandbox::new();
    let with = |jobs: u32| sandbox.simulate(&format!("{RUN} --by site --jobs {jobs}"));
    assert_eq!(with(1), with(3));
}

#[test]
fn rows_go_with_ideals_and_into_a_file() {
    let sandbox = Sandbox::new();
    let short =
        "--config skylake --workload gups --set workload.table=1MiB --set workload.updates=500";
    let result = sandbox.simulate(&format!("{short} --by area -o out"));
    let file = sandbox.read("out/by.parquet");
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
    let ideal = sandbox.simulate(&format!("{short} --by area --ideal"));
    assert_eq!(ideal["by"], result["by"]);
    let text = sandbox.run(&format!("run {short} --by area --top 1")).stdout;
    assert!(text.contains("by area") && text.contains("(rest)"), "{text}");
}

#[test]
fn what_cannot_be_broken_down_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("program", "no program");
    let threads =
        "--config skylake --workload counters --set workload.threads=2 --set core.count=2";
    for (line, says) in [
        (format!("{threads} --by site"), ["core.count", "--by"]),
        (format!("{RUN} --by symbol"), ["--program", "symbol"]),
        (format!("{RUN} --by symbol --program program"), ["program", ""]),
        (format!("{RUN} --by symbol --program missing"), ["missing", ""]),
        (format!("{RUN} --by site --interval 10"), ["--interval", "--by interval"]),
        (format!("{RUN} --by area --program program"), ["--program", "--by symbol"]),
        (format!("{RUN} --by line"), ["line", "--by"]),
        (format!("{RUN} --by interval --interval 0"), ["--interval", "0"]),
        (format!("{RUN} --by site --sample"), ["--by", "--sample"]),
        (format!("{RUN} --by site --checkpoint warm --checkpoint-only"), ["--by", "checkpoint"]),
        (format!("{RUN} --top 3"), ["--by", ""]),
    ] {
        let ran = sandbox.run(&format!("run --format json {line}"));
        let message = ran.refusal();
        assert!(says.iter().all(|part| message.contains(part)), "{line}: {message}");
        assert!(!sandbox.path("warm").exists(), "{line}");
    }
}
