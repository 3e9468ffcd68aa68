use super::*;
use crate::address::VirtAddr;
use crate::cache::CacheHierarchy;
use crate::cache::settings::{Alias, Indexing};
use crate::mmu::settings::Ways;
use crate::statistics::Statistics;
use crate::units::ByteSize;
use proptest::prelude::*;

const LINE: u64 = 64;

/// A cache of `lines` 64-byte lines.
fn cache(name: &str, level: u8, lines: u64, ways: u32) -> Cache {
    Cache {
        name: name.to_owned(),
        level,
        serves: Stream::both(),
        size: ByteSize(lines * LINE),
        ways: Ways::Number(ways),
        line: ByteSize(LINE),
        latency: None,
        replacement: Default::default(),
        indexing: Indexing::Pipt,
        alias: None,
        mshrs: 8,
        bandwidth: None,
        write: Write::Back,
        write_allocate: true,
        inclusion: Inclusion::NonInclusive,
        hash: false,
        prefetcher: Default::default(),
        prefetch_page: ByteSize(4096),
        shared: None,
    }
}

struct Machine {
    caches: RuledHierarchy,
    memory: Vec<Reference>,
}

impl Machine {
    fn new(list: &[Cache]) -> Self {
        let caches = RuledHierarchy::new(list, None, Some(PageShift(12)), 40, 0).unwrap();
        Self { caches, memory: Vec::new() }
    }

    fn load(&mut self, line: u64) -> u8 {
        self.caches.access(Stream::Data, PhysAddr(line * LINE), false, &mut self.memory)
    }

    fn store(&mut self, line: u64) -> u8 {
        self.caches.access(Stream::Data, PhysAddr(line * LINE), true, &mut self.memory)
    }

    /// Fetches what prefetchers want; the lines.
    fn prefetch(&mut self) -> Vec<u64> {
        let mut lines = Vec::new();
        while let Some(request) = self.caches.next_wanted() {
            if self.caches.prefetch(request, &mut self.memory).is_some() {
                lines.push(request.addr.0 / LINE);
            }
        }
        lines
    }

    /// Whether the level has the line, and whether dirty.
    fn has(&self, index: u8, line: u64) -> Option<bool> {
        self.caches.probe(index, PhysAddr(line * LINE))
    }

    /// What memory had to take: the lines, and whether whole.
    fn written(&mut self) -> Vec<(u64, bool)> {
        let whole = |reference: &Reference| reference.kind == ReferenceKind::Writeback;
        self.memory.drain(..).map(|written| (written.addr.0 / LINE, whole(&written))).collect()
    }

    fn statistic(&self, name: &str) -> f64 {
        let mut statistics = Statistics::default();
        self.caches.report(&mut statistics, 1000);
        statistics.get(name).unwrap_or_else(|| panic!("there is no {name}")).as_f64()
    }
}

proptest! {
    /// Without a rule it does what the plain hierarchy does.
    #[test]
    fn no_rules_are_the_plain_hierarchy(
        trace in prop::collection::vec((0u8..4, 0u64..64), 1..400),
    ) {
        let list = [cache("l1", 1, 4, 2), cache("l2", 2, 6, 2), cache("l3", 3, 16, 4)];
        let mut plain = CacheHierarchy::new(&list, Some("l2"), Some(PageShift(12)), 40, 0).unwrap();
        let mut ruled = RuledHierarchy::new(&list, Some("l2"), Some(PageShift(12)), 40, 0).unwrap();
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for (kind, line) in trace {
            let addr = PhysAddr(line * LINE);
            let served = match kind {
                0 => (plain.walk_read(addr, &mut one), ruled.walk_read(addr, &mut other)),
                1 => (plain.table_write(addr, &mut one), ruled.table_write(addr, &mut other)),
                _ => (
                    plain.access(Stream::Data, addr, kind == 2, &mut one),
                    ruled.access(Stream::Data, addr, kind == 2, &mut other),
                ),
            };
            prop_assert_eq!(served.0, served.1);
        }
        prop_assert_eq!(one, other);
        let (mut a, mut b) = (Statistics::default(), Statistics::default());
        plain.report(&mut a, 1000);
        ruled.report(&mut b, 1000);
        prop_assert_eq!(a.iter().collect::<Vec<_>>(), b.iter().collect::<Vec<_>>());
    }

    /// Of an inclusive level everything above is there too, whatever happens; of an exclusive one nothing
    /// that the level right above has.
    #[test]
    fn inclusion_holds(
        exclusive: bool,
        trace in prop::collection::vec((any::<bool>(), 0u64..64), 1..400),
    ) {
        let inclusion = if exclusive { Inclusion::Exclusive } else { Inclusion::Inclusive };
        let list = [cache("l1", 1, 4, 2), Cache { inclusion, ..cache("l2", 2, 12, 3) }];
        let mut machine = Machine::new(&list);
        for (write, line) in trace {
            if write { machine.store(line) } else { machine.load(line) };
            for line in 0..64 {
                let (above, below) = (machine.has(0, line), machine.has(1, line));
                if exclusive {
                    prop_assert!(above.is_none() || below.is_none(), "line {line} is in both");
                } else {
                    prop_assert!(above.is_none() || below.is_some(), "line {line} is above alone");
                }
            }
        }
    }
}

