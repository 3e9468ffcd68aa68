//! The caches, with all the rules that a level may have.
//!
//! The prefetchers themselves, which see accesses and name lines, are those of the model: they have tests
//! of their own. When they are asked, and what becomes of their lines, is derived here.

use super::counts::Counts;
use super::cpus::seed_for;
use super::sets::{Key, Sets, seed_of};
use crate::address::{PageShift, PhysAddr};
use crate::cache::prefetch::{Seen, Watcher};
use crate::cache::settings::{Cache as Settings, Inclusion, Stream, Write};
use crate::config::Config;
use crate::outcome::{MEMORY, PEER, Reference, ReferenceKind};

/// What a cache knows of a line.
#[derive(Debug, Clone, Copy)]
struct Line {
    addr: u64,
    dirty: bool,
    /// Prefetched, and not used since.
    unused: bool,
}

#[derive(Debug)]
struct Cache {
    settings: Settings,
    /// Its place in the configuration.
    number: u8,
    /// The CPU that has it; none where all share it or there is one.
    cpu: Option<usize>,
    /// What the names of its counts start with.
    prefix: String,
    line: u64,
    sets: u64,
    lines: Sets<Line>,
    watcher: Option<Watcher>,
    /// Where the set comes from a virtual address: that of the access under way.
    virt: Option<u64>,
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
    /// What memory had to take.
    pub written: Vec<Reference>,
}

/// All caches, CPU by CPU in the configuration's order. Those that CPUs share are among the first one's.
#[derive(Debug)]
pub struct Caches {
    caches: Vec<Cache>,
    /// The CPU that runs.
    pub here: usize,
    /// Where page-table reads enter.
    entry_level: Option<String>,
    /// Modified lines that other CPUs have given up: the cache and the line.
    given: Vec<(usize, u64)>,
    /// What prefetchers have asked for: the cache, the stream, the line, its virtual address.
    wanted: Vec<(usize, Stream, u64, u64)>,
    /// The virtual address of the access under way.
    virt: u64,
    /// What memory has had to take since the reference began.
    written: Vec<Reference>,
}

impl Cache {
    fn new(
        settings: &Settings,
        number: u8,
        cpu: Option<usize>,
        page: Option<PageShift>,
        seed: u64,
    ) -> Self {
        let lines = settings.size.0 / settings.line.0;
        // A cache has fewer than 2^32 lines.
        let ways = u64::from(settings.ways.of(lines as u32));
        let seed = seed_of(&settings.name, seed);
        let (shift, within) = (settings.line.0.ilog2(), settings.prefetch_page.0.ilog2());
        Self {
            settings: settings.clone(),
            number,
            cpu,
            prefix: cpu.map(|cpu| format!("cpu.{cpu}.")).unwrap_or_default(),
            line: settings.line.0,
            sets: lines / ways,
            lines: Sets::new(lines, ways, &settings.replacement, seed),
            watcher: Watcher::new(&settings.prefetcher, shift, within),
            virt: settings.aliased(page).map(|_| 0),
        }
    }

    /// Where a line is looked for. One that is indexed by its virtual address may be looked for in any set:
    /// its number there is one of as many as there are sets. With `hash`, the number's upper bits are folded, in pieces as long as the
    /// set's index, into its lowest piece.
    fn key(&self, addr: u64) -> Key {
        let line = addr / self.line;
        if let Some(virt) = self.virt {
            let number = line * self.sets + virt / self.line % self.sets;
            return Key { number, process: 0, order: 0 };
        }
        let bits = self.sets.next_power_of_two().trailing_zeros();
        let mut number = line;
        if self.settings.hash && bits > 0 {
            let mut rest = line >> bits;
            while rest > 0 {
                number ^= rest % (1 << bits);
                rest >>= bits;
            }
        }
        Key { number, process: 0, order: 0 }
    }

    /// Where a line is, in whichever set; where it is looked for, if it is in none.
    fn place(&mut self, addr: u64) -> Key {
        let sought = self.key(addr);
        if self.virt.is_none() {
            return sought;
        }
        let first = addr / self.line * self.sets;
        let mut keys = (0..self.sets).map(|set| Key { number: first + set, process: 0, order: 0 });
        keys.find(|key| self.lines.peek(*key).is_some()).unwrap_or(sought)
    }

