//! A study with made-up numbers for the tests of charts and reports.

use model::statistics::{Histogram, Ratio, Statistics};

use super::Chart;
use super::style::WIDTH;
use super::text::width;
use super::view::View;
use crate::heat::HeatSample;
use crate::measured::{Measured, TraceSummary};
use crate::study::point::Point;

const TRACES: [&str; 8] = ["gups", "bfs", "kv", "stream", "chase", "gemm", "ls.lackey", "sort"];

/// `traces` × `sizes` TLB sizes × `pages` page sizes.
pub fn view(traces: usize, sizes: u32, pages: usize) -> View {
    let mut points = Vec::new();
    for (index, trace) in TRACES.iter().take(traces).enumerate() {
        for size in 0..sizes {
            for page in ["4KiB", "2MiB"].iter().take(pages) {
                points.push(point(trace, index as u64, 384 << size, page));
            }
        }
    }
    let mut view = View::new("stlb-size", points);
    if sizes > 1 {
        view.baseline = vec![
            ("mmu.tlb.stlb.entries".to_owned(), "1536".to_owned()),
            ("mmu.page_size".to_owned(), "4KiB".to_owned()),
        ];
    }
    let pages = (0..20_000u64).map(|at| match at % 3 {
        0 => 0x7fff_f7a0_0000 / 4096 + at % 20,
        1 => 0x5555_5555_0000 / 4096 + at * at % 700,
        _ => 0x6000_0000 + at / 8,
    });
    view.heat = vec![(
        "gups".to_owned(),
        HeatSample { stride: 4, accesses: 80_000, pages: pages.collect() },
    )];
    view
}

fn point(trace: &str, index: u64, entries: u64, page: &str) -> Point {
    let mut stats = Statistics::default();
    let huge = if page == "2MiB" { 40 } else { 1 };
    let walks = (40_000_000 / (entries * huge)).min(90_000) * (index + 1);
    let accesses = 100_000;
    let parts = [
        ("base", 120_000),
        ("tlb", walks * 3),
        ("walk", walks * 20),
        ("l1d", 200_000),
        ("l2", 40_000),
        ("l3", 90_000),
        ("dram", 700_000 * (index + 1)),
        ("fault_minor", 20_000),
    ];
    let cycles: u64 = parts.iter().map(|(_, cycles)| cycles).sum();
    stats.count("run.accesses", "accesses", "", accesses);
    stats.count("run.cycles", "cycles", "", cycles);
    stats.ratio("run.ipc", "", "", Ratio::of(400_000u64, cycles));
    stats.count("run.ns", "ns", "", cycles / 4);
    stats.count("dram.bytes", "bytes", "", walks * 64);
    stats.ratio("dram.read_ns_mean", "ns", "", Ratio::of(50_000 + walks, 1000));
    for tlb in ["dtlb", "stlb"] {
        stats.count(format!("{tlb}.misses"), "", "", walks);
        stats.count(format!("{tlb}.shootdowns"), "", "", 0);
        stats.ratio(format!("{tlb}.mpki"), "", "", Ratio::of(walks, 400));
    }
    for (at, cache) in ["l1d", "l2", "l3"].into_iter().enumerate() {
        stats.count(format!("{cache}.writebacks"), "lines", "", 1000);
        let mpki = Ratio::of(90 - 20 * at as u64 + walks / 4000, 1);
        stats.ratio(format!("{cache}.mpki"), "", "", mpki);
    }
    for (level, share) in [("l1d", 5), ("l2", 3), ("l3", 2), ("dram", 1)] {
        stats.count(format!("walker.from.{level}"), "", "", walks * share / 8);
    }
    for (name, value) in parts {
        stats.count(format!("cycles.{name}"), "cycles", "", value);
    }
    let mut histogram = Histogram::default();
    histogram.add(4, accesses);
    histogram.add(14 + index, accesses / 20);
    histogram.add(200, walks / 3);
    histogram.add(900 + entries, walks / 200);
    let summary =
        TraceSummary { name: trace.to_owned(), loads: accesses, ..TraceSummary::default() };
    Point {
        keys: vec![
            ("workload".to_owned(), trace.to_owned()),
            ("mmu.tlb.stlb.entries".to_owned(), entries.to_string()),
            ("mmu.page_size".to_owned(), page.to_owned()),
        ],
        trace: 0,
        config: "{\"name\":\"skylake\"}".to_owned(),
        measured: Measured::new(
            summary,
            &stats,
            [("access_cycles".to_owned(), histogram.summary())],
        ),
    }
}

/// Every text of `chart` lies within its width.
pub fn assert_text_inside(chart: &Chart) {
    for part in chart.svg.split("<text ").skip(1) {
        let attribute = |name: &str| {
            let from = part.find(&format!("{name}=\"")).map(|at| at + name.len() + 2);
            from.and_then(|from| part[from..].split('"').next()).unwrap_or_default()
        };
        if part.contains("transform=") {
            continue;
        }
        let body = part.split('>').nth(1).and_then(|body| body.split('<').next()).unwrap_or("");
        let body = body.replace("&apos;", "'").replace("&lt;", "<").replace("&gt;", ">");
        let x: i32 = attribute("x").parse().unwrap();
        let size = attribute("font-size").parse::<f64>().unwrap().round() as i32;
        let wide = width(body.trim(), size);
        let left = match attribute("text-anchor") {
            "start" => x,
            "middle" => x - wide / 2,
            _ => x - wide,
        };
        assert!(left >= 0 && left + wide <= WIDTH, "{}: `{}`", chart.name, body.trim());
    }
}
