//! A level of a hierarchy with rules: what is known of each of its lines.

use super::names::{Name, Names};
use crate::address::{PageShift, PhysAddr};
use crate::cache::level::{CacheCounters, array};
use crate::cache::prefetch::{Seen, Watcher};
use crate::cache::settings::{Cache, Inclusion, Write};
use crate::config::InvalidSetting;
use crate::replacement::{Inserted, Key, PlaceError, SetAssociative};
use crate::statistics::{Ratio, Statistics};

/// What a level counts beyond what every cache does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Extra {
    /// Writes that it has passed on to the level below.
    pub writethroughs: u64,
    /// Its lines that went because a level below displaced them.
    pub back_invalidations: u64,
    /// Its lines that left a set because an access looked for them in another.
    pub alias_moves: u64,
    /// Its lines that stores of other CPUs took.
    pub invalidations: u64,
    /// Stores that found their line here and had other CPUs lose it.
    pub upgrades: u64,
    /// Lines that it gave to other CPUs.
    pub forwards: u64,
    /// Lines that its prefetcher has fetched.
    pub issued: u64,
    /// Those of them that a demand access has used.
    pub useful: u64,
    /// Those that went before any did.
    pub useless: u64,
    /// Requests of prefetchers above that found their line here, and that did not.
    pub prefetch_hits: u64,
    pub prefetch_misses: u64,
}

/// A line that a level holds, or has displaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, bincode::Encode, bincode::Decode)]
pub(super) struct Held {
    /// Its number.
    pub line: u64,
    pub dirty: bool,
    /// Whether its prefetcher fetched it and no demand access has used it.
    pub prefetched: bool,
}

/// One cache with its rules.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct RuledLevel {
    pub name: String,
    pub line_shift: u32,
    lines: SetAssociative,
    /// What is held in each entry of `lines`.
    held: Vec<Held>,
    /// The bits of a line's number that find its set, where the bits above are hashed into them.
    hashed: Option<u32>,
    /// Which set each line is in, where the line's number does not say.
    names: Option<Names>,
    pub writes_through: bool,
    pub allocates: bool,
    pub inclusion: Inclusion,
    pub prefetcher: Option<Watcher>,
    /// Whether a prefetcher is here or above.
    pub sees_prefetches: bool,
    /// Whether an inclusive level is below.
    pub is_included: bool,
    /// Whether there are several CPUs, each with a level of this name.
    pub is_one_of_several: bool,
    pub counters: CacheCounters,
    pub extra: Extra,
}

impl RuledLevel {
    /// An empty level, as [`CacheLevel::new`](crate::cache::CacheLevel::new). Its rules have been
    /// [checked](super::check).
    pub fn new(
        settings: &Cache,
        page: Option<PageShift>,
        address_bits: u8,
        seed: u64,
    ) -> Result<Self, InvalidSetting> {
        let (lines, line_shift) = array(settings, page, address_bits, seed)?;
        let sets = lines.index().sets();
        Ok(Self {
            name: settings.name.clone(),
            line_shift,
            held: vec![Held::default(); lines.entries()],
            lines,
            names: settings.aliased(page).map(|step| Names::new(step, sets, line_shift)),
            hashed: settings.hash.then(|| sets.next_power_of_two().trailing_zeros()),
            writes_through: settings.write == Write::Through,
            allocates: settings.write_allocate,
            inclusion: settings.inclusion,
            prefetcher: Watcher::new(
                &settings.prefetcher,
                line_shift,
                settings.prefetch_page.0.trailing_zeros(),
            ),
            sees_prefetches: false,
            is_included: false,
            is_one_of_several: false,
            counters: CacheCounters::default(),
            extra: Extra::default(),
        })
    }

    /// Whether it holds nothing that the level above it does.
    pub fn is_exclusive(&self) -> bool {
        self.inclusion == Inclusion::Exclusive
    }

    /// The number of a line with the bits above those of the set folded into them, or of such a number the
    /// line's: what is folded is in both.
    fn hash(&self, line: u64) -> u64 {
        let Some(bits) = self.hashed.filter(|bits| *bits > 0) else { return line };
        let (mut above, mut folded) = (line >> bits, 0);
        while above > 0 {
            folded ^= above & ((1 << bits) - 1);
            above >>= bits;
        }
        line ^ folded
    }