    fn name(&self, what: &str) -> String {
        format!("{}{}.{what}", self.prefix, self.settings.name)
    }

    fn exclusive(&self) -> bool {
        self.settings.inclusion == Inclusion::Exclusive
    }

    fn through(&self) -> bool {
        self.settings.write == Write::Through
    }
}

impl Caches {
    /// Empty caches.
    pub fn new(config: &Config, seed: u64) -> Self {
        let mut caches = Vec::new();
        let cpus = usize::from(config.core.count);
        // A page's size is a power of two.
        let page = PageShift(config.mmu.base_page().0.trailing_zeros() as u8);
        let page = config.mmu.enabled.then_some(page);
        for cpu in 0..cpus {
            for (number, settings) in (0..).zip(&config.cache) {
                let private = cpus > 1 && !settings.is_shared();
                if private || cpu == 0 {
                    let owner = private.then_some(cpu);
                    let seed = seed_for(cpu, seed);
                    caches.push(Cache::new(settings, number, owner, page, seed));
                }
            }
        }
        let entry_level = config.mmu.walker.entry_level.clone();
        let (wanted, written, given, virt) = Default::default();
        Self { caches, here: 0, entry_level, given, wanted, virt, written }
    }

    /// The caches that page-table reads go through, by level: those from the one that they enter at on.
    fn walk_chain(&self) -> Vec<usize> {
        let mut chain = self.chain(Stream::Data);
        while let (Some(wanted), Some(first)) = (&self.entry_level, chain.first())
            && self.caches[*first].settings.name != *wanted
        {
            chain.remove(0);
        }
        chain
    }

    /// A cache's place in the configuration.
    pub fn number(&self, k: usize) -> u8 {
        self.caches[k].number
    }

    /// The program accesses `addr`, which is at `virt`, and next its line when `next` says.
    pub fn foresee(&mut self, virt: u64, addr: u64, next: impl Fn(u8) -> u64) {
        self.name_line(virt);
        // What another CPU has on its own is not told.
        let here = self.here;
        for cache in self.caches.iter_mut().filter(|cache| cache.cpu.is_none_or(|own| own == here))
        {
            let key = cache.key(addr);
            cache.lines.foresee(key, next(cache.line.ilog2() as u8));
        }
    }

    /// What follows is done for an access from `site`.
    pub fn note_site(&mut self, site: u64) {
        self.caches.iter_mut().for_each(|cache| cache.lines.note_site(site));
    }

    /// The caches that serve `stream`, by level.
    pub fn chain(&self, stream: Stream) -> Vec<usize> {
        self.chain_of(self.here, stream)
    }

    fn chain_of(&self, cpu: usize, stream: Stream) -> Vec<usize> {
        let serving = |k: &usize| {
            let cache = &self.caches[*k];
            cache.cpu.is_none_or(|owner| owner == cpu) && cache.settings.serves.contains(&stream)
        };
        let mut chain: Vec<_> = (0..self.caches.len()).filter(serving).collect();
        chain.sort_by_key(|k| self.caches[*k].settings.level);
        chain
    }

    /// The line of the first cache of `stream`; 64 bytes where there is none.
    pub fn line(&self, stream: Stream) -> u64 {
        self.chain(stream).first().map_or(64, |k| self.caches[*k].line)
    }

    /// The cache after `k` on any stream.
    fn below(&self, k: usize) -> Option<usize> {
        let cpu = self.caches[k].cpu.unwrap_or(self.here);
        let chains = [Stream::Data, Stream::Instruction].map(|stream| self.chain_of(cpu, stream));
        let chain = chains.iter().find(|chain| chain.contains(&k))?;
        chain
            .iter()
            .copied()
            .find(|lower| self.caches[*lower].settings.level > self.caches[k].settings.level)
    }

    /// The access that follows touches what is at a virtual address.
    fn name_line(&mut self, virt: u64) {
        self.virt = virt;
        for cache in &mut self.caches {
            cache.virt = cache.virt.map(|_| virt);
        }
    }

