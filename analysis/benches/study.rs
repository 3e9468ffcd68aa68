//! What a study of 64 points costs against one run, beside how often the trace misses: both on one thread,
//! in processor time, with everything that `sweep` writes and without what `run` prints.
//!
//! `cargo bench -p analysis --bench study` prints the table of docs/studies.md.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use analysis::measured::Measured;
use analysis::region::Region;
use analysis::simulate::{RunOptions, Warm, simulate};
use analysis::study::clock::CpuClock;
use analysis::study::document::Text;
use analysis::study::execute::{Options, Watch, execute};
use analysis::study::outputs::{self, Drawing};
use analysis::study::plan::{Overrides, Plan};
use analysis::study::store::Store;
use tracegen::batch::Batch;
use tracegen::formats::{self, Format};
use tracegen::metadata::Metadata;
use tracegen::source::Source;
use tracegen::workloads;

type AnyError = Box<dyn std::error::Error>;

/// 4 × 4 × 4 points: four functional machines with sixteen time halves each.
const MIXED: &str = "\"mmu.tlb.stlb.entries\" = [384, 768, 1536, 3072]\n\
                     \"mmu.walker.count\" = [1, 2, 3, 4]\n\
                     \"dram.channels\" = [1, 2, 4, 8]\n";

/// 4 × 4 × 4 points: one functional machine with 64 time halves.
const TIMING: &str = "\"core.rob\" = [64, 128, 224, 512]\n\
                      \"mmu.walker.count\" = [1, 2, 3, 4]\n\
                      \"dram.channels\" = [1, 2, 4, 8]\n";

/// Workloads and their parameters, from few misses to many.
const TRACES: [(&str, &[(&str, &str)]); 6] = [
    ("gemm", &[("n", "192"), ("variant", "tiled"), ("tile", "32")]),
    ("sequential", &[("footprint", "64MiB")]),
    ("kv", &[("keys", "100000"), ("operations", "50000")]),
    ("bfs", &[("scale", "15")]),
    ("gups", &[("table", "256MiB"), ("updates", "150000")]),
    ("uniform", &[("footprint", "256MiB"), ("reads", "200000")]),
];

struct Quiet;

impl Watch for Quiet {
    fn progress(&self, _: u64, _: u64, _: f64) {}
    fn message(&self, text: &str) {
        eprintln!("{text}");
    }
}

fn record(path: &Path, name: &str, set: &[(&str, &str)]) -> Result<(), AnyError> {
    let set: Vec<_> = set.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    let mut source = workloads::open(name, &set, 0)?;
    let mut sink = formats::create(path, Format::Flt, &Metadata::default())?;
    let mut batch = Batch::new();
    while source.fill(&mut batch)? {
        sink.write(&batch)?;
    }
    Ok(sink.finish()?)
}

fn plan(folder: &Path, swept: &str) -> Result<Plan, AnyError> {
    let text = format!(
        "name = \"s\"\nmachine = {{ base = \"skylake\", os = {{ prefault = \"accessed\" }} }}\n\
         [[trace]]\nfile = \"t.flt\"\n[sweep]\n{swept}"
    );
    Ok(Plan::new(Text { name: "s.toml", text: &text }, folder, &Overrides::default())?)
}

/// CPU seconds of everything that a sweep does.
fn study(folder: &Path, swept: &str) -> Result<f64, AnyError> {
    let root = folder.join("results");
    let clock = CpuClock::start();
    let plan = plan(folder, swept)?;
    let store = Store::create(&root)?;
    outputs::write_study(&plan, &store)?;
    let interrupted = AtomicBool::new(false);
    let (shard, memory) = ((1, 1), 4 << 30);
    let options = Options { jobs: 1, shard, memory, interrupted: &interrupted, watch: &Quiet };
    execute(&plan, &store, &options)?;
    outputs::write_all(&store, Drawing::default())?;
    let seconds = clock.seconds();
    std::fs::remove_dir_all(&root)?;
    Ok(seconds)
}

/// CPU seconds of a run of the study's machine as it stands, and what it measured.
fn run(folder: &Path) -> Result<(f64, Measured), AnyError> {
    let clock = CpuClock::start();
    let plan = plan(folder, "")?;
    let options = RunOptions {
        jobs: 1,
        seed: plan.seed,
        region: Region::default(),
        sample: None,
        ideal: false,
        by: None,
        warm: Warm::Timed,
        interrupted: &AtomicBool::new(false),
        progress: &|_, _| (),
    };
    let result = simulate(&plan.points[0].config, &plan.traces[0].spec, &options)?;
    Ok((clock.seconds(), result.measured))
}

fn row(name: &str, set: &[(&str, &str)]) -> Result<(), AnyError> {
    let folder = tempfile::tempdir()?;
    record(&folder.path().join("t.flt"), name, set)?;
    let (mut alone, measured) = run(folder.path())?;
    for _ in 0..2 {
        alone = alone.min(run(folder.path())?.0);
    }
    let accesses = measured.real("run.accesses").max(1.0);
    let misses = |of: &str| 1000.0 * measured.real(of) / accesses;
    println!(
        "| {name} | {accesses} | {:.1} | {:.1} | {:.0} ms | {:.1} | {:.1} |",
        misses("dtlb.misses"),
        misses("l1d.misses"),
        alone * 1e3,
        study(folder.path(), MIXED)? / alone,
        study(folder.path(), TIMING)? / alone
    );
    Ok(())
}

fn main() -> Result<(), AnyError> {
    // Whoever tests all targets wants to know that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    println!(
        "| Trace | accesses | L1 TLB misses / 1000 | L1 cache misses / 1000 | one run | \
         STLB × walkers × channels | timing alone |\n|---|---|---|---|---|---|---|"
    );
    TRACES.iter().try_for_each(|(name, set)| row(name, set))
}