/// Two lines of a direct-mapped cache that displace each other miss for ever; with one line of victim cache
/// each misses once (Jouppi, "Improving direct-mapped cache performance by the addition of a small
/// fully-associative cache and prefetch buffers", ISCA 1990, section 3).
#[test]
fn a_victim_cache_removes_conflicts() {
    let victim = Cache { inclusion: Inclusion::Exclusive, ..cache("victim", 2, 1, 1) };
    for (list, misses) in
        [(vec![cache("l1", 1, 4, 1)], 20), (vec![cache("l1", 1, 4, 1), victim], 2)]
    {
        let mut machine = Machine::new(&list);
        let missed = (0..20).filter(|k| machine.load(4 * (k % 2)) == MEMORY);
        assert_eq!(missed.count(), misses);
    }
}

/// Level 1 and an exclusive level 2 hold as many different lines as both have together; with a
/// non-inclusive one a loop over as many misses.
#[test]
fn exclusive_levels_add_up() {
    for (inclusion, misses) in [(Inclusion::Exclusive, 0), (Inclusion::NonInclusive, 60)] {
        let second = Cache { inclusion, ..cache("l2", 2, 4, 4) };
        let mut machine = Machine::new(&[cache("l1", 1, 2, 2), second]);
        (0..6).for_each(|line| assert_eq!(machine.load(line), MEMORY));
        let missed = (0..60).filter(|k| machine.load(k % 6) == MEMORY).count();
        assert_eq!(missed, misses, "{inclusion:?}");
    }
}

#[test]
fn a_dirty_line_stays_dirty_when_it_moves_up_and_down() {
    let second = Cache { inclusion: Inclusion::Exclusive, ..cache("l2", 2, 1, 1) };
    let mut machine = Machine::new(&[cache("l1", 1, 1, 1), second]);
    machine.store(1);
    machine.load(2);
    assert_eq!((machine.has(0, 1), machine.has(1, 1)), (None, Some(true)));
    assert_eq!(machine.load(1), 1, "level 2 had it");
    assert_eq!((machine.has(0, 1), machine.has(1, 2)), (Some(true), Some(false)));
    machine.load(3);
    machine.load(4);
    assert_eq!(machine.written(), [(1, true)]);
}

/// An inclusive level displaces a line that is dirty above: it is written to memory and gone from there, and
/// whoever remembers the first level's lines is told.
#[test]
fn back_invalidation_takes_dirty_lines_along() {
    let second = Cache { inclusion: Inclusion::Inclusive, ..cache("l2", 2, 2, 1) };
    let mut machine = Machine::new(&[cache("l1", 1, 4, 4), second]);
    machine.store(0);
    machine.load(1);
    machine.load(2);
    assert_eq!((machine.has(0, 0), machine.has(0, 1)), (None, Some(false)));
    assert_eq!(machine.written(), [(0, true)]);
    let mut gone = Vec::new();
    machine.caches.take_gone(|addr| gone.push(addr));
    assert_eq!(gone, [PhysAddr(0)]);
    let count = |name: &str| machine.statistic(name);
    assert_eq!((count("l1.back_invalidations"), count("l1.evictions")), (1.0, 0.0));
    assert_eq!((count("l2.evictions"), count("l2.writebacks")), (1.0, 1.0));
}