    /// The program's access to a line, by the instruction at `site`; it is at `virt`.
    pub fn access(
        &mut self,
        stream: Stream,
        site: u64,
        (virt, addr): (u64, u64),
        write: bool,
        counts: &mut Counts,
    ) -> Served {
        self.name_line(virt);
        self.reference(&self.chain(stream), (stream, site), addr, write, Purpose::Demand, counts)
    }

    /// The walker reads an entry.
    pub fn walk_read(&mut self, addr: u64, counts: &mut Counts) -> Served {
        self.name_line(addr);
        let chain = self.walk_chain();
        self.reference(&chain, (Stream::Data, 0), addr, false, Purpose::Walk, counts)
    }

    /// The walker writes an entry: a store to its line in the cache that it enters at. It is no use of a line
    /// that is there.
    pub fn table_write(&mut self, addr: u64, counts: &mut Counts) -> Served {
        self.name_line(addr);
        let chain = self.walk_chain();
        if let Some(first) = chain.first() {
            counts.add(&self.caches[*first].name("walk.writes"), 1);
            if self.has(*first, addr) {
                self.meet_others(addr, true, Some((*first, true)), counts);
                self.store(*first, addr, counts);
                self.settle_given(counts);
                return self.served(self.number(*first));
            }
        }
        self.reference(&chain, (Stream::Data, 0), addr, true, Purpose::TableWrite, counts)
    }

    /// The next line that a prefetcher has asked for and that its cache does not have, fetched into it: the
    /// cache, the line, and how that went.
    pub fn prefetch(&mut self, counts: &mut Counts) -> Option<(u8, u64, Served)> {
        while !self.wanted.is_empty() {
            let (into, stream, addr, virt) = self.wanted.remove(0);
            self.name_line(virt);
            if self.has(into, addr) {
                continue;
            }
            counts.add(&self.caches[into].name("prefetch.issued"), 1);
            let chain = self.chain(stream);
            let below = chain.iter().skip_while(|k| **k != into).skip(1).copied();
            let mut missed = vec![into];
            let mut by = None;
            for k in below {
                let key = self.caches[k].key(addr);
                let found = self.caches[k].lines.look_up(key).is_some();
                let what = if found { "prefetch.hits" } else { "prefetch.misses" };
                counts.add(&self.caches[k].name(what), 1);
                if found {
                    by = Some(k);
                    break;
                }
                missed.push(k);
            }
            let given = self.meet_others(addr, false, by.map(|by| (by, false)), counts);
            self.bring(&missed, by, addr, true, counts);
            self.settle_given(counts);
            let by =
                by.filter(|_| !given).map_or(if given { PEER } else { MEMORY }, |k| self.number(k));
            return Some((self.number(into), addr, self.served(by)));
        }
        None
    }

    fn served(&mut self, by: u8) -> Served {
        Served { by, written: std::mem::take(&mut self.written) }
    }

    fn has(&mut self, k: usize, addr: u64) -> bool {
        let key = self.caches[k].place(addr);
        self.caches[k].lines.peek(key).is_some()
    }

