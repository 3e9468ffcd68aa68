//! Parts of traces: warm-up, regions of interest, limits; and samples of them.

use serde_json::Value;

use crate::command::{Sandbox, count, stat};

/// Stores, faults, walks, write-backs, in 120,000 accesses.
const TRACE: &str = "gen gups --set table=8MiB --set updates=60_000 -o gups.flt --format json";

fn stats(result: &Value) -> impl Iterator<Item = (&String, &Value)> {
    result["stats"].as_object().unwrap().iter()
}

fn sum_of_components(result: &Value) -> u64 {
    let parts = stats(result).filter(|(name, _)| name.starts_with("cycles."));
    parts.map(|(_, value)| value.as_u64().unwrap()).sum()
}

/// What is so at the end, and not counted.
fn is_state(name: &str) -> bool {
    name.starts_with("os.pages.")
        || name.starts_with("os.buddy.free")
        || name.starts_with("os.vsz")
        || name.starts_with("os.rss")
}

#[test]
fn a_warm_up_changes_state_and_counts_nothing() {
    let sandbox = Sandbox::new();
    sandbox.run(TRACE).json();
    let run = |more: &str| sandbox.simulate(&format!("--config skylake --trace gups.flt {more}"));
    let (early, late) = (run("--limit 30000"), run("--limit 80000"));
    let part = run("--warmup 30000 --limit 50000");
    assert_eq!(count(&part, "run.accesses"), 50_000);
    assert_eq!(part["trace"]["uncounted"], 30_000);
    for (name, value) in stats(&part).filter(|(_, value)| value.is_u64()) {
        let value = value.as_u64().unwrap();
        let (early, late) = (count(&early, name), count(&late, name));
        if is_state(name) {
            assert_eq!(value, late, "{name}");
        } else if name.starts_with("run.cycles") || name.starts_with("run.ns") {
            assert!((early + value).abs_diff(late) <= 1000, "{name}: {early} + {value}, {late}");
        } else if !name.starts_with("cycles.")
            && !name.starts_with("dram.")
            && !name.contains("cycles")
        {
            assert_eq!(early + value, late, "{name}");
        }
    }
    assert_eq!(sum_of_components(&part), count(&part, "run.cycles"));
    let mpki = 1000.0 * stat(&part, "stlb.misses") / stat(&part, "run.instructions");
    assert!((stat(&part, "stlb.mpki") - mpki).abs() < 1e-9);
    for jobs in 1..=3 {
        assert_eq!(run(&format!("--warmup 30000 --limit 50000 --jobs {jobs}")), part, "{jobs}");
    }
}

#[test]
fn a_region_of_interest_is_what_counts() {
    let sandbox = Sandbox::new();
    sandbox.run(&format!("{TRACE} --set record_setup=true --set record_check=true")).json();
    let run = |more: &str| sandbox.simulate(&format!("--config skylake --trace gups.flt {more}"));
    let (region, whole) = (run(""), run("--region ignore"));
    assert_eq!(count(&region, "run.accesses"), 120_000);
    assert_eq!(whole["trace"]["uncounted"], 0);
    let uncounted = count(&whole, "run.accesses") - 120_000;
    assert!(uncounted > 1000);
    assert_eq!(region["trace"]["uncounted"].as_u64(), Some(uncounted));
    // Its memory was written before it starts.
    assert_eq!(count(&region, "os.faults.total"), 0);
    assert!(count(&whole, "os.faults.total") > 2000);
    // The set-up is no part of a limit.
    let limited = run("--limit 5000");
    assert_eq!(count(&limited, "run.accesses"), 5000);
    assert_eq!(count(&limited, "os.faults.total"), 0);
}

#[test]
fn a_run_that_would_count_nothing_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.run(TRACE).json();
    let run = |more: &str| {
        let ran = sandbox.run(&format!("run --config skylake --trace gups.flt {more}"));
        ran.refusal().to_owned()
    };
    let message = run("--warmup 120000");
    assert!(message.contains("120000") && message.contains("nothing is counted"), "{message}");
    let message = run("--limit 3000 --sample");
    assert!(message.contains("--sample-period"), "{message}");
    let message = run("--sample --sample-period 3000");
    assert!(message.contains("do not fit a period of 3000"), "{message}");
    assert_eq!(sandbox.run("run --config skylake --trace gups.flt --sample-unit 9").code, 2);
}

