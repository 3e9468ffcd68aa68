//! Caches of which at least one does more than write back and allocate: it writes through, lets stores that
//! miss pass, includes or excludes what is above it, hashes its sets, or has a prefetcher.
//!
//! A reference looks down its chain until a level has the line; then the levels that missed are filled, the
//! lowest first, so that what a lower one displaces is gone from above before that is filled.
//!
//! - **Stores.** The first level of the chain that has the line, or allocates, takes a store; levels before
//!   it are passed. A level that writes through hands the store on, to be put where the line is, without a
//!   use and without allocating; a level that has no level left below it hands it to memory.
//! - **Inclusive** levels invalidate what they displace in every level above; what was dirty there goes on
//!   as theirs.
//! - **Exclusive** levels are not filled by what passes through, but by everything that the level right above
//!   displaces, and give up a line that goes there.
//! - **Prefetchers** see the demand accesses that look their level up. What they ask for is fetched after the
//!   access, by [`prefetch`](RuledHierarchy::prefetch): it is no demand access anywhere, and a use of the
//!   line where a lower level has it.
//!
//! What is not said here is as in [`CacheHierarchy`](super::CacheHierarchy); without any rule the two do the
//! same, which a test holds them to.

mod level;
mod names;
mod peers;
mod sharers;
#[cfg(test)]
mod tests;

use super::chain::Arrangement;
use super::level::{CacheCounters, Source};
use super::settings::{Cache, Inclusion, Stream, Write};
use crate::address::{PageShift, PhysAddr};
use crate::config::InvalidSetting;
use crate::outcome::{MEMORY, PEER, Reference, ReferenceKind};
use crate::replacement::PlaceError;
use crate::statistics::Statistics;
use level::{Held, RuledLevel};
pub use names::Name;
use peers::Peers;

/// A line that a prefetcher wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub struct Request {
    /// The level whose prefetcher it is, and into which it goes.
    pub into: u8,
    /// The stream of the access that made it ask.
    pub stream: Stream,
    /// The line's first byte.
    pub addr: PhysAddr,
    /// How the access would name it.
    pub name: Name,
}

/// The caches of a CPU, with rules.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub struct RuledHierarchy {
    levels: Vec<RuledLevel>,
    order: Arrangement,
    /// The levels above each inclusive one.
    above: Vec<Vec<u8>>,
    /// What prefetchers want since the last reference.
    wanted: Vec<Request>,
    /// Lines that back-invalidation has taken from the first level for data, by their first byte, since
    /// somebody asked.
    gone: Vec<PhysAddr>,
    /// The site of the access under way, and how it names its line.
    site: u64,
    name: Name,
    /// The levels that find lines by their names.
    named: Vec<u8>,
    /// The other CPUs, where there are any.
    peers: Option<Box<Peers>>,
}

/// Checks that the level above an exclusive one can do with it.
fn check_exclusive(list: &[Cache], upper: u8, lower: u8) -> Result<(), InvalidSetting> {
    let (above, below) = (&list[usize::from(upper)], &list[usize::from(lower)]);
    if below.inclusion != Inclusion::Exclusive {
        return Ok(());
    }
    let invalid =
        |field, message| Err(InvalidSetting::new(format!("cache.{}.{field}", below.name), message));
    if below.line != above.line {
        let message = format!(
            "an exclusive level has the lines of the level above it: `{}` has lines of {}",
            above.name, above.line
        );
        return invalid("line", message);
    }
    if below.write == Write::Through {
        let message =
            "an exclusive level takes dirty lines, so that it has to write back".to_owned();
        return invalid("write", message);
    }
    if above.write == Write::Through {
        let message = format!(
            "a level below one that writes through, as `{}` does, cannot be \
                               exclusive: it would have to take dirty lines up",
            above.name
        );
        return invalid("inclusion", message);
    }
    Ok(())
}

/// Checks that the rules of all caches can be, and go together.
///
/// # Errors
/// A rule that cannot be, or does not fit that of the level above; or caches that form no hierarchy.
pub fn check(list: &[Cache]) -> Result<(), InvalidSetting> {
    let order = Arrangement::new(list, None)?;
    for (upper, lower) in (0u8..).zip(&order.next) {
        lower.map_or(Ok(()), |lower| check_exclusive(list, upper, lower))?;
    }
    for cache in list {
        let invalid = |field: &str, message: String| {
            Err(InvalidSetting::new(format!("cache.{}.{field}", cache.name), message))
        };
        if cache.level == 1 && cache.inclusion != Inclusion::NonInclusive {
            return invalid("inclusion", "there is no level above the first".to_owned());
        }
        if let Err(message) = cache.prefetcher.check() {
            return invalid("prefetcher", message);
        }
        let within = cache.prefetch_page;
        if !within.0.is_power_of_two() || within < cache.line {
            let message = format!(
                "expected a power of two of at least a line, {}, found {within}",
                cache.line
            );
            return invalid("prefetch_page", message);
        }
    }
    Ok(())
}

