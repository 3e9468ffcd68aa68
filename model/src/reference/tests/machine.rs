//! Random machines, as their TOML.

use std::fmt::Write as _;

use super::dice::Dice;
use crate::config::Config;

/// The streams that the TLBs or caches of one level serve.
const UNIFIED: &[&str] = &["\"data\", \"instruction\""];
const SPLIT: &[&str] = &["\"data\"", "\"instruction\""];
const DATA: &[&str] = &["\"data\""];

/// A machine. Most of them can be built.
pub fn random(dice: &mut Dice) -> String {
    let text = machine(dice, true);
    let builds = toml::from_str(&text).is_ok_and(|config: Config| config.resolve().is_ok());
    // Not every format has the pages that are tried.
    if builds || !text.contains("mmu.layout") { text } else { machine(dice, false) }
}

fn machine(dice: &mut Dice, has_layout: bool) -> String {
    let mut text = String::new();
    let crossing = dice.pick(&["split", "split", "split", "ignore"]);
    let cpus = dice.pick(&[1, 1, 2, 2, 3, 4]);
    let _ = writeln!(text, "[core]\ncount = {cpus}\nline_crossing = \"{crossing}\"");
    let (page, levels) = tables(dice, cpus, &mut text);
    let larger = if has_layout { layout(dice, page, &mut text) } else { Vec::new() };
    tlbs(dice, page, &larger, &mut text);
    pwcs(dice, levels, &mut text);
    let data = caches(dice, &mut text);
    if dice.percent(30) {
        let mut entries: Vec<&str> = data.iter().map(String::as_str).collect();
        entries.push("memory");
        let _ = writeln!(text, "[mmu.walker]\nentry_level = \"{}\"", dice.pick(&entries));
    }
    if let Some(memory) = system(dice, page, levels, &mut text) {
        let unit = larger.iter().copied().fold(page.max(4096), u64::max);
        nodes(dice, memory, unit, &mut text);
    }
    text
}

/// Page tables: the page's size, and how many levels there are.
fn tables(dice: &mut Dice, cpus: u64, text: &mut String) -> (u64, u64) {
    let asids = dice.pick(&[0, 1, 2, 3, 4096, 65535]);
    let enabled = !dice.percent(5);
    let allocation = dice.pick(&["generations", "round-robin"]);
    // Where every CPU has the same ones, each needs one for what it runs.
    let asids = if allocation == "generations" && asids > 0 { asids.max(cpus) } else { asids };
    let _ = writeln!(text, "[mmu]\nenabled = {enabled}\nasids = {asids}");
    let _ = writeln!(text, "asid_allocation = \"{allocation}\"");
    let global = dice.pick(&["none", "none", "upper-half", "upper-quarter"]);
    let _ = writeln!(text, "global = \"{global}\"");
    if dice.percent(60) {
        let dropped = dice.pick(&["address-space", "freed-tables"]);
        let _ = writeln!(text, "pwc_invalidation = \"{dropped}\"");
    }
    let small = dice.pick(&[64u64, 256, 1024, 2048, 16384]);
    match dice.below(15) {
        14 => {
            let page = dice.pick(&[small, 4096, 4096]);
            let (bits, groups) = (dice.between(24, 48), dice.pick(&[2, 2, 4, 8, 256]));
            let _ = writeln!(text, "page_table = \"hashed\"\npage_size = {page}\nva_bits = {bits}");
            if dice.percent(80) {
                let _ = writeln!(text, "hash_groups = {groups}");
            }
            (page, 1)
        }
        10.. => named(dice, small, text),
        0..3 => (x86(4, 4096, text), 4),
        3 => (x86(5, 4096, text), 5),
        4 => (x86(4, 2 << 20, text), 3),
        5 => {
            let bits = dice.between(24, 48);
            let _ = writeln!(text, "va_bits = {bits}");
            (x86(4, small, text), (bits - small.ilog2() as u64).div_ceil(9))
        }
        6..8 => {
            let page = dice.pick(&[small, 4096]);
            let bits = dice.between(18, 40);
            let _ = writeln!(text, "page_table = \"flat\"\npage_size = {page}\nva_bits = {bits}");
            (page, 1)
        }
        _ => {
            let page = dice.pick(&[small, 4096]);
            let levels = dice.between(1, 5);
            let bits: Vec<u64> = (0..levels).map(|_| dice.between(1, 11)).collect();
            let entry = dice.pick(&[2, 4, 8, 16]);
            let _ = writeln!(text, "page_size = {page}");
            let _ = writeln!(text, "[mmu.format]\nbits = {bits:?}\nentry_bytes = {entry}");
            (page, levels)
        }
    }
}