    /// What an access that names the line of `addr` like this finds it by.
    fn key(&self, addr: PhysAddr, name: Name) -> Key {
        let line = addr.0 >> self.line_shift;
        let number = match &self.names {
            Some(names) => names.number(line, name),
            None => self.hash(line),
        };
        Key { number, context: 0 }
    }

    /// The same for the access under way.
    fn sought(&self, addr: PhysAddr) -> Key {
        self.key(addr, self.names.as_ref().map(|names| names.now).unwrap_or_default())
    }

    /// The entry that has the line of `addr`, however it is named.
    fn entry(&self, addr: PhysAddr) -> Option<(Key, usize)> {
        let key = match &self.names {
            Some(names) => Key { number: names.find(addr.0 >> self.line_shift)?, context: 0 },
            None => self.sought(addr),
        };
        Some((key, self.lines.probe(key)?))
    }

    /// How the access under way names its line.
    pub fn name(&mut self, name: Name) {
        if let Some(names) = &mut self.names {
            names.now = name;
        }
    }

    /// As [`SetAssociative::site`].
    pub fn site(&mut self, site: u64) {
        self.lines.site(site);
    }

    /// As [`SetAssociative::foresee`], of the line of `addr` by this name.
    pub fn foresee(&mut self, addr: PhysAddr, name: Name, next: u64) {
        self.lines.foresee(self.key(addr, name), next);
    }

    /// What is [put in](Self::put) next comes from the level above, which has displaced it.
    pub fn hand_down(&mut self) {
        self.lines.written();
    }

    /// What is held of the line of `addr`; a use of it.
    pub fn use_line(&mut self, addr: PhysAddr) -> Option<&mut Held> {
        let entry = self.lines.lookup(self.sought(addr), false)?;
        Some(&mut self.held[entry])
    }

    /// What is held of the line of `addr`; no use.
    pub fn held(&self, addr: PhysAddr) -> Option<&Held> {
        self.entry(addr).map(|(_, entry)| &self.held[entry])
    }

    /// Whether an access that names the line of `addr` like this finds it; no use.
    pub fn finds(&self, addr: PhysAddr, name: Name) -> bool {
        self.lines.probe(self.key(addr, name)).is_some()
    }

    /// Takes the line of `addr` out, that has been looked for, if it is in another set.
    pub fn take_alias(&mut self, addr: PhysAddr) -> Option<Held> {
        self.names.as_ref()?;
        let held = self.take(addr)?;
        self.extra.alias_moves += 1;
        self.counters.writebacks += u64::from(held.dirty);
        Some(held)
    }

    /// Makes the line of `addr` dirty, without a use; whether it is there.
    pub fn mark_dirty(&mut self, addr: PhysAddr) -> bool {
        let entry = self.entry(addr);
        entry.inspect(|(_, entry)| self.held[*entry].dirty = true).is_some()
    }

    /// Makes the line of `addr` clean, without a use, where it is there.
    pub fn clean(&mut self, addr: PhysAddr) {
        if let Some((_, entry)) = self.entry(addr) {
            self.held[entry].dirty = false;
        }
    }

    /// Puts in the line of `addr`, which is not there; what had to go for it.
    pub fn put(&mut self, addr: PhysAddr, dirty: bool, prefetched: bool) -> Option<Held> {
        let line = addr.0 >> self.line_shift;
        let key = self.sought(addr);
        let inserted = self.lines.insert(key);
        let (Inserted::Filled(entry) | Inserted::Displaced(entry) | Inserted::There(entry)) =
            inserted;
        debug_assert!(!matches!(inserted, Inserted::There(_)), "the line is there already");
        let old = std::mem::replace(&mut self.held[entry], Held { line, dirty, prefetched });
        let victim = matches!(inserted, Inserted::Displaced(_)).then_some(old);
        if let Some(names) = &mut self.names {
            victim.iter().for_each(|victim| names.forget(victim.line));
            names.put(line, key.number);
        }
        let victim = victim?;
        self.counters.evictions += 1;
        self.extra.useless += u64::from(victim.prefetched);
        Some(victim)
    }

    /// Takes the line of `addr` out, where it is there.
    pub fn take(&mut self, addr: PhysAddr) -> Option<Held> {
        let (key, entry) = self.entry(addr)?;
        self.lines.invalidate(key);
        if let Some(names) = &mut self.names {
            names.forget(addr.0 >> self.line_shift);
        }
        self.extra.useless += u64::from(self.held[entry].prefetched);
        Some(self.held[entry])
    }

