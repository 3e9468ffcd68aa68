//! How long the cases take: `cargo bench --bench time -- NAME` for those whose names contain NAME.

use std::time::{Duration, Instant};

use benchmarks::{cases, measured_round};
use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};

fn time(criterion: &mut Criterion) {
    for case in cases::all() {
        let (group, part) = case.name.split_once('/').unwrap_or((&case.name, ""));
        let mut group = criterion.benchmark_group(group);
        group.throughput(Throughput::Elements(case.elements));
        // Preparing takes longer than a round, and what a round leaves behind is another machine.
        group.sampling_mode(SamplingMode::Flat).sample_size(10);
        // More resamples say nothing more about ten samples.
        group.nresamples(1001);
        group.warm_up_time(Duration::from_millis(50)).measurement_time(Duration::from_millis(200));
        group.bench_function(BenchmarkId::from_parameter(part), |bencher| {
            bencher.iter_custom(|rounds| {
                let one = |_| {
                    let mut round = case.prepare();
                    let start = Instant::now();
                    measured_round(&mut round);
                    start.elapsed()
                };
                (0..rounds).map(one).sum()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, time);
criterion_main!(benches);