    /// Looks down the chain until a cache has the line, then fills those that missed, the lowest first. A
    /// store passes the caches at the top that neither have the line nor allocate for it.
    fn reference(
        &mut self,
        chain: &[usize],
        (stream, site): (Stream, u64),
        addr: u64,
        write: bool,
        purpose: Purpose,
        counts: &mut Counts,
    ) -> Served {
        let mut missed = Vec::new();
        let mut by = None;
        for k in chain {
            let cache = &mut self.caches[*k];
            let key = cache.key(addr);
            let found = cache.lines.look_up(key);
            let hit = found.is_some();
            let what = match (purpose, hit) {
                (Purpose::Demand, true) => "hits",
                (Purpose::Demand, false) => "misses",
                (Purpose::Walk, true) => "walk.hits",
                (Purpose::Walk, false) => "walk.misses",
                (Purpose::TableWrite, _) => "",
            };
            let mut first_use = false;
            if let Some(line) = found
                && purpose == Purpose::Demand
            {
                first_use = line.unused;
                line.unused = false;
            }
            if !what.is_empty() {
                counts.add(&cache.name(what), 1);
            }
            if first_use {
                counts.add(&cache.name("prefetch.useful"), 1);
            }
            if purpose == Purpose::Demand
                && let Some(watcher) = &mut cache.watcher
            {
                let seen = Seen { addr, line: addr / cache.line, site, hit, first_use };
                let lines = watcher.see(seen).iter().map(|line| line * cache.line);
                let virt = self.virt;
                let with_names = lines
                    .map(|line| (*k, stream, line, virt.wrapping_add(line).wrapping_sub(addr)));
                self.wanted.extend(with_names);
            }
            if hit {
                by = Some(*k);
                break;
            }
            self.leave_other_set(*k, addr, counts);
            missed.push(*k);
        }
        let given =
            !chain.is_empty() && self.meet_others(addr, write, by.map(|by| (by, false)), counts);
        if write {
            let passed = missed.iter().take_while(|k| !self.caches[**k].settings.write_allocate);
            missed.drain(..passed.count());
        }
        self.bring(&missed, by, addr, false, counts);
        match missed.first().copied().or(by) {
            Some(taker) if write => self.store(taker, addr, counts),
            None if write && !chain.is_empty() => {
                self.write(addr, ReferenceKind::Write);
                self.settle_given(counts);
                return self.served(self.number(chain[0]));
            }
            _ => {}
        }
        self.settle_given(counts);
        let by = by.map_or(MEMORY, |k| self.number(k));
        self.served(if given { PEER } else { by })
    }

    /// What the other CPUs' caches do when one references a line that it has found in a cache, or in none:
    /// whether one of them gives it. In a cache of its own no load and no store needs theirs. A store takes
    /// everything from them that is in the same block, the largest line of any private cache; a load has
    /// modified lines made clean. `written`: the walker has found the line in the cache that it enters at,
    /// and writes to it.
    fn meet_others(
        &mut self,
        addr: u64,
        write: bool,
        by: Option<(usize, bool)>,
        counts: &mut Counts,
    ) -> bool {
        let own = by.filter(|(by, written)| *written || self.caches[*by].cpu.is_some());
        if own.is_some() && !write {
            return false;
        }
        let private = self.caches.iter().filter(|cache| cache.cpu.is_some());
        let Some(block) = private.map(|cache| cache.line).max() else { return false };
        let start = addr - addr % block;
        let mut others: Vec<usize> = (0..self.caches.len()).collect();
        others.retain(|k| self.caches[*k].cpu.is_some_and(|cpu| cpu != self.here));
        others.sort_by_key(|k| (self.caches[*k].cpu, self.caches[*k].settings.level));
        let (mut any, mut modified, mut has) = (false, None, None);
        for k in others {
            let length = self.caches[k].line;
            for line in (0..block / length).map(|part| start + part * length) {
                let key = self.caches[k].place(line);
                let Some(known) = self.caches[k].lines.peek(key) else { continue };
                any = true;
                if addr - addr % length == line {
                    has = has.or(Some(k));
                }
                if known.dirty {
                    modified = modified.or(Some(k));
                    if self.given.iter().all(|(_, given)| *given != line) {
                        self.given.push((k, line));
                    }
                }
                known.dirty = false;
                if write {
                    self.take(k, line, counts);
                    counts.add(&self.caches[k].name("invalidations"), 1);
                }
            }
        }
        if let Some((by, _)) = own {
            if any {
                counts.add(&self.caches[by].name("upgrades"), 1);
                let (addr, kind) = (PhysAddr(addr), ReferenceKind::Upgrade);
                self.written.push(Reference { addr, kind, served: PEER });
            }
            return false;
        }
        let giver = modified.or(has.filter(|_| by.is_none()));
        if let Some(giver) = giver {
            counts.add(&self.caches[giver].name("forwards"), 1);
        }
        giver.is_some()
    }

