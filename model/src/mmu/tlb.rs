//! One TLB.

use super::settings;
use crate::address::{Asid, PageShift, Pfn, Vpn};
use crate::config::InvalidSetting;
use crate::replacement::{Geometry, Key, PlaceError, SetAssociative, component_seed};
use crate::statistics::Statistics;

/// The most entries that a TLB or paging-structure cache may have.
pub const MAX_ENTRIES: u32 = 1 << 24;

/// A translation as a TLB holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TlbEntry {
    /// The page's first frame, in base pages.
    pub pfn: Pfn,
    /// Stores are allowed.
    pub writable: bool,
    /// The page-table entry's dirty bit was set when this was filled or has been set through it. A store
    /// through an entry without it has the walker set the bit first (Intel SDM volume 3, 5.8).
    pub dirty: bool,
    /// Fetches are allowed.
    pub executable: bool,
}

/// What a TLB counts. Each part of an access that spans pages counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TlbCounters {
    /// Look-ups that found the translation.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Valid entries displaced by fills.
    pub evictions: u64,
    /// Times that every entry, or every entry of an address space, was dropped at once.
    pub flushes: u64,
    /// Entries dropped because their page alone was unmapped or changed.
    pub shootdowns: u64,
}

/// A set-associative TLB. An entry's key is its address space, its page's number and its page's size;
/// its set is the page's number modulo the number of sets.
#[derive(Debug, Clone)]
pub struct Tlb {
    name: String,
    entries: SetAssociative<TlbEntry>,
    /// The sizes that it holds; a page's place here is part of its key.
    sizes: Vec<PageShift>,
    size_bits: u32,
    counters: TlbCounters,
}

/// Checks the number of entries and ways of the structure whose settings are at `key`; returns the ways.
pub(super) fn check_geometry(
    key: &str,
    entries: u32,
    ways: settings::Ways,
) -> Result<u32, InvalidSetting> {
    let count = ways.of(entries);
    if entries == 0 || entries > MAX_ENTRIES {
        let message = format!("expected 1 to {MAX_ENTRIES} entries, found {entries}");
        Err(InvalidSetting::new(format!("{key}.entries"), message))
    } else if count == 0 || count > entries {
        let message = format!("expected 1 to {entries} ways, as many as entries, found {count}");
        Err(InvalidSetting::new(format!("{key}.ways"), message))
    } else if !entries.is_multiple_of(count) {
        let lower = entries - entries % count;
        let message = format!(
            "{entries} entries are not a multiple of {count} ways; the nearest are {lower} and {}",
            lower + count
        );
        Err(InvalidSetting::new(format!("{key}.entries"), message))
    } else {
        Ok(count)
    }
}

impl Tlb {
    /// An empty TLB for pages of `sizes`, for virtual addresses below 2^`va_bits` and address-space
    /// identifiers below `asids` (0 counts as 1). `seed` is the run's.
    ///
    /// # Errors
    /// Where entries, ways and replacement do not fit together.
    pub fn new(
        settings: &settings::Tlb,
        sizes: &[PageShift],
        va_bits: u8,
        asids: u16,
        seed: u64,
    ) -> Result<Self, InvalidSetting> {
        let key = format!("mmu.tlb.{}", settings.name);
        let ways = check_geometry(&key, settings.entries, settings.ways)?;
        let smallest = sizes.iter().map(|size| size.0).min().unwrap_or(0);
        let size_bits = usize::BITS - sizes.len().saturating_sub(1).leading_zeros();
        let asid_bits = u16::BITS - asids.saturating_sub(1).leading_zeros();
        let geometry = Geometry {
            sets: settings.entries / ways,
            ways,
            number_bits: u32::from(va_bits.saturating_sub(smallest)),
            context_bits: size_bits + asid_bits,
        };
        let seed = component_seed(&settings.name, seed);
        let entries = SetAssociative::new(&settings.replacement, geometry, seed)
            .map_err(|message| InvalidSetting::new(format!("{key}.replacement"), message))?;
        let (name, sizes) = (settings.name.clone(), sizes.to_vec());
        Ok(Self { name, entries, sizes, size_bits, counters: TlbCounters::default() })
    }

    /// The name that results use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The page sizes that it holds.
    pub fn sizes(&self) -> &[PageShift] {
        &self.sizes
    }

    /// What it has counted.
    pub fn counters(&self) -> TlbCounters {
        self.counters
    }

