//! The caches of a CPU: for each stream, those that serve it, level by level.

use super::level::CacheLevel;
use super::settings::{Cache, Stream};
use crate::address::{PageShift, PhysAddr};
use crate::config::InvalidSetting;
use crate::outcome::{MEMORY, Reference, ReferenceKind};
use crate::statistics::Statistics;

/// Who reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Demand,
    Walk,
    TableWrite,
}

/// The caches of a CPU, write-back and write-allocate, neither inclusive nor exclusive: a line goes into
/// every level above the one that had it, and what a level displaces stays in the others.
///
/// A dirty victim is written to the next level. That is not an access: a line that is there becomes
/// dirty and is not used (as in ChampSim), one that is not is put in and may displace another. What the
/// last level writes goes to memory and is reported. Fills happen from the lowest level up.
///
/// Physical addresses are below 2^`address_bits`.
#[derive(Debug, Clone)]
pub struct CacheHierarchy {
    levels: Vec<CacheLevel>,
    /// The level below each.
    next: Vec<Option<u8>>,
    /// By stream: indices into the list of caches, by level.
    chains: [Vec<u8>; 2],
    /// Where on the data chain page-table reads enter; past its end they go to memory.
    walk_entry: usize,
}

impl CacheHierarchy {
    /// Empty caches. `entry_level` is the walker's setting; `page` is the base page where addresses are
    /// translated; addresses are below 2^`address_bits`; `seed` is the run's.
    ///
    /// # Errors
    /// Where a cache's geometry is impossible, a name comes twice, a level is left out, two caches of a
    /// level serve the same stream, a level below a unified one does not serve both streams, a lower
    /// level has smaller lines, or `entry_level` is none of the data caches.
    pub fn new(
        settings: &[Cache],
        entry_level: Option<&str>,
        page: Option<PageShift>,
        address_bits: u8,
        seed: u64,
    ) -> Result<Self, InvalidSetting> {
        if settings.len() >= usize::from(MEMORY) {
            return Err(InvalidSetting::new("cache", "there are more than 254 caches"));
        }
        let mut levels = Vec::with_capacity(settings.len());
        for (place, cache) in settings.iter().enumerate() {
            check_place(settings, place)?;
            levels.push(CacheLevel::new(cache, page, address_bits, seed)?);
        }
        let chains = [chain(settings, Stream::Data)?, chain(settings, Stream::Instruction)?];
        let mut next = vec![None; levels.len()];
        for (chain, other) in [(&chains[0], &chains[1]), (&chains[1], &chains[0])] {
            for (place, upper) in chain.iter().enumerate() {
                let lower = chain.get(place + 1).copied();
                check_lower(settings, *upper, lower, other)?;
                next[usize::from(*upper)] = lower;
            }
        }
        let walk_entry = walk_entry(settings, &chains[0], entry_level)?;
        Ok(Self { levels, next, chains, walk_entry })
    }

    /// The caches in the order of the configuration.
    pub fn levels(&self) -> &[CacheLevel] {
        &self.levels
    }

    /// The cache called `name`, to preload it.
    pub fn level_mut(&mut self, name: &str) -> Option<&mut CacheLevel> {
        self.levels.iter_mut().find(|level| level.name() == name)
    }

    /// The caches that serve `stream`, by level, as indices in the configuration's list.
    pub fn chain(&self, stream: Stream) -> &[u8] {
        &self.chains[stream as usize]
    }

    /// The caches that page-table reads go through, by level, as indices in the configuration's list.
    pub fn walk_chain(&self) -> &[u8] {
        self.chains[Stream::Data as usize].get(self.walk_entry..).unwrap_or(&[])
    }

    /// log2 of the first level's line on `stream`; `None` where no cache serves it.
    pub fn line_shift(&self, stream: Stream) -> Option<u32> {
        let first = self.chains[stream as usize].first()?;
        Some(self.levels[usize::from(*first)].line_shift())
    }

