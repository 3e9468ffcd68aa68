//! Page-table formats by closed forms: what a walk reads, how many tables a region takes, what `explain`
//! shows.

use tracegen::batch::Batch;
use tracegen::record::AccessKind;

use super::{count, load, machine, run};
use crate::config::Config;
use crate::function::Simulator;

/// Name, log2 of the smallest page, index bits of each level (the last first), and entries that a walk
/// reads: the four directory pointers of PAE are in registers.
const FORMATS: [(&str, u32, &[u32], u64); 10] = [
    ("x86-64-4level", 12, &[9, 9, 9, 9], 4),
    ("x86-64-5level", 12, &[9, 9, 9, 9, 9], 5),
    ("x86-32", 12, &[10, 10], 2),
    ("x86-pae", 12, &[9, 9, 2], 2),
    ("sv39", 12, &[9, 9, 9], 3),
    ("sv48", 12, &[9, 9, 9, 9], 4),
    ("sv57", 12, &[9, 9, 9, 9, 9], 5),
    ("arm-4k", 12, &[9, 9, 9, 9], 4),
    ("arm-16k", 14, &[11, 11, 11, 1], 4),
    ("arm-64k", 16, &[13, 13, 6], 3),
];

/// A load from each of `pages` pages, the first at `from`, on a machine that has them mapped.
fn touched(text: &str, page: u32, from: u64, pages: u64) -> Simulator {
    let mut simulator = machine(&format!("os.prefault = \"accessed\"\n{text}"));
    let mut batch = Batch::new();
    (0..pages).for_each(|number| batch.push_access(load(from + (number << page))));
    simulator.prefault(&batch).unwrap();
    simulator.prefaulted().unwrap();
    run(&mut simulator, (0..pages).map(|number| load(from + (number << page))));
    simulator
}

/// Two and a half leaf tables' worth of pages need three leaf tables and one of every other level.
#[test]
fn a_walk_reads_and_a_region_takes_what_the_format_says() {
    for (name, page, bits, reads) in FORMATS {
        let pages = 5 << (bits[0] - 1);
        let simulator = touched(&format!("mmu.page_table = \"{name}\""), page, 0, pages);
        assert_eq!(count(&simulator, "walker.walks"), pages, "{name}");
        assert_eq!(count(&simulator, "walker.references"), pages * reads, "{name}");
        assert_eq!(count(&simulator, "os.pages.resident"), pages, "{name}");
        let tables = 3 + bits.len() as u64 - 1;
        assert_eq!(count(&simulator, "os.pages.table_pages"), tables, "{name}");
    }
}

/// A larger leaf leaves out the levels below it.
#[test]
fn large_leaves_save_tables_and_reads() {
    for (name, size, tables, reads) in [
        ("x86-32", "4MiB", 1, 1),
        ("x86-pae", "2MiB", 2, 1),
        ("sv39", "2MiB", 2, 2),
        ("sv39", "1GiB", 1, 1),
        ("arm-4k", "1GiB", 2, 2),
        ("arm-16k", "32MiB", 3, 3),
        ("arm-64k", "512MiB", 2, 2),
    ] {
        let text = format!("mmu = {{ page_table = \"{name}\", page_size = \"{size}\" }}\n");
        let page = toml::from_str::<Config>(&text).unwrap().mmu.base_page().0.ilog2();
        let simulator = touched(&text, page, 0, 2);
        assert_eq!(count(&simulator, "walker.references"), 2 * reads, "{name} {size}");
        assert_eq!(count(&simulator, "os.pages.table_pages"), tables, "{name} {size}");
        assert_eq!(count(&simulator, "os.pages.resident"), 2, "{name} {size}");
    }
}

/// Behind a cache of the entries that point to leaf tables a walk reads one entry.
#[test]
fn the_deepest_paging_structure_cache_leaves_one_read() {
    for (name, page, bits, reads) in FORMATS {
        let text = format!(
            "mmu = {{ page_table = \"{name}\", pwc = [{{ level = 2, entries = 4, ways = 4 }}] }}"
        );
        let pages = 3 << bits[0];
        let simulator = touched(&text, page, 0, pages);
        assert_eq!(count(&simulator, "walker.references"), 3 * (reads - 1) + pages, "{name}");
        assert_eq!(count(&simulator, "pwc.2.misses"), 3, "{name}");
    }
}

