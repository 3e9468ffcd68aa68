//! Walking the page tables, on a machine without TLBs, so that every access walks: by format, with and
//! without paging-structure caches. The tables' lines and the data hit the first cache.

use crate::machine::{Function, bare};
use crate::{Case, stream};

const WALKS: u64 = 1 << 15;
const PAGES: u64 = 1024;

/// The paging-structure caches of the `skylake` preset.
const PWC: &str =
    "pwc = [{ level = 2, entries = 32, ways = 4 }, { level = 3, entries = 4, ways = 4 }]";

pub(super) fn cases() -> Vec<Case> {
    let shapes = [
        ("x86-64-4level", ""),
        ("x86-64-4level", PWC),
        ("x86-64-5level", ""),
        ("x86-64-5level", PWC),
        ("x86-32", ""),
        ("x86-pae", ""),
        ("sv39", ""),
        ("sv48", ""),
        ("sv57", ""),
        ("arm-4k", ""),
        ("arm-16k", ""),
        ("arm-64k", ""),
        ("hashed", ""),
        ("flat", "va_bits = 34"),
    ];
    shapes.into_iter().map(case).collect()
}

fn case((format, rest): (&'static str, &'static str)) -> Case {
    let name = if rest == PWC { format!("walk/{format}-pwc") } else { format!("walk/{format}") };
    Case::new(name, WALKS, move || {
        let config = bare(&format!(
            "[mmu]\npage_table = \"{format}\"\n{rest}\n\
             [[cache]]\nname = \"l1\"\nlevel = 1\nsize = \"1MiB\"\nways = 16\n"
        ));
        // 32-bit formats translate no more.
        let within =
            if format == "x86-32" || format == "x86-pae" { u32::MAX.into() } else { u64::MAX };
        let mut page = stream::uniform_pages(PAGES);
        let batches = stream::loads(WALKS, |index| page(index) & within);
        let mut function = Function::prefaulted(&config, &batches);
        function.run(&stream::loads(PAGES, |page| stream::in_page(page) & within));
        function.round(batches)
    })
}