    /// Modified lines that other CPUs gave up go on to what is shared, unless they are now modified in a
    /// cache of this CPU's own.
    fn settle_given(&mut self, counts: &mut Counts) {
        for (k, addr) in std::mem::take(&mut self.given) {
            let here = Some(self.here);
            let mut own = self.caches.iter_mut().filter(|cache| cache.cpu == here);
            let modified = own.any(|cache| {
                let key = cache.place(addr);
                cache.lines.peek(key).is_some_and(|line| line.dirty)
            });
            if modified {
                continue;
            }
            let mut below = self.below(k);
            while let Some(lower) = below.filter(|lower| self.caches[*lower].cpu.is_some()) {
                below = self.below(lower);
            }
            self.write_back(below, addr, counts);
        }
    }

    /// A line that was looked for in vain may be in another set, which it leaves as if it were displaced.
    fn leave_other_set(&mut self, k: usize, addr: u64, counts: &mut Counts) {
        if self.caches[k].virt.is_none() || !self.has(k, addr) {
            return;
        }
        let Some(line) = self.take(k, addr, counts) else { return };
        counts.add(&self.caches[k].name("alias_moves"), 1);
        if line.dirty {
            counts.add(&self.caches[k].name("writebacks"), 1);
        }
        self.hand_down(k, line, counts);
    }

    /// Fills the caches that missed, the lowest first, from the one that had the line, or memory. Exclusive
    /// ones are passed by unless the line is for them, and lose it if it was theirs.
    fn bring(
        &mut self,
        missed: &[usize],
        by: Option<usize>,
        addr: u64,
        prefetched: bool,
        counts: &mut Counts,
    ) {
        let mut dirty = false;
        if let Some(by) = by.filter(|by| !missed.is_empty() && self.caches[*by].exclusive()) {
            dirty = self.take(by, addr, counts).is_some_and(|line| line.dirty);
        }
        for (place, k) in missed.iter().enumerate().rev() {
            if place == 0 || !self.caches[*k].exclusive() {
                self.fill(*k, addr, dirty, prefetched && place == 0, true, counts);
                dirty = false;
            }
        }
    }

    /// Takes a line out of a cache.
    fn take(&mut self, k: usize, addr: u64, counts: &mut Counts) -> Option<Line> {
        let key = self.caches[k].place(addr);
        let line = self.caches[k].lines.remove(key)?;
        if line.unused {
            counts.add(&self.caches[k].name("prefetch.useless"), 1);
        }
        Some(line)
    }

    /// Puts a line into a cache that does not have it. What has to go for it goes from above, if the cache
    /// is inclusive, and then to the cache below: to stay there if that is exclusive, else only if dirty.
    /// `asked`: it is not handed down by the level above.
    fn fill(
        &mut self,
        k: usize,
        addr: u64,
        dirty: bool,
        unused: bool,
        asked: bool,
        counts: &mut Counts,
    ) {
        let below = self.below(k);
        let mut dirty = dirty;
        if let Some(lower) = below.filter(|lower| self.caches[*lower].exclusive()) {
            dirty |= self.take(lower, addr, counts).is_some_and(|line| line.dirty);
        }
        let cache = &mut self.caches[k];
        let start = addr - addr % cache.line;
        let line = Line { addr: start, dirty, unused };
        let Some((_, mut victim)) = cache.lines.put(cache.key(addr), line, asked) else { return };
        counts.add(&cache.name("evictions"), 1);
        if victim.unused {
            counts.add(&cache.name("prefetch.useless"), 1);
        }
        if cache.settings.inclusion == Inclusion::Inclusive {
            victim.dirty |= self.forget_above(k, victim.addr, counts);
        }
        if victim.dirty {
            counts.add(&self.caches[k].name("writebacks"), 1);
        }
        self.hand_down(k, victim, counts);
    }

    /// What a cache gives up goes to the one below: to stay there if that is exclusive, else only if dirty.
    fn hand_down(&mut self, k: usize, victim: Line, counts: &mut Counts) {
        let below = self.below(k);
        match below {
            Some(lower) if self.caches[lower].exclusive() => {
                let key = self.caches[lower].key(victim.addr);
                match self.caches[lower].lines.peek(key) {
                    Some(line) => line.dirty |= victim.dirty,
                    None => self.fill(lower, victim.addr, victim.dirty, false, false, counts),
                }
            }
            _ if victim.dirty => self.write_back(below, victim.addr, counts),
            _ => {}
        }
    }

