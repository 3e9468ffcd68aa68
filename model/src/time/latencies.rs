//! Every timing setting of a machine, resolved to slots and laid out for look-up.

use crate::cache::settings::{Cache, Stream};
use crate::config::{Config, InvalidSetting};
use crate::mmu::settings::{Mmu, Tlb};
use crate::os::settings::Cost;
use crate::outcome::{PEER, UNTRANSLATED, WALKED};
use crate::units::Span;

use super::clock::Clock;
use super::ideal::Component;
use super::route::{Place, Routes};
use super::stack::{self, Ends};

/// The error of a latency that no machine has.
pub(super) fn too_long(what: impl Into<String>) -> InvalidSetting {
    InvalidSetting::new(what, "is longer than 1000 s")
}

/// The caches that a stream passes on its way to memory, from the first level on.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// Indices in the configuration's list of caches.
    pub(super) caches: Vec<u8>,
    /// What is known of each of them.
    pub(super) levels: Vec<Level>,
}

/// A cache on a path.
#[derive(Debug)]
pub(super) struct Level {
    /// Load-to-use latency of a hit.
    pub(super) latency: u64,
    /// Whether its miss registers can run out.
    pub(super) scarce: bool,
    /// Whether all CPUs have it together.
    pub(super) shared: bool,
    /// Slots that its link takes for a line of the level above; nothing where it takes any number at once.
    pub(super) link: Option<u64>,
}

impl Path {
    /// The position of a cache in the path; the end for what is no cache or the stream never passes.
    pub(super) fn position(&self, served: u8) -> usize {
        let end = self.caches.len();
        self.caches.iter().position(|cache| *cache == served).unwrap_or(end)
    }
    /// When a request that enters at `first` has looked everywhere and goes to memory.
    pub(super) fn miss(&self, first: usize) -> u64 {
        let last = self.levels.last().filter(|_| first < self.levels.len());
        last.map_or(0, |level| level.latency)
    }

    /// Whose the miss registers and the link of a level are.
    pub(super) fn place(&self, level: usize) -> Place {
        let cache = self.caches.get(level).copied().map_or(0, u16::from);
        Place::new(cache, self.levels.get(level).is_some_and(|level| level.shared))
    }
}

/// What kernel work costs, in slots.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Costs {
    pub(super) fault: u64,
    pub(super) major: u64,
    pub(super) zero_4k: u64,
    pub(super) copy_4k: u64,
    pub(super) table_write: u64,
    pub(super) scan: u64,
    pub(super) invalidate: u64,
    pub(super) flush: u64,
    pub(super) switch: u64,
    pub(super) shootdown: u64,
    pub(super) shootdown_cpu: u64,
    pub(super) interrupt: u64,
}

/// The timing of a machine.
#[derive(Debug)]
pub(super) struct Latencies {
    pub(super) clock: Clock,
    pub(super) routes: Routes,
    /// The components of the first and last cache: data, then instruction.
    pub(super) ends: [Ends; 2],
    /// Whether walks take place.
    pub(super) walks: bool,
    /// Whether page-table reads go through a cache.
    pub(super) walks_are_cached: bool,
    /// What the paging-structure caches add to a walk.
    pub(super) pwc: u64,
    /// What translation adds, by [`crate::outcome::Outcome::tlb`]: data, then instruction.
    translation: [Box<[u64; 256]>; 2],
    /// Load-to-use latency of a hit in the first-level TLB and cache: data, then instruction.
    pub(super) first_hit: [u64; 2],
    pub(super) mispredict: u64,
    pub(super) costs: Costs,
    /// Bytes of a line of the data path's last cache.
    pub(super) line: u64,
    /// `mshrs` of every cache.
    pub(super) mshrs: Vec<u32>,
    /// Whether some cache has a prefetcher.
    pub(super) prefetches: bool,
}

