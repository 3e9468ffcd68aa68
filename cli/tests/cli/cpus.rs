//! Several CPUs, from a trace of threads to statistics of each.

use serde_json::Value;

use crate::command::{Sandbox, count, stat};

/// Two threads that count in turns, `spacing` apart, on as many CPUs.
fn counters(cpus: u16, spacing: &str, more: &str) -> Value {
    Sandbox::new().simulate(&format!(
        "--config skylake --workload counters --set workload.increments=1000 \
         --set workload.threads=2 --set workload.spacing={spacing} --set core.count={cpus} \
         --set os.prefault=accessed {more}"
    ))
}

/// In one line: each thread's load takes the line, modified, from the other CPU, and its store then
/// takes away the other's copy; only the first store finds nobody.
#[test]
fn counters_in_one_line_take_it_from_each_other() {
    let near = counters(2, "8B", "");
    assert_eq!((count(&near, "l1d.accesses"), count(&near, "l1d.misses")), (4000, 2000));
    for level in ["l1d", "l2"] {
        assert_eq!(count(&near, &format!("{level}.invalidations")), 1999, "{level}");
    }
    assert_eq!(count(&near, "l1d.upgrades"), 1999);
    let apart = counters(2, "64B", "");
    assert_eq!((count(&apart, "l1d.misses"), count(&apart, "l1d.invalidations")), (2, 0));
    assert!(stat(&near, "run.cycles") > 5.0 * stat(&apart, "run.cycles"));
    // On one CPU nobody takes anything.
    assert_eq!(count(&counters(1, "8B", ""), "l1d.misses"), 1);
}

#[test]
fn sums_are_those_of_the_cpus_and_cycles_those_of_the_last() {
    let result = counters(2, "8B", "");
    let of = |cpu: u16, name: &str| stat(&result, &format!("cpu.{cpu}.{name}"));
    for name in ["run.accesses", "run.instructions", "dtlb.misses", "l1d.misses", "walker.walks"] {
        assert_eq!(of(0, name) + of(1, name), stat(&result, name), "{name}");
    }
    let cycles = stat(&result, "run.cycles");
    assert_eq!(of(0, "run.cycles").max(of(1, "run.cycles")), cycles);
    let stats = result["stats"].as_object().unwrap();
    let parts = |prefix: &str| -> f64 {
        let of_prefix = stats.iter().filter(|(name, _)| name.starts_with(prefix));
        of_prefix.map(|(_, value)| value.as_f64().unwrap()).sum()
    };
    assert_eq!(parts("cycles."), cycles);
    assert_eq!(parts("cpu.1.cycles."), of(1, "run.cycles"));
    assert!(stats.contains_key("cycles.peer") && stats.contains_key("cycles.idle"));
    // One CPU has no statistics of its own.
    let alone = counters(1, "8B", "");
    assert!(!alone["stats"].as_object().unwrap().keys().any(|name| name.starts_with("cpu.")));
}

#[test]
fn the_number_of_threads_that_simulate_changes_nothing() {
    assert_eq!(counters(2, "8B", "--jobs 1"), counters(2, "8B", "--jobs 3"));
}

#[test]
fn impossible_numbers_of_cpus_are_refused() {
    let sandbox = Sandbox::new();
    for count in ["0", "65"] {
        let ran = sandbox.run(&format!("config check skylake --set core.count={count}"));
        assert!(ran.refusal().contains("core.count"), "{}", ran.refusal());
    }
}

/// Two programs side by side: one loads a page four times, the other eight pages once.
#[test]
fn merged_traces_run_side_by_side() {
    let sandbox = Sandbox::new();
    sandbox.write("a.pages", "1\n1\n1\n1\n");
    let pages: Vec<String> = (1..=8).map(|page| format!("{page}\n")).collect();
    sandbox.write("b.pages", pages.concat());
    let merge = "trace merge a.pages b.pages -o both.flt --format json";
    // The second program's CPU is told which process it runs.
    assert_eq!(sandbox.run(merge).json()["records"], 13);
    let run = |count: u16| {
        let set = format!("--set core.count={count}");
        sandbox.simulate(&format!("--config skylake --trace both.flt {set}"))
    };
    let two = run(2);
    let of = |cpu: u16, name: &str| count(&two, &format!("cpu.{cpu}.{name}"));
    assert_eq!((of(0, "run.loads"), of(1, "run.loads")), (4, 8));
    assert_eq!((of(0, "dtlb.misses"), of(1, "dtlb.misses")), (1, 8));
    assert_eq!(count(&two, "os.faults.total"), 9, "page 1 is a page of each program");
    assert_eq!(count(&run(1), "os.faults.total"), 9);
    assert_eq!(sandbox.run("trace merge --threads a.pages b.pages -o one.flt").code, 0);
    let one = sandbox.simulate("--config skylake --trace one.flt --set core.count=2");
    assert_eq!(count(&one, "os.faults.total"), 8, "page 1 is the program's");
}