    /// A demand access that the first level may have: where it does, it is counted and true is returned;
    /// where it does not, nothing has happened and [`access`](Self::access) does all of it.
    #[inline]
    pub fn first_level_hit(&mut self, stream: Stream, addr: PhysAddr, write: bool) -> bool {
        let Some(first) = self.chains[stream as usize].first() else { return false };
        // Indices in a chain are those of levels.
        let level = &mut self.levels[usize::from(*first)];
        let hit = level.lookup(addr, write);
        level.counters.hits += u64::from(hit);
        hit
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
        self.reference(stream, 0, addr, write, Source::Demand, memory)
    }

    /// The walker reads a page-table entry: as [`access`](Self::access).
    pub fn walk_read(&mut self, addr: PhysAddr, memory: &mut Vec<Reference>) -> u8 {
        self.reference(Stream::Data, self.walk_entry, addr, false, Source::Walk, memory)
    }

    /// The walker sets a page-table entry's accessed or dirty bit: its line becomes dirty in the cache
    /// that page-table reads enter at. Where the line is there (as it is after a read) it is not a use;
    /// where it is not, it is fetched first. Returns as [`access`](Self::access); with [`MEMORY`] the
    /// caller has memory read, or write where no cache is entered.
    pub fn table_write(&mut self, addr: PhysAddr, memory: &mut Vec<Reference>) -> u8 {
        if let Some(entry) = self.walk_chain().first().copied() {
            let level = &mut self.levels[usize::from(entry)];
            level.counters.walk_writes += 1;
            if level.mark_dirty(addr) {
                return entry;
            }
        }
        self.reference(Stream::Data, self.walk_entry, addr, true, Source::TableWrite, memory)
    }

    #[inline]
    fn reference(
        &mut self,
        stream: Stream,
        entry: usize,
        addr: PhysAddr,
        write: bool,
        source: Source,
        memory: &mut Vec<Reference>,
    ) -> u8 {
        let mut missed = entry;
        let mut served = MEMORY;
        while let Some(index) = self.chains[stream as usize].get(missed).copied() {
            let level = &mut self.levels[usize::from(index)];
            let hit = level.lookup(addr, write && missed == entry);
            let counters = &mut level.counters;
            match (source, hit) {
                (Source::Demand, true) => counters.hits += 1,
                (Source::Demand, false) => counters.misses += 1,
                (Source::Walk, true) => counters.walk_hits += 1,
                (Source::Walk, false) => counters.walk_misses += 1,
                (Source::TableWrite, _) => {}
            }
            if hit {
                served = index;
                break;
            }
            missed += 1;
        }
        for place in (entry..missed).rev() {
            let Some(index) = self.chains[stream as usize].get(place).copied() else { break };
            self.fill(index, addr, write && place == entry, memory);
        }
        served
    }

    /// Puts the line of `addr` into a level that does not have it, and writes on what it displaces.
    fn fill(&mut self, index: u8, addr: PhysAddr, dirty: bool, memory: &mut Vec<Reference>) {
        let (mut index, mut addr, mut dirty) = (index, addr, dirty);
        loop {
            let victim = self.levels[usize::from(index)].fill(addr, dirty);
            let Some(victim) = victim.filter(|victim| victim.dirty) else { return };
            let Some(below) = self.next[usize::from(index)] else {
                let (addr, kind) = (victim.addr, ReferenceKind::Writeback);
                memory.push(Reference { addr, kind, served: MEMORY });
                return;
            };
            if self.levels[usize::from(below)].mark_dirty(victim.addr) {
                return;
            }
            (index, addr, dirty) = (below, victim.addr, true);
        }
    }

    /// Which cache would have the line of `addr`, without a use or a count.
    pub fn probe(&self, stream: Stream, addr: PhysAddr) -> u8 {
        let chain = self.chains[stream as usize].iter();
        let mut having = chain.filter(|k| self.levels[usize::from(**k)].probe(addr).is_some());
        having.next().copied().unwrap_or(MEMORY)
    }

