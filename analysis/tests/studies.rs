//! A study gives every point the numbers that a run of that machine alone gives: the same statistics and
//! the same histograms, to the last bit, whatever is swept, however many threads and shards compute it, however
//! little memory it may take, and wherever it was stopped in between.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use analysis::error::Error;
use analysis::simulate::{RunOptions, Warm, simulate};
use analysis::study::document::Text;
use analysis::study::execute::{Options, Watch, execute};
use analysis::study::plan::{Overrides, Plan};
use analysis::study::store::{Found, Store};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Swept settings that decide what happens.
const FUNCTION: [&str; 8] = [
    "\"mmu.tlb.stlb.entries\" = [96, 192, 384]",
    "\"mmu.tlb.dtlb.ways\" = [1, \"full\"]",
    "\"mmu.page_size\" = [\"4KiB\", \"2MiB\"]",
    "\"mmu.tlb.stlb.replacement\" = [\"fifo\", \"random\"]",
    "\"cache.l2.size\" = [\"64KiB\", \"256KiB\"]",
    "\"cache.l1d.replacement\" = [\"srrip\", \"plru\"]",
    "\"os.prefault\" = [\"none\", \"accessed\"]",
    "\"os.limit\" = [\"384KiB\", \"16MiB\"]",
];

/// Swept settings that decide what it costs.
const TIME: [&str; 7] = [
    "\"mmu.walker.count\" = [1, 2, 4]",
    "\"mmu.tlb.stlb.latency\" = [\"7cycles\", \"9cycles\"]",
    "\"dram.channels\" = [1, 2]",
    "\"dram.queue\" = [4, 32]",
    "\"core.rob\" = [32, 224]",
    "\"cache.l1d.mshrs\" = [1, 10]",
    "\"swap.device\" = [\"nvme\", \"hdd\"]",
];

const TRACES: [&str; 6] = [
    "name = \"gups\"\nset = { table = \"1MiB\", updates = 1500 }",
    "name = \"chase\"\nset = { footprint = \"512KiB\" }",
    "name = \"sequential\"\nset = { footprint = \"128KiB\" }",
    "name = \"gemm\"\nset = { n = 12, variant = \"tiled\", tile = 4 }",
    "name = \"uniform\"\nset = { footprint = \"2MiB\", reads = 3000 }",
    "name = \"gups\"\nset = { table = \"4MiB\", updates = 800 }",
];

/// A study and how it is computed.
#[derive(Debug, Clone)]
struct Case {
    text: String,
    jobs: usize,
    shards: usize,
    memory: u64,
    /// The part of its points after which it is interrupted the first time, in tenths.
    stop: u64,
}

prop_compose! {
    fn case()(
        traces in subsequence(&TRACES[..], 1..=3),
        function in subsequence(&FUNCTION[..], 0..=2)
            .prop_filter("a large page does not fit the small limit", |axes| {
                !(axes.contains(&FUNCTION[2]) && axes.contains(&FUNCTION[7]))
            }),
        time in subsequence(&TIME[..], 0..=2),
        limit in select(vec![2500u64, 4500]),
        jobs in 1usize..=4,
        shards in 1usize..=3,
        memory in select(vec![1u64, 30 << 20, 80 << 20, 8 << 30]),
        stop in 0u64..=10,
    ) -> Case {
        let traces: String = traces.iter().map(|trace| format!("[[workload]]\n{trace}\n")).collect();
        let swept: String = function.iter().chain(&time).map(|axis| format!("{axis}\n")).collect();
        let text = format!(
            "name = \"random\"\nlimit = {limit}\n\
             machine = {{ base = \"skylake\", swap = {{ size = \"64MiB\" }}, os = {{ reclaim = \"clock\" }} }}\n\
             {traces}[sweep]\n{swept}"
        );
        Case { text, jobs, shards, memory, stop }
    }
}

/// Interrupts once some part of the work is done.
struct Stop<'a> {
    flag: &'a AtomicBool,
    share: f64,
}

impl Watch for Stop<'_> {
    fn progress(&self, _: u64, _: u64, share: f64) {
        if share >= self.share {
            self.flag.store(true, Ordering::Relaxed);
        }
    }
    fn message(&self, _: &str) {}
}

/// Computes every shard of `case`, the first of them with an interruption before.
fn compute(case: &Case, plan: &Plan, store: &Store) {
    let sweep = |shard, share: f64| {
        let interrupted = AtomicBool::new(false);
        let watch = Stop { flag: &interrupted, share };
        let (jobs, memory) = (case.jobs, case.memory);
        let options = Options { jobs, shard, memory, interrupted: &interrupted, watch: &watch };
        execute(plan, store, &options)
    };
    let first = sweep((1, case.shards), case.stop as f64 / 10.0);
    assert!(matches!(first, Ok(_) | Err(Error::Interrupted)), "{first:?}");
    for shard in 1..=case.shards {
        sweep((shard, case.shards), f64::INFINITY).unwrap();
    }
}

fn check(case: &Case) {
    let text = Text { name: "random.toml", text: &case.text };
    let plan = Plan::new(text, Path::new(""), &Overrides::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create(folder.path()).unwrap();
    compute(case, &plan, &store);
    let options = RunOptions {
        jobs: 1,
        seed: plan.seed,
        region: plan.region,
        sample: None,
        ideal: false,
        by: None,
        warm: Warm::Timed,
        interrupted: &AtomicBool::new(false),
        progress: &|_, _| (),
    };
    for point in &plan.points {
        let Found::Sound(stored) = store.point(point.address).unwrap() else {
            panic!("{:?} is missing", point.keys);
        };
        let alone = simulate(&point.config, &plan.traces[point.trace].spec, &options).unwrap();
        assert_eq!(stored.measured, alone.measured, "{:?}", point.keys);
        assert_eq!(stored.config, point.json.to_string());
        let Found::Sound(heat) = store.heat(stored.trace).unwrap() else {
            panic!("the heat of {:?} is missing", point.keys);
        };
        assert_eq!(heat, alone.heat);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_point_of_a_study_is_what_a_run_alone_gives(case in case()) {
        check(&case);
    }
}
