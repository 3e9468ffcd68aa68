//! The caches of a CPU: for each stream, those that serve it, level by level.

use super::chain::Arrangement;
use super::level::{Allocated, CacheCounters, CacheLevel, Source};
use super::settings::{Cache, Stream};
use crate::address::{PageShift, PhysAddr};
use crate::config::InvalidSetting;
use crate::outcome::{MEMORY, Reference, ReferenceKind};
use crate::replacement::PlaceError;
use crate::statistics::Statistics;

/// The caches of a CPU, write-back and write-allocate, neither inclusive nor exclusive: a line goes into
/// every level above the one that had it, and what a level displaces stays in the others.
///
/// A dirty victim is written to the next level. That is not an access: a line that is there becomes
/// dirty and is not used (as in ChampSim), one that is not is put in and may displace another. What the
/// last level writes goes to memory and is reported. Fills happen from the lowest level up.
///
/// Physical addresses are below 2^`address_bits`.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct CacheHierarchy {
    levels: Vec<CacheLevel>,
    order: Arrangement,
    /// Dirty lines that a reference has displaced and that the levels below have yet to take: the level
    /// that had it and its address, by level. Empty between references.
    displaced: Vec<(u8, PhysAddr)>,
}

impl CacheHierarchy {
    /// Empty caches. `entry_level` is the walker's setting; `page` is the base page where addresses are
    /// translated; addresses are below 2^`address_bits`; `seed` is the run's.
    ///
    /// # Errors
    /// A cache's geometry is impossible, or the caches do not form a hierarchy.
    pub fn new(
        settings: &[Cache],
        entry_level: Option<&str>,
        page: Option<PageShift>,
        address_bits: u8,
        seed: u64,
    ) -> Result<Self, InvalidSetting> {
        let order = Arrangement::new(settings, entry_level)?;
        let levels = settings.iter().map(|cache| CacheLevel::new(cache, page, address_bits, seed));
        Ok(Self { levels: levels.collect::<Result<_, _>>()?, order, displaced: Vec::new() })
    }

    /// The caches in the order of the configuration.
    #[cfg(test)]
    pub(super) fn levels(&self) -> &[CacheLevel] {
        &self.levels
    }

    pub(super) fn order(&self) -> &Arrangement {
        &self.order
    }

    pub(super) fn name(&self, index: u8) -> &str {
        self.levels[usize::from(index)].name()
    }

    pub(super) fn counters(&self, index: u8) -> CacheCounters {
        self.levels[usize::from(index)].counters
    }

    pub(super) fn site(&mut self, site: u64) {
        for index in &self.order.asking {
            self.levels[usize::from(*index)].site(site);
        }
    }

    /// The program accesses `addr`, and next its line of 2^shift bytes as `next` says.
    pub(super) fn foresee(&mut self, addr: PhysAddr, next: impl Fn(u8) -> u64) {
        for index in &self.order.foreseeing {
            let level = &mut self.levels[usize::from(*index)];
            // A line is at most 64 KiB.
            level.foresee(addr, next(level.line_shift() as u8));
        }
    }

    pub(super) fn line_shift(&self, index: u8) -> u32 {
        self.levels[usize::from(index)].line_shift()
    }

    pub(super) fn locate(&self, index: u8, addr: PhysAddr) -> (usize, u64) {
        self.levels[usize::from(index)].locate(addr)
    }

    pub(super) fn probe(&self, index: u8, addr: PhysAddr) -> Option<bool> {
        self.levels[usize::from(index)].probe(addr)
    }

    pub(super) fn place(
        &mut self,
        index: u8,
        set: usize,
        way: usize,
        tag: u64,
    ) -> Result<PhysAddr, PlaceError> {
        self.levels[usize::from(index)].place(set, way, tag)
    }

