//! The same input gives the same bytes, however many threads there are.

use crate::command::Sandbox;

#[test]
fn jobs_change_nothing() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("gen bfs --set scale=12 -o bfs.flt").code, 0);
    for what in [
        "--trace bfs.flt",
        "--workload gups --set workload.table=4MiB --set workload.updates=30_000",
        "--workload kv --set workload.keys=2000 --set workload.operations=5000 --seed 9",
        // Swapping, random replacement, prefaulting.
        "--workload gups --set workload.table=4MiB --set workload.updates=3000 --set os.limit=3MiB \
         --set os.prefault=\"accessed\" --set os.reclaim=\"random\" \
         --set mmu.tlb.stlb.replacement=\"random\"",
    ] {
        let run = |jobs: u32| {
            let ran =
                sandbox.run(&format!("run --config skylake {what} --jobs {jobs} --format json"));
            assert_eq!(ran.code, 0, "{ran:?}");
            ran.stdout
        };
        let one = run(1);
        for jobs in [2, 4] {
            assert!(run(jobs) == one, "{what} with {jobs} jobs");
        }
    }
}

#[test]
fn the_seed_decides_random_choices() {
    let sandbox = Sandbox::new();
    let run = |seed: u32| {
        sandbox
            .run(&format!(
                "run --config skylake --set cache.l1d.replacement=\"random\" --workload gups \
                 --set workload.table=1MiB --set workload.updates=5000 --seed {seed} --format json"
            ))
            .stdout
    };
    assert!(run(3) == run(3));
    assert!(run(3) != run(4));
}

#[test]
fn a_piped_trace_gives_what_its_file_gives() {
    let sandbox = Sandbox::new();
    let line = "gen stream --set size=64KiB --set iterations=1 -o trace.flt";
    assert_eq!(sandbox.run(line).code, 0);
    let run = "run --config zen4 --format json --trace";
    let mut from_file = sandbox.run(&format!("{run} trace.flt")).json();
    let mut from_pipe = sandbox.pipe(&format!("{run} -"), sandbox.read("trace.flt")).json();
    for result in [&mut from_file, &mut from_pipe] {
        result["trace"]["name"] = "".into();
    }
    assert_eq!(from_file, from_pipe);
}

#[test]
fn a_generated_trace_gives_what_its_workload_gives() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run("gen gemm --set n=24 -o gemm.flt").code, 0);
    let from_file = sandbox.simulate("--config skylake --trace gemm.flt");
    let direct = sandbox.simulate("--config skylake --workload gemm --set workload.n=24");
    assert_eq!(from_file["stats"], direct["stats"]);
    assert_eq!(from_file["histograms"], direct["histograms"]);
}
