//! Looking pages up in one TLB, by geometry and replacement policy: random pages of which all are held,
//! or of twice its reach. Their data always hits a cache with a line for each page. What a look-up costs
//! beyond that is the difference from `tlb/none`, where nothing is translated.

use model::config::Config;

use crate::machine::{Function, bare};
use crate::{Case, stream};

const LOOKUPS: u64 = 1 << 16;

/// Name, entries, ways, policy.
const SHAPES: [(&str, u64, &str, &str); 9] = [
    ("64x4-lru", 64, "4", "lru"),
    ("64x4-fifo", 64, "4", "fifo"),
    ("64x4-random", 64, "4", "random"),
    ("64x4-plru", 64, "4", "plru"),
    ("64x4-srrip", 64, "4", "srrip"),
    ("64xfull-lru", 64, "full", "lru"),
    ("1536x12-lru", 1536, "12", "lru"),
    ("1536x12-plru", 1536, "12", "plru"),
    ("1536xfull-lru", 1536, "full", "lru"),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![case("none".to_owned(), 64, || machine("enabled = false"))];
    for (name, entries, ways, policy) in SHAPES {
        for (what, pages) in [("hit", entries), ("half", 2 * entries)] {
            let mmu = format!(
                "tlb = [{{ name = \"dtlb\", level = 1, entries = {entries}, ways = {ways}, \
                 replacement = \"{policy}\" }}]",
                ways = if ways == "full" { "\"full\"" } else { ways },
            );
            cases.push(case(format!("{what}/{name}"), pages, move || machine(&mmu)));
        }
    }
    cases
}

fn case(name: String, pages: u64, machine: impl Fn() -> Config + 'static) -> Case {
    Case::new(format!("tlb/{name}"), LOOKUPS, move || {
        let batches = stream::loads(LOOKUPS, stream::uniform_pages(pages));
        let mut function = Function::prefaulted(&machine(), &batches);
        // Fills what is to be hit.
        function.run(&stream::loads(pages, stream::in_page));
        function.round(batches)
    })
}

/// One cache that holds a line for each page and the page tables, and no paging-structure caches.
fn machine(mmu: &str) -> Config {
    bare(&format!(
        "[mmu]\n{mmu}\n[[cache]]\nname = \"l1\"\nlevel = 1\nsize = \"1MiB\"\nways = 16\n"
    ))
}
