//! Whole runs of every workload on `skylake`, pages mapped before: the function half, the time half over
//! what the function half found, and both from a file on one thread, with start-up and decoding.

use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use analysis::region::Region;
use analysis::simulate::{RunOptions, Warm, simulate};
use analysis::trace::TraceSpec;
use model::config::Config;
use tracegen::batch::Batch;
use tracegen::formats::{Input, OpenOptions};

use super::container::{folder, write};
use crate::machine::{Function, Sets, skylake, time_round};
use crate::{Case, Round, stream};

const ACCESSES: u64 = 1 << 15;

const WORKLOADS: [(&str, Sets<'static>); 9] = [
    ("sequential", &[("footprint", "1MiB")]),
    ("uniform", &[("footprint", "64MiB")]),
    ("zipf", &[("footprint", "64MiB")]),
    ("gups", &[("table", "64MiB")]),
    ("stream", &[("size", "1MiB")]),
    ("chase", &[("footprint", "16MiB")]),
    ("bfs", &[("scale", "13")]),
    ("gemm", &[("n", "128"), ("variant", "tiled")]),
    ("kv", &[("keys", "50_000")]),
];

pub(super) fn cases() -> Vec<Case> {
    WORKLOADS.into_iter().flat_map(of_workload).collect()
}

fn of_workload((name, set): (&'static str, Sets<'static>)) -> [Case; 3] {
    let batches = move || stream::workload(name, set, ACCESSES);
    let config = || skylake(&[("os.prefault", "accessed")]);
    [
        Case::new(format!("function/{name}"), ACCESSES, move || {
            let batches = batches();
            Function::prefaulted(&config(), &batches).round(batches)
        }),
        Case::new(format!("time/{name}"), ACCESSES, move || time_round(&config(), &batches())),
        Case::new(format!("run/{name}"), ACCESSES, move || whole(config(), &batches())),
    ]
}

/// A run from a file.
fn whole(config: Config, batches: &[Batch]) -> Round {
    let directory = folder();
    write(&directory.path().join("trace.flt"), batches);
    Box::new(move || {
        let input = Input::of(&directory.path().join("trace.flt"));
        let options = OpenOptions::default();
        let spec = TraceSpec::File { name: "trace".to_owned(), input, options };
        let options = RunOptions {
            jobs: 1,
            seed: 1,
            region: Region::default(),
            sample: None,
            ideal: false,
            by: None,
            warm: Warm::Timed,
            interrupted: &AtomicBool::new(false),
            progress: &|_, _| (),
        };
        black_box(simulate(&config, &spec, &options)).expect("the run ends");
    })
}
