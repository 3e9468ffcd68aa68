//! Curves of whole workloads.

use std::sync::atomic::AtomicBool;

use super::keys::Stream;
use super::policy::Choice;
use super::sample::Sampling;
use super::{Curves, Level, Method, Spec, measure};
use crate::pipeline::Drive;
use crate::region::{Markers, Region};
use crate::trace::TraceSpec;

fn spec(policies: &[&str], sampling: Option<Sampling>) -> Spec {
    Spec {
        level: Level::Page,
        shift: 12,
        stream: Stream::Data,
        sizes: None,
        sampling,
        shapes: None,
        first: None,
        policies: policies.iter().map(|name| Choice::parse(name).unwrap()).collect(),
        seed: 1,
    }
}

fn curves(spec: &Spec, workload: &str) -> Curves {
    let mut words = workload.split(' ');
    let name = words.next().unwrap().to_owned();
    let pair = |word: &str| word.split_once('=').map(|(key, value)| (key.into(), value.into()));
    let trace = TraceSpec::Workload { name, set: words.filter_map(pair).collect() };
    let interrupted = AtomicBool::new(false);
    let drive = Drive {
        threads: 1,
        region: Region { markers: Markers::Ignore, ..Region::default() },
        interrupted: &interrupted,
        progress: &|_, _| (),
    };
    measure(spec, &trace, &drive).unwrap()
}

/// Entries of the sample from which on a size is looked at: less is known too coarsely.
const LEAST: f64 = 16.0;

/// Mean absolute difference of the miss ratio at the sizes that both have.
fn error(truth: &Curves, other: &Curves, policy: usize) -> f64 {
    let (truth, other) = (&truth.curves[policy], &other.curves[policy]);
    let shown = other.points.iter().filter(|point| point.size as f64 * other.rate >= LEAST);
    let differences: Vec<f64> = shown
        .filter_map(|point| {
            let own = truth.points.iter().find(|own| own.size == point.size)?;
            Some((own.ratio - point.ratio).abs())
        })
        .collect();
    assert!(differences.len() > 4, "{truth:?}\n{other:?}");
    differences.iter().sum::<f64>() / differences.len() as f64
}

const WORKLOADS: [&str; 8] = [
    "gups table=128MiB updates=200000",
    "uniform footprint=128MiB reads=400000",
    "zipf footprint=256MiB reads=400000",
    "chase footprint=64MiB steps=100000",
    "kv keys=400000 operations=50000",
    "bfs scale=15",
    "gemm n=160",
    "sequential footprint=64MiB passes=2",
];

/// What docs/curves.md says of `--sample-size 16384` at 4 KiB pages.
#[test]
fn a_sample_of_16384_pages_is_within_a_hundredth() {
    let sampling = Some(Sampling { rate: 1.0, size: Some(16_384) });
    for workload in WORKLOADS {
        let exact = curves(&spec(&["lru"], None), workload);
        let sampled = curves(&spec(&["lru"], sampling), workload);
        assert_eq!(exact.accesses, sampled.accesses);
        assert_eq!(sampled.curves[0].method, Method::FixedSize);
        let error = error(&exact, &sampled, 0);
        assert!(error < 0.01, "{workload}: {error}");
        // Workloads of fewer pages are sampled whole.
        assert_eq!(error == 0.0, exact.footprint <= 16_384, "{workload}: {}", exact.footprint);
    }
}

/// The same of miniature simulations at a rate of a half.
#[test]
fn small_memories_stand_for_large_ones() {
    let policies = ["fifo", "clock", "random", "lru"];
    let sampling = Some(Sampling { rate: 0.5, size: None });
    for workload in [WORKLOADS[1], WORKLOADS[2], WORKLOADS[4]] {
        let exact = curves(&spec(&policies, None), workload);
        let sampled = curves(&spec(&policies, sampling), workload);
        for (at, policy) in policies.iter().enumerate() {
            let error = error(&exact, &sampled, at);
            assert!(error < 0.01, "{workload}, {policy}: {error}");
        }
    }
}
