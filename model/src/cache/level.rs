//! One cache: write-back, write-allocate, physically tagged.

use super::settings;
use crate::address::{PageShift, PhysAddr};
use crate::config::InvalidSetting;
use crate::replacement::{Geometry, Key, PlaceError, Reached, SetAssociative, component_seed};
use crate::statistics::{Ratio, Statistics};
use crate::units::ByteSize;

/// The most lines that a cache may have.
pub const MAX_LINES: u64 = 1 << 26;

/// What a cache counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
pub struct CacheCounters {
    /// Demand accesses of the program that found their line.
    pub hits: u64,
    /// Demand accesses of the program that did not.
    pub misses: u64,
    /// Valid lines displaced by fills of any kind.
    pub evictions: u64,
    /// Dirty lines among them.
    pub writebacks: u64,
    /// Page-table reads that found their line.
    pub walk_hits: u64,
    /// Page-table reads that did not.
    pub walk_misses: u64,
    /// Accessed and dirty bits that the walker wrote here.
    pub walk_writes: u64,
}

impl CacheCounters {
    /// Counts a reference that found its line, or did not.
    #[inline]
    pub(super) fn count(&mut self, source: Source, hit: bool) {
        match (source, hit) {
            (Source::Demand, true) => self.hits += 1,
            (Source::Demand, false) => self.misses += 1,
            (Source::Walk, true) => self.walk_hits += 1,
            (Source::Walk, false) => self.walk_misses += 1,
            (Source::TableWrite, _) => {}
        }
    }

    /// Declares the statistics of the cache called `name`; `instructions` is what misses are related to.
    pub(super) fn report(&self, name: &str, statistics: &mut Statistics, instructions: u64) {
        let CacheCounters {
            hits,
            misses,
            evictions,
            writebacks,
            walk_hits,
            walk_misses,
            walk_writes,
        } = *self;
        let mut count = |what: &str, unit, doc, value| {
            statistics.count(format!("{name}.{what}"), unit, doc, value);
        };
        count("accesses", "accesses", "Demand accesses of the program", hits + misses);
        count("hits", "accesses", "Demand accesses that found their line", hits);
        count("misses", "accesses", "Demand accesses that did not find their line", misses);
        count("evictions", "lines", "Valid lines displaced by fills of any kind", evictions);
        count("writebacks", "lines", "Dirty lines displaced", writebacks);
        count("walk.hits", "reads", "Page-table reads that found their line", walk_hits);
        count("walk.misses", "reads", "Page-table reads that did not find their line", walk_misses);
        count(
            "walk.writes",
            "writes",
            "Accessed and dirty bits written by the walker",
            walk_writes,
        );
        let mpki = Ratio::per_thousand(misses, instructions);
        statistics.ratio(
            format!("{name}.mpki"),
            "1/ki",
            "Demand misses per 1000 instructions",
            mpki,
        );
    }
}

/// Who reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Demand,
    Walk,
    TableWrite,
}

/// What a line's way into a cache did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocated {
    /// The line was there.
    Hit,
    /// It was not, and is now; nothing has to be written to the level below.
    Filled,
    /// It was not, and has displaced the dirty line of this address.
    WriteBack(PhysAddr),
}

/// The empty array of a cache and log2 of its line, as [`CacheLevel::new`].
pub(super) fn array(
    settings: &settings::Cache,
    page: Option<PageShift>,
    address_bits: u8,
    seed: u64,
) -> Result<(SetAssociative, u32), InvalidSetting> {
    let geometry = geometry(settings, page, address_bits)?;
    let seed = component_seed(&settings.name, seed);
    let lines = SetAssociative::new(&settings.replacement, geometry, seed).map_err(|message| {
        InvalidSetting::new(format!("cache.{}.replacement", settings.name), message)
    })?;
    Ok((lines, settings.line.0.trailing_zeros()))
}

/// The geometry of a cache's array.
fn geometry(
    settings: &settings::Cache,
    page: Option<PageShift>,
    address_bits: u8,
) -> Result<Geometry, InvalidSetting> {
    let invalid = |field: &str, message: String| {
        InvalidSetting::new(format!("cache.{}.{field}", settings.name), message)
    };
    let line = settings.line.0;
    if !line.is_power_of_two() || !(2..=64 << 10).contains(&line) {
        let message = format!("expected a power of two from 2B to 64KiB, found {}", settings.line);
        return Err(invalid("line", message));
    }
    let lines = settings.size.0 / line;
    if lines == 0 || lines > MAX_LINES || !settings.size.0.is_multiple_of(line) {
        let message = format!(
            "expected a multiple of the line of {} up to {}, found {}",
            settings.line,
            ByteSize(MAX_LINES.saturating_mul(line)),
            settings.size
        );
        return Err(invalid("size", message));
    }
    // At most MAX_LINES, which fits.
    let lines = lines as u32;
    let ways = settings.ways.of(lines);
    if ways == 0 || ways > lines {
        return Err(invalid("ways", format!("expected 1 to {lines} ways, found {ways}")));
    }
    if !lines.is_multiple_of(ways) {
        let message = format!(
            "{} is not a multiple of {ways} ways of {} lines; the nearest is {}",
            settings.size,
            settings.line,
            ByteSize(u64::from((lines / ways).max(1)) * u64::from(ways) * line)
        );
        return Err(invalid("size", message));
    }
    settings.check_indexing(page).map_err(|(field, message)| invalid(field, message))?;
    let line_shift = line.trailing_zeros();
    // Where the set is not a part of the line's number it comes beside it.
    let index_bits = match settings.alias {
        Some(settings::Alias::Hardware) => (lines / ways).next_power_of_two().trailing_zeros(),
        _ => 0,
    };
    Ok(Geometry {
        sets: lines / ways,
        ways,
        number_bits: (u32::from(address_bits).saturating_sub(line_shift) + index_bits).min(64),
        context_bits: 0,
    })
}