impl RuledHierarchy {
    /// Empty caches; as [`CacheHierarchy::new`](super::CacheHierarchy::new).
    ///
    /// # Errors
    /// As there; and where a level's rules are impossible, or do not fit those of the level above.
    pub fn new(
        settings: &[Cache],
        entry_level: Option<&str>,
        page: Option<PageShift>,
        address_bits: u8,
        seed: u64,
    ) -> Result<Self, InvalidSetting> {
        check(settings)?;
        let order = Arrangement::new(settings, entry_level)?;
        let levels = settings.iter().map(|cache| RuledLevel::new(cache, page, address_bits, seed));
        let mut levels = levels.collect::<Result<Vec<_>, _>>()?;
        for (index, cache) in settings.iter().enumerate() {
            let above = order.above(index);
            levels[index].sees_prefetches = cache.prefetcher.is_some()
                || above.iter().any(|upper| settings[usize::from(*upper)].prefetcher.is_some());
            if cache.inclusion == Inclusion::Inclusive {
                above.iter().for_each(|upper| levels[usize::from(*upper)].is_included = true);
            }
        }
        let above = (0..levels.len()).map(|index| order.above(index)).collect();
        // There are at most 253 caches.
        let named = (0u8..).zip(settings).filter(|(_, cache)| cache.aliased(page).is_some());
        let named = named.map(|(index, _)| index).collect();
        let (wanted, gone, site, name) = Default::default();
        Ok(Self { levels, order, above, wanted, gone, site, name, named, peers: None })
    }

    pub(super) fn order(&self) -> &Arrangement {
        &self.order
    }

    pub(super) fn name(&self, index: u8) -> &str {
        &self.levels[usize::from(index)].name
    }

    pub(super) fn counters(&self, index: u8) -> CacheCounters {
        self.levels[usize::from(index)].counters
    }

    pub(super) fn line_shift(&self, index: u8) -> u32 {
        self.levels[usize::from(index)].line_shift
    }

    pub(super) fn locate(&self, index: u8, addr: PhysAddr, name: Name) -> (usize, u64) {
        self.levels[usize::from(index)].locate(addr, name)
    }

    pub(super) fn finds(&self, index: u8, addr: PhysAddr, name: Name) -> bool {
        self.levels[usize::from(index)].finds(addr, name)
    }

    /// Whether the line of `addr` is in the level at `index`, and dirty.
    pub(super) fn probe(&self, index: u8, addr: PhysAddr) -> Option<bool> {
        self.levels[usize::from(index)].held(addr).map(|held| held.dirty)
    }

    pub(super) fn place(
        &mut self,
        index: u8,
        set: usize,
        way: usize,
        tag: u64,
    ) -> Result<PhysAddr, PlaceError> {
        let addr = self.levels[usize::from(index)].place(set, way, tag)?;
        self.arrived(index, addr);
        Ok(addr)
    }

    /// Whether the first level for data has a prefetcher, which has to see every access.
    pub(super) fn first_watches(&self) -> bool {
        self.first_data().is_some_and(|first| self.level(first).prefetcher.is_some())
    }

    /// Whether the first level for data is one for several CPUs.
    pub(super) fn first_is_shared(&self) -> bool {
        self.first_data().is_some_and(|first| self.is_shared(first))
    }

    /// Whether the first level for data hands stores on.
    pub(super) fn first_writes_through(&self) -> bool {
        self.first_data().is_some_and(|first| self.level(first).writes_through)
    }

    /// Whether the cache at `index` is the first of `stream`.
    pub(crate) fn is_first(&self, stream: Stream, index: u8) -> bool {
        self.order.chain(stream).first() == Some(&index)
    }

    /// Whether the first level for data fetches the lines of stores.
    pub(crate) fn first_allocates(&self) -> bool {
        self.first_data().is_some_and(|first| self.level(first).allocates)
    }

    fn first_data(&self) -> Option<u8> {
        self.order.chain(Stream::Data).first().copied()
    }

    fn level(&self, index: u8) -> &RuledLevel {
        // Indices are the arrangement's, of levels that there are.
        &self.levels[usize::from(index)]
    }

