//! The caches: write-back and write-allocate, neither inclusive nor exclusive.

use super::counts::Counts;
use super::sets::{Key, Sets, seed_of};
use crate::cache::settings::{Cache as Settings, Stream};
use crate::outcome::MEMORY;

#[derive(Debug)]
struct Cache {
    name: String,
    level: u8,
    serves: Vec<Stream>,
    line: u64,
    /// Whether each line is dirty.
    lines: Sets<bool>,
}

/// What a reference is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The program's own access.
    Demand,
    /// The walker reads an entry.
    Walk,
    /// The walker writes an entry.
    TableWrite,
}

/// How a reference went.
#[derive(Debug)]
pub struct Served {
    /// The cache that had the line, as its index in the configuration, or [`MEMORY`].
    pub by: u8,
    /// Lines that memory had to take, by their first byte.
    pub written_back: Vec<u64>,
}

/// All caches, in the configuration's order.
#[derive(Debug)]
pub struct Caches {
    caches: Vec<Cache>,
    /// The caches that page-table reads go through, by level.
    walk_chain: Vec<usize>,
}

impl Cache {
    fn key(&self, addr: u64) -> Key {
        Key { number: addr / self.line, process: 0 }
    }
}

impl Caches {
    /// Empty caches. Page-table reads enter at `entry_level`, or at the first data cache.
    pub fn new(settings: &[Settings], entry_level: Option<&str>, seed: u64) -> Self {
        let caches = settings.iter().map(|cache| {
            let lines = cache.size.0 / cache.line.0;
            // A cache has fewer than 2^32 lines.
            let ways = cache.ways.of(lines as u32);
            let seed = seed_of(&cache.name, seed);
            Cache {
                name: cache.name.clone(),
                level: cache.level,
                serves: cache.serves.clone(),
                line: cache.line.0,
                lines: Sets::new(lines, ways.into(), &cache.replacement, seed),
            }
        });
        let mut all = Self { caches: caches.collect(), walk_chain: Vec::new() };
        let mut chain = all.chain(Stream::Data);
        while let (Some(wanted), Some(first)) = (entry_level, chain.first())
            && all.caches[*first].name != wanted
        {
            chain.remove(0);
        }
        all.walk_chain = chain;
        all
    }

    /// The caches that serve `stream`, by level.
    pub fn chain(&self, stream: Stream) -> Vec<usize> {
        let serving = |k: &usize| self.caches[*k].serves.contains(&stream);
        let mut chain: Vec<_> = (0..self.caches.len()).filter(serving).collect();
        chain.sort_by_key(|k| self.caches[*k].level);
        chain
    }

    /// The line of the first cache of `stream`; 64 bytes where there is none.
    pub fn line(&self, stream: Stream) -> u64 {
        self.chain(stream).first().map_or(64, |k| self.caches[*k].line)
    }

    /// The cache after `k` on any stream.
    fn below(&self, k: usize) -> Option<usize> {
        let chains = [self.chain(Stream::Data), self.chain(Stream::Instruction)];
        let chain = chains.iter().find(|chain| chain.contains(&k))?;
        chain.iter().copied().find(|lower| self.caches[*lower].level > self.caches[k].level)
    }

    /// The program's access to a line.
    pub fn access(
        &mut self,
        stream: Stream,
        addr: u64,
        write: bool,
        counts: &mut Counts,
    ) -> Served {
        self.reference(&self.chain(stream), addr, write, Purpose::Demand, counts)
    }

    /// The walker reads an entry.
    pub fn walk_read(&mut self, addr: u64, counts: &mut Counts) -> Served {
        self.reference(&self.walk_chain.clone(), addr, false, Purpose::Walk, counts)
    }

    /// The walker writes an entry: its line becomes dirty in the cache that it enters at. It is no use of
    /// a line that is there.
    pub fn table_write(&mut self, addr: u64, counts: &mut Counts) -> Served {
        let chain = self.walk_chain.clone();
        if let Some(first) = chain.first() {
            let cache = &mut self.caches[*first];
            counts.add(&format!("{}.walk.writes", cache.name), 1);
            let key = cache.key(addr);
            if let Some(dirty) = cache.lines.peek(key) {
                *dirty = true;
                return Served { by: *first as u8, written_back: Vec::new() };
            }
        }
        self.reference(&chain, addr, true, Purpose::TableWrite, counts)
    }

    /// Looks down the chain until a cache has the line, then fills those that missed, the lowest first.
    /// A write makes the line dirty in the first cache only.
    fn reference(
        &mut self,
        chain: &[usize],
        addr: u64,
        write: bool,
        purpose: Purpose,
        counts: &mut Counts,
    ) -> Served {
        let mut missed = Vec::new();
        let mut by = MEMORY;
        for k in chain {
            let cache = &mut self.caches[*k];
            let found = cache.lines.look_up(cache.key(addr));
            let what = match (purpose, found.is_some()) {
                (Purpose::Demand, true) => "hits",
                (Purpose::Demand, false) => "misses",
                (Purpose::Walk, true) => "walk.hits",
                (Purpose::Walk, false) => "walk.misses",
                (Purpose::TableWrite, _) => "",
            };
            if !what.is_empty() {
                counts.add(&format!("{}.{what}", cache.name), 1);
            }
            if let Some(dirty) = found {
                *dirty |= write && missed.is_empty();
                by = *k as u8;
                break;
            }
            missed.push(*k);
        }
        let mut written_back = Vec::new();
        for k in missed.iter().rev() {
            self.fill(*k, addr, write && Some(k) == chain.first(), &mut written_back, counts);
        }
        Served { by, written_back }
    }

    /// Puts a line into a cache. A dirty line that has to go for it goes to the cache below: where that
    /// has the line, it becomes dirty there; where not, it is put in.
    fn fill(
        &mut self,
        k: usize,
        addr: u64,
        dirty: bool,
        written_back: &mut Vec<u64>,
        counts: &mut Counts,
    ) {
        let cache = &mut self.caches[k];
        let Some((victim, victim_dirty)) = cache.lines.put(cache.key(addr), dirty) else { return };
        let victim = victim.number * cache.line;
        counts.add(&format!("{}.evictions", cache.name), 1);
        if !victim_dirty {
            return;
        }
        counts.add(&format!("{}.writebacks", cache.name), 1);
        let Some(below) = self.below(k) else {
            written_back.push(victim);
            return;
        };
        let lower = &mut self.caches[below];
        let key = lower.key(victim);
        match lower.lines.peek(key) {
            Some(dirty) => *dirty = true,
            None => self.fill(below, victim, true, written_back, counts),
        }
    }

    /// A cache's name.
    pub fn name(&self, k: u8) -> &str {
        self.caches.get(usize::from(k)).map_or("dram", |cache| &cache.name)
    }

    /// Adds what follows from the counts.
    pub fn report(&self, instructions: u64, counts: &mut Counts) {
        for Cache { name, .. } in &self.caches {
            counts.accesses(name, instructions);
        }
    }
}