    /// An inclusive cache has lost a line: everything above loses it; whether it was dirty there.
    fn forget_above(&mut self, k: usize, addr: u64, counts: &mut Counts) -> bool {
        let mut dirty = false;
        for upper in 0..self.caches.len() {
            let mut lower = self.below(upper);
            while lower.is_some_and(|lower| lower != k) {
                lower = lower.and_then(|lower| self.below(lower));
            }
            if lower.is_none() {
                continue;
            }
            for part in 0..self.caches[k].line / self.caches[upper].line {
                let part = addr + part * self.caches[upper].line;
                if let Some(line) = self.take(upper, part, counts) {
                    counts.add(&self.caches[upper].name("back_invalidations"), 1);
                    dirty |= line.dirty;
                }
            }
        }
        dirty
    }

    /// A dirty line comes to a cache, or to memory: where the cache has the line, it becomes dirty; where
    /// not, it is put in if the cache allocates. A cache that writes through hands it on.
    fn write_back(&mut self, k: Option<usize>, addr: u64, counts: &mut Counts) {
        let Some(k) = k else { return self.write(addr, ReferenceKind::Writeback) };
        let through = self.caches[k].through();
        let allocates = self.caches[k].settings.write_allocate;
        let key = self.caches[k].place(addr);
        let taken = match self.caches[k].lines.peek(key) {
            Some(line) => {
                line.dirty |= !through;
                true
            }
            None if allocates => {
                self.fill(k, addr, !through, false, false, counts);
                true
            }
            None => false,
        };
        if through {
            counts.add(&self.caches[k].name("writethroughs"), 1);
        }
        if through || !taken {
            self.write_back(self.below(k), addr, counts);
        }
    }

    /// A store to a line comes to a cache: it stays in the first one that has the line and writes back.
    fn store(&mut self, k: usize, addr: u64, counts: &mut Counts) {
        let key = self.caches[k].place(addr);
        let through = self.caches[k].through();
        if let Some(line) = self.caches[k].lines.peek(key)
            && !through
        {
            line.dirty = true;
            return;
        }
        if through {
            counts.add(&self.caches[k].name("writethroughs"), 1);
        }
        match self.below(k) {
            Some(lower) => self.store(lower, addr, counts),
            None => self.write(addr, ReferenceKind::Write),
        }
    }

    fn write(&mut self, addr: u64, kind: ReferenceKind) {
        self.written.push(Reference { addr: PhysAddr(addr), kind, served: MEMORY });
    }

    /// A cache's name, by its place in the configuration.
    pub fn name(&self, number: u8) -> &str {
        let found = self.caches.iter().find(|cache| cache.number == number);
        let other = if number == PEER { "peer" } else { "dram" };
        found.map_or(other, |cache| &cache.settings.name)
    }

    /// Adds what follows from the counts whose names start with `prefix`: a CPU's own caches', or all.
    pub fn report(&self, prefix: &str, instructions: u64, counts: &mut Counts) {
        for cache in &self.caches {
            if !prefix.is_empty() && cache.prefix != prefix
                || cache.cpu.is_some_and(|cpu| cpu > 0) && prefix.is_empty()
            {
                continue;
            }
            let name = format!("{prefix}{}", cache.settings.name);
            counts.accesses(&name, instructions);
            if cache.watcher.is_some() {
                let get = |what: &str| counts.get(&format!("{name}.{what}"));
                let (issued, useful) = (get("prefetch.issued"), get("prefetch.useful"));
                let (accuracy, all) = (useful / issued, useful + get("misses"));
                if issued > 0.0 {
                    counts.set(&format!("{name}.prefetch.accuracy"), accuracy);
                }
                if all > 0.0 {
                    counts.set(&format!("{name}.prefetch.coverage"), useful / all);
                }
            }
        }
    }
}
