//! One TLB.

use super::settings;
use crate::address::{Asid, PageShift, Pfn, Vpn};
use crate::config::InvalidSetting;
use crate::replacement::{Geometry, Inserted, Key, PlaceError, SetAssociative, component_seed};
use crate::statistics::{Ratio, Statistics};

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

impl TlbEntry {
    /// The entry in one word. The upper three bits of a frame's number are not kept: with pages of at
    /// least 64 B they are beyond any physical address.
    #[inline]
    fn pack(self) -> u64 {
        let flags = [self.writable, self.dirty, self.executable];
        self.pfn.0 << 3 | flags.iter().rev().fold(0, |bits, flag| bits << 1 | u64::from(*flag))
    }

    /// What [`pack`](Self::pack) was given.
    #[inline]
    fn unpack(word: u64) -> Self {
        Self {
            pfn: Pfn(word >> 3),
            writable: word & 1 != 0,
            dirty: word & 2 != 0,
            executable: word & 4 != 0,
        }
    }
}

/// What a TLB counts. Each part of an access that spans pages counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
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
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct Tlb {
    name: String,
    keys: SetAssociative,
    /// The packed entry of each key.
    entries: Vec<u64>,
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
    /// identifiers below `asids`. `seed` is the run's.
    ///
    /// # Errors
    /// Where entries, ways and replacement do not fit together.
    pub fn new(
        settings: &settings::Tlb,
        sizes: &[PageShift],
        va_bits: u8,
        asids: u32,
        seed: u64,
    ) -> Result<Self, InvalidSetting> {
        let key = format!("mmu.tlb.{}", settings.name);
        let ways = check_geometry(&key, settings.entries, settings.ways)?;
        let smallest = sizes.iter().map(|size| size.0).min().unwrap_or(0);
        let size_bits = usize::BITS - sizes.len().saturating_sub(1).leading_zeros();
        let asid_bits = u32::BITS - asids.saturating_sub(1).leading_zeros();
        let geometry = Geometry {
            sets: settings.entries / ways,
            ways,
            number_bits: u32::from(va_bits.saturating_sub(smallest)),
            context_bits: size_bits + asid_bits,
        };
        let seed = component_seed(&settings.name, seed);
        let keys = SetAssociative::new(&settings.replacement, geometry, seed)
            .map_err(|message| InvalidSetting::new(format!("{key}.replacement"), message))?;
        let (name, sizes) = (settings.name.clone(), sizes.to_vec());
        let entries = vec![0; keys.entries()];
        Ok(Self { name, keys, entries, sizes, size_bits, counters: TlbCounters::default() })
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

    /// As [`SetAssociative::foresee`], of a page.
    pub(super) fn foresee(&mut self, asid: Asid, page: Vpn, size: PageShift, next: u64) {
        self.keys.foresee(self.key(asid, page, size), next);
    }

    /// As [`SetAssociative::site`].
    pub(super) fn site(&mut self, site: u64) {
        self.keys.site(site);
    }

    /// What keys of pages of `size` have beside the page's number in address space 0, and how far to the
    /// left of that another address space's identifier goes.
    pub(super) fn context(&self, size: PageShift) -> (u32, u32) {
        // A TLB has one to a handful of sizes.
        let code = self.sizes.iter().position(|held| *held == size).unwrap_or(0) as u32;
        (code, self.size_bits)
    }

    #[inline]
    fn key(&self, asid: Asid, page: Vpn, size: PageShift) -> Key {
        let (code, shift) = self.context(size);
        Key { number: page.0, context: u32::from(asid.0) << shift | code }
    }

    /// Looks a page of one of its sizes up. A hit is counted and is a use; a miss is not counted here,
    /// as the page may be of another size: see [`count_miss`](Self::count_miss).
    #[inline]
    pub fn lookup(&mut self, asid: Asid, page: Vpn, size: PageShift) -> Option<TlbEntry> {
        self.lookup_key(self.key(asid, page, size))
    }

    /// As [`lookup`](Self::lookup).
    #[inline]
    pub(super) fn lookup_key(&mut self, key: Key) -> Option<TlbEntry> {
        let entry = self.keys.lookup(key, false)?;
        self.counters.hits += 1;
        Some(TlbEntry::unpack(self.entries[entry]))
    }

    /// Counts look-ups that found the entry that was used last in its set.
    #[inline]
    pub fn count_hits(&mut self, hits: u64) {
        self.counters.hits += hits;
    }

    /// Counts a look-up that found nothing.
    #[inline]
    pub fn count_miss(&mut self) {
        self.counters.misses += 1;
    }

    /// The entry of a page, without a use or a count.
    #[inline]
    pub fn probe(&self, asid: Asid, page: Vpn, size: PageShift) -> Option<TlbEntry> {
        let entry = self.keys.probe(self.key(asid, page, size))?;
        Some(TlbEntry::unpack(self.entries[entry]))
    }

    /// Changes the entry of a page where it is there, without a use or a count.
    pub fn update(
        &mut self,
        asid: Asid,
        page: Vpn,
        size: PageShift,
        change: impl FnOnce(&mut TlbEntry),
    ) {
        if let Some(place) = self.keys.probe(self.key(asid, page, size)) {
            let mut entry = TlbEntry::unpack(self.entries[place]);
            change(&mut entry);
            self.entries[place] = entry.pack();
        }
    }

    /// Puts in a translation; one that is there already is replaced.
    pub fn fill(&mut self, asid: Asid, page: Vpn, size: PageShift, entry: TlbEntry) {
        self.fill_key(self.key(asid, page, size), entry);
    }

    /// As [`fill`](Self::fill).
    #[inline]
    pub(super) fn fill_key(&mut self, key: Key, entry: TlbEntry) {
        let place = match self.keys.insert(key) {
            Inserted::There(place) | Inserted::Filled(place) => place,
            Inserted::Displaced(place) => {
                self.counters.evictions += 1;
                place
            }
        };
        self.entries[place] = entry.pack();
    }

    /// Drops a page's entry; whether there was one.
    pub fn invalidate_page(&mut self, asid: Asid, page: Vpn, size: PageShift) -> bool {
        let dropped = self.keys.invalidate(self.key(asid, page, size)).is_some();
        self.counters.shootdowns += u64::from(dropped);
        dropped
    }

    /// Drops every entry of an address space.
    pub fn flush_asid(&mut self, asid: Asid) {
        let bits = self.size_bits;
        self.keys.retain(|key| key.context >> bits != u32::from(asid.0));
        self.counters.flushes += 1;
    }

    /// Drops every entry but those that carry the identifier `kept`.
    pub fn flush(&mut self, kept: Option<Asid>) {
        let bits = self.size_bits;
        self.keys.retain(|key| kept.is_some_and(|kept| key.context >> bits == u32::from(kept.0)));
        self.counters.flushes += 1;
    }

    /// The set and the tag of a page: its number modulo and divided by the number of sets.
    pub fn locate(&self, page: Vpn) -> (usize, u64) {
        self.keys.index().split(page.0)
    }

    /// Puts an entry in a set and way, as a preloaded machine has it.
    ///
    /// # Errors
    /// As [`SetAssociative::place`].
    pub fn place(
        &mut self,
        (set, way): (usize, usize),
        tag: u64,
        asid: Asid,
        size: PageShift,
        entry: TlbEntry,
    ) -> Result<(), PlaceError> {
        let context = self.key(asid, Vpn(0), size).context;
        let place = self.keys.place(set, way, tag, context)?;
        self.entries[place] = entry.pack();
        Ok(())
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
        let mpki = Ratio::per_thousand(misses, instructions);
        statistics.ratio(format!("{name}.mpki"), "1/ki", "Misses per 1000 instructions", mpki);
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
            lookup: Default::default(),
            predictor_entries: None,
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
        assert_eq!(tlb.lookup(Asid(0), Vpn(0x0f), PAGE), Some(entry(0x0d)));
    }

    #[test]
    fn an_entry_fits_a_word() {
        for bits in 0..8u64 {
            let flag = |bit: u64| bits >> bit & 1 != 0;
            let (writable, dirty, executable) = (flag(0), flag(1), flag(2));
            let entry = TlbEntry { pfn: Pfn((1 << 58) - bits), writable, dirty, executable };
            assert_eq!(TlbEntry::unpack(entry.pack()), entry);
        }
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
        tlb.fill(Asid(3), Vpn(5), PAGE, entry(4));
        tlb.flush(Some(Asid(3)));
        assert_eq!((pfn(&tlb, 2, PAGE), pfn(&tlb, 3, PAGE)), (None, Some(4)));
        tlb.flush(None);
        assert_eq!(pfn(&tlb, 3, PAGE), None);
        let counters = tlb.counters();
        assert_eq!((counters.shootdowns, counters.flushes, counters.evictions), (1, 3, 0));
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
        assert_eq!(count("mpki"), Some(Value::Ratio(Ratio::of(6000u64, 2000))));
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