#[test]
fn stores_go_through_to_where_the_line_is() {
    let first = Cache { write: Write::Through, ..cache("l1", 1, 2, 2) };
    let mut machine = Machine::new(&[first, cache("l2", 2, 1, 1)]);
    assert_eq!(machine.store(1), MEMORY, "it allocates");
    assert_eq!((machine.has(0, 1), machine.has(1, 1)), (Some(false), Some(true)));
    machine.load(2);
    assert_eq!(machine.written(), [(1, true)]);
    assert_eq!(machine.store(1), 0, "still in the first level, and no longer in the second");
    assert_eq!((machine.written(), machine.has(1, 1)), (vec![(1, false)], None));
    assert_eq!(machine.statistic("l1.writethroughs"), 2.0);
    assert_eq!(machine.statistic("l2.accesses"), 2.0, "a store that is handed on is no access");
}

#[test]
fn stores_that_miss_pass_levels_that_do_not_allocate() {
    let first = Cache { write_allocate: false, ..cache("l1", 1, 2, 2) };
    let mut machine = Machine::new(&[first.clone(), cache("l2", 2, 2, 2)]);
    assert_eq!(machine.store(1), MEMORY);
    assert_eq!((machine.has(0, 1), machine.has(1, 1)), (None, Some(true)));
    assert_eq!(machine.store(1), 1);
    machine.load(1);
    assert_eq!((machine.store(1), machine.has(0, 1)), (0, Some(true)));
    let mut alone = Machine::new(&[first]);
    assert_eq!(alone.store(1), 0, "it leaves at once");
    assert_eq!((alone.written(), alone.has(0, 1)), (vec![(1, false)], None));
}

/// A sequential stream through a tagged next-line prefetcher misses once a page; every line but the last
/// prefetched one is useful.
#[test]
fn a_sequential_stream_misses_once_a_page() {
    let list = [
        Cache {
            prefetcher: crate::cache::prefetch::testing::read("\"next-line\"").unwrap(),
            ..cache("l1", 1, 8, 8)
        },
        cache("l2", 2, 64, 4),
    ];
    let mut machine = Machine::new(&list);
    for line in 0..128 {
        machine.load(line);
        let expected = if line % 64 == 63 { vec![] } else { vec![line + 1] };
        assert_eq!(machine.prefetch(), expected);
    }
    let count = |name: &str| machine.statistic(name);
    assert_eq!((count("l1.misses"), count("l1.hits")), (2.0, 126.0));
    assert_eq!((count("l1.prefetch.issued"), count("l1.prefetch.useful")), (126.0, 126.0));
    assert_eq!((count("l2.accesses"), count("l2.prefetch.misses")), (2.0, 126.0));
    assert_eq!(count("l1.prefetch.accuracy"), 1.0);
    assert_eq!(count("l1.prefetch.coverage"), 126.0 / 128.0);
}

#[test]
fn a_prefetched_line_that_goes_unused_is_useless() {
    let prefetcher = crate::cache::prefetch::testing::read("\"next-line\"").unwrap();
    let mut machine = Machine::new(&[Cache { prefetcher, ..cache("l1", 1, 2, 2) }]);
    for line in [0, 10, 20] {
        machine.load(line);
        machine.prefetch();
    }
    let count = |name: &str| machine.statistic(name);
    assert_eq!((count("l1.prefetch.issued"), count("l1.prefetch.useless")), (3.0, 2.0));
    assert_eq!(machine.load(21), 0);
    assert_eq!(machine.statistic("l1.prefetch.useful"), 1.0);
}