/// The other formats with a name: a page that is a leaf of theirs, or any other.
fn named(dice: &mut Dice, small: u64, text: &mut String) -> (u64, u64) {
    const MIB: u64 = 1 << 20;
    // Name, index bits of a table, widest address, smallest page and a large one.
    let formats: [(&str, u64, u64, u64, u64); 8] = [
        ("x86-32", 10, 32, 4096, 4 * MIB),
        ("x86-pae", 9, 32, 4096, 2 * MIB),
        ("sv39", 9, 39, 4096, 2 * MIB),
        ("sv48", 9, 48, 4096, 2 * MIB),
        ("sv57", 9, 57, 4096, 2 * MIB),
        ("arm-4k", 9, 48, 4096, 2 * MIB),
        ("arm-16k", 11, 48, 16384, 32 * MIB),
        ("arm-64k", 13, 52, 65536, 512 * MIB),
    ];
    let (name, width, widest, page, large) = dice.pick(&formats);
    let _ = writeln!(text, "page_table = \"{name}\"");
    let levels = |bits: u64, offset: u64| (bits - offset.ilog2() as u64).div_ceil(width);
    match dice.below(8) {
        0 => {
            let _ = writeln!(text, "page_size = {large}");
            (large, levels(widest.min(48), page))
        }
        1 => {
            let bits = dice.between(20, widest);
            let _ = writeln!(text, "page_size = {small}\nva_bits = {bits}");
            (small, levels(bits, small))
        }
        2 | 3 => {
            let bits = dice.between(20, widest);
            let _ = writeln!(text, "va_bits = {bits}");
            (page, levels(if name.starts_with("arm") { bits } else { widest }, page))
        }
        _ => (page, levels(if name.starts_with("arm") { 48 } else { widest }, page)),
    }
}

fn x86(levels: u64, page: u64, text: &mut String) -> u64 {
    let _ = writeln!(text, "page_table = \"x86-64-{levels}level\"\npage_size = {page}");
    page
}

/// Entries and ways, and a policy that can rank them.
fn geometry(dice: &mut Dice) -> (u64, String, String) {
    let policy = dice.pick(&[
        "\"lru\"",
        "\"lru\"",
        "\"fifo\"",
        "\"random\"",
        "\"plru\"",
        "\"srrip\"",
        "{ policy = \"srrip\", bits = 1 }",
        "{ policy = \"srrip\", bits = 3 }",
        "\"bit-plru\"",
        "\"nru\"",
        "\"lfu\"",
        "\"lip\"",
        "{ policy = \"bip\", throttle = 4 }",
        "{ policy = \"dip\", throttle = 3, leaders = 2, psel_bits = 2 }",
        "{ policy = \"brrip\", bits = 3, throttle = 4 }",
        "{ policy = \"drrip\", throttle = 3, psel_bits = 3 }",
        "\"ship\"",
        "\"opt\"",
        "\"opt\"",
        "{ policy = \"ship\", counters = 4, counter_bits = 1 }",
    ]);
    if dice.percent(30) {
        // More than fit a word of bits, now and then.
        let entries = dice.between(1, 40) + if dice.percent(10) { 60 } else { 0 };
        return (entries, "\"full\"".to_owned(), policy.to_owned());
    }
    let ways = dice.between(1, 9);
    (ways * dice.between(1, 7), ways.to_string(), policy.to_owned())
}