    #[inline]
    fn key(&self, asid: Asid, page: Vpn, size: PageShift) -> Key {
        // A TLB has one to a handful of sizes.
        let code = self.sizes.iter().position(|held| *held == size).unwrap_or(0) as u32;
        Key { number: page.0, context: u32::from(asid.0) << self.size_bits | code }
    }

    /// Looks a page of one of its sizes up. A hit is counted and is a use; a miss is not counted here,
    /// as the page may be of another size: see [`count_miss`](Self::count_miss).
    #[inline]
    pub fn lookup(&mut self, asid: Asid, page: Vpn, size: PageShift) -> Option<&mut TlbEntry> {
        let found = self.entries.lookup(self.key(asid, page, size))?;
        self.counters.hits += 1;
        Some(found)
    }

    /// Counts a look-up that found the entry that was used last.
    #[inline]
    pub fn count_hit(&mut self) {
        self.counters.hits += 1;
    }

    /// Counts a look-up that found nothing.
    #[inline]
    pub fn count_miss(&mut self) {
        self.counters.misses += 1;
    }

    /// The entry of a page, without a use or a count.
    #[inline]
    pub fn probe(&self, asid: Asid, page: Vpn, size: PageShift) -> Option<&TlbEntry> {
        self.entries.probe(self.key(asid, page, size))
    }

    /// The entry of a page to be changed, without a use or a count.
    #[inline]
    pub fn probe_mut(&mut self, asid: Asid, page: Vpn, size: PageShift) -> Option<&mut TlbEntry> {
        self.entries.probe_mut(self.key(asid, page, size))
    }

    /// Puts in a translation; one that is there already is replaced.
    pub fn fill(&mut self, asid: Asid, page: Vpn, size: PageShift, entry: TlbEntry) {
        let key = self.key(asid, page, size);
        if let Some(there) = self.entries.lookup(key) {
            *there = entry;
        } else if self.entries.fill(key, entry).is_some() {
            self.counters.evictions += 1;
        }
    }

    /// Drops a page's entry; whether there was one.
    pub fn invalidate_page(&mut self, asid: Asid, page: Vpn, size: PageShift) -> bool {
        let dropped = self.entries.invalidate(self.key(asid, page, size)).is_some();
        self.counters.shootdowns += u64::from(dropped);
        dropped
    }

    /// Drops every entry of an address space.
    pub fn flush_asid(&mut self, asid: Asid) {
        let bits = self.size_bits;
        self.entries.retain(|key, _| key.context >> bits != u32::from(asid.0));
        self.counters.flushes += 1;
    }

    /// Drops every entry.
    pub fn flush(&mut self) {
        self.entries.retain(|_, _| false);
        self.counters.flushes += 1;
    }

    /// Forgets what was counted, and keeps the entries.
    pub fn reset_counters(&mut self) {
        self.counters = TlbCounters::default();
    }

    /// The set and the tag of a page: its number modulo and divided by the number of sets.
    pub fn locate(&self, page: Vpn) -> (usize, u64) {
        self.entries.index().split(page.0)
    }

    /// Puts an entry in a set and way, as a preloaded machine has it.
    ///
    /// # Errors
    /// As [`Array::place`](crate::replacement::Array::place).
    pub fn place(
        &mut self,
        (set, way): (usize, usize),
        tag: u64,
        asid: Asid,
        size: PageShift,
        entry: TlbEntry,
    ) -> Result<(), PlaceError> {
        let context = self.key(asid, Vpn(0), size).context;
        self.entries.place(set, way, tag, context, entry)
    }