/// A set-associative cache. A dirty line is a marked entry.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct CacheLevel {
    name: String,
    line_shift: u32,
    lines: SetAssociative,
    pub(super) counters: CacheCounters,
}

impl CacheLevel {
    /// An empty cache for physical addresses below 2^`address_bits`. `page` is the base page where
    /// addresses are translated; `seed` is the run's.
    ///
    /// # Errors
    /// Where size, line, ways, replacement and indexing do not fit together.
    pub fn new(
        settings: &settings::Cache,
        page: Option<PageShift>,
        address_bits: u8,
        seed: u64,
    ) -> Result<Self, InvalidSetting> {
        let (lines, line_shift) = array(settings, page, address_bits, seed)?;
        let name = settings.name.clone();
        Ok(Self { name, line_shift, lines, counters: CacheCounters::default() })
    }

    /// The name that results use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// log2 of the bytes of a line.
    pub fn line_shift(&self) -> u32 {
        self.line_shift
    }

    /// What it has counted.
    pub fn counters(&self) -> CacheCounters {
        self.counters
    }

    /// As [`SetAssociative::foresee`], of the line of `addr`.
    pub fn foresee(&mut self, addr: PhysAddr, next: u64) {
        self.lines.foresee(self.key(addr), next);
    }

    /// As [`SetAssociative::site`].
    pub fn site(&mut self, site: u64) {
        self.lines.site(site);
    }

    #[inline]
    fn key(&self, addr: PhysAddr) -> Key {
        Key { number: addr.0 >> self.line_shift, context: 0 }
    }

    /// Whether the line of `addr` is there, which is a use; a write makes it dirty. Counts nothing.
    #[inline]
    pub fn lookup(&mut self, addr: PhysAddr, write: bool) -> bool {
        self.lines.lookup(self.key(addr), write).is_some()
    }

    /// Whether the line of `addr` is there, without a use, and whether it is dirty.
    pub fn probe(&self, addr: PhysAddr) -> Option<bool> {
        self.lines.marked(self.key(addr))
    }

    /// Makes the line of `addr` dirty, without a use; whether it was there.
    #[inline]
    pub fn mark_dirty(&mut self, addr: PhysAddr) -> bool {
        self.lines.mark(self.key(addr))
    }

    /// Looks the line of `addr` up, which is a use, and puts it in where it is not there; a write makes it
    /// dirty. Counts what is displaced.
    #[inline]
    pub fn access(&mut self, addr: PhysAddr, write: bool) -> Allocated {
        let reached = self.lines.access(self.key(addr), write);
        self.allocated(reached)
    }

    /// The level above writes the line of `addr` back: it becomes dirty, without a use, or is put in where
    /// it is not there. Counts what is displaced.
    #[inline]
    pub fn write_back(&mut self, addr: PhysAddr) -> Allocated {
        let reached = self.lines.write(self.key(addr));
        self.allocated(reached)
    }

    /// Puts in the line of `addr`, which a look-up has not found. Counts what is displaced.
    #[inline]
    pub fn fill(&mut self, addr: PhysAddr, dirty: bool) -> Allocated {
        let reached = self.lines.fill(self.key(addr), dirty);
        self.allocated(reached)
    }

    #[inline]
    fn allocated(&mut self, reached: Reached) -> Allocated {
        match reached {
            Reached::Hit => Allocated::Hit,
            Reached::Filled => Allocated::Filled,
            Reached::Displaced => {
                self.counters.evictions += 1;
                Allocated::Filled
            }
            Reached::Marked(line) => {
                self.counters.evictions += 1;
                self.counters.writebacks += 1;
                Allocated::WriteBack(PhysAddr(line << self.line_shift))
            }
        }
    }

    /// Counts a reference that found its line, or did not.
    #[inline]
    pub(super) fn count(&mut self, source: Source, hit: bool) {
        self.counters.count(source, hit);
    }

    /// Drops the line of `addr`; whether it was dirty, where it was there.
    pub fn invalidate(&mut self, addr: PhysAddr) -> Option<bool> {
        self.lines.invalidate(self.key(addr))
    }

    /// The set and the tag of an address: its line's number modulo and divided by the number of sets.
    pub fn locate(&self, addr: PhysAddr) -> (usize, u64) {
        self.lines.index().split(addr.0 >> self.line_shift)
    }