/// Ranges with larger pages, now and then; returns the pages.
fn layout(dice: &mut Dice, page: u64, text: &mut String) -> Vec<u64> {
    let mut pages = Vec::new();
    if dice.percent(60) {
        return pages;
    }
    let mut start = 0;
    for range in 0..dice.between(1, 3) {
        // Groups, and what is a leaf of most formats with 4 KiB pages.
        let large = if page == 4096 { 9 } else { 2 };
        let bytes = page << dice.pick(&[0, 1, 2, 3, 4, large, large]);
        start = (start + dice.below(3) * bytes).next_multiple_of(bytes);
        let size = dice.between(0, 4) * bytes.max(16 * page);
        let _ = writeln!(text, "[[mmu.layout]]\nname = \"r{range}\"\nstart = {start}");
        let _ = writeln!(text, "size = {size}\npage = {bytes}");
        if dice.percent(20) {
            let _ = writeln!(text, "process = {}", dice.below(2));
        }
        start += size;
        if bytes > page && !pages.contains(&bytes) {
            pages.push(bytes);
        }
    }
    pages
}

fn tlbs(dice: &mut Dice, page: u64, larger: &[u64], text: &mut String) {
    for level in 1..=dice.below(4) {
        for (place, serves) in dice.pick(&[UNIFIED, SPLIT, DATA]).iter().enumerate() {
            let by_size = page == 4096 && dice.percent(10);
            let mut sizes: &[u64] = if by_size { &[4096, 2 << 20] } else { &[0] };
            let each: Vec<u64> = [page].into_iter().chain(larger.iter().copied()).collect();
            match dice.below(3) {
                0 if !larger.is_empty() => sizes = &each,
                1 if !larger.is_empty() => sizes = &each[..each.len() - 1],
                _ => {}
            }
            for size in sizes {
                let (entries, ways, policy) = geometry(dice);
                let _ = writeln!(text, "[[mmu.tlb]]\nname = \"t{level}-{place}-{size}\"");
                let _ = writeln!(text, "level = {level}\nserves = [{serves}]");
                let _ = writeln!(text, "entries = {entries}\nways = {ways}");
                let _ = writeln!(text, "replacement = {policy}");
                if level > 1 && dice.percent(30) {
                    let lookup = dice.pick(&[
                        "\"sequential\"",
                        "\"predicted\"",
                        "\"predicted\"\npredictor_entries = 3",
                    ]);
                    let _ = writeln!(text, "lookup = {lookup}");
                }
                if *size > 0 {
                    let _ = writeln!(text, "pages = [{size}]");
                }
            }
        }
    }
}

fn pwcs(dice: &mut Dice, levels: u64, text: &mut String) {
    for level in 2..=levels {
        if dice.percent(40) {
            let (entries, ways, policy) = geometry(dice);
            let _ = writeln!(text, "[[mmu.pwc]]\nlevel = {level}\nentries = {entries}");
            let _ = writeln!(text, "ways = {ways}\nreplacement = {policy}");
        }
    }
}

/// Caches; returns the names of those that serve data.
fn caches(dice: &mut Dice, text: &mut String) -> Vec<String> {
    let (mut names, mut line) = (Vec::new(), dice.pick(&[16u64, 64, 64, 64, 128]));
    let mut below: &[&[&str]] = &[UNIFIED, SPLIT, DATA];
    let ruled = dice.percent(50);
    // Whether a cache above writes through, or has smaller lines: then none below may be exclusive.
    let (mut through, mut grown) = (false, false);
    let shared_from = dice.pick(&[1, 2, 3, 4, 5]);
    for level in 1..=dice.below(4) {
        let serving = dice.pick(below);
        for (place, serves) in serving.iter().enumerate() {
            let (mut lines, ways, policy) = geometry(dice);
            let aliased = ruled && level == 1 && dice.percent(30);
            let coloured = dice.percent(6);
            if aliased || coloured {
                // More sets than a page has lines.
                lines *= dice.pick(&[1, 8, 64]);
            }
            let name = format!("c{level}-{place}");
            let _ = writeln!(text, "[[cache]]\nname = \"{name}\"\nlevel = {level}");
            let _ = writeln!(text, "serves = [{serves}]\nsize = {}\nways = {ways}", lines * line);
            let _ = writeln!(text, "line = {line}\nreplacement = {policy}");
            if dice.percent(40) || level >= shared_from {
                let _ = writeln!(text, "shared = {}", level >= shared_from);
            }
            if aliased || coloured {
                let alias = if aliased { "hardware" } else { "colour" };
                let _ = writeln!(text, "indexing = \"vipt\"\nalias = \"{alias}\"");
            }
            if ruled {
                through |= rules(dice, level, line, !through && !grown, aliased || coloured, text);
            }
            if serves.contains("data") {
                names.push(name);
            }
        }
        if serving == UNIFIED {
            // What lies below a unified cache is unified.
            below = &[UNIFIED];
        }
        let larger = dice.pick(&[1, 1, 2]);
        grown |= larger > 1;
        line *= larger;
    }
    names
}

