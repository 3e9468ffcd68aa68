//! How fast `.flt` files are written and read: sequential and random addresses, a million accesses each.

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng};
use tracegen::batch::{BATCH_ACCESSES, Batch};
use tracegen::error::TraceError;
use tracegen::formats::{self, Format, Input, OpenOptions};
use tracegen::metadata::Metadata;
use tracegen::record::Access;

const ACCESSES: u64 = 1 << 20;

fn batches(mut addr: impl FnMut(u64) -> u64) -> Vec<Batch> {
    let mut batches = vec![Batch::new()];
    for index in 0..ACCESSES {
        if batches.last().is_none_or(Batch::is_full) {
            batches.push(Batch::new());
        }
        if let Some(batch) = batches.last_mut() {
            let site = 0x40_0000 + index % 4 * 8;
            batch.push_access(Access { addr: addr(index), size: 8, site, ..Access::default() });
        }
    }
    batches
}

fn write(path: &Path, batches: &[Batch]) -> Result<(), TraceError> {
    let mut sink = formats::create(path, Format::Flt, &Metadata::default())?;
    batches.iter().try_for_each(|batch| sink.write(batch))?;
    sink.finish()
}

fn read(path: &Path) -> Result<u64, TraceError> {
    let mut source = formats::open(&Input::of(path), &OpenOptions::default())?;
    let mut batch = Batch::new();
    let mut sum = 0_u64;
    while source.fill(&mut batch)? {
        sum = sum.wrapping_add(batch.addr[batch.accesses().min(BATCH_ACCESSES) - 1]);
    }
    Ok(sum)
}

fn container(criterion: &mut Criterion) {
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(1);
    let streams = [
        ("sequential", batches(|index| index * 8)),
        ("random", batches(|_| random.random_range(0..1_u64 << 30) & !7)),
    ];
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut group = criterion.benchmark_group("flt");
    group.throughput(Throughput::Elements(ACCESSES)).sample_size(20);
    for (name, batches) in &streams {
        let path = directory.path().join(name);
        group.bench_function(BenchmarkId::new("encode", name), |bencher| {
            bencher.iter(|| write(&path, batches).expect("the trace is written"));
        });
        group.bench_function(BenchmarkId::new("decode", name), |bencher| {
            bencher.iter(|| black_box(read(&path).expect("the trace is read")));
        });
    }
    group.finish();
}

criterion_group!(benches, container);
criterion_main!(benches);
