//! How fast each half of the model is alone: loads of 8 bytes, sequential and uniformly random over
//! 1 GiB, on the `skylake` machine, with every page mapped before they start. And main memory alone:
//! sequential and random reads, 1 and 32 of them in flight.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use model::address::PhysAddr;
use model::config::{self, Config, Layer};
use model::function::Simulator;
use model::outcome::Outcomes;
use model::time::Timing;
use model::time::dram::{self, Dram};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tracegen::batch::{BATCH_ACCESSES, Batch};
use tracegen::record::Access;

const SPAN: u64 = 1 << 30;
const BATCHES: u64 = 64;
const ACCESSES: u64 = BATCHES * BATCH_ACCESSES as u64;

type Addresses = Box<dyn FnMut() -> u64>;

fn sequential() -> Addresses {
    let mut next = 0;
    Box::new(move || {
        next = (next + 8) % SPAN;
        next
    })
}

fn uniform() -> Addresses {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    Box::new(move || random.random_range(0..SPAN) & !7)
}

/// A stream's name and what makes it.
type Stream = (&'static str, fn() -> Addresses);

const STREAMS: [Stream; 2] = [("sequential", sequential), ("uniform", uniform)];

fn batches(addresses: &mut Addresses) -> Vec<Batch> {
    let batch = |_| {
        let mut batch = Batch::new();
        for _ in 0..BATCH_ACCESSES {
            batch.push_access(Access { addr: addresses(), size: 8, ..Access::default() });
        }
        batch
    };
    (0..BATCHES).map(batch).collect()
}

/// The machine with the pages of all streams mapped.
fn machine() -> (Config, Simulator) {
    let preset = configs::machine("skylake").expect("a preset");
    let prefault = Layer::assignment("os.prefault=accessed");
    let layers = [Layer::document(preset.name, preset.text), prefault];
    let config = config::load(&layers).expect("the preset loads");
    let mut simulator = Simulator::new(&config, 1).expect("the preset can be built");
    let mut pages = Batch::new();
    for addr in (0..SPAN).step_by(1 << 12) {
        pages.push_access(Access { addr, size: 8, ..Access::default() });
    }
    simulator.prefault(&pages).expect("the pages fit");
    simulator.prefaulted().expect("memory holds the footprint");
    (config, simulator)
}

fn halves(criterion: &mut Criterion) {
    for (half, is_time) in [("function", false), ("time", true)] {
        let mut group = criterion.benchmark_group(half);
        group.throughput(Throughput::Elements(ACCESSES)).sample_size(10);
        for (name, addresses) in STREAMS {
            let (config, mut simulator) = machine();
            let mut timing = Timing::new(&config).expect("the preset can be timed");
            let (mut addresses, mut out) = (addresses(), Outcomes::default());
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..iterations {
                        for batch in &batches(&mut addresses) {
                            out.clear();
                            let start = Instant::now();
                            simulator.process(batch, &mut out).expect("reads of mapped pages");
                            let between = Instant::now();
                            timing.process(&out);
                            spent += if is_time { between.elapsed() } else { between - start };
                        }
                    }
                    spent
                });
            });
        }
        group.finish();
    }
}

fn memory(criterion: &mut Criterion) {
    const READS: u64 = 1 << 16;
    let mut group = criterion.benchmark_group("dram");
    group.throughput(Throughput::Elements(READS)).sample_size(10);
    for (name, addresses) in STREAMS {
        for outstanding in [1, 32] {
            let mut memory = Dram::new(&dram::settings::Dram::default()).expect("the default");
            let (mut addresses, mut now, mut flying) = (addresses(), 0, 0);
            // A burst is 64 bytes, an access 8.
            let stride = if name == "sequential" { 8 } else { 1 };
            group.bench_function(BenchmarkId::new(name, outstanding), |bencher| {
                bencher.iter(|| {
                    for _ in 0..READS {
                        if flying == outstanding
                            && let Some((_, finish)) = black_box(memory.advance(u64::MAX))
                        {
                            now = finish;
                            flying -= 1;
                        }
                        memory.submit(now, PhysAddr(addresses() * stride), false);
                        flying += 1;
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, halves, memory);
criterion_main!(benches);
