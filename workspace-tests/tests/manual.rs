//! The committed reference manual is the one that the declarations give.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write;
use std::path::Path;

use tracegen::batch::Batch;
use tracegen::source::Source;
use tracegen::workloads::{self, Fact};

#[test]
fn the_configuration_manual_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let current = model::config::manual();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed == current, "run UPDATE_DOCS=1 cargo test -p workspace-tests manual");
}

/// The heaps that docs/heaps.md compares.
const HEAPS: [(&str, &str); 8] = [
    ("implicit-list", "first"),
    ("implicit-list", "next"),
    ("implicit-list", "best"),
    ("explicit-list", "first"),
    ("explicit-list", "best"),
    ("segregated", "first"),
    ("size-tree", "best"),
    ("glibc", "best"),
];

/// A row of docs/heaps.md: what a heap model comes to under `larson`.
fn heap_row(allocator: &str, fit: &str) -> String {
    let set = [("slots", "2000"), ("operations", "20000"), ("allocator", allocator), ("fit", fit)];
    let set: Vec<_> = set.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let mut source = workloads::open("larson", &set, 0).unwrap();
    let mut batch = Batch::new();
    while source.fill(&mut batch).unwrap() {}
    let fact = |name| match source.facts().unwrap().get(name) {
        Some(Fact::Integer(value)) => *value as f64,
        Some(Fact::Float(value)) => *value,
        other => panic!("{name}: {other:?}"),
    };
    let steps = fact("search_steps") / 22_000.0;
    let (kib, overhead) = (fact("heap_bytes") / 1024.0, 100.0 * fact("overhead"));
    format!("| {allocator} | {fit} | {kib:.0} | {overhead:.1} | {steps:.2} |\n")
}

#[test]
fn the_page_of_heaps_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/heaps.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let start = page.find("| model |").unwrap();
    let end = start + page[start..].find("\n\n").unwrap() + 1;
    let mut table = String::from(
        "| model | fit | heap, KiB | overhead O_k, % | blocks looked at, an allocation |\n\
         | --- | --- | ---: | ---: | ---: |\n",
    );
    HEAPS.iter().for_each(|(allocator, fit)| {
        write!(table, "{}", heap_row(allocator, fit)).unwrap();
    });
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{}{table}{}", &page[..start], &page[end..])).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(committed.contains(&table), "run UPDATE_DOCS=1 cargo test -p workspace-tests manual");
}