/// With a TLB of the machine's sizes a page is walked for once, and `explain` shows each entry.
#[test]
fn inspection_shows_every_level() {
    for (name, page, bits, reads) in FORMATS {
        let text = format!(
            "mmu.page_table = \"{name}\"\n\
             [[mmu.tlb]]\nname = \"t\"\nlevel = 1\nentries = 8\nways = 8\n"
        );
        let from = 3 << (bits[0] + page) | 5 << page;
        let mut simulator = touched(&format!("{text}\n"), page, from, 2);
        run(&mut simulator, [load(from)]);
        assert_eq!(
            (count(&simulator, "t.hits"), count(&simulator, "walker.walks")),
            (1, 2),
            "{name}"
        );
        let cold = touched(&format!("mmu.page_table = \"{name}\""), page, from, 2);
        let seen = cold.inspect(0, AccessKind::Load, from + 9);
        let index: Vec<u64> = seen.walk.iter().rev().map(|step| step.index).collect();
        let mut expected = vec![0; bits.len()];
        (expected[0], expected[1]) = (5, 3);
        assert_eq!(index, expected, "{name}");
        assert!(seen.walk.iter().all(|step| step.present), "{name}");
        assert_eq!(seen.walk.iter().filter(|step| step.read).count() as u64, reads, "{name}");
        let leaf = seen.walk.last().unwrap();
        let number = if name.starts_with("sv") { leaf.value >> 10 } else { leaf.value >> 12 };
        let (ppn, pa) = (seen.ppn.unwrap(), seen.pa.unwrap());
        assert_eq!(number & 0xf_ffff_ffff, ppn << (page - 12), "{name}");
        assert_eq!(pa, (ppn << page) + 9, "{name}");
    }
}

/// What a format cannot be is refused, and the key is named.
#[test]
fn impossible_widths_and_levels_name_their_key() {
    let key = |text: &str| {
        let config: Config = toml::from_str(text).unwrap();
        config.resolve().expect_err(text).key
    };
    for (text, expected) in [
        ("page_table = \"x86-32\"\npa_bits = 36", "mmu.pa_bits"),
        ("page_table = \"arm-4k\"\npa_bits = 52", "mmu.pa_bits"),
        ("hash_groups = 8", "mmu.hash_groups"),
        ("page_table = \"hashed\"\nhash_groups = 9", "mmu.hash_groups"),
        ("page_table = \"sv39\"\nva_bits = 40", "mmu.va_bits"),
        ("page_table = \"arm-16k\"\nva_bits = 52", "mmu.va_bits"),
        ("page_table = \"sv39\"\npwc = [{ level = 4, entries = 4, ways = 4 }]", "mmu.pwc.4.level"),
        (
            "page_table = \"x86-pae\"\npwc = [{ level = 3, entries = 4, ways = 4 }]",
            "mmu.pwc.3.level",
        ),
        (
            "page_table = \"arm-16k\"\n\
             tlb = [{ name = \"t\", level = 1, entries = 4, ways = 4, pages = [\"2MiB\"] }]",
            "mmu.tlb.t.pages",
        ),
    ] {
        assert_eq!(key(&format!("[mmu]\n{text}\n")), expected, "{text}");
    }
    let large = "page_table = \"x86-32\"\n[os]\nmemory = \"8GiB\"";
    assert_eq!(key(&format!("[mmu]\n{large}\n")), "os.memory");
}

/// A dense region has a group for every page, whose first entry is the page's. A walk that finds nothing
/// reads both groups, in two pieces each.
#[test]
fn a_hashed_walk_reads_a_group_or_two() {
    let mut simulator = machine("mmu.page_table = \"hashed\"");
    run(&mut simulator, (0..100).map(|page| load(page << 12)));
    assert_eq!(count(&simulator, "walker.walks"), 200);
    assert_eq!(count(&simulator, "walker.references"), 100 * (4 + 1));
    assert_eq!(count(&simulator, "os.faults.total"), 100);
    // A group of 128 bytes for two of the 8 GiB's frames.
    assert_eq!(count(&simulator, "os.pages.table_pages"), (8 << 30) / (2 << 12) * 128 / 4096);
    let seen = simulator.inspect(0, AccessKind::Load, 0x5009);
    let step = &seen.walk[0];
    assert_eq!((seen.walk.len(), step.level, step.index, step.present), (1, 1, 5 * 8, true));
    assert_eq!(step.value >> 12 & 0xff_ffff_ffff, seen.ppn.unwrap());
}

/// Sixteen pages fill two groups. The next one takes the first one's entry, which costs that page a fault
/// that finds it in memory.
#[test]
fn a_page_whose_entry_was_overwritten_faults_once_more() {
    let mut simulator = machine("mmu = { page_table = \"hashed\", hash_groups = 2 }");
    run(&mut simulator, (0..17).map(|page| load(page << 12)));
    assert_eq!(count(&simulator, "os.faults.total"), 17);
    run(&mut simulator, [load(16 << 12), load(1 << 12)]);
    assert_eq!(count(&simulator, "os.faults.total"), 17);
    run(&mut simulator, [load(0)]);
    assert_eq!(count(&simulator, "os.faults.spurious"), 1);
    assert_eq!(count(&simulator, "os.pages.resident"), 17);
}