/// What a cache does beyond writing back and allocating; whether it writes through.
/// `virt`: its sets come from virtual addresses.
fn rules(
    dice: &mut Dice,
    level: u64,
    line: u64,
    takes_dirty: bool,
    virt: bool,
    text: &mut String,
) -> bool {
    let through = dice.percent(25);
    if through {
        let _ = writeln!(text, "write = \"through\"");
    }
    if dice.percent(25) {
        let _ = writeln!(text, "write_allocate = false");
    }
    if level > 1 && dice.percent(60) {
        let inclusion = if takes_dirty && !through {
            dice.pick(&["inclusive", "exclusive"])
        } else {
            "inclusive"
        };
        let _ = writeln!(text, "inclusion = \"{inclusion}\"");
    }
    if dice.percent(20) && !virt {
        let _ = writeln!(text, "hash = true");
    }
    if dice.percent(40) {
        let prefetcher = dice.pick(&[
            "\"next-line\"",
            "{ prefetcher = \"next-line\", degree = 3 }",
            "\"adjacent-line\"",
            "\"stride\"",
            "{ prefetcher = \"stride\", entries = 3, degree = 4 }",
            "{ prefetcher = \"stream\", streams = 2, distance = 4, degree = 1 }",
            "{ prefetcher = \"best-offset\", entries = 16, score_max = 3, round_max = 2, delay = 1 }",
        ]);
        let page = line * dice.pick(&[1, 4, 64]);
        let _ = writeln!(text, "prefetcher = {prefetcher}\nprefetch_page = {page}");
    }
    through
}

/// Swap areas in memory and beside each other.
fn areas(dice: &mut Dice, page: u64, text: &mut String) {
    let device = |dice: &mut Dice| match dice.below(4) {
        0 => "\"hdd\"".to_owned(),
        1 => "\"none\"".to_owned(),
        2 => "\"zram\"".to_owned(),
        _ => format!("{{ kind = \"zram\", ratio = {} }}", dice.between(1, 9)),
    };
    let main = device(dice);
    let _ = writeln!(text, "[swap]\ndevice = {main}\nsize = {}", dice.between(1, 600) * page);
    if dice.percent(50) {
        let _ = writeln!(text, "priority = {}", dice.below(3));
    }
    for area in 0..dice.below(3) {
        let device = device(dice);
        let _ = writeln!(text, "[[swap.area]]\nname = \"a{area}\"\ndevice = {device}");
        let _ = writeln!(text, "size = {}", dice.between(1, 40) * page);
        if dice.percent(70) {
            let _ = writeln!(text, "priority = {}", dice.below(3));
        }
    }
    for class in 0..dice.below(3) {
        let ratio = dice.between(1, 12);
        let _ = writeln!(text, "[[swap.content]]\nclass = {class}\nratio = {ratio}");
    }
}