    /// The first byte of a line.
    pub fn start(&self, line: u64) -> PhysAddr {
        PhysAddr(line << self.line_shift)
    }

    /// Shows a demand access to the prefetcher; the lines that it wants.
    pub fn watch(&mut self, addr: PhysAddr, site: u64, hit: bool, first_use: bool) -> &[u64] {
        let line = addr.0 >> self.line_shift;
        match &mut self.prefetcher {
            Some(watcher) => watcher.see(Seen { addr: addr.0, line, site, hit, first_use }),
            None => &[],
        }
    }

    /// The set and the tag of an address that an access names like this.
    pub fn locate(&self, addr: PhysAddr, name: Name) -> (usize, u64) {
        self.lines.index().split(self.key(addr, name).number)
    }

    /// Puts a clean line in a set and way, as a preloaded machine has it; returns its first byte.
    pub fn place(&mut self, set: usize, way: usize, tag: u64) -> Result<PhysAddr, PlaceError> {
        let entry = self.lines.place(set, way, tag, 0)?;
        let number = self.lines.index().join(set, tag).ok_or(PlaceError::Tag { tag })?;
        let line = match &mut self.names {
            Some(names) => {
                let line = names.line(number);
                if names.put(line, number) {
                    return Err(PlaceError::Duplicate { set, tag });
                }
                line
            }
            None => self.hash(number),
        };
        self.held[entry] = Held { line, ..Held::default() };
        Ok(self.start(line))
    }

    /// Declares its statistics; `instructions` is what misses are related to.
    pub fn report(&self, statistics: &mut Statistics, instructions: u64) {
        self.counters.report(&self.name, statistics, instructions);
        let name = &self.name;
        let Extra { writethroughs, back_invalidations, alias_moves, .. } = self.extra;
        if self.names.is_some() {
            let doc = "Lines that left their set because an access looked for them in another";
            statistics.count(format!("{name}.alias_moves"), "lines", doc, alias_moves);
        }
        if self.writes_through {
            let doc = "Writes passed on to the level below";
            statistics.count(format!("{name}.writethroughs"), "writes", doc, writethroughs);
        }
        if self.is_included {
            let doc = "Lines invalidated because an inclusive level below displaced them";
            statistics.count(
                format!("{name}.back_invalidations"),
                "lines",
                doc,
                back_invalidations,
            );
        }
        if self.is_one_of_several {
            self.report_coherence(statistics);
        }
        if self.sees_prefetches {
            self.report_prefetches(statistics);
        }
    }

    fn report_coherence(&self, statistics: &mut Statistics) {
        let Extra { invalidations, upgrades, forwards, .. } = self.extra;
        let mut count = |what: &str, unit, doc, value| {
            statistics.count(format!("{}.{what}", self.name), unit, doc, value);
        };
        let doc = "Lines that stores of other CPUs invalidated";
        count("invalidations", "lines", doc, invalidations);
        let doc = "Stores that found their line here and invalidated it on other CPUs";
        count("upgrades", "stores", doc, upgrades);
        count("forwards", "lines", "Lines given to other CPUs", forwards);
    }

    fn report_prefetches(&self, statistics: &mut Statistics) {
        let name = &self.name;
        let Extra { issued, useful, useless, prefetch_hits, prefetch_misses, .. } = self.extra;
        let mut count = |what: &str, unit, doc, value| {
            statistics.count(format!("{name}.prefetch.{what}"), unit, doc, value);
        };
        let doc = "Requests of prefetchers above that found their line";
        count("hits", "requests", doc, prefetch_hits);
        let doc = "Requests of prefetchers above that did not find their line";
        count("misses", "requests", doc, prefetch_misses);
        if self.prefetcher.is_some() {
            count("issued", "lines", "Lines that its prefetcher fetched", issued);
            count("useful", "lines", "Prefetched lines that a demand access used", useful);
            count("useless", "lines", "Prefetched lines that went unused", useless);
            let accuracy = Ratio::of(useful, issued);
            let doc = "Prefetched lines used, by lines prefetched";
            statistics.ratio(format!("{name}.prefetch.accuracy"), "", doc, accuracy);
            let coverage = Ratio::of(useful, useful + self.counters.misses);
            let doc = "Prefetched lines used, by those and the demand misses that were left";
            statistics.ratio(format!("{name}.prefetch.coverage"), "", doc, coverage);
        }
    }
}