impl Latencies {
    /// Resolves `config`, where one component may be perfect.
    ///
    /// # Errors
    /// A latency is out of all proportion, or a name means nothing.
    pub(super) fn new(config: &Config, perfect: Option<Component>) -> Result<Self, InvalidSetting> {
        let clock = Clock::new(config.core.frequency, config.core.width);
        let span = |what: &str, span: Span| clock.span(span).ok_or_else(|| too_long(what));
        let data = path(config, Stream::Data, &clock, perfect)?;
        let fetch = path(config, Stream::Instruction, &clock, perfect)?;
        let peer = span("core.peer_latency", config.core.peer_latency)?;
        let peer = if perfect == Some(Component::Peer) { 0 } else { peer };
        let walk_entry = match config.mmu.walker.entry_level.as_deref() {
            None => 0,
            Some("memory") => data.caches.len(),
            Some(name) => data
                .caches
                .iter()
                .position(|cache| config.cache[usize::from(*cache)].name == name)
                .ok_or_else(|| {
                    InvalidSetting::new(
                        "mmu.walker.entry_level",
                        format!("names no data cache: `{name}`"),
                    )
                })?,
        };
        let mut pwc = 0;
        for cache in &config.mmu.pwc {
            let latency = cache.latency.unwrap_or(Span::Cycles(0));
            pwc = pwc.max(span(&format!("mmu.pwc.{}.latency", cache.level), latency)?);
        }
        let mut translation = [
            translation(&config.mmu, Stream::Data, &clock)?,
            translation(&config.mmu, Stream::Instruction, &clock)?,
        ];
        if perfect == Some(Component::Tlb) {
            translation.iter_mut().for_each(|answers| answers.fill(0));
        }
        let first = |path: &Path, stream| -> Result<u64, InvalidSetting> {
            let cache = path.levels.first().map_or(clock.width(), |level| level.latency);
            let tlb = if config.mmu.enabled && perfect != Some(Component::Tlb) {
                level_latency(&config.mmu, stream, 1, &clock)?
            } else {
                0
            };
            Ok(cache + tlb)
        };
        let first_hit = [first(&data, Stream::Data)?, first(&fetch, Stream::Instruction)?];
        Ok(Self {
            routes: Routes::new(&data, &fetch, (walk_entry, config.cache.len()), peer, perfect),
            ends: [stack::ends(&data.caches, peer), stack::ends(&fetch.caches, peer)],
            walks: perfect != Some(Component::Walk),
            walks_are_cached: walk_entry < data.caches.len(),
            pwc,
            translation,
            first_hit,
            mispredict: span("core.mispredict_penalty", config.core.mispredict_penalty)?,
            costs: costs(&config.os.cost, span)?,
            line: data.caches.last().map_or(0, |index| config.cache[usize::from(*index)].line.0),
            mshrs: config.cache.iter().map(|cache| cache.mshrs).collect(),
            prefetches: config.cache.iter().any(|cache| cache.prefetcher.is_some()),
            clock,
        })
    }

    /// What looking up the TLBs takes until the one that had the translation answers, or until all
    /// have missed.
    #[inline]
    pub(super) fn translation(&self, fetch: bool, tlb: u8) -> u64 {
        self.translation[usize::from(fetch)][usize::from(tlb)]
    }
}

/// The caches of one stream. Where each level's latency is left out it is a cycle more than the one
/// before. Below the first level registers run out only where the levels above and the walkers can
/// have more misses outstanding than there are, or a prefetcher can.
fn path(
    config: &Config,
    stream: Stream,
    clock: &Clock,
    perfect: Option<Component>,
) -> Result<Path, InvalidSetting> {
    let caches = config.cache.as_slice();
    let mut order: Vec<usize> =
        (0..caches.len()).filter(|index| caches[*index].serves.contains(&stream)).collect();
    order.sort_by_key(|index| caches[*index].level);
    let first_level = caches.iter().map(|cache| cache.level).min().unwrap_or(0);
    let above: u64 = caches
        .iter()
        .filter(|cache| cache.level == first_level)
        .map(|cache| u64::from(cache.mshrs))
        .sum::<u64>()
        + u64::from(config.mmu.walker.count);
    let mut path = Path::default();
    let (mut previous, mut spared) = (0, 0);
    let mut prefetched = false;
    let mut line_above = None;
    for index in order {
        let cache = &caches[index];
        prefetched |= cache.prefetcher.is_some();
        let latency = match cache.latency {
            Some(latency) => clock
                .span(latency)
                .ok_or_else(|| too_long(format!("cache.{}.latency", cache.name)))?,
            None => previous + clock.width(),
        };
        let is_perfect =
            matches!(perfect, Some(Component::Cache(perfect)) if usize::from(perfect) == index);
        if is_perfect {
            spared = latency.saturating_sub(previous);
        }
        previous = latency;
        let name = u8::try_from(index).ok().filter(|index| *index < PEER);
        path.caches.push(name.ok_or_else(|| {
            InvalidSetting::new("cache", "has more caches than can be told apart (253)")
        })?);
        let shared = cache.is_shared();
        let cpus = if shared { u64::from(config.core.count) } else { 1 };
        let few = u64::from(cache.mshrs) < above * cpus;
        let scarce = cache.level == first_level || few || prefetched;
        path.levels.push(Level {
            latency: latency.saturating_sub(spared),
            scarce: scarce && !is_perfect,
            shared,
            link: link(cache, line_above, clock)?.filter(|_| !is_perfect),
        });
        line_above = Some(cache.line.0);
    }
    Ok(path)
}

