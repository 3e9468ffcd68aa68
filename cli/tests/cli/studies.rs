//! `sweep` and `report`: the same points however they are computed, and only the missing ones.

use std::path::Path;

use crate::command::Sandbox;

const STUDY: &str = r#"
name = "small"
machine = { base = "skylake", os = { prefault = "accessed" } }
[[workload]]
name = "gups"
set = { table = "1MiB", updates = 3000 }
[[workload]]
name = "chase"
set = { footprint = "256KiB" }
[sweep]
"mmu.tlb.stlb.entries" = [96, 192]
"mmu.tlb.stlb.latency" = ["7cycles", "9cycles"]
[report]
metric = "run.cycles"
baseline = { "mmu.tlb.stlb.entries" = 96, "mmu.tlb.stlb.latency" = "7cycles" }
"#;

fn study() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("study.toml", STUDY);
    sandbox
}

fn points(sandbox: &Sandbox, folder: &str) -> String {
    String::from_utf8(sandbox.read(&format!("{folder}/points.csv"))).unwrap()
}

#[test]
fn jobs_and_shards_give_the_same_bytes() {
    let sandbox = study();
    let whole = sandbox.run("sweep study.toml --jobs 1 -o one --format json").json();
    assert_eq!((&whole["computed"], &whole["points"]), (&8.into(), &8.into()));
    let one = points(&sandbox, "one");
    assert_eq!(one.lines().count(), 9);
    let two = sandbox.run("sweep study.toml --jobs 2 -o two --format json").json();
    assert_eq!(two["computed"], 8);
    assert_eq!(points(&sandbox, "two"), one);
    let mut computed = 0;
    for shard in ["1/2", "2/2"] {
        let line = format!("sweep study.toml --shard {shard} -o shards --format json");
        computed += sandbox.run(&line).json()["computed"].as_u64().unwrap();
    }
    assert_eq!(computed, 8);
    assert_eq!(points(&sandbox, "shards"), one);
}

#[test]
fn memory_bounds_the_passes_and_changes_no_byte() {
    let sandbox = study();
    sandbox.run("sweep study.toml -o free --format json").json();
    sandbox.run("sweep study.toml --memory 1 --jobs 2 -o bound --format json").json();
    assert_eq!(points(&sandbox, "bound"), points(&sandbox, "free"));
    let plan = |memory: &str| {
        let line = format!("sweep study.toml --plan --memory {memory} --format json");
        let plan = sandbox.run(&line).json();
        (plan["passes"].as_array().unwrap().len(), plan["memory_bytes"].as_u64().unwrap())
    };
    // Two traces × two functional machines.
    let (free, together) = plan("8GiB");
    let (bound, alone) = plan("20MiB");
    assert_eq!((free, bound), (2, 4));
    assert!(alone < together, "{alone} < {together}");
    let refused = sandbox.run("sweep study.toml --memory 4GB");
    assert_eq!(refused.code, 2);
}

#[test]
fn a_plan_names_every_missing_point_and_writes_nothing() {
    let sandbox = study();
    let fed = |line: &str| {
        let plan = sandbox.run(line).json();
        let passes = plan["passes"].as_array().unwrap();
        let machines = passes.iter().flat_map(|pass| pass["machines"].as_array().unwrap());
        let times = machines.flat_map(|machine| machine["times"].as_array().unwrap());
        let mut points: Vec<String> = times.map(|time| time["point"].to_string()).collect();
        points.sort();
        points.dedup();
        (points.len(), plan["stored"].as_u64().unwrap(), plan["cpu_seconds"].as_f64().unwrap())
    };
    let (points, stored, seconds) = fed("sweep study.toml --plan --format json");
    assert_eq!((points, stored), (8, 0));
    assert!(seconds > 0.0);
    let text = sandbox.run("sweep study.toml --dry-run");
    assert_eq!(text.code, 0);
    for part in ["pass 2:", "function half: ", "stlb latency 9cycles", "estimate: "] {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }
    assert!(!sandbox.path("results").exists(), "nothing is written");
    let parts = ["1/3", "2/3", "3/3"]
        .map(|shard| fed(&format!("sweep study.toml --plan --shard {shard} --format json")).0);
    assert_eq!(parts.iter().sum::<usize>(), 8);
    assert_eq!(sandbox.run("sweep study.toml --shard 1/3").code, 0);
    let left = fed("sweep study.toml --plan --format json");
    assert_eq!((left.0, left.1), (8 - parts[0], parts[0] as u64));
}