/// Memory in nodes.
fn nodes(dice: &mut Dice, memory: u64, unit: u64, text: &mut String) {
    // Each but the last has a page at least.
    let (mut left, count) = (memory, dice.between(1, 4).min(memory / unit).max(1));
    let policy = dice.pick(&["local", "interleave", "weighted-interleave", "bind", "preferred"]);
    let _ = writeln!(text, "[numa]\npolicy = \"{policy}\"");
    let mut named: Vec<u64> = (0..count).filter(|_| dice.percent(60)).collect();
    if dice.percent(50) {
        named.reverse();
    }
    let most = if policy == "preferred" { 1 } else { named.len().max(1) };
    if named.is_empty() {
        named.push(dice.below(count));
    }
    named.truncate(most);
    if policy != "local" {
        let _ = writeln!(
            text,
            "nodes = {:?}",
            named.iter().map(|n| format!("n{n}")).collect::<Vec<_>>()
        );
    }
    let home = dice.below(count);
    for node in 0..count {
        let rest = count - node - 1;
        // Each of the others has a page at least.
        let most = (left / unit).saturating_sub(rest).max(1);
        let size = if rest == 0 { left } else { dice.between(1, most) * unit };
        left -= size;
        let _ = writeln!(text, "[[numa.node]]\nname = \"n{node}\"\nmemory = {size}");
        let _ = writeln!(text, "weight = {}", dice.between(1, 4));
        if node == home {
            let _ = writeln!(text, "cpus = [0]");
        }
    }
}

/// Memory, reclaim and swap. Returns memory that is to be divided among nodes.
fn system(dice: &mut Dice, page: u64, levels: u64, text: &mut String) -> Option<u64> {
    let unit = page.max(4096);
    let policy = dice.pick(&[
        "\"fifo\"",
        "\"lru\"",
        "\"clock\"",
        "{ policy = \"clock\", insert_referenced = false, bits = 2 }",
        "\"second-chance\"",
        "{ policy = \"second-chance\", insert_referenced = false }",
        "\"random\"",
        "\"opt\"",
        "\"mru\"",
        "\"lfu\"",
        "\"nfu\"",
        "{ policy = \"nfu\", tick = 7 }",
        "\"aging\"",
        "{ policy = \"aging\", tick = 5, bits = 3 }",
        "\"wsclock\"",
        "{ policy = \"wsclock\", tau = 3 }",
        "\"sieve\"",
        "\"2q\"",
        "{ policy = \"2q\", kin = 0.5, kout = 1 }",
        "\"s3fifo\"",
        "{ policy = \"s3fifo\", small = 0.3, threshold = 1 }",
        "\"arc\"",
        "\"car\"",
        "\"lirs\"",
        "{ policy = \"lirs\", hir = 0.2 }",
        "\"clock-pro\"",
    ]);
    let _ = writeln!(text, "[os]\nreclaim = {policy}\nswap_readahead = {}", dice.below(4));
    let _ = writeln!(text, "strict_areas = {}", dice.percent(5));
    if dice.percent(40) {
        let ceiling = dice.pick(&[0, 1, 3, 8]);
        let _ = writeln!(text, "tlb_single_page_flush_ceiling = {ceiling}");
    }
    if dice.percent(30) {
        let _ = writeln!(text, "prefault = \"accessed\"");
        if dice.percent(30) {
            let _ = writeln!(text, "prefault_frames = \"scattered\"");
        }
    }
    let tight = (levels + dice.between(3, 30)) * unit;
    let (memory, limit) = match dice.below(4) {
        0 => {
            let _ = writeln!(text, "memory = {{ frames = {} }}", dice.between(1, 40));
            (None, None)
        }
        1 => (Some(tight), None),
        2 => (Some(tight * 4), Some(tight)),
        _ => (Some(2000 * unit + dice.below(3) * page), None),
    };
    let divided = memory.filter(|_| dice.percent(40));
    if let Some(memory) = memory.filter(|_| divided.is_none()) {
        let _ = writeln!(text, "memory = {memory}");
        if memory >= 2000 * unit && dice.percent(30) {
            let orders: Vec<u64> = (0..11).map(|_| dice.below(12) % 5).collect();
            let _ = writeln!(text, "initial = {{ orders = {orders:?} }}");
        }
    }
    if let Some(limit) = limit {
        let _ = writeln!(text, "limit = {limit}");
    }
    match dice.below(10) {
        0 => {
            let _ = writeln!(text, "[swap]\ndevice = \"none\"");
        }
        1..4 => {
            let _ = writeln!(text, "[swap]\nsize = {}", dice.between(1, 24) * page);
        }
        4 => {
            let _ = writeln!(text, "[swap]\nsize = {}", dice.between(250, 600) * page);
        }
        5..8 => areas(dice, page, text),
        _ => {}
    }
    divided
}