    /// A demand access that the first level may have: where it does, it is counted and true is returned;
    /// where it does not, nothing has happened, and [`access_below`](Self::access_below) does the rest.
    #[inline]
    pub fn first_level_hit(&mut self, stream: Stream, addr: PhysAddr, write: bool) -> bool {
        let Some(first) = self.order.chains[stream as usize].first() else { return false };
        // Indices in a chain are those of levels.
        let level = &mut self.levels[usize::from(*first)];
        let hit = level.lookup(addr, write);
        level.counters.hits += u64::from(hit);
        hit
    }

    /// Counts `hits` demand accesses that hit lines that were used last in their sets, in the first level
    /// of `stream`.
    #[inline]
    pub fn count_hits(&mut self, stream: Stream, hits: u64) {
        if let Some(first) = self.order.chains[stream as usize].first() {
            // Indices in a chain are those of levels.
            self.levels[usize::from(*first)].counters.hits += hits;
        }
    }

    /// A demand access of the program to the line of `addr`: the cache that had it, as its index in the
    /// configuration's list, or [`MEMORY`]. Dirty lines that memory receives are appended to `memory`.
    pub fn access(
        &mut self,
        stream: Stream,
        addr: PhysAddr,
        write: bool,
        memory: &mut Vec<Reference>,
    ) -> u8 {
        self.demand(stream, 0, addr, write, memory)
    }

    /// A demand access that [`first_level_hit`](Self::first_level_hit) has just found not to hit: as
    /// [`access`](Self::access), without looking there again.
    #[inline]
    pub fn access_below(
        &mut self,
        stream: Stream,
        addr: PhysAddr,
        write: bool,
        memory: &mut Vec<Reference>,
    ) -> u8 {
        if let Some(first) = self.order.chains[stream as usize].first() {
            let level = &mut self.levels[usize::from(*first)];
            level.counters.misses += 1;
            if let Allocated::WriteBack(victim) = level.fill(addr, write) {
                self.displaced.push((*first, victim));
            }
        }
        self.demand(stream, 1, addr, false, memory)
    }

    /// A demand access from the level at `entry` of the chain on.
    #[inline(never)]
    fn demand(
        &mut self,
        stream: Stream,
        entry: usize,
        addr: PhysAddr,
        write: bool,
        memory: &mut Vec<Reference>,
    ) -> u8 {
        self.reference(stream, entry, addr, write, Source::Demand, memory)
    }

    /// The walker reads a page-table entry: as [`access`](Self::access).
    pub fn walk_read(&mut self, addr: PhysAddr, memory: &mut Vec<Reference>) -> u8 {
        self.reference(Stream::Data, self.order.walk_entry, addr, false, Source::Walk, memory)
    }

    /// The walker sets a page-table entry's accessed or dirty bit: its line becomes dirty in the cache
    /// that page-table reads enter at. Where the line is there (as it is after a read) it is not a use;
    /// where it is not, it is fetched first. Returns as [`access`](Self::access); with [`MEMORY`] the
    /// caller has memory read, or write where no cache is entered.
    pub fn table_write(&mut self, addr: PhysAddr, memory: &mut Vec<Reference>) -> u8 {
        if let Some(entry) = self.order.walk_chain().first().copied() {
            let level = &mut self.levels[usize::from(entry)];
            level.counters.walk_writes += 1;
            if level.mark_dirty(addr) {
                return entry;
            }
        }
        self.reference(Stream::Data, self.order.walk_entry, addr, true, Source::TableWrite, memory)
    }

    /// Every level is looked up and filled at once. What it displaces goes to the level below only when
    /// that has been filled too, so that each sees its look-up first and write-backs from the nearest
    /// level before those from further up, as if lines came up from the lowest level.
    #[inline(always)]
    fn reference(
        &mut self,
        stream: Stream,
        entry: usize,
        addr: PhysAddr,
        write: bool,
        source: Source,
        memory: &mut Vec<Reference>,
    ) -> u8 {
        let mut served = MEMORY;
        let mut write = write;
        for index in self.order.chains[stream as usize].get(entry..).unwrap_or(&[]) {
            let level = &mut self.levels[usize::from(*index)];
            let allocated = level.access(addr, write);
            level.count(source, allocated == Allocated::Hit);
            match allocated {
                Allocated::Hit => {
                    served = *index;
                    break;
                }
                Allocated::Filled => {}
                Allocated::WriteBack(victim) => self.displaced.push((*index, victim)),
            }
            write = false;
        }
        if !self.displaced.is_empty() {
            self.write_back(memory);
        }
        served
    }