    /// Puts a clean line in a set and way, as a preloaded machine has it; returns its first byte.
    ///
    /// # Errors
    /// As [`SetAssociative::place`].
    pub fn place(&mut self, set: usize, way: usize, tag: u64) -> Result<PhysAddr, PlaceError> {
        self.lines.place(set, way, tag, 0)?;
        let number = self.lines.index().join(set, tag).ok_or(PlaceError::Tag { tag })?;
        Ok(PhysAddr(number << self.line_shift))
    }

    /// Declares its statistics; `instructions` is what misses are related to.
    pub fn report(&self, statistics: &mut Statistics, instructions: u64) {
        self.counters.report(&self.name, statistics, instructions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::settings::{Indexing, Stream, Write};
    use crate::mmu::settings::Ways;

    fn settings(size: u64, ways: u32, line: u64) -> settings::Cache {
        settings::Cache {
            name: "l1d".to_owned(),
            level: 1,
            serves: Stream::both(),
            size: ByteSize(size),
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

    /// CS:APP's simple memory system: 16 direct-mapped lines of 4 bytes; PA 0x354 is in set 5 with tag
    /// 0x0D, PA 0xA20 in set 8 with tag 0x28 (FACTS).
    #[test]
    fn the_simple_memory_systems_cache() {
        let mut cache = CacheLevel::new(&settings(64, 1, 4), None, 12, 0).unwrap();
        assert_eq!(cache.locate(PhysAddr(0x354)), (5, 0x0d));
        assert_eq!(cache.locate(PhysAddr(0xa20)), (8, 0x28));
        assert_eq!(cache.place(5, 0, 0x0d), Ok(PhysAddr(0x354)));
        assert!(cache.lookup(PhysAddr(0x357), false));
        assert!(!cache.lookup(PhysAddr(0xa20), false));
    }

    /// CS:APP section 6.4.3: x and y of 32 bytes each, 2 sets of 16-byte lines: x[k] and y[k] map to the
    /// same set and every reference of a dot product conflicts; padded by a line, only the first of each
    /// four misses.
    #[test]
    fn the_dot_product_thrashes_until_it_is_padded() {
        for (y, misses) in [(32u64, 16), (48, 4)] {
            let mut cache = CacheLevel::new(&settings(32, 1, 16), None, 12, 0).unwrap();
            let references = (0..8u64).flat_map(|k| [4 * k, y + 4 * k]);
            let missed = references.filter(|addr| {
                let hit = cache.lookup(PhysAddr(*addr), false);
                if !hit {
                    cache.fill(PhysAddr(*addr), false);
                }
                !hit
            });
            assert_eq!(missed.count(), misses);
        }
    }

    #[test]
    fn a_victim_is_dirty_if_it_was_written() {
        let mut cache = CacheLevel::new(&settings(128, 1, 64), None, 40, 0).unwrap();
        assert_eq!(cache.fill(PhysAddr(0x40), false), Allocated::Filled);
        assert!(cache.lookup(PhysAddr(0x7f), true));
        let victim = cache.fill(PhysAddr(0x10c0), false);
        assert_eq!(victim, Allocated::WriteBack(PhysAddr(0x40)));
        assert!(cache.mark_dirty(PhysAddr(0x10c0)));
        assert_eq!(cache.invalidate(PhysAddr(0x10c0)), Some(true));
        assert_eq!((cache.counters().evictions, cache.counters().writebacks), (1, 1));
    }

    #[test]
    fn impossible_geometry_names_the_key() {
        let error = |settings: &settings::Cache| {
            CacheLevel::new(settings, Some(PageShift(12)), 40, 0).unwrap_err().to_string()
        };
        assert!(error(&settings(1000, 4, 64)).starts_with("`cache.l1d.size`"));
        assert!(error(&settings(64 * 10, 4, 64)).contains("nearest is 512B"));
        assert!(error(&settings(0, 4, 64)).starts_with("`cache.l1d.size`"));
        assert!(error(&settings(u64::MAX, 4, 64)).starts_with("`cache.l1d.size`"));
        assert!(error(&settings(4096, 4, 48)).starts_with("`cache.l1d.line`"));
        assert!(error(&settings(4096, 4, 1)).starts_with("`cache.l1d.line`"));
        assert!(error(&settings(4096, 4, 128 << 10)).starts_with("`cache.l1d.line`"));
        assert!(error(&settings(4096, 65, 64)).starts_with("`cache.l1d.ways`"));
        let vipt = settings::Cache { indexing: Indexing::Vipt, ..settings(32 << 10, 4, 64) };
        assert!(error(&vipt).starts_with("`cache.l1d.indexing`"));
        assert!(error(&vipt).contains("8KiB") && error(&vipt).contains("4KiB"));
        let alias_free = settings::Cache { ways: Ways::Number(8), ..vipt };
        assert!(CacheLevel::new(&alias_free, Some(PageShift(12)), 40, 0).is_ok());
        assert!(CacheLevel::new(&settings(3 * 64, 1, 64), None, 40, 0).is_ok(), "three sets");
    }
}