#[test]
fn a_hash_spreads_a_power_of_two_stride() {
    let sets = |hash| {
        let list = [Cache { hash, ..cache("l1", 1, 64, 1) }];
        let machine = Machine::new(&list);
        let set = |line: u64| machine.caches.locate(0, PhysAddr(line * LINE), Name::default()).0;
        (0..64).map(|k| set(64 * k)).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!((sets(false), sets(true)), (1, 64));
}

#[test]
fn rules_that_cannot_be_name_the_key() {
    let message = |list: &[Cache]| {
        RuledHierarchy::new(list, None, Some(PageShift(12)), 40, 0).unwrap_err().to_string()
    };
    let exclusive = Cache { inclusion: Inclusion::Exclusive, ..cache("l2", 2, 4, 4) };
    let first = Cache { inclusion: Inclusion::Inclusive, ..cache("l1", 1, 4, 4) };
    assert!(message(&[first]).starts_with("`cache.l1.inclusion`"));
    let through = Cache { write: Write::Through, ..cache("l1", 1, 4, 4) };
    assert!(message(&[through, exclusive.clone()]).starts_with("`cache.l2.inclusion`"));
    let both = Cache { write: Write::Through, ..exclusive.clone() };
    assert!(message(&[cache("l1", 1, 4, 4), both]).starts_with("`cache.l2.write`"));
    let larger = Cache { line: ByteSize(128), size: ByteSize(512), ..exclusive };
    assert!(message(&[cache("l1", 1, 4, 4), larger]).starts_with("`cache.l2.line`"));
    let page = Cache { prefetch_page: ByteSize(32), ..cache("l1", 1, 4, 4) };
    assert!(message(&[page]).starts_with("`cache.l1.prefetch_page`"));
}

/// Two names of one line whose virtual indices differ: it is in one set at a time, and comes back dirty from
/// the level below, to which it is written.
#[test]
fn a_line_moves_to_the_set_that_it_is_looked_for_in() {
    let alias = Some(Alias::Hardware);
    let first = Cache { indexing: Indexing::Vipt, alias, ..cache("l1", 1, 128, 1) };
    let mut machine = Machine::new(&[first, cache("l2", 2, 16, 16)]);
    let (one, other) = (Name { virt: VirtAddr(0x8000) }, Name { virt: VirtAddr(0x9000) });
    let addr = PhysAddr(0x3_0000);
    machine.caches.announce(0, one);
    assert_eq!(machine.store(addr.0 / LINE), MEMORY);
    let found = |machine: &Machine| {
        (machine.caches.finds(0, addr, one), machine.caches.finds(0, addr, other))
    };
    assert_eq!(found(&machine), (true, false));
    for (name, expected) in [(other, (false, true)), (one, (true, false)), (one, (true, false))] {
        let hit = machine.caches.finds(0, addr, name);
        machine.caches.announce(0, name);
        assert_eq!(machine.load(addr.0 / LINE), if hit { 0 } else { 1 });
        assert_eq!(found(&machine), expected);
    }
    assert_eq!(machine.has(1, addr.0 / LINE), Some(true));
    let mut gone = Vec::new();
    machine.caches.take_gone(|addr| gone.push(addr));
    assert_eq!(gone, [addr, addr]);
    let count = |name: &str| machine.statistic(name);
    assert_eq!(
        (count("l1.alias_moves"), count("l1.writebacks"), count("l1.evictions")),
        (2.0, 1.0, 0.0)
    );
    assert_eq!((count("l1.misses"), count("l2.hits"), count("l2.misses")), (3.0, 2.0, 1.0));
}

/// Page-table reads, and whatever knows the physical address alone, find the line in whichever set it is.
#[test]
fn a_line_is_found_by_its_physical_address_in_any_set() {
    let alias = Some(Alias::Hardware);
    let first = Cache { indexing: Indexing::Vipt, alias, ..cache("l1", 1, 128, 1) };
    let second = Cache { inclusion: Inclusion::Inclusive, ..cache("l2", 2, 1, 1) };
    let mut machine = Machine::new(&[first, second]);
    machine.caches.announce(0, Name { virt: VirtAddr(0x1040) });
    machine.load(1);
    assert_eq!(machine.has(0, 1), Some(false));
    assert_eq!(machine.caches.table_write(PhysAddr(64), &mut machine.memory), 0);
    assert_eq!(machine.has(0, 1), Some(true));
    machine.load(2);
    assert_eq!((machine.has(0, 1), machine.written()), (None, vec![(1, true)]));
}

#[test]
fn aliases_that_cannot_be_name_the_key() {
    let message = |last: Cache| {
        let above = (last.level > 1).then(|| cache("l1", 1, 4, 4));
        let list: Vec<Cache> = above.into_iter().chain([last]).collect();
        RuledHierarchy::new(&list, None, Some(PageShift(12)), 40, 0).unwrap_err().to_string()
    };
    let aliased = |alias, level| Cache {
        indexing: Indexing::Vipt,
        alias: Some(alias),
        ..cache(if level == 1 { "l1" } else { "l2" }, level, 128, 1)
    };
    let physical = Cache { indexing: Indexing::Pipt, ..aliased(Alias::Hardware, 1) };
    assert!(message(physical).starts_with("`cache.l1.alias`"));
    assert!(
        message(Cache { hash: true, ..aliased(Alias::Colour, 1) }).starts_with("`cache.l1.alias`")
    );
    assert!(message(aliased(Alias::Hardware, 2)).starts_with("`cache.l2.alias`"));
    let odd = Cache { size: ByteSize(96 * LINE), ..aliased(Alias::Colour, 1) };
    assert!(message(odd).starts_with("`cache.l1.alias`"));
    assert!(message(Cache { alias: None, ..aliased(Alias::Hardware, 1) }).contains("alias = "));
}
