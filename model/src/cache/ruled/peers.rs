//! Several CPUs, whose private caches are kept coherent.
//!
//! The private levels of the CPU that runs are the hierarchy's own; those of the others are parked here and
//! exchanged when another one runs. Shared levels are there once.
//!
//! - **Unit.** Coherence is kept for blocks, as large as the largest private line: with lines of one size,
//!   a block is a line.
//! - **A load** that none of its own private levels has asks the others. A modified copy is given to it (the
//!   line is served by [`PEER`], whatever the shared levels had), becomes clean, and goes down to the shared
//!   levels or memory. A clean copy is given where no shared level had the line.
//! - **A store** takes the block from the others. A modified copy is given to it and goes down only where
//!   the store does not end in a private level. Where the CPU had the line itself, the store is an
//!   [upgrade](ReferenceKind::Upgrade) (MESI: shared to modified; where no other has it, exclusive to
//!   modified, which costs nothing).
//! - **An inclusive shared level** invalidates what it displaces in the private levels of every CPU.
//! - Page-table reads and writes and prefetches follow the same rules.

use std::ops::RangeInclusive;

use super::RuledHierarchy;
use super::level::RuledLevel;
use super::sharers::{CpuSet, Sharers, cpus};
use crate::address::{PageShift, PhysAddr};
use crate::cache::settings::{Cache, Inclusion};
use crate::config::InvalidSetting;
use crate::outcome::{PEER, Reference, ReferenceKind};
use crate::replacement::cpu_seed;

/// The most lines that are remembered as lost by a CPU that does not run; with more, it takes all of its
/// lines for lost.
const MOST_LOST: usize = 1024;

/// Lines that others have taken from a CPU's first level for data, or made clean there, since it ran.
#[derive(Debug, Clone, Default, bincode::Encode, bincode::Decode)]
struct Lost {
    lines: Vec<PhysAddr>,
    too_many: bool,
}

impl Lost {
    fn push(&mut self, line: PhysAddr) {
        if self.lines.len() == MOST_LOST {
            self.too_many = true;
            self.lines.clear();
        }
        if !self.too_many {
            self.lines.push(line);
        }
    }
}

/// The other CPUs of a hierarchy.
#[derive(Debug, Clone, bincode::Encode, bincode::Decode)]
pub(super) struct Peers {
    /// The CPU that runs.
    here: u16,
    /// The private caches, the upper levels first, as indices in the configuration's list.
    private: Vec<u8>,
    /// By CPU, where its private levels are parked; that of the CPU that runs says nothing.
    places: Vec<u16>,
    /// At each place, the levels in the order of `private`.
    parked: Vec<Vec<RuledLevel>>,
    sharers: Sharers,
    /// log2 of a block's bytes.
    block_shift: u32,
    /// The first level for data, where it is private.
    first: Option<u8>,
    lost: Vec<Lost>,
    /// Modified lines that others have given up and nobody has taken yet, with the cache that they were in.
    given: Vec<(u8, PhysAddr)>,
    /// Whether a line that is modified in a private level is surely in no other CPU's.
    modified_is_alone: bool,
}

/// The first byte of every line of a level in the 2^`shift` bytes that start at `start`.
fn parts(level: &RuledLevel, start: u64, shift: u32) -> impl Iterator<Item = PhysAddr> + use<> {
    let line = level.line_shift;
    (0..1u64 << shift.saturating_sub(line)).map(move |part| PhysAddr(start + (part << line)))
}

/// Who can give a line: a CPU, and the place of its cache in the order of the private ones.
type Giver = Option<(u16, usize)>;

/// What asking a CPU has found.
#[derive(Debug, Default)]
struct Answer {
    /// Its uppermost level that had a modified line of the block.
    modified: Option<usize>,
    /// Its uppermost level that had the line itself.
    has: Option<usize>,
    /// Whether it had any line of the block.
    any: bool,
}

