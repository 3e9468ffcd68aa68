//! The caches of a CPU, plain or with rules, or of all CPUs.

use std::collections::BTreeSet;

use super::hierarchy::CacheHierarchy;
use super::level::CacheCounters;
use super::ruled::{Name, Request, RuledHierarchy};
use super::settings::{Cache, Stream};
use crate::address::{PageShift, PhysAddr};
use crate::config::InvalidSetting;
use crate::outcome::Reference;
use crate::replacement::PlaceError;
use crate::statistics::Statistics;

/// The caches of a CPU: the plain hierarchy, which is faster, wherever it does. Those of several CPUs are
/// one hierarchy with rules, which the CPU that runs [holds](Self::switch).
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub enum Caches {
    /// Every level writes back and allocates, and no more.
    Plain(CacheHierarchy),
    /// Some level has a rule.
    Ruled(Box<RuledHierarchy>),
}

/// Which accesses to a line that was accessed last in its set of the first level for data change nothing
/// but counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settles {
    /// All of them.
    All,
    /// Loads: stores go on to the level below.
    Loads,
    /// None: a prefetcher sees each, or other CPUs use the level too.
    Nothing,
}

/// Evaluates an expression for the caches, of whichever kind.
macro_rules! each {
    ($self:expr, $caches:ident => $body:expr) => {
        match $self {
            Self::Plain($caches) => $body,
            Self::Ruled($caches) => $body,
        }
    };
}

impl Caches {
    /// Empty caches of `cpus` CPUs, as [`CacheHierarchy::new`]. The first CPU runs.
    ///
    /// # Errors
    /// As there.
    pub fn new(
        settings: &[Cache],
        entry_level: Option<&str>,
        page: Option<PageShift>,
        address_bits: u8,
        seed: u64,
        cpus: u16,
    ) -> Result<Self, InvalidSetting> {
        if cpus > 1 {
            let caches = RuledHierarchy::new(settings, entry_level, page, address_bits, seed)?;
            let caches = caches.among(cpus, settings, page, address_bits, seed)?;
            return Ok(Self::Ruled(Box::new(caches)));
        }
        if settings.iter().all(Cache::is_plain) {
            CacheHierarchy::new(settings, entry_level, page, address_bits, seed).map(Self::Plain)
        } else {
            RuledHierarchy::new(settings, entry_level, page, address_bits, seed)
                .map(|caches| Self::Ruled(Box::new(caches)))
        }
    }

    /// What a CPU holds that does not run: nothing.
    pub fn elsewhere() -> Self {
        Self::Plain(CacheHierarchy::default())
    }