/// The slots that a cache's link takes for a line of the level above.
fn link(cache: &Cache, line: Option<u64>, clock: &Clock) -> Result<Option<u64>, InvalidSetting> {
    let Some(bandwidth) = cache.bandwidth else { return Ok(None) };
    match line {
        Some(line) => Ok(Some((line * clock.width()).div_ceil(u64::from(bandwidth.max(1))))),
        None => Err(InvalidSetting::new(
            format!("cache.{}.bandwidth", cache.name),
            "is that of the link to the level above, of which there is none",
        )),
    }
}

fn latency(tlb: &Tlb, clock: &Clock) -> Result<u64, InvalidSetting> {
    let default = Span::Cycles(u64::from(tlb.level > 1));
    clock
        .span(tlb.latency.unwrap_or(default))
        .ok_or_else(|| too_long(format!("mmu.tlb.{}.latency", tlb.name)))
}

/// What missing a level of TLBs takes: those of one level are looked up side by side, and each looks up as
/// often as there are page sizes that it tries.
fn level_latency(
    mmu: &Mmu,
    stream: Stream,
    level: u8,
    clock: &Clock,
) -> Result<u64, InvalidSetting> {
    let mut longest = 0;
    for tlb in mmu.tlb.iter().filter(|tlb| tlb.level == level && tlb.serves.contains(&stream)) {
        let tries = mmu.tried_sizes(tlb).len() as u64;
        longest = longest.max(latency(tlb, clock)?.saturating_mul(tries));
    }
    Ok(longest)
}

/// The time until the answer, by [`crate::outcome::Outcome::tlb`].
fn translation(
    mmu: &Mmu,
    stream: Stream,
    clock: &Clock,
) -> Result<Box<[u64; 256]>, InvalidSetting> {
    let missed = |levels: std::ops::Range<u16>| -> Result<u64, InvalidSetting> {
        let mut sum = 0;
        for level in levels {
            sum += level_latency(mmu, stream, u8::try_from(level).unwrap_or(u8::MAX), clock)?;
        }
        Ok(sum)
    };
    let mut answers = Box::new([0; 256]);
    for (tlb, answer) in mmu.tlb.iter().zip(answers.iter_mut()) {
        *answer = missed(1..u16::from(tlb.level))? + latency(tlb, clock)?;
    }
    // Behind the list: each further size that a TLB tries.
    let mut next = mmu.tlb.len();
    for (index, tlb) in mmu.tlb.iter().enumerate() {
        for tries in 1..mmu.tried_sizes(tlb).len() {
            if let (Some(first), true) = (answers.get(index).copied(), next < answers.len()) {
                answers[next] = first + latency(tlb, clock)?.saturating_mul(tries as u64);
            }
            next += 1;
        }
    }
    let last = mmu.tlb.iter().map(|tlb| u16::from(tlb.level)).max().unwrap_or(0);
    answers[usize::from(UNTRANSLATED)] = 0;
    answers[usize::from(WALKED)] = missed(1..last + 1)?;
    Ok(answers)
}

fn costs(
    cost: &Cost,
    span: impl Fn(&str, Span) -> Result<u64, InvalidSetting>,
) -> Result<Costs, InvalidSetting> {
    Ok(Costs {
        fault: span("os.cost.fault", cost.fault)?,
        major: span("os.cost.major", cost.major)?,
        zero_4k: span("os.cost.zero_4k", cost.zero_4k)?,
        copy_4k: span("os.cost.copy_4k", cost.copy_4k)?,
        table_write: span("os.cost.table_write", cost.table_write)?,
        scan: span("os.cost.scan", cost.scan)?,
        invalidate: span("os.cost.invalidate", cost.invalidate)?,
        flush: span("os.cost.flush", cost.flush)?,
        switch: span("os.cost.switch", cost.switch)?,
        shootdown: span("os.cost.shootdown", cost.shootdown)?,
        shootdown_cpu: span("os.cost.shootdown_cpu", cost.shootdown_cpu)?,
        interrupt: span("os.cost.interrupt", cost.interrupt)?,
    })
}