impl Peers {
    /// `parked` has the private levels of all CPUs but the first, in the order of `private`.
    pub fn new(
        private: Vec<u8>,
        parked: Vec<Vec<RuledLevel>>,
        block_shift: u32,
        first: Option<u8>,
        modified_is_alone: bool,
    ) -> Self {
        let count = parked.len() + 1;
        Self {
            here: 0,
            first: first.filter(|first| private.contains(first)),
            private,
            // There are at most 64 CPUs.
            places: (0..count as u16).map(|cpu| cpu.saturating_sub(1)).collect(),
            parked,
            sharers: Sharers::default(),
            block_shift,
            lost: vec![Lost::default(); count],
            given: Vec::new(),
            modified_is_alone,
        }
    }

    fn is_private(&self, index: u8) -> bool {
        self.private.contains(&index)
    }

    fn block(&self, addr: PhysAddr) -> u64 {
        addr.0 >> self.block_shift
    }

    /// The blocks that have a part of the 2^`shift` bytes from `start` on.
    fn blocks(&self, start: u64, shift: u32) -> RangeInclusive<u64> {
        start >> self.block_shift..=(start | ((1 << shift) - 1)) >> self.block_shift
    }

    /// The other CPUs that may have a line of a block.
    fn others(&self, block: u64) -> CpuSet {
        self.sharers.of(block) & !(1 << self.here)
    }

    /// The private levels of a CPU that does not run.
    fn of(&self, cpu: u16) -> &[RuledLevel] {
        &self.parked[usize::from(self.places[usize::from(cpu)])]
    }

    /// Asks another CPU for the block of `addr`, which it gives up, or keeps clean.
    fn ask(&mut self, cpu: u16, addr: PhysAddr, gives_up: bool) -> Answer {
        let block = self.block(addr);
        let Self { places, parked, private, given, lost, first, block_shift, .. } = self;
        let start = block << *block_shift;
        let levels = &mut parked[usize::from(places[usize::from(cpu)])];
        let mut answer = Answer::default();
        for (at, (level, index)) in levels.iter_mut().zip(private.iter()).enumerate() {
            for line in parts(level, start, *block_shift) {
                let held = if gives_up { level.take(line) } else { level.held(line).copied() };
                let Some(held) = held else { continue };
                answer.any = true;
                if addr.0 >> level.line_shift == held.line {
                    answer.has.get_or_insert(at);
                }
                if held.dirty {
                    answer.modified.get_or_insert(at);
                    if !given.iter().any(|(_, known)| *known == line) {
                        given.push((*index, line));
                    }
                }
                if gives_up {
                    level.extra.invalidations += 1;
                    if *first == Some(*index) {
                        lost[usize::from(cpu)].push(line);
                    }
                } else {
                    level.clean(line);
                }
            }
        }
        if gives_up || !answer.any {
            self.sharers.remove(block, cpu);
        } else if answer.modified.is_some() {
            self.lose_first(cpu, start);
        }
        answer
    }

    /// Stores to a block that has become clean have to be told of.
    fn lose_first(&mut self, cpu: u16, start: u64) {
        let Self { places, parked, private, lost, first, block_shift, .. } = self;
        let levels = &parked[usize::from(places[usize::from(cpu)])];
        for (level, _) in levels.iter().zip(private).filter(|(_, index)| *first == Some(**index)) {
            let there =
                parts(level, start, *block_shift).filter(|line| level.held(*line).is_some());
            there.for_each(|line| lost[usize::from(cpu)].push(line));
        }
    }

    /// The private levels of `above` lose 2^`shift` bytes from `start` on, on every CPU that does not run;
    /// whether a line was modified there.
    fn back_invalidate(&mut self, above: &[u8], start: u64, shift: u32) -> bool {
        let mut dirty = false;
        for block in self.blocks(start, shift) {
            for cpu in cpus(self.others(block)) {
                let Self { places, parked, private, lost, first, .. } = self;
                let levels = &mut parked[usize::from(places[usize::from(cpu)])];
                let concerned = levels.iter_mut().zip(private.iter());
                for (level, index) in concerned.filter(|(_, index)| above.contains(index)) {
                    for line in parts(level, start, shift) {
                        let Some(held) = level.take(line) else { continue };
                        dirty |= held.dirty;
                        level.extra.back_invalidations += 1;
                        if *first == Some(*index) {
                            lost[usize::from(cpu)].push(line);
                        }
                    }
                }
                if !holds(self.of(cpu), block, self.block_shift) {
                    self.sharers.remove(block, cpu);
                }
            }
        }
        dirty
    }
}

