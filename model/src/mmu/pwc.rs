//! Paging-structure caches: table addresses by virtual-address prefix, so that a walk starts further
//! down (Intel SDM volume 3, 5.10.3; Barr, Cox and Rixner, ISCA 2010, "translation cache").
//!
//! The leaf table is level 1. The cache of level k holds level-k entries that point to a table of level
//! k − 1; a hit leaves k − 1 reads. All levels are looked up at once and the deepest hit counts: there
//! it is a hit, in the caches of deeper levels a miss, and those of shallower levels are neither used
//! nor counted.

use super::settings;
use super::tlb::check_geometry;
use crate::address::{Asid, PhysAddr, VirtAddr};
use crate::config::InvalidSetting;
use crate::replacement::{Geometry, Inserted, Key, SetAssociative, component_seed};
use crate::statistics::Statistics;

/// Where a walk starts that found something in a paging-structure cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The level of the entry that was found; the walk reads levels below it, `level − 1` first.
    pub level: u8,
    /// The table of level `level − 1`.
    pub table: PhysAddr,
}

/// The cache of one level.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
struct Level {
    level: u8,
    /// log2 of the bytes that an entry of this level maps.
    span: u8,
    keys: SetAssociative,
    /// The address of the table that each key's entry points to.
    tables: Vec<u64>,
    hits: u64,
    misses: u64,
}

impl Level {
    #[inline]
    fn key(&self, asid: Asid, addr: VirtAddr) -> Key {
        Key {
            number: addr.0.checked_shr(u32::from(self.span)).unwrap_or(0),
            context: u32::from(asid.0),
        }
    }
}

/// The paging-structure caches of a CPU, deepest level first.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
pub struct PagingStructureCaches {
    levels: Vec<Level>,
    /// Whether any level's policy asks for the site of every access.
    asks_site: bool,
    /// The levels whose policy asks for next uses.
    foreseeing: Vec<u8>,
}

impl PagingStructureCaches {
    /// Empty caches. `spans[k]` is log2 of the bytes that an entry of level k + 1 maps (x86-64: 12, 21,
    /// 30, 39), for as many levels as the page table has; addresses are below 2^`va_bits`. `seed` is the
    /// run's.
    ///
    /// # Errors
    /// Where a level does not exist, cannot point to a table, comes twice, or its entries, ways and
    /// replacement do not fit together.
    pub fn new(
        settings: &settings::Mmu,
        spans: &[u8],
        va_bits: u8,
        seed: u64,
    ) -> Result<Self, InvalidSetting> {
        let mut levels: Vec<Level> = Vec::new();
        for (place, pwc) in settings.pwc.iter().enumerate() {
            let key = format!("mmu.pwc.{place}");
            let invalid =
                |field: &str, message| InvalidSetting::new(format!("{key}.{field}"), message);
            let span = match usize::from(pwc.level).checked_sub(1).and_then(|k| spans.get(k)) {
                Some(span) if pwc.level >= 2 => *span,
                _ if spans.len() < 2 => {
                    let message =
                        "the page table has one level: there is nothing to cache".to_owned();
                    return Err(invalid("level", message));
                }
                _ => {
                    let expected = format!("expected a level from 2 to {}", spans.len());
                    return Err(invalid("level", format!("{expected}, found {}", pwc.level)));
                }
            };
            if levels.iter().any(|other| other.level == pwc.level) {
                return Err(invalid(
                    "level",
                    format!("there are two caches of level {}", pwc.level),
                ));
            }
            let ways = check_geometry(&key, pwc.entries, pwc.ways)?;
            let geometry = Geometry {
                sets: pwc.entries / ways,
                ways,
                number_bits: u32::from(va_bits.saturating_sub(span)),
                context_bits: u16::BITS - settings.asids.saturating_sub(1).leading_zeros(),
            };
            let seed = component_seed(&format!("pwc.{}", pwc.level), seed);
            let keys = SetAssociative::new(&pwc.replacement, geometry, seed)
                .map_err(|message| invalid("replacement", message))?;
            let tables = vec![0; keys.entries()];
            levels.push(Level { level: pwc.level, span, keys, tables, hits: 0, misses: 0 });
        }
        levels.sort_by_key(|level| level.level);
        let asks_site = settings.pwc.iter().any(|pwc| pwc.replacement.asks_site());
        let seers = settings.pwc.iter().filter(|pwc| pwc.replacement.asks_next_use());
        let foreseeing = seers.map(|pwc| pwc.level).collect();
        Ok(Self { levels, asks_site, foreseeing })
    }

    /// The levels whose policy asks for next uses.
    fn foreseeing(&self) -> impl Iterator<Item = &Level> {
        self.levels.iter().filter(|level| self.foreseeing.contains(&level.level))
    }

    /// log2 of what entries map whose next uses some level's policy has to be [told](Self::foresee).
    pub fn next_use_shifts(&self) -> impl Iterator<Item = u8> {
        self.foreseeing().map(|level| level.span)
    }

    /// The program accesses `addr`, and next what of 2^shift bytes around it as `next` says.
    pub fn foresee(&mut self, asid: Asid, addr: VirtAddr, next: impl Fn(u8) -> u64) {
        let Self { levels, foreseeing, .. } = self;
        for level in levels.iter_mut().filter(|level| foreseeing.contains(&level.level)) {
            level.keys.foresee(level.key(asid, addr), next(level.span));
        }
    }

    /// Whether any level's policy has to be told of every access's [site](Self::site).
    pub fn asks_site(&self) -> bool {
        self.asks_site
    }

    /// What follows until the next call is done for an access from `site`.
    pub fn site(&mut self, site: u64) {
        if self.asks_site {
            self.levels.iter_mut().for_each(|level| level.keys.site(site));
        }
    }