    /// Forgets what was counted, and keeps the lines.
    pub fn reset_counters(&mut self) {
        self.levels.iter_mut().for_each(CacheLevel::reset_counters);
    }

    /// Declares the statistics of every cache.
    pub fn report(&self, statistics: &mut Statistics, instructions: u64) {
        self.levels.iter().for_each(|level| level.report(statistics, instructions));
    }
}

/// Checks the name and level of a cache among the others.
fn check_place(list: &[Cache], place: usize) -> Result<(), InvalidSetting> {
    let cache = &list[place];
    let key = |field| format!("cache.{}.{field}", cache.name);
    if cache.name.is_empty() {
        return Err(InvalidSetting::new(format!("cache.{place}.name"), "a cache needs a name"));
    }
    if cache.name == "memory" {
        return Err(InvalidSetting::new(key("name"), "\"memory\" stands for memory itself"));
    }
    if list[..place].iter().any(|other| other.name == cache.name) {
        return Err(InvalidSetting::new(key("name"), "two caches have this name"));
    }
    if cache.level == 0 {
        return Err(InvalidSetting::new(key("level"), "levels start at 1"));
    }
    if cache.serves.is_empty() {
        return Err(InvalidSetting::new(key("serves"), "a cache serves at least one stream"));
    }
    if cache.level > 1 && !list.iter().any(|other| other.level == cache.level - 1) {
        let message = format!("there is no cache of level {} above it", cache.level - 1);
        return Err(InvalidSetting::new(key("level"), message));
    }
    Ok(())
}

/// The caches of a stream by level.
fn chain(list: &[Cache], stream: Stream) -> Result<Vec<u8>, InvalidSetting> {
    let mut members: Vec<usize> =
        (0..list.len()).filter(|k| list[*k].serves.contains(&stream)).collect();
    members.sort_by_key(|k| list[*k].level);
    for pair in members.windows(2) {
        let (one, other) = (&list[pair[0]], &list[pair[1]]);
        if one.level == other.level {
            let message =
                format!("`{}` is of level {} too and serves the same", one.name, one.level);
            return Err(InvalidSetting::new(format!("cache.{}.level", other.name), message));
        }
    }
    // There are at most 254 caches.
    Ok(members.into_iter().map(|k| k as u8).collect())
}

/// Checks what lies below `upper` on its chain, `other` being the other stream's chain.
fn check_lower(
    list: &[Cache],
    upper: u8,
    lower: Option<u8>,
    other: &[u8],
) -> Result<(), InvalidSetting> {
    let Some(lower) = lower else { return Ok(()) };
    let (above, below) = (&list[usize::from(upper)], &list[usize::from(lower)]);
    if below.line.0 < above.line.0 {
        let message = format!(
            "lines of {} are smaller than those of `{}` above it, {}",
            below.line, above.name, above.line
        );
        return Err(InvalidSetting::new(format!("cache.{}.line", below.name), message));
    }
    if other.contains(&upper) && !other.contains(&lower) {
        let message = format!("`{}` above it serves both streams, so it must too", above.name);
        return Err(InvalidSetting::new(format!("cache.{}.serves", below.name), message));
    }
    Ok(())
}

/// Where on the data chain page-table reads enter.
fn walk_entry(
    list: &[Cache],
    data: &[u8],
    entry_level: Option<&str>,
) -> Result<usize, InvalidSetting> {
    match entry_level {
        None => Ok(0),
        Some("memory") => Ok(data.len()),
        Some(name) => {
            let names: Vec<_> = data.iter().map(|k| list[usize::from(*k)].name.as_str()).collect();
            names.iter().position(|known| *known == name).ok_or_else(|| {
                let known = names.iter().fold("memory".to_owned(), |all, name| all + ", " + name);
                let message = format!("`{name}` is no data cache; expected one of {known}");
                InvalidSetting::new("mmu.walker.entry_level", message)
            })
        }
    }
}