    /// Has another one of several CPUs run. Whether it has lost so many lines meanwhile that they are not
    /// [told](Self::take_gone) singly.
    pub fn switch(&mut self, cpu: u16) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Ruled(caches) => caches.switch(cpu),
        }
    }

    /// The caches that serve `stream`, by level, as indices in the configuration's list.
    pub fn chain(&self, stream: Stream) -> &[u8] {
        each!(self, caches => caches.order().chain(stream))
    }

    /// The caches that page-table reads go through, by level, as indices in the configuration's list.
    pub fn walk_chain(&self) -> &[u8] {
        each!(self, caches => caches.order().walk_chain())
    }

    /// The name of the cache at `index` of the configuration's list, which has it.
    pub fn name(&self, index: u8) -> &str {
        each!(self, caches => caches.name(index))
    }

    /// What the cache at `index` of the configuration's list, which has it, has counted.
    pub fn counters(&self, index: u8) -> CacheCounters {
        each!(self, caches => caches.counters(index))
    }

    /// log2 of the line of the cache at `index`.
    pub fn line_shift(&self, index: u8) -> u32 {
        each!(self, caches => caches.line_shift(index))
    }

    /// Where the cache at `index` keeps the line of `addr` that an access names like this: its set, its tag,
    /// and whether it is there.
    pub fn locate(&self, index: u8, addr: PhysAddr, name: Name) -> (usize, u64, bool) {
        let ((set, tag), there) = match self {
            Self::Plain(caches) => {
                (caches.locate(index, addr), caches.probe(index, addr).is_some())
            }
            Self::Ruled(caches) => {
                (caches.locate(index, addr, name), caches.finds(index, addr, name))
            }
        };
        (set, tag, there)
    }

    /// Whether the cache at `index` has the line of `addr`, and whether it is dirty; no use.
    pub fn probe(&self, index: u8, addr: PhysAddr) -> Option<bool> {
        each!(self, caches => caches.probe(index, addr))
    }

    /// Puts a clean line in a set and way of the cache at `index`, as a preloaded machine has it; returns
    /// its first byte.
    ///
    /// # Errors
    /// As [`SetAssociative::place`](crate::replacement::SetAssociative::place).
    pub fn place(
        &mut self,
        index: u8,
        set: usize,
        way: usize,
        tag: u64,
    ) -> Result<PhysAddr, PlaceError> {
        each!(self, caches => caches.place(index, set, way, tag))
    }

    /// Which repeated accesses need not be shown to the first level for data.
    pub fn settles(&self) -> Settles {
        match self {
            Self::Ruled(caches) if caches.first_watches() || caches.first_is_shared() => {
                Settles::Nothing
            }
            Self::Ruled(caches) if caches.first_writes_through() => Settles::Loads,
            _ => Settles::All,
        }
    }

    /// Whether any level's replacement policy has to be [told](Self::tell_site) of every access's site.
    pub fn asks_site(&self) -> bool {
        each!(self, caches => !caches.order().asking.is_empty())
    }

    /// What follows until the next call is done for an access from `site`: for replacement policies.
    pub fn tell_site(&mut self, site: u64) {
        match self {
            Self::Plain(caches) => caches.site(site),
            Self::Ruled(caches) => caches.tell_site(site),
        }
    }

    /// log2 of the lines whose next uses some level's policy has to be [told](Self::foresee).
    pub fn next_use_shifts(&self) -> BTreeSet<u8> {
        let foreseeing = each!(self, caches => &caches.order().foreseeing);
        // A line is at most 64 KiB.
        foreseeing.iter().map(|index| self.line_shift(*index) as u8).collect()
    }

    /// The program accesses `addr` by this name, and next its line of 2^shift bytes as `next` says.
    pub fn foresee(&mut self, addr: PhysAddr, name: Name, next: impl Fn(u8) -> u64) {
        match self {
            Self::Plain(caches) => caches.foresee(addr, next),
            Self::Ruled(caches) => caches.foresee(addr, name, next),
        }
    }

    /// As [`CacheHierarchy::first_level_hit`]; a hierarchy with rules finds nothing that cheaply.
    #[inline]
    pub fn first_level_hit(&mut self, stream: Stream, addr: PhysAddr, write: bool) -> bool {
        match self {
            Self::Plain(caches) => caches.first_level_hit(stream, addr, write),
            Self::Ruled(_) => false,
        }
    }

    /// Counts `hits` demand accesses that hit lines that were used last in their sets, in the first level
    /// of `stream`.
    #[inline]
    pub fn count_hits(&mut self, stream: Stream, hits: u64) {
        each!(self, caches => caches.count_hits(stream, hits));
    }

    /// As [`CacheHierarchy::walk_read`].
    pub fn walk_read(&mut self, addr: PhysAddr, memory: &mut Vec<Reference>) -> u8 {
        each!(self, caches => caches.walk_read(addr, memory))
    }

    /// As [`CacheHierarchy::table_write`].
    pub fn table_write(&mut self, addr: PhysAddr, memory: &mut Vec<Reference>) -> u8 {
        each!(self, caches => caches.table_write(addr, memory))
    }

    /// Tells the lines that have gone from the first level for data without having been displaced there, or
    /// that another CPU has made clean there.
    #[inline]
    pub fn take_gone(&mut self, tell: impl FnMut(PhysAddr)) {
        if let Self::Ruled(caches) = self {
            caches.take_gone(tell);
        }
    }

    /// Takes the next line that a prefetcher wants.
    #[inline]
    pub fn next_wanted(&mut self) -> Option<Request> {
        match self {
            Self::Plain(_) => None,
            Self::Ruled(caches) => caches.next_wanted(),
        }
    }

    /// Fetches a line that a prefetcher wants: the level that had it, or `None` where there is nothing to
    /// do.
    pub fn prefetch(&mut self, request: Request, memory: &mut Vec<Reference>) -> Option<u8> {
        match self {
            Self::Plain(_) => None,
            Self::Ruled(caches) => caches.prefetch(request, memory),
        }
    }

    /// Declares the statistics of every cache.
    pub fn report(&self, statistics: &mut Statistics, instructions: u64) {
        each!(self, caches => caches.report(statistics, instructions));
    }

    /// Declares the statistics of the caches that several CPUs share.
    pub fn report_shared(&self, statistics: &mut Statistics, instructions: u64) {
        if let Self::Ruled(caches) = self {
            caches.report_shared(statistics, instructions);
        }
    }

    /// Declares the statistics of the caches of one of several CPUs.
    pub fn report_private(&self, cpu: u16, statistics: &mut Statistics, instructions: u64) {
        if let Self::Ruled(caches) = self {
            caches.report_private(cpu, statistics, instructions);
        }
    }
}