    /// Declares its statistics; `instructions` is what misses are related to.
    pub fn report(&self, statistics: &mut Statistics, instructions: u64) {
        let TlbCounters { hits, misses, evictions, flushes, shootdowns } = self.counters;
        let name = &self.name;
        let mut count = |what: &str, unit, doc, value| {
            statistics.count(format!("{name}.{what}"), unit, doc, value);
        };
        count("accesses", "look-ups", "Look-ups of pages of its sizes", hits + misses);
        count("hits", "look-ups", "Look-ups that found the translation", hits);
        count("misses", "look-ups", "Look-ups that did not find the translation", misses);
        count("evictions", "entries", "Valid entries displaced by fills", evictions);
        count(
            "flushes",
            "flushes",
            "Times all entries or an address space's were dropped",
            flushes,
        );
        count("shootdowns", "entries", "Entries dropped because their page changed", shootdowns);
        let mpki = misses as f64 * 1000.0 / instructions as f64;
        statistics.real(format!("{name}.mpki"), "1/ki", "Misses per 1000 instructions", mpki);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmu::settings::Ways;
    use crate::statistics::Value;

    const PAGE: PageShift = PageShift(12);
    const HUGE: PageShift = PageShift(21);

    fn settings(entries: u32, ways: Ways) -> settings::Tlb {
        settings::Tlb {
            name: "dtlb".to_owned(),
            level: 1,
            serves: crate::cache::settings::Stream::both(),
            pages: None,
            entries,
            ways,
            latency: None,
            replacement: Default::default(),
        }
    }

    fn tlb(entries: u32, ways: u32) -> Tlb {
        let settings = settings(entries, Ways::Number(ways));
        Tlb::new(&settings, &[PAGE, HUGE], 48, 4096, 0).unwrap()
    }

    fn entry(pfn: u64) -> TlbEntry {
        TlbEntry { pfn: Pfn(pfn), ..TlbEntry::default() }
    }

    /// CS:APP's simple memory system: 16 entries, 4 ways; VPN 0x0F is in set 3 with tag 3.
    #[test]
    fn the_simple_memory_systems_tlb() {
        let mut tlb = tlb(16, 4);
        assert_eq!(tlb.locate(Vpn(0x0f)), (3, 3));
        tlb.place((3, 1), 3, Asid(0), PAGE, entry(0x0d)).unwrap();
        assert_eq!(tlb.lookup(Asid(0), Vpn(0x0f), PAGE).copied(), Some(entry(0x0d)));
    }

    #[test]
    fn address_space_and_size_are_part_of_the_tag() {
        let mut tlb = tlb(64, 4);
        tlb.fill(Asid(1), Vpn(5), PAGE, entry(1));
        tlb.fill(Asid(2), Vpn(5), PAGE, entry(2));
        tlb.fill(Asid(1), Vpn(5), HUGE, entry(3));
        let pfn = |tlb: &Tlb, asid, size| tlb.probe(Asid(asid), Vpn(5), size).map(|e| e.pfn.0);
        assert_eq!(
            (pfn(&tlb, 1, PAGE), pfn(&tlb, 2, PAGE), pfn(&tlb, 1, HUGE)),
            (Some(1), Some(2), Some(3))
        );
        assert_eq!(pfn(&tlb, 2, HUGE), None);
        assert!(tlb.invalidate_page(Asid(1), Vpn(5), HUGE));
        assert!(!tlb.invalidate_page(Asid(1), Vpn(5), HUGE));
        assert_eq!(pfn(&tlb, 1, PAGE), Some(1));
        tlb.flush_asid(Asid(1));
        assert_eq!((pfn(&tlb, 1, PAGE), pfn(&tlb, 2, PAGE)), (None, Some(2)));
        tlb.flush();
        assert_eq!(pfn(&tlb, 2, PAGE), None);
        let counters = tlb.counters();
        assert_eq!((counters.shootdowns, counters.flushes, counters.evictions), (1, 2, 0));
    }

    #[test]
    fn statistics_have_the_tlbs_name() {
        let mut tlb = tlb(4, 4);
        for page in 0..6 {
            if tlb.lookup(Asid(0), Vpn(page), PAGE).is_none() {
                tlb.count_miss();
                tlb.fill(Asid(0), Vpn(page), PAGE, entry(page));
            }
        }
        assert!(tlb.lookup(Asid(0), Vpn(5), PAGE).is_some());
        let mut statistics = Statistics::default();
        tlb.report(&mut statistics, 2000);
        let count = |name: &str| statistics.get(&format!("dtlb.{name}"));
        assert_eq!(count("accesses"), Some(Value::Count(7)));
        assert_eq!(count("hits"), Some(Value::Count(1)));
        assert_eq!(count("misses"), Some(Value::Count(6)));
        assert_eq!(count("evictions"), Some(Value::Count(2)));
        assert_eq!(count("mpki"), Some(Value::Real(3.0)));
    }

    #[test]
    fn impossible_geometry_names_the_key() {
        let error = |entries, ways| {
            Tlb::new(&settings(entries, ways), &[PAGE], 48, 0, 0).unwrap_err().to_string()
        };
        assert!(error(100, Ways::Number(12)).starts_with("`mmu.tlb.dtlb.entries`: 100 entries"));
        assert!(error(100, Ways::Number(12)).contains("96 and 108"));
        assert!(error(0, Ways::Full).starts_with("`mmu.tlb.dtlb.entries`"));
        assert!(error(u32::MAX, Ways::Full).starts_with("`mmu.tlb.dtlb.entries`"));
        assert!(error(4, Ways::Number(8)).starts_with("`mmu.tlb.dtlb.ways`"));
    }
}
