//! Textbook examples and closed forms, from the command's own output.

use tracegen::record::{Access, AccessKind, Backing, Event, Protection, Record};

use crate::command::{Sandbox, count, stat};

/// Faults of a reference string with `frames` frames under `policy`.
fn faults(policy: &str, frames: u32, pages: &str) -> u64 {
    let sandbox = Sandbox::new();
    let lines: Vec<&str> = pages.split_whitespace().collect();
    sandbox.write("trace.pages", lines.join("\n") + "\n");
    sandbox.write(
        "machine.toml",
        format!("[os]\nmemory = {{ frames = {frames} }}\nreclaim = \"{policy}\"\n"),
    );
    let result = sandbox.simulate("--config machine.toml --trace trace.pages");
    count(&result, "os.faults.total")
}

/// Belady, Nelson and Shedler, An anomaly in space-time characteristics of certain programs running in a
/// paging machine, 1969.
const ANOMALY: &str = "1 2 3 4 1 2 5 1 2 3 4 5";

/// Silberschatz, Galvin and Gagne, Operating System Concepts, 10.4.
const SILBERSCHATZ: &str = "7 0 1 2 0 3 0 4 2 3 0 3 2 1 2 0 1 7 0 1";

#[test]
fn fifo_faults_more_with_more_frames() {
    assert_eq!(faults("fifo", 3, ANOMALY), 9);
    assert_eq!(faults("fifo", 4, ANOMALY), 10);
}

#[test]
fn the_textbook_reference_string() {
    assert_eq!(faults("fifo", 3, SILBERSCHATZ), 15);
    assert_eq!(faults("lru", 3, SILBERSCHATZ), 12);
    assert_eq!(faults("opt", 3, SILBERSCHATZ), 9);
}

#[test]
fn random_updates_miss_the_tlb_by_its_reach() {
    const TABLE: f64 = (64 << 20) as f64;
    const UPDATES: u64 = 200_000;
    let sandbox = Sandbox::new();
    for entries in [384u64, 1536, 3072] {
        let result = sandbox.simulate(&format!(
            "--config skylake --set os.prefault=\"accessed\" --set mmu.tlb.stlb.entries={entries} \
             --workload gups --set workload.table=64MiB --set workload.updates={UPDATES}"
        ));
        assert_eq!(count(&result, "run.accesses"), 2 * UPDATES);
        let expected = 1.0 - entries as f64 * 4096.0 / TABLE;
        let found = stat(&result, "stlb.misses") / UPDATES as f64;
        assert!((found / expected - 1.0).abs() < 0.01, "{entries}: {found} for {expected}");
    }
}

/// Loads of `lines` consecutive lines, over and over, as a Dinero trace.
fn sweep_of(lines: u64, size: u64, rounds: u64) -> String {
    let round: String = (0..lines).map(|line| format!("0 {:x}\n", line * size)).collect();
    round.repeat(rounds as usize)
}

#[test]
fn a_cyclic_sweep_fits_the_cache_or_always_misses() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "machine.toml",
        "[mmu]\nenabled = false\n[[cache]]\nname = \"l1d\"\nlevel = 1\nsize = \"32KiB\"\nways = 8\n",
    );
    for (ways, rounds_that_miss) in [(1, 1), (8, 1), (9, 3), (12, 3)] {
        let lines = ways * 64;
        sandbox.write("sweep.din", sweep_of(lines, 64, 3));
        let result = sandbox.simulate("--config machine.toml --trace sweep.din");
        assert_eq!(count(&result, "l1d.accesses"), 3 * lines);
        assert_eq!(count(&result, "l1d.misses"), rounds_that_miss * lines, "{ways} ways");
    }
}

#[test]
fn a_cyclic_sweep_fits_the_tlb_or_always_misses() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "machine.toml",
        "[[mmu.tlb]]\nname = \"dtlb\"\nlevel = 1\nentries = 64\nways = 4\n\
         [os]\nprefault = \"accessed\"\n",
    );
    for (ways, rounds_that_miss) in [(1, 1), (4, 1), (5, 3), (6, 3)] {
        let pages = ways * 16;
        sandbox.write("sweep.din", sweep_of(pages, 4096, 3));
        let result = sandbox.simulate("--config machine.toml --trace sweep.din");
        assert_eq!(count(&result, "dtlb.accesses"), 3 * pages);
        assert_eq!(count(&result, "dtlb.misses"), rounds_that_miss * pages, "{ways} ways");
        assert_eq!(count(&result, "walker.walks"), rounds_that_miss * pages, "{ways} ways");
    }
}