    fn level_mut(&mut self, index: u8) -> &mut RuledLevel {
        &mut self.levels[usize::from(index)]
    }

    pub(super) fn tell_site(&mut self, site: u64) {
        for index in &self.order.asking {
            self.levels[usize::from(*index)].site(site);
        }
    }

    /// The program accesses `addr` by this name, and next its line of 2^shift bytes as `next` says.
    pub(super) fn foresee(&mut self, addr: PhysAddr, name: Name, next: impl Fn(u8) -> u64) {
        for index in &self.order.foreseeing {
            let level = &mut self.levels[usize::from(*index)];
            // A line is at most 64 KiB.
            level.foresee(addr, name, next(level.line_shift as u8));
        }
    }

    /// The site of the access that follows, and how it names its line.
    pub(crate) fn announce(&mut self, site: u64, name: Name) {
        self.site = site;
        self.set_name(name);
    }

    fn set_name(&mut self, name: Name) {
        self.name = name;
        for index in &self.named {
            self.levels[usize::from(*index)].name(name);
        }
    }

    /// Takes the next line that a prefetcher wants; the first that was asked for first.
    pub(super) fn next_wanted(&mut self) -> Option<Request> {
        (!self.wanted.is_empty()).then(|| self.wanted.remove(0))
    }

    /// Takes the lines that back-invalidation has taken from the first level for data.
    pub(super) fn take_gone(&mut self, mut tell: impl FnMut(PhysAddr)) {
        self.gone.drain(..).for_each(&mut tell);
    }

    /// Counts `hits` demand accesses that hit lines that were used last in their sets, in the first level of
    /// `stream`.
    pub(super) fn count_hits(&mut self, stream: Stream, hits: u64) {
        if let Some(first) = self.order.chain(stream).first().copied() {
            self.level_mut(first).counters.hits += hits;
        }
    }

    /// As [`CacheHierarchy::access`](super::CacheHierarchy::access). A store that memory takes is served by
    /// the first level, which it leaves at once.
    pub(crate) fn access(
        &mut self,
        stream: Stream,
        addr: PhysAddr,
        write: bool,
        memory: &mut Vec<Reference>,
    ) -> u8 {
        self.reference(stream, 0, addr, write, Source::Demand, memory)
    }

    /// As [`CacheHierarchy::walk_read`](super::CacheHierarchy::walk_read).
    pub(super) fn walk_read(&mut self, addr: PhysAddr, memory: &mut Vec<Reference>) -> u8 {
        self.set_name(Name::physical(addr));
        self.reference(Stream::Data, self.order.walk_entry, addr, false, Source::Walk, memory)
    }

    /// As [`CacheHierarchy::table_write`](super::CacheHierarchy::table_write).
    pub(super) fn table_write(&mut self, addr: PhysAddr, memory: &mut Vec<Reference>) -> u8 {
        self.set_name(Name::physical(addr));
        if let Some(entry) = self.order.walk_chain().first().copied() {
            self.level_mut(entry).counters.walk_writes += 1;
            if self.level(entry).held(addr).is_some() {
                self.upgrade(entry, addr, memory);
                self.store(entry, addr, memory);
                self.settle_given(memory);
                return entry;
            }
        }
        self.reference(Stream::Data, self.order.walk_entry, addr, true, Source::TableWrite, memory)
    }

    /// Fetches a line that a prefetcher wants into its level: the level below that had it, or [`MEMORY`].
    /// `None` where its level has it already, and nothing happens.
    pub(super) fn prefetch(&mut self, request: Request, memory: &mut Vec<Reference>) -> Option<u8> {
        let Request { into, stream, addr, name } = request;
        self.set_name(name);
        if self.level(into).held(addr).is_some() {
            return None;
        }
        self.level_mut(into).extra.issued += 1;
        let chain = self.order.chain(stream);
        let entry = chain.iter().position(|index| *index == into)?;
        let mut missed = entry + 1;
        while let Some(index) = self.order.chain(stream).get(missed).copied() {
            let level = self.level_mut(index);
            let hit = level.use_line(addr).is_some();
            level.extra.prefetch_hits += u64::from(hit);
            level.extra.prefetch_misses += u64::from(!hit);
            if hit {
                break;
            }
            missed += 1;
        }
        let given = self.meet_peers(stream, missed, addr, false, memory);
        let served = self.bring(stream, entry, missed, addr, true, memory);
        self.settle_given(memory);
        Some(if given { PEER } else { served })
    }