/// Counts are exact, times are near, and both are the same on any number of threads.
#[test]
fn a_sample_estimates_what_everything_takes() {
    let sandbox = Sandbox::new();
    sandbox.run(TRACE).json();
    let run = |more: &str| sandbox.simulate(&format!("--config skylake --trace gups.flt {more}"));
    let sample = "--sample --sample-unit 500 --sample-warm 1000 --sample-period 6000";
    for more in ["", "--set os.prefault=accessed", "--warmup 40000"] {
        let (exact, estimate) = (run(more), run(&format!("{sample} {more}")));
        for (name, value) in stats(&exact) {
            let timed =
                ["run.cycles", "run.ns", "run.ipc", "run.amat", "cycles.", "dram.", "swap."];
            if timed.iter().any(|part| name.starts_with(part)) || name.contains("cycles") {
                continue;
            }
            assert_eq!(&estimate["stats"][name], value, "{name}, {more}");
        }
        let ratio = stat(&estimate, "run.cycles") / stat(&exact, "run.cycles");
        assert!((0.93..1.07).contains(&ratio), "{ratio}, {more}");
        assert_eq!(count(&estimate, "cycles.fault_minor"), count(&exact, "cycles.fault_minor"));
        assert_eq!(sum_of_components(&estimate), count(&estimate, "run.cycles"));
        assert_eq!(
            estimate["histograms"]["fault_ns"]["count"],
            exact["histograms"]["fault_ns"]["count"]
        );
        let told = &estimate["sample"];
        assert!(told["units"].as_u64().unwrap() >= 10, "{told}");
        let ci: Vec<u64> =
            told["ci95"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
        let cycles = count(&estimate, "run.cycles");
        assert!(ci[0] < cycles && cycles < ci[1], "{told}");
        assert!(told["relative_error"].as_f64().unwrap() < 0.2, "{told}");
        assert!(exact.get("sample").is_none());
        for jobs in 1..=3 {
            assert_eq!(run(&format!("{sample} {more} --jobs {jobs}")), estimate, "{jobs}, {more}");
        }
    }
    let table = sandbox.run(&format!("run --config skylake --trace gups.flt {sample} -o out"));
    assert!(table.stdout.contains("sampled: "), "{table:?}");
    let page = String::from_utf8(sandbox.read("out/report.html")).unwrap();
    assert!(page.contains("sampled: "));
}

/// A study's points are what single runs of the same part say, and another part is another point.
#[test]
fn a_study_takes_the_part_that_it_names() {
    let sandbox = Sandbox::new();
    sandbox.run(TRACE).json();
    let study = |more: &str| {
        let text = format!(
            "name = \"part\"\nmachine = \"skylake\"\n{more}\n[[trace]]\nfile = \"gups.flt\"\n\
             [sweep]\n\"core.rob\" = [64, 224]\n"
        );
        sandbox.write("part.toml", text);
        sandbox.run("sweep part.toml --format json").json()["computed"].as_u64()
    };
    assert_eq!(study("warmup = 20000\nlimit = 30000"), Some(2));
    assert_eq!(study("warmup = 20000\nlimit = 30000"), Some(0));
    let points = String::from_utf8(sandbox.read("results/part/points.csv")).unwrap();
    let run = sandbox.simulate(
        "--config skylake --trace gups.flt --warmup 20000 --limit 30000 --set core.rob=64",
    );
    let column = points.lines().next().unwrap().split(',').position(|name| name == "run.cycles");
    let cycles = points.lines().nth(1).unwrap().split(',').nth(column.unwrap()).unwrap();
    assert_eq!(cycles, count(&run, "run.cycles").to_string());
    assert_eq!(study("warmup = 10000\nlimit = 30000"), Some(2));
}
