//! Writing and reading `.flt` files.

use std::hint::black_box;
use std::path::Path;

use tempfile::TempDir;
use tracegen::batch::Batch;
use tracegen::formats::{self, Format, Input, OpenOptions};
use tracegen::metadata::Metadata;

use crate::{Case, stream};

const RECORDS: u64 = 1 << 18;

/// What makes a trace's records.
type Make = fn() -> Vec<Batch>;

pub(super) fn cases() -> Vec<Case> {
    let traces: [(&str, Make); 3] = [
        ("sequential", || stream::loads(RECORDS, |index| index * 8)),
        ("uniform", || {
            let mut word = stream::uniform(1 << 27);
            stream::loads(RECORDS, move |index| word(index) * 8)
        }),
        ("gups", || stream::workload("gups", &[("table", "16MiB")], RECORDS)),
    ];
    let both = |(name, make): (&str, Make)| {
        [
            Case::new(format!("container/encode/{name}"), RECORDS, move || {
                let (batches, directory) = (make(), folder());
                Box::new(move || write(&directory.path().join("trace.flt"), &batches))
            }),
            Case::new(format!("container/decode/{name}"), RECORDS, move || {
                let directory = folder();
                let path = directory.path().join("trace.flt");
                write(&path, &make());
                // The folder lives as long as the round.
                Box::new(move || read(&directory.path().join("trace.flt")))
            }),
        ]
    };
    traces.into_iter().flat_map(both).collect()
}

/// A folder that goes with what holds it.
pub(super) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Writes a trace.
pub(super) fn write(path: &Path, batches: &[Batch]) {
    let mut sink = formats::create(path, Format::Flt, &Metadata::default()).expect("a file");
    for batch in batches {
        sink.write(batch).expect("the records are written");
    }
    sink.finish().expect("the trace is complete");
}

fn read(path: &Path) {
    let mut source = formats::open(&Input::of(path), &OpenOptions::default()).expect("a trace");
    let mut batch = Batch::new();
    while source.fill(&mut batch).expect("the trace is sound") {
        black_box(&batch);
    }
}
