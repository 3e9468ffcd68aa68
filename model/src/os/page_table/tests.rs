use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::address::Pfn;
use crate::config::Config;
use crate::mmu::format::Layout;
use crate::mmu::settings::PageTable;
use crate::units::ByteSize;

/// Tables of a format; with `page` 0 those of its smallest page.
fn tables(table: PageTable, page: u64) -> Tables {
    let mut config = Config::default();
    config.mmu.page_table = table;
    config.mmu.page_size = (page > 0).then_some(ByteSize(page));
    Tables::new(Geometry::new(&config).unwrap(), &[])
}

fn write(tables: &mut Tables, root: Root, addr: VirtAddr, pte: Pte, next: &mut u64) {
    while tables.extend(root, addr).is_some() {
        tables.attach(root, addr, PhysAddr(*next));
        *next += 1 << 16;
    }
    assert!(tables.set(root, addr, pte));
}

#[test]
fn a_walk_reads_one_entry_a_level() {
    for (table, page, reads) in [
        (PageTable::X86_64Level4, 4096, 4),
        (PageTable::X86_64Level5, 4096, 5),
        (PageTable::X86_64Level4, 2 << 20, 3),
        (PageTable::X86_64Level4, 1 << 30, 2),
        (PageTable::X86_64Level4, 64, 5),
        (PageTable::Flat, 4096, 1),
        (PageTable::Sv39, 0, 3),
        (PageTable::Sv48, 0, 4),
        (PageTable::Sv57, 0, 5),
        (PageTable::Sv48, 512 << 30, 1),
        (PageTable::Arm4k, 0, 4),
        (PageTable::Arm16k, 0, 4),
        (PageTable::Arm16k, 32 << 20, 3),
        (PageTable::Arm64k, 0, 3),
        (PageTable::Arm64k, 512 << 20, 2),
        (PageTable::X86Short, 0, 2),
        (PageTable::X86Short, 4 << 20, 1),
        (PageTable::X86Pae, 0, 3),
        (PageTable::X86Pae, 2 << 20, 2),
    ] {
        let mut tables = tables(table, page);
        let root = tables.create(PhysAddr(1 << 16));
        let addr = VirtAddr(0x7fff_4000_3000 & (tables.geometry().end().unwrap() - 1));
        let (mut steps, mut next) = (Steps::default(), 2 << 16);
        let layout = tables.geometry().layout();
        assert!(tables.walk(root, addr, &mut steps).is_none());
        assert_eq!(steps.len(), 1);
        write(&mut tables, root, addr, Pte::frame(Pfn(5), Pte::PRESENT), &mut next);
        let (pte, entry) = tables.walk(root, addr, &mut steps).unwrap();
        assert_eq!((steps.len(), pte.pfn()), (reads, Some(Pfn(5))));
        assert_eq!(steps[reads - 1].entry, entry);
        for pair in steps.windows(2) {
            let number =
                if layout == Layout::RiscV { pair[0].value >> 10 } else { pair[0].value >> 12 };
            assert_eq!(number, pair[1].entry.0 >> 16 << 4, "a table is where its entry says");
        }
        // What a walker reads on its way is what is recorded, but for what is in registers.
        let above: Vec<PhysAddr> =
            tables.way(root, addr).unwrap().above.iter().map(|above| above.entry).collect();
        let read = steps.iter().filter(|step| step.level <= tables.geometry().first_read());
        let read: Vec<PhysAddr> = read.map(|step| step.entry).collect();
        assert_eq!(above, read[..read.len() - 1], "{table:?}");
        let held = usize::from(table == PageTable::X86Pae);
        assert_eq!(read.len(), steps.len() - held, "{table:?}");
    }
}

