//! One cache, untranslated: hits, misses of clean lines and misses that evict dirty lines; of the less usual
//! policies the first two.

use crate::machine::{Function, bare};
use crate::{Case, stream};

const LOOKUPS: u64 = 1 << 16;

/// Name, size in bytes, ways, policy.
const SHAPES: [(&str, u64, u32, &str); 5] = [
    ("32KiBx8-lru", 32 << 10, 8, "lru"),
    ("32KiBx8-plru", 32 << 10, 8, "plru"),
    ("32KiBx8-random", 32 << 10, 8, "random"),
    ("2MiBx16-lru", 2 << 20, 16, "lru"),
    ("2MiBx16-srrip", 2 << 20, 16, "srrip"),
];

/// Policies of the cache of 2 MiB.
const OTHERS: [(&str, &str); 9] = [
    ("2MiBx16-bit-plru", "bit-plru"),
    ("2MiBx16-nru", "nru"),
    ("2MiBx16-lfu", "lfu"),
    ("2MiBx16-lip", "lip"),
    ("2MiBx16-bip", "bip"),
    ("2MiBx16-dip", "dip"),
    ("2MiBx16-brrip", "brrip"),
    ("2MiBx16-drrip", "drrip"),
    ("2MiBx16-ship", "ship"),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = SHAPES.into_iter().flat_map(of_shape).collect();
    for (name, policy) in OTHERS {
        let [hit, miss, _] = of_shape((name, 2 << 20, 16, policy));
        cases.extend([hit, miss]);
    }
    cases.extend(RULES.into_iter().map(of_rule));
    cases
}

/// Name, and what the second of two levels is set to: misses of both, in sequence.
const RULES: [(&str, &str); 4] = [
    ("inclusive", "inclusion = \"inclusive\""),
    ("exclusive", "inclusion = \"exclusive\""),
    ("through", "write = \"through\""),
    ("stream", "prefetcher = \"stream\""),
];

fn of_rule((name, rule): (&'static str, &'static str)) -> Case {
    Case::new(format!("cache/rule/{name}"), LOOKUPS, move || {
        let mut function = Function::new(&bare(&format!(
            "[mmu]\nenabled = false\n[[cache]]\nname = \"l1\"\nlevel = 1\nsize = 32768\nways = 8\n\
             [[cache]]\nname = \"l2\"\nlevel = 2\nsize = 262144\nways = 8\n{rule}\n"
        )));
        function.run(&stream::stores(4096, |line| line * 64));
        function.round(stream::stores(LOOKUPS, move |line| (4096 + line) * 64))
    })
}

fn of_shape((name, size, ways, policy): (&'static str, u64, u32, &'static str)) -> [Case; 3] {
    let config = move || {
        bare(&format!(
            "[mmu]\nenabled = false\n[[cache]]\nname = \"l1\"\nlevel = 1\n\
             size = {size}\nways = {ways}\nreplacement = \"{policy}\"\n"
        ))
    };
    let lines = size / 64;
    let case = |what: &str, prepare: fn(&mut Function, u64) -> Vec<tracegen::batch::Batch>| {
        Case::new(format!("cache/{what}/{name}"), LOOKUPS, move || {
            let mut function = Function::new(&config());
            let batches = prepare(&mut function, lines);
            function.round(batches)
        })
    };
    [
        case("hit", |function, lines| {
            function.run(&stream::loads(lines, |line| line * 64));
            // Held lines in a random order, so that no access repeats the line before it.
            let mut line = stream::uniform(lines);
            stream::loads(LOOKUPS, move |index| line(index) * 64)
        }),
        case("miss", |function, lines| {
            function.run(&stream::loads(lines, |line| line * 64));
            stream::loads(LOOKUPS, move |line| (lines + line) * 64)
        }),
        case("dirty", |function, lines| {
            function.run(&stream::stores(lines, |line| line * 64));
            stream::stores(LOOKUPS, move |line| (lines + line) * 64)
        }),
    ]
}