    fn reference(
        &mut self,
        stream: Stream,
        entry: usize,
        addr: PhysAddr,
        write: bool,
        source: Source,
        memory: &mut Vec<Reference>,
    ) -> u8 {
        let length = self.order.chain(stream).len();
        let mut missed = entry;
        while missed < length && !self.look_up(stream, missed, addr, source, memory) {
            missed += 1;
        }
        let given = entry < length && self.meet_peers(stream, missed, addr, write, memory);
        let takes =
            |at: &usize| *at == missed || self.level(self.order.chain(stream)[*at]).allocates;
        let top = if write { (entry..length).find(takes) } else { Some(entry) };
        let Some(top) = top.filter(|_| entry < length) else {
            if write && entry < length {
                memory.push(Reference { addr, kind: ReferenceKind::Write, served: MEMORY });
                self.settle_given(memory);
                return self.order.chain(stream)[entry];
            }
            return MEMORY;
        };
        let served = self.bring(stream, top, missed, addr, false, memory);
        if write {
            self.store(self.order.chain(stream)[top], addr, memory);
        }
        self.settle_given(memory);
        if given { PEER } else { served }
    }

    /// What other CPUs have to do with a reference that found its line at `missed` of the chain, or nowhere;
    /// whether one of them gives the line.
    fn meet_peers(
        &mut self,
        stream: Stream,
        missed: usize,
        addr: PhysAddr,
        write: bool,
        memory: &mut Vec<Reference>,
    ) -> bool {
        if self.peers.is_none() {
            return false;
        }
        match self.order.chain(stream).get(missed).copied() {
            Some(index) if self.is_private(index) => {
                if write {
                    self.upgrade(index, addr, memory);
                }
                false
            }
            found => self.ask_peers(addr, write, found.is_some()),
        }
    }

    /// Looks a level up; whether it has the line. One that is in another set than the access looks in leaves
    /// it: the level below will have it if it is dirty, or exclusive.
    fn look_up(
        &mut self,
        stream: Stream,
        at: usize,
        addr: PhysAddr,
        source: Source,
        memory: &mut Vec<Reference>,
    ) -> bool {
        let (index, site, name) = (self.order.chain(stream)[at], self.site, self.name);
        let Self { levels, wanted, .. } = self;
        let level = &mut levels[usize::from(index)];
        let held = level.use_line(addr);
        let hit = held.is_some();
        let demand = source == Source::Demand;
        let first_use = demand && held.is_some_and(|held| std::mem::take(&mut held.prefetched));
        level.counters.count(source, hit);
        level.extra.useful += u64::from(first_use);
        if demand {
            let shift = level.line_shift;
            let lines = level.watch(addr, site, hit, first_use).iter();
            wanted.extend(lines.map(|line| {
                let start = PhysAddr(line << shift);
                Request { into: index, stream, addr: start, name: name.beside(addr, start) }
            }));
        }
        if !hit && let Some(alias) = self.level_mut(index).take_alias(addr) {
            if self.first_data() == Some(index) {
                self.gone.push(addr);
            }
            self.dispose(index, alias, memory);
            self.left(index, addr);
        }
        hit
    }

    /// Fills the levels from `top` to the one above `missed`, the lowest first, with the line that the level
    /// at `missed` has, or memory where that is past the end; returns which.
    fn bring(
        &mut self,
        stream: Stream,
        top: usize,
        missed: usize,
        addr: PhysAddr,
        prefetched: bool,
        memory: &mut Vec<Reference>,
    ) -> u8 {
        let served = self.order.chain(stream).get(missed).copied();
        let mut dirty = false;
        if let Some(served) = served.filter(|_| missed > top)
            && self.level(served).is_exclusive()
        {
            dirty = self.level_mut(served).take(addr).is_some_and(|held| held.dirty);
        }
        for at in (top..missed).rev() {
            let index = self.order.chain(stream)[at];
            if at == top || !self.level(index).is_exclusive() {
                let prefetched = prefetched && at == top;
                self.fill(index, addr, std::mem::take(&mut dirty), prefetched, memory);
            }
        }
        served.unwrap_or(MEMORY)
    }

    /// Puts a line into a level that does not have it, and takes it from the exclusive one below.
    fn fill(
        &mut self,
        index: u8,
        addr: PhysAddr,
        dirty: bool,
        prefetched: bool,
        memory: &mut Vec<Reference>,
    ) {
        let mut dirty = dirty;
        if let Some(below) = self.order.next[usize::from(index)]
            && self.level(below).is_exclusive()
        {
            dirty |= self.level_mut(below).take(addr).is_some_and(|held| held.dirty);
        }
        self.put(index, addr, dirty, prefetched, memory);
    }

