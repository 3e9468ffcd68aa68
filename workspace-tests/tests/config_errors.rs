//! What a user reads when a configuration is wrong, to the letter.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use analysis::machine::{load, load_text};

fn error(text: &str) -> String {
    const NO_SETS: &[(&str, &str)] = &[];
    load_text("mine.toml", text, Path::new(""), NO_SETS).unwrap_err().to_string()
}

fn set(path: &str, value: &str) -> String {
    load("skylake", &[(path, value)]).unwrap_err().to_string()
}

#[test]
fn an_unknown_key() {
    let text = "base = \"skylake\"\n[[mmu.tlb]]\nname = \"dtlb\"\nentires = 64\n";
    insta::assert_snapshot!(error(text), @r#"
    unknown setting `mmu.tlb.dtlb.entires`
     --> mine.toml:4:1
      |
    4 | entires = 64
      | ^^^^^^^ expected name, level, serves, pages, entries, ways, latency, replacement, lookup or predictor_entries
      |
      = help: a similar setting exists: `entries`
    "#);
}

#[test]
fn a_wrong_type() {
    insta::assert_snapshot!(error("[core]\nwidth = \"four\"\n"), @r#"
    `core.width` cannot be string "four"
     --> mine.toml:2:9
      |
    2 | width = "four"
      |         ^^^^^^ expected a whole number that is not negative
    "#);
}

#[test]
fn an_ambiguous_unit() {
    insta::assert_snapshot!(error("[mmu]\npage_size = \"2MB\"\n"), @r#"
    `mmu.page_size`: `MB` may mean a power of ten or of two; write `MiB`
     --> mine.toml:2:13
      |
    2 | page_size = "2MB"
      |             ^^^^^
    "#);
}

#[test]
fn an_impossible_geometry() {
    let text = "base = \"skylake\"\n[[mmu.tlb]]\nname = \"stlb\"\nentries = 1000\n";
    insta::assert_snapshot!(error(text), @r#"
    `mmu.tlb.stlb.entries`: 1000 entries are not a multiple of 12 ways: the nearest are 996 and 1008
     --> mine.toml:4:11
      |
    4 | entries = 1000
      |           ^^^^
    "#);
}

#[test]
fn an_unknown_policy() {
    let text = "base = \"skylake\"\n[[cache]]\nname = \"l2\"\nreplacement = \"lrv\"\n";
    insta::assert_snapshot!(error(text), @r#"
    `cache.l2.replacement`: unknown replacement policy `lrv`; did you mean `lru`?
     --> mine.toml:4:15
      |
    4 | replacement = "lrv"
      |               ^^^^^
    "#);
}

#[test]
fn an_unknown_base() {
    insta::assert_snapshot!(error("base = \"skylak\"\n"), @r#"
    `skylak` is neither a preset nor a file
     --> mine.toml:1:8
      |
    1 | base = "skylak"
      |        ^^^^^^^^
      |
      = help: a similar preset exists: `skylake`
    "#);
}

#[test]
fn a_bad_set_path() {
    insta::assert_snapshot!(set("mmu.tlb.stbl.entries", "64"), @r#"
    no element of `mmu.tlb` has the name `stbl`
     --> --set:1:9
      |
    1 | mmu.tlb.stbl.entries=64
      |         ^^^^ there are dtlb, dtlb-2m, dtlb-1g, itlb, itlb-2m, stlb, stlb-1g
      |
      = help: a similar name exists: `stlb`
    "#);
}

#[test]
fn a_planned_value() {
    insta::assert_snapshot!(set("mmu.page_table", "cuckoo"), @r#"
    `mmu.page_table = "cuckoo"` is not modelled yet
     --> --set:1:16
      |
    1 | mmu.page_table=cuckoo
      |                ^^^^^^ expected x86-64-4level, x86-64-5level, x86-32, x86-pae, sv39, sv48, sv57, arm-4k, arm-16k, arm-64k, hashed or flat
    "#);
}

#[test]
fn no_toml() {
    insta::assert_snapshot!(error("[core\n"), @r#"
    unclosed table, expected `]`
     --> mine.toml:1:6
      |
    1 | [core
      |      ^
    "#);
}

#[test]
fn planned_values_and_keys_are_refused_by_name() {
    for (path, value) in [
        ("cache.l1d.indexing", "vivt"),
        ("os.thp", "always"),
        ("os.reclaim", "mglru"),
        ("swap.readahead_by", "vma"),
    ] {
        let error = set(path, value);
        assert!(error.contains("not modelled yet"), "{path}: {error}");
    }
}

/// Nothing that a user writes makes loading panic.
#[test]
fn odd_assignments_are_errors() {
    for (path, value) in [
        ("", "1"),
        ("mmu..tlb", "1"),
        ("mmu.tlb.dtlb", "5"),
        ("mmu.tlb.dtlb.ways", "0"),
        ("mmu.page_size", "0"),
        ("mmu.page_size", "3000"),
        ("mmu.va_bits", "64"),
        ("mmu.pa_bits", "255"),
        ("mmu.format", "{ bits = [] }"),
        ("cache.l2.size", "99999999999PiB"),
        ("cache.l2.line", "0"),
        ("cache.l2.latency", "0cycles"),
        ("core.rob", "1025"),
        ("os.limit", "1TiB"),
        ("os.memory", "{ frames = 0 }"),
        ("mmu.walker.entry_level", "l9"),
        ("dram.channels", "3"),
        ("mmu.tlb", "[[[[]]]]"),
        ("state.tlb", "[{ name = \"dtlb\", set = 99, way = 0, tag = 0, ppn = 0 }]"),
    ] {
        assert!(load("skylake", &[(path, value)]).is_err(), "{path}={value}");
    }
}
