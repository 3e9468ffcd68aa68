//! Frames of their pages' colours.

use std::collections::BTreeSet;

use tracegen::batch::Batch;
use tracegen::record::{AccessKind, Backing, Event, Protection};

use super::{Simulator, count, load, machine, run};
use crate::outcome::Outcomes;

/// A way of 16 KiB spans four pages of 4 KiB.
const COLOURED: &str = r#"
    [os]
    memory = { frames = 16 }
    [[mmu.tlb]]
    name = "dtlb"
    level = 1
    entries = 64
    ways = 4
    [[cache]]
    name = "l1d"
    level = 1
    size = "32KiB"
    ways = 2
    indexing = "vipt"
    alias = "colour"
"#;

fn frame(simulator: &Simulator, page: u64) -> u64 {
    simulator.inspect(0, AccessKind::Load, page << 12).ppn.unwrap()
}

/// Sixteen frames have four of each colour: pages 3, 7, … 15 take those of colour 3, and three more pages of
/// it have to take others.
#[test]
fn frames_have_their_pages_colour_while_there_is_one() {
    let mut simulator = machine(COLOURED);
    run(&mut simulator, [3, 7, 11, 15, 2, 5].map(|page| load(page << 12)));
    for page in [3, 7, 11, 15, 2, 5] {
        assert_eq!(frame(&simulator, page) % 4, page % 4, "page {page}");
    }
    assert_eq!(
        (count(&simulator, "os.colour.hits"), count(&simulator, "os.colour.misses")),
        (6, 0)
    );
    run(&mut simulator, [19, 23, 27].map(|page| load(page << 12)));
    assert_eq!(
        (count(&simulator, "os.colour.hits"), count(&simulator, "os.colour.misses")),
        (6, 3)
    );
    let all = [3, 7, 11, 15, 2, 5, 19, 23, 27];
    let frames: BTreeSet<_> = all.map(|page| frame(&simulator, page)).into();
    assert_eq!(frames.len(), 9, "each has its own");
}

/// The zero page of two pages of another virtual index is one line: with `alias = "hardware"` it goes from
/// set to set at every turn, with colours it stays.
#[test]
fn the_zero_page_has_many_names() {
    for (alias, moves) in [("hardware", 9), ("colour", 0)] {
        let text = COLOURED.replace("colour", alias).replace("{ frames = 16 }", "\"1MiB\"");
        let mut simulator = machine(&text);
        let mut batch = Batch::new();
        let area = Event::Mmap {
            addr: 1 << 20,
            length: 1 << 20,
            protection: Protection::READ_WRITE,
            shared: false,
            backing: Backing::Anonymous,
        };
        batch.push_event(0, area);
        let pages = (0..10).map(|k| load((1 << 20) + ((k % 2) << 12)));
        pages.for_each(|access| batch.push_access(access));
        let mut out = Outcomes::default();
        simulator.process(&batch, &mut out).unwrap();
        assert_eq!(count(&simulator, "l1d.misses"), 1 + moves, "{alias}");
        if alias == "hardware" {
            assert_eq!(count(&simulator, "l1d.alias_moves"), moves);
        }
    }
}