/// The levels, indices and offset of an address, worked by hand.
#[test]
fn an_address_is_split_as_the_manuals_split_it() {
    let addr = 0x12_3456_789a_u64;
    let cases: [(PageTable, &[u64], u64); 7] = [
        // 0x123456789a >> 30 = 72; >> 21 = 37282, less 72 · 512; >> 12 = 19088743, less 37282 · 512.
        (PageTable::Sv39, &[72, 418, 359], 0x89a),
        (PageTable::Sv48, &[0, 72, 418, 359], 0x89a),
        (PageTable::Arm4k, &[0, 72, 418, 359], 0x89a),
        // >> 36 = 1; >> 25 = 2330, less 1 · 2048; >> 14 = 4772185, less 2330 · 2048.
        (PageTable::Arm16k, &[0, 1, 282, 345], 0x389a),
        // >> 42 = 0; >> 29 = 145; >> 16 = 1193046, less 145 · 8192.
        (PageTable::Arm64k, &[0, 145, 5206], 0x789a),
        // Of the low 32 bits, 0x3456789a: >> 22 = 209; >> 12 = 214375, less 209 · 1024.
        (PageTable::X86Short, &[209, 359], 0x89a),
        // >> 30 = 0; >> 21 = 418; >> 12 = 214375, less 418 · 512.
        (PageTable::X86Pae, &[0, 418, 359], 0x89a),
    ];
    for (table, indices, offset) in cases {
        let mut tables = tables(table, 0);
        let root = tables.create(PhysAddr(1 << 16));
        let addr = VirtAddr(addr & (tables.geometry().end().unwrap() - 1));
        let (mut steps, mut next) = (Steps::default(), 2 << 16);
        write(&mut tables, root, addr, Pte::frame(Pfn(5), Pte::PRESENT), &mut next);
        tables.walk(root, addr, &mut steps);
        assert_eq!(steps.iter().map(|step| step.index).collect::<Vec<_>>(), indices, "{table:?}");
        assert_eq!(tables.geometry().page().offset_of(addr), offset, "{table:?}");
        let bytes = tables.geometry().entry_bytes();
        let root = steps[0];
        assert_eq!(root.entry, PhysAddr((1 << 16) + root.index * bytes), "{table:?}");
    }
}

#[test]
fn indices_are_those_of_x86_64() {
    let mut tables = tables(PageTable::X86_64Level4, 4096);
    let root = tables.create(PhysAddr(0x1000));
    let addr = VirtAddr(3 << 39 | 5 << 30 | 7 << 21 | 9 << 12 | 0x123);
    let (mut steps, mut next) = (Steps::default(), 0x2000);
    write(&mut tables, root, addr, Pte::frame(Pfn(5), Pte::PRESENT), &mut next);
    tables.walk(root, addr, &mut steps);
    assert_eq!(
        steps.iter().map(|step| (step.level, step.index)).collect::<Vec<_>>(),
        [(4, 3), (3, 5), (2, 7), (1, 9)]
    );
    assert_eq!(steps[0].entry, PhysAddr(0x1000 + 3 * 8));
    assert_eq!(steps[3].value, 0x5001);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn behaves_like_a_map(
        format in prop::sample::select(vec![
            PageTable::Flat,
            PageTable::X86_64Level4,
            PageTable::X86Pae,
            PageTable::Arm64k,
        ]),
        operations in prop::collection::vec((0u64..1 << 12, any::<bool>(), 0u32..36), 1..200),
    ) {
        let mut tables = tables(format, 0);
        let page = tables.geometry().page().bytes();
        let mask = tables.geometry().end().unwrap() - page;
        let root = tables.create(PhysAddr(0x1000));
        let (mut map, mut next) = (BTreeMap::new(), 0x2000);
        for (value, insert, shift) in operations {
            let addr = VirtAddr((value << shift) & mask);
            if insert {
                let pte = Pte::frame(Pfn(value), Pte::PRESENT);
                write(&mut tables, root, addr, pte, &mut next);
                map.insert(addr, pte);
            } else {
                tables.set(root, addr, Pte::default());
                map.remove(&addr);
                tables.prune(root, addr, addr, &mut Vec::new());
            }
            prop_assert_eq!(tables.get(root, addr), map.get(&addr).copied().unwrap_or_default());
        }
        let mut from = Some(VirtAddr(0));
        let mut found = Vec::new();
        while let Some((addr, pte)) = from.and_then(|from| tables.next(root, from)) {
            found.push((addr, pte));
            from = addr.checked_add(page);
        }
        prop_assert_eq!(found, map.into_iter().collect::<Vec<_>>());
        let all = (VirtAddr(0), VirtAddr(u64::MAX));
        let mut from = Some(VirtAddr(0));
        while let Some((addr, _)) = from.and_then(|from| tables.next(root, from)) {
            tables.set(root, addr, Pte::default());
            from = addr.checked_add(page);
        }
        tables.prune(root, all.0, all.1, &mut Vec::new());
        prop_assert_eq!(tables.free.len() + 1, tables.nodes.len(), "only the root is left");
    }
}
