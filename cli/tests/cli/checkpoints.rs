//! Checkpoints: a run that starts from one, beside a run with the same warm-up.

use serde_json::Value;

use crate::command::{Sandbox, count};

/// Stores, faults, walks, write-backs, in 120,000 accesses.
const TRACE: &str = "gen gups --set table=8MiB --set updates=60_000 -o gups.flt --format json";

/// Whether a statistic depends on time.
fn is_timed(name: &str) -> bool {
    let timed = ["run.cycles", "run.ns", "run.ipc", "run.amat", "cycles.", "dram."];
    timed.iter().any(|part| name.starts_with(part))
        || name.contains("cycles")
        || name.contains("_ns")
}

/// Asserts that two results say the same of everything but time.
fn assert_same_function(one: &Value, other: &Value, what: &str) {
    let stats = one["stats"].as_object().unwrap();
    assert!(stats.keys().filter(|name| !is_timed(name)).count() > 60);
    for (name, value) in stats.iter().filter(|(name, _)| !is_timed(name)) {
        assert_eq!(&other["stats"][name], value, "{name}, {what}");
    }
    assert_eq!(one["trace"], other["trace"], "{what}");
}

fn assert_near(one: u64, other: u64, what: &str) {
    assert!(one.abs_diff(other) * 200 < one, "{one} {other} {what}");
}

/// Every kind of state is used: zero pages, swapping under each sort of policy, random choices, pages that
/// are mapped beforehand, page-walk caches, a sample.
#[test]
fn a_run_from_a_checkpoint_counts_what_one_with_the_warm_up_counts() {
    let sandbox = Sandbox::new();
    sandbox.run(TRACE).json();
    let swapping = "--set os.limit=4MiB --set swap.size=1GiB";
    for machine in [
        String::new(),
        "--set os.prefault=accessed".to_owned(),
        "--set mmu.tlb.stlb.replacement=random --set cache.l2.replacement=srrip --seed 7"
            .to_owned(),
        swapping.to_owned(),
        format!("{swapping} --set os.reclaim=random"),
        format!("{swapping} --set os.reclaim=clock --set cache.l1d.replacement=plru"),
        format!("{swapping} --set os.reclaim=opt"),
    ] {
        let run = |more: &str| {
            sandbox.simulate(&format!("--config skylake --trace gups.flt {machine} {more}"))
        };
        let whole = run("--warmup 50000 --limit 40000");
        let written = run("--warmup 50000 --limit 40000 --checkpoint at.ckpt");
        let from = run("--from-checkpoint at.ckpt --limit 40000");
        assert_eq!(count(&from, "run.accesses"), 40_000);
        assert_eq!(from["trace"]["uncounted"], 50_000);
        assert_same_function(&whole, &from, &machine);
        assert_near(count(&whole, "run.cycles"), count(&from, "run.cycles"), &machine);
        assert_eq!(written, from, "{machine}");
        for jobs in 1..=3 {
            let again = run(&format!("--from-checkpoint at.ckpt --limit 40000 --jobs {jobs}"));
            assert_eq!(again, from, "{jobs} jobs, {machine}");
        }
        let timing = "--set core.rob=64 --set dram.channels=1 --limit 40000";
        let whole = run(&format!("--warmup 50000 {timing}"));
        let from = run(&format!("--from-checkpoint at.ckpt {timing}"));
        assert_same_function(&whole, &from, &machine);
        assert_near(count(&whole, "run.cycles"), count(&from, "run.cycles"), &machine);
        let sample = "--sample --sample-unit 500 --sample-warm 1000 --sample-period 6000";
        let sampled = run(&format!("--from-checkpoint at.ckpt --limit 40000 {sample}"));
        assert_same_function(&from, &sampled, &machine);
    }
}

#[test]
fn a_checkpoint_can_be_all_that_is_written() {
    let sandbox = Sandbox::new();
    sandbox.run(TRACE).json();
    let ran = sandbox.run(
        "run --config skylake --trace gups.flt --warmup 50000 --checkpoint a --checkpoint-only",
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    sandbox.simulate("--config skylake --trace gups.flt --warmup 50000 --checkpoint b");
    assert!(sandbox.read("a") == sandbox.read("b"));
    assert_eq!(sandbox.names(), ["a", "b", "gups.flt"]);
    let workload = "--config skylake --workload gups --set workload.updates=30000";
    let whole = sandbox.simulate(&format!("{workload} --warmup 9000"));
    sandbox.run(&format!("run {workload} --warmup 9000 --checkpoint c --checkpoint-only"));
    let from = sandbox.simulate(&format!("{workload} --from-checkpoint c"));
    assert_same_function(&whole, &from, "a workload");
}

#[test]
fn what_does_not_belong_together_is_refused_by_name() {
    let sandbox = Sandbox::new();
    sandbox.run(TRACE).json();
    sandbox.run("trace slice gups.flt --start 0 --count 90000 -o other.flt");
    let run = |more: &str| sandbox.run(&format!("run --config skylake {more}"));
    let write = "--trace gups.flt --warmup 50000 --checkpoint at.ckpt --checkpoint-only";
    assert_eq!(run(write).code, 0);
    let told = |more: &str| run(more).refusal().to_owned();
    let message = told("--trace gups.flt --from-checkpoint at.ckpt --set mmu.tlb.stlb.entries=768");
    let expected = "mmu.tlb.stlb.entries is 1536 there and 768 here";
    assert!(message.contains("at.ckpt") && message.contains(expected), "{message}");
    let message = told("--trace other.flt --from-checkpoint at.ckpt");
    assert!(message.contains("at.ckpt: it is of another trace"), "{message}");
    let message = told("--trace gups.flt --from-checkpoint at.ckpt --seed 5");
    assert!(message.contains("--seed 1, and this run has 5"), "{message}");
    let message = told("--trace gups.flt --from-checkpoint gups.flt");
    assert!(message.contains("gups.flt: it is not a checkpoint"), "{message}");
    let mut bytes = sandbox.read("at.ckpt");
    sandbox.write("cut.ckpt", &bytes[..bytes.len() / 2]);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    sandbox.write("flipped.ckpt", bytes);
    for file in ["cut.ckpt", "flipped.ckpt"] {
        let message = told(&format!("--trace gups.flt --from-checkpoint {file}"));
        assert!(message.contains(file) && message.contains("checksum"), "{message}");
    }
    assert!(told("--trace gups.flt --from-checkpoint none.ckpt").contains("none.ckpt"));
    assert!(told("--trace gups.flt --warmup 120001 --checkpoint x").contains("warm-up takes"));
    assert_eq!(run("--trace gups.flt --checkpoint x").code, 2);
    assert_eq!(run("--trace gups.flt --from-checkpoint at.ckpt --warmup 3").code, 2);
    assert_eq!(run("--trace gups.flt --warmup 3 --checkpoint-only").code, 2);
    let mapped = format!("{write} --set os.prefault=accessed --limit 9000");
    assert_eq!(run(&mapped).code, 0);
    let message = told("--trace gups.flt --from-checkpoint at.ckpt --set os.prefault=accessed");
    assert!(message.contains("taken with --limit 9000, this run has no --limit"), "{message}");
    assert!(!sandbox.names().contains(&"x".to_owned()));
}
