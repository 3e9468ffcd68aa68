use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::address::Pfn;
use crate::config::Config;
use crate::mmu::settings::PageTable;
use crate::units::ByteSize;

fn tables(table: PageTable, page: u64) -> Tables {
    let mut config = Config::default();
    config.mmu.page_table = table;
    config.mmu.page_size = ByteSize(page);
    Tables::new(Geometry::new(&config).unwrap())
}

fn write(tables: &mut Tables, root: Root, addr: VirtAddr, pte: Pte, next: &mut u64) {
    while tables.extend(root, addr).is_some() {
        tables.attach(root, addr, PhysAddr(*next));
        *next += 4096;
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
    ] {
        let mut tables = tables(table, page);
        let root = tables.create(PhysAddr(0x1000));
        let addr = VirtAddr(0x7fff_4000_3000);
        let (mut steps, mut next) = (Steps::default(), 0x2000);
        assert!(tables.walk(root, addr, &mut steps).is_none());
        assert_eq!(steps.len(), 1);
        write(&mut tables, root, addr, Pte::frame(Pfn(5), Pte::PRESENT), &mut next);
        let (pte, entry) = tables.walk(root, addr, &mut steps).unwrap();
        assert_eq!((steps.len(), pte.pfn()), (reads, Some(Pfn(5))));
        assert_eq!(steps[reads - 1].entry, entry);
        for pair in steps.windows(2) {
            assert_eq!(
                pair[0].value & !0xfff,
                pair[1].entry.0 & !0xfff,
                "a table is where its entry says"
            );
        }
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
        flat in any::<bool>(),
        operations in prop::collection::vec((0u64..1 << 12, any::<bool>(), 0u32..36), 1..200),
    ) {
        let mut tables = tables(if flat { PageTable::Flat } else { PageTable::X86_64Level4 }, 4096);
        let root = tables.create(PhysAddr(0x1000));
        let (mut map, mut next) = (BTreeMap::new(), 0x2000);
        for (value, insert, shift) in operations {
            let addr = VirtAddr((value << shift) & 0xffff_ffff_f000);
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
            from = addr.checked_add(4096);
        }
        prop_assert_eq!(found, map.into_iter().collect::<Vec<_>>());
        let all = (VirtAddr(0), VirtAddr(u64::MAX));
        let mut from = Some(VirtAddr(0));
        while let Some((addr, _)) = from.and_then(|from| tables.next(root, from)) {
            tables.set(root, addr, Pte::default());
            from = addr.checked_add(4096);
        }
        tables.prune(root, all.0, all.1, &mut Vec::new());
        prop_assert_eq!(tables.free.len() + 1, tables.nodes.len(), "only the root is left");
    }
}