    /// The deepest entry that covers `addr`: where its walk starts; `None` for the root. Counts.
    #[inline]
    pub fn lookup(&mut self, asid: Asid, addr: VirtAddr) -> Option<Start> {
        for cache in &mut self.levels {
            if let Some(entry) = cache.keys.lookup(cache.key(asid, addr), false) {
                cache.hits += 1;
                return Some(Start { level: cache.level, table: PhysAddr(cache.tables[entry]) });
            }
            cache.misses += 1;
        }
        None
    }

    /// What [`lookup`](Self::lookup) would say, without a use or a count.
    pub fn probe(&self, asid: Asid, addr: VirtAddr) -> Option<Start> {
        self.levels.iter().find_map(|cache| {
            let entry = cache.keys.probe(cache.key(asid, addr))?;
            Some(Start { level: cache.level, table: PhysAddr(cache.tables[entry]) })
        })
    }

    /// A walk for `addr` has read an entry of `level` that points to the table at `table`. Where no
    /// cache is of this level nothing happens.
    #[inline]
    pub fn fill(&mut self, asid: Asid, addr: VirtAddr, level: u8, table: PhysAddr) {
        let Some(cache) = self.levels.iter_mut().find(|cache| cache.level == level) else { return };
        let (Inserted::There(entry) | Inserted::Filled(entry) | Inserted::Displaced(entry)) =
            cache.keys.insert(cache.key(asid, addr));
        cache.tables[entry] = table.0;
    }

    /// The entry of `level` that covers `addr` has changed: the table that it pointed to is gone.
    pub fn invalidate(&mut self, asid: Asid, addr: VirtAddr, level: u8) {
        for cache in self.levels.iter_mut().filter(|cache| cache.level == level) {
            cache.keys.invalidate(cache.key(asid, addr));
        }
    }

    /// Drops every entry of an address space.
    pub fn flush_asid(&mut self, asid: Asid) {
        for cache in &mut self.levels {
            cache.keys.retain(|key| key.context != u32::from(asid.0));
        }
    }

    /// Drops every entry.
    pub fn flush(&mut self) {
        self.levels.iter_mut().for_each(|cache| {
            cache.keys.retain(|_| false);
        });
    }

    /// Declares the statistics.
    pub fn report(&self, statistics: &mut Statistics) {
        for Level { level, hits, misses, .. } in &self.levels {
            let hit = "Walks that started at this level's entry";
            statistics.count(format!("pwc.{level}.hits"), "walks", hit, *hits);
            let miss = "Walks that found neither this level's entry nor a deeper one";
            statistics.count(format!("pwc.{level}.misses"), "walks", miss, *misses);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmu::settings::{Mmu, Pwc, Ways};
    use crate::statistics::Value;

    const SPANS: [u8; 4] = [12, 21, 30, 39];

    fn pwc(level: u8) -> Pwc {
        let replacement = Default::default();
        Pwc { level, entries: 4, ways: Ways::Full, latency: None, replacement }
    }

    fn caches(levels: &[u8]) -> Result<PagingStructureCaches, InvalidSetting> {
        let settings =
            Mmu { pwc: levels.iter().map(|level| pwc(*level)).collect(), ..Mmu::default() };
        PagingStructureCaches::new(&settings, &SPANS, 48, 0)
    }

    /// By hand: after a whole walk, the same 2 MiB region starts at its leaf table, the same 1 GiB one
    /// at its table of level 2, and another 512 GiB one at the root.
    #[test]
    fn the_deepest_entry_counts() {
        let mut caches = caches(&[3, 2]).unwrap();
        let asid = Asid(1);
        let at = |gib: u64, mib: u64, kib: u64| VirtAddr((gib << 30) + (mib << 20) + (kib << 10));
        assert_eq!(caches.lookup(asid, at(0, 0, 0)), None);
        for (level, table) in [(4, 0x1000), (3, 0x2000), (2, 0x3000)] {
            caches.fill(asid, at(0, 0, 0), level, PhysAddr(table));
        }
        let leaf = Some(Start { level: 2, table: PhysAddr(0x3000) });
        let middle = Some(Start { level: 3, table: PhysAddr(0x2000) });
        assert_eq!(caches.lookup(asid, at(0, 0, 8)), leaf);
        assert_eq!(caches.lookup(asid, at(0, 2, 0)), middle);
        assert_eq!(caches.lookup(asid, at(1, 0, 0)), None);
        assert_eq!(caches.lookup(Asid(2), at(0, 0, 0)), None);
        let mut statistics = Statistics::default();
        caches.report(&mut statistics);
        let count = |name| statistics.get(name);
        assert_eq!(
            (count("pwc.2.hits"), count("pwc.2.misses")),
            (Some(Value::Count(1)), Some(Value::Count(4)))
        );
        assert_eq!(
            (count("pwc.3.hits"), count("pwc.3.misses")),
            (Some(Value::Count(1)), Some(Value::Count(3)))
        );
        caches.invalidate(asid, at(0, 0, 0), 2);
        assert_eq!(caches.probe(asid, at(0, 0, 8)), middle);
        caches.flush_asid(asid);
        assert_eq!(caches.probe(asid, at(0, 0, 8)), None);
    }

    #[test]
    fn impossible_levels_are_refused() {
        let message = |levels: &[u8]| caches(levels).unwrap_err().to_string();
        assert!(message(&[1]).contains("from 2 to 4"), "{}", message(&[1]));
        assert!(message(&[5]).starts_with("`mmu.pwc.0.level`"));
        assert!(message(&[2, 2]).starts_with("`mmu.pwc.1.level`"));
        let settings = Mmu { pwc: vec![pwc(2)], ..Mmu::default() };
        assert!(PagingStructureCaches::new(&settings, &[12], 32, 0).is_err());
    }
}