/// Whether any of `levels` has a line of `block`.
fn holds<'a>(
    levels: impl IntoIterator<Item = &'a RuledLevel>,
    block: u64,
    block_shift: u32,
) -> bool {
    let has = |level: &RuledLevel| {
        parts(level, block << block_shift, block_shift).any(|line| level.held(line).is_some())
    };
    levels.into_iter().any(has)
}

impl RuledHierarchy {
    /// Has several CPUs share the hierarchy, which is empty: the private levels are the first one's.
    /// Arguments as of [`RuledHierarchy::new`].
    ///
    /// # Errors
    /// As there.
    pub(in crate::cache) fn among(
        mut self,
        count: u16,
        settings: &[Cache],
        page: Option<PageShift>,
        address_bits: u8,
        seed: u64,
    ) -> Result<Self, InvalidSetting> {
        // There are at most 253 caches.
        let mut private: Vec<u8> = (0..settings.len() as u8).collect();
        private.retain(|index| !settings[usize::from(*index)].is_shared());
        private.sort_by_key(|index| settings[usize::from(*index)].level);
        let own = private.iter().map(|index| usize::from(*index));
        own.clone().for_each(|index| self.levels[index].is_one_of_several = true);
        let level = |cpu: u16, index: usize| {
            let seed = cpu_seed(seed, cpu);
            let mut level = RuledLevel::new(&settings[index], page, address_bits, seed)?;
            let first = &self.levels[index];
            level.sees_prefetches = first.sees_prefetches;
            level.is_included = first.is_included;
            level.is_one_of_several = true;
            Ok(level)
        };
        let of_cpu = |cpu| own.clone().map(|index| level(cpu, index)).collect();
        let parked = (1..count).map(of_cpu).collect::<Result<Vec<Vec<_>>, InvalidSetting>>()?;
        let block_shift = own.map(|index| self.levels[index].line_shift).max().unwrap_or(0);
        let takes_modified =
            |cache: &Cache| cache.is_shared() && cache.inclusion == Inclusion::Exclusive;
        let alone = !settings.iter().any(takes_modified);
        let peers = Peers::new(private, parked, block_shift, self.first_data(), alone);
        self.peers = Some(Box::new(peers));
        Ok(self)
    }

    /// Has another CPU run; whether it has lost so many lines meanwhile that they are not told singly.
    pub(in crate::cache) fn switch(&mut self, cpu: u16) -> bool {
        let Self { levels, peers: Some(peers), gone, .. } = self else { return false };
        if cpu == peers.here {
            return false;
        }
        let place = peers.places[usize::from(cpu)];
        for (index, parked) in peers.private.iter().zip(&mut peers.parked[usize::from(place)]) {
            std::mem::swap(&mut levels[usize::from(*index)], parked);
        }
        peers.places[usize::from(peers.here)] = place;
        peers.here = cpu;
        let lost = &mut peers.lost[usize::from(cpu)];
        gone.append(&mut lost.lines);
        std::mem::take(&mut lost.too_many)
    }

    /// The level at `index` of `cpu`; of one that is shared, that of all.
    pub(super) fn level_of(&self, cpu: u16, index: u8) -> &RuledLevel {
        match &self.peers {
            Some(peers) if cpu != peers.here => {
                let place = peers.private.iter().position(|private| *private == index);
                place.map_or(self.level(index), |place| &peers.of(cpu)[place])
            }
            _ => self.level(index),
        }
    }

    /// Whether the level at `index` is one for all CPUs, of which there are several.
    pub(in crate::cache) fn is_shared(&self, index: u8) -> bool {
        self.peers.as_ref().is_some_and(|peers| !peers.is_private(index))
    }

    /// Whether the level at `index` is one of several CPUs' own.
    pub(super) fn is_private(&self, index: u8) -> bool {
        self.peers.as_ref().is_some_and(|peers| peers.is_private(index))
    }

