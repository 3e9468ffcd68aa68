//! The cycle stack: every cycle charged to one component.
//!
//! Retirement is in order, so the time between two retirements is the time of one outcome and of the
//! instructions before it. At full width these take their own slots (base). What it takes longer is a
//! stall, and the outcome that retires last is its cause: the stall is charged backwards along what
//! that outcome went through (memory, cache, walk, TLB) until it is used up. What came before that is
//! a chain of first-level hits or, where the front end was held up, what held it up. Compare the
//! accounting at commit of Eyerman et al., "A performance counter architecture for computing accurate
//! CPI components" (ASPLOS 2006).

use tracegen::batch::Mark;

use crate::config::Config;
use crate::outcome::{MEMORY, OutcomeKind, PEER};
use crate::statistics::Statistics;

use super::entry::Entry;

/// Instructions at full width, and rounding.
pub(super) const BASE: u8 = 0;
/// Mispredicted branches.
pub(super) const BRANCH: u8 = 1;
/// TLB look-ups below an access's first-level hit.
pub(super) const TLB: u8 = 2;
/// Page walks, and waiting for a walker.
pub(super) const WALK: u8 = 3;
/// Memory.
pub(super) const DRAM: u8 = 4;
/// The CPU's work on minor faults.
pub(super) const FAULT_MINOR: u8 = 5;
/// The CPU's work on major faults.
pub(super) const FAULT_MAJOR: u8 = 6;
/// Waiting for the swap device.
pub(super) const SWAP: u8 = 7;
/// Kernel work outside faults.
pub(super) const KERNEL: u8 = 8;
/// Waiting for lines in other CPUs' caches.
pub(super) const PEERS: u8 = 9;
/// Nothing to do.
pub(super) const IDLE: u8 = 10;
/// What only machines of several CPUs have.
const OF_SEVERAL: [u8; 2] = [PEERS, IDLE];
/// What the kernel does and waits for.
const THE_KERNELS: [u8; 4] = [FAULT_MINOR, FAULT_MAJOR, SWAP, KERNEL];
/// The first cache of the configuration; the others follow.
const CACHES: u8 = 11;

const NAMES: [(&str, &str); CACHES as usize] = [
    ("base", "Cycles in which instructions retire at full width, and rounding"),
    ("branch", "Cycles after mispredicted branches"),
    ("tlb", "Cycles in TLB look-ups"),
    ("walk", "Cycles in page walks and waiting for a walker"),
    ("dram", "Cycles waiting for memory"),
    ("fault_minor", "Cycles of the CPU in minor faults"),
    ("fault_major", "Cycles of the CPU in major faults"),
    ("swap", "Cycles waiting for the swap device"),
    ("kernel", "Cycles of kernel work outside faults"),
    ("peer", "Cycles waiting for lines in other CPUs' caches"),
    ("idle", "Cycles in which the CPU has nothing to do"),
];

/// Whether machines of one CPU have the component at `index`, too.
fn one_has(index: usize) -> bool {
    !OF_SEVERAL.iter().any(|component| usize::from(*component) == index)
}

/// The ends of the names `cycles.…` of the components of `config`, in the order of [`Stack::of_one_cpu`].
pub(super) fn names_of_one_cpu(config: &Config) -> impl Iterator<Item = &str> {
    let caches = config.cache.iter().map(|cache| cache.name.as_str());
    let names = NAMES.iter().map(|(name, _)| *name).chain(caches).enumerate();
    names.filter(|(index, _)| one_has(*index)).map(|(_, name)| name)
}

/// The stack and the instructions where a mark retired.
#[derive(Debug, Clone)]
pub(super) struct Lap {
    pub(super) mark: Mark,
    pub(super) stack: Stack,
    pub(super) instructions: u64,
}

/// The component of a cache by its index.
pub(super) fn cache(index: u8) -> u8 {
    CACHES.saturating_add(index)
}

/// The component of where a line came from.
pub(super) fn source(served: u8) -> u8 {
    match served {
        MEMORY => DRAM,
        PEER => PEERS,
        index => cache(index),
    }
}

/// The components of the first and the last cache of a path; the base where there is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) first: u8,
    last: u8,
    /// Slots that another CPU takes to answer.
    peer: u64,
}

/// The ends of the path through `caches`, behind which another CPU answers in `peer` slots.
pub(super) fn ends(caches: &[u8], peer: u64) -> Ends {
    let component = |end: Option<&u8>| end.map_or(BASE, |index| cache(*index));
    Ends { first: component(caches.first()), last: component(caches.last()), peer }
}

/// Slots by component.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    slots: Vec<u64>,
}

impl Stack {
    /// All zero, for a machine with so many caches.
    pub(super) fn new(caches: usize) -> Self {
        Self { slots: vec![0; usize::from(CACHES) + caches] }
    }