#[test]
fn a_point_is_what_run_says_of_it() {
    let sandbox = study();
    assert_eq!(sandbox.run("sweep study.toml -o out").code, 0);
    let text = points(&sandbox, "out");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| {
        names.iter().position(|own| *own == name).unwrap_or_else(|| panic!("no column {name}"))
    };
    for key in ["workload", "mmu.tlb.stlb.entries", "mmu.tlb.stlb.latency"] {
        column(key);
    }
    let run = sandbox.simulate(
        "--config skylake --set os.prefault=\"accessed\" --set mmu.tlb.stlb.entries=192 \
         --set mmu.tlb.stlb.latency=9cycles --workload chase --set workload.footprint=256KiB",
    );
    let row: Vec<&str> = lines
        .map(|line| line.split(',').collect::<Vec<_>>())
        .find(|row| {
            row[column("workload")].starts_with("chase")
                && row[column("mmu.tlb.stlb.entries")] == "192"
                && row[column("mmu.tlb.stlb.latency")].starts_with('9')
        })
        .expect("the point is there");
    for (name, value) in run["stats"].as_object().unwrap() {
        let text = row[column(name)];
        match value.as_u64() {
            Some(count) => assert_eq!(text, count.to_string(), "{name}"),
            // Reading JSON costs the last bit.
            None => {
                let (found, value): (f64, f64) = (text.parse().unwrap(), value.as_f64().unwrap());
                assert!((found - value).abs() <= 1e-14 * value.abs(), "{name}: {text}");
            }
        }
    }
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn only_missing_points_are_computed() {
    let sandbox = study();
    let sweep = "sweep study.toml -o out --format json";
    assert_eq!(sandbox.run(sweep).json()["computed"], 8);
    let before = points(&sandbox, "out");
    let again = sandbox.run(sweep).json();
    assert_eq!((&again["computed"], &again["stored"]), (&0.into(), &8.into()));
    let stored = files(&sandbox.path("out/points"));
    assert_eq!(stored.len(), 8, "{stored:?}");
    std::fs::remove_file(&stored[3]).unwrap();
    let third = sandbox.run(sweep).json();
    assert_eq!((&third["computed"], &third["stored"]), (&1.into(), &7.into()));
    assert_eq!(points(&sandbox, "out"), before);
}

#[test]
fn a_damaged_point_is_computed_again() {
    let sandbox = study();
    let sweep = "sweep study.toml -o out --format json";
    sandbox.run(sweep).json();
    let before = points(&sandbox, "out");
    let stored = files(&sandbox.path("out/points"));
    let mut bytes = std::fs::read(&stored[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&stored[0], &bytes).unwrap();
    std::fs::write(&stored[1], &std::fs::read(&stored[1]).unwrap()[..20]).unwrap();
    assert_eq!(sandbox.run(sweep).json()["computed"], 2);
    assert_eq!(points(&sandbox, "out"), before);
}

#[test]
fn a_sweep_leaves_everything_that_the_interface_names() {
    let sandbox = study();
    // Without -o, it goes to results/<name>.
    assert_eq!(sandbox.run("sweep study.toml").code, 0);
    for name in ["points.csv", "points.parquet", "study.toml", "report.html"] {
        assert!(sandbox.path("results/small").join(name).is_file(), "{name}");
    }
    assert_eq!(&sandbox.read("results/small/points.parquet")[..4], b"PAR1");
    let charts = files(&sandbox.path("results/small/charts"));
    let named = |suffix: &str| {
        let of_suffix =
            |path: &&std::path::PathBuf| path.extension().is_some_and(|own| own == suffix);
        charts.iter().filter(of_suffix).count()
    };
    assert!(named("png") >= 4, "{charts:?}");
    assert_eq!(named("png"), named("svg"));
    let page = String::from_utf8(sandbox.read("results/small/report.html")).unwrap();
    // Self-contained: nothing is fetched.
    for outside in ["src=\"http", "href=\"http", "src=\"charts", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    // The resolved study computes the same points.
    sandbox.write("again.toml", sandbox.read("results/small/study.toml"));
    assert_eq!(sandbox.run("sweep again.toml -o again").code, 0);
    assert_eq!(points(&sandbox, "again"), points(&sandbox, "results/small"));
    // And `report` draws it all again from what is stored.
    std::fs::remove_dir_all(sandbox.path("results/small/charts")).unwrap();
    std::fs::remove_file(sandbox.path("results/small/report.html")).unwrap();
    assert_eq!(sandbox.run("report results/small").code, 0);
    assert_eq!(files(&sandbox.path("results/small/charts")), charts);
    assert!(sandbox.path("results/small/report.html").is_file());
}

#[test]
fn a_trace_stands_in_for_the_workloads() {
    let sandbox = study();
    sandbox.write("t.lackey", " L 1000,8\n S 2000,8\n".repeat(100));
    let line = "sweep study.toml --trace t.lackey -o out --format json";
    assert_eq!(sandbox.run(line).json()["points"], 4);
}

#[test]
fn a_run_with_an_output_folder_leaves_a_report() {
    let sandbox = Sandbox::new();
    let line =
        "run --config skylake --workload gups --set workload.table=1MiB -o out --format json";
    let ran = sandbox.run(line);
    let stored: serde_json::Value =
        serde_json::from_slice(&sandbox.read("out/result.json")).unwrap();
    assert_eq!(stored, ran.json());
    assert!(sandbox.path("out/report.html").is_file());
    assert!(!files(&sandbox.path("out/charts")).is_empty());
}
