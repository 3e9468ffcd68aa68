//! What a simulation allocates is less than what the plan of a study takes it to need.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use analysis::machine;
use analysis::region::Region;
use analysis::simulate::{RunOptions, Warm, simulate};
use analysis::study::memory;
use analysis::trace::TraceSpec;

static LIVE: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, counting bytes.
struct Counting;

// SAFETY: every call goes to the system's allocator as it is; counting touches no memory but two atomics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let size = layout.size() as u64;
        PEAK.fetch_max(LIVE.fetch_add(size, Ordering::Relaxed) + size, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that simulating `reads` random reads of `mebibytes` MiB adds at its peak, and the estimate.
fn measure(preset: &str, sets: &[(&str, &str)], mebibytes: u64, reads: u64) -> (u64, u64) {
    let config = machine::load(preset, sets).unwrap();
    let set = [("footprint", format!("{mebibytes}MiB")), ("reads", reads.to_string())];
    let set = set.map(|(key, value)| (key.to_owned(), value)).to_vec();
    let spec = TraceSpec::Workload { name: "uniform".to_owned(), set };
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
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    simulate(&config, &spec, &options).unwrap();
    let pages = (mebibytes << 8).min(reads);
    let estimate = memory::function(&config, Some(pages)) + memory::time();
    (PEAK.load(Ordering::Relaxed) - before, estimate)
}

#[test]
fn estimates_are_above_what_is_allocated() {
    let cases = [
        ("skylake", &[("os.prefault", "none")][..], 4, 2000),
        ("zen4", &[("cache.l3.size", "128MiB")], 4, 2000),
        ("skylake", &[("os.prefault", "accessed")], 256, 120_000),
        ("skylake", &[("os.prefault", "none")], 256, 120_000),
        (
            "skylake",
            &[("os.limit", "32MiB"), ("swap.size", "1GiB"), ("os.reclaim", "clock")],
            64,
            30_000,
        ),
    ];
    for (preset, sets, mebibytes, reads) in cases {
        let (measured, estimate) = measure(preset, sets, mebibytes, reads);
        assert!(measured <= estimate, "{preset} {sets:?}: {measured} bytes, estimated {estimate}");
        // An estimate that is far too high keeps machines apart that fit together.
        let most = 16 * measured + (16 << 20);
        assert!(estimate <= most, "{preset} {sets:?}: {measured} bytes, estimated {estimate}");
    }
}