    /// Charges `slots` to `component`; to the base if there is no such component.
    #[inline]
    pub(super) fn charge(&mut self, component: u8, slots: u64) {
        let index = usize::from(component);
        let index = if index < self.slots.len() { index } else { usize::from(BASE) };
        self.slots[index] += slots;
    }

    /// Charges a stall of `slots` backwards along what `entry` went through, and what is left to what made it
    /// enter the window late.
    #[inline]
    pub(super) fn charge_stall(&mut self, entry: &Entry, ends: Ends, slots: u64) {
        let late = self.charge_way(entry, ends, slots);
        self.charge(entry.late, late);
    }

    /// Charges a stall of `slots` backwards along what `entry` went through, up to when it entered the window;
    /// returns what is left.
    #[inline]
    pub(super) fn charge_way(&mut self, entry: &Entry, ends: Ends, slots: u64) -> u64 {
        let mut left = slots;
        let mut take = |component, from: u64, to: u64| {
            let slots = left.min(to.saturating_sub(from));
            left -= slots;
            self.charge(component, slots);
            left == 0
        };
        if matches!(entry.kind, OutcomeKind::Load | OutcomeKind::Fetch) {
            // Where and until when its own caches were looked up.
            let (looked, asked) = match entry.served {
                MEMORY => (ends.last, entry.asked),
                PEER => (ends.last, entry.asked.saturating_sub(ends.peer)),
                index => (cache(index), entry.asked),
            };
            let used_up = take(entry.tail, entry.answered, entry.fill)
                || take(source(entry.served), asked, entry.answered)
                || take(looked, entry.issued, asked)
                || take(ends.first, entry.walked, entry.issued);
            if used_up {
                return 0;
            }
        }
        let translates =
            !matches!(entry.kind, OutcomeKind::Prefetch | OutcomeKind::HardwarePrefetch { .. });
        if translates
            && (take(WALK, entry.translated, entry.walked)
                || take(TLB, entry.start, entry.translated))
        {
            return 0;
        }
        left
    }

    /// What was charged since it was `base`.
    pub(super) fn since(&self, base: &Self) -> Self {
        let slots = self.slots.iter().zip(&base.slots);
        Self { slots: slots.map(|(now, then)| now.saturating_sub(*then)).collect() }
    }

    /// Adds what `other` was charged.
    pub(super) fn add(&mut self, other: &Self) {
        self.slots.iter_mut().zip(&other.slots).for_each(|(slots, more)| *slots += more);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.slots.fill(0);
    }

    /// The slots of the kernel, waiting for the swap device included.
    pub(super) fn kernel(&self) -> u64 {
        THE_KERNELS.iter().map(|component| self.slots[usize::from(*component)]).sum()
    }

    /// The kernel's components of `kernel`, and the others of this one, scaled.
    pub(super) fn estimate(&self, kernel: &Self, scale: impl Fn(u64) -> u64) -> Self {
        let mut slots: Vec<u64> = self.slots.iter().map(|slots| scale(*slots)).collect();
        for component in THE_KERNELS.map(usize::from) {
            slots[component] = kernel.slots[component];
        }
        Self { slots }
    }

    /// The slots charged to `component`.
    #[cfg(test)]
    pub(super) fn slots(&self, component: u8) -> u64 {
        self.slots[usize::from(component)]
    }

    /// The slots of every component that machines of one CPU have: those that all have, then the caches.
    pub(super) fn of_one_cpu(&self) -> impl Iterator<Item = u64> {
        let slots = self.slots.iter().enumerate();
        slots.filter(|(index, _)| one_has(*index)).map(|(_, slots)| *slots)
    }

    /// All slots.
    pub(super) fn total(&self) -> u64 {
        self.slots.iter().sum()
    }

    /// Declares every component's cycles, `width` slots each, under names that begin with `of`. They add up to the total rounded up:
    /// what is left of a cycle in the others is the base's.
    pub(super) fn report(&self, of: &str, width: u64, config: &Config, out: &mut Statistics) {
        let total = self.total().div_ceil(width);
        let others: u64 = self.slots.iter().skip(1).map(|slots| slots / width).sum();
        let names = NAMES.iter().map(|(name, doc)| (*name, *doc));
        let caches =
            config.cache.iter().map(|cache| (cache.name.as_str(), "Cycles waiting for this cache"));
        let alone = config.core.count <= 1;
        for (index, ((name, doc), slots)) in names.chain(caches).zip(&self.slots).enumerate() {
            if alone && !one_has(index) {
                continue;
            }
            let cycles = if index == usize::from(BASE) { total - others } else { slots / width };
            out.count(format!("{of}cycles.{name}"), "cycles", doc, cycles);
        }
    }
}