#[test]
fn a_walk_reads_an_entry_a_level() {
    let sandbox = Sandbox::new();
    sandbox.write("sweep.din", sweep_of(100, 64 << 10, 2));
    for (format, levels) in [
        ("flat", 1),
        ("x86-64-4level", 4),
        ("x86-64-5level", 5),
        ("x86-32", 2),
        // The first of three levels is in registers.
        ("x86-pae", 2),
        ("sv39", 3),
        ("sv48", 4),
        ("sv57", 5),
        ("arm-4k", 4),
        ("arm-16k", 4),
        ("arm-64k", 3),
        // Each page has the first entry of its group.
        ("hashed", 1),
    ] {
        let machine = format!("[mmu]\npage_table = \"{format}\"\n[os]\nprefault = \"accessed\"\n");
        sandbox.write("machine.toml", machine);
        let result = sandbox.simulate("--config machine.toml --trace sweep.din");
        assert_eq!(count(&result, "walker.walks"), 200, "{format}");
        assert_eq!(count(&result, "walker.references"), 200 * levels, "{format}");
        assert_eq!(stat(&result, "walker.references_per_walk"), levels as f64, "{format}");
        // No cache: every entry comes from memory.
        assert_eq!(count(&result, "walker.from.dram"), 200 * levels, "{format}");
    }
}

/// Barr, Cox and Rixner, Translation caching: skip, don't walk (the page table), 2010: about one to one
/// and a half references a walk.
#[test]
fn paging_structure_caches_leave_about_one_reference_a_walk() {
    let sandbox = Sandbox::new();
    let gups = "--set os.prefault=\"accessed\" --workload gups --set workload.table=64MiB \
                --set workload.updates=50_000";
    for preset in ["core-i7", "skylake", "zen4"] {
        let result = sandbox.simulate(&format!("--config {preset} {gups}"));
        let found = stat(&result, "walker.references_per_walk");
        assert!((1.0..=1.5).contains(&found), "{preset}: {found}");
        let without = sandbox.simulate(&format!("--config {preset} --set mmu.pwc=[] {gups}"));
        assert_eq!(stat(&without, "walker.references_per_walk"), 4.0, "{preset}");
    }
}

#[test]
fn a_flat_table_of_48_bits_takes_512_gib() {
    let sandbox = Sandbox::new();
    sandbox.write("one.pages", "1\n");
    sandbox.write(
        "machine.toml",
        "[mmu]\npage_table = \"flat\"\nva_bits = 48\n[os]\nmemory = \"1TiB\"\n",
    );
    let result = sandbox.simulate("--config machine.toml --trace one.pages");
    assert_eq!(count(&result, "os.pages.table_pages"), (512 << 30) / 4096);
    // Four levels need a table each for the same page.
    sandbox.write("machine.toml", "[os]\nmemory = \"1TiB\"\n");
    let result = sandbox.simulate("--config machine.toml --trace one.pages");
    assert_eq!(count(&result, "os.pages.table_pages"), 4);
}

/// Bryant and O'Hallaron, Computer Systems: A Programmer's Perspective, 9.7.
#[test]
fn the_core_i7_has_the_geometry_of_the_book() {
    let config = Sandbox::new().run("config show core-i7 --format json").json();
    assert_eq!((&config["mmu"]["va_bits"], &config["mmu"]["pa_bits"]), (&48.into(), &52.into()));
    let named = |list: &serde_json::Value, name: &str| {
        list.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
    };
    for (name, entries, ways) in [("dtlb", 64, 4), ("itlb", 128, 4), ("stlb", 512, 4)] {
        let tlb = named(&config["mmu"]["tlb"], name);
        assert_eq!((&tlb["entries"], &tlb["ways"]), (&entries.into(), &ways.into()), "{name}");
    }
    for (name, size, ways) in
        [("l1i", "32KiB", 8), ("l1d", "32KiB", 8), ("l2", "256KiB", 8), ("l3", "8MiB", 16)]
    {
        let cache = named(&config["cache"], name);
        assert_eq!((&cache["size"], &cache["ways"]), (&size.into(), &ways.into()), "{name}");
        assert_eq!(cache["line"], "64B", "{name}");
    }
}

fn mapping(length: u64) -> Record {
    let event = Event::Mmap {
        addr: 0x10_0000,
        length,
        protection: Protection::READ_WRITE,
        shared: false,
        backing: Backing::Anonymous,
    };
    Record::Event(0, event)
}

fn store(addr: u64) -> Record {
    Record::Access(Access { kind: AccessKind::Store, addr, size: 1, ..Access::default() })
}

#[test]
fn memory_is_resident_by_the_page_and_from_the_first_touch() {
    let sandbox = Sandbox::new();
    sandbox.write("machine.toml", "");
    for (touched, resident) in [(0u64, 0u64), (1, 4), (5, 8), (7, 8)] {
        let stores = (0..touched * 1024).map(|byte| store(0x10_0000 + byte));
        sandbox.write_trace("touch.flt", std::iter::once(mapping(1 << 20)).chain(stores));
        let result = sandbox.simulate("--config machine.toml --trace touch.flt");
        assert_eq!(count(&result, "os.vsz_bytes"), 1 << 20);
        assert_eq!(count(&result, "os.rss_bytes"), resident * 1024, "{touched} KiB");
        assert_eq!(count(&result, "os.pages.resident"), resident / 4, "{touched} KiB");
        assert_eq!(count(&result, "os.faults.anonymous"), resident / 4, "{touched} KiB");
    }
}
