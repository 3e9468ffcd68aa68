//! How fast the structures of the function half are, one at a time: look-ups of TLBs and of a cache, by
//! geometry. Each look-up is of a uniformly random page or line of twice the structure's reach, so that
//! about half of them hit; a miss fills.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use model::address::{Asid, PageShift, Pfn, PhysAddr, Vpn};
use model::cache::settings::{Cache, Indexing, Stream, Write};
use model::cache::{CacheLevel, settings as cache_settings};
use model::mmu::settings::{self, Ways};
use model::mmu::{Tlb, TlbEntry};
use model::units::ByteSize;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const LOOKUPS: u64 = 1 << 16;
const PAGE: PageShift = PageShift(12);

/// Numbers below `end`.
fn random(end: u64) -> Vec<u64> {
    let mut random = Pcg64Mcg::seed_from_u64(1);
    (0..LOOKUPS).map(|_| random.random_range(0..end)).collect()
}

fn tlb(entries: u32, ways: Ways) -> Tlb {
    let settings = settings::Tlb {
        name: "tlb".to_owned(),
        level: 1,
        serves: Stream::both(),
        pages: None,
        entries,
        ways,
        latency: None,
        replacement: Default::default(),
    };
    Tlb::new(&settings, &[PAGE], 48, 4096, 0).expect("a TLB of that geometry")
}

fn tlbs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tlb");
    group.throughput(Throughput::Elements(LOOKUPS)).sample_size(20);
    let geometries = [
        ("64x4", 64, Ways::Number(4)),
        ("1536x12", 1536, Ways::Number(12)),
        ("1536xfull", 1536, Ways::Full),
    ];
    for (name, entries, ways) in geometries {
        let (mut tlb, pages) = (tlb(entries, ways), random(2 * u64::from(entries)));
        group.bench_function(BenchmarkId::new("lookup", name), |bencher| {
            bencher.iter(|| {
                for page in &pages {
                    let page = Vpn(*page);
                    if black_box(tlb.lookup(Asid(0), page, PAGE)).is_none() {
                        tlb.fill(
                            Asid(0),
                            page,
                            PAGE,
                            TlbEntry { pfn: Pfn(0), ..TlbEntry::default() },
                        );
                    }
                }
            });
        });
    }
    group.finish();
}

fn cache(size: u64, ways: u32, replacement: model::replacement::Policy) -> CacheLevel {
    let settings = Cache {
        name: "cache".to_owned(),
        level: 1,
        serves: Stream::both(),
        size: ByteSize(size),
        ways: Ways::Number(ways),
        line: ByteSize(64),
        latency: None,
        replacement,
        indexing: Indexing::Pipt,
        mshrs: 8,
        write: Write::Back,
        prefetcher: cache_settings::Prefetcher::default(),
    };
    CacheLevel::new(&settings, None, 40, 0).expect("a cache of that geometry")
}

fn caches(criterion: &mut Criterion) {
    use model::replacement::{Policy, plru};
    let mut group = criterion.benchmark_group("cache");
    group.throughput(Throughput::Elements(LOOKUPS)).sample_size(20);
    let geometries = [
        ("32KiBx8 lru", 32 << 10, 8, Policy::default()),
        ("32KiBx8 plru", 32 << 10, 8, Policy::Plru(plru::Settings::default())),
        ("8MiBx16 lru", 8 << 20, 16, Policy::default()),
    ];
    for (name, size, ways, policy) in geometries {
        let (mut cache, lines) = (cache(size, ways, policy), random(2 * size / 64));
        group.bench_function(BenchmarkId::new("lookup", name), |bencher| {
            bencher.iter(|| {
                for line in &lines {
                    let addr = PhysAddr(line * 64);
                    if !black_box(cache.lookup(addr, false)) {
                        black_box(cache.fill(addr, false));
                    }
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, tlbs, caches);
criterion_main!(benches);