    /// Writes the dirty lines that levels have displaced to those below, the lowest level's first.
    #[inline(never)]
    fn write_back(&mut self, memory: &mut Vec<Reference>) {
        while let Some((index, victim)) = self.displaced.pop() {
            self.sink(index, victim, memory);
        }
    }

    /// Writes a dirty line that the level at `index` has displaced to the one below, and on from there.
    fn sink(&mut self, index: u8, addr: PhysAddr, memory: &mut Vec<Reference>) {
        let (mut index, mut addr) = (index, addr);
        while let Some(below) = self.order.next[usize::from(index)] {
            match self.levels[usize::from(below)].write_back(addr) {
                Allocated::WriteBack(victim) => (index, addr) = (below, victim),
                Allocated::Hit | Allocated::Filled => return,
            }
        }
        memory.push(Reference { addr, kind: ReferenceKind::Writeback, served: MEMORY });
    }

    /// Declares the statistics of every cache.
    pub fn report(&self, statistics: &mut Statistics, instructions: u64) {
        self.levels.iter().for_each(|level| level.report(statistics, instructions));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cache::settings::{Indexing, Write};
    use crate::mmu::settings::Ways;
    use crate::units::ByteSize;
    use proptest::prelude::*;

    fn cache(name: &str, level: u8, serves: &[Stream], lines: u64, ways: u32, line: u64) -> Cache {
        Cache {
            name: name.to_owned(),
            level,
            serves: serves.to_vec(),
            size: ByteSize(lines * line),
            ways: Ways::Number(ways),
            line: ByteSize(line),
            latency: None,
            replacement: Default::default(),
            indexing: Indexing::Pipt,
            alias: None,
            mshrs: 8,
            bandwidth: None,
            write: Write::Back,
            write_allocate: true,
            inclusion: Default::default(),
            hash: false,
            prefetcher: Default::default(),
            prefetch_page: ByteSize(4096),
            shared: None,
        }
    }

    const DATA: &[Stream] = &[Stream::Data];
    const INSTRUCTION: &[Stream] = &[Stream::Instruction];
    const BOTH: &[Stream] = &[Stream::Data, Stream::Instruction];

    /// Split first levels, unified second and third ones; the third has larger lines.
    fn three_levels() -> [Cache; 4] {
        [
            cache("l1i", 1, INSTRUCTION, 2, 1, 64),
            cache("l1d", 1, DATA, 4, 2, 64),
            cache("l2", 2, BOTH, 6, 2, 64),
            cache("l3", 3, BOTH, 8, 4, 128),
        ]
    }

    fn build(list: &[Cache], entry: Option<&str>) -> Result<CacheHierarchy, InvalidSetting> {
        CacheHierarchy::new(list, entry, Some(PageShift(12)), 40, 0)
    }

    /// A cache as a map from line to (time of last use, dirty).
    struct Naive {
        line: u64,
        sets: u64,
        ways: usize,
        lines: BTreeMap<u64, (u64, bool)>,
        evictions: u64,
        writebacks: u64,
    }

    /// The same rules over maps, level by level in recursion.
    struct NaiveHierarchy {
        caches: Vec<Naive>,
        clock: u64,
        memory: Vec<u64>,
    }

    impl NaiveHierarchy {
        fn below(chain: &[usize]) -> &[usize] {
            &chain[1..]
        }

        /// The level that had the line, as an index in the configuration, where one had it.
        fn read(&mut self, chain: &[usize], addr: u64, write: bool) -> Option<usize> {
            let index = *chain.first()?;
            self.clock += 1;
            let cache = &mut self.caches[index];
            if let Some(line) = cache.lines.get_mut(&(addr / cache.line)) {
                *line = (self.clock, line.1 || write);
                return Some(index);
            }
            let from = self.read(Self::below(chain), addr, false);
            self.allocate(chain, addr, write);
            from
        }

        fn allocate(&mut self, chain: &[usize], addr: u64, dirty: bool) {
            self.clock += 1;
            let cache = &mut self.caches[chain[0]];
            let number = addr / cache.line;
            let rivals =
                cache.lines.iter().filter(|(line, _)| **line % cache.sets == number % cache.sets);
            let rivals: Vec<_> =
                rivals.map(|(line, (used, dirty))| (*used, *line, *dirty)).collect();
            let victim = rivals.iter().min().filter(|_| rivals.len() == cache.ways).copied();
            if let Some((_, line, _)) = victim {
                cache.lines.remove(&line);
                cache.evictions += 1;
            }
            cache.lines.insert(number, (self.clock, dirty));
            if let Some((_, line, true)) = victim {
                cache.writebacks += 1;
                let addr = line * cache.line;
                self.write_back(Self::below(chain), addr);
            }
        }

        fn write_back(&mut self, chain: &[usize], addr: u64) {
            let Some(index) = chain.first() else { return self.memory.push(addr) };
            let cache = &mut self.caches[*index];
            match cache.lines.get_mut(&(addr / cache.line)) {
                Some(line) => line.1 = true,
                None => self.allocate(chain, addr, true),
            }
        }
    }

    fn compare(list: &[Cache], entry: usize, trace: &[(u8, u64)]) {
        let data: Vec<usize> =
            (0..list.len()).filter(|k| list[*k].serves.contains(&Stream::Data)).collect();
        let code: Vec<usize> =
            (0..list.len()).filter(|k| list[*k].serves.contains(&Stream::Instruction)).collect();
        let name = data.get(entry).map_or("memory", |k| &list[*k].name);
        let mut fast = build(list, Some(name)).unwrap();
        let caches = list.iter().map(|cache| {
            let lines = cache.size.0 / cache.line.0;
            let ways = u64::from(cache.ways.of(lines as u32));
            let (line, sets) = (cache.line.0, lines / ways);
            Naive {
                line,
                sets,
                ways: ways as usize,
                lines: BTreeMap::new(),
                evictions: 0,
                writebacks: 0,
            }
        });
        let mut naive = NaiveHierarchy { caches: caches.collect(), clock: 0, memory: Vec::new() };
        let mut memory = Vec::new();
        for (kind, addr) in trace {
            let at = PhysAddr(*addr);
            let walk = &data[entry.min(data.len())..];
            let (got, expected) = match kind {
                0 => (
                    fast.access(Stream::Instruction, at, false, &mut memory),
                    naive.read(&code, *addr, false),
                ),
                1 => (fast.walk_read(at, &mut memory), naive.read(walk, *addr, false)),
                2 => {
                    let expected = naive.read(&data, *addr, true);
                    if fast.first_level_hit(Stream::Data, at, true) {
                        (fast.order().chain(Stream::Data)[0], expected)
                    } else {
                        (fast.access(Stream::Data, at, true, &mut memory), expected)
                    }
                }
                3 => {
                    let got = fast.table_write(at, &mut memory);
                    let there = walk.first().filter(|k| {
                        let cache = &mut naive.caches[**k];
                        let line = cache.lines.get_mut(&(addr / cache.line));
                        line.map(|line| line.1 = true).is_some()
                    });
                    (got, there.copied().or_else(|| naive.read(walk, *addr, true)))
                }
                _ => (
                    fast.access(Stream::Data, at, false, &mut memory),
                    naive.read(&data, *addr, false),
                ),
            };
            assert_eq!(got, expected.map_or(MEMORY, |k| k as u8));
        }
        let written: Vec<u64> = memory.iter().map(|reference| reference.addr.0).collect();
        assert_eq!(written, naive.memory);
        for (level, naive) in fast.levels().iter().zip(&naive.caches) {
            let counters = level.counters();
            assert_eq!(
                (counters.evictions, counters.writebacks),
                (naive.evictions, naive.writebacks)
            );
            for (line, (_, dirty)) in &naive.lines {
                assert_eq!(
                    level.probe(PhysAddr(line * naive.line)),
                    Some(*dirty),
                    "{}",
                    level.name()
                );
            }
        }
    }

    proptest! {
        #[test]
        fn levels_are_maps_in_a_row(
            levels in 0usize..=4,
            entry in 0usize..4,
            trace in prop::collection::vec((0u8..8, (0u64..64).prop_map(|line| line * 32)), 1..400),
        ) {
            compare(&three_levels()[..levels], entry, &trace);
        }
    }

    /// Direct-mapped, one line each. A store to A and a load of B push dirty A into level 2, where B
    /// has displaced it: it is put in again and displaces B. A load of C then writes A on to memory.
    #[test]
    fn a_dirty_victim_sinks_to_memory() {
        let list = [cache("l1", 1, BOTH, 1, 1, 64), cache("l2", 2, BOTH, 1, 1, 64)];
        let mut caches = build(&list, None).unwrap();
        let mut memory = Vec::new();
        assert_eq!(caches.access(Stream::Data, PhysAddr(0x000), true, &mut memory), MEMORY);
        assert_eq!(caches.access(Stream::Data, PhysAddr(0x100), false, &mut memory), MEMORY);
        assert!(memory.is_empty());
        assert_eq!(caches.levels()[1].probe(PhysAddr(0)), Some(true));
        assert_eq!(caches.access(Stream::Data, PhysAddr(0x200), false, &mut memory), MEMORY);
        let kind = ReferenceKind::Writeback;
        assert_eq!(memory, [Reference { addr: PhysAddr(0), kind, served: MEMORY }]);
        let counters: Vec<_> = caches.levels().iter().map(|level| level.counters()).collect();
        assert_eq!((counters[0].evictions, counters[0].writebacks), (2, 1));
        assert_eq!((counters[1].evictions, counters[1].writebacks), (3, 1));
        assert_eq!((counters[1].hits, counters[1].misses), (0, 3));
    }

    #[test]
    fn page_table_reads_are_counted_apart() {
        let mut caches = build(&three_levels(), Some("l2")).unwrap();
        let mut memory = Vec::new();
        assert_eq!(caches.walk_read(PhysAddr(0), &mut memory), MEMORY);
        assert_eq!(caches.walk_read(PhysAddr(8), &mut memory), 2);
        assert_eq!(caches.table_write(PhysAddr(8), &mut memory), 2);
        assert_eq!(caches.levels()[2].probe(PhysAddr(0)), Some(true));
        assert_eq!(caches.levels()[1].probe(PhysAddr(0)), None);
        let counters = caches.levels()[2].counters();
        assert_eq!((counters.walk_hits, counters.walk_misses, counters.walk_writes), (1, 1, 1));
        assert_eq!((counters.hits, counters.misses), (0, 0));
        assert!(build(&three_levels(), Some("memory")).unwrap().order().walk_chain().is_empty());
    }

    #[test]
    fn impossible_machines_name_the_key() {
        let message = |list: &[Cache]| build(list, None).unwrap_err().to_string();
        let l1 = || cache("l1", 1, BOTH, 8, 2, 64);
        assert!(message(&[l1(), l1()]).starts_with("`cache.l1.name`"));
        assert!(message(&[l1(), cache("x", 1, DATA, 8, 2, 64)]).starts_with("`cache.x.level`"));
        assert!(message(&[l1(), cache("l3", 3, BOTH, 8, 2, 64)]).contains("no cache of level 2"));
        assert!(message(&[l1(), cache("l2", 2, BOTH, 8, 2, 32)]).starts_with("`cache.l2.line`"));
        assert!(message(&[l1(), cache("l2", 2, DATA, 8, 2, 64)]).starts_with("`cache.l2.serves`"));
        let error = build(&three_levels(), Some("l1i")).unwrap_err().to_string();
        assert!(error.contains("memory, l1d, l2, l3"), "{error}");
    }
}