    /// Puts a line into a level, and what that displaces where it belongs.
    fn put(
        &mut self,
        index: u8,
        addr: PhysAddr,
        dirty: bool,
        prefetched: bool,
        memory: &mut Vec<Reference>,
    ) {
        let victim = self.level_mut(index).put(addr, dirty, prefetched);
        self.arrived(index, addr);
        let Some(mut victim) = victim else { return };
        if self.level(index).inclusion == Inclusion::Inclusive {
            victim.dirty |= self.invalidate_above(index, victim.line);
        }
        self.level_mut(index).counters.writebacks += u64::from(victim.dirty);
        self.dispose(index, victim, memory);
        self.left(index, self.level(index).start(victim.line));
    }

    /// Invalidates a line of the inclusive level at `index` in all levels above; whether it was dirty there.
    fn invalidate_above(&mut self, index: u8, line: u64) -> bool {
        let (start, shift) = (self.level(index).start(line).0, self.level(index).line_shift);
        let first = self.first_data();
        let mut dirty = self.invalidate_peers(index, start, shift);
        let Self { levels, above, gone, .. } = self;
        for upper in &above[usize::from(index)] {
            let level = &mut levels[usize::from(*upper)];
            for part in 0..1u64 << (shift - level.line_shift) {
                let addr = PhysAddr(start + (part << level.line_shift));
                let Some(held) = level.take(addr) else { continue };
                dirty |= held.dirty;
                level.extra.back_invalidations += 1;
                if first == Some(*upper) {
                    gone.push(addr);
                }
            }
        }
        if self.is_shared(index) {
            self.left_all(start, shift);
        }
        dirty
    }

    /// What a level has displaced goes to an exclusive one below, or is written back.
    fn dispose(&mut self, index: u8, victim: Held, memory: &mut Vec<Reference>) {
        let addr = self.level(index).start(victim.line);
        match self.order.next[usize::from(index)] {
            Some(below) if self.level(below).is_exclusive() => {
                if self.level(below).held(addr).is_none() {
                    self.level_mut(below).hand_down();
                    self.fill(below, addr, victim.dirty, false, memory);
                } else if victim.dirty {
                    self.level_mut(below).mark_dirty(addr);
                }
            }
            below if victim.dirty => self.write_back(below, addr, memory),
            _ => {}
        }
    }

    /// A dirty line comes to the level at `index`, or to memory.
    fn write_back(&mut self, index: Option<u8>, addr: PhysAddr, memory: &mut Vec<Reference>) {
        let mut at = index;
        while let Some(index) = at {
            let level = self.level(index);
            let (through, allocates) = (level.writes_through, level.allocates);
            let held = level.held(addr).is_some();
            if held && !through {
                self.level_mut(index).mark_dirty(addr);
                return;
            }
            if !held && allocates {
                self.level_mut(index).hand_down();
                self.fill(index, addr, !through, false, memory);
                if !through {
                    return;
                }
            }
            let level = self.level_mut(index);
            level.extra.writethroughs += u64::from(through);
            at = self.order.next[usize::from(index)];
        }
        memory.push(Reference { addr, kind: ReferenceKind::Writeback, served: MEMORY });
    }

    /// A store to a line that the level at `index` has.
    fn store(&mut self, index: u8, addr: PhysAddr, memory: &mut Vec<Reference>) {
        let mut at = Some(index);
        while let Some(index) = at {
            let level = self.level_mut(index);
            if !level.writes_through && level.mark_dirty(addr) {
                return;
            }
            level.extra.writethroughs += u64::from(level.writes_through);
            at = self.order.next[usize::from(index)];
        }
        memory.push(Reference { addr, kind: ReferenceKind::Write, served: MEMORY });
    }

    /// Declares the statistics of every cache.
    pub(super) fn report(&self, statistics: &mut Statistics, instructions: u64) {
        self.levels.iter().for_each(|level| level.report(statistics, instructions));
    }

    /// Declares the statistics of the caches that several CPUs share.
    pub(super) fn report_shared(&self, statistics: &mut Statistics, instructions: u64) {
        let shared = (0u8..).zip(&self.levels).filter(|(index, _)| self.is_shared(*index));
        shared.for_each(|(_, level)| level.report(statistics, instructions));
    }

    /// Declares the statistics of the caches of one of several CPUs.
    pub(super) fn report_private(&self, cpu: u16, statistics: &mut Statistics, instructions: u64) {
        // There are at most 253 caches.
        let private = (0..self.levels.len() as u8).filter(|index| self.is_private(*index));
        private.for_each(|index| self.level_of(cpu, index).report(statistics, instructions));
    }
}