    /// A reference that the CPU's own private levels could not serve asks the others; `found` says whether a
    /// shared level could. Whether another CPU gives the line.
    pub(super) fn ask_peers(&mut self, addr: PhysAddr, write: bool, found: bool) -> bool {
        let Some(peers) = &mut self.peers else { return false };
        let others = peers.others(peers.block(addr));
        if others == 0 {
            return false;
        }
        let (mut modified, mut has): (Giver, Giver) = (None, None);
        for cpu in cpus(others) {
            let answer = peers.ask(cpu, addr, write);
            modified = modified.or(answer.modified.map(|at| (cpu, at)));
            has = has.or(answer.has.map(|at| (cpu, at)));
        }
        let giver = modified.or(has.filter(|_| !found));
        if let Some((cpu, at)) = giver {
            let place = usize::from(peers.places[usize::from(cpu)]);
            peers.parked[place][at].extra.forwards += 1;
        }
        giver.is_some()
    }

    /// A store has found its line in the CPU's own level at `index`: others that have it lose it.
    pub(super) fn upgrade(&mut self, index: u8, addr: PhysAddr, memory: &mut Vec<Reference>) {
        let Self { levels, peers: Some(peers), .. } = self else { return };
        let level = &mut levels[usize::from(index)];
        if peers.modified_is_alone
            && peers.is_private(index)
            && level.held(addr).is_some_and(|held| held.dirty)
        {
            return;
        }
        let others = peers.others(peers.block(addr));
        let mut any = false;
        for cpu in cpus(others) {
            any |= peers.ask(cpu, addr, true).any;
        }
        if any {
            level.extra.upgrades += 1;
            memory.push(Reference { addr, kind: ReferenceKind::Upgrade, served: PEER });
        }
    }

    /// Modified lines that other CPUs have given up go down to the shared levels, where the CPU has not made
    /// them its own.
    pub(super) fn settle_given(&mut self, memory: &mut Vec<Reference>) {
        let Some(peers) = &mut self.peers else { return };
        if peers.given.is_empty() {
            return;
        }
        for (index, addr) in std::mem::take(&mut peers.given) {
            if self.has_modified(addr) {
                continue;
            }
            let mut below = self.order.next[usize::from(index)];
            while let Some(lower) = below.filter(|lower| self.is_private(*lower)) {
                below = self.order.next[usize::from(lower)];
            }
            self.write_back(below, addr, memory);
        }
    }

    /// Whether a private level of the CPU that runs has the line of `addr`, and modified.
    fn has_modified(&self, addr: PhysAddr) -> bool {
        let private = self.peers.iter().flat_map(|peers| &peers.private);
        private.filter_map(|index| self.level(*index).held(addr)).any(|held| held.dirty)
    }

    /// The level at `index` has been filled with the line of `addr`.
    pub(super) fn arrived(&mut self, index: u8, addr: PhysAddr) {
        if let Some(peers) = &mut self.peers
            && peers.is_private(index)
        {
            peers.sharers.add(peers.block(addr), peers.here);
        }
    }

    /// The line at `addr` has left the level at `index`.
    pub(super) fn left(&mut self, index: u8, addr: PhysAddr) {
        if self.is_private(index) {
            self.left_all(addr.0, 0);
        }
    }

    /// The CPU that runs may have nothing left of the 2^`shift` bytes from `start` on.
    pub(super) fn left_all(&mut self, start: u64, shift: u32) {
        let Self { levels, peers: Some(peers), .. } = self else { return };
        for block in peers.blocks(start, shift) {
            let own = peers.private.iter().map(|index| &levels[usize::from(*index)]);
            if !holds(own, block, peers.block_shift) {
                peers.sharers.remove(block, peers.here);
            }
        }
    }

    /// The shared inclusive level at `index` has displaced a line: CPUs that do not run lose it; whether it
    /// was modified there.
    pub(super) fn invalidate_peers(&mut self, index: u8, start: u64, shift: u32) -> bool {
        let Self { above, peers: Some(peers), .. } = self else { return false };
        !peers.is_private(index) && peers.back_invalidate(&above[usize::from(index)], start, shift)
    }
}
