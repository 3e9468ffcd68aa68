//! A study from its text to its stored points, on one thread: STLB sizes, which need a function half
//! each, and timing settings, which share one.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use analysis::study::document::Text;
use analysis::study::execute::{Options, Watch, execute};
use analysis::study::plan::{Overrides, Plan};
use analysis::study::store::Store;

use super::container::folder;
use crate::Case;

const ACCESSES: u64 = 1 << 13;

/// Nobody looks.
struct Silent;

impl Watch for Silent {
    fn progress(&self, _: u64, _: u64, _: f64) {}
    fn message(&self, _: &str) {}
}

pub(super) fn cases() -> Vec<Case> {
    let shapes = [
        ("function", "\"mmu.tlb.stlb.entries\" = [768, 1536, 3072, 6144]", 4),
        (
            "timing",
            "\"mmu.walker.count\" = [1, 2]\n\"dram.channels\" = [1, 2]\n\"core.rob\" = [64, 224]",
            8,
        ),
        (
            "both",
            "\"mmu.tlb.stlb.entries\" = [768, 1536]\n\"mmu.walker.count\" = [1, 2]\n\"dram.channels\" = [1, 2]",
            8,
        ),
    ];
    shapes.into_iter().map(case).collect()
}

fn case((name, sweep, points): (&'static str, &'static str, u64)) -> Case {
    Case::new(format!("study/{name}"), points * ACCESSES, move || {
        let text = format!(
            "name = \"benchmark\"\nlimit = {ACCESSES}\n\
             machine = {{ base = \"skylake\", os = {{ prefault = \"accessed\" }} }}\n\
             [[workload]]\nname = \"gups\"\nset = {{ table = \"16MiB\", updates = {ACCESSES} }}\n\
             [sweep]\n{sweep}\n"
        );
        let directory = folder();
        Box::new(move || {
            let text = Text { name: "benchmark", text: &text };
            let plan = Plan::new(text, Path::new(""), &Overrides::default()).expect("a plan");
            assert_eq!(plan.points.len() as u64, points, "the case says how many points it has");
            let store = Store::create(directory.path()).expect("a folder");
            let options = Options {
                jobs: 1,
                shard: (1, 1),
                memory: 1 << 30,
                interrupted: &AtomicBool::new(false),
                watch: &Silent,
            };
            execute(&plan, &store, &options).expect("the study ends");
        })
    })
}
